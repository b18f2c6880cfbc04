//! `host table import`: a published table becomes a table file.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use latency_tables::{Format, file};
use serde_json::json;

use crate::hint::WithHint;
use crate::{output, report, resolve};

/// Arguments of `host table import`.
#[derive(Args, Debug)]
pub(crate) struct ImportArgs {
    /// The file to read
    #[arg(value_name = "FILE")]
    from: PathBuf,
    /// The table file to write
    #[arg(long, value_name = "TABLE")]
    out: PathBuf,
    /// Its format, `table` or `proxyless-yaml` [default: told from the content]
    #[arg(long)]
    format: Option<Format>,
    /// The device that it was measured on [default: the name of the file]
    #[arg(long, value_name = "NAME")]
    device_name: Option<String>,
    /// The space that it is for, by name or TOML file
    #[arg(long, value_name = "NAME-OR-FILE")]
    space: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub(crate) fn run(args: &ImportArgs) -> anyhow::Result<ExitCode> {
    let mut table = file::import(&args.from, args.format)
        .hint("name the format with --format; docs/formats.md shows each of them")?;
    if let Some(name) = &args.device_name {
        table.context.device_name.clone_from(name);
    }
    if let Some(space) = &args.space {
        table = table.with_space(resolve::space(space)?.definition().clone());
    }
    file::write(&args.out, &table)?;
    let rows = table.rows().len();
    if args.json {
        output::json(
            &json!({"out": args.out, "rows": rows, "device_name": table.context.device_name}),
        )?;
    } else {
        output::note(&format!("{}: {}", args.out.display(), report::count(rows, "row")));
    }
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use op_catalog::Milliseconds;

    use super::*;
    use crate::hint;

    const YAML: &str = "Logits-input:7x7x1280-output:1000: {count: 3, mean: 1.5, var: 0.25}\n";

    fn args(folder: &std::path::Path, content: &str) -> ImportArgs {
        let (from, out) = (folder.join("phone.yaml"), folder.join("table.json"));
        fs::write(&from, content).unwrap();
        let space = Some("proxyless-mobile".to_owned());
        ImportArgs { from, out, format: None, device_name: None, space, json: true }
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
}
