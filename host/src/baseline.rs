//! `host baseline`: a MobileNetV2-style network of a latency, to compare searched networks with.
//!
//! It takes the same block in every cell of a space, kernel 3 and expand ratio 6, and differs by the width
//! multiplier alone: what one would use without a search (Sandler et al., arXiv:1801.04381).

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, ensure};
use clap::{Args, value_parser};
use latency_tables::LatencyTable;
use op_catalog::{Milliseconds, Network, NetworkFile, Op, SearchSpace};
use runs::LatencyTarget;
use serde_json::json;

use crate::connection::DeviceArgs;
use crate::network_measuring::{Asked, OtherDeviceArgs, measure_beside};
use command_line::hint::WithHint;
use command_line::{output, resolve};

/// The block of MobileNetV2.
const BLOCK: &str = "mbconv-k3-e6";

/// Width multipliers that are looked at, in hundredths.
const WIDTHS: std::ops::RangeInclusive<u32> = 10..=300;

/// Share of the target below which a network of a width between would be a fairer comparison.
const LITTLE: f64 = 0.95;

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
    /// What its widths are multiples of; less than 8 has latencies between
    #[arg(long, default_value_t = 8, value_parser = value_parser!(u32).range(1..=64))]
    width_divisor: u32,
    /// The network to write
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    #[command(flatten)]
    other: OtherDeviceArgs,
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
    let widths = widths(&space, args.width_divisor)?;
    let (width, measured) = widest_within(args, &table, &widths)?;
    let share = measured / args.target.milliseconds().0;
    if share < LITTLE && args.width_divisor > 1 {
        let (below, divisor) = (100.0 * (1.0 - share), args.width_divisor / 2);
        output::note(&format!(
            "hint: it is {below:.1} % below the target, as the next width takes longer; \
             `--width-divisor {divisor}` may come closer"
        ));
    }
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
fn widths(space: &SearchSpace, divisor: u32) -> anyhow::Result<Vec<Width>> {
    let block: Op = BLOCK.parse()?;
    let mut widths: Vec<Width> = Vec::new();
    for hundredths in WIDTHS {
        let multiplier = f64::from(hundredths) / 100.0;
        let definition = space.definition().clone().with_width_divisor(divisor);
        let scaled = definition.with_width_multiplier(multiplier).build()?;
        let blocks = vec![block; scaled.edges().count()];
        let architecture = scaled
            .architecture_from_ops(&blocks)
            .hint(format!("a baseline needs a space that offers `{BLOCK}` on every edge"))?;
        let network = scaled.network(&architecture)?;
        // Widths are multiples of the divisor: many multipliers are one network.
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
        let measured = measure_beside(budget, &args.device, table, &asked, args.other.into())?;
        let measured = measured.median.0;
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

#[cfg(test)]
mod tests {
    use op_catalog::SpaceDefinition;

    use super::*;

    #[test]
    fn a_smaller_divisor_has_widths_between() {
        let space = SpaceDefinition::built_in("proxyless-small").unwrap().build().unwrap();
        let [coarse, fine] = [8, 2].map(|divisor| widths(&space, divisor).unwrap());
        assert!(fine.len() > 2 * coarse.len(), "{} {}", fine.len(), coarse.len());
        let macs = |width: &Width| width.network.cost().macs;
        assert!(fine.windows(2).all(|pair| macs(&pair[0]) < macs(&pair[1])));
        assert!(macs(&fine[0]) < macs(&coarse[0]));
    }
}
