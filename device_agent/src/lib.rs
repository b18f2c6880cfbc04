//! The agent as a library: runs on a phone, a board or a server with nothing but itself, measures what it is asked to
//! and serves the results.
//!
//! A request becomes a `jobs::Jobs` entry; the `engine` takes one job at a time and lets a
//! `runner::Runner` measure it. The runner follows a `schedule::Schedule` of rounds and asks a
//! `child::Child`, the agent's end of a `worker` process that alone touches a [`backend`]. Visits and
//! rows go to the `spool` before anybody hears of them.
//!
//! A program of the agent calls [`run`] with the runtimes that it has: `device_agent` with those that need
//! nothing else, `device_agent_torch` with libtorch's besides.

#![cfg_attr(test, allow(clippy::float_cmp, reason = "tests compare what is computed exactly"))]

mod availability;
pub mod backend;
mod child;
mod cli;
mod clock;
mod device;
mod engine;
mod jobs;
mod limits;
mod measuring;
mod one_shot;
mod runner;
mod schedule;
mod serve;
mod server;
mod spool;
mod worker;

use std::process::ExitCode;

use clap::Parser;
use op_catalog::wire::Problem;
use tracing_subscriber::EnvFilter;

use backend::Offer;
use cli::{Cli, Command};

/// Runs the command line of this process, with these runtimes.
pub fn run(offers: &[Offer]) -> ExitCode {
    let cli = Cli::parse();
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    match obey(&cli.command, offers) {
        Ok(code) => code,
        Err(error) => {
            print_error(&error);
            let is_problem = error.downcast_ref::<Problem>().is_some();
            ExitCode::from(if is_problem { 2 } else { 1 })
        }
    }
}

fn obey(command: &Command, offers: &[Offer]) -> anyhow::Result<ExitCode> {
    if let Command::Worker = command {
        return worker::obey(offers, std::io::stdin().lock(), std::io::stdout().lock())
            .map(|()| ExitCode::SUCCESS);
    }
    // One thread, so that there is one to keep off the measured core.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    match command {
        Command::Serve(options) => {
            runtime.block_on(serve::run(options, offers)).map(|()| ExitCode::SUCCESS)
        }
        Command::Measure(options) => runtime.block_on(one_shot::run(options, offers)),
        Command::Worker => Ok(ExitCode::SUCCESS),
    }
}

#[expect(clippy::print_stderr, reason = "the one place where the agent speaks to a person")]
fn print_error(error: &anyhow::Error) {
    eprintln!("error: {error:#}");
    if let Some(hint) = error.downcast_ref::<Problem>().and_then(|problem| problem.hint.as_ref()) {
        eprintln!("hint: {hint}");
    }
}
