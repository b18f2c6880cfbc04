//! The expected latency is the mean over the networks of a space when each edge draws its candidate
//! from a distribution of its own; with its gradient, it is what a search can descend.

use op_catalog::Milliseconds;

use crate::{EdgeCosts, TableError};

/// An expected latency with its gradient in closed form.
#[derive(Clone, Debug, PartialEq)]
pub struct ExpectedLatency {
    /// The expectation.
    pub latency: Milliseconds,
    /// Its derivative with respect to each number that it was computed from, per edge and candidate,
    /// in milliseconds.
    pub gradient: Vec<Vec<f64>>,
}

/// How far the probabilities of an edge may add up to something other than 1: a softmax in `f32`.
const SUM_TOLERANCE: f64 = 1e-5;

impl EdgeCosts {
    /// E = fixed + `sum_e sum_i p_ei c_ei` (ProxylessNAS, equation 2), and `dE/dp_ei = c_ei`.
    ///
    /// `probabilities` has one list per edge, in the order of [`op_catalog::SearchSpace::edges`], and
    /// in it one number per candidate.
    ///
    /// # Errors
    /// Another number of edges or candidates, a number that is no probability, a list that does not
    /// add up to 1; by the index of the edge.
    pub fn expected_under_probabilities(
        &self,
        probabilities: &[impl AsRef<[f64]>],
    ) -> Result<ExpectedLatency, TableError> {
        self.check_lengths("probabilities", probabilities)?;
        for (edge, list) in probabilities.iter().enumerate() {
            check_distribution(edge, list.as_ref())?;
        }
        let means = self.edges().zip(probabilities).map(|(costs, p)| mean(costs, p.as_ref()));
        let latency = Milliseconds(self.fixed_ms() + means.sum::<f64>());
        Ok(ExpectedLatency { latency, gradient: self.edges().map(<[f64]>::to_vec).collect() })
    }

    /// The same under `p_e = softmax(a_e)`, with the gradient with respect to the logits `a`:
    /// `dE/da_ei = p_ei (c_ei - sum_j p_ej c_ej)`.
    ///
    /// A candidate that costs nothing has a gradient like any other: raising its logit takes
    /// probability from those that cost something.
    ///
    /// # Errors
    /// Another number of edges or candidates, or a logit that is not finite; by the index of the edge.
    pub fn expected_under_logits(
        &self,
        logits: &[impl AsRef<[f64]>],
    ) -> Result<ExpectedLatency, TableError> {
        self.check_lengths("logits", logits)?;
        let flat: Vec<f64> = logits.iter().flat_map(AsRef::as_ref).copied().collect();
        let mut gradient = vec![0.0; flat.len()];
        let latency = self.expected_into(&flat, &mut gradient)?;
        let mut rest = gradient.as_slice();
        let gradient = self.edges().map(|costs| {
            let (edge, others) = rest.split_at(costs.len());
            rest = others;
            edge.to_vec()
        });
        Ok(ExpectedLatency { latency, gradient: gradient.collect() })
    }

    /// The same without allocating: `logits` has the candidates of one edge after the other, and the
    /// gradient is written to `gradient`, which is as long. Returns the expectation.
    ///
    /// # Errors
    /// Another number of logits or of places for the gradient than candidates, or a logit that is not
    /// finite, by the index of the edge.
    pub fn expected_into(
        &self,
        logits: &[f64],
        gradient: &mut [f64],
    ) -> Result<Milliseconds, TableError> {
        for (what, found) in [("logits", logits.len()), ("places", gradient.len())] {
            if found != self.candidates() {
                return Err(wrong_candidates(what, found, self.candidates()));
            }
        }
        let mut latency = self.fixed_ms();
        let (mut logits, mut gradient) = (logits, gradient);
        for (edge, costs) in self.edges().enumerate() {
            let (own, other_logits) = logits.split_at(costs.len());
            let (place, other_places) = gradient.split_at_mut(costs.len());
            (logits, gradient) = (other_logits, other_places);
            if !own.iter().all(|logit| logit.is_finite()) {
                return Err(not_finite(edge, own));
            }
            latency += expected_of_edge(costs, own, place);
        }
        Ok(Milliseconds(latency))
    }

    fn check_lengths(
        &self,
        what: &'static str,
        given: &[impl AsRef<[f64]>],
    ) -> Result<(), TableError> {
        if given.len() != self.edges().len() {
            return Err(self.wrong_count(what, given.len()));
        }
        for (edge, (costs, given)) in self.edges().zip(given).enumerate() {
            let (found, expected) = (given.as_ref().len(), costs.len());
            if found != expected {
                return Err(refuse(edge, format!("{found} {what}, but {expected} candidates")));
            }
        }
        Ok(())
    }
}

/// Probabilities proportional to the exponentials of finite logits. The largest logit is taken off
/// first, so that nothing overflows.
pub fn softmax(logits: &[f64]) -> Vec<f64> {
    let largest = largest(logits);
    let exponentials: Vec<f64> = logits.iter().map(|logit| (logit - largest).exp()).collect();
    let sum: f64 = exponentials.iter().sum();
    exponentials.into_iter().map(|exponential| exponential / sum).collect()
}

/// The mean cost of an edge under the softmax of its logits; the gradient goes to `gradient`. One pass
/// for the exponentials, with both of their sums, and one to scale: a search spends its time here.
fn expected_of_edge(costs: &[f64], logits: &[f64], gradient: &mut [f64]) -> f64 {
    let largest = largest(logits);
    let (mut sum, mut weighted) = (0.0, 0.0);
    for ((place, logit), cost) in gradient.iter_mut().zip(logits).zip(costs) {
        *place = (logit - largest).exp();
        sum += *place;
        weighted += *place * cost;
    }
    let (mean, scale) = (weighted / sum, 1.0 / sum);
    for (place, cost) in gradient.iter_mut().zip(costs) {
        *place *= scale * (cost - mean);
    }
    mean
}

fn largest(logits: &[f64]) -> f64 {
    logits
        .iter()
        .fold(f64::NEG_INFINITY, |largest, &logit| if logit > largest { logit } else { largest })
}

fn mean(costs: &[f64], probabilities: &[f64]) -> f64 {
    costs.iter().zip(probabilities).map(|(cost, p)| cost * p).sum()
}

fn check_distribution(edge: usize, probabilities: &[f64]) -> Result<(), TableError> {
    let within = 0.0..=1.0 + SUM_TOLERANCE;
    if let Some(p) = probabilities.iter().find(|p| !within.contains(*p)) {
        return Err(refuse(edge, format!("{p} is no probability")));
    }
    let sum: f64 = probabilities.iter().sum();
    if (sum - 1.0).abs() > SUM_TOLERANCE {
        return Err(refuse(edge, format!("the probabilities add up to {sum}, not to 1")));
    }
    Ok(())
}

#[cold]
fn not_finite(edge: usize, logits: &[f64]) -> TableError {
    let logit = logits.iter().find(|logit| !logit.is_finite()).copied().unwrap_or(f64::NAN);
    refuse(edge, format!("the logit {logit} is not finite"))
}

#[cold]
fn wrong_candidates(what: &str, found: usize, expected: usize) -> TableError {
    let message = format!("{found} were given for {expected} candidates");
    TableError::Field { place: what.to_owned(), message }
}

fn refuse(edge: usize, message: String) -> TableError {
    TableError::Edge { edge, message }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Costs and logits of the same shape; the first candidate of each edge costs nothing.
    fn any_costs_and_logits() -> impl Strategy<Value = (EdgeCosts, Vec<Vec<f64>>)> {
        let candidate = (0.01..50.0_f64, -8.0..8.0_f64);
        let edge = prop::collection::vec(candidate, 2..8);
        (0.0..20.0_f64, prop::collection::vec(edge, 1..6)).prop_map(|(fixed, edges)| {
            let costs = edges.iter().map(|edge| {
                edge.iter()
                    .enumerate()
                    .map(|(i, (cost, _))| if i == 0 { 0.0 } else { *cost })
                    .collect()
            });
            let logits = edges.iter().map(|edge| edge.iter().map(|(_, logit)| *logit).collect());
            (EdgeCosts::of_weights(fixed, &costs.collect::<Vec<_>>()), logits.collect())
        })
    }

    proptest! {
        #[test]
        fn the_gradient_in_the_logits_is_that_of_central_differences(
            (costs, logits) in any_costs_and_logits(),
        ) {
            const STEP: f64 = 1e-5;
            let gradient = costs.expected_under_logits(&logits).unwrap().gradient;
            for edge in 0..logits.len() {
                for candidate in 0..logits[edge].len() {
                    let at = |step: f64| {
                        let mut moved = logits.clone();
                        moved[edge][candidate] += step;
                        costs.expected_under_logits(&moved).unwrap().latency.0
                    };
                    let difference = (at(STEP) - at(-STEP)) / (2.0 * STEP);
                    prop_assert!((difference - gradient[edge][candidate]).abs() < 1e-6);
                }
                // All logits of an edge moved together change nothing.
                prop_assert!(gradient[edge].iter().sum::<f64>().abs() < 1e-9);
            }
        }

        #[test]
        fn the_gradient_in_the_probabilities_is_that_of_moving_mass_between_candidates(
            (costs, logits) in any_costs_and_logits(), share in 0.1..0.9_f64,
        ) {
            let probabilities: Vec<Vec<f64>> = logits.iter().map(|edge| softmax(edge)).collect();
            let before = costs.expected_under_probabilities(&probabilities).unwrap();
            for (edge, list) in probabilities.iter().enumerate() {
                let mut moved = probabilities.clone();
                let mass = share * list[0];
                moved[edge][0] -= mass;
                moved[edge][1] += mass;
                let after = costs.expected_under_probabilities(&moved).unwrap();
                let predicted = mass * (before.gradient[edge][1] - before.gradient[edge][0]);
                prop_assert!((after.latency.0 - before.latency.0 - predicted).abs() < 1e-9);
            }
        }

        #[test]
        fn logits_and_their_softmax_expect_the_same((costs, logits) in any_costs_and_logits()) {
            let probabilities: Vec<Vec<f64>> = logits.iter().map(|edge| softmax(edge)).collect();
            let by_logits = costs.expected_under_logits(&logits).unwrap().latency.0;
            let by_probabilities =
                costs.expected_under_probabilities(&probabilities).unwrap().latency.0;
            prop_assert!((by_logits - by_probabilities).abs() < 1e-9);
            let (low, high) = (costs.cheapest().latency.0, costs.dearest().latency.0);
            prop_assert!((low - 1e-9..=high + 1e-9).contains(&by_logits));
        }
    }

    #[test]
    fn a_free_candidate_costs_nothing_but_its_logit_lowers_the_expectation() {
        let costs = EdgeCosts::of_weights(1.0, &[vec![4.0, 0.0]]);
        let expected = costs.expected_under_logits(&[[0.0, 0.0]]).unwrap();
        assert_eq!(expected.latency, Milliseconds(3.0));
        assert_eq!(expected.gradient, [[1.0, -1.0]]);
    }

    #[test]
    fn softmax_survives_logits_that_overflow_an_exponential() {
        assert_eq!(softmax(&[1e4, 1e4]), [0.5, 0.5]);
        assert_eq!(softmax(&[-1e4, -2e4]), [1.0, 0.0]);
    }

    #[test]
    fn what_does_not_belong_to_the_space_is_refused_by_edge() {
        let costs = EdgeCosts::of_weights(0.0, &[vec![1.0, 2.0], vec![3.0, 4.0]]);
        let good = vec![0.5, 0.5];
        for (bad, message) in [
            (vec![1.0], "edge 1: 1 probabilities, but 2 candidates"),
            (vec![0.5, 0.6], "edge 1: the probabilities add up to 1.1, not to 1"),
            (vec![1.5, -0.5], "edge 1: 1.5 is no probability"),
            (vec![-0.5, 1.5], "edge 1: -0.5 is no probability"),
            (vec![f64::NAN, 0.5], "edge 1: NaN is no probability"),
        ] {
            let error = costs.expected_under_probabilities(&[good.clone(), bad]).unwrap_err();
            assert_eq!(error.to_string(), message);
        }
        for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            let error = costs.expected_under_logits(&[good.clone(), vec![bad, 0.0]]).unwrap_err();
            assert_eq!(error.to_string(), format!("edge 1: the logit {bad} is not finite"));
        }
        assert_eq!(
            costs.expected_under_logits(&[good]).unwrap_err().to_string(),
            "logits for 1 edges were given, but the space has 2 edges"
        );
        for (logits, places, message) in [
            (3, 4, "logits: 3 were given for 4 candidates"),
            (4, 5, "places: 5 were given for 4 candidates"),
        ] {
            let error =
                costs.expected_into(&vec![0.0; logits], &mut vec![0.0; places]).unwrap_err();
            assert_eq!(error.to_string(), message);
        }
    }
}
