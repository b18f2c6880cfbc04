//! A linear cost is one number per candidate and a constant: what an architecture has of it is the sum
//! of its choices' numbers.

use latency_tables::EdgeCosts;
use op_catalog::{Architecture, Cost, PlacedOp, SearchSpace};

use crate::error::{check, check_positive};
use crate::{EdgeValues, Gates, Logits, SearchError, Term};

/// A cost that is linear in the probabilities, so that its expectation is exact and cheap.
///
/// Its unit is that of what it was made from, and every value and gradient has it: milliseconds,
/// multiply-accumulates, parameters.
#[derive(Clone, Debug, PartialEq)]
pub struct LinearCost {
    constant: f64,
    candidates: EdgeValues,
}

/// The least and the most that anything can cost.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CostRange {
    /// No architecture costs less.
    pub least: f64,
    /// No architecture costs more.
    pub most: f64,
}

impl CostRange {
    /// Refuses an expected cost that no architecture can have.
    pub(crate) fn check_target(self, target: f64) -> Result<(), SearchError> {
        let Self { least, most } = self;
        let expected = format!("from {least} to {most}, as architectures cost");
        check("the target cost", target, |target| (least..=most).contains(&target), &expected)
    }
}

impl LinearCost {
    /// A constant, and a number per candidate that may be negative.
    ///
    /// # Errors
    /// A constant that is not finite.
    pub fn new(constant: f64, candidates: EdgeValues) -> Result<Self, SearchError> {
        check("the constant of a cost", constant, f64::is_finite, "finite")?;
        Ok(Self { constant, candidates })
    }

    /// Latency in milliseconds, as a table or the model fitted on whole networks has it.
    ///
    /// # Errors
    /// Costs that are not finite, or an edge without candidates.
    pub fn latency_ms(costs: &EdgeCosts) -> Result<Self, SearchError> {
        let edges = costs.edges_ms().into_iter().map(<[f64]>::to_vec).collect();
        Self::new(costs.fixed_ms(), EdgeValues::new(edges)?)
    }

    /// Multiply-accumulates of one image.
    pub fn macs(space: &SearchSpace) -> Self {
        Self::counted(space, |cost| cost.macs)
    }

    /// Trainable parameters.
    pub fn parameters(space: &SearchSpace) -> Self {
        Self::counted(space, |cost| cost.parameters)
    }

    /// `sum weight x cost`: several tables as one. The weights bring the costs to one unit, such as one
    /// over each device's budget, and say what each is worth.
    ///
    /// # Errors
    /// No cost at all, a weight that is not above 0, or costs of different spaces.
    pub fn weighted_sum(parts: &[(f64, Self)]) -> Result<Self, SearchError> {
        let (_, first) = parts.first().ok_or(SearchError::Empty { what: "cost to add up" })?;
        let mut sum = Self { constant: 0.0, candidates: first.candidates.zeros_like() };
        for (weight, part) in parts {
            check_positive("the weight of a cost", *weight)?;
            sum.constant += weight * part.constant;
            sum.candidates.add_scaled(&part.candidates, *weight)?;
        }
        Ok(sum)
    }

    /// What every architecture costs before its candidates.
    pub fn constant(&self) -> f64 {
        self.constant
    }

    /// What each candidate adds.
    pub fn candidates(&self) -> &EdgeValues {
        &self.candidates
    }

    /// What an architecture costs.
    ///
    /// # Errors
    /// Another number of choices than edges, or a choice that an edge does not have.
    pub fn of(&self, architecture: &Architecture) -> Result<f64, SearchError> {
        let (edges, choices) = (self.candidates.edges(), architecture.choices());
        if choices.len() != edges.len() {
            let (found, expected) = (choices.len(), edges.len());
            return Err(SearchError::EdgeCount { what: "choices", found, expected });
        }
        let mut sum = self.constant;
        for (edge, (costs, choice)) in edges.iter().zip(choices).enumerate() {
            sum += costs.get(*choice).ok_or_else(|| {
                let message = format!("choice {choice} is not below {}", costs.len());
                SearchError::Edge { edge, message }
            })?;
        }
        Ok(sum)
    }

    /// `E = constant + sum_e sum_i p_ei c_ei` over all candidates (ProxylessNAS, section 3.3.1), with the
    /// gradient `dE/dalpha_ei = p_ei (c_ei - sum_j p_ej c_ej)`. The candidate that skips a cell has that
    /// gradient like any other.
    ///
    /// # Errors
    /// Logits of another shape.
    pub fn expected(&self, logits: &Logits) -> Result<Term, SearchError> {
        self.candidates.check_shape("logits", logits.values())?;
        let mut gradient = logits.probabilities();
        let mut value = self.constant;
        for (edge, costs) in gradient.edges_mut().iter_mut().zip(self.candidates.edges()) {
            let mean: f64 = edge.iter().zip(costs).map(|(p, cost)| p * cost).sum();
            value += mean;
            for (place, cost) in edge.iter_mut().zip(costs) {
                *place *= cost - mean;
            }
        }
        Ok(Term { value, gradient })
    }

    /// The same expectation, over all candidates, with the gradient through the gates of a step: over
    /// their participants alone. `dE/dg_i = c_i`, so that gates treat a cost as they treat a loss.
    ///
    /// # Errors
    /// Logits or gates of another shape.
    pub fn expected_through(&self, logits: &Logits, gates: &Gates) -> Result<Term, SearchError> {
        let value = self.expected(logits)?.value;
        Ok(Term { value, gradient: gates.logit_gradient(&self.candidates)? })
    }

    /// What the cheapest and the dearest architecture cost.
    pub fn range(&self) -> CostRange {
        let sum = |pick: fn(f64, f64) -> f64| {
            let of_edge = |edge: &Vec<f64>| edge.iter().copied().reduce(pick).unwrap_or_default();
            self.constant + self.candidates.edges().iter().map(of_edge).sum::<f64>()
        };
        CostRange { least: sum(f64::min), most: sum(f64::max) }
    }

    fn counted(space: &SearchSpace, count: impl Fn(Cost) -> u64) -> Self {
        let of = |placed: &PlacedOp| count(Cost::of(&placed.lower())) as f64;
        let edges = space.edges().map(|candidates| candidates.iter().map(of).collect());
        Self {
            constant: space.fixed().map(of).sum(),
            candidates: EdgeValues::of_lists(edges.collect()),
        }
    }
}

#[cfg(test)]
mod tests {
    use latency_tables::LatencyModel;
    use op_catalog::Op;
    use proptest::prelude::*;
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::*;
    use crate::GateMode;
    use crate::fixtures::{any_two_edge_values, logits, mobile_space, values};

    proptest! {
        /// Model weights may be negative, so the costs here are too.
        #[test]
        fn a_latency_is_expected_and_priced_as_latency_tables_does(
            (start, costs) in any_two_edge_values(-6.0..6.0, -2.0..20.0), seed in any::<u64>(),
        ) {
            let model = LatencyModel::of_weights(3.0, costs.edges().to_vec()).unwrap().edge_costs();
            let cost = LinearCost::latency_ms(&model).unwrap();
            let found = cost.expected(&Logits::of_values(start.clone())).unwrap();
            let expected = model.expected_under_logits(start.edges()).unwrap();
            prop_assert!((found.value - expected.latency.0).abs() < 1e-9);
            for (found, expected) in found.gradient.iter().zip(expected.gradient.concat()) {
                prop_assert!((found - expected).abs() < 1e-9);
            }
            let path = Logits::of_values(start).sample(&mut ChaCha8Rng::seed_from_u64(seed));
            let price = model.price(path.choices()).unwrap().0;
            prop_assert!((cost.of(&path).unwrap() - price).abs() < 1e-9);
            let CostRange { least, most } = cost.range();
            prop_assert!((least - model.cheapest().latency.0).abs() < 1e-9);
            prop_assert!((most - model.dearest().latency.0).abs() < 1e-9);
        }

        #[test]
        fn gates_of_all_candidates_have_the_gradient_of_the_expectation(
            (start, costs) in any_two_edge_values(-6.0..6.0, -2.0..20.0), seed in any::<u64>(),
        ) {
            let (logits, cost) = (Logits::of_values(start), LinearCost::new(1.0, costs).unwrap());
            let exact = cost.expected(&logits).unwrap();
            for mode in [GateMode::Full, GateMode::FullV2, GateMode::Two] {
                let gates = mode.sample(&logits, &mut ChaCha8Rng::seed_from_u64(seed));
                let through = cost.expected_through(&logits, &gates).unwrap();
                prop_assert_eq!(through.value.to_bits(), exact.value.to_bits());
                if mode != GateMode::Two {
                    for (through, exact) in through.gradient.iter().zip(exact.gradient.iter()) {
                        prop_assert!((through - exact).abs() < 1e-12);
                    }
                }
            }
        }
    }

    #[test]
    fn zero_receives_the_latency_gradient_whichever_candidate_is_active() {
        let space = mobile_space();
        let cost = LinearCost::macs(&space);
        let mut random = ChaCha8Rng::seed_from_u64(4);
        let logits = Logits::random(&space, &mut random);
        let mut actives = [0; 2];
        for mode in [GateMode::Two, GateMode::Full, GateMode::FullV2].repeat(20) {
            let gates = mode.sample(&logits, &mut random);
            let gradient = cost.expected_through(&logits, &gates).unwrap().gradient;
            for ((candidates, gates), slopes) in
                space.edges().zip(gates.edges()).zip(gradient.edges())
            {
                let Some(zero) = candidates.iter().position(|placed| placed.op() == Op::Zero)
                else {
                    continue;
                };
                if gates.participants().iter().any(|p| p.candidate == zero) {
                    actives[usize::from(gates.active() == zero)] += 1;
                    // More of what costs nothing makes the expectation smaller.
                    assert!(slopes[zero] < 0.0, "{mode:?}");
                }
            }
        }
        assert!(actives.iter().all(|count| *count > 20), "{actives:?}");
    }

    #[test]
    fn a_pair_s_gradient_weighs_its_two_costs_against_each_other_alone() {
        let logits = logits(&[&[0.0, 0.0, 9.0]]);
        let cost = LinearCost::new(0.0, values(&[&[1.0, 3.0, 100.0]])).unwrap();
        let mut random = ChaCha8Rng::seed_from_u64(1);
        let gates = std::iter::repeat_with(|| GateMode::Two.sample(&logits, &mut random))
            .find(|gates| gates.edges()[0].participants().iter().all(|p| p.candidate < 2));
        let term = cost.expected_through(&logits, &gates.unwrap()).unwrap();
        assert_eq!(term.gradient, values(&[&[-0.5, 0.5, 0.0]]));
        assert!(term.value > 99.0);
    }

    fn check_cost(cost: &LinearCost, choices: &[usize], expected: f64) {
        let found = cost.of(&Architecture::new(choices.to_vec())).unwrap();
        assert!((found - expected).abs() < 1e-12 * expected, "{found} {expected}");
    }

    #[test]
    fn counts_are_those_of_the_space_s_networks() {
        let space = mobile_space();
        let path = space.sample(&mut ChaCha8Rng::seed_from_u64(2));
        let expected = space.network(&path).unwrap().cost();
        check_cost(&LinearCost::macs(&space), path.choices(), expected.macs as f64);
        check_cost(&LinearCost::parameters(&space), path.choices(), expected.parameters as f64);
    }

    #[test]
    fn a_weighted_sum_weighs_constants_and_candidates() {
        let one = LinearCost::new(1.0, values(&[&[1.0, 2.0]])).unwrap();
        let other = LinearCost::new(10.0, values(&[&[30.0, 20.0]])).unwrap();
        let sum = LinearCost::weighted_sum(&[(2.0, one.clone()), (0.1, other)]).unwrap();
        check_cost(&sum, &[0], 2.0 * 2.0 + 0.1 * 40.0);
        check_cost(&sum, &[1], 2.0 * 3.0 + 0.1 * 30.0);
        for (parts, message) in [
            (vec![], "there is no cost to add up, but at least one is needed"),
            (
                vec![(-1.0, one.clone())],
                "the weight of a cost is -1, but must be finite and above 0",
            ),
            (
                vec![(1.0, one), (1.0, LinearCost::new(0.0, values(&[&[1.0]])).unwrap())],
                "edge 0: 1 summands were given for 2 candidates",
            ),
        ] {
            assert_eq!(LinearCost::weighted_sum(&parts).unwrap_err().to_string(), message);
        }
    }

    #[test]
    fn what_is_not_of_the_space_is_refused_by_edge() {
        let cost = LinearCost::new(1.0, values(&[&[1.0, 2.0], &[0.0, 5.0]])).unwrap();
        for (choices, message) in [
            (vec![0], "choices for 1 edges were given, but there are 2"),
            (vec![0, 2], "edge 1: choice 2 is not below 2"),
        ] {
            assert_eq!(cost.of(&Architecture::new(choices)).unwrap_err().to_string(), message);
        }
        let error = cost.expected(&logits(&[&[0.0, 0.0], &[0.0]])).unwrap_err();
        assert_eq!(error.to_string(), "edge 1: 1 logits were given for 2 candidates");
    }
}
