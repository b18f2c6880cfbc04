//! `host table check`: whether a table covers a space, and what in it is doubtful.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::anyhow;
use clap::Args;
use latency_tables::table_json::{self, FailedItem};
use latency_tables::{LatencyTable, RowSource, TableRow};
use op_catalog::wire::row::Failure;
use op_catalog::{PlacedOp, SearchSpace};
use serde::Serialize;

use crate::report;
use command_line::hint::WithHint;
use command_line::{output, resolve};

/// Arguments of `host table check`.
#[derive(Args, Debug)]
pub(crate) struct CheckArgs {
    /// The latency table
    #[arg(value_name = "FILE")]
    table: PathBuf,
    /// The space, by name or TOML file [default: the one the table was made for]
    #[arg(long, value_name = "NAME-OR-FILE")]
    space: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// What a check finds.
#[derive(Debug, Serialize)]
struct Finding {
    space: String,
    /// Whether every network of the space can be predicted.
    usable: bool,
    rows_needed: usize,
    missing: Vec<PlacedOp>,
    failed: Vec<FailedItem>,
    unconverged: Vec<DoubtfulRow>,
    flagged: Vec<DoubtfulRow>,
    /// Rows that nobody measured.
    estimated: Vec<DoubtfulRow>,
}

/// A row with the names of its unmet conditions or of its flags, or why it is an estimate.
#[derive(Debug, Serialize)]
struct DoubtfulRow {
    key: PlacedOp,
    relative_error: Option<f64>,
    doubts: Vec<String>,
}

/// Runs the command.
pub(crate) fn run(args: &CheckArgs) -> anyhow::Result<ExitCode> {
    let table = resolve::table(&args.table)?;
    let space = resolve::space_for(&table, args.space.as_deref())?
        .ok_or_else(|| anyhow!("the table does not say for which space it was made"))
        .hint("name the space with --space")?;
    let finding = Finding::of(&table, &space);
    if args.json {
        output::json(&finding)?;
    } else {
        output::data(&finding.text())?;
    }
    Ok(if finding.usable { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

impl Finding {
    fn of(table: &LatencyTable, space: &SearchSpace) -> Self {
        let needed = space.placed_ops();
        let missing = table.missing(space);
        let failed = table_json::failed_items(table).filter(|item| needed.contains(&item.key));
        let rows: Vec<&TableRow> = table.rows().filter(|row| needed.contains(&row.key)).collect();
        let doubtful = |doubts: fn(&TableRow) -> Vec<String>| -> Vec<DoubtfulRow> {
            let doubtful = rows.iter().map(|row| DoubtfulRow {
                key: row.key,
                relative_error: row.headline.relative_error,
                doubts: doubts(row),
            });
            doubtful.filter(|row| !row.doubts.is_empty()).collect()
        };
        Self {
            space: space.name().to_owned(),
            usable: missing.is_empty(),
            rows_needed: needed.len(),
            failed: failed.collect(),
            unconverged: doubtful(|row| row.unmet.iter().map(report::name_of).collect()),
            flagged: doubtful(|row| row.flags.iter().map(report::name_of).collect()),
            estimated: doubtful(|row| match row.source {
                RowSource::Estimated => vec![row.headline.reason.clone()],
                RowSource::Measured | RowSource::Imported => Vec::new(),
            }),
            missing,
        }
    }

    fn text(&self) -> String {
        let Self { space, rows_needed, missing, failed, unconverged, flagged, estimated, .. } =
            self;
        let there = rows_needed - missing.len();
        let mut lines = vec![if self.usable {
            format!("usable: all {} of `{space}` are there", report::count(*rows_needed, "row"))
        } else {
            format!("not usable: {there} of the {rows_needed} rows of `{space}` are there")
        }];
        let mut section = |title: &str, entries: Vec<String>| {
            if !entries.is_empty() {
                lines.push(format!("{title} ({}):", entries.len()));
                lines.extend(entries.into_iter().map(|entry| format!("  {entry}")));
            }
        };
        let has_failed = |key: &&PlacedOp| failed.iter().any(|row| row.key == **key);
        section("failed", failed.iter().map(failed_text).collect());
        let unmeasured = missing.iter().filter(|key| !has_failed(key));
        section("not measured", unmeasured.map(ToString::to_string).collect());
        section("not converged", unconverged.iter().map(DoubtfulRow::text).collect());
        section("flagged", flagged.iter().map(DoubtfulRow::text).collect());
        section("estimated", estimated.iter().map(DoubtfulRow::text).collect());
        lines.join("\n")
    }
}

fn failed_text(item: &FailedItem) -> String {
    let Failure { message, attempts, .. } = &item.failure;
    format!("{}: {message} ({})", item.key, report::count(*attempts as usize, "attempt"))
}

impl DoubtfulRow {
    fn text(&self) -> String {
        let doubts = self.doubts.join(", ");
        match self.relative_error {
            Some(error) => format!("{}: {doubts}, ±{:.2} %", self.key, 100.0 * error),
            None => format!("{}: {doubts}", self.key),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table_commands::fixtures::{doubtful_table, estimated_row, small_space, table};

    #[test]
    fn a_complete_table_is_usable() {
        let finding = Finding::of(&table(), &small_space());
        assert!(finding.usable);
        let rows = table().rows().len();
        assert_eq!(
            finding.text(),
            format!("usable: all {rows} rows of `proxyless-small` are there")
        );
    }

    #[test]
    fn estimates_make_a_table_usable_and_are_counted() {
        let mut table = doubtful_table();
        let missing = table.missing(&small_space());
        for &key in &missing {
            table.insert(estimated_row(key, 1.0));
        }
        let finding = Finding::of(&table, &small_space());
        assert!(finding.usable);
        let title = format!("\nestimated ({}):\n  {}: no", missing.len(), missing[0]);
        assert!(finding.text().contains(&title), "{}", finding.text());
    }

    #[test]
    fn what_failed_is_told_from_what_was_never_measured() {
        let finding = Finding::of(&doubtful_table(), &small_space());
        let text = finding.text();
        let keys = |title: &str| {
            let lines = text.lines().skip_while(|line| !line.starts_with(title)).skip(1);
            lines.take_while(|line| line.starts_with("  ")).count()
        };
        assert!(!finding.usable);
        assert_eq!(finding.missing.len(), finding.rows_needed - 2);
        assert_eq!(keys("failed (1)"), 1, "{text}");
        assert_eq!(keys("not measured"), finding.missing.len() - 1, "{text}");
        assert_eq!(keys("not converged (1)"), 1, "{text}");
        assert_eq!(keys("flagged (1)"), 1, "{text}");
    }
}
