//! `host baseline`: a MobileNetV2-style network of a latency, to compare searched networks with.
//!
//! It takes the same block in every cell of a space, kernel 3 and expand ratio 6, and differs by the width
//! multiplier alone: what one would use without a search (Sandler et al., arXiv:1801.04381).

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, ensure};
use clap::Args;
use latency_tables::LatencyTable;
use op_catalog::{Milliseconds, Network, NetworkFile, Op, SearchSpace};
use runs::LatencyTarget;
use serde_json::json;

use crate::connection::DeviceArgs;
use crate::network_measuring::{Asked, OtherDevice, measure};
use command_line::hint::WithHint;
use command_line::{output, resolve};

/// The block of MobileNetV2.
const BLOCK: &str = "mbconv-k3-e6";

/// Width multipliers that are looked at, in hundredths.
const WIDTHS: std::ops::RangeInclusive<u32> = 10..=300;

/// Arguments of `host baseline`.
#[derive(Args, Debug)]
pub(crate) struct BaselineArgs {
    #[command(flatten)]
    device: DeviceArgs,
    /// The latency table whose conditions it is measured in
    #[arg(long, value_name = "FILE")]
    table: PathBuf,
    /// The space whose cells it takes [default: the one the table was made for]
    #[arg(long, value_name = "NAME-OR-FILE")]
    space: Option<String>,
    /// Latency that it may have, with its unit
    #[arg(long)]
    target: LatencyTarget,
    /// The network to write
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// A width with its network.
#[derive(Clone)]
struct Width {
    multiplier: f64,
    network: Network,
}

/// Runs the command.
pub(crate) fn run(args: &BaselineArgs) -> anyhow::Result<ExitCode> {
    let table = resolve::table(&args.table)?;
    let space = resolve::space_for(&table, args.space.as_deref())?
        .context("the table does not say which space it was made for")
        .hint("name the space with --space")?;
    let widths = widths(&space)?;
    let (width, measured) = widest_within(args, &table, &widths)?;
    let name = format!("MobileNetV2-style, width {}", width.multiplier);
    let file = NetworkFile::Network { name, network: width.network };
    latency_tables::file::write_text(&args.out, &file.to_json())?;
    if args.json {
        output::json(&json!({
            "width_multiplier": width.multiplier,
            "measured_ms": measured,
            "target_ms": args.target.milliseconds().0,
            "file": args.out,
        }))?;
    } else {
        output::data(&format!(
            "{}: width multiplier {}, measured {measured:.3} ms; target {}",
            args.out.display(),
            width.multiplier,
            args.target
        ))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Every network of another width, from the narrowest.
fn widths(space: &SearchSpace) -> anyhow::Result<Vec<Width>> {
    let block: Op = BLOCK.parse()?;
    let mut widths: Vec<Width> = Vec::new();
    for hundredths in WIDTHS {
        let multiplier = f64::from(hundredths) / 100.0;
        let scaled = space.definition().clone().with_width_multiplier(multiplier).build()?;
        let blocks = vec![block; scaled.edges().count()];
        let architecture = scaled
            .architecture_from_ops(&blocks)
            .hint(format!("a baseline needs a space that offers `{BLOCK}` on every edge"))?;
        let network = scaled.network(&architecture)?;
        // Widths are multiples of 8: many multipliers are one network.
        if widths.last().is_none_or(|last| last.network != network) {
            widths.push(Width { multiplier, network });
        }
    }
    Ok(widths)
}

/// The widest network that is measured to be within the target: wider ones take longer, so that halving finds it.
fn widest_within(
    args: &BaselineArgs,
    table: &LatencyTable,
    widths: &[Width],
) -> anyhow::Result<(Width, f64)> {
    let budget = args.target.milliseconds().0;
    let (mut low, mut high) = (0, widths.len());
    let mut best = None;
    while low < high {
        let middle = usize::midpoint(low, high);
        let width = &widths[middle];
        let asked = Asked {
            name: "baseline".to_owned(),
            network: width.network.clone(),
            predicted: Milliseconds(budget),
        };
        let measurement = measure(&args.device, table, &[asked], OtherDevice::Refused)?.remove(0);
        let measured = measurement.headline.value.0;
        output::note(&format!("width {}: {measured:.3} ms", width.multiplier));
        if measured <= budget {
            best = Some((width.clone(), measured));
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    let narrowest = widths.first().map_or(f64::NAN, |width| width.multiplier);
    ensure!(best.is_some(), "width {narrowest} takes longer than {budget} ms already");
    best.context("no width was measured")
}
