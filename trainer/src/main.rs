//! The program that runs libtorch: what searches, trains and times. `host` starts it, so that everything else
//! that `host` does starts without libtorch.

mod checkpoint_files;
mod cli;
mod evaluate_command;
mod evaluation;
mod execution;
mod export;
mod extraction;
mod halving;
mod images;
mod loss_bench;
mod normalised_set;
mod parent;
mod progress;
mod randomness;
mod rank_command;
mod search;
mod search_state;
mod step_bench;
mod tensor_file;
mod train;

use std::process::ExitCode;

use clap::Parser;
use command_line::{hint, output};
use supernet::SupernetError;

use cli::{BenchCommand, Cli, Command};

fn main() -> ExitCode {
    let cli = Cli::parse();
    if cli.exit_with_parent {
        parent::end_with_it();
    }
    // libtorch asks once whether there is a GPU, when it is first asked for anything.
    let _ = torch_shim::has_gpu();
    // Where the system cannot, steps take longer and nothing else changes.
    let _ = torch_shim::keep_freed_memory();
    match run(&cli.command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            output::note(&output::one_line(&format!("error: {error:#}")));
            if let Some(hint) = hint::of(&error) {
                output::note(&output::one_line(&format!("hint: {hint}")));
            }
            if has_diverged(&error) { ExitCode::from(runs::DIVERGED) } else { ExitCode::FAILURE }
        }
    }
}

fn has_diverged(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| matches!(cause.downcast_ref(), Some(SupernetError::Loss(_))))
}

fn run(command: &Command) -> anyhow::Result<()> {
    match command {
        Command::Search { run } => search::run(run),
        Command::Train { run } => train::run(run),
        Command::Eval(args) => evaluate_command::run(args),
        Command::Rank(args) => rank_command::run(args),
        Command::Export(args) => export::run(args),
        Command::Execution { name } => {
            let name = execution::resolved(*name)?;
            output::data(&name.to_string())
        }
        Command::Bench(BenchCommand::Step(args)) => step_bench::run(args),
        Command::Bench(BenchCommand::Losses(args)) => loss_bench::run(args),
    }
}
