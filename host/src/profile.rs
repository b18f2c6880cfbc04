//! `host profile`: measures every operation of a space on a device, and whole networks of it, and
//! writes the table with the model that they make.

mod again;
mod assemble;
mod job;
mod network_plan;
mod refresh;
mod request;
mod summary;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, ensure};
use architecture_search::LinearCost;
use clap::{Args, value_parser};
use latency_tables::{EdgeCosts, LatencyModel, LatencyTable, file};
use op_catalog::SearchSpace;
use op_catalog::wire::{Job, JobId, Runtime};

pub(crate) use job::{completed, fresh_label};
pub(crate) use network_plan::references;
pub(crate) use request::NETWORK_SAMPLES;

use crate::connection::DeviceArgs;
use crate::journal::{Beginning, Journal};
use crate::runtime_name::RuntimeName;
use crate::{report, wait_for};
use command_line::{output, resolve};
use job::Ended;
use network_plan::{NetworkCounts, PlannedNetwork};

/// Arguments of `host profile`.
#[derive(Args, Clone, Debug)]
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
    /// Whole networks to fit the latency model on; 0 measures operations alone
    #[arg(long, default_value_t = 90, value_parser = network_count)]
    networks: usize,
    /// Random networks that no fit sees, to state the model's errors on
    #[arg(long, default_value_t = 40)]
    held_out: usize,
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
    /// Measure a sample of this table's rows again, as they were measured, and keep the table, rescale
    /// it, or measure the whole of it anew
    #[arg(long, value_name = "TABLE", conflicts_with_all = SAID_BY_THE_OLD_TABLE)]
    refresh: Option<PathBuf>,
    /// Print the summary as JSON
    #[arg(long)]
    json: bool,
}

/// What a table that is refreshed says itself.
const SAID_BY_THE_OLD_TABLE: [&str; 9] = [
    "space",
    "runtime",
    "threads",
    "batch",
    "target_error",
    "networks",
    "held_out",
    "core",
    "restart",
];

/// Runs the command.
pub(crate) fn run(args: &ProfileArgs) -> anyhow::Result<ExitCode> {
    match &args.refresh {
        Some(table) => refresh::run(args, table),
        None => profile(args, &resolve::space(&args.space)?),
    }
}

/// Measures a space, going on with what an earlier run has measured.
fn profile(args: &ProfileArgs, space: &SearchSpace) -> anyhow::Result<ExitCode> {
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
    let folder = Journal::folder_for(&out);
    let asked = request::operations(args, space);
    let mut journal = Journal::open(&folder, &args.device.device, asked, beginning)?;
    if journal.rows().len() > 0 {
        output::note(&format!("going on with {} rows of an earlier run", journal.rows().len()));
    }
    let (table, finished) = match wait_for(measure(args, space, &mut journal))? {
        Measured::Partly(table) => {
            let kept = keep_partial(&out, &table)?;
            output::note(&format!("interrupted: {kept}; go on with `{}`", again::command()));
            return Ok(ExitCode::FAILURE);
        }
        Measured::Wholly(table, finished) => (table, finished),
    };
    file::write(&out, &table)?;
    wait_for(async {
        forget(&finished).await;
        Ok(())
    })?;
    drop(finished);
    journal.remove()?;
    if args.json { summary::json(&out, &table) } else { summary::text(&out, &table) }?;
    Ok(if table.failed().len() == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// A table, and whether it has all that was asked for.
enum Measured {
    /// All; with the jobs that an agent can forget once the table is written.
    Wholly(LatencyTable, Vec<Finished>),
    /// What there was when the user stopped it.
    Partly(LatencyTable),
}

/// A job that has given everything.
struct Finished {
    ended: Ended,
    job: JobId,
}

/// Measures the operations, then whole networks, and fits the model.
async fn measure(
    args: &ProfileArgs,
    space: &SearchSpace,
    journal: &mut Journal,
) -> anyhow::Result<Measured> {
    let ended = match job::measure(&args.device, journal, "operations").await {
        Err(error) if journal.rows().len() == 0 => {
            journal.remove()?;
            return Err(error);
        }
        ended => ended?,
    };
    let table = assemble::rows(&ended, space, journal);
    if ended.is_interrupted() {
        return Ok(Measured::Partly(table));
    }
    let operations = Finished { ended, job: journal.current_id() };
    let planned = plan(args, space, &table)?;
    if planned.is_empty() {
        if args.networks > 0 {
            output::note(
                "no model is fitted, because operations failed or the space has too few networks",
            );
        }
        return Ok(Measured::Wholly(table, vec![operations]));
    }
    measure_networks(args, space, &planned, journal, table, operations).await
}

/// The networks to measure: none where none are asked for, or where there is no latency of some operation.
fn plan(
    args: &ProfileArgs,
    space: &SearchSpace,
    table: &LatencyTable,
) -> anyhow::Result<Vec<PlannedNetwork>> {
    if args.networks == 0 || table.failed().len() > 0 {
        return Ok(Vec::new());
    }
    let counts = NetworkCounts { fit: args.networks, held_out: args.held_out };
    let cost = LinearCost::latency_ms(&EdgeCosts::of_rows(space, table)?)?;
    network_plan::plan(space, &cost, counts, args.seed)
}

/// Measures whole networks and fits the model.
async fn measure_networks(
    args: &ProfileArgs,
    space: &SearchSpace,
    planned: &[PlannedNetwork],
    operations: &Journal,
    table: LatencyTable,
    measured: Finished,
) -> anyhow::Result<Measured> {
    let asked = request::networks(args, space, planned)?;
    let folder = operations.networks_folder();
    let mut journal = Journal::open(&folder, &args.device.device, asked, Beginning::Resume)?;
    let ended = job::measure(&args.device, &mut journal, "whole networks").await?;
    let mut table = assemble::with_networks(table, planned, &ended, &journal)?;
    if ended.is_interrupted() {
        return Ok(Measured::Partly(table));
    }
    match assemble::with_model(table.clone(), space, args.seed) {
        Ok(with_model) => table = with_model,
        // What was measured is worth keeping without a model.
        Err(error) => output::note(&format!("warning: the table has no model: {error:#}")),
    }
    let networks = Finished { ended, job: journal.current_id() };
    Ok(Measured::Wholly(table, vec![measured, networks]))
}

/// Lets the agents forget what the table has. One that cannot be told keeps it.
async fn forget(finished: &[Finished]) {
    for Finished { ended, job } in finished {
        if let Err(error) = ended.connected.client.forget(job).await {
            output::note(&format!("warning: the agent keeps the job {job}: {error:#}"));
        }
    }
}

/// Writes a partial table, unless a fuller one stands in its place. Returns where the rows are.
fn keep_partial(out: &Path, table: &LatencyTable) -> anyhow::Result<String> {
    let rows = report::count(table.rows().len(), "finished row");
    let size = |table: &LatencyTable| table.rows().len() + table.networks().len();
    if file::read(out).is_ok_and(|earlier| size(&earlier) > size(table)) {
        let journal = Journal::folder_for(out);
        return Ok(format!("{} stays as it was, {} has {rows}", out.display(), journal.display()));
    }
    file::write(out, table)?;
    Ok(format!("{} has {rows}", out.display()))
}

/// Reads 0, or a number that a model can be fitted on.
fn network_count(text: &str) -> anyhow::Result<usize> {
    let count = text.parse().with_context(|| format!("`{text}` is not a number of networks"))?;
    let fewest = LatencyModel::MIN_ARCHITECTURES;
    ensure!(count == 0 || count >= fewest, "a model needs {fewest} networks; 0 measures none");
    Ok(count)
}

/// Reads `1%` or `0.01`.
fn share(text: &str) -> anyhow::Result<f64> {
    let (number, unit) = text.strip_suffix('%').map_or((text, 1.0), |number| (number, 0.01));
    let share = number
        .trim()
        .parse::<f64>()
        .with_context(|| format!("`{text}` is not a percentage such as 1%"))?
        * unit;
    let forgot_unit = share > 1.0 && !text.ends_with('%');
    let meant = if forgot_unit { format!(": is it `{text}%`?") } else { String::new() };
    ensure!(share > 0.0 && share <= 1.0, "`{text}` is not between 0 and 100%{meant}");
    Ok(share)
}

#[cfg(test)]
mod tests {
    use latency_tables::{TableContext, TableRow};
    use op_catalog::Milliseconds;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_target_error_that_is_read_is_a_share(text in "[-0-9a-z.% ]{0,8}") {
            if let Ok(share) = share(&text) {
                prop_assert!(share > 0.0 && share <= 1.0, "{} is {}", text, share);
            }
        }

        #[test]
        fn every_percentage_is_read_as_its_hundredth(percent in 0.01_f64..100.0) {
            let read = share(&format!("{percent}%")).unwrap();
            prop_assert!((read - percent / 100.0).abs() < 1e-12);
        }
    }

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
    fn as_many_networks_are_measured_as_a_model_needs_or_none() {
        for (text, expected) in [("0", Some(0)), ("3", None), ("4", Some(4)), ("-1", None)] {
            assert_eq!(network_count(text).ok(), expected, "{text}");
        }
    }

    #[test]
    fn a_target_error_is_a_percentage_or_a_share() {
        for (text, expected) in [("1%", 0.01), ("0.5 %", 0.005), ("0.02", 0.02)] {
            assert!((share(text).unwrap() - expected).abs() < 1e-12, "{text}");
        }
        for text in ["", "one", "0%", "-1%", "101%", "nan"] {
            assert!(share(text).is_err(), "{text}");
        }
        let error = share("3").unwrap_err();
        assert_eq!(error.to_string(), "`3` is not between 0 and 100%: is it `3%`?");
    }
}
