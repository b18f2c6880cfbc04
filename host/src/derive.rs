//! `host derive`: chooses networks from a search for latency budgets, and measures them on the device.
//!
//! Among the architectures whose predicted latency and a margin are within the budget, and use most of it, the most
//! probable is chosen, exactly ([`BudgetChoice`]). What it measures on the device says how far predictions of such networks are off;
//! the choice is repeated with that, until the budget is met and not much is left of it.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, ensure};
use architecture_search::{BudgetChoice, LinearCost};
use clap::Args;
use latency_tables::{EdgeCosts, LatencyTable};
use op_catalog::{Architecture, Milliseconds, SearchSpace};
use runs::{FoundLogits, LatencyTarget, RunFolder, SearchConfig};
use serde::Serialize;

use crate::connection::DeviceArgs;
use crate::network_measuring::{Asked, OtherDevice, measure};
use crate::report::{self, Column};
use command_line::hint::WithHint;
use command_line::{output, resolve};

/// Standard errors that a prediction has for a margin before anything is measured: 9 of 10 networks are then within
/// their budget.
const MARGIN_STANDARD_ERRORS: f64 = 1.2816;

/// Share of a budget that may be left after a measurement.
const LEFT: f64 = 0.02;

/// Arguments of `host derive`.
#[derive(Args, Debug)]
pub(crate) struct DeriveArgs {
    /// The run of a search
    #[arg(value_name = "RUN")]
    run: PathBuf,
    /// A budget, with its unit; may be said several times [default: the search's target]
    #[arg(long)]
    target: Vec<LatencyTarget>,
    /// A latency table, also of another device than the search's [default: the run's]
    #[arg(long, value_name = "FILE")]
    table: Option<PathBuf>,
    /// The device to measure on, `local` for this machine; without one, predictions are all that is said
    #[arg(long, value_name = "NAME")]
    device: Option<String>,
    /// The list of devices [default: ./devices.toml, else the one in the user's config folder]
    #[arg(long, value_name = "FILE", requires = "device")]
    devices: Option<PathBuf>,
    /// The agent's program, for the device `local` [default: the one beside host]
    #[arg(long, value_name = "FILE", requires = "device")]
    agent_binary: Option<PathBuf>,
    /// Networks that are measured at most, for each budget
    #[arg(long, default_value_t = 6, value_parser = clap::value_parser!(u32).range(1..))]
    tries: u32,
    /// Share of the budget that a network shall use at least, where the most probable one within the budget uses
    /// less; 0 for that one, whatever it uses
    #[arg(long, value_name = "SHARE", default_value_t = 0.97, value_parser = share)]
    floor: f64,
    /// Word that is put before the names of the architectures' files
    #[arg(long, value_name = "WORD")]
    name: Option<String>,
    /// Go on although the table was made on another device or with another runtime
    #[arg(long)]
    force: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// A network for a budget.
#[derive(Debug, Serialize)]
struct Derived {
    target_ms: f64,
    predicted_ms: f64,
    standard_error_ms: Option<f64>,
    /// What was measured, and its confidence interval.
    measured_ms: Option<f64>,
    measured_interval_ms: Option<[f64; 2]>,
    /// Networks that were measured until one was right.
    tries: u32,
    log_probability: f64,
    choices: Vec<usize>,
    file: PathBuf,
}

/// What all budgets have in common.
struct Deriving<'a> {
    args: &'a DeriveArgs,
    space: SearchSpace,
    table: LatencyTable,
    found: FoundLogits,
    cost: LinearCost,
    device: Option<DeviceArgs>,
}

/// A choice, with what is known of its latency.
#[derive(Clone)]
struct Tried {
    choice: BudgetChoice,
    predicted: Milliseconds,
    standard_error: Option<Milliseconds>,
    measured: Option<[f64; 3]>,
}

/// Runs the command.
pub(crate) fn run(args: &DeriveArgs) -> anyhow::Result<ExitCode> {
    let folder = RunFolder::read(&args.run)?;
    let deriving = Deriving::new(args, &folder)?;
    let targets = if args.target.is_empty() {
        vec![SearchConfig::read(&folder.config())?.target]
    } else {
        args.target.clone()
    };
    let derived = targets.into_iter().map(|target| deriving.derive(&folder, target));
    let derived: Vec<Derived> = derived.collect::<anyhow::Result<_>>()?;
    if args.json {
        output::json(&derived)?;
    } else {
        output::data(&text(&derived))?;
    }
    Ok(ExitCode::SUCCESS)
}

impl<'a> Deriving<'a> {
    fn new(args: &'a DeriveArgs, folder: &RunFolder) -> anyhow::Result<Self> {
        let space = resolve::space(&folder.space().to_string_lossy())?;
        let path = args.table.clone().unwrap_or_else(|| folder.table());
        let table = resolve::table(&path)?;
        let found = FoundLogits::read(&folder.logits())
            .hint("the search has not ended: `host search --resume` goes on with it")?;
        ensure!(
            found.logits.values().choice_counts()
                == space.edges().map(<[_]>::len).collect::<Vec<_>>(),
            "{} is not of the space `{}`",
            folder.logits().display(),
            space.name()
        );
        let costs = EdgeCosts::new(&space, &table)
            .with_context(|| format!("{} cannot price the search's space", path.display()))?;
        let cost = LinearCost::latency_ms(&costs)?;
        let device = args.device.clone().map(|device| DeviceArgs {
            device,
            config: args.devices.clone(),
            agent_binary: args.agent_binary.clone(),
        });
        Ok(Self { args, space, table, found, cost, device })
    }

    fn derive(&self, folder: &RunFolder, target: LatencyTarget) -> anyhow::Result<Derived> {
        let budget = target.milliseconds().0;
        let (tried, count) = match &self.device {
            None => (self.predicted_within(budget)?, 0),
            Some(device) => self.measured_within(device, budget)?,
        };
        let name = match &self.args.name {
            Some(name) => format!("{name}-{target}"),
            None => target.to_string(),
        };
        let file = folder.architecture(&name);
        folder.write(&file, &tried.choice.architecture.to_json(&self.space)?)?;
        Ok(Derived {
            target_ms: budget,
            predicted_ms: tried.predicted.0,
            standard_error_ms: tried.standard_error.map(|error| error.0),
            measured_ms: tried.measured.map(|[_, median, _]| median),
            measured_interval_ms: tried.measured.map(|[low, _, high]| [low, high]),
            tries: count,
            log_probability: tried.choice.log_probability,
            choices: tried.choice.architecture.choices().to_vec(),
            file,
        })
    }

    /// The most probable architecture whose prediction and its own margin are within the budget. The margin differs
    /// little between architectures: it is raised to what the chosen one has, until that one is within.
    fn predicted_within(&self, budget: f64) -> anyhow::Result<Tried> {
        let mut margin = 0.0;
        loop {
            let tried = self.choose(budget - margin)?;
            let own = tried.margin();
            if tried.predicted.0 + own <= budget || own <= margin {
                return Ok(tried);
            }
            margin = own;
        }
    }

    /// The most probable of those that were measured to be within the budget, and how many were measured.
    fn measured_within(&self, device: &DeviceArgs, budget: f64) -> anyhow::Result<(Tried, u32)> {
        let mut attempts = Attempts::new(budget, self.args.floor * budget);
        let mut tried = self.predicted_within(budget)?;
        for count in 1..=self.args.tries {
            let measured_ms = self.measure(device, &mut tried)?;
            output::note(&format!(
                "try {count}: predicted {:.3} ms, measured {measured_ms:.3} ms, budget {budget} ms",
                tried.predicted.0
            ));
            let is_close = attempts.take(tried, measured_ms);
            let next = self.choose(budget - attempts.off_ms);
            let is_new = |next: &Tried| !attempts.seen.contains(&next.choice.architecture);
            let is_done = is_close || !next.as_ref().is_ok_and(is_new);
            match attempts.best.take_if(|_| is_done) {
                Some(best) => return Ok((best, count)),
                None => tried = self.unseen(&mut attempts, next?)?,
            }
        }
        let most = self.args.tries;
        let best = attempts
            .best
            .with_context(|| format!("none of {most} networks met {budget} ms on the device"));
        let hint =
            "try more networks with --tries, or look with `host verify` how far the table is off";
        Ok((best.hint(hint)?, most))
    }

    /// This choice, or, where it was measured to be above the budget already, one that costs a little less.
    fn unseen(&self, attempts: &mut Attempts, mut next: Tried) -> anyhow::Result<Tried> {
        while attempts.seen.contains(&next.choice.architecture) {
            attempts.off_ms += LEFT * attempts.budget_ms / 4.0;
            next = self.choose(attempts.budget_ms - attempts.off_ms)?;
        }
        Ok(next)
    }

    fn choose(&self, budget: f64) -> anyhow::Result<Tried> {
        let floor = self.args.floor * budget;
        let choice =
            BudgetChoice::most_probable_between(&self.found.logits, &self.cost, floor, budget)?;
        let network = self.space.network(&choice.architecture)?;
        let prediction = self.table.best_prediction(&network)?;
        Ok(Tried {
            choice,
            predicted: prediction.latency,
            standard_error: prediction.standard_error,
            measured: None,
        })
    }

    fn measure(&self, device: &DeviceArgs, tried: &mut Tried) -> anyhow::Result<f64> {
        let asked = Asked {
            name: "derived".to_owned(),
            network: self.space.network(&tried.choice.architecture)?,
            predicted: tried.predicted,
        };
        let other = if self.args.force { OtherDevice::Taken } else { OtherDevice::Refused };
        let measurement = measure(device, &self.table, &[asked], other)?.remove(0);
        let headline = &measurement.headline;
        tried.measured = Some([headline.ci_low.0, headline.value.0, headline.ci_high.0]);
        Ok(headline.value.0)
    }
}

/// What measuring has said of networks for a budget.
struct Attempts {
    budget_ms: f64,
    floor_ms: f64,
    /// By how much such networks take longer than predicted.
    off_ms: f64,
    seen: Vec<Architecture>,
    /// The most probable that is within the budget, of those that use as much of it as is asked for if there are any.
    best: Option<Tried>,
}

impl Attempts {
    fn new(budget_ms: f64, floor_ms: f64) -> Self {
        Self { budget_ms, floor_ms, off_ms: f64::NEG_INFINITY, seen: Vec::new(), best: None }
    }

    /// Takes a network that was measured; says whether it is within the budget and hardly anything is left of that.
    fn take(&mut self, tried: Tried, measured_ms: f64) -> bool {
        let off = measured_ms - tried.predicted.0;
        let is_within = measured_ms <= self.budget_ms;
        // What was above the budget says that others are off by as much at least.
        self.off_ms = if is_within { off } else { off.max(self.off_ms) };
        self.seen.push(tried.choice.architecture.clone());
        let worth = self.worth(&tried);
        let is_better = self.best.as_ref().is_none_or(|best| self.worth(best) < worth);
        if is_within && is_better {
            self.best = Some(tried);
        }
        is_within && self.budget_ms - measured_ms <= LEFT * self.budget_ms
    }

    /// What a network within the budget is kept by.
    fn worth(&self, tried: &Tried) -> (bool, f64) {
        let uses_budget = tried.measured.is_some_and(|[_, median, _]| self.floor_ms <= median);
        (uses_budget, tried.choice.log_probability)
    }
}

impl Tried {
    fn margin(&self) -> f64 {
        self.standard_error.map_or(0.0, |error| MARGIN_STANDARD_ERRORS * error.0)
    }
}

/// A share as it is typed.
fn share(text: &str) -> Result<f64, String> {
    let share = text.parse::<f64>().ok().filter(|share| (0.0..=1.0).contains(share));
    share.ok_or_else(|| "a share is a number from 0 to 1".to_owned())
}

fn text(derived: &[Derived]) -> String {
    let mut table = report::table(&[
        Column::Number("target, ms"),
        Column::Number("predicted, ms"),
        Column::Number("measured, ms"),
        Column::Text("architecture"),
    ]);
    for network in derived {
        let measured = network.measured_ms.map_or("-".to_owned(), |ms| format!("{ms:.3}"));
        table.add_row([
            network.target_ms.to_string(),
            format!("{:.3}", network.predicted_ms),
            measured,
            network.file.display().to_string(),
        ]);
    }
    table.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tried(choice: usize, predicted_ms: f64, measured_ms: f64, log_probability: f64) -> Tried {
        let architecture = Architecture::new(vec![choice]);
        Tried {
            choice: BudgetChoice { architecture, log_probability, cost: predicted_ms },
            predicted: Milliseconds(predicted_ms),
            standard_error: Some(Milliseconds(0.1)),
            measured: Some([measured_ms; 3]),
        }
    }

    fn kept(attempts: &Attempts) -> Option<usize> {
        attempts.best.as_ref().map(|best| best.choice.architecture.choices()[0])
    }

    #[test]
    fn of_what_uses_the_budget_and_is_within_it_the_most_probable_is_kept() {
        let mut attempts = Attempts::new(10.0, 9.0);
        for (choice, predicted, measured, log_probability, is_close, expected) in [
            (4, 8.2, 8.3, -0.1, false, 4),
            // Less probable, but it uses what is asked for.
            (0, 9.0, 9.2, -3.0, false, 0),
            // Above the budget.
            (1, 9.7, 10.2, -1.0, false, 0),
            (2, 9.4, 9.9, -2.0, true, 2),
            (3, 8.0, 8.0, -0.5, false, 2),
        ] {
            let network = tried(choice, predicted, measured, log_probability);
            assert_eq!(attempts.take(network, measured), is_close, "{choice}");
            assert_eq!(kept(&attempts), Some(expected), "{choice}");
        }
    }

    #[test]
    fn a_network_above_the_budget_makes_the_next_choice_more_careful_and_none_less() {
        let mut attempts = Attempts::new(10.0, 9.0);
        attempts.take(tried(0, 9.0, 8.8, -3.0), 8.8);
        assert!((attempts.off_ms + 0.2).abs() < 1e-9);
        attempts.take(tried(1, 9.9, 10.4, -2.0), 10.4);
        assert!((attempts.off_ms - 0.5).abs() < 1e-9);
        attempts.take(tried(2, 9.8, 10.1, -2.0), 10.1);
        assert!((attempts.off_ms - 0.5).abs() < 1e-9, "it is above the budget too");
    }

    #[test]
    fn the_margin_is_a_part_of_the_standard_error_or_nothing_where_there_is_none() {
        let known = tried(0, 9.0, 9.0, -3.0);
        assert!((known.margin() - 0.12816).abs() < 1e-9);
        assert!(Tried { standard_error: None, ..known }.margin().abs() < 1e-12);
    }
}
