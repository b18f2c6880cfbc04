//! The command line of the trainer, which is a part of `host`'s.

use std::path::PathBuf;

use clap::{Parser, Subcommand};

use runs::ExecutionName;

use crate::evaluate_command::EvalArgs;
use crate::export::ExportArgs;
use crate::loss_bench::LossArgs;
use crate::rank_command::RankArgs;
use crate::step_bench::StepArgs;

/// The commands of `host` that run libtorch.
#[derive(Debug, Parser)]
#[command(name = "host", bin_name = "host", version, about)]
pub(crate) struct Cli {
    /// Stop when the process that started the trainer ends
    #[arg(long, global = true, hide = true)]
    pub(crate) exit_with_parent: bool,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the search of a folder that `host search` has made, or go on with it
    Search {
        /// The run
        run: PathBuf,
    },
    /// Run the training of a folder that `host train` has made, or go on with it
    Train {
        /// The run
        run: PathBuf,
    },
    /// Say how well a trained network does on test images
    Eval(EvalArgs),
    /// Say which of several networks is the best by the weights that a search has for them
    Rank(RankArgs),
    /// Write a trained network for other programs
    Export(ExportArgs),
    /// Say which execution a name stands for on this machine, or why there is none
    #[command(hide = true)]
    Execution {
        /// The name
        name: ExecutionName,
    },
    /// Time what a search is made of
    #[command(subcommand)]
    Bench(BenchCommand),
}

#[derive(Debug, Subcommand)]
pub(crate) enum BenchCommand {
    /// Time the steps of a search and count the bytes that their tensors hold
    Step(StepArgs),
    /// Train in several executions on the same images, and compare their losses
    Losses(LossArgs),
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
