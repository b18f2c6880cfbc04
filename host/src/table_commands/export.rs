//! `host table export`: a table in the format of another program.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::anyhow;
use clap::{Args, ValueEnum};
use latency_tables::proxyless_yaml::{Exported, ExportedValue};
use latency_tables::{LatencyTable, csv, file, proxyless_yaml};
use serde_json::json;

use crate::{output, report, resolve};

/// Arguments of `host table export`.
#[derive(Args, Debug)]
pub(crate) struct ExportArgs {
    /// The latency table
    #[arg(value_name = "FILE")]
    table: PathBuf,
    /// The format to write
    #[arg(long, value_enum)]
    format: ExportFormat,
    /// The file to write
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// What `mean` is in the YAML
    #[arg(long, value_enum, default_value = "mean")]
    value: Value,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Formats that are written for others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum ExportFormat {
    /// ProxylessNAS' own, for its search code
    ProxylessYaml,
    /// For spreadsheets and data frames
    Csv,
}

/// What the YAML gives as the mean.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Value {
    /// The mean wall time
    Mean,
    /// The headline value, which `host predict` adds up
    Headline,
}

/// Runs the command.
pub(crate) fn run(args: &ExportArgs) -> anyhow::Result<ExitCode> {
    let table = resolve::table(&args.table)?;
    let Exported { text, left_out } = export(&table, args)?;
    let written = table.rows().len() - left_out.len();
    if written == 0 {
        return Err(anyhow!("the table has no row that the format can hold"));
    }
    file::write_text(&args.out, &text)?;
    if args.json {
        output::json(&json!({"out": args.out, "rows": written, "left_out": left_out}))?;
    } else {
        output::note(&format!("{}: {}", args.out.display(), report::count(written, "row")));
        for key in left_out {
            output::note(&format!("left out, for the format has no key for it: {key}"));
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn export(table: &LatencyTable, args: &ExportArgs) -> anyhow::Result<Exported> {
    Ok(match args.format {
        ExportFormat::Csv => Exported { text: csv::print(table)?, left_out: Vec::new() },
        ExportFormat::ProxylessYaml => {
            let value = match args.value {
                Value::Mean => ExportedValue::Mean,
                Value::Headline => ExportedValue::Headline,
            };
            proxyless_yaml::print(table.rows(), value)?
        }
    })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use latency_tables::TableContext;

    use super::*;
    use crate::table_commands::fixtures::row;

    fn exported(keys: &[&str], format: ExportFormat) -> anyhow::Result<String> {
        let folder = tempfile::tempdir()?;
        let (path, out) = (folder.path().join("table.json"), folder.path().join("out"));
        let mut table = LatencyTable::new(TableContext::named("x"));
        for key in keys {
            table.insert(row(key.parse()?, 1.0));
        }
        file::write(&path, &table)?;
        run(&ExportArgs {
            table: path,
            format,
            out: out.clone(),
            value: Value::Headline,
            json: true,
        })?;
        Ok(fs::read_to_string(out)?)
    }

    #[test]
    fn each_format_is_written() {
        let keys = ["conv-k1-in7x7x320-out7x7x1280-s1", "maxpool-k2-in8x8x4-out4x4x4-s2"];
        let yaml = exported(&keys, ExportFormat::ProxylessYaml).unwrap();
        assert!(yaml.starts_with("Conv_1-input:7x7x320-output:7x7x1280:\n  count: "), "{yaml}");
        assert_eq!(yaml.lines().count(), 4);
        assert_eq!(exported(&keys, ExportFormat::Csv).unwrap().lines().count(), 3);
    }

    #[test]
    fn a_table_of_which_nothing_can_be_held_is_an_error() {
        let error = exported(&["maxpool-k2-in8x8x4-out4x4x4-s2"], ExportFormat::ProxylessYaml);
        assert_eq!(error.unwrap_err().to_string(), "the table has no row that the format can hold");
    }
}
