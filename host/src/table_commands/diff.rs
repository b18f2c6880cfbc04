//! `host table diff`: two tables, row by row, with their intervals.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use latency_tables::TableDifference;
use latency_tables::difference::{Intervals, RowDifference};
use op_catalog::PlacedOp;

use crate::report::Column::{Number, Text};
use crate::{output, report, resolve};

/// Arguments of `host table diff`.
#[derive(Args, Debug)]
pub(crate) struct DiffArgs {
    /// The latency table that the other is compared with
    #[arg(value_name = "FIRST")]
    first: PathBuf,
    /// The other latency table
    #[arg(value_name = "SECOND")]
    second: PathBuf,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub(crate) fn run(args: &DiffArgs) -> anyhow::Result<ExitCode> {
    let (first, second) = (resolve::table(&args.first)?, resolve::table(&args.second)?);
    let difference = TableDifference::between(&first, &second);
    if args.json {
        output::json(&difference)?;
    } else {
        output::data(&text(&difference))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The rows with the largest differences first, then what they come to.
fn text(difference: &TableDifference) -> String {
    let mut lines: Vec<String> = difference
        .context
        .iter()
        .map(|part| {
            format!("{}: {} in the first, {} in the second", part.part, part.first, part.second)
        })
        .collect();
    if !lines.is_empty() {
        lines.push(String::new());
    }
    let mut grid = report::table(&[
        Text("key"),
        Number("first ms"),
        Number("second ms"),
        Number("difference %"),
        Text("intervals"),
    ]);
    let mut rows: Vec<&RowDifference> = difference.rows.iter().collect();
    let size = |row: &RowDifference| row.difference_percent.map_or(f64::INFINITY, f64::abs);
    rows.sort_by(|a, b| size(b).total_cmp(&size(a)));
    for row in rows {
        grid.add_row([
            row.key.to_string(),
            report::time(Some(row.first_ms)),
            report::time(Some(row.second_ms)),
            report::signed_percent(row.difference_percent),
            report::name_of(&row.intervals),
        ]);
    }
    lines.extend([grid.trim_fmt(), String::new()]);
    lines.extend(only("first", &difference.only_in_first));
    lines.extend(only("second", &difference.only_in_second));
    lines.push(summary(difference));
    lines.join("\n")
}

fn only(side: &str, keys: &[PlacedOp]) -> Option<String> {
    let list: Vec<String> = keys.iter().map(|key| format!("\n  {key}")).collect();
    (!keys.is_empty()).then(|| format!("only in the {side} ({}):{}", keys.len(), list.concat()))
}

fn summary(difference: &TableDifference) -> String {
    let disjoint =
        difference.rows.iter().filter(|row| row.intervals == Intervals::Disjoint).count();
    format!(
        "{} in common: |difference| median {} %, 90th percentile {} %; {disjoint} with disjoint intervals",
        report::count(difference.rows.len(), "row"),
        report::percent(difference.median_percent),
        report::percent(difference.p90_percent),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table_commands::fixtures::{doubtful_table, row};
    use latency_tables::{LatencyTable, TableContext};

    #[test]
    fn the_largest_difference_comes_first_and_the_context_before_it() {
        let first = doubtful_table();
        let mut second =
            LatencyTable::new(TableContext { threads: Some(4), ..first.context.clone() });
        for (old, factor) in first.rows().zip([1.02, 1.3]) {
            second.insert(row(old.key, factor * old.headline().0));
        }
        second.insert(row("conv-k3-in8x8x3-out4x4x8-s2".parse().unwrap(), 1.0));
        insta::assert_snapshot!(text(&TableDifference::between(&first, &second)), @r"
        threads: 1 in the first, 4 in the second

        key                                      first ms   second ms   difference %   intervals
        ────────────────────────────────────────────────────────────────────────────────────────────
        mbconv-k5-e3-in32x32x16-out16x16x24-s2      2.250       2.925         +30.00   disjoint
        mbconv-k3-e3-in32x32x16-out16x16x24-s2      1.500       1.530          +2.00   overlapping

        only in the second (1):
          conv-k3-in8x8x3-out4x4x8-s2
        2 rows in common: |difference| median 16.00 %, 90th percentile 27.20 %; 1 with disjoint intervals
        ");
    }
}
