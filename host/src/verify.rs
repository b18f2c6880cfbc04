//! `host verify`: measures whole networks on the device and compares them with what a table predicts.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;
use latency_tables::{LatencyTable, NetworkRow, Prediction, RowStatistic, file};
use op_catalog::wire::{
    DeviceInfo, Item, JobRequest, MeasuringProtocol, PROTOCOL_VERSION, Row, VisitStatistic,
};
use op_catalog::{Milliseconds, Network, SearchSpace, reference};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use crate::agent_client::{AgentClient, JobEvent};
use crate::connection::DeviceArgs;
use crate::profile::{NETWORK_SAMPLES, completed, fresh_label, references};
use crate::progress::Progress;
use crate::report;
use crate::report::scatter::Scatter;
use crate::report::verify::{NetworkKind, VerifiedNetwork, VerifyReport};
use crate::wait_for;
use command_line::hint::WithHint;
use command_line::picture;
use command_line::{output, resolve};

/// Arguments of `host verify`.
#[derive(Args, Debug)]
pub(crate) struct VerifyArgs {
    #[command(flatten)]
    device: DeviceArgs,
    /// The latency table
    #[arg(long, value_name = "FILE")]
    table: PathBuf,
    /// Random networks, beside the reference networks that fit the space
    #[arg(long, default_value_t = 8)]
    nets: usize,
    /// Seed of the random networks
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// The space to draw from, by name or TOML file [default: the one the table was made for]
    #[arg(long, value_name = "NAME-OR-FILE")]
    space: Option<String>,
    /// The picture; a PNG is written beside it [default: the table's name with .verify.svg]
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
    /// Go on although the table was made on another device or with another runtime
    #[arg(long)]
    force: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// A network with its prediction, before it is measured.
struct Candidate {
    name: String,
    kind: NetworkKind,
    network: Network,
    prediction: Prediction,
    sum: Option<Milliseconds>,
}

/// Runs the command.
pub(crate) fn run(args: &VerifyArgs) -> anyhow::Result<ExitCode> {
    let table = file::read(&args.table)?;
    let space = resolve::space_for(&table, args.space.as_deref())?
        .context("the table does not say which space it was made for")
        .hint("name the space with --space")?;
    let candidates = candidates(args, &space, &table)?;
    let asked = request(&table, &candidates)?;
    let spool = tempfile::tempdir()?;
    let connected = args.device.connect(asked.runtime, spool.path())?;
    let rows = wait_for(async {
        let device = connected.client.device().await?;
        if let Err(error) = same_device(&table, &device) {
            if !args.force {
                return Err(error).hint("make a table of this device, or go on with --force");
            }
            output::note(&format!("warning: {error:#}"));
        }
        measure(&connected.client, &asked).await
    })?;
    let report = report::verify::verify(&verified(candidates, &rows)?);
    let svg = args.svg.clone().unwrap_or_else(|| args.table.with_extension("verify.svg"));
    let scatter = Scatter::new(&report, report::context::title(&table.context))?;
    let pictures = picture::write_both(&svg, &scatter)?;
    print(args, &report)?;
    picture::tell(&pictures);
    Ok(ExitCode::SUCCESS)
}

fn print(args: &VerifyArgs, report: &VerifyReport) -> anyhow::Result<()> {
    if args.json {
        return output::json(&report.to_json());
    }
    output::data(&report.to_text())
}

/// The reference networks that fit the space, and random ones.
fn candidates(
    args: &VerifyArgs,
    space: &SearchSpace,
    table: &LatencyTable,
) -> anyhow::Result<Vec<Candidate>> {
    let mut networks = Vec::new();
    for (name, architecture) in references(space) {
        networks.push((name, NetworkKind::Reference, space.network(&architecture)?));
    }
    let is_in = |name: &&str| networks.iter().any(|(found, _, _)| found == name);
    let left_out: Vec<&str> = reference::NAMES.into_iter().filter(|name| !is_in(name)).collect();
    if !left_out.is_empty() {
        let names = left_out.join(", ");
        output::note(&format!(
            "left out, because their widths are not those of `{}`: {names}",
            space.name()
        ));
    }
    let mut random = ChaCha8Rng::seed_from_u64(args.seed);
    for number in 1..=args.nets {
        let network = space.network(&space.sample(&mut random))?;
        networks.push((format!("random {number}"), NetworkKind::Random, network));
    }
    anyhow::ensure!(
        !networks.is_empty(),
        "there is no network to verify with: no reference network fits, and --nets is 0"
    );
    let price = |(name, kind, network): (String, NetworkKind, Network)| {
        let prediction =
            table.best_prediction(&network).with_context(|| format!("predicting `{name}`"))?;
        let sum = table.predict(&network).ok();
        Ok(Candidate { name, kind, network, prediction, sum })
    };
    networks.into_iter().map(price).collect()
}

/// Refuses a device that is not the one of the table.
fn same_device(table: &LatencyTable, device: &DeviceInfo) -> anyhow::Result<()> {
    let context = &table.context;
    let made_on =
        context.device.as_ref().context("the table does not say on what device it was made")?;
    anyhow::ensure!(
        made_on.fingerprint == device.fingerprint,
        "the table was made on another device or with another runtime: its fingerprint is {}, this device's {}",
        made_on.fingerprint,
        device.fingerprint
    );
    anyhow::ensure!(
        made_on.agent == device.agent,
        "the table was made by another agent: {} ({}), this one is {} ({})",
        made_on.agent.version,
        made_on.agent.build,
        device.agent.version,
        device.agent.build
    );
    Ok(())
}

/// The networks as a job in the table's own conditions.
fn request(table: &LatencyTable, candidates: &[Candidate]) -> anyhow::Result<JobRequest> {
    let context = &table.context;
    let unknown = |what: &str| format!("the table does not say its {what}");
    let protocol = context.protocol.clone().with_context(|| unknown("protocol"))?;
    let item = |candidate: &Candidate| Item {
        id: candidate.name.clone(),
        blocks: candidate.network.blocks().to_vec(),
    };
    Ok(JobRequest {
        protocol_version: PROTOCOL_VERSION,
        label: fresh_label(),
        runtime: context.runtime.with_context(|| unknown("runtime"))?,
        threads: context.threads.with_context(|| unknown("threads"))?,
        batch: context.batch.with_context(|| unknown("batch"))?,
        precision: context.precision.with_context(|| unknown("precision"))?,
        weight_seed: context.weight_seed.with_context(|| unknown("weight seed"))?,
        core: context.core,
        protocol: for_networks(&protocol, table, candidates),
        items: candidates.iter().map(item).collect(),
    })
}

/// The table's protocol for whole networks. Loading one takes as long as running it several times, so
/// a visit takes more samples; and the cap is a time, which must leave networks as many visits as
/// operations have. What a visit gives is what it gave of the networks that the table's model was fitted on.
fn for_networks(
    protocol: &MeasuringProtocol,
    table: &LatencyTable,
    candidates: &[Candidate],
) -> MeasuringProtocol {
    let is_fastest = |network: &NetworkRow| {
        matches!(
            network.headline.statistic,
            RowStatistic::WallFastest | RowStatistic::ThreadCpuFastest
        )
    };
    let (visit_statistic, visit_samples) = if table.networks().iter().any(is_fastest) {
        // The fastest of more samples is faster.
        (VisitStatistic::Fastest, NETWORK_SAMPLES)
    } else {
        (protocol.visit_statistic, protocol.visit_samples.max(6))
    };
    let slowest =
        candidates.iter().map(|candidate| candidate.prediction.latency.0).fold(0.0, f64::max);
    let visits = 3.0 * f64::from(protocol.instantiations);
    let needed = visits * slowest * f64::from(visit_samples);
    MeasuringProtocol {
        visit_samples,
        visit_statistic,
        max_time: Milliseconds(protocol.max_time.0.max(needed).min(3_600_000.0)),
        ..protocol.clone()
    }
}

async fn measure(client: &AgentClient, request: &JobRequest) -> anyhow::Result<Vec<Row>> {
    let status = client.submit(request).await?;
    output::note(&format!("measuring {} whole networks", request.items.len()));
    let mut rows = Vec::new();
    let mut progress = Progress::new(0);
    let following = client.follow(&status.id, 0, |event| {
        match event {
            JobEvent::Row { row, .. } => rows.push(*row),
            JobEvent::Progress(news) => progress.show(&news),
        }
        Ok(())
    });
    let ended = tokio::select! {
        ended = following => ended.and_then(completed),
        _ = tokio::signal::ctrl_c() => Err(anyhow::anyhow!("interrupted")),
    };
    progress.finish();
    // Measured or not, nobody will ask for this job again.
    if let Err(error) = client.forget(&status.id).await {
        tracing::warn!("the agent keeps the job {}: {error:#}", status.id);
    }
    ended.map(|_| rows)
}

/// The networks as measured, in the order in which they were asked for.
fn verified(candidates: Vec<Candidate>, rows: &[Row]) -> anyhow::Result<Vec<VerifiedNetwork>> {
    let verify = |candidate: Candidate| {
        let row = rows.iter().find(|row| row.id == candidate.name);
        let measurement = row
            .and_then(Row::measurement)
            .with_context(|| format!("`{}` could not be measured: {row:?}", candidate.name))?;
        Ok(VerifiedNetwork {
            name: candidate.name,
            kind: candidate.kind,
            predicted: candidate.prediction.latency,
            sum: candidate.sum,
            predicted_interval90: candidate.prediction.interval90,
            predicted_stderr: candidate.prediction.standard_error,
            measured: measurement.headline.value,
            ci_low: measurement.headline.ci_low,
            ci_high: measurement.headline.ci_high,
            converged: measurement.converged,
        })
    };
    candidates.into_iter().map(verify).collect()
}
