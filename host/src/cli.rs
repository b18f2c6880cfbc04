//! The command line of `host`.

use clap::{Parser, Subcommand};

use crate::baseline::BaselineArgs;
use crate::derive::DeriveArgs;
use crate::devices::DevicesCommand;
use crate::predict::PredictArgs;
use crate::profile::ProfileArgs;
use crate::race::RaceArgs;
use crate::search::SearchArgs;
use crate::table_commands::TableCommand;
use crate::train::TrainArgs;
use crate::trainer::TrainerArgs;
use crate::verify::VerifyArgs;

/// Profiles devices through their agents, and predicts and verifies the latency of networks.
///
/// Start with `host profile --device local`, which measures this machine. A phone or a board runs
/// `device_agent serve`; `host devices add` makes it known by a name.
#[derive(Debug, Parser)]
#[command(name = "host", version, about)]
pub(crate) struct Cli {
    /// Say more on stderr; twice says everything
    #[arg(short, long, action = clap::ArgAction::Count, global = true)]
    pub(crate) verbose: u8,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Keep the list of devices, and look at how well one can measure
    #[command(subcommand)]
    Devices(DevicesCommand),
    /// Measure every operation of a search space on a device and write a latency table
    Profile(ProfileArgs),
    /// Predict the latency of a network from a table
    Predict(PredictArgs),
    /// Measure whole networks on the device and compare them with what a table predicts
    Verify(VerifyArgs),
    /// Look at, compare, import and export latency tables
    #[command(subcommand)]
    Table(TableCommand),
    /// Learn a network for a device and a latency target
    Search(Box<SearchArgs>),
    /// Train several networks of a search for a short time, and find the best of them
    Race(Box<RaceArgs>),
    /// Choose networks from a search for latency budgets, and measure them
    Derive(DeriveArgs),
    /// Train a network
    Train(Box<TrainArgs>),
    /// Say how well a trained network does on test images
    Eval(TrainerArgs),
    /// Say which of several networks is the best by the weights that a search has for them
    Rank(TrainerArgs),
    /// Write a trained network for other programs
    Export(TrainerArgs),
    /// Make a MobileNetV2-style network of a latency, to compare with
    Baseline(BaselineArgs),
    /// Time what a search is made of
    Bench(TrainerArgs),
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn the_help_names_the_commands_and_where_to_begin() {
        let help = Cli::command().term_width(100).render_long_help().to_string();
        insta::assert_snapshot!(help, @r"
        Profiles devices through their agents, and predicts and verifies the latency of networks.

        Start with `host profile --device local`, which measures this machine. A phone or a board runs
        `device_agent serve`; `host devices add` makes it known by a name.

        Usage: host [OPTIONS] <COMMAND>

        Commands:
          devices   Keep the list of devices, and look at how well one can measure
          profile   Measure every operation of a search space on a device and write a latency table
          predict   Predict the latency of a network from a table
          verify    Measure whole networks on the device and compare them with what a table predicts
          table     Look at, compare, import and export latency tables
          search    Learn a network for a device and a latency target
          race      Train several networks of a search for a short time, and find the best of them
          derive    Choose networks from a search for latency budgets, and measure them
          train     Train a network
          eval      Say how well a trained network does on test images
          rank      Say which of several networks is the best by the weights that a search has for them
          export    Write a trained network for other programs
          baseline  Make a MobileNetV2-style network of a latency, to compare with
          bench     Time what a search is made of
          help      Print this message or the help of the given subcommand(s)

        Options:
          -v, --verbose...
                  Say more on stderr; twice says everything

          -h, --help
                  Print help (see a summary with '-h')

          -V, --version
                  Print version
        ");
    }

    #[test]
    fn the_help_of_profile_gives_every_default() {
        let mut cli = Cli::command().term_width(100);
        let profile = cli.find_subcommand_mut("profile").unwrap();
        insta::assert_snapshot!(profile.render_help().to_string(), @r"
        Measure every operation of a search space on a device and write a latency table

        Usage: profile [OPTIONS] --device <NAME>

        Options:
              --device <NAME>           A device of `host devices list`, or `local` for this machine
              --config <FILE>           The list of devices [default: ./devices.toml, else the one in the
                                        user's config folder]
              --agent-binary <FILE>     The agent's program, for the device `local` [default: the one beside
                                        host]
              --space <NAME-OR-FILE>    The search space: a built-in name or a TOML file [default:
                                        proxyless-mobile]
              --runtime <RUNTIME>       What runs the operations [default: tract] [possible values: tract,
                                        torch, torch_eager, torch_cuda, mock]
              --threads <THREADS>       Threads that the runtime may use [default: 1]
              --batch <BATCH>           Images per run [default: 1]
              --target-error <PERCENT>  Error of a row at which it is finished: half its confidence interval
                                        over its value [default: 1%]
              --networks <NETWORKS>     Whole networks to fit the latency model on; 0 measures operations
                                        alone [default: 90]
              --held-out <HELD_OUT>     Random networks that no fit sees, to state the model's errors on
                                        [default: 40]
              --core <CORE>             Core to measure on [default: the agent's choice]
              --seed <SEED>             Seed of weights, inputs and the order of measuring [default: 1]
              --out <FILE>              The table [default: DEVICE-RUNTIME-SPACE.json]
              --restart                 Throw away what an earlier run for this table has measured
              --refresh <TABLE>         Measure a sample of this table's rows again, as they were measured,
                                        and keep the table, rescale it, or measure the whole of it anew
              --json                    Print the summary as JSON
          -h, --help                    Print help (see more with '--help')
        ");
    }
}
