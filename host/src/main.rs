//! The host's program: asks agents to measure, keeps what they say in latency tables, predicts from these, and
//! has networks searched and trained by them.
//!
//! [`profile`] turns a search space into a job, follows it through an [`agent_client`] and keeps each row
//! in a [`journal`] until the table is written. [`verify`] measures whole networks the same way.
//! [`search`] and [`train`] make a run's folder and become the [`trainer`]; [`mod@derive`] chooses networks from a run.
//! [`connection`] finds the device: one of the [`registry`], or an agent that [`local_agent`] starts.

mod agent_client;
mod baseline;
mod cli;
mod connection;
mod derive;
mod devices;
mod doctor;
mod found_run;
mod journal;
mod latency_range;
mod local_agent;
mod measured_latency;
mod network_measuring;
mod predict;
mod profile;
mod progress;
mod race;
mod registry;
mod report;
mod run_place;
mod runtime_name;
mod search;
mod table_commands;
mod train;
mod trainer;
mod verify;

use std::process::ExitCode;

use clap::Parser;
use tracing_subscriber::EnvFilter;

use cli::{Cli, Command};
use command_line::{hint, output};

fn main() -> ExitCode {
    let cli = Cli::parse();
    let level = ["warn", "info", "debug"][usize::from(cli.verbose).min(2)];
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(level));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    run(&cli.command).unwrap_or_else(|error| {
        output::note(&output::one_line(&format!("error: {error:#}")));
        if let Some(hint) = hint::of(&error) {
            output::note(&output::one_line(&format!("hint: {hint}")));
        }
        ExitCode::FAILURE
    })
}

fn run(command: &Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Devices(command) => devices::run(command),
        Command::Profile(args) => profile::run(args),
        Command::Predict(args) => predict::run(args),
        Command::Verify(args) => verify::run(args),
        Command::Table(command) => table_commands::run(command),
        Command::Search(args) => search::run(args).map(|never| match never {}),
        Command::Race(args) => race::run(args),
        Command::Derive(args) => derive::run(args),
        Command::Train(args) => train::run(args).map(|never| match never {}),
        Command::Baseline(args) => baseline::run(args),
        Command::Eval(args) => Err(trainer::become_it("eval", args.arguments())),
        Command::Rank(args) => Err(trainer::become_it("rank", args.arguments())),
        Command::Export(args) => Err(trainer::become_it("export", args.arguments())),
        Command::Bench(args) => Err(trainer::become_it("bench", args.arguments())),
    }
}

/// Runs something that waits for agents.
fn wait_for<T>(work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(work)
}
