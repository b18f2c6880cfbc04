//! The command line of `host`.

use clap::{Parser, Subcommand};

use crate::devices::DevicesCommand;
use crate::predict::PredictArgs;
use crate::profile::ProfileArgs;
use crate::table_commands::TableCommand;
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
}
