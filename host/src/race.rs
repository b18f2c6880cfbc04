//! `host race`: trains several networks of a search by themselves, for a short time, and finds the best of them.
//!
//! Weights that all networks share tell them apart badly where candidates change the shape of their maps (docs/results/races.md),
//! and so a search's logits are where a race begins and not where it ends. It proposes networks within the budget
//! ([`architecture_search::proposals`]), trains them without the images that the search holds out, is told by those how well they do, and
//! proposes the next ones by that. The best are trained for longer. `host derive --raced` goes on from there.

mod before;
mod course;
mod finals;
mod trainings;
mod window;

use std::num::NonZeroU32;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use datasets::Recipe;
use runs::{
    LatencyTarget, RaceConfig, RaceFolder, RaceResult, RaceSpread, RunFolder, SearchConfig,
    TrainConfig, TrainOptions, images, pictures,
};
use serde::Serialize;

use crate::connection::OptionalDeviceArgs;
use crate::found_run::FoundRun;
use crate::network_measuring::OtherDeviceArgs;
use crate::report::{self, Column};
use crate::trainer;
use command_line::hint::WithHint;
use command_line::output;
use course::Course;
use window::Window;

/// How many times as many epochs a finalist is trained for, where nothing else is said.
const LONGER: u32 = 3;

/// How many finalists there are, where nothing else is said.
const FINALISTS: u32 = 4;

/// Arguments of `host race`.
#[derive(Args, Debug)]
pub(crate) struct RaceArgs {
    /// The run of a search
    #[arg(value_name = "RUN")]
    run: PathBuf,
    /// What the networks may take, with its unit [default: the search's target]
    #[arg(long)]
    target: Option<LatencyTarget>,
    /// A latency table, also of another device than the search's [default: the run's]
    #[arg(long, value_name = "FILE")]
    table: Option<PathBuf>,
    #[command(flatten)]
    device: OptionalDeviceArgs,
    #[command(flatten)]
    other: OtherDeviceArgs,
    /// Networks that are trained
    #[arg(long, default_value = "32")]
    networks: NonZeroU32,
    /// How many of them are chosen at a time, each time after what was seen of those before
    #[arg(long, value_name = "NETWORKS", default_value = "8")]
    round: NonZeroU32,
    /// How many of the best are trained for longer [default: 4, or as many as there are]
    #[arg(long, value_name = "NETWORKS")]
    finalists: Option<u32>,
    /// Epochs of that [default: three times --epochs]
    #[arg(long, value_name = "EPOCHS")]
    final_epochs: Option<u32>,
    /// How many times the better half of those that were trained for longer is trained so once more, with another seed
    #[arg(long, value_name = "TIMES", default_value = "1")]
    halvings: u32,
    /// Trainings that run beside each other [default: as many as leave each its --threads]
    #[arg(long, value_name = "TRAININGS")]
    at_once: Option<NonZeroU32>,
    /// Share of the target that the networks shall use at least
    #[arg(long, value_name = "SHARE", default_value_t = crate::derive::FLOOR, value_parser = crate::derive::share)]
    floor: f64,
    /// A race of the same run, by its name, whose networks this one learns from too: that of another target, which was
    /// trained as this one is; may be said several times
    #[arg(long, value_name = "RACE")]
    after: Vec<String>,
    /// Word that is put before the race's name, which is its target
    #[arg(long, value_name = "WORD")]
    name: Option<String>,
    /// Throw away what an earlier race of this name has found
    #[arg(long)]
    restart: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    training: TrainOptions,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Printed<'a> {
    #[serde(flatten)]
    result: &'a RaceResult,
    spread: Option<RaceSpread>,
}

/// The name of a race, or of what is derived, for a target.
pub(crate) fn name(word: Option<&str>, target: LatencyTarget) -> String {
    word.map_or_else(|| target.to_string(), |word| format!("{word}-{target}"))
}

/// Runs the command.
pub(crate) fn run(args: &RaceArgs) -> anyhow::Result<ExitCode> {
    let folder = RunFolder::read(&args.run)?;
    let run = FoundRun::read(&folder, args.table.as_deref())?;
    let search = SearchConfig::read(&folder.config())?;
    let config = resolve(args, &run, &search)?;
    trainer::ensure_has(config.training.execution)?;
    let name = name(args.name.as_deref(), config.target);
    let place = RaceFolder::of(&folder, &name)?;
    let taught = before::trials(&folder, &name, &config)?;
    let config = beside_device(args, &run, &place, config)?;
    begin(args, &place, &config)?;
    let at_once = args.at_once.unwrap_or_else(|| at_once(&config.training));
    let course = Course { config: &config, run: &run, place: &place, taught: &taught, at_once };
    let result = course.result()?;
    place.end(&result)?;
    command_line::picture::tell(&pictures::draw_race(&place, &result)?);
    output::note(&format!("`host derive {} --raced` chooses by it", args.run.display()));
    if args.json {
        let spread = RaceSpread::of(&result.networks);
        output::json(&Printed { result: &result, spread })?;
    } else {
        output::data(&text(&result))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// As many trainings as leave each its threads.
fn at_once(training: &TrainConfig) -> NonZeroU32 {
    let cores = std::thread::available_parallelism().map_or(1, usize::from) as u32;
    NonZeroU32::new(cores / training.threads).unwrap_or(NonZeroU32::MIN)
}

/// The settings of a race: what is not said is as the search has it.
fn resolve(args: &RaceArgs, run: &FoundRun, search: &SearchConfig) -> anyhow::Result<RaceConfig> {
    let target = args.target.unwrap_or(search.target);
    run.range.ensure_within(target.milliseconds().0)?;
    let said = args.training.clone();
    let data = said.data.as_deref().map(images::from_anywhere).transpose()?;
    let supernet = said.supernet.as_deref().map(std::path::absolute).transpose()?;
    let options = TrainOptions {
        data: Some(data.unwrap_or_else(|| search.data.clone())),
        seed: said.seed.or(Some(search.seed)),
        threads: said.threads.or(Some(NonZeroU32::MIN)),
        execution: said.execution.or(Some(search.execution)),
        epochs: said.epochs.or(Some(2)),
        held_out: said.held_out.or(Some(search.architecture_share)),
        supernet,
        ..said
    };
    let input = images::input(&run.space)?;
    let dataset = images::open(
        options.data.as_deref().unwrap_or_default(),
        input,
        run.space.definition().classes,
    )?;
    let training = options.resolve(Recipe::for_dataset(&dataset, images::target(input)))?;
    let training = TrainConfig { held_out_seed: Some(search.held_out_seed()), ..training };
    training.check_images(&dataset)?;
    let config = RaceConfig {
        target,
        window_ms: window(args, run, target).by_table()?,
        off: None,
        networks: args.networks,
        round: args.round,
        finalists: args.finalists.unwrap_or(FINALISTS.min(args.networks.get())),
        final_epochs: args.final_epochs.unwrap_or(LONGER * training.epochs),
        halvings: args.halvings,
        after: args.after.clone(),
        training,
    };
    config.check()?;
    Ok(config)
}

fn window<'a>(args: &RaceArgs, run: &'a FoundRun, target: LatencyTarget) -> Window<'a> {
    Window { run, budget_ms: target.milliseconds().0, floor: args.floor }
}

/// The settings of a race whose networks are chosen after what its device says, if one was named: once, before the race begins.
fn beside_device(
    args: &RaceArgs,
    run: &FoundRun,
    place: &RaceFolder,
    config: RaceConfig,
) -> anyhow::Result<RaceConfig> {
    let Some(device) = args.device.named() else { return Ok(config) };
    let window = window(args, run, config.target);
    let before = if args.restart { None } else { place.config()? };
    let off = match before {
        // One that was begun without asking is another race, and refused as such.
        Some(before) => before.off.unwrap_or(0.0),
        None => window.measured_off(&device, args.other.into(), config.training.seed)?,
    };
    Ok(RaceConfig { window_ms: window.by_device(off), off: Some(off), ..config })
}

/// Makes the race's folder, or goes on with the race that is in it.
fn begin(args: &RaceArgs, place: &RaceFolder, config: &RaceConfig) -> anyhow::Result<()> {
    if args.restart {
        place.clear()?;
    }
    match place.config()? {
        None => place.begin(config),
        Some(before) if config.goes_on_with(&before) => {
            output::note(&format!("going on with {}", place.root().display()));
            place.begin(config)
        }
        Some(_) => {
            let root = place.root().display();
            Err(anyhow::anyhow!("{root} has a race with other settings: its race.toml has them"))
                .hint("throw it away with --restart, or give this one a --name")
        }
    }
}

fn text(result: &RaceResult) -> String {
    let titles =
        ["network", "predicted, ms", "short, %", "expected, %", "longer, %", "expected longer, %"];
    let mut table = report::table(&titles.map(Column::Number));
    let percent = |share: f64| format!("{:.2}", 100.0 * share);
    for raced in &result.networks {
        table.add_row([
            raced.number.to_string(),
            format!("{:.3}", raced.predicted_ms),
            percent(raced.accuracy),
            percent(raced.expected_accuracy),
            raced.longer_mean().map_or("-".to_owned(), percent),
            raced.expected_final_accuracy.map_or("-".to_owned(), percent),
        ]);
    }
    let [short, longer] = result.epochs;
    let RaceResult { data, images, .. } = result;
    let spread = RaceSpread::of(&result.networks).map_or_else(String::new, |one| spread(&one));
    format!("{table}\n{data}: {images} images, trainings of {short} and {longer} epochs{spread}")
}

/// What a seed and a network make of a longer training, and what follows where the first is more.
fn spread(spread: &RaceSpread) -> String {
    let RaceSpread { networks, seed_deviation, degrees_of_freedom, network_deviation } = spread;
    let [seed, network] = [seed_deviation, network_deviation].map(|share| 100.0 * share);
    let advice = if spread.is_mostly_chance() {
        "; by single trainings their order is mostly chance: more --final-epochs or --halvings tell more"
    } else {
        ""
    };
    format!(
        "\na seed moves a longer training by {seed:.2} points (standard deviation, {degrees_of_freedom} degrees of freedom), \
         and beyond that {networks} networks differ by {network:.2}{advice}"
    )
}
