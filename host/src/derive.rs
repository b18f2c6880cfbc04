//! `host derive`: chooses networks from a search for latency budgets, and measures them on the device.
//!
//! Among the architectures whose predicted latency and a margin are within the budget, and use most of it, the most
//! probable is chosen, exactly ([`architecture_search::BudgetChoice`]). What it measures on the device says how far
//! predictions of such networks are off; the choice is repeated with that, until the budget is met and not much is left
//! of it. With `--compare`, what shared weights say of whole networks is asked too, and with `--raced` what they did when
//! they were trained by themselves ([`Preference`]); a race's networks are measured in their order ([`Turns`]).

mod attempts;
mod in_turn;
mod preference;

use std::num::NonZeroU32;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;
use runs::{LatencyTarget, RaceFolder, RunFolder, SearchConfig};
use serde::Serialize;

use crate::connection::{DeviceArgs, OptionalDeviceArgs};
use crate::found_run::FoundRun;
use crate::network_measuring::{Asked, OtherDeviceArgs, measure_beside};
use crate::race;
use crate::report::{self, Column};
use attempts::Attempts;
use command_line::hint::WithHint;
use command_line::output;
use in_turn::Turns;
use preference::Preference;

pub(crate) use attempts::Tried;

/// Share of a budget that a network shall use at least, where nothing else is said.
pub(crate) const FLOOR: f64 = 0.97;

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
    #[command(flatten)]
    device: OptionalDeviceArgs,
    /// Networks that are measured at most, for each budget
    #[arg(long, default_value_t = 6, value_parser = clap::value_parser!(u32).range(1..))]
    tries: u32,
    /// Share of the budget that a network shall use at least, where the preferred one within the budget uses less; 0 for
    /// that one, whatever it uses [default: 0.97; of a race 0]
    #[arg(long, value_name = "SHARE", value_parser = share)]
    floor: Option<f64>,
    /// Networks that are drawn from what the search found for the budget, compared on images that no weights were learnt
    /// on; the best one is taken in place of the most probable one, by the weights that the search began with, if
    /// it had --supernet, and by its own otherwise
    #[arg(long, value_name = "NETWORKS")]
    compare: Option<NonZeroU32>,
    /// Take the best network of the race that `host race` has made for the target (and --name), in place of the most
    /// probable one
    #[arg(long, conflicts_with = "compare")]
    raced: bool,
    /// As --raced, by a race's name, whatever its target: for a budget that it was not made for, or a device that is no longer
    /// as its table has it
    #[arg(long, value_name = "RACE", conflicts_with_all = ["compare", "raced"])]
    race: Option<String>,
    /// Word that is put before the names of the architectures' files
    #[arg(long, value_name = "WORD")]
    name: Option<String>,
    #[command(flatten)]
    other: OtherDeviceArgs,
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
    /// Share of held-out images that it classifies rightly, with the weights by which networks were compared or those that
    /// a race has trained, if either was.
    held_out_accuracy: Option<f64>,
    choices: Vec<usize>,
    file: PathBuf,
}

/// What all budgets have in common.
struct Deriving<'a> {
    args: &'a DeriveArgs,
    run: FoundRun,
    device: Option<DeviceArgs>,
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
        let run = FoundRun::read(folder, args.table.as_deref())?;
        let device = args.device.named();
        Ok(Self { args, run, device })
    }

    fn derive(&self, folder: &RunFolder, target: LatencyTarget) -> anyhow::Result<Derived> {
        let budget = target.milliseconds().0;
        self.run.range.ensure_within(budget)?;
        let name = race::name(self.args.name.as_deref(), target);
        let race = self.args.race.as_ref().or_else(|| self.args.raced.then_some(&name));
        let (preference, probe) = match race {
            Some(race) => (Preference::raced(&RaceFolder::of(folder, race)?, &self.run)?, None),
            None => self.preference(folder, budget)?,
        };
        let (tried, count) = match &self.device {
            None => (self.predicted_within(&preference, budget)?, 0),
            Some(device) if matches!(preference, Preference::Race(_)) => {
                self.raced_within(device, &preference, budget)?
            }
            Some(device) => self.measured_within(device, &preference, probe.as_ref(), budget)?,
        };
        self.warn_of_surprise(&tried);
        self.warn_of_what_is_left(&tried, &preference, budget);
        let file = folder.architecture(&name);
        folder.write(&file, &tried.choice.architecture.to_json(&self.run.space)?)?;
        Ok(Derived {
            target_ms: budget,
            predicted_ms: tried.predicted.0,
            standard_error_ms: tried.standard_error.map(|error| error.0),
            measured_ms: tried.measured_ms(),
            measured_interval_ms: tried.measured.map(|measured| [measured.low.0, measured.high.0]),
            tries: count,
            log_probability: tried.choice.log_probability,
            held_out_accuracy: preference.accuracy(&tried.choice),
            choices: tried.choice.architecture.choices().to_vec(),
            file,
        })
    }

    /// What networks for a budget are preferred by, and the one that had to be measured to know that, if one had.
    fn preference(
        &self,
        folder: &RunFolder,
        budget: f64,
    ) -> anyhow::Result<(Preference, Option<Tried>)> {
        let Some(count) = self.args.compare else {
            return Ok((Preference::Probability, None));
        };
        let mut probe = self.predicted_within(&Preference::Probability, budget)?;
        if let Some(device) = &self.device {
            let measured_ms = self.measure(device, &mut probe, budget)?;
            let predicted_ms = probe.predicted.0;
            output::note(&format!(
                "most probable: predicted {predicted_ms:.3} ms, measured {measured_ms:.3} ms"
            ));
        }
        let off_or_margin_ms = probe.off_ms().unwrap_or_else(|| probe.margin());
        let floor = Preference::Probability.floor(self.args.floor);
        let window = probe.window_around(budget, off_or_margin_ms, floor);
        let ranking = Preference::compared(folder, &self.run, window, count)?;
        Ok((ranking, probe.measured.is_some().then_some(probe)))
    }

    /// The preferred architecture whose prediction and its own margin are within the budget. The margin differs
    /// little between architectures: it is raised to what the chosen one has, until that one is within.
    fn predicted_within(&self, preference: &Preference, budget: f64) -> anyhow::Result<Tried> {
        let mut margin = 0.0;
        loop {
            let tried = self.choose(preference, budget - margin)?;
            let own = tried.margin();
            if tried.predicted.0 + own <= budget || own <= margin {
                return Ok(tried);
            }
            margin = own;
        }
    }

    /// The preferred one of those that were measured to be within the budget, and how many were measured.
    fn measured_within(
        &self,
        device: &DeviceArgs,
        preference: &Preference,
        probe: Option<&Tried>,
        budget: f64,
    ) -> anyhow::Result<(Tried, u32)> {
        let floor = preference.floor(self.args.floor);
        let mut attempts = Attempts::new(budget, floor * budget);
        let mut tried = match probe.and_then(Tried::off_ms) {
            Some(off_ms) => self.choose(preference, budget - off_ms)?,
            None => self.predicted_within(preference, budget)?,
        };
        for count in 1..=self.args.tries {
            let measured_ms = match probe.and_then(|probe| probe.measured_of(&tried)) {
                Some(known) => tried.take(known),
                None => self.measure(device, &mut tried, budget)?,
            };
            tell(count, &tried, budget);
            let is_close = attempts.take(tried, measured_ms);
            let next = self.choose(preference, budget - attempts.off_ms);
            let is_new = |next: &Tried| !attempts.seen.contains(&next.choice.architecture);
            let is_done = is_close || !next.as_ref().is_ok_and(is_new);
            match attempts.best.take_if(|_| is_done) {
                Some(best) => return Ok((best, count)),
                None => tried = self.unseen(preference, &mut attempts, next?)?,
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

    /// The best network of a race that is measured to be within the budget, and how many were measured.
    fn raced_within(
        &self,
        device: &DeviceArgs,
        preference: &Preference,
        budget: f64,
    ) -> anyhow::Result<(Tried, u32)> {
        let (list, tries) = (preference.list().iter().zip(1_u32..), self.args.tries);
        let networks = list.map(|(compared, place)| {
            Tried::new(&self.run, compared.choice.clone(), -f64::from(place))
        });
        let networks: Vec<Tried> = networks.collect::<anyhow::Result<_>>()?;
        let floor_ms = preference.floor(self.args.floor) * budget;
        let mut count = 0;
        let taken =
            Turns { budget_ms: budget, floor_ms, tries }.first_within(networks, |tried| {
                let measured_ms = self.measure(device, tried, budget)?;
                count += 1;
                tell(count, tried, budget);
                Ok(measured_ms)
            })?;
        let taken = taken.with_context(|| match count {
            0 => format!("no network of the race is predicted to meet {budget} ms"),
            _ => format!("none of {count} networks of the race met {budget} ms on the device"),
        });
        let hint = "try more of them with --tries, or race for this target with --device, which asks the device first";
        Ok((taken.hint(hint)?, count))
    }

    /// This choice, or, where it was measured to be above the budget already, one that costs a little less.
    fn unseen(
        &self,
        preference: &Preference,
        attempts: &mut Attempts,
        mut next: Tried,
    ) -> anyhow::Result<Tried> {
        while attempts.seen.contains(&next.choice.architecture) {
            attempts.back_off();
            next = self.choose(preference, attempts.budget_ms - attempts.off_ms)?;
        }
        Ok(next)
    }

    /// Says so where the device is no longer as its table has it: the choice then is one for the device as it is now.
    fn warn_of_surprise(&self, tried: &Tried) {
        if let (Some(share), Some(device)) = (tried.surprise(), &self.device) {
            let (percent, than) =
                (100.0 * share.abs(), if share > 0.0 { "longer" } else { "less" });
            output::note(&format!(
                "warning: the network takes {percent:.1} % {than} than predicted, which is not chance; `host profile \
                 --device {} --refresh TABLE` says whether the table still holds",
                device.device
            ));
        }
    }

    /// Says so where far less of a budget is used than was asked for.
    fn warn_of_what_is_left(&self, tried: &Tried, preference: &Preference, budget: f64) {
        let floor = preference.floor(self.args.floor);
        if let Some(share) = tried.share_below(budget, floor) {
            output::note(&format!(
                "warning: the network uses {:.1} % of its budget of {budget} ms, and {:.1} % were asked for (--floor): no other \
                 was found within both; {}",
                100.0 * share,
                100.0 * floor,
                self.run.range
            ));
        }
    }

    fn choose(&self, preference: &Preference, budget: f64) -> anyhow::Result<Tried> {
        let floor = preference.floor(self.args.floor);
        let window = (floor * budget, budget);
        let (choice, worth) = preference.choose(&self.run.found, &self.run.cost, window)?;
        Tried::new(&self.run, choice, worth)
    }

    /// Measures a network beside its budget; returns the median.
    fn measure(&self, device: &DeviceArgs, tried: &mut Tried, budget: f64) -> anyhow::Result<f64> {
        let asked = Asked {
            name: "derived".to_owned(),
            network: self.run.space.network(&tried.choice.architecture)?,
            predicted: tried.predicted,
        };
        let other = self.args.other.into();
        let measured = measure_beside(budget, device, &self.run.table, &asked, other)?;
        Ok(tried.take(measured))
    }
}

/// Says what was measured.
fn tell(count: u32, tried: &Tried, budget: f64) {
    let (predicted_ms, measured_ms) = (tried.predicted.0, tried.measured_ms().unwrap_or(f64::NAN));
    output::note(&format!(
        "try {count}: predicted {predicted_ms:.3} ms, measured {measured_ms:.3} ms, budget {budget} ms"
    ));
}

/// A share as it is typed.
pub(crate) fn share(text: &str) -> Result<f64, String> {
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
