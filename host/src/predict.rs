//! `host predict`: the latency of a network by a table, in all and block by block.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use latency_tables::{BlockLatency, LatencyTable, TableError};
use op_catalog::Milliseconds;
use serde_json::json;

use crate::hint::WithHint;
use crate::report::Column::{Number, Text};
use crate::resolve::NamedNetwork;
use crate::{output, report, resolve};

/// Arguments of `host predict`.
#[derive(Args, Debug)]
pub(crate) struct PredictArgs {
    /// The latency table
    #[arg(long, value_name = "FILE")]
    table: PathBuf,
    /// A reference network's name, or the file of an architecture, a network or a net.config
    #[arg(long, value_name = "FILE-OR-NAME")]
    arch: String,
    /// The space of the architecture, by name or TOML file [default: the one the table was made for]
    #[arg(long, value_name = "NAME-OR-FILE")]
    space: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub(crate) fn run(args: &PredictArgs) -> anyhow::Result<ExitCode> {
    let table = resolve::table(&args.table)?;
    let space = resolve::space_for(&table, args.space.as_deref())?;
    let named = resolve::network(&args.arch, space.as_ref())?;
    let blocks = price(&table, &named)?;
    let total = Milliseconds(blocks.iter().map(|block| block.latency.0).sum());
    if args.json {
        let blocks: Vec<_> = blocks
            .iter()
            .map(|block| json!({"key": block.key, "latency_ms": block.latency}))
            .collect();
        let answer = json!({"name": named.name, "predicted_ms": total, "blocks": blocks});
        output::json(&answer)?;
    } else {
        output::data(&breakdown(&named.name, &blocks, total))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn price(table: &LatencyTable, named: &NamedNetwork) -> anyhow::Result<Vec<BlockLatency>> {
    let result = table.block_latencies(&named.network);
    let Err(TableError::MissingKeys { keys }) = &result else { return Ok(result?) };
    let all: Vec<String> = keys.iter().map(|key| format!("  {key}")).collect();
    output::note(&format!("`{}` needs what the table lacks:\n{}", named.name, all.join("\n")));
    result.hint("measure them: make a table of a space that contains the network")
}

/// A line per block with its share, and the total.
fn breakdown(name: &str, blocks: &[BlockLatency], total: Milliseconds) -> String {
    let mut table = report::table(&[Text("block"), Number("ms"), Number("share %")]);
    for block in blocks {
        let share = (0.0 < total.0).then(|| 100.0 * block.latency.0 / total.0);
        table.add_row([
            block.key.to_string(),
            report::time(Some(block.latency)),
            report::percent(share),
        ]);
    }
    let count = report::count(blocks.len(), "block");
    format!("{}\n\n{name}: {total} predicted, {count}", table.trim_fmt())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_breakdown_adds_up_before_the_reader() {
        let blocks = [("conv-k3-in8x8x3-out4x4x8-s2", 1.5), ("zero-in4x4x8-out4x4x8-s1", 0.0)]
            .map(|(key, ms)| BlockLatency { key: key.parse().unwrap(), latency: Milliseconds(ms) });
        insta::assert_snapshot!(breakdown("found", &blocks, Milliseconds(1.5)), @r"
        block                            ms   share %
        ───────────────────────────────────────────────
        conv-k3-in8x8x3-out4x4x8-s2   1.500    100.00
        zero-in4x4x8-out4x4x8-s1          0      0.00

        found: 1.500 ms predicted, 2 blocks
        ");
    }
}
