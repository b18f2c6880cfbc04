//! `host table diff`: two tables, row by row, with their intervals.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use latency_tables::TableDifference;
use latency_tables::difference::{Intervals, RowDifference};
use op_catalog::PlacedOp;

use crate::report;
use crate::report::Column::{Number, Text};
use command_line::{output, resolve};

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

/// The rows first that differ beyond their intervals, the larger differences before the smaller ones, then
/// what they come to.
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
    rows.sort_by_key(|row| row.intervals != Intervals::Disjoint);
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
    let by_chance = difference.disjoint_by_chance.map_or_else(String::new, |expected| {
        format!(", where sampling alone would make {expected:.1}")
    });
    format!(
        "{} in common: |difference| median {} %, 90th percentile {} %; {} with disjoint intervals{by_chance}",
        report::count(difference.rows.len(), "row"),
        report::percent(difference.median_percent),
        report::percent(difference.p90_percent),
        difference.disjoint,
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table_commands::fixtures::{doubtful_table, row};
    use latency_tables::{LatencyTable, TableContext};
    use op_catalog::Milliseconds;

    #[test]
    fn rows_beyond_their_intervals_come_before_larger_differences_within_them() {
        let mut first = LatencyTable::new(TableContext::named("x"));
        let mut second = first.clone();
        for (key, factor, half_width) in
            [("conv-k3-in8x8x3-out4x4x8-s2", 1.2, 0.5), ("conv-k3-in8x8x4-out4x4x8-s2", 1.1, 0.01)]
        {
            for (table, factor) in [(&mut first, 1.0), (&mut second, factor)] {
                let mut row = row(key.parse().unwrap(), factor);
                row.headline.ci_low = Some(Milliseconds(factor - half_width));
                row.headline.ci_high = Some(Milliseconds(factor + half_width));
                table.insert(row);
            }
        }
        let text = text(&TableDifference::between(&first, &second));
        let place = |part: &str| text.find(part).unwrap();
        assert!(place("in8x8x4") < place("in8x8x3"), "{text}");
    }

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
        2 rows in common: |difference| median 16.00 %, 90th percentile 27.20 %; 1 with disjoint intervals, where sampling alone would make 0.0
        ");
    }
}
