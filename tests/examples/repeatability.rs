//! Repeatability: how much a table changes when nothing did.
//!
//! Measures all operations of a space twice in a row with a real agent, each operation entered under
//! two names, on a quiet machine and again while another process keeps one core busy. Prints, over the
//! rows, the relative difference of the headline value between the two measurements (repeatability) and
//! between the two names in one measurement (the null test: the resolution of the table).
//!
//! ```text
//! cargo xtask bench [SPACE]
//! ```

#![expect(clippy::print_stdout, reason = "its output is its purpose")]

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use op_catalog::SpaceDefinition;
use op_catalog::wire::{
    Item, JobRequest, MeasuringProtocol, PROTOCOL_VERSION, Precision, Row, Runtime,
};

/// Separates an operation's key from the number of the name that it is entered under.
const NAME_MARK: char = '#';

type Failure = Box<dyn std::error::Error>;

/// Headline value of each item in milliseconds, and whether it converged.
type Measured = BTreeMap<String, (f64, bool)>;

fn main() -> Result<(), Failure> {
    let mut arguments = std::env::args().skip(1);
    let agent = arguments.next().ok_or("which agent? the first argument is its file")?;
    let space = arguments.next().unwrap_or_else(|| "proxyless-mobile".to_owned());
    println!("space {space}, runtime tract, 1 thread, batch 1, standard protocol");
    println!(
        "{:<10} {:>5} {:>9} {:>10}  {:>24}  {:>24}",
        "machine",
        "rows",
        "seconds",
        "converged",
        "repeated: median p90 max",
        "null test: median p90 max"
    );
    for (name, load) in [("quiet", Load::None), ("one busy", Load::OneCore)] {
        let busy = load.start()?;
        let start = Instant::now();
        let first = measure(Path::new(&agent), &space, "first")?;
        let seconds = start.elapsed().as_secs_f64();
        let second = measure(Path::new(&agent), &space, "second")?;
        drop(busy);
        let converged = first.values().filter(|(_, converged)| *converged).count();
        println!(
            "{name:<10} {:>5} {seconds:>9.1} {:>9.0}%  {:>24}  {:>24}",
            first.len(),
            100.0 * converged as f64 / first.len() as f64,
            spread(differences(&first, &second, str::to_owned)),
            spread(differences(&first, &first, other_name)),
        );
        std::io::stdout().flush()?;
    }
    Ok(())
}

/// What else the machine does.
enum Load {
    None,
    OneCore,
}

/// A process that keeps a core busy until dropped.
struct Busy(Child);

impl Load {
    fn start(&self) -> std::io::Result<Option<Busy>> {
        match self {
            Self::None => Ok(None),
            Self::OneCore => Command::new("sh")
                .args(["-c", "while :; do :; done"])
                .spawn()
                .map(|child| Some(Busy(child))),
        }
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn measure(agent: &Path, space: &str, label: &str) -> Result<Measured, Failure> {
    let request = serde_json::to_vec(&request(space, label)?)?;
    let mut child =
        Command::new(agent).arg("measure").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    child.stdin.take().ok_or("no standard input")?.write_all(&request)?;
    let output = child.wait_with_output()?;
    let rows = String::from_utf8(output.stdout)?;
    let mut measured = Measured::new();
    for line in rows.lines() {
        let row: Row = serde_json::from_str(line)?;
        let measurement = row.measurement().ok_or_else(|| format!("{} failed", row.id))?;
        measured.insert(row.id.clone(), (measurement.headline.value.0, measurement.converged));
    }
    Ok(measured)
}

fn request(space: &str, label: &str) -> Result<JobRequest, Failure> {
    let operations = SpaceDefinition::built_in(space)?.build()?.placed_ops();
    let items = operations.iter().flat_map(|placed| {
        ["1", "2"].map(|number| Item {
            id: format!("{placed}{NAME_MARK}{number}"),
            blocks: vec![*placed],
        })
    });
    Ok(JobRequest {
        protocol_version: PROTOCOL_VERSION,
        label: label.to_owned(),
        runtime: Runtime::Tract,
        threads: 1,
        batch: 1,
        precision: Precision::F32,
        weight_seed: 1,
        core: None,
        protocol: MeasuringProtocol::standard(),
        items: items.collect(),
    })
}

fn other_name(id: &str) -> String {
    id.replace(&format!("{NAME_MARK}1"), &format!("{NAME_MARK}2"))
}

/// Relative differences in percent between the rows of one measurement and those under another name in
/// another.
fn differences(first: &Measured, second: &Measured, name: fn(&str) -> String) -> Vec<f64> {
    let pairs = first.iter().filter_map(|(id, (value, _))| {
        let (other, _) = second.get(&name(id))?;
        Some(100.0 * (other / value - 1.0).abs())
    });
    pairs.collect()
}

fn spread(mut percent: Vec<f64>) -> String {
    // A row is its own other name where it is the second one.
    percent.retain(|difference| *difference > 0.0);
    percent.sort_by(f64::total_cmp);
    let at = |quantile: f64| {
        percent.get(((percent.len() - 1) as f64 * quantile) as usize).copied().unwrap_or(0.0)
    };
    if percent.is_empty() {
        return "none".to_owned();
    }
    format!("{:.2}% {:.2}% {:.2}%", at(0.5), at(0.9), at(1.0))
}
