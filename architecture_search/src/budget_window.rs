//! A budget window is what architectures cost between a floor and a budget.
//!
//! Dominance, which [`crate::budget_choice`] rests on, does not hold in it: a partial choice that is cheaper and more
//! probable than another may have nothing in the window behind it. So the most probable architecture in it is found by
//! going on, always, with the partial choice that promises most (Hart, Nilsson and Raphael 1968): the first whole one is
//! the best. What a partial choice promises is bounded by the relaxed problem, as there, and one that leaves no sum of
//! costs in the window ([`crate::reach`]) is not gone on with.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use op_catalog::Architecture;

use crate::reach::Reach;
use crate::{LinearCost, Logits};

/// Partial choices that are looked at before the window is taken for empty, so that the search for it ends.
const MOST: usize = 2_000_000;

/// Share of the costs that their rounding may be: what is that near to a bound is decided by the whole choice.
const ROUNDING: f64 = 1e-12;

/// Nats by which promises differ at least: sums of the same numbers in another order are no better than each other.
const GRAIN: f64 = 1e-10;

/// The window, with the candidates of every edge.
pub(crate) struct BudgetWindow<'a> {
    cost: &'a LinearCost,
    log_probabilities: Vec<Vec<f64>>,
    reach: Reach,
    floor: f64,
    budget: f64,
}

/// A choice on the first edges.
#[derive(Clone, Debug)]
struct Partial {
    /// No architecture of the window that begins like this is more probable.
    promise: f64,
    log_probability: f64,
    cost: f64,
    choices: Vec<usize>,
}

impl<'a> BudgetWindow<'a> {
    /// The window of a cost whose candidates are those of the logits.
    pub(crate) fn new(logits: &Logits, cost: &'a LinearCost, floor: f64, budget: f64) -> Self {
        let log_probabilities = logits.log_probabilities().edges().to_vec();
        let reach = Reach::new(cost.candidates());
        Self { cost, log_probabilities, reach, floor, budget }
    }

    /// The most probable architecture in it, if there is any. The multiplier, in nats per unit of the cost and at least
    /// 0, is what a cost above the floor may be worth at most; any is right, that of the floor's relaxed problem is
    /// tight.
    pub(crate) fn most_probable(&self, multiplier: f64) -> Option<Architecture> {
        let rests = self.rests(multiplier);
        let slack = ROUNDING * (self.budget.abs() + self.floor.abs());
        let start = Partial {
            promise: f64::INFINITY,
            log_probability: 0.0,
            cost: self.cost.constant(),
            choices: Vec::new(),
        };
        let mut open = BinaryHeap::from([start]);
        for _ in 0..MOST {
            let partial = open.pop()?;
            let depth = partial.choices.len();
            let Some(rest) = rests.get(depth) else {
                return Some(Architecture::new(partial.choices));
            };
            for next in self.extended(&partial) {
                let is_last = depth + 1 == rests.len();
                let is_within = if is_last {
                    (self.floor..=self.budget).contains(&next.cost)
                } else {
                    let left = (self.floor - next.cost - slack, self.budget - next.cost + slack);
                    self.reach.may_meet(depth, left)
                };
                if is_within {
                    let relaxed = next.log_probability + multiplier * next.cost;
                    let promise = relaxed + rest - multiplier * self.floor;
                    // Of a whole choice everything is known; nothing is to be hoped for its cost.
                    let promise = if is_last { next.log_probability } else { promise };
                    let promise = (promise / GRAIN).round() * GRAIN;
                    open.push(Partial { promise: promise.min(partial.promise), ..next });
                }
            }
        }
        None
    }

    fn extended<'b>(&'b self, partial: &'b Partial) -> impl Iterator<Item = Partial> + 'b {
        let edge = partial.choices.len();
        let items = self.log_probabilities[edge].iter().zip(&self.cost.candidates().edges()[edge]);
        items.enumerate().map(move |(choice, (log_probability, cost))| Partial {
            promise: partial.promise,
            log_probability: partial.log_probability + log_probability,
            cost: partial.cost + cost,
            choices: [partial.choices.as_slice(), &[choice]].concat(),
        })
    }

    /// What the edges after each one add at best: `max sum (ln p + multiplier c)`.
    fn rests(&self, multiplier: f64) -> Vec<f64> {
        let mut rest = 0.0;
        let mut rests = Vec::with_capacity(self.log_probabilities.len());
        let edges = self.log_probabilities.iter().zip(self.cost.candidates().edges());
        for (log_probabilities, costs) in edges.rev() {
            rests.push(rest);
            let worths = log_probabilities.iter().zip(costs).map(|(p, c)| p + multiplier * c);
            rest += worths.reduce(f64::max).unwrap_or_default();
        }
        rests.reverse();
        rests
    }
}

/// By promise; of equal ones, the longer comes first.
impl Ord for Partial {
    fn cmp(&self, other: &Self) -> Ordering {
        let by_promise = self.promise.total_cmp(&other.promise);
        by_promise.then(self.choices.len().cmp(&other.choices.len()))
    }
}

impl PartialOrd for Partial {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Partial {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Partial {}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::*;
    use crate::BudgetChoice;
    use crate::fixtures::{
        all, any_two_edge_values, log_probability, logits, mobile_space, values,
    };

    #[test]
    fn what_lies_between_is_found_where_the_most_probable_ones_are_outside_on_both_sides() {
        let logits = logits(&[&[5.0, 0.0, 4.0], &[2.0, 0.0]]);
        let cost = LinearCost::new(1.0, values(&[&[0.0, 5.0, 9.0], &[0.0, 1.0]])).unwrap();
        let window = BudgetWindow::new(&logits, &cost, 6.5, 7.5);
        for multiplier in [0.0, 0.5, 10.0] {
            let found = window.most_probable(multiplier).unwrap();
            assert_eq!(found.choices(), [1, 1], "{multiplier}");
        }
    }

    #[test]
    fn a_whole_choice_is_worth_its_probability_and_not_what_it_costs() {
        let logits = logits(&[&[5.0, 1.0, 0.0]]);
        let cost = LinearCost::new(0.0, values(&[&[0.0, 6.0, 7.0]])).unwrap();
        let window = BudgetWindow::new(&logits, &cost, 5.0, 8.0);
        assert_eq!(window.most_probable(10.0).unwrap().choices(), [1]);
    }

    #[test]
    fn an_empty_window_has_none() {
        let logits = logits(&[&[5.0, 0.0], &[2.0, 0.0]]);
        let cost = LinearCost::new(0.0, values(&[&[0.0, 5.0], &[0.0, 1.0]])).unwrap();
        assert_eq!(BudgetWindow::new(&logits, &cost, 2.0, 4.0).most_probable(0.3), None);
    }

    /// Two to the power of 40 choices are as probable as each other and more so than the one edge that has what is missing.
    #[test]
    fn a_window_that_only_an_improbable_candidate_meets_is_found() {
        let mut probable: Vec<&[f64]> = vec![&[0.0, 0.0]; 40];
        let mut costs: Vec<&[f64]> = vec![&[1.0, 3.0]; 40];
        probable.insert(0, &[0.0, -9.0]);
        costs.insert(0, &[0.0, 0.5]);
        let cost = LinearCost::new(0.0, values(&costs)).unwrap();
        let logits = logits(&probable);
        let found = BudgetWindow::new(&logits, &cost, 80.3, 80.8).most_probable(0.0).unwrap();
        assert_eq!(found.choices()[0], 1);
        assert!((cost.of(&found).unwrap() - 80.5).abs() < 1e-9);
        assert_eq!(BudgetWindow::new(&logits, &cost, 80.6, 80.8).most_probable(0.0), None);
    }

    proptest! {
        #[test]
        fn between_a_floor_and_a_budget_the_choice_is_the_most_probable_or_there_is_none(
            (start, costs) in any_two_edge_values(-6.0..6.0, -2.0..20.0),
            share in 0.0..1.0, width in 0.0..0.5,
        ) {
            let counts = start.choice_counts();
            prop_assume!(counts.iter().product::<usize>() <= 20_000);
            let (logits, cost) = (Logits::of_values(start), LinearCost::new(1.0, costs).unwrap());
            let range = cost.range();
            let budget = range.least + share * (range.most - range.least) + 1e-9;
            let floor = budget - width * (range.most - range.least);
            let found =
                BudgetChoice::most_probable_between(&logits, &cost, floor, budget).unwrap();
            prop_assert!(found.cost <= budget);
            let best = all(&counts)
                .into_iter()
                .filter(|choices| {
                    let cost = cost.of(&Architecture::new(choices.clone())).unwrap();
                    (floor..=budget).contains(&cost)
                })
                .map(|choices| log_probability(&logits, &choices))
                .fold(f64::NEG_INFINITY, f64::max);
            if best.is_finite() {
                prop_assert!((found.log_probability - best).abs() < 1e-9, "{found:?} {best}");
                prop_assert!(found.cost >= floor);
            } else {
                let within = BudgetChoice::most_probable(&logits, &cost, budget).unwrap();
                prop_assert_eq!(found, within, "without the floor it is what it was");
            }
        }
    }

    /// Each of the edges leans to one candidate or another; where they have decided, what fits is improbable.
    #[test]
    fn decided_logits_of_a_real_space_use_the_budget_that_the_floor_asks_for() {
        let space = mobile_space();
        let cost = LinearCost::macs(&space);
        for (seed, sharpness) in [(1, 1e3), (2, 5e3), (3, 2e4)] {
            let fresh = Logits::random(&space, &mut ChaCha8Rng::seed_from_u64(seed));
            let sharp =
                fresh.values().map_edges(|edge| edge.iter().map(|x| x * sharpness).collect());
            let logits = Logits::of_values(sharp);
            let range = cost.range();
            for step in 2..=20 {
                let budget = range.least + f64::from(step) / 20.0 * (range.most - range.least);
                let floor = 0.97 * budget;
                let found =
                    BudgetChoice::most_probable_between(&logits, &cost, floor, budget).unwrap();
                assert!((floor..=budget).contains(&found.cost), "{sharpness} {step} {found:?}");
            }
        }
    }

    #[test]
    fn undecided_logits_of_a_real_space_use_the_budget_that_the_floor_asks_for() {
        let space = mobile_space();
        let cost = LinearCost::macs(&space);
        let logits = Logits::random(&space, &mut ChaCha8Rng::seed_from_u64(7));
        let range = cost.range();
        let mut floors = 0;
        for step in 2..=20 {
            let budget = range.least + f64::from(step) / 20.0 * (range.most - range.least);
            let floor = 0.95 * budget;
            let found = BudgetChoice::most_probable_between(&logits, &cost, floor, budget).unwrap();
            assert!((floor..=budget).contains(&found.cost), "{step} {found:?}");
            let free = BudgetChoice::most_probable(&logits, &cost, budget).unwrap();
            floors += usize::from(free.cost < floor);
            assert!(found.log_probability <= free.log_probability);
        }
        assert!(floors > 3, "the floor decided {floors} times");
    }

    #[test]
    fn a_floor_that_only_dearer_architectures_have_is_let_go() {
        let logits = logits(&[&[1.0, 0.0]]);
        let cost = LinearCost::new(0.0, values(&[&[2.0, 9.0]])).unwrap();
        let found = BudgetChoice::most_probable_between(&logits, &cost, 4.0, 5.0).unwrap();
        assert_eq!(found.architecture.choices(), [0]);
    }
}
