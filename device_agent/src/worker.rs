//! The worker is the child process that measures: it obeys one command line at a time on its standard
//! input and answers one line on its standard output. Whatever happens to it, the agent lives.

use std::io::{BufRead, Write};

use anyhow::Context;
use nix::sched::{CpuSet, sched_setaffinity};
use nix::unistd::Pid;
use op_catalog::wire::{MeasuringProtocol, Runtime};
use op_catalog::{Network, PlacedOp};
use serde::{Deserialize, Serialize};

use crate::backend::{Bench, Offer, Setting, bench};
use crate::device::frequency_mhz;
use crate::measuring::visit::Visit;

/// What a worker is told first: everything that its items have in common.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Orders {
    pub(crate) runtime: Runtime,
    pub(crate) threads: u32,
    pub(crate) batch: u32,
    pub(crate) weight_seed: u64,
    /// Seed of the mock runtime's noise.
    pub(crate) noise_seed: u64,
    /// Cores that it may use; all of the system's where the list is empty.
    pub(crate) cores: Vec<u32>,
    pub(crate) protocol: MeasuringProtocol,
}

/// What a worker is told then.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Command {
    /// Run the canary.
    Canary,
    /// Visit an item.
    Visit(Vec<PlacedOp>),
}

/// What a worker answers.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Reply {
    /// To the orders: ready to measure.
    Ready {
        /// Whether it runs on the cores that it was told.
        pinned: bool,
    },
    /// To [`Command::Canary`].
    Canary {
        /// Time of the canary's kernel in nanoseconds.
        nanoseconds: u64,
        /// Frequency of the first of its cores.
        frequency_mhz: Option<f64>,
    },
    /// To [`Command::Visit`].
    Visit(Visit),
    /// The runtime refused the item, or the canary.
    Refused(String),
}

/// Obeys until its standard input ends.
///
/// # Errors
/// Lines that are not commands, a runtime that does not start, and an agent that is gone.
pub(crate) fn obey(
    offers: &[Offer],
    input: impl BufRead,
    mut output: impl Write,
) -> anyhow::Result<()> {
    let mut lines = input.lines();
    let Some(first) = lines.next() else { return Ok(()) };
    let orders: Orders = serde_json::from_str(&first?).context("reading the orders")?;
    die_first_when_memory_runs_out();
    let pinned = pin(&orders.cores);
    let bench = bench(offers, orders.runtime, orders.threads, orders.noise_seed)?;
    answer(&mut output, &Reply::Ready { pinned })?;
    for line in lines {
        let command = serde_json::from_str(&line?).context("reading a command")?;
        answer(&mut output, &carry_out(command, &bench, &orders))?;
    }
    Ok(())
}

fn carry_out(command: Command, bench: &Bench, orders: &Orders) -> Reply {
    match command {
        Command::Canary => match (bench.canary)() {
            Ok(nanoseconds) => Reply::Canary {
                nanoseconds,
                frequency_mhz: orders.cores.first().and_then(|core| frequency_mhz(*core)),
            },
            Err(error) => Reply::Refused(format!("{error:#}")),
        },
        Command::Visit(blocks) => {
            let setting = Setting {
                threads: orders.threads,
                batch: orders.batch,
                weight_seed: orders.weight_seed,
            };
            let visit = Network::new(blocks)
                .map_err(anyhow::Error::from)
                .and_then(|network| Visit::make(bench, &network, setting, &orders.protocol));
            visit.map_or_else(|error| Reply::Refused(format!("{error:#}")), Reply::Visit)
        }
    }
}

fn answer(output: &mut impl Write, reply: &Reply) -> anyhow::Result<()> {
    let mut line = serde_json::to_vec(reply)?;
    line.push(b'\n');
    output.write_all(&line).and_then(|()| output.flush()).context("answering the agent")
}

/// Moves this process to the given cores. Systems without affinity leave it where it is.
pub(crate) fn pin(cores: &[u32]) -> bool {
    let mut set = CpuSet::new();
    let all_fit = cores.iter().all(|core| set.set(*core as usize).is_ok());
    !cores.is_empty() && all_fit && sched_setaffinity(Pid::from_raw(0), &set).is_ok()
}

/// Tells the kernel that of all processes this one can be spared. Where it cannot be told, nothing is lost.
fn die_first_when_memory_runs_out() {
    let _ = std::fs::write("/proc/self/oom_score_adj", "1000");
}
