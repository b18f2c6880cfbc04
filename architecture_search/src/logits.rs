//! Logits are the architecture parameters: one number per candidate of every edge, whose softmax is
//! the probability that the edge takes the candidate.

use latency_tables::expected::softmax;
use op_catalog::{Architecture, SearchSpace};
use rand::Rng;
use rand_distr::{Distribution, StandardNormal};
use serde::{Deserialize, Serialize};

use crate::draw::ranking;
use crate::{EdgeValues, SearchError};

/// Standard deviation of fresh logits (`init_arch_params` of `super_proxyless.py`).
pub const INITIAL_STANDARD_DEVIATION: f64 = 1e-3;

/// The architecture parameters: alpha of ProxylessNAS (arXiv:1812.00332, section 3.2). Edges are
/// independent of each other.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Logits {
    values: EdgeValues,
}

impl Logits {
    /// Fresh logits of a space, normal around 0, so that every candidate is about as likely.
    pub fn random(space: &SearchSpace, random: &mut impl Rng) -> Self {
        let edges = space.edges().map(|candidates| {
            let deviates = candidates.iter().map(|_| {
                let deviate: f64 = StandardNormal.sample(random);
                INITIAL_STANDARD_DEVIATION * deviate
            });
            deviates.collect()
        });
        Self { values: EdgeValues::of_lists(edges.collect()) }
    }

    /// Logits of given numbers.
    pub fn of_values(values: EdgeValues) -> Self {
        Self { values }
    }

    /// The numbers.
    pub fn values(&self) -> &EdgeValues {
        &self.values
    }

    /// For the optimizer, which keeps every number finite.
    pub(crate) fn edges_mut(&mut self) -> &mut [Vec<f64>] {
        self.values.edges_mut()
    }

    /// `p = softmax(alpha)` on each edge.
    pub fn probabilities(&self) -> EdgeValues {
        self.values.map_edges(softmax)
    }

    /// `ln p` of every candidate, in nats: finite also where `p` is too small for a number.
    pub fn log_probabilities(&self) -> EdgeValues {
        self.values.map_edges(|edge| {
            let whole = log_sum_exp(edge);
            edge.iter().map(|value| value - whole).collect()
        })
    }

    /// `-sum p ln p` of each edge in nats: 0 where the edge has decided, `ln n` where all of its n
    /// candidates are alike.
    pub fn entropies_nats(&self) -> Vec<f64> {
        let plogp = |p: &f64| if *p > 0.0 { p * p.ln() } else { 0.0 };
        let of_edge = |edge: &Vec<f64>| -edge.iter().map(plogp).sum::<f64>();
        self.probabilities().edges().iter().map(of_edge).collect()
    }

    /// Entropy of the distribution over architectures in nats: the sum over the edges.
    pub fn entropy_nats(&self) -> f64 {
        self.entropies_nats().iter().sum()
    }

    /// `dH / d alpha_i = -p_i (ln p_i + H)` on each edge, with H its entropy.
    pub fn entropy_gradient(&self) -> EdgeValues {
        self.log_probabilities().map_edges(|edge| {
            let entropy: f64 = -edge.iter().map(|log| log.exp() * log).sum::<f64>();
            edge.iter().map(|log| -log.exp() * (log + entropy)).collect()
        })
    }

    /// The most likely architecture; of equal candidates the first.
    pub fn most_likely(&self) -> Architecture {
        let largest = |edge: &Vec<f64>| {
            (1..edge.len()).fold(0, |best, next| if edge[best] < edge[next] { next } else { best })
        };
        Architecture::new(self.values.edges().iter().map(largest).collect())
    }

    /// Draws a path: on each edge a candidate by its probability.
    pub fn sample(&self, random: &mut impl Rng) -> Architecture {
        let draw = |edge: &Vec<f64>| ranking(edge, random)[0];
        Architecture::new(self.values.edges().iter().map(draw).collect())
    }

    /// `ln p(architecture)`: the sum over the edges of the chosen candidate's log-probability.
    ///
    /// # Errors
    /// Another number of choices than edges, or a choice that an edge does not have.
    pub fn log_probability(&self, architecture: &Architecture) -> Result<f64, SearchError> {
        self.values.check_choices(architecture)?;
        let edges = self.values.edges().iter().zip(architecture.choices());
        Ok(edges.map(|(edge, &choice)| edge[choice] - log_sum_exp(edge)).sum())
    }

    /// `d ln p(architecture) / d alpha_i = delta_i,chosen - p_i` on each edge.
    ///
    /// # Errors
    /// As [`Self::log_probability`].
    pub fn log_probability_gradient(
        &self,
        architecture: &Architecture,
    ) -> Result<EdgeValues, SearchError> {
        self.values.check_choices(architecture)?;
        let mut gradient = self.values.map_edges(|edge| softmax(edge).iter().map(|p| -p).collect());
        for (edge, &choice) in gradient.edges_mut().iter_mut().zip(architecture.choices()) {
            edge[choice] += 1.0;
        }
        Ok(gradient)
    }
}

/// `ln sum exp(x)`. The largest is taken off first, so that nothing overflows.
pub(crate) fn log_sum_exp(numbers: &[f64]) -> f64 {
    let largest = numbers.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    largest + numbers.iter().map(|number| (number - largest).exp()).sum::<f64>().ln()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::*;
    use crate::fixtures::{any_edge_values, logits, mobile_space};

    #[test]
    fn fresh_logits_have_the_space_s_shape_and_the_published_spread() {
        let space = mobile_space();
        let draw = |seed| Logits::random(&space, &mut ChaCha8Rng::seed_from_u64(seed));
        assert_eq!(draw(1), draw(1));
        assert_ne!(draw(1), draw(2));
        let counts: Vec<usize> = space.edges().map(<[_]>::len).collect();
        assert_eq!(draw(1).values().choice_counts(), counts);
        let squares: f64 = (0..100).map(|seed| draw(seed).values().squared_norm()).sum();
        let deviation = (squares / (100.0 * 141.0)).sqrt();
        // Of 14 100 deviates, the estimate has a relative standard error of 0.6 %.
        assert!((deviation / 1e-3 - 1.0).abs() < 0.03, "{deviation}");
    }

    #[test]
    fn entropy_is_that_of_a_uniform_choice_at_first_and_zero_once_decided() {
        let undecided = logits(&[&[0.0, 0.0], &[1.0, 1.0, 1.0]]);
        assert!((undecided.entropy_nats() - 6.0_f64.ln()).abs() < 1e-12);
        let entropies = logits(&[&[0.0, 2000.0], &[0.0, 0.0]]).entropies_nats();
        assert!(entropies[0].abs() < 1e-12 && (entropies[1] - 2.0_f64.ln()).abs() < 1e-12);
    }

    #[test]
    fn the_gradient_of_the_entropy_is_that_of_finite_differences() {
        let values = vec![vec![0.3, -1.0, 0.8], vec![0.0, 0.0], vec![4.0, -3.0]];
        let entropy = |values: &[Vec<f64>]| {
            Logits::of_values(EdgeValues::new(values.to_vec()).unwrap()).entropy_nats()
        };
        let gradient =
            Logits::of_values(EdgeValues::new(values.clone()).unwrap()).entropy_gradient();
        for (edge, candidate) in [(0, 0), (0, 1), (0, 2), (1, 0), (2, 0), (2, 1)] {
            let moved = |by: f64| {
                let mut values = values.clone();
                values[edge][candidate] += by;
                entropy(&values)
            };
            let difference = (moved(1e-5) - moved(-1e-5)) / 2e-5;
            assert!((gradient.edges()[edge][candidate] - difference).abs() < 1e-8);
        }
    }

    #[test]
    fn the_most_likely_candidate_has_the_largest_logit_and_is_the_first_of_equals() {
        let logits = logits(&[&[0.0, 3.0, 3.0], &[-1.0, -2.0]]);
        assert_eq!(logits.most_likely().choices(), [1, 0]);
    }

    #[test]
    fn paths_come_up_as_often_as_their_probability_says() {
        const DRAWS: u32 = 60_000;
        let logits = logits(&[&[0.0, 1.0, -1.0], &[2.0, 0.0]]);
        let mut random = ChaCha8Rng::seed_from_u64(3);
        let mut counts = [[0_u32; 2]; 3];
        for _ in 0..DRAWS {
            let path = logits.sample(&mut random);
            counts[path.choices()[0]][path.choices()[1]] += 1;
        }
        for (first, counts) in counts.iter().enumerate() {
            for (second, count) in counts.iter().enumerate() {
                let path = Architecture::new(vec![first, second]);
                let p = logits.log_probability(&path).unwrap().exp();
                let standard_error = (p * (1.0 - p) / f64::from(DRAWS)).sqrt();
                let frequency = f64::from(*count) / f64::from(DRAWS);
                assert!((frequency - p).abs() < 4.0 * standard_error, "{path:?} {frequency} {p}");
            }
        }
    }

    #[test]
    fn a_path_that_the_logits_do_not_have_is_refused() {
        let logits = logits(&[&[0.0, 1.0], &[2.0, 0.0]]);
        for (choices, message) in [
            (vec![0], "choices for 1 edges were given, but there are 2"),
            (vec![0, 2], "edge 1: choice 2 is not below 2"),
        ] {
            let path = Architecture::new(choices);
            assert_eq!(logits.log_probability(&path).unwrap_err().to_string(), message);
            assert_eq!(logits.log_probability_gradient(&path).unwrap_err().to_string(), message);
        }
    }

    proptest! {
        #[test]
        fn the_gradient_of_a_log_probability_is_that_of_central_differences(
            values in any_edge_values(-5.0..5.0), seed in any::<u64>(),
        ) {
            const STEP: f64 = 1e-5;
            let logits = Logits::of_values(values);
            let path = logits.sample(&mut ChaCha8Rng::seed_from_u64(seed));
            let gradient = logits.log_probability_gradient(&path).unwrap();
            for (edge, slopes) in gradient.edges().iter().enumerate() {
                for (candidate, slope) in slopes.iter().enumerate() {
                    let at = |step: f64| {
                        let mut moved = logits.clone();
                        moved.edges_mut()[edge][candidate] += step;
                        moved.log_probability(&path).unwrap()
                    };
                    let difference = (at(STEP) - at(-STEP)) / (2.0 * STEP);
                    prop_assert!((difference - slope).abs() < 1e-6);
                }
            }
        }

        #[test]
        fn probabilities_add_up_to_one_and_say_the_same_as_log_probabilities(
            values in any_edge_values(-30.0..30.0),
        ) {
            let logits = Logits::of_values(values);
            let path = logits.most_likely();
            let mut product = 1.0;
            for (edge, choice) in logits.probabilities().edges().iter().zip(path.choices()) {
                prop_assert!((edge.iter().sum::<f64>() - 1.0).abs() < 1e-12);
                product *= edge[*choice];
            }
            prop_assert!((logits.log_probability(&path).unwrap() - product.ln()).abs() < 1e-9);
        }
    }
}
