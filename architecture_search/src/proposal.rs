//! A proposal is a network that is worth a trial.
//!
//! Trying the best of what is known finds nothing new, and trying anything wastes trials. Of a number of proposals the first
//! is the best by what is expected, and each of the others the best by what may be as well: the best, within the budget, of a draw
//! from what is known (Thompson sampling: Thompson 1933; a part of what it is off by, as Chapelle and Li 2011 try it). All are found exactly, by [`BudgetChoice`].

use std::collections::BTreeSet;

use op_catalog::Architecture;
use rand::Rng;

use crate::{BudgetChoice, EdgeValues, LinearCost, Logits, SearchError, TrialPosterior};

/// Draws for each proposal, before it is given up that there is another.
const DRAWS: usize = 50;

/// How far proposals are off what is expected, as a part of how far a draw is, before the first trial and in the last round: after
/// that one there is nothing that could still be learnt.
const DARING: [f64; 2] = [1.0, 0.2];

/// How much more daring the next draw is after one that has led to nothing new: where few networks are left, those that are
/// expected to be the best have been seen.
const BOLDER: f64 = 1.1;

/// The trials that are next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Round {
    /// How many.
    pub count: usize,
    /// How many there will have been after the last of all rounds.
    pub of: usize,
}

impl Round {
    /// How daring it is where so many trials were made before.
    fn daring(self, before: usize) -> f64 {
        let last = self.of.saturating_sub(self.count).max(1);
        let done = (before as f64 / last as f64).min(1.0);
        DARING[0] + (DARING[1] - DARING[0]) * done
    }
}

/// Architectures that cost at least `floor` and at most `budget`, and that are not among those seen: what to try after
/// the trials behind a posterior. There are as many as the round has, or as many as its draws lead to.
///
/// # Errors
/// As [`BudgetChoice::most_probable_between`].
pub fn proposals(
    posterior: &TrialPosterior<'_>,
    cost: &LinearCost,
    (floor, budget): (f64, f64),
    round: Round,
    seen: &[Architecture],
    random: &mut impl Rng,
) -> Result<Vec<Architecture>, SearchError> {
    let cautious = round.daring(seen.len());
    let mut daring = cautious;
    let mut seen: BTreeSet<Vec<usize>> = seen.iter().map(|one| one.choices().to_vec()).collect();
    let mut proposed = Vec::new();
    let expected = posterior.worth();
    let mut worth = expected.clone();
    for _ in 0..DRAWS * round.count {
        if proposed.len() == round.count {
            break;
        }
        let logits = Logits::of_values(worth);
        let best = BudgetChoice::most_probable_between(&logits, cost, floor, budget)?;
        if best.cost >= floor && seen.insert(best.architecture.choices().to_vec()) {
            proposed.push(best.architecture);
            daring = cautious;
        } else {
            daring *= BOLDER;
        }
        worth = between(&expected, &posterior.sampled_worth(random), daring)?;
    }
    Ok(proposed)
}

/// What is expected, and a part of how far a draw is off it.
fn between(
    expected: &EdgeValues,
    drawn: &EdgeValues,
    daring: f64,
) -> Result<EdgeValues, SearchError> {
    let mut worth = expected.clone();
    worth.add_scaled(expected, -daring)?;
    worth.add_scaled(drawn, daring)?;
    Ok(worth)
}

#[cfg(test)]
mod tests {
    use op_catalog::SpaceDefinition;
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::*;
    use crate::fixtures::mobile_space;
    use crate::trial_model::toy;
    use crate::{Trial, TrialModel};

    #[test]
    fn what_is_proposed_is_within_the_window_different_and_not_seen() {
        let space = mobile_space();
        let cost = LinearCost::macs(&space);
        let logits = toy::no_preference(&space);
        let model = TrialModel::new(&space, &logits).unwrap();
        let posterior = model.after(&[]).unwrap();
        let (floor, budget) = (2.9e8, 3e8);
        let mut random = ChaCha8Rng::seed_from_u64(5);
        let mut of = |seen: &[Architecture]| {
            let round = Round { count: 8, of: 32 };
            proposals(&posterior, &cost, (floor, budget), round, seen, &mut random).unwrap()
        };
        let first = of(&[]);
        let second = of(&first);
        let all = [first, second].concat();
        let different: BTreeSet<&[usize]> = all.iter().map(Architecture::choices).collect();
        assert_eq!(different.len(), 16);
        for architecture in &all {
            let costs = cost.of(architecture).unwrap();
            assert!((floor..=budget).contains(&costs), "{costs}");
        }
    }

    #[test]
    fn a_space_that_has_been_seen_has_nothing_to_propose() {
        let space = mobile_space();
        let cost = LinearCost::macs(&space);
        let model = TrialModel::new(&space, &toy::no_preference(&space)).unwrap();
        let posterior = model.after(&[]).unwrap();
        let least = cost.range().least;
        let mut random = ChaCha8Rng::seed_from_u64(5);
        let mut of = |seen: &[Architecture]| {
            let round = Round { count: 3, of: 3 };
            proposals(&posterior, &cost, (0.0, least), round, seen, &mut random).unwrap()
        };
        let cheapest = of(&[]);
        assert_eq!(cheapest.len(), 1, "there is one network that is so cheap");
        assert!(of(&cheapest).is_empty());
    }

    #[test]
    fn a_last_round_finds_what_is_left_where_that_is_not_the_best() {
        let mut definition = SpaceDefinition::built_in("proxyless-small").unwrap();
        definition.candidates.drain(3..6);
        definition.candidates.remove(1);
        definition.stages.truncate(1);
        definition.stages[0].cells = 2;
        let space = definition.build().unwrap();
        let cost = LinearCost::macs(&space);
        let truth = toy::Truth::of(&space, 0.1);
        let model = TrialModel::new(&space, &toy::no_preference(&space)).unwrap();
        let mut random = ChaCha8Rng::seed_from_u64(6);
        let (mut trials, mut seen) = (Vec::new(), Vec::new());
        for before in 0..6 {
            let posterior = model.after(&trials).unwrap();
            let round = Round { count: 1, of: before + 1 };
            let window = (0.0, cost.range().most);
            let next = proposals(&posterior, &cost, window, round, &seen, &mut random).unwrap();
            trials.extend(next.iter().map(|one| truth.trial(one, &mut random)));
            seen.extend(next);
        }
        assert_eq!(seen.len(), 6, "all that there are");
    }

    #[test]
    fn rounds_become_less_daring_until_the_last() {
        let daring = |before| Round { count: 8, of: 32 }.daring(before);
        let all = [0, 8, 16, 24, 32].map(daring);
        for (found, expected) in all.into_iter().zip([1.0, 0.733, 0.467, 0.2, 0.2]) {
            assert!((found - expected).abs() < 1e-3, "{all:?}");
        }
        assert!((Round { count: 8, of: 3 }.daring(0) - 1.0).abs() < 1e-12);
    }

    #[test]
    fn proposals_end_above_the_best_of_as_many_random_networks() {
        let space = mobile_space();
        let cost = LinearCost::macs(&space);
        let window = (2.6e8, 3e8);
        let truth = toy::Truth::of(&space, 0.6);
        let (mut found, mut drawn) = (0.0, 0.0);
        for seed in 0..5 {
            let mut random = ChaCha8Rng::seed_from_u64(seed);
            let logits = toy::no_preference(&space);
            let model = TrialModel::new(&space, &logits).unwrap();
            let mut trials: Vec<Trial> = Vec::new();
            let mut seen = Vec::new();
            for _ in 0..4 {
                let posterior = model.after(&trials).unwrap();
                let round = Round { count: 8, of: 32 };
                let next = proposals(&posterior, &cost, window, round, &seen, &mut random).unwrap();
                trials.extend(next.iter().map(|one| truth.trial(one, &mut random)));
                seen.extend(next);
            }
            let expected = model.after(&trials).unwrap().expected_scores();
            let best = (0..trials.len()).max_by(|&a, &b| expected[a].total_cmp(&expected[b]));
            found += truth.worth(&seen[best.unwrap()]);
            let others = toy::uniform(&space, &cost, window, 32, &mut random);
            drawn += others.iter().map(|one| truth.worth(one)).fold(f64::NEG_INFINITY, f64::max);
        }
        assert!(found > drawn, "{found} {drawn}");
    }
}
