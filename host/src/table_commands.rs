//! `host table`: looks at latency tables, compares them, and turns them into and out of other formats.

mod check;
mod diff;
mod export;
pub(crate) mod fill;
mod fit;
#[cfg(test)]
mod fixtures;
mod import;
mod show;

use std::process::ExitCode;

use clap::Subcommand;

/// The commands under `host table`.
#[derive(Subcommand, Debug)]
pub(crate) enum TableCommand {
    /// Print a table
    Show(show::ShowArgs),
    /// Say whether a table covers a space, and what in it is doubtful; exit with 1 if it does not
    Check(check::CheckArgs),
    /// Compare two tables row by row
    Diff(diff::DiffArgs),
    /// Estimate the rows that a table lacks, from the rows it has
    Fill(fill::FillArgs),
    /// Fit a latency model on measured whole networks, with or without a table of operations
    Fit(fit::FitArgs),
    /// Turn a table of any format that can be read into a table file
    Import(import::ImportArgs),
    /// Write a table in another format
    Export(export::ExportArgs),
}

/// Runs a command.
pub(crate) fn run(command: &TableCommand) -> anyhow::Result<ExitCode> {
    match command {
        TableCommand::Show(args) => show::run(args),
        TableCommand::Check(args) => check::run(args),
        TableCommand::Diff(args) => diff::run(args),
        TableCommand::Fill(args) => fill::run(args),
        TableCommand::Fit(args) => fit::run(args),
        TableCommand::Import(args) => import::run(args),
        TableCommand::Export(args) => export::run(args),
    }
}
