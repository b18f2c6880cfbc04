//! CSV is for spreadsheets and data frames: one line per row, a header, times in milliseconds. There is
//! no context in it, and of a row what fits in a line.

mod line;

use serde::Serialize;

use crate::exported::Exported;
use crate::listed_row::ListedRow;
use crate::{Content, LatencyTable, TableError, TableRow, TimeUnit};

/// The header, in the order of the columns.
pub const COLUMNS: [&str; 19] = [
    "key",
    "macs",
    "source",
    "headline_ms",
    "headline_statistic",
    "ci_low_ms",
    "ci_high_ms",
    "relative_error",
    "n",
    "instantiations",
    "min_ms",
    "p10_ms",
    "p50_ms",
    "mean_ms",
    "p90_ms",
    "variance_ms2",
    "clean_fraction",
    "converged",
    "flags",
];

/// The name of `headline_ms` in a spreadsheet of one's own.
pub const LATENCY: &str = "latency_ms";

/// What the columns hold.
const HELD: [Content; 14] = [
    Content::Rows,
    Content::Count,
    Content::Headline,
    Content::Mean,
    Content::NoMean,
    Content::Minimum,
    Content::Quantiles,
    Content::Variance,
    Content::Intervals,
    Content::CleanFraction,
    Content::Converged,
    Content::Flags,
    Content::Instantiations,
    Content::Source,
];

/// Writes the rows in the order of their keys. What a row does not tell is an empty field; several
/// flags are separated by semicolons.
///
/// # Errors
/// A row with a number that no measurement gives.
pub fn print(table: &LatencyTable) -> Result<Exported, TableError> {
    let mut text = COLUMNS.join(",") + "\n";
    for row in table.rows() {
        row.check()?;
        text += &(fields(row).join(",") + "\n");
    }
    let rows = table.rows().len();
    Ok(Exported { text, rows, left_out: Vec::new(), lost: Content::lost(table, &HELD) })
}

/// The fields of a row. Keys, names and numbers have neither commas nor quotes.
fn fields(row: &TableRow) -> [String; COLUMNS.len()] {
    let headline = &row.headline;
    [
        row.key.to_string(),
        row.macs().to_string(),
        plain(&row.source),
        plain(&headline.value),
        plain(&headline.statistic),
        plain(&headline.ci_low),
        plain(&headline.ci_high),
        plain(&headline.relative_error),
        row.n.to_string(),
        plain(&row.instantiations),
        plain(&row.min),
        plain(&row.p10),
        plain(&row.p50),
        plain(&row.mean),
        plain(&row.p90),
        plain(&row.variance),
        plain(&row.clean_fraction),
        plain(&row.converged),
        row.flags.iter().map(plain).collect::<Vec<_>>().join(";"),
    ]
}

/// A value as JSON has it, but without quotes, and nothing for `null`.
fn plain(value: &impl Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(text)) => text,
        Ok(serde_json::Value::Null) | Err(_) => String::new(),
        Ok(other) => other.to_string(),
    }
}

/// Whether a line is a header of this format.
pub(crate) fn is_header(line: &str) -> bool {
    let has = |name: &str| line.split(',').any(|column| column.trim().trim_matches('"') == name);
    has("key") && (has("headline_ms") || has(LATENCY))
}

/// Reads the rows; their times are in this unit. `key` and the latency must be there; any other column
/// may be missing, and any field of it be empty.
///
/// # Errors
/// What is wrong, by its line, column and value.
pub(crate) fn parse(text: &str, unit: TimeUnit) -> Result<Vec<ListedRow>, TableError> {
    line::parse(text, unit)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::TableContext;
    use crate::fixtures::{measured_row, row};

    #[test]
    fn a_row_is_a_line_and_what_is_not_told_is_empty() {
        let mut table = LatencyTable::new(TableContext::named("x"));
        table.insert(measured_row("conv-k3-in8x8x3-out4x4x8-s2".parse().unwrap(), 0.125));
        table.insert(row("conv-k3-in8x8x4-out4x4x8-s2".parse().unwrap(), 2.0));
        insta::assert_snapshot!(print(&table).unwrap().text, @"
        key,macs,source,headline_ms,headline_statistic,ci_low_ms,ci_high_ms,relative_error,n,instantiations,min_ms,p10_ms,p50_ms,mean_ms,p90_ms,variance_ms2,clean_fraction,converged,flags
        conv-k3-in8x8x3-out4x4x8-s2,3456,measured,0.125,thread_cpu_p50,0.125,0.125,0.0,60,6,0.125,0.125,0.125,0.125,0.125,0.0,0.75,false,drift
        conv-k3-in8x8x4-out4x4x8-s2,4608,imported,2.0,mean,,,,100,,,,,2.0,,0.01,,,
        ");
    }
}
