//! `host predict`: the latency of a network by a table, in all and block by block, or of many.

mod many;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use latency_tables::{BlockLatency, LatencyTable, ModelKind, Prediction, TableError};
use op_catalog::Milliseconds;
use serde_json::json;

use crate::report;
use crate::report::Column::{Number, Text};
use crate::table_commands::fill::{self, FillKind};
use command_line::hint::WithHint;
use command_line::resolve::NamedNetwork;
use command_line::{output, resolve};

/// Arguments of `host predict`.
#[derive(Args, Debug)]
pub(crate) struct PredictArgs {
    /// The latency table
    #[arg(long, value_name = "FILE")]
    table: PathBuf,
    #[command(flatten)]
    what: What,
    /// The space of the architecture, by name or TOML file [default: the one the table was made for]
    #[arg(long, value_name = "NAME-OR-FILE")]
    space: Option<String>,
    /// How to come by rows that the table lacks [default: they are an error that lists them]
    #[arg(long, value_enum)]
    fill: Option<FillKind>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// What to predict.
#[derive(Args, Debug)]
#[group(required = true, multiple = false)]
struct What {
    /// A reference network's name, or the file of an architecture, a network or a net.config
    #[arg(long, value_name = "FILE-OR-NAME")]
    arch: Option<String>,
    /// A file of many networks: CSV with the columns c0,c1,... (one choice index per edge), or lines of
    /// JSON; the answer has a line for each, in order
    #[arg(long, value_name = "FILE")]
    networks: Option<PathBuf>,
}

/// Runs the command.
pub(crate) fn run(args: &PredictArgs) -> anyhow::Result<ExitCode> {
    let table = resolve::table(&args.table)?;
    let space = resolve::space_for(&table, args.space.as_deref())?;
    let table = fill::with(table, space.as_ref(), args.fill)?;
    if let Some(networks) = &args.what.networks {
        many::run(&table, space.as_ref(), networks, args.json)?;
    } else {
        let arch = args.what.arch.as_deref().unwrap_or_default();
        one(&table, &resolve::network(arch, space.as_ref())?, args.json)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Predicts one network, block by block where the table has rows of them.
fn one(table: &LatencyTable, named: &NamedNetwork, as_json: bool) -> anyhow::Result<()> {
    let by_model = table.best_prediction(&named.network).ok();
    let by_model = by_model.filter(|prediction| prediction.kind != ModelKind::Sum);
    let blocks = match (price(table, named), &by_model) {
        (Err(_), Some(_)) => Vec::new(),
        (blocks, _) => blocks?,
    };
    let sum = Milliseconds(blocks.iter().map(|block| block.latency.0).sum());
    let prediction = by_model.unwrap_or(Prediction {
        latency: sum,
        standard_error: None,
        interval90: None,
        kind: ModelKind::Sum,
    });
    if !as_json {
        return output::data(&breakdown(&named.name, &blocks, sum, &prediction));
    }
    let mut answer = many::to_json(&prediction);
    answer["name"] = named.name.clone().into();
    answer["model"] = prediction.kind.to_string().into();
    answer["sum_ms"] = if blocks.is_empty() { serde_json::Value::Null } else { json!(sum) };
    let block = |block: &BlockLatency| json!({"key": block.key, "latency_ms": block.latency});
    answer["blocks"] = blocks.iter().map(block).collect();
    output::json(&answer)
}

fn price(table: &LatencyTable, named: &NamedNetwork) -> anyhow::Result<Vec<BlockLatency>> {
    let result = table.block_latencies(&named.network);
    let Err(TableError::MissingKeys { keys }) = &result else { return Ok(result?) };
    if table.model().is_some() {
        return Ok(result?);
    }
    let all: Vec<String> = keys.iter().map(|key| format!("  {key}")).collect();
    output::note(&format!("`{}` needs what the table lacks:\n{}", named.name, all.join("\n")));
    result.hint("measure them: make a table of a space that contains the network")
}

/// A line per block with its share, and what the whole network takes.
fn breakdown(
    name: &str,
    blocks: &[BlockLatency],
    sum: Milliseconds,
    prediction: &Prediction,
) -> String {
    let mut table = report::table(&[Text("block"), Number("ms"), Number("share %")]);
    for block in blocks {
        let share = (0.0 < sum.0).then(|| 100.0 * block.latency.0 / sum.0);
        table.add_row([
            block.key.to_string(),
            report::time(Some(block.latency)),
            report::percent(share),
        ]);
    }
    let count = report::count(blocks.len(), "block");
    let table = table.trim_fmt();
    if prediction.kind == ModelKind::Sum {
        return format!("{table}\n\n{name}: {sum} predicted, {count}");
    }
    let interval = prediction.interval90.map_or_else(String::new, |(low, high)| {
        format!(", with 90 % between {:.3} and {high:.3}", low.0)
    });
    let whole = format!(
        "{name}: {} predicted{interval}, by the model `{}`",
        prediction.latency, prediction.kind
    );
    if blocks.is_empty() {
        return whole;
    }
    format!("{table}\n\n{whole}; its {count} alone add up to {sum}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_breakdown_adds_up_before_the_reader() {
        let blocks = [("conv-k3-in8x8x3-out4x4x8-s2", 1.5), ("zero-in4x4x8-out4x4x8-s1", 0.0)]
            .map(|(key, ms)| BlockLatency { key: key.parse().unwrap(), latency: Milliseconds(ms) });
        let sum = Prediction {
            latency: Milliseconds(1.5),
            standard_error: None,
            interval90: None,
            kind: ModelKind::Sum,
        };
        insta::assert_snapshot!(breakdown("found", &blocks, Milliseconds(1.5), &sum), @r"
        block                            ms   share %
        ───────────────────────────────────────────────
        conv-k3-in8x8x3-out4x4x8-s2   1.500    100.00
        zero-in4x4x8-out4x4x8-s1          0      0.00

        found: 1.500 ms predicted, 2 blocks
        ");
    }
}
