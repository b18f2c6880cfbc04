//! `host profile`: measures every operation of a space on a device and writes the table.

mod again;
mod job;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::SystemTime;

use anyhow::{Context, ensure};
use clap::{Args, ValueEnum, value_parser};
use latency_tables::{LatencyTable, TableContext, TableRow, file};
use op_catalog::SearchSpace;
use op_catalog::wire::{
    Item, Job, JobRequest, JobStatus, MeasuringProtocol, Outcome, PROTOCOL_VERSION, Precision,
    Runtime,
};
use serde_json::json;

pub(crate) use job::{completed, fresh_label};

use crate::connection::DeviceArgs;
use crate::journal::{Beginning, Journal};
use crate::progress::duration;
use crate::{output, report, resolve, wait_for};
use job::{End, Ended};

/// Arguments of `host profile`.
#[derive(Args, Debug)]
pub(crate) struct ProfileArgs {
    #[command(flatten)]
    device: DeviceArgs,
    /// The search space: a built-in name or a TOML file
    #[arg(long, value_name = "NAME-OR-FILE", default_value = "proxyless-mobile")]
    space: String,
    /// What runs the operations
    #[arg(long, value_enum, default_value_t = RuntimeName::Tract)]
    runtime: RuntimeName,
    /// Threads that the runtime may use
    #[arg(long, default_value_t = 1, value_parser = value_parser!(u32).range(1..=Job::MAX_THREADS.into()))]
    threads: u32,
    /// Images per run
    #[arg(long, default_value_t = 1, value_parser = value_parser!(u32).range(1..=Job::MAX_BATCH.into()))]
    batch: u32,
    /// Error of a row at which it is finished: half its confidence interval over its value
    #[arg(long, value_name = "PERCENT", default_value = "1%", value_parser = share)]
    target_error: f64,
    /// Core to measure on [default: the agent's choice]
    #[arg(long)]
    core: Option<u32>,
    /// Seed of weights, inputs and the order of measuring
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// The table [default: DEVICE-RUNTIME-SPACE.json]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Throw away what an earlier run for this table has measured
    #[arg(long)]
    restart: bool,
    /// Print the summary as JSON
    #[arg(long)]
    json: bool,
}

/// The runtimes by name.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum RuntimeName {
    /// tract, in Rust
    Tract,
    /// libtorch
    Torch,
    /// No runtime: times follow from the MACs, for trying things out
    Mock,
}

impl From<RuntimeName> for Runtime {
    fn from(name: RuntimeName) -> Self {
        match name {
            RuntimeName::Tract => Self::Tract,
            RuntimeName::Torch => Self::Torch,
            RuntimeName::Mock => Self::Mock,
        }
    }
}

/// Runs the command.
pub(crate) fn run(args: &ProfileArgs) -> anyhow::Result<ExitCode> {
    let space = resolve::space(&args.space)?;
    let out = args.out.clone().unwrap_or_else(|| {
        PathBuf::from(format!(
            "{}-{}-{}.json",
            args.device.device,
            Runtime::from(args.runtime),
            space.name()
        ))
    });
    ensure!(!out.exists() || out.is_file(), "{} is there and is not a file", out.display());
    args.device.check()?;
    let beginning = if args.restart { Beginning::Restart } else { Beginning::Resume };
    let mut journal = Journal::open(&out, &args.device.device, request(args, &space), beginning)?;
    if journal.rows().len() > 0 {
        output::note(&format!("going on with {} rows of an earlier run", journal.rows().len()));
    }
    wait_for(async {
        let ended = match job::measure(&args.device, &mut journal).await {
            Err(error) if journal.rows().len() == 0 => {
                journal.remove()?;
                return Err(error);
            }
            ended => ended?,
        };
        let table = table(&ended, &space, &journal);
        let Ended { connected, end, .. } = ended;
        match end {
            End::Interrupted => {
                let kept = keep_partial(&out, &table)?;
                output::note(&format!("interrupted: {kept}; go on with `{}`", again::command()));
                Ok(ExitCode::FAILURE)
            }
            End::Done(status) => {
                file::write(&out, &table)?;
                connected.client.forget(&journal.current_id()).await?;
                summarise(args, &out, &table, status.as_ref())?;
                drop(connected);
                journal.remove()?;
                let failed = table.failed().len();
                Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
            }
        }
    })
}

/// Writes a partial table, unless a fuller one stands in its place. Returns where the rows are.
fn keep_partial(out: &Path, table: &LatencyTable) -> anyhow::Result<String> {
    let rows = report::count(table.rows().len(), "finished row");
    if file::read(out).is_ok_and(|earlier| earlier.rows().len() > table.rows().len()) {
        let journal = Journal::folder_for(out);
        return Ok(format!("{} stays as it was, {} has {rows}", out.display(), journal.display()));
    }
    file::write(out, table)?;
    Ok(format!("{} has {rows}", out.display()))
}

fn request(args: &ProfileArgs, space: &SearchSpace) -> JobRequest {
    let protocol = MeasuringProtocol {
        shuffle_seed: args.seed,
        target_relative_error: args.target_error,
        ..MeasuringProtocol::standard()
    };
    let item = |placed: op_catalog::PlacedOp| Item { id: placed.to_string(), blocks: vec![placed] };
    JobRequest {
        protocol_version: PROTOCOL_VERSION,
        label: fresh_label(),
        runtime: args.runtime.into(),
        threads: args.threads,
        batch: args.batch,
        precision: Precision::F32,
        weight_seed: args.seed,
        core: args.core,
        protocol,
        items: space.placed_ops().into_iter().map(item).collect(),
    }
}

/// The table of all rows so far.
fn table(ended: &Ended, space: &SearchSpace, journal: &Journal) -> LatencyTable {
    let request = journal.whole();
    let status = match &ended.end {
        End::Done(status) => status.as_ref(),
        End::Interrupted => None,
    };
    let context = TableContext {
        device: Some(ended.device.clone()),
        runtime: Some(request.runtime),
        threads: Some(request.threads),
        batch: Some(request.batch),
        precision: Some(request.precision),
        weight_seed: Some(request.weight_seed),
        core: status.and_then(|status| status.core),
        protocol: Some(request.protocol.clone()),
        measured_at: Some(humantime::format_rfc3339_seconds(SystemTime::now()).to_string()),
        measuring_time: status.map(|status| status.progress.elapsed),
        canary: status.map(|status| status.canary.clone()).unwrap_or_default(),
        ..TableContext::named(&ended.connected.name)
    };
    let mut table = LatencyTable::new(context).with_space(space.definition().clone());
    for row in journal.rows() {
        let key = row.blocks[0];
        match &row.outcome {
            Outcome::Measured(measurement) => {
                table.insert(TableRow::from_measurement(key, measurement));
            }
            Outcome::Failed(failure) => table.insert_failed(key, failure.clone()),
        }
    }
    table
}

fn summarise(
    args: &ProfileArgs,
    out: &Path,
    table: &LatencyTable,
    status: Option<&JobStatus>,
) -> anyhow::Result<()> {
    let rows = table.rows().len();
    let failed = table.failed().len();
    let unconverged = table.rows().filter(|row| row.converged == Some(false)).count();
    let flagged = table.rows().filter(|row| !row.flags.is_empty()).count();
    let seconds = status.map_or(0.0, |status| status.progress.elapsed.0 / 1e3);
    if args.json {
        return output::json(&json!({
            "table": out, "rows": rows, "failed": failed, "unconverged": unconverged, "flagged": flagged,
            "seconds": seconds, "device": table.context.device_name,
        }));
    }
    for (key, failure) in table.failed() {
        output::note(&format!("failed: {key}: {}", failure.message));
    }
    output::data(&format!(
        "{}: {rows} rows, {failed} failed, {unconverged} did not converge, {flagged} flagged; {} of measuring",
        out.display(),
        duration(seconds)
    ))
}

/// Reads `1%` or `0.01`.
fn share(text: &str) -> anyhow::Result<f64> {
    let (number, unit) = text.strip_suffix('%').map_or((text, 1.0), |number| (number, 0.01));
    let share = number
        .trim()
        .parse::<f64>()
        .with_context(|| format!("`{text}` is not a percentage such as 1%"))?
        * unit;
    ensure!(share > 0.0 && share <= 1.0, "`{text}` is not between 0 and 100%");
    Ok(share)
}

#[cfg(test)]
mod tests {
    use op_catalog::Milliseconds;

    use super::*;

    #[test]
    fn a_partial_table_takes_the_place_of_nothing_fuller() {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("table.json");
        let table = |keys: &[&str]| {
            let mut table = LatencyTable::new(TableContext::named("board"));
            for key in keys {
                let key = key.parse().unwrap();
                table.insert(TableRow::imported(key, 1, Milliseconds(1.0), 0.0));
            }
            table
        };
        let keys = ["conv-k3-in8x8x3-out8x8x4-s1", "conv-k1-in8x8x4-out8x8x4-s1"];
        let (one, two) = (table(&keys[..1]), table(&keys));
        assert!(keep_partial(&out, &one).unwrap().ends_with("table.json has 1 finished row"));
        assert!(keep_partial(&out, &two).unwrap().ends_with("has 2 finished rows"));
        assert!(keep_partial(&out, &one).unwrap().contains("stays as it was"));
        assert_eq!(file::read(&out).unwrap().rows().len(), 2);
    }

    #[test]
    fn a_target_error_is_a_percentage_or_a_share() {
        for (text, expected) in [("1%", 0.01), ("0.5 %", 0.005), ("0.02", 0.02)] {
            assert!((share(text).unwrap() - expected).abs() < 1e-12, "{text}");
        }
        for text in ["", "one", "0%", "-1%", "101%", "nan"] {
            assert!(share(text).is_err(), "{text}");
        }
    }
}
