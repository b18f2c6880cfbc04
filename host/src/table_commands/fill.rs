//! `host table fill`: estimates of the rows that a table lacks, from the rows it has.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::anyhow;
use clap::{Args, ValueEnum};
use latency_tables::fill::Price;
use latency_tables::{FillReport, Filled, LatencyTable, file, fill};
use op_catalog::SearchSpace;
use serde_json::json;

use crate::report;
use crate::report::Column::{Number, Text};
use command_line::hint::WithHint;
use command_line::{output, resolve};

/// Arguments of `host table fill`.
#[derive(Args, Debug)]
pub(crate) struct FillArgs {
    /// The latency table
    #[arg(value_name = "FILE")]
    table: PathBuf,
    /// By a cost model that is fitted on the table's own rows
    #[arg(long, required = true)]
    analytic: bool,
    /// The table to write
    #[arg(long, value_name = "TABLE")]
    out: PathBuf,
    /// The space, by name or TOML file [default: the one the table was made for]
    #[arg(long, value_name = "NAME-OR-FILE")]
    space: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// The ways to come by a row that was not measured, for other commands' option `--fill`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum FillKind {
    /// A cost model that is fitted on the table's own rows
    Analytic,
}

/// Runs the command.
pub(crate) fn run(args: &FillArgs) -> anyhow::Result<ExitCode> {
    let table = resolve::table(&args.table)?;
    let space = resolve::space_for(&table, args.space.as_deref())?;
    let Filled { table, report } = filled(&table, space.as_ref())?;
    file::write(&args.out, &table)?;
    if args.json {
        output::json(&json!({"out": args.out, "rows": table.rows().len(), "fill": report}))?;
    } else {
        output::data(&text(&report))?;
        output::note(&format!(
            "{}: {}",
            args.out.display(),
            report::count(table.rows().len(), "row")
        ));
    }
    Ok(ExitCode::SUCCESS)
}

/// The table as another command takes it: filled where its option asks for that, with a note of how far
/// estimates are off.
pub(crate) fn with(
    table: LatencyTable,
    space: Option<&SearchSpace>,
    kind: Option<FillKind>,
) -> anyhow::Result<LatencyTable> {
    let Some(FillKind::Analytic) = kind else { return Ok(table) };
    let Filled { table, report } = filled(&table, space)?;
    output::note(&summary(&report));
    Ok(table)
}

fn filled(table: &LatencyTable, space: Option<&SearchSpace>) -> anyhow::Result<Filled> {
    let space = space
        .ok_or_else(|| anyhow!("the table does not say for which space it was made"))
        .hint("name the space with --space")?;
    Ok(fill::analytic(table, space)?)
}

/// What each count costs, which rows are estimates, and how good they are.
fn text(report: &FillReport) -> String {
    let mut grid = report::table(&[Text("per"), Number("ms")]);
    for Price { per, ms } in report.prices.iter().filter(|price| price.ms > 0.0) {
        grid.add_row([(*per).to_owned(), format!("{ms:.4}")]);
    }
    let keys = report.estimated.iter().map(|key| format!("estimated  {key}"));
    let lines = [grid.trim_fmt(), String::new()].into_iter().chain(keys);
    lines.chain([summary(report)]).collect::<Vec<_>>().join("\n")
}

/// `3 rows estimated from 67; a row left out is estimated with an error of ...`
fn summary(report: &FillReport) -> String {
    let errors = &report.leave_one_out;
    let failed = match report.failed {
        0 => String::new(),
        failed => format!(", {failed} of them of operations that failed,"),
    };
    format!(
        "{} estimated{failed} from {}; a row that is left out is estimated with an error of {:.1} % in the \
         median, {:.1} % on average, {:.1} % at the 90th percentile, {:.1} % at most",
        report::count(report.estimated.len(), "row"),
        report.fitted_rows,
        errors.median_percent,
        errors.mean_percent,
        errors.p90_percent,
        errors.max_percent,
    )
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use latency_tables::TableContext;

    use super::*;
    use crate::table_commands::fixtures::{small_space, table};
    use command_line::hint;

    /// A table of the small space that lacks every fifth row.
    fn partial() -> LatencyTable {
        let full = table();
        let space = small_space().definition().clone();
        let mut partial = LatencyTable::new(TableContext::named("x")).with_space(space);
        for (index, row) in full.rows().enumerate() {
            if index % 5 > 0 {
                partial.insert(row.clone());
            }
        }
        partial
    }

    fn args(folder: &Path, table: &LatencyTable) -> FillArgs {
        let (from, out) = (folder.join("partial.json"), folder.join("filled.json"));
        file::write(&from, table).unwrap();
        FillArgs { table: from, analytic: true, out, space: None, json: true }
    }

    #[test]
    fn a_filled_table_is_complete_and_has_what_was_measured() {
        let folder = tempfile::tempdir().unwrap();
        let args = args(folder.path(), &partial());
        run(&args).unwrap();
        let filled = file::read(&args.out).unwrap();
        assert!(filled.complete(&small_space()));
        assert_eq!(filled.estimated().count(), partial().missing(&small_space()).len());
        // The fixture's times follow from what is counted.
        for row in filled.estimated() {
            let truth = table().row(&row.key).unwrap().headline();
            assert!((row.headline().0 / truth.0 - 1.0).abs() < 0.01, "{}", row.key);
        }
    }

    #[test]
    fn without_the_option_a_table_stays_as_it_is() {
        assert_eq!(with(partial(), Some(&small_space()), None).unwrap(), partial());
        let filled = with(partial(), Some(&small_space()), Some(FillKind::Analytic)).unwrap();
        assert!(filled.complete(&small_space()));
    }

    #[test]
    fn a_table_of_no_space_is_refused_with_the_option_that_names_one() {
        let error = filled(&partial(), None).unwrap_err();
        assert!(hint::of(&error).unwrap().contains("--space"));
    }

    #[test]
    fn the_summary_says_how_far_estimates_are_off() {
        let report = filled(&partial(), Some(&small_space())).unwrap().report;
        let text = text(&report);
        let last = text.lines().last().unwrap();
        let start =
            format!("{} rows estimated from {};", report.estimated.len(), report.fitted_rows);
        assert!(last.starts_with(&start), "{last}");
        assert!(last.ends_with("% at most"), "{last}");
    }
}
