//! A race before is one of the same run that has ended, whose networks teach another what candidates are worth.
//!
//! What a candidate adds to a network is much the same at every target, and so the second target of a search need
//! not begin with nothing.

use anyhow::{Context, ensure};
use architecture_search::{Trial, TrialLength};
use command_line::hint::WithHint;
use runs::{RaceConfig, RaceFolder, RaceResult, Raced, RunFolder};

use super::finals;

/// The trials of the races that the race of this name and these settings comes after.
///
/// # Errors
/// A race that there is not, that has not ended, whose networks were trained otherwise, or that is this one.
pub(super) fn trials(
    run: &RunFolder,
    name: &str,
    config: &RaceConfig,
) -> anyhow::Result<Vec<Trial>> {
    let of = |before: &String| {
        ensure!(before != name, "a race does not come after itself: `{name}`");
        of_race(run, before, config)
    };
    Ok(config.after.iter().map(of).collect::<anyhow::Result<Vec<_>>>()?.concat())
}

fn of_race(run: &RunFolder, name: &str, config: &RaceConfig) -> anyhow::Result<Vec<Trial>> {
    let place = RaceFolder::of(run, name)?;
    let root = place.root().display();
    let before = place
        .config()?
        .with_context(|| format!("there is no race in {root}"))
        .hint("a race has the name of its target, or that of a folder in the run's `races`")?;
    if !place.result().is_file() {
        let error = anyhow::anyhow!("the race in {root} has not ended");
        return Err(error).hint("the command that began it goes on with it");
    }
    if before.training != config.training {
        let error = anyhow::anyhow!("the race in {root} has trained its networks otherwise");
        return Err(error).hint("train as its race.toml says under [training], or do without it");
    }
    let result = RaceResult::read(&place.result())?;
    let as_long = result.epochs[1] == config.final_epochs;
    Ok(result.networks.iter().flat_map(|raced| of_network(raced, as_long)).collect())
}

/// Its short training, and its longer ones where those were as long as those of the race that is taught.
fn of_network(raced: &Raced, as_long: bool) -> impl Iterator<Item = Trial> {
    let longer = finals::trials(raced).filter(move |_| as_long);
    std::iter::once(finals::trial(raced, TrialLength::Short, raced.accuracy)).chain(longer)
}
