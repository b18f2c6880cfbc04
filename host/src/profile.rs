//! `host profile`: measures every operation of a space on a device and writes the table.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::SystemTime;

use anyhow::Context;
use clap::{Args, ValueEnum};
use latency_tables::{LatencyTable, TableContext, TableRow, file};
use op_catalog::SearchSpace;
use op_catalog::wire::{
    DeviceInfo, Item, JobOutcome, JobRequest, JobStatus, MeasuringProtocol, Outcome,
    PROTOCOL_VERSION, Precision, Runtime,
};
use serde_json::json;

use crate::agent_client::JobEvent;
use crate::connection::{Connected, DeviceArgs};
use crate::hint::WithHint;
use crate::journal::{Beginning, Journal};
use crate::progress::{Progress, duration};
use crate::{output, resolve, wait_for};

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
    #[arg(long, default_value_t = 1)]
    threads: u32,
    /// Images per run
    #[arg(long, default_value_t = 1)]
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

/// How following a job ended.
enum End {
    /// Every item has its row; the status is `None` where the agent has forgotten the job since.
    Done(Option<JobStatus>),
    Interrupted,
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
    let beginning = if args.restart { Beginning::Restart } else { Beginning::Resume };
    let mut journal = Journal::open(&out, request(args, &space), beginning)?;
    if journal.rows().len() > 0 {
        output::note(&format!("going on with {} rows of an earlier run", journal.rows().len()));
    }
    let connected = args.device.connect(&journal.spool())?;
    wait_for(async {
        let device = connected.client.device().await?;
        let end = measure(&connected, &mut journal).await?;
        let table = table(&connected.name, &device, &space, &journal, &end);
        file::write(&out, &table)?;
        match end {
            End::Interrupted => {
                output::note(&format!(
                    "interrupted: {} has the {} rows that are finished; the same command goes on",
                    out.display(),
                    table.rows().len()
                ));
                Ok(ExitCode::FAILURE)
            }
            End::Done(status) => {
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

/// A label that no other run has.
pub(crate) fn fresh_label() -> String {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    format!("host-{}-{}", now.as_nanos(), std::process::id())
}

/// Has the agent measure what the journal lacks.
async fn measure(connected: &Connected, journal: &mut Journal) -> anyhow::Result<End> {
    let client = &connected.client;
    let known = client.status(&journal.current_id()).await?;
    // An agent that has forgotten a job that it gave rows of would measure these again.
    if known.is_none() && journal.current_rows() > 0 && !journal.is_complete() {
        journal.begin_rest(fresh_label())?;
    }
    if journal.is_complete() {
        return Ok(End::Done(known));
    }
    let status = client.submit(journal.current()).await?;
    output::note(&format!(
        "measuring {} operations on `{}`; Ctrl-C stops, and the same command goes on",
        journal.current().items.len(),
        connected.name
    ));
    let rows = journal.current_rows();
    let mut progress = Progress::new(journal.rows().len() - rows);
    let following = client.follow(&status.id, rows, |event| match event {
        JobEvent::Row { line, row } => journal.keep(line, *row),
        JobEvent::Progress(news) => {
            progress.show(&news);
            Ok(())
        }
    });
    let end = tokio::select! {
        ended = following => End::Done(Some(ended?)),
        _ = tokio::signal::ctrl_c() => End::Interrupted,
    };
    progress.finish();
    match end {
        End::Interrupted => {
            // The partial table is written whatever the agent says.
            if let Err(error) = client.cancel(&status.id).await {
                output::note(&format!("warning: the agent may still be measuring: {error:#}"));
            }
            Ok(End::Interrupted)
        }
        End::Done(None) => Ok(End::Done(None)),
        End::Done(Some(status)) => completed(status).map(|status| End::Done(Some(status))),
    }
}

/// Refuses a job that ended before all its items had a row.
pub(crate) fn completed(status: JobStatus) -> anyhow::Result<JobStatus> {
    match (status.outcome, &status.message) {
        (Some(JobOutcome::Completed), _) => Ok(status),
        (Some(JobOutcome::Cancelled), _) => {
            Err(anyhow::anyhow!("somebody cancelled the job")).hint("the same command goes on")
        }
        (_, message) => {
            let reason = message.clone().unwrap_or_else(|| "the agent does not say why".to_owned());
            Err(anyhow::anyhow!("the agent could not measure: {reason}"))
                .hint("look at the agent's log; the same command goes on where it stopped")
        }
    }
}

fn table(
    name: &str,
    device: &DeviceInfo,
    space: &SearchSpace,
    journal: &Journal,
    end: &End,
) -> LatencyTable {
    let request = journal.whole();
    let status = match end {
        End::Done(status) => status.as_ref(),
        End::Interrupted => None,
    };
    let context = TableContext {
        device: Some(device.clone()),
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
        ..TableContext::named(name)
    };
    let mut table = LatencyTable::new(context).with_space(space.definition().clone());
    for row in journal.rows() {
        let key = row.blocks[0];
        match &row.outcome {
            Outcome::Measured(measurement) => {
                table.insert(TableRow::from_measurement(key, measurement))
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
    anyhow::ensure!(share > 0.0 && share <= 1.0, "`{text}` is not between 0 and 100%");
    Ok(share)
}

#[cfg(test)]
mod tests {
    use super::*;

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
