//! A preference says which architecture is taken of those that a budget leaves: the most probable one, of a shortlist
//! the one that does best by weights that it shares with the others, or of a race the one that does best by its own.

use std::ffi::OsString;
use std::fs;
use std::num::NonZeroU32;

use anyhow::{Context, anyhow, ensure};
use architecture_search::{BudgetChoice, LinearCost, shortlist};
use op_catalog::Architecture;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use runs::{FoundLogits, RaceFolder, RaceResult, Ranked, RunFolder, SearchConfig};

use super::FLOOR;
use crate::found_run::FoundRun;
use crate::trainer;
use command_line::hint::WithHint;
use command_line::output;

/// What architectures are preferred by.
pub(super) enum Preference {
    /// `ln p` by the search's logits.
    Probability,
    /// Their place in a list, the best first.
    Ranking(Vec<Compared>),
    /// Their place in a race's list, which is that of trainings of their own.
    Race(Vec<Compared>),
}

/// A network of several, with the share of held-out images that it classifies rightly.
pub(super) struct Compared {
    pub(super) choice: BudgetChoice,
    pub(super) accuracy: f64,
}

impl Preference {
    /// A ranking of so many networks that cost at least the window's first number and at most its second. The weights are
    /// those that the search began with, if they were another's: a search trains most what it prefers already, and
    /// its own weights rank that first.
    pub(super) fn compared(
        folder: &RunFolder,
        run: &FoundRun,
        window: (f64, f64),
        count: NonZeroU32,
    ) -> anyhow::Result<Self> {
        let config = SearchConfig::read(&folder.config())?;
        let mut random = ChaCha8Rng::seed_from_u64(config.seed);
        let list = shortlist(&run.found.logits, &run.cost, window, count, &mut random)?;
        let files = tempfile::tempdir().context("cannot make a folder for a shortlist")?;
        let weights = config.supernet.as_deref().unwrap_or_else(|| folder.root());
        let mut arguments = vec![weights.as_os_str().to_owned(), OsString::from("--json")];
        for (position, choice) in list.iter().enumerate() {
            let file = files.path().join(format!("{position}.json"));
            let cannot = || format!("cannot write {}", file.display());
            fs::write(&file, choice.architecture.to_json(&run.space)?).with_context(cannot)?;
            arguments.push(file.into_os_string());
        }
        let (count, weights) = (list.len(), weights.display());
        output::note(&format!("comparing {count} networks by the weights of {weights}"));
        let answer = trainer::answer("rank", &arguments)?;
        let ranked: Vec<Ranked> = serde_json::from_slice(&answer)
            .context("the trainer does not rank as this program expects it")?;
        if let Some(best) = ranked.first() {
            let (percent, images) = (100.0 * best.accuracy, best.images);
            output::note(&format!("the best one has {percent:.2} % of {images} held-out images"));
        }
        let compared = ranked.into_iter().map(|ranked| {
            let choice =
                list.get(ranked.position).context("the trainer ranks what is not there")?;
            Ok(Compared { choice: choice.clone(), accuracy: ranked.accuracy })
        });
        Ok(Self::Ranking(compared.collect::<anyhow::Result<_>>()?))
    }

    /// The preferred architecture between a floor and a budget, with what it is worth. Where a race has none, it is its best one
    /// within the budget; where a ranking has none, the most probable one, which is worth less than any that was ranked.
    ///
    /// # Errors
    /// A race without any within the budget: what it has not trained is not its choice.
    pub(super) fn choose(
        &self,
        found: &FoundLogits,
        cost: &LinearCost,
        (floor, budget): (f64, f64),
    ) -> anyhow::Result<(BudgetChoice, f64)> {
        let ranking = self.list();
        let above = |floor: f64| {
            let mut places = ranking.iter().zip(1_u32..);
            places.find(|(compared, _)| (floor..=budget).contains(&compared.choice.cost))
        };
        let best = match self {
            Self::Race(_) => above(floor).or_else(|| above(f64::NEG_INFINITY)),
            Self::Probability | Self::Ranking(_) => above(floor),
        };
        if let Some((compared, place)) = best {
            return Ok((compared.choice.clone(), -f64::from(place)));
        }
        if matches!(self, Self::Race(_)) {
            let none = anyhow!("no network of the race is predicted to meet {budget:.3} ms");
            return Err(none).hint("race for this target, or take another race with --race");
        }
        let choice = BudgetChoice::most_probable_between(&found.logits, cost, floor, budget)?;
        let worth = choice.log_probability - ranking.len() as f64;
        Ok((choice, worth))
    }

    /// The networks of a race, in the order in which it left them.
    pub(super) fn raced(place: &RaceFolder, run: &FoundRun) -> anyhow::Result<Self> {
        let result = RaceResult::read(&place.result())
            .hint("`host race` makes one: of this target, and with the same --name; --race takes another, by its name")?;
        let (name, space) = (place.root().display(), run.space.name());
        ensure!(result.space == space, "{name} is a race in `{}`, not in `{space}`", result.space);
        let compared = result.networks.into_iter().map(|raced| {
            let accuracy = raced.longer_mean().unwrap_or(raced.expected_accuracy);
            let architecture = Architecture::new(raced.choices);
            let choice = BudgetChoice::of(architecture, &run.found.logits, &run.cost)?;
            Ok(Compared { choice, accuracy })
        });
        Ok(Self::Race(compared.collect::<anyhow::Result<_>>()?))
    }

    /// The networks that it ranks, the best one first.
    pub(super) fn list(&self) -> &[Compared] {
        match self {
            Self::Probability => &[],
            Self::Ranking(list) | Self::Race(list) => list,
        }
    }

    /// The share of a budget that a network shall use, where nothing else was asked for: the networks of a race were chosen for
    /// the budget, and what they are worth by trainings of their own is known, whatever they turn out to take.
    pub(super) fn floor(&self, asked: Option<f64>) -> f64 {
        asked.unwrap_or(match self {
            Self::Race(_) => 0.0,
            Self::Probability | Self::Ranking(_) => FLOOR,
        })
    }

    /// The share of held-out images that an architecture classifies rightly, if that was seen.
    pub(super) fn accuracy(&self, choice: &BudgetChoice) -> Option<f64> {
        let is_it = |compared: &&Compared| compared.choice.architecture == choice.architecture;
        self.list().iter().find(is_it).map(|compared| compared.accuracy)
    }
}

#[cfg(test)]
mod tests {
    use architecture_search::{EdgeValues, Logits};
    use op_catalog::Architecture;

    use super::*;

    /// One edge of three candidates that cost 1, 2 and 3; the cheapest is the most probable.
    fn found_and_cost() -> (FoundLogits, LinearCost) {
        let values = |numbers: [f64; 3]| EdgeValues::new(vec![numbers.to_vec()]).unwrap();
        let logits = Logits::of_values(values([2.0, 1.0, 0.0]));
        let cost = LinearCost::new(0.0, values([1.0, 2.0, 3.0])).unwrap();
        (FoundLogits { space: "one edge".to_owned(), steps: 0, logits }, cost)
    }

    fn ranking(choices: &[usize]) -> Preference {
        let (found, cost) = found_and_cost();
        let compared = |&choice: &usize| {
            let architecture = Architecture::new(vec![choice]);
            let choice = BudgetChoice::of(architecture, &found.logits, &cost).unwrap();
            Compared { choice, accuracy: 0.5 }
        };
        Preference::Ranking(choices.iter().map(compared).collect())
    }

    #[test]
    fn the_best_ranked_of_a_window_is_taken_and_without_any_the_most_probable() {
        let (found, cost) = found_and_cost();
        for (preference, window, expected) in [
            (Preference::Probability, (0.0, 3.0), 0),
            (ranking(&[2, 1]), (0.0, 3.0), 2),
            (ranking(&[2, 1]), (0.0, 2.5), 1),
            (ranking(&[2, 1]), (0.0, 1.5), 0),
        ] {
            let (choice, _) = preference.choose(&found, &cost, window).unwrap();
            assert_eq!(choice.architecture.choices(), [expected], "{window:?}");
        }
    }

    #[test]
    fn of_a_race_the_best_within_the_budget_is_taken_even_if_none_uses_what_was_asked_for() {
        let (found, cost) = found_and_cost();
        let Preference::Ranking(list) = ranking(&[2, 1]) else { panic!("a ranking") };
        let race = Preference::Race(list);
        for (window, expected) in
            [((0.0, 3.0), 2), ((0.0, 2.9), 1), ((2.5, 2.9), 1), ((2.5, 3.0), 2)]
        {
            let (choice, _) = race.choose(&found, &cost, window).unwrap();
            assert_eq!(choice.architecture.choices(), [expected], "{window:?}");
        }
        let none = race.choose(&found, &cost, (0.0, 1.0)).unwrap_err();
        assert!(format!("{none:#}").contains("no network of the race"), "{none:#}");
        for (preference, asked, expected) in [
            (&race, None, 0.0),
            (&race, Some(0.9), 0.9),
            (&ranking(&[2]), None, FLOOR),
            (&ranking(&[2]), Some(0.9), 0.9),
        ] {
            assert!((preference.floor(asked) - expected).abs() < 1e-12, "{asked:?}");
        }
    }

    #[test]
    fn what_is_ranked_better_is_worth_more_and_what_is_not_ranked_least() {
        let (found, cost) = found_and_cost();
        let worth = |most| ranking(&[2, 1]).choose(&found, &cost, (0.0, most)).unwrap().1;
        assert!(worth(3.0) > worth(2.5) && worth(2.5) > worth(1.5));
    }
}
