//! `host table export`: a table in the format of another program.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::anyhow;
use clap::{Args, ValueEnum};
use latency_tables::{Exported, ExportedValue, Format, file};
use serde_json::json;

use crate::report;
use command_line::{output, resolve};

/// Arguments of `host table export`.
#[derive(Args, Debug)]
pub(crate) struct ExportArgs {
    /// The latency table
    #[arg(value_name = "FILE")]
    table: PathBuf,
    /// The format to write: proxyless-yaml, ofa-yaml, fbnet-json, csv, regression-json or table
    #[arg(long)]
    format: Format,
    /// The file to write
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// What `mean` is in a YAML
    #[arg(long, value_enum, default_value = "mean")]
    value: Value,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// What a YAML gives as the mean.
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
    let value = match args.value {
        Value::Mean => ExportedValue::Mean,
        Value::Headline => ExportedValue::Headline,
    };
    let Exported { text, rows, left_out, lost } = args.format.export(&table, value)?;
    if rows == 0 && args.format != Format::RegressionJson {
        return Err(anyhow!("the table has no row that the format can hold"));
    }
    file::write_text(&args.out, &text)?;
    if args.json {
        output::json(&json!({"out": args.out, "rows": rows, "left_out": left_out, "lost": lost}))?;
        return Ok(ExitCode::SUCCESS);
    }
    let written = match args.format {
        Format::RegressionJson => "the model".to_owned(),
        _ => report::count(rows, "row"),
    };
    output::note(&format!("{}: {written}", args.out.display()));
    for key in left_out {
        output::note(&format!("left out, for the format has no key for it: {key}"));
    }
    if !lost.is_empty() {
        let lost: Vec<String> = lost.iter().map(ToString::to_string).collect();
        let lost = lost.join("; ");
        output::note(&format!("left out, for the format has no place for it: {lost}"));
    }
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use latency_tables::{LatencyTable, TableContext};

    use super::*;
    use crate::table_commands::fixtures::row;

    fn exported(keys: &[&str], format: Format) -> anyhow::Result<String> {
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
        let yaml = exported(&keys, Format::ProxylessYaml).unwrap();
        assert!(yaml.starts_with("Conv_1-input:7x7x320-output:7x7x1280:\n  count: "), "{yaml}");
        assert_eq!(yaml.lines().count(), 4);
        assert_eq!(exported(&keys, Format::Csv).unwrap().lines().count(), 3);
        assert_eq!(exported(&keys, Format::FbnetJson).unwrap().lines().count(), 4);
        let table = exported(&keys, Format::Table).unwrap();
        assert!(table.contains("\"format\": \"latency-table\""), "{table}");
        let error = exported(&keys, Format::RegressionJson).unwrap_err();
        assert_eq!(error.to_string(), "the model: the table has none; the format is one");
    }

    #[test]
    fn a_table_of_which_nothing_can_be_held_is_an_error() {
        let error = exported(&["maxpool-k2-in8x8x4-out4x4x4-s2"], Format::ProxylessYaml);
        assert_eq!(error.unwrap_err().to_string(), "the table has no row that the format can hold");
    }
}
