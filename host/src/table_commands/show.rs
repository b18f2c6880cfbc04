//! `host table show`: a table for people, or its rows for programs.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use latency_tables::{LatencyTable, RowSource, TableRow, table_json};
use serde_json::json;

use crate::report;
use crate::report::Column::{Number, Text};
use crate::report::context;
use crate::report::table_picture::TablePicture;
use command_line::picture;
use command_line::{output, resolve};

/// Arguments of `host table show`.
#[derive(Args, Debug)]
pub(crate) struct ShowArgs {
    /// The latency table
    #[arg(value_name = "FILE")]
    table: PathBuf,
    /// Order of the rows: keys ascend, everything else descends
    #[arg(long, value_enum, default_value = "key")]
    sort: SortKey,
    /// Only rows whose key contains this text
    #[arg(long, value_name = "TEXT")]
    filter: Option<String>,
    /// Only rows of this kind
    #[arg(long, value_enum)]
    only: Option<Doubt>,
    /// Draw all rows, and how steady the device was: NAME.svg, NAME.png, or NAME for both
    #[arg(long, value_name = "OUT")]
    plot: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// What rows are ordered by.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum SortKey {
    /// The operation
    Key,
    /// The value that predictions add up
    Headline,
    /// Multiply-accumulates
    Macs,
    /// Half the confidence interval over the value
    RelativeError,
}

/// Why a row is doubtful.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Doubt {
    /// It carries a flag
    Flagged,
    /// It missed a stop condition
    Unconverged,
    /// Nobody measured it
    Estimated,
}

/// Runs the command.
pub(crate) fn run(args: &ShowArgs) -> anyhow::Result<ExitCode> {
    args.plot.as_deref().map_or(Ok(()), picture::check)?;
    let table = resolve::table(&args.table)?;
    let rows = selected(&table, args);
    if args.json {
        let failed: Vec<_> = table_json::failed_items(&table).collect();
        output::json(&json!({
            "context": table.context,
            "space": table.space(),
            "rows": rows,
            "failed": failed,
        }))?;
    } else {
        output::data(&text(&table, &rows))?;
    }
    args.plot.as_deref().map_or(Ok(()), |path| plot(path, &table))?;
    Ok(ExitCode::SUCCESS)
}

fn plot(path: &Path, table: &LatencyTable) -> anyhow::Result<()> {
    let drawing = TablePicture::of(table);
    if !drawing.has_trace() {
        let name = &table.context.device_name;
        output::note(&format!("`{name}` has no canary: only its rows are drawn"));
    }
    picture::tell(&picture::write(path, &drawing)?);
    Ok(())
}

fn selected<'a>(table: &'a LatencyTable, args: &ShowArgs) -> Vec<&'a TableRow> {
    let filter = args.filter.as_deref().unwrap_or_default();
    let wanted = |row: &&TableRow| {
        let doubtful = match args.only {
            None => true,
            Some(Doubt::Flagged) => !row.flags.is_empty(),
            Some(Doubt::Unconverged) => row.converged == Some(false),
            Some(Doubt::Estimated) => row.source == RowSource::Estimated,
        };
        doubtful && row.key.to_string().contains(filter)
    };
    let mut rows: Vec<&TableRow> = table.rows().filter(wanted).collect();
    match args.sort {
        SortKey::Key => {}
        SortKey::Headline => descending(&mut rows, |row| row.headline().0),
        SortKey::Macs => descending(&mut rows, |row| row.macs() as f64),
        SortKey::RelativeError => {
            descending(&mut rows, |row| row.headline.relative_error.unwrap_or(-1.0));
        }
    }
    rows
}

fn descending(rows: &mut [&TableRow], number: impl Fn(&TableRow) -> f64) {
    rows.sort_by(|a, b| number(b).total_cmp(&number(a)));
}

fn text(table: &LatencyTable, rows: &[&TableRow]) -> String {
    let mut grid = report::table(&[
        Text("key"),
        Number("headline ms"),
        Number("± %"),
        Number("p10"),
        Number("p50"),
        Number("p90"),
        Number("n"),
        Text("flags"),
    ]);
    for row in rows {
        grid.add_row([
            row.key.to_string(),
            report::time(Some(row.headline())),
            report::percent(row.headline.relative_error.map(|error| 100.0 * error)),
            report::time(row.p10),
            report::time(row.p50),
            report::time(row.p90),
            row.n.to_string(),
            doubts(row),
        ]);
    }
    let failed = table.failed().map(|(key, failure)| {
        format!("failed    {key}: {} ({})", failure.message, report::name_of(&failure.kind))
    });
    let totals = context::totals(table, rows.len());
    let lines = [context::lines(table), String::new(), grid.trim_fmt(), String::new(), totals];
    lines.into_iter().chain(failed).collect::<Vec<_>>().join("\n")
}

/// What makes a row doubtful, in words.
fn doubts(row: &TableRow) -> String {
    let missed = row.unmet.iter().map(|condition| format!("missed {}", report::name_of(condition)));
    let estimated = (row.source == RowSource::Estimated).then(|| "estimated".to_owned());
    let doubts = estimated.into_iter().chain(row.flags.iter().map(report::name_of)).chain(missed);
    doubts.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table_commands::fixtures::{doubtful_table, estimated_row, table};

    fn show(
        table: &LatencyTable,
        sort: SortKey,
        filter: Option<&str>,
        only: Option<Doubt>,
    ) -> String {
        let filter = filter.map(str::to_owned);
        let args = ShowArgs { table: PathBuf::new(), sort, filter, only, plot: None, json: false };
        text(table, &selected(table, &args))
    }

    #[test]
    fn a_table_is_shown_with_what_it_depends_on_and_its_doubts() {
        insta::assert_snapshot!(show(&doubtful_table(), SortKey::Headline, None, None), @r"
        device    pixel1
        runtime   tract, 1 thread, batch 1, f32
        protocol  at least 6 instantiations, 90 ms, 18 samples and ±1 % at 95 % confidence; at most 1200 ms a row
        measured  2026-01-02T03:04:05Z, in 98.3 s
        space     proxyless-small

        key                                      headline ms    ± %     p10     p50     p90    n   flags
        ────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────
        mbconv-k5-e3-in32x32x16-out16x16x24-s2         2.250   3.40   2.205   2.250   2.475   60   drift, missed target_relative_error
        mbconv-k3-e3-in32x32x16-out16x16x24-s2         1.500   1.00   1.470   1.500   1.650   60

        rows      2 rows, 1 not converged, 1 flagged, 1 failed
        failed    mbconv-k7-e3-in32x32x16-out16x16x24-s2: child killed by signal 9 (SIGKILL) (child_died)
        ");
    }

    #[test]
    fn rows_are_filtered_and_the_count_says_so() {
        let shown = show(&doubtful_table(), SortKey::Key, Some("k5"), None);
        assert!(shown.contains("mbconv-k5-e3") && !shown.contains("mbconv-k3-e3"), "{shown}");
        assert!(shown.contains(", 1 shown"), "{shown}");
        let shown = show(&doubtful_table(), SortKey::RelativeError, None, Some(Doubt::Unconverged));
        assert!(shown.contains("mbconv-k5-e3") && !shown.contains("mbconv-k3-e3"), "{shown}");
        let shown = show(&doubtful_table(), SortKey::Macs, None, Some(Doubt::Flagged));
        assert!(shown.contains("mbconv-k5-e3") && !shown.contains("mbconv-k3-e3"), "{shown}");
    }

    #[test]
    fn estimated_rows_are_marked_and_counted() {
        let mut table = doubtful_table();
        table.insert(estimated_row("conv-k3-in8x8x3-out4x4x8-s2".parse().unwrap(), 1.0));
        let shown = show(&table, SortKey::Key, None, Some(Doubt::Estimated));
        let row = shown.lines().find(|line| line.starts_with("conv-k3")).unwrap();
        assert!(row.ends_with("10.00     -     -     -   0   estimated"), "{row}");
        assert!(!shown.contains("mbconv-k5-e3-in"), "{shown}");
        assert!(shown.contains(", 1 estimated, 1 failed, 1 shown"), "{shown}");
    }

    #[test]
    fn a_complete_table_says_between_which_latencies_its_space_lies() {
        let shown = show(&table(), SortKey::Key, None, None);
        let last = shown.lines().last().unwrap();
        assert!(last.starts_with("networks  of proxyless-small: "), "{last}");
    }

    #[test]
    fn a_table_without_a_canary_is_drawn_all_the_same() {
        let folder = tempfile::tempdir().unwrap();
        plot(&folder.path().join("rows"), &doubtful_table()).unwrap();
        assert!(folder.path().join("rows.svg").exists() && folder.path().join("rows.png").exists());
    }
}
