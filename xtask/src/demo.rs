//! The demo walks the whole road on this machine, with the commands that a user would type.

use std::path::Path;
use std::process::Command;

use anyhow::Context;
use clap::Args;

use crate::build;
use crate::process::{binary, root, run, say, shown};

/// Where the demo leaves its files, below the root of the workspace.
const FOLDER: &str = "demo";

/// An architecture to predict, and the space that it is of.
const EXAMPLE: &str = "docs/examples/mobile_choices.json";
const EXAMPLE_SPACE: &str = "proxyless-mobile";

#[derive(Args)]
pub(crate) struct Demo {
    /// The search space: a built-in name or a TOML file.
    #[arg(long, default_value = "proxyless-mobile")]
    space: String,
    /// Random networks to verify with, beside the reference networks that fit the space.
    #[arg(long, default_value_t = 8)]
    nets: u32,
}

impl Demo {
    /// Builds, profiles, predicts, verifies.
    pub(crate) fn run(&self) -> anyhow::Result<()> {
        build::programs()?;
        let folder = root().join(FOLDER);
        std::fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
        let table = folder.join("local-tract.json");
        let scatter = folder.join("verify.svg");
        let host = binary("host")?;
        step(&host, &["devices", "doctor", "local"])?;
        let profile = ["profile", "--device", "local", "--space", &self.space];
        // So few networks that all of it takes two minutes; a table for a search takes the default.
        let networks = ["--networks", "16", "--held-out", "0", "--out", text(&table)?];
        step(&host, &[&profile[..], &networks].concat())?;
        let rows = folder.join("rows");
        step(&host, &["table", "show", text(&table)?, "--plot", text(&rows)?])?;
        step(&host, &["table", "check", text(&table)?, "--space", &self.space])?;
        if self.space == EXAMPLE_SPACE {
            step(&host, &["predict", "--table", text(&table)?, "--arch", EXAMPLE])?;
        }
        let nets = self.nets.to_string();
        step(
            &host,
            &[
                "verify",
                "--device",
                "local",
                "--table",
                text(&table)?,
                "--nets",
                &nets,
                "--svg",
                text(&scatter)?,
            ],
        )?;
        say("\nWhat the demo left:");
        for (file, what) in [
            (&table, "the latency table, with its model"),
            (&scatter, "predicted against measured, a picture; beside it as PNG"),
            (&rows.with_extension("svg"), "what each operation costs, a picture; beside it as PNG"),
        ] {
            say(&format!("  {:<24} {what}", short(file).display()));
        }
        Ok(())
    }
}

fn step(host: &Path, arguments: &[&str]) -> anyhow::Result<()> {
    let mut command = Command::new(host);
    command.args(arguments).current_dir(root());
    say(&format!("\n$ {}", shown(&command)));
    run(&mut command)
}

fn text(path: &Path) -> anyhow::Result<&str> {
    short(path).to_str().with_context(|| format!("{} is not text", path.display()))
}

/// The path from the root of the workspace, where the commands run.
fn short(path: &Path) -> &Path {
    path.strip_prefix(root()).unwrap_or(path)
}
