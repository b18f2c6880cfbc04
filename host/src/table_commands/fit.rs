//! `host table fit`: fits a latency model on whole networks that anybody has measured.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;
use latency_tables::{Design, LatencyModel, LatencyTable, TableContext, file, networks_file};
use op_catalog::SearchSpace;
use serde_json::json;

use super::fill::{self, FillKind};
use crate::report::model;
use command_line::hint::WithHint;
use command_line::{output, resolve};

/// Arguments of `host table fit`.
#[derive(Args, Debug)]
pub(crate) struct FitArgs {
    /// The measured networks: CSV with the columns `c0,c1,...,latency_ms` (one choice index per edge), or
    /// lines of JSON
    #[arg(long, value_name = "FILE")]
    networks: PathBuf,
    /// The space, by name or TOML file [default: the prior table's; without one, the columns are the
    /// edges]
    #[arg(long, value_name = "NAME-OR-FILE")]
    space: Option<String>,
    /// A table of isolated operations to start from
    #[arg(long, value_name = "FILE")]
    prior: Option<PathBuf>,
    /// How to come by rows that the prior table lacks [default: they are an error that lists them]
    #[arg(long, value_enum)]
    fill: Option<FillKind>,
    /// Seed of the folds of cross-validation
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// The table to write
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub(crate) fn run(args: &FitArgs) -> anyhow::Result<ExitCode> {
    let prior = args.prior.as_deref().map(resolve::table).transpose()?;
    let space = match (&args.space, &prior) {
        (Some(name), _) => Some(resolve::space(name)?),
        (None, Some(prior)) => resolve::space_for(prior, None)?,
        (None, None) => None,
    };
    let filled = |prior| fill::with(prior, space.as_ref(), args.fill);
    let prior = prior.map(filled).transpose()?;
    let table = fit(args, prior, space.as_ref())?;
    file::write(&args.out, &table)?;
    if args.json {
        let model = table.model().map(model::to_json);
        output::json(&json!({"out": args.out, "model": model}))?;
    } else {
        output::data(&format!(
            "{}{}",
            args.out.display(),
            model::to_text(&table).unwrap_or_default()
        ))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn fit(
    args: &FitArgs,
    prior: Option<LatencyTable>,
    space: Option<&SearchSpace>,
) -> anyhow::Result<LatencyTable> {
    let shown = || format!("reading {}", args.networks.display());
    let text = resolve::text(&args.networks)?;
    let list = networks_file::parse(&text, space).with_context(shown)?;
    let design = match (space, &prior) {
        (Some(space), Some(prior)) => Design::of_table(space, prior)
            .context("the prior table does not cover the space")
            .hint("fill it with `host table fill --analytic`, or fit without --prior")?,
        (Some(space), None) => Design::of_space(space),
        (None, _) => Design::of_counts(&list.choice_counts),
    };
    let networks = list.measured().with_context(shown)?;
    let model = LatencyModel::fit(&design, &networks, args.seed)
        .with_context(|| format!("fitting a model on {}", args.networks.display()))?;
    let table =
        prior.unwrap_or_else(|| LatencyTable::new(TableContext::named(stem(&args.networks))));
    let table = match space {
        Some(space) => table.with_space(space.definition().clone()),
        None => table,
    };
    Ok(table.with_model(model)?)
}

fn stem(path: &Path) -> String {
    path.file_stem().map_or_else(|| "fitted".to_owned(), |name| name.to_string_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    use std::fmt::Write;

    use super::*;

    /// Networks of two edges whose latency is known.
    fn networks(folder: &Path) -> PathBuf {
        let mut text = "c0,c1,latency_ms\n".to_owned();
        for index in 0..12 {
            let (first, second) = (index % 3, index % 2);
            let latency = 5.0 + 2.0 * f64::from(first) + 0.5 * f64::from(second);
            writeln!(text, "{first},{second},{latency}").unwrap();
        }
        let path = folder.join("networks.csv");
        std::fs::write(&path, text).unwrap();
        path
    }

    fn arguments(folder: &Path) -> FitArgs {
        FitArgs {
            networks: networks(folder),
            space: None,
            prior: None,
            fill: None,
            seed: 1,
            out: folder.join("fitted.json"),
            json: false,
        }
    }

    #[test]
    fn a_table_is_fitted_without_an_agent_and_without_a_space() {
        let folder = tempfile::tempdir().unwrap();
        let args = arguments(folder.path());
        run(&args).unwrap();
        let table = file::read(&args.out).unwrap();
        assert_eq!(table.context.device_name, "networks");
        let model = table.model().unwrap();
        assert_eq!(model.choice_counts().collect::<Vec<_>>(), [3, 2]);
        let dearest = model.edge_costs().price(&[2, 1]).unwrap();
        assert!((dearest.0 - 9.5).abs() < 0.05, "{dearest}");
    }

    #[test]
    fn what_cannot_be_read_is_named_with_its_file_line_and_value() {
        let folder = tempfile::tempdir().unwrap();
        let args = arguments(folder.path());
        std::fs::write(&args.networks, "c0,c1,latency_ms\n0,1,5.0\n1,0,5.0x\n").unwrap();
        let error = format!("{:#}", run(&args).unwrap_err());
        assert!(error.contains("networks.csv") && error.contains("line 3"), "{error}");
        assert!(error.contains("5.0x"), "{error}");
        assert!(!args.out.exists());
    }
}
