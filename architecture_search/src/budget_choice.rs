//! A budget choice is the most probable architecture among those that cost no more than a budget.
//!
//! That is a multiple-choice knapsack: one candidate of every edge, `sum_e c_e <= B`, the largest
//! `sum_e ln p_e`. It is solved exactly, by dynamic programming over the edges on the partial choices that no
//! other beats in both sums (Nemhauser and Ullmann 1969). What cannot become better than an architecture that
//! is known already is left out by the Lagrangian bound `ln p - lambda c` (Fisher 1981), which leaves a few
//! hundred partial choices of the published space.

use op_catalog::Architecture;

use crate::budget_window::BudgetWindow;
use crate::{LinearCost, Logits, SearchError};

/// How often the multiplier of the bound is halved: the bound is right for any multiplier, and a few digits
/// make it tight.
const BISECTIONS: usize = 60;

/// Share of a sum's size that its rounding may be. Bounds are widened by it, so that rounding discards nothing.
const ROUNDING: f64 = 1e-12;

/// The most probable architecture within a budget.
#[derive(Clone, Debug, PartialEq)]
pub struct BudgetChoice {
    /// What was chosen.
    pub architecture: Architecture,
    /// `sum_e ln p_e` in nats: how probable the logits make it.
    pub log_probability: f64,
    /// What it costs, in the unit of the cost.
    pub cost: f64,
}

/// A candidate with what it adds to both sums.
#[derive(Clone, Copy, Debug)]
struct Item {
    log_probability: f64,
    cost: f64,
}

/// A choice on the first edges that no other beats in both sums.
#[derive(Clone, Copy, Debug)]
struct Partial {
    sums: Item,
    /// Its place among those of one edge less.
    before: usize,
    /// The candidate of its last edge.
    choice: usize,
}

/// What edges that are still to be chosen can add at best.
#[derive(Clone, Copy, Debug)]
struct Rest {
    least_cost: f64,
    /// `max sum (ln p - lambda c)`.
    best_relaxed: f64,
}

impl BudgetChoice {
    /// The most probable architecture that costs at most `budget`, of equally probable ones a cheapest.
    ///
    /// # Errors
    /// A budget below the cheapest architecture's cost, or one that is not a number, and logits of another
    /// shape than the cost.
    pub fn most_probable(
        logits: &Logits,
        cost: &LinearCost,
        budget: f64,
    ) -> Result<Self, SearchError> {
        cost.candidates().check_shape("logits", logits.values())?;
        let problem = Problem::new(logits, cost, Bound::AtMost(budget));
        let Some(Solution { architecture, .. }) = problem.solution() else {
            let least = cost.range().least;
            let expected = format!("at least {least}, what the cheapest architecture costs");
            return Err(SearchError::OutOfRange { what: "the budget", value: budget, expected });
        };
        Self::of(architecture, logits, cost)
    }

    /// The most probable architecture that costs at most `budget` and at least `floor`.
    ///
    /// Where the most probable one within the budget costs less than the floor, it is the most probable one that
    /// costs at least the floor: by the same algorithm, with the signs of the costs changed. Where that one is above the
    /// budget in turn, what lies between is looked through from the most probable (`budget_window.rs`).
    /// If nothing is found between, the floor is let go.
    ///
    /// # Errors
    /// As [`Self::most_probable`].
    pub fn most_probable_between(
        logits: &Logits,
        cost: &LinearCost,
        floor: f64,
        budget: f64,
    ) -> Result<Self, SearchError> {
        let within = Self::most_probable(logits, cost, budget)?;
        if within.cost >= floor {
            return Ok(within);
        }
        let problem = Problem::new(logits, cost, Bound::AtLeast(floor));
        let Some(Solution { architecture: above, multiplier }) = problem.solution() else {
            return Ok(within);
        };
        if cost.of(&above)? <= budget {
            return Self::of(above, logits, cost);
        }
        match BudgetWindow::new(logits, cost, floor, budget).most_probable(multiplier) {
            Some(between) => Self::of(between, logits, cost),
            None => Ok(within),
        }
    }

    /// This architecture, as if it had been chosen.
    ///
    /// # Errors
    /// An architecture or logits of another shape than the cost.
    pub fn of(
        architecture: Architecture,
        logits: &Logits,
        cost: &LinearCost,
    ) -> Result<Self, SearchError> {
        Ok(Self {
            log_probability: logits.log_probability(&architecture)?,
            cost: cost.of(&architecture)?,
            architecture,
        })
    }
}

/// What a cost has to be.
#[derive(Clone, Copy, Debug)]
enum Bound {
    AtMost(f64),
    AtLeast(f64),
}

/// The best choice of a problem.
struct Solution {
    architecture: Architecture,
    /// That of the bound by which it was found: nats per unit of the cost.
    multiplier: f64,
}

/// Costs are to be small in it: those that are to be large have their signs changed.
struct Problem {
    edges: Vec<Vec<Item>>,
    constant: f64,
    budget: f64,
}

impl Problem {
    fn new(logits: &Logits, cost: &LinearCost, bound: Bound) -> Self {
        let (sign, budget) = match bound {
            Bound::AtMost(budget) => (1.0, budget),
            Bound::AtLeast(floor) => (-1.0, -floor),
        };
        let log_probabilities = logits.log_probabilities();
        let edges = log_probabilities.edges().iter().zip(cost.candidates().edges());
        let of_edge = |(log_probabilities, costs): (&Vec<f64>, &Vec<f64>)| {
            let pairs = log_probabilities.iter().zip(costs);
            pairs
                .map(|(&log_probability, &cost)| Item { log_probability, cost: sign * cost })
                .collect()
        };
        Self { edges: edges.map(of_edge).collect(), constant: sign * cost.constant(), budget }
    }

    /// Its best choice, if there is any: a budget that is no number is met by nothing.
    fn solution(&self) -> Option<Solution> {
        let cheapest = self.cheapest();
        if self.budget.is_nan() || self.sums(cheapest.choices()).cost > self.budget {
            return None;
        }
        let (multiplier, known) = self.bound(cheapest.choices());
        Some(Solution {
            architecture: Architecture::new(self.solve(multiplier, known)),
            multiplier,
        })
    }

    fn cheapest(&self) -> Architecture {
        let cheaper = |a: &Item, b: &Item| {
            a.cost.total_cmp(&b.cost).then(b.log_probability.total_cmp(&a.log_probability))
        };
        let of_edge = |edge: &Vec<Item>| {
            (0..edge.len()).min_by(|&a, &b| cheaper(&edge[a], &edge[b])).unwrap_or_default()
        };
        Architecture::new(self.edges.iter().map(of_edge).collect())
    }

    /// Both sums of a whole choice, added up in the order of the edges, as everywhere.
    fn sums(&self, choices: &[usize]) -> Item {
        let start = Item { log_probability: 0.0, cost: self.constant };
        self.edges.iter().zip(choices).fold(start, |sums, (edge, &choice)| sums.plus(edge[choice]))
    }

    /// The best choice where a cost of `multiplier` nats a unit takes the place of the budget.
    fn relaxed(&self, multiplier: f64) -> Vec<usize> {
        let best = |edge: &Vec<Item>| {
            let worth = |&choice: &usize| edge[choice].relaxed(multiplier);
            (0..edge.len()).max_by(|a, b| worth(a).total_cmp(&worth(b))).unwrap_or_default()
        };
        self.edges.iter().map(best).collect()
    }

    /// A multiplier whose bound is tight, and the log-probability of the best choice within the budget that
    /// was seen on the way to it.
    fn bound(&self, cheapest: &[usize]) -> (f64, f64) {
        let mut known = self.sums(cheapest).log_probability;
        let mut within = |multiplier: f64| {
            let sums = self.sums(&self.relaxed(multiplier));
            let fits = sums.cost <= self.budget;
            if fits {
                known = known.max(sums.log_probability);
            }
            fits
        };
        if within(0.0) {
            return (0.0, known);
        }
        let (mut low, mut high) = (0.0, 1.0);
        for _ in 0..BISECTIONS {
            if within(high) {
                break;
            }
            (low, high) = (high, 2.0 * high);
        }
        for _ in 0..BISECTIONS {
            let middle = f64::midpoint(low, high);
            if within(middle) { high = middle } else { low = middle }
        }
        (high, known)
    }

    /// The best choice, which is at least as probable as `known`.
    fn solve(&self, multiplier: f64, known: f64) -> Vec<usize> {
        let rests = self.rests(multiplier);
        let scale = self.edges.iter().flatten().fold(1.0 + known.abs(), |scale, item| {
            scale + item.cost.abs() * (1.0 + multiplier) + item.log_probability.abs()
        });
        let slack = ROUNDING * (scale + self.constant.abs() * (1.0 + multiplier));
        let start = Item { log_probability: 0.0, cost: self.constant };
        let mut levels = vec![vec![Partial { sums: start, before: 0, choice: 0 }]];
        for (edge, rest) in self.edges.iter().zip(&rests) {
            let can_win = |sums: &Item| {
                let relaxed =
                    sums.relaxed(multiplier) + rest.best_relaxed + multiplier * self.budget;
                sums.cost + rest.least_cost <= self.budget + slack && relaxed >= known - slack
            };
            let last = levels.last().map(Vec::as_slice).unwrap_or_default();
            levels.push(unbeaten(extended(last, edge).filter(|partial| can_win(&partial.sums))));
        }
        self.traced(&levels)
    }

    /// What the edges after each one can add.
    fn rests(&self, multiplier: f64) -> Vec<Rest> {
        let mut rest = Rest { least_cost: 0.0, best_relaxed: 0.0 };
        let mut rests: Vec<Rest> = Vec::with_capacity(self.edges.len());
        for edge in self.edges.iter().rev() {
            rests.push(rest);
            let costs = edge.iter().map(|item| item.cost);
            let worths = edge.iter().map(|item| item.relaxed(multiplier));
            rest.least_cost += costs.reduce(f64::min).unwrap_or_default();
            rest.best_relaxed += worths.reduce(f64::max).unwrap_or_default();
        }
        rests.reverse();
        rests
    }

    /// The choices that led to the most probable one of the last level that fits.
    fn traced(&self, levels: &[Vec<Partial>]) -> Vec<usize> {
        let last = levels.last().map(Vec::as_slice).unwrap_or_default();
        // They are ordered by their cost and by their probability at once.
        let mut at = last.iter().rposition(|partial| partial.sums.cost <= self.budget).unwrap_or(0);
        let mut choices = Vec::with_capacity(self.edges.len());
        for level in levels[1..].iter().rev() {
            choices.push(level[at].choice);
            at = level[at].before;
        }
        choices.reverse();
        choices
    }
}

impl Item {
    fn plus(self, other: Self) -> Self {
        Self {
            log_probability: self.log_probability + other.log_probability,
            cost: self.cost + other.cost,
        }
    }

    fn relaxed(&self, multiplier: f64) -> f64 {
        self.log_probability - multiplier * self.cost
    }
}

/// Every partial choice with every candidate of the next edge.
fn extended<'a>(last: &'a [Partial], edge: &'a [Item]) -> impl Iterator<Item = Partial> + 'a {
    last.iter().enumerate().flat_map(move |(before, partial)| {
        edge.iter().enumerate().map(move |(choice, item)| Partial {
            sums: partial.sums.plus(*item),
            before,
            choice,
        })
    })
}

/// Those that no other beats, from the cheapest and least probable to the dearest and most probable.
fn unbeaten(partials: impl Iterator<Item = Partial>) -> Vec<Partial> {
    let mut partials: Vec<Partial> = partials.collect();
    partials.sort_by(|a, b| {
        let by_cost = a.sums.cost.total_cmp(&b.sums.cost);
        by_cost.then(b.sums.log_probability.total_cmp(&a.sums.log_probability))
    });
    let mut best = f64::NEG_INFINITY;
    partials.retain(|partial| {
        let is_better = partial.sums.log_probability > best;
        best = best.max(partial.sums.log_probability);
        is_better
    });
    partials
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::*;
    use crate::fixtures::{
        all, any_two_edge_values, log_probability, logits, mobile_space, values,
    };

    proptest! {
        #[test]
        fn no_architecture_within_the_budget_is_more_probable(
            (start, costs) in any_two_edge_values(-6.0..6.0, -2.0..20.0), share in 0.0..1.0,
        ) {
            let counts = start.choice_counts();
            prop_assume!(counts.iter().product::<usize>() <= 20_000);
            let (logits, cost) = (Logits::of_values(start), LinearCost::new(1.0, costs).unwrap());
            let range = cost.range();
            let budget = range.least + share * (range.most - range.least) + 1e-9;
            let found = BudgetChoice::most_probable(&logits, &cost, budget).unwrap();
            prop_assert!(found.cost <= budget);
            let best = all(&counts)
                .into_iter()
                .filter(|choices| cost.of(&Architecture::new(choices.clone())).unwrap() <= budget)
                .map(|choices| log_probability(&logits, &choices))
                .fold(f64::NEG_INFINITY, f64::max);
            prop_assert!((found.log_probability - best).abs() < 1e-9, "{found:?} {best}");
        }

        /// Whole numbers make many equal sums.
        #[test]
        fn equal_costs_and_probabilities_are_no_trouble(
            costs in prop::collection::vec(prop::collection::vec(0_u8..3, 2..4), 1..7),
            worths in prop::collection::vec(0_u8..3, 28), budget in 0_u8..12,
        ) {
            let numbers = |edge: &Vec<u8>| edge.iter().map(|cost| f64::from(*cost)).collect();
            let costs = crate::EdgeValues::new(costs.iter().map(numbers).collect()).unwrap();
            let mut worths = worths.into_iter().cycle().map(f64::from);
            let of_edge = |count: &usize| worths.by_ref().take(*count).collect();
            let worths = costs.choice_counts().iter().map(of_edge).collect();
            let logits = Logits::of_values(crate::EdgeValues::new(worths).unwrap());
            let cost = LinearCost::new(0.0, costs).unwrap();
            prop_assume!(cost.range().least <= f64::from(budget));
            let found = BudgetChoice::most_probable(&logits, &cost, budget.into()).unwrap();
            let best = all(&cost.candidates().choice_counts())
                .into_iter()
                .filter(|choices| {
                    cost.of(&Architecture::new(choices.clone())).unwrap() <= f64::from(budget)
                })
                .map(|choices| log_probability(&logits, &choices))
                .fold(f64::NEG_INFINITY, f64::max);
            prop_assert!((found.log_probability - best).abs() < 1e-9);
        }
    }

    #[test]
    fn a_budget_that_everything_meets_gives_the_most_probable_architecture_of_all() {
        let space = mobile_space();
        let cost = LinearCost::macs(&space);
        let logits = Logits::random(&space, &mut ChaCha8Rng::seed_from_u64(3));
        let found = BudgetChoice::most_probable(&logits, &cost, cost.range().most).unwrap();
        assert_eq!(found.architecture, logits.most_likely());
    }

    #[test]
    fn where_greed_fails_the_choice_is_still_the_best() {
        // By worth for its cost, the first edge would take its second candidate, and nothing else would fit.
        let logits = logits(&[&[0.0, 3.0], &[0.0, 4.9], &[0.0, 4.9]]);
        let cost = LinearCost::new(0.0, values(&[&[0.0, 1.1], &[0.0, 2.0], &[0.0, 2.0]])).unwrap();
        let found = BudgetChoice::most_probable(&logits, &cost, 4.0).unwrap();
        assert_eq!(found.architecture.choices(), [0, 1, 1]);
    }

    #[test]
    fn a_larger_budget_never_gives_a_less_probable_architecture() {
        let space = mobile_space();
        let cost = LinearCost::macs(&space);
        let logits = Logits::random(&space, &mut ChaCha8Rng::seed_from_u64(5));
        let range = cost.range();
        let mut last = f64::NEG_INFINITY;
        for step in 0..=50 {
            let budget = range.least + f64::from(step) / 50.0 * (range.most - range.least);
            let found = BudgetChoice::most_probable(&logits, &cost, budget).unwrap();
            assert!(found.log_probability >= last && found.cost <= budget, "{step} {found:?}");
            last = found.log_probability;
        }
    }

    #[test]
    fn a_budget_that_nothing_meets_is_refused_with_the_least_that_one_does() {
        let logits = logits(&[&[0.0, 0.0]]);
        let cost = LinearCost::new(1.0, values(&[&[2.0, 3.0]])).unwrap();
        for (budget, message) in [
            (
                2.5,
                "the budget is 2.5, but must be at least 3, what the cheapest architecture costs",
            ),
            (
                f64::NAN,
                "the budget is NaN, but must be at least 3, what the cheapest architecture costs",
            ),
        ] {
            let error = BudgetChoice::most_probable(&logits, &cost, budget).unwrap_err();
            assert_eq!(error.to_string(), message);
        }
    }
}
