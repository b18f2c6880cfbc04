//! The demo walks the whole road on this machine, with the commands that a user would type: a latency table, a
//! search by it on real images, a network within its budget, and one without a search beside it.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::Context;
use clap::Args;
use serde_json::Value;

use crate::build;
use crate::process::{binary, root, run, say, shown};
use crate::setup::fashion_mnist_images;

/// Where the demo leaves its files, below the root of the workspace.
const FOLDER: &str = "demo";

/// The space that is searched: its networks are trained in minutes.
const SPACE: &str = "proxyless-small";

/// How long the search is: two minutes on two cores, where a search worth its name takes half an hour.
const SEARCH: [&str; 8] = [
    "--warm-up-epochs",
    "2",
    "--epochs",
    "6",
    "--steps-per-epoch",
    "150",
    "--architecture-every",
    "3",
];

/// How long the two networks are trained: a minute each.
const TRAIN: [&str; 4] = ["--epochs", "3", "--steps-per-epoch", "250"];

#[derive(Args)]
pub(crate) struct Demo {
    /// Latency that the network shall have on this machine.
    #[arg(long, default_value = "2.5ms")]
    target: String,
    /// Images: a folder, or `synthetic` [default: Fashion-MNIST, where `cargo xtask setup` could bring it].
    #[arg(long)]
    data: Option<String>,
}

/// What is said of a network at the end.
struct Line {
    name: &'static str,
    predicted: Option<f64>,
    measured: Option<f64>,
    top1: f64,
}

impl Demo {
    /// Builds, profiles, verifies, searches, derives, trains, exports, compares.
    pub(crate) fn run(&self) -> anyhow::Result<()> {
        build::programs()?;
        let folder = root().join(FOLDER);
        // A run is not written over; the table of an earlier demo is not of use to another build.
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
        let host = Host { program: binary("host")?, folder };
        let data = match (&self.data, fashion_mnist_images()) {
            (Some(data), _) => data.clone(),
            (None, Some(folder)) => short(&folder)?,
            (None, None) => "synthetic".to_owned(),
        };
        host.profile()?;
        let searched = self.search(&host, &data)?;
        let baseline = self.baseline(&host, &data)?;
        self.say_the_end(&[searched, baseline]);
        Ok(())
    }

    fn search(&self, host: &Host, data: &str) -> anyhow::Result<Line> {
        let run = host.file("run")?;
        let table = host.file("table.json")?;
        let search = ["search", "--table", &table, "--target", &self.target, "--data", data];
        host.step(&[&search[..], &["--out", &run], &SEARCH].concat())?;
        let derived = host.json(&["derive", &run, "--device", "local", "--json"])?;
        let derived = &derived[0];
        let architecture = derived["file"].as_str().context("where the architecture is")?;
        let top1 = host.train(architecture, data, "network")?;
        let (network, exported) = (host.file("network")?, host.file("exported")?);
        host.step(&["export", &network, "--out", &exported])?;
        Ok(Line {
            name: "searched",
            predicted: derived["predicted_ms"].as_f64(),
            measured: derived["measured_ms"].as_f64(),
            top1,
        })
    }

    fn baseline(&self, host: &Host, data: &str) -> anyhow::Result<Line> {
        let (table, out) = (host.file("table.json")?, host.file("mobilenet.json")?);
        let found = host.json(&[
            "baseline",
            "--device",
            "local",
            "--table",
            &table,
            "--target",
            &self.target,
            "--width-divisor",
            "4",
            "--out",
            &out,
            "--json",
        ])?;
        let top1 = host.train(&out, data, "mobilenet")?;
        Ok(Line {
            name: "MobileNetV2-style",
            predicted: None,
            measured: found["measured_ms"].as_f64(),
            top1,
        })
    }

    fn say_the_end(&self, lines: &[Line]) {
        let number = |ms: Option<f64>| ms.map_or("-".to_owned(), |ms| format!("{ms:.3} ms"));
        say(&format!(
            "\n{:<20} {:>10} {:>12} {:>12} {:>8}",
            "network", "target", "predicted", "measured", "top-1"
        ));
        for Line { name, predicted, measured, top1 } in lines {
            say(&format!(
                "{name:<20} {:>10} {:>12} {:>12} {:>6.2} %",
                self.target,
                number(*predicted),
                number(*measured),
                100.0 * top1
            ));
        }
        say(
            "\nBoth were trained for minutes: this shows the road, and not what a search is worth (docs/results.md).",
        );
        say("\nWhat the demo left:");
        for (file, what) in [
            ("table.json", "the latency table, with its model"),
            ("verify.svg", "predicted against measured"),
            ("rows.svg", "what each operation costs"),
            (
                "run/pictures/search.svg",
                "loss, accuracy, expected latency and entropy of the search",
            ),
            ("run/pictures/choices.svg", "how each edge decided"),
            ("network/pictures/training.svg", "the training of the network that was found"),
            ("exported/model.onnx", "that network for other programs"),
        ] {
            say(&format!("  {FOLDER}/{file:<30} {what}"));
        }
        say("Every picture has a PNG beside it.");
    }
}

/// The program, and where its files go.
struct Host {
    program: PathBuf,
    folder: PathBuf,
}

impl Host {
    fn profile(&self) -> anyhow::Result<()> {
        let (table, rows, verify) =
            (self.file("table.json")?, self.file("rows")?, self.file("verify.svg")?);
        self.step(&["devices", "doctor", "local"])?;
        // So few networks that it takes a minute; a table to rely on takes the default.
        let networks = ["--networks", "24", "--held-out", "8", "--out", &table];
        let profile = ["profile", "--device", "local", "--space", SPACE];
        self.step(&[&profile[..], &networks].concat())?;
        self.step(&["table", "show", &table, "--plot", &rows])?;
        let device = ["verify", "--device", "local", "--table", &table];
        self.step(&[&device[..], &["--nets", "6", "--svg", &verify]].concat())
    }

    /// Trains a network and returns its share of right classes.
    fn train(&self, network: &str, data: &str, name: &str) -> anyhow::Result<f64> {
        let out = self.file(name)?;
        let train = ["train", "--network", network, "--space", SPACE, "--data", data];
        self.step(&[&train[..], &["--out", &out], &TRAIN].concat())?;
        let path = self.folder.join(name).join("result.json");
        let text = std::fs::read_to_string(&path)
            .with_context(|| format!("reading {}", path.display()))?;
        let result: Value = serde_json::from_str(&text)?;
        result["last"]["top1"].as_f64().context("the result of the training")
    }

    fn step(&self, arguments: &[&str]) -> anyhow::Result<()> {
        run(&mut self.command(arguments))
    }

    /// The same of a command that answers in JSON.
    fn json(&self, arguments: &[&str]) -> anyhow::Result<Value> {
        let mut command = self.command(arguments);
        let output = command.stderr(Stdio::inherit()).output().context("starting host")?;
        anyhow::ensure!(output.status.success(), "`{}` failed", shown(&command));
        Ok(serde_json::from_slice(&output.stdout)?)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command.args(arguments).current_dir(root());
        say(&format!("\n$ {}", shown(&command)));
        command
    }

    fn file(&self, name: &str) -> anyhow::Result<String> {
        short(&self.folder.join(name))
    }
}

/// The path from the root of the workspace, where the commands run.
fn short(path: &Path) -> anyhow::Result<String> {
    let path = path.strip_prefix(root()).unwrap_or(path);
    Ok(path.to_str().with_context(|| format!("{} is not text", path.display()))?.to_owned())
}
