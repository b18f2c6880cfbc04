//! `host table import`: somebody's table, in any of the formats, becomes a table file.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use latency_tables::{Format, ImportOptions, Imported, LatencyModel, TableError, TimeUnit, file};
use serde_json::json;

use crate::report;
use command_line::hint::WithHint;
use command_line::{output, resolve};

/// Arguments of `host table import`.
#[derive(Args, Debug)]
pub(crate) struct ImportArgs {
    /// The file to read
    #[arg(value_name = "FILE")]
    from: PathBuf,
    /// The table file to write
    #[arg(long, value_name = "TABLE")]
    out: PathBuf,
    /// Its format: table, proxyless-yaml, ofa-yaml, fbnet-json, csv or regression-json [default: told
    /// from the content]
    #[arg(long)]
    format: Option<Format>,
    /// The unit of its numbers, us, ms or s, whatever they look like [default: us for fbnet-json, else
    /// ms]
    #[arg(long)]
    unit: Option<TimeUnit>,
    /// The device that it was measured on [default: as the file says, else the name of the file]
    #[arg(long, value_name = "NAME")]
    device_name: Option<String>,
    /// The space that it is for, by name or TOML file; regression-json needs it
    #[arg(long, value_name = "NAME-OR-FILE")]
    space: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub(crate) fn run(args: &ImportArgs) -> anyhow::Result<ExitCode> {
    let space = args.space.as_deref().map(resolve::space).transpose()?;
    let options = ImportOptions {
        format: args.format,
        unit: args.unit,
        space: space.map(|space| space.definition().clone()),
        device_name: args.device_name.clone(),
    };
    let imported = file::import(&args.from, &options);
    let hint = imported.as_ref().err().map(next_step).unwrap_or_default();
    let Imported { table, remarks } = imported.hint(hint)?;
    file::write(&args.out, &table)?;
    let rows = table.rows().len();
    if args.json {
        let device_name = &table.context.device_name;
        output::json(&json!({
            "out": args.out,
            "rows": rows,
            "model": table.model().map(LatencyModel::kind),
            "device_name": device_name,
            "remarks": remarks,
        }))?;
    } else {
        let model = if table.model().is_some() { " and a model" } else { "" };
        output::note(&format!("{}: {}{model}", args.out.display(), report::count(rows, "row")));
        for remark in remarks {
            output::note(&format!("note: {remark}"));
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// What a user can do about a file that is refused.
fn next_step(error: &TableError) -> String {
    let cause = std::error::Error::source(error).and_then(|source| source.downcast_ref());
    match cause {
        Some(TableError::Unit { guess: Some(unit), .. }) => {
            format!("if so, say `--unit {unit}`; `--unit ms` if they are milliseconds all the same")
        }
        Some(TableError::Unit { guess: None, .. }) => {
            "correct the file; or say its unit with --unit to take all of it as it is".to_owned()
        }
        Some(TableError::NoSpace) => {
            "name the space with --space, e.g. tunas-proxyless, or give its TOML file".to_owned()
        }
        Some(TableError::Line { .. }) => {
            "correct the line; if the file is of another format, name it with --format".to_owned()
        }
        _ => "name the format with --format; docs/formats.md shows each of them".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use op_catalog::Milliseconds;

    use super::*;
    use command_line::hint;

    const YAML: &str = "Logits-input:7x7x1280-output:1000: {count: 3, mean: 1.5, var: 0.25}\n";

    fn args(folder: &std::path::Path, content: &str) -> ImportArgs {
        let (from, out) = (folder.join("phone.yaml"), folder.join("table.json"));
        fs::write(&from, content).unwrap();
        let space = Some("proxyless-mobile".to_owned());
        ImportArgs { from, out, format: None, unit: None, device_name: None, space, json: true }
    }

    #[test]
    fn an_imported_table_is_named_after_its_file_and_knows_its_space() {
        let folder = tempfile::tempdir().unwrap();
        let args = args(folder.path(), YAML);
        run(&args).unwrap();
        let table = file::read(&args.out).unwrap();
        assert_eq!(table.context.device_name, "phone");
        assert_eq!(table.space().unwrap().name(), "proxyless-mobile");
        assert_eq!(table.rows().next().unwrap().headline(), Milliseconds(1.5));
    }

    #[test]
    fn a_format_that_is_wrong_is_refused_and_nothing_is_written() {
        let folder = tempfile::tempdir().unwrap();
        let args = ImportArgs { format: Some(Format::Table), ..args(folder.path(), YAML) };
        let error = run(&args).unwrap_err();
        assert!(format!("{error:#}").contains("the file is not JSON"), "{error:#}");
        assert!(hint::of(&error).is_some());
        assert!(!args.out.exists());
    }
    #[test]
    fn what_is_refused_says_the_line_the_value_and_the_next_step() {
        let folder = tempfile::tempdir().unwrap();
        for (content, message, step) in [
            ("1.5", "", ""),
            ("0.5abc", "line 1, mean of `KEY`: `0.5abc` is not a number", "correct the line"),
            ("-1.5", "line 1, mean of `KEY`: `-1.5` is negative", "correct the line"),
            (
                "1500",
                "line 1, mean of `KEY`: `1500` and the other numbers are hardly milliseconds: \
                      they look like microseconds.",
                "if so, say `--unit us`",
            ),
            (
                "0.000015",
                "line 1, mean of `KEY`: `0.000015` and the other numbers are hardly \
                      milliseconds: they look like seconds.",
                "if so, say `--unit s`",
            ),
        ] {
            let args = args(folder.path(), &YAML.replace("1.5", content));
            match run(&args) {
                Ok(_) => assert_eq!(message, ""),
                Err(error) => {
                    let message = message.replace("KEY", "Logits-input:7x7x1280-output:1000");
                    let start = format!("cannot read {}: {message}", args.from.display());
                    assert!(format!("{error:#}").starts_with(&start), "{error:#}");
                    assert!(hint::of(&error).unwrap().starts_with(step), "{content}");
                }
            }
        }
    }

    #[test]
    fn the_unit_that_is_stated_is_taken() {
        let folder = tempfile::tempdir().unwrap();
        let args = args(folder.path(), &YAML.replace("1.5", "1500"));
        let args = ImportArgs { unit: Some(TimeUnit::Microseconds), ..args };
        run(&args).unwrap();
        let row = file::read(&args.out).unwrap();
        assert_eq!(row.rows().next().unwrap().headline(), Milliseconds(1.5));
    }

    #[test]
    fn weights_need_their_space() {
        let folder = tempfile::tempdir().unwrap();
        let args = args(folder.path(), r#"{"bias_ms": 1, "weights_ms": {}}"#);
        let error = run(&ImportArgs { space: None, ..args }).unwrap_err();
        assert!(hint::of(&error).unwrap().starts_with("name the space with --space"), "{error:#}");
    }
}
