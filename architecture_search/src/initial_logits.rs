//! Initial logits are those that a search begins with, when nothing has been learnt: the widest distribution
//! over architectures, of all costs or of one expected cost.
//!
//! Of all distributions with an expected cost, that with the largest entropy is `p ~ exp(-lambda c)` on each
//! edge (Jaynes 1957, doi:10.1103/PhysRev.106.620). A target that uniform paths hardly ever have is then what the
//! warm-up trains for, and where the search starts.

use op_catalog::SearchSpace;
use rand::Rng;

use crate::{CostRange, EdgeValues, LinearCost, Logits, SearchError};

/// How often the interval that lambda is in is halved.
const BISECTIONS: usize = 100;

/// The least distance of the expected cost from the ends of its range, as a share of it: at an end the logits
/// would have decided and could learn nothing.
const LEAST_DISTANCE: f64 = 0.01;

/// Share of a sum's size that its rounding may be.
const ROUNDING: f64 = 1e-12;

impl Logits {
    /// Fresh logits of a space under which paths have an expected cost: `-lambda c`, and the deviates of
    /// [`Self::random`]. Lambda is negative where the target is above what uniform paths cost. A target within
    /// 1 % of the range of costs from one of its ends is begun with at that distance.
    ///
    /// # Errors
    /// A cost of another space, and a target that no architecture has.
    pub fn random_on_target(
        space: &SearchSpace,
        cost: &LinearCost,
        target: f64,
        random: &mut impl Rng,
    ) -> Result<Self, SearchError> {
        let deviates = Self::random(space, random);
        cost.candidates().check_shape("logits", deviates.values())?;
        let mut values = on_target(cost, target)?.values().clone();
        values.add_scaled(deviates.values(), 1.0)?;
        Ok(Self::of_values(values))
    }

    /// `-lambda c` on each edge, with the lambda under which an expectation that falls as lambda grows is the target.
    ///
    /// # Errors
    /// What the expectation says.
    pub(crate) fn tilted(
        costs: &EdgeValues,
        target: f64,
        expected: impl Fn(&Self) -> Result<f64, SearchError>,
    ) -> Result<Self, SearchError> {
        let at = |lambda: f64| {
            let tilt = |edge: &[f64]| edge.iter().map(|cost| -lambda * cost).collect();
            Self::of_values(costs.map_edges(tilt))
        };
        let mut bound = 1.0;
        while expected(&at(bound))? > target || expected(&at(-bound))? < target {
            bound *= 2.0;
        }
        let (mut low, mut high) = (-bound, bound);
        for _ in 0..BISECTIONS {
            let middle = f64::midpoint(low, high);
            let is_above = expected(&at(middle))? > target;
            *(if is_above { &mut low } else { &mut high }) = middle;
        }
        Ok(at(high))
    }
}

/// The logits of largest entropy under which a cost is expected to be the target.
fn on_target(cost: &LinearCost, target: f64) -> Result<Logits, SearchError> {
    cost.range().check_target(target)?;
    let CostRange { least, most } = cost.range();
    let distance = LEAST_DISTANCE * (most - least);
    if distance <= ROUNDING * (least.abs() + most.abs()) {
        // All architectures cost the same.
        return Ok(Logits::of_values(cost.candidates().zeros_like()));
    }
    let target = target.clamp(least + distance, most - distance);
    Logits::tilted(cost.candidates(), target, |logits| Ok(cost.expected(logits)?.value))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::*;
    use crate::fixtures::{any_edge_values, mobile_space, values};

    proptest! {
        /// Model weights may be negative, so the costs here are too.
        #[test]
        fn the_expected_cost_is_the_target_wherever_it_is_in_the_range(
            costs in any_edge_values(-2.0..20.0), share in 0.0..=1.0_f64,
        ) {
            let cost = LinearCost::new(3.0, costs).unwrap();
            let CostRange { least, most } = cost.range();
            let target = (least + share * (most - least)).clamp(least, most);
            let found = cost.expected(&on_target(&cost, target).unwrap()).unwrap().value;
            let aim = least + share.clamp(0.01, 0.99) * (most - least);
            prop_assert!((found - aim).abs() <= 1e-9 * (1.0 + most.abs()), "{found} {aim}");
        }

        /// The entropy's derivative along the distributions of one expected cost is 0 at its largest: for any change of
        /// probabilities that keeps both sums, `sum dp ln p` is `-lambda sum dp c` = 0.
        #[test]
        fn no_other_distribution_of_that_expected_cost_has_more_entropy(
            share in 0.1..0.9, step in -1e-4..1e-4,
        ) {
            let costs = [1.0, 2.0, 4.0];
            let cost = LinearCost::new(0.0, values(&[&costs])).unwrap();
            let p = on_target(&cost, 1.0 + 3.0 * share).unwrap().probabilities().edges()[0].clone();
            // Moves probability without moving the sum or the expected cost.
            let moved: Vec<f64> =
                p.iter().zip([2.0, -3.0, 1.0]).map(|(p, by)| p + step * by).collect();
            let entropy = |p: &[f64]| -p.iter().map(|p| p * p.ln()).sum::<f64>();
            prop_assert!(moved.iter().all(|p| *p > 0.0));
            prop_assert!(entropy(&p) >= entropy(&moved) - 1e-15);
        }
    }

    #[test]
    fn paths_cost_the_target_on_average_where_uniform_ones_cost_more() {
        let (space, mut random) = (mobile_space(), ChaCha8Rng::seed_from_u64(5));
        let cost = LinearCost::macs(&space);
        let target = 0.6 * cost.expected(&Logits::random(&space, &mut random)).unwrap().value;
        let logits = Logits::random_on_target(&space, &cost, target, &mut random).unwrap();
        let mean =
            (0..2000).map(|_| cost.of(&logits.sample(&mut random)).unwrap() / 2000.0).sum::<f64>();
        assert!((mean / target - 1.0).abs() < 0.02, "{mean} {target}");
    }

    #[test]
    fn where_all_candidates_cost_the_same_none_is_preferred() {
        for step in [0.0, 1e-16] {
            let cost = LinearCost::new(1e3, values(&[&[0.1, 0.1 + step, 0.1]])).unwrap();
            let logits = on_target(&cost, cost.range().least).unwrap();
            assert_eq!(logits.values(), &cost.candidates().zeros_like());
        }
    }

    #[test]
    fn the_same_seed_gives_the_same_logits_and_another_seed_others() {
        let space = mobile_space();
        let cost = LinearCost::macs(&space);
        let draw = |seed| {
            let mut random = ChaCha8Rng::seed_from_u64(seed);
            Logits::random_on_target(&space, &cost, cost.range().most / 2.0, &mut random).unwrap()
        };
        assert_eq!(draw(1), draw(1));
        assert_ne!(draw(1), draw(2));
    }

    #[test]
    fn a_target_that_no_architecture_has_and_a_cost_of_another_space_are_refused() {
        let space = mobile_space();
        let mut random = ChaCha8Rng::seed_from_u64(1);
        let mut refused = |cost: &LinearCost, target| {
            Logits::random_on_target(&space, cost, target, &mut random).unwrap_err().to_string()
        };
        let macs = LinearCost::macs(&space);
        let message = refused(&macs, 1.0);
        assert!(message.starts_with("the target cost is 1, but must be from"), "{message}");
        let cost = LinearCost::new(5.0, values(&[&[1.0, 2.0]])).unwrap();
        assert_eq!(refused(&cost, 6.5), "logits for 21 edges were given, but there are 1");
    }
}
