//! `host verify`: measures whole networks on the device and compares them with what a table predicts.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;
use latency_tables::{LatencyTable, Prediction, file};
use op_catalog::wire::Measurement;
use op_catalog::{Milliseconds, Network, SearchSpace, reference};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use crate::connection::DeviceArgs;
use crate::network_measuring::{Asked, OtherDeviceArgs, measure};
use crate::profile::references;
use crate::report;
use crate::report::scatter::Scatter;
use crate::report::verify::{NetworkKind, VerifiedNetwork, VerifyReport};
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
    /// A network to verify with, in the place of reference and random ones, by its file or its name; may be said
    /// several times
    #[arg(long, value_name = "FILE-OR-NAME", conflicts_with_all = ["nets", "seed"])]
    arch: Vec<String>,
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
    #[command(flatten)]
    other: OtherDeviceArgs,
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
    let asked: Vec<Asked> = candidates.iter().map(Candidate::asked).collect();
    let measurements = measure(&args.device, &table, &asked, args.other.into())?;
    let report = report::verify::verify(&verified(candidates, &measurements));
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

/// What a network is called, where it is from, and the network.
type Named = (String, NetworkKind, Network);

/// The networks to verify with, as predicted.
fn candidates(
    args: &VerifyArgs,
    space: &SearchSpace,
    table: &LatencyTable,
) -> anyhow::Result<Vec<Candidate>> {
    let networks = if args.arch.is_empty() { chosen(args, space)? } else { given(args, space)? };
    let price = |(name, kind, network): Named| {
        let prediction =
            table.best_prediction(&network).with_context(|| format!("predicting `{name}`"))?;
        let sum = table.predict(&network).ok();
        Ok(Candidate { name, kind, network, prediction, sum })
    };
    networks.into_iter().map(price).collect()
}

/// The networks that the user names.
fn given(args: &VerifyArgs, space: &SearchSpace) -> anyhow::Result<Vec<Named>> {
    let resolve = |name: &String| {
        let named = resolve::network(name, Some(space))?;
        Ok((named.name, NetworkKind::Given, named.network))
    };
    args.arch.iter().map(resolve).collect()
}

/// The reference networks that fit the space, and random ones.
fn chosen(args: &VerifyArgs, space: &SearchSpace) -> anyhow::Result<Vec<Named>> {
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
    Ok(networks)
}

impl Candidate {
    fn asked(&self) -> Asked {
        let (name, network) = (self.name.clone(), self.network.clone());
        Asked { name, network, predicted: self.prediction.latency }
    }
}

/// The networks as measured, in the order in which they were asked for.
fn verified(candidates: Vec<Candidate>, measurements: &[Measurement]) -> Vec<VerifiedNetwork> {
    let verify = |(candidate, measurement): (Candidate, &Measurement)| VerifiedNetwork {
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
    };
    candidates.into_iter().zip(measurements).map(verify).collect()
}
