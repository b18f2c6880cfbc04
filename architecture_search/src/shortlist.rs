//! A shortlist is several architectures of a budget window, drawn as the logits have it.
//!
//! Logits say of each edge what helps whatever the others are. Which of the networks that they make likely is best as a
//! whole is seen by trying those: the shortlist has the most probable one of the window and draws from the
//! logits' distribution that fell into it, which is a sample of that distribution given the window.

use std::collections::BTreeSet;
use std::num::NonZeroU32;

use rand::Rng;

use crate::{BudgetChoice, LinearCost, Logits, SearchError};

/// Draws for each architecture that is asked for, before the distribution is flattened.
const DRAWS: u32 = 1000;

/// Parts of the logits that are drawn from one after another, until there are enough: a distribution that has decided has
/// few architectures, and those nearest to it come next.
const FLATTENINGS: [f64; 4] = [1.0, 0.5, 0.25, 0.0];

/// Different architectures that cost at least `floor` and at most `budget`, the most probable one first and the rest in
/// the order in which they were drawn. They are fewer than asked for where the window has hardly more.
///
/// # Errors
/// As [`BudgetChoice::most_probable_between`].
pub fn shortlist<R: Rng>(
    logits: &Logits,
    cost: &LinearCost,
    (floor, budget): (f64, f64),
    count: NonZeroU32,
    random: &mut R,
) -> Result<Vec<BudgetChoice>, SearchError> {
    let first = BudgetChoice::most_probable_between(logits, cost, floor, budget)?;
    let mut seen = BTreeSet::from([first.architecture.choices().to_vec()]);
    let mut list = vec![first];
    for part in FLATTENINGS {
        let flattened = Logits::of_values(
            logits.values().map_edges(|edge| edge.iter().map(|logit| part * logit).collect()),
        );
        for _ in 0..u64::from(DRAWS) * u64::from(count.get()) {
            if list.len() >= count.get() as usize {
                return Ok(list);
            }
            let architecture = flattened.sample(random);
            let costs = cost.of(&architecture)?;
            if (floor..=budget).contains(&costs) && seen.insert(architecture.choices().to_vec()) {
                list.push(BudgetChoice::of(architecture, logits, cost)?);
            }
        }
    }
    Ok(list)
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::*;
    use crate::fixtures::{logits, values};

    fn count(number: u32) -> NonZeroU32 {
        NonZeroU32::new(number).unwrap()
    }

    /// Three edges of two candidates, the second of which costs 1, 2 and 4: architectures cost 0 to 7.
    fn cost() -> LinearCost {
        LinearCost::new(0.0, values(&[&[0.0, 1.0], &[0.0, 2.0], &[0.0, 4.0]])).unwrap()
    }

    #[test]
    fn a_shortlist_has_different_architectures_of_the_window_the_most_probable_first() {
        let logits = logits(&[&[0.0, 0.5], &[0.0, 0.5], &[0.0, -0.5]]);
        let window = (2.0, 5.0);
        let mut random = ChaCha8Rng::seed_from_u64(3);
        let list = shortlist(&logits, &cost(), window, count(3), &mut random).unwrap();
        let best = BudgetChoice::most_probable_between(&logits, &cost(), 2.0, 5.0).unwrap();
        assert_eq!(list[0], best);
        let costs: BTreeSet<u32> = list.iter().map(|choice| choice.cost as u32).collect();
        assert_eq!(costs.len(), 3, "{list:?}");
        assert!(costs.iter().all(|cost| (2..=5).contains(cost)), "{costs:?}");
    }

    #[test]
    fn logits_that_have_decided_are_flattened_until_there_are_enough_and_no_more_come_than_there_are()
     {
        let logits = logits(&[&[0.0, 400.0], &[0.0, 400.0], &[400.0, 0.0]]);
        let mut random = ChaCha8Rng::seed_from_u64(3);
        let list = shortlist(&logits, &cost(), (2.0, 5.0), count(100), &mut random).unwrap();
        assert_eq!(list[0].architecture.choices(), [1, 1, 0]);
        assert_eq!(list.len(), 4);
    }

    #[test]
    fn the_same_seed_gives_the_same_shortlist() {
        let logits = logits(&[&[0.0, 0.1], &[0.2, 0.0], &[0.0, 0.0]]);
        let of_seed = |seed| {
            let mut random = ChaCha8Rng::seed_from_u64(seed);
            shortlist(&logits, &cost(), (1.0, 6.0), count(4), &mut random).unwrap()
        };
        assert_eq!(of_seed(1), of_seed(1));
        assert_ne!(of_seed(1), of_seed(2));
    }

    #[test]
    fn what_falls_into_the_window_is_drawn_as_the_logits_have_it() {
        // Given the window, [0, 0, 1] and [1, 0, 1] are as 1 to e^2; the most probable one, [1, 1, 0], is always there.
        let logits = logits(&[&[0.0, 2.0], &[3.0, 3.1], &[3.0, 0.0]]);
        let mut first = 0;
        for seed in 0..2000 {
            let mut random = ChaCha8Rng::seed_from_u64(seed);
            let list = shortlist(&logits, &cost(), (3.0, 5.0), count(2), &mut random).unwrap();
            assert_eq!(list[0].architecture.choices(), [1, 1, 0]);
            first += u32::from(list[1].architecture.choices() == [0, 0, 1]);
        }
        let expected = 1.0 / (1.0 + 2.0_f64.exp());
        let share = f64::from(first) / 2000.0;
        assert!((share - expected).abs() < 5.0 * (expected / 2000.0).sqrt(), "{share} {expected}");
    }
}
