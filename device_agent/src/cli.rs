//! The command line.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

/// Measures operations and networks on the device it runs on.
#[derive(Debug, Parser)]
#[command(name = "device_agent", version, about)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Serve measurements over HTTP.
    ///
    /// Prints one line of JSON once it listens: `{"listening": "ADDRESS", ...}`. Logs go to stderr;
    /// `RUST_LOG=debug` says more.
    Serve(Serve),
    /// Measure one request and print its rows, for a device with no network.
    ///
    /// Prints a JSON object per line, as each item is finished. Exit code 1 where an item failed.
    Measure(Measure),
    /// The measuring child, started by the agent itself.
    #[command(hide = true)]
    Worker,
}

#[derive(Debug, Args)]
pub(crate) struct Serve {
    /// Address to listen on; port 0 takes a free one. Any address other than a loopback one demands a token.
    #[arg(long, default_value = "127.0.0.1:7890")]
    pub(crate) listen: SocketAddr,
    /// Folder where jobs and rows survive a restart.
    #[arg(long, default_value = "device_agent_spool")]
    pub(crate) spool: PathBuf,
    /// File with the bearer token that clients must show. Without it, an agent that demands a token makes
    /// one, keeps it in the spool and prints where.
    #[arg(long)]
    pub(crate) token_file: Option<PathBuf>,
    /// Largest body of a request, in bytes.
    #[arg(long, default_value_t = 4 << 20)]
    pub(crate) max_body: usize,
    /// Most jobs that wait.
    #[arg(long, default_value_t = 8)]
    pub(crate) max_queue: usize,
    /// Most jobs that are stored until somebody deletes them.
    #[arg(long, default_value_t = 256)]
    pub(crate) max_jobs: usize,
    /// Most items in a job.
    #[arg(long, default_value_t = 20_000)]
    pub(crate) max_items: usize,
    /// Most blocks in all items of a job.
    #[arg(long, default_value_t = 100_000)]
    pub(crate) max_blocks: usize,
    /// Stop when the process that started the agent ends.
    #[arg(long)]
    pub(crate) exit_with_parent: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Measure {
    /// File with a job request; standard input where none is given.
    pub(crate) request: Option<PathBuf>,
    /// Folder to resume from; a temporary one where none is given.
    #[arg(long)]
    pub(crate) spool: Option<PathBuf>,
}
