//! An optimizer moves logits against a gradient: Adam without momentum and without weight decay.

use serde::{Deserialize, Serialize};

use crate::error::{check, check_positive};
use crate::{EdgeValues, Gates, Logits, SearchError};

/// Settings of [`Adam`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct AdamSettings {
    /// Length of a step of a logit whose gradient is as large as it usually is.
    pub learning_rate: f64,
    /// How much of the mean of squares a step keeps.
    pub beta2: f64,
    /// Added to the root of the mean of squares.
    pub epsilon: f64,
}

impl AdamSettings {
    /// Those of the published search (`imagenet_arch_search.py`: betas 0 and 0.999, no weight decay).
    pub const PUBLISHED: Self = Self { learning_rate: 1e-3, beta2: 0.999, epsilon: 1e-8 };
}

/// Adam (Kingma and Ba, arXiv:1412.6980, algorithm 1) with `beta1 = 0`, so that its first moment is the
/// gradient itself. Without momentum, a candidate that does not take part in a step does not move.
///
/// Every logit has a moment and a count of its own updates: a step leaves the state of the candidates
/// that did not take part as it is, and the correction of a young moment's bias is right for each.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Adam {
    settings: AdamSettings,
    moments: Vec<Vec<Moment>>,
}

/// What Adam remembers of one logit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Moment {
    /// Mean of the squares of its gradients, as if there had been zeros before the first.
    square: f64,
    updates: u64,
}

impl Adam {
    /// An optimizer that has not seen a gradient.
    ///
    /// # Errors
    /// A learning rate or epsilon that is not above 0, or a `beta2` that is not from 0 to below 1.
    pub fn new(settings: AdamSettings, logits: &Logits) -> Result<Self, SearchError> {
        check_positive("the learning rate of the logits", settings.learning_rate)?;
        check_positive("epsilon of Adam", settings.epsilon)?;
        let is_right = |beta2| (0.0..1.0).contains(&beta2);
        check("beta2 of Adam", settings.beta2, is_right, "from 0 to below 1")?;
        let counts = logits.values().choice_counts().into_iter();
        Ok(Self { settings, moments: counts.map(|count| vec![Moment::default(); count]).collect() })
    }

    /// Its settings.
    pub fn settings(&self) -> AdamSettings {
        self.settings
    }

    /// Moves the logits of the gates' participants, and no others. A pair stays as likely as it was
    /// ([`Gates::keep_mass`]).
    ///
    /// # Errors
    /// A gradient or gates of another shape than the logits, or a gradient that is not finite.
    pub fn step(
        &mut self,
        logits: &mut Logits,
        gradient: &EdgeValues,
        gates: &Gates,
    ) -> Result<(), SearchError> {
        gates.check_shape("gradients", gradient)?;
        self.check(logits, gradient)?;
        let before = logits.clone();
        for (edge, gates) in gates.edges().iter().enumerate() {
            for participant in gates.participants() {
                self.move_one(logits, gradient, edge, participant.candidate);
            }
        }
        gates.keep_mass(&before, logits)
    }

    /// Moves all logits.
    ///
    /// # Errors
    /// A gradient of another shape than the logits, or one that is not finite.
    pub fn step_all(
        &mut self,
        logits: &mut Logits,
        gradient: &EdgeValues,
    ) -> Result<(), SearchError> {
        self.check(logits, gradient)?;
        for (edge, slopes) in gradient.edges().iter().enumerate() {
            for candidate in 0..slopes.len() {
                self.move_one(logits, gradient, edge, candidate);
            }
        }
        Ok(())
    }

    fn move_one(
        &mut self,
        logits: &mut Logits,
        gradient: &EdgeValues,
        edge: usize,
        candidate: usize,
    ) {
        let slope = gradient.edges()[edge][candidate];
        let moment = &mut self.moments[edge][candidate];
        let step = moment.step(self.settings, slope);
        logits.edges_mut()[edge][candidate] -= step;
    }

    fn check(&self, logits: &Logits, gradient: &EdgeValues) -> Result<(), SearchError> {
        logits.values().check_shape("gradients", gradient)?;
        gradient.check_finite("gradient")?;
        let own: Vec<usize> = self.moments.iter().map(Vec::len).collect();
        let counts = logits.values().choice_counts();
        if own == counts {
            return Ok(());
        }
        let edge = own.iter().zip(&counts).position(|(own, count)| own != count);
        let message = format!("the optimizer's moments are of {own:?} candidates, not {counts:?}");
        Err(SearchError::Edge { edge: edge.unwrap_or(own.len().min(counts.len())), message })
    }
}

impl Moment {
    /// Takes a gradient in, and gives the length of the step.
    fn step(&mut self, settings: AdamSettings, gradient: f64) -> f64 {
        let AdamSettings { learning_rate, beta2, epsilon } = settings;
        self.updates += 1;
        self.square = beta2 * self.square + (1.0 - beta2) * gradient * gradient;
        let unbiased = self.square / (1.0 - beta2.powf(self.updates as f64));
        learning_rate * gradient / (unbiased.sqrt() + epsilon)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::*;
    use crate::GateMode;
    use crate::fixtures::{any_two_edge_values, logits, values};

    /// By hand: the means are 2, 1.5 and 8.75, and without the bias of 1/2, 3/4 and 7/8, 4, 2 and 10.
    #[test]
    fn steps_are_gradients_over_the_root_of_their_unbiased_mean_square() {
        let settings = AdamSettings { learning_rate: 0.1, beta2: 0.5, epsilon: 1e-12 };
        let mut moment = Moment::default();
        for (gradient, mean_square) in [(2.0_f64, 4.0_f64), (1.0, 2.0), (-4.0, 10.0)] {
            let step = moment.step(settings, gradient);
            assert!((step - 0.1 * gradient / mean_square.sqrt()).abs() < 1e-12, "{step}");
        }
    }

    proptest! {
        #[test]
        fn a_steady_gradient_moves_a_logit_by_the_learning_rate_at_every_step(
            gradient in 1e-3..1e3_f64, steps in 1_usize..200,
        ) {
            let mut logits = logits(&[&[0.0, 0.0]]);
            let mut adam = Adam::new(AdamSettings::PUBLISHED, &logits).unwrap();
            for _ in 0..steps {
                adam.step_all(&mut logits, &values(&[&[gradient, -gradient]])).unwrap();
            }
            let expected = 1e-3 * steps as f64;
            prop_assert!((logits.values().edges()[0][0] + expected).abs() < 1e-4 * expected);
            prop_assert!((logits.values().edges()[0][1] - expected).abs() < 1e-4 * expected);
        }

        #[test]
        fn a_step_of_a_pair_touches_no_other_logit_no_other_moment_and_not_the_pair_s_mass(
            (start, gradient) in any_two_edge_values(-4.0..4.0, -2.0..2.0), seed in any::<u64>(),
        ) {
            let settings = AdamSettings { learning_rate: 0.5, ..AdamSettings::PUBLISHED };
            let mut random = ChaCha8Rng::seed_from_u64(seed);
            let mut logits = Logits::of_values(start);
            let mut adam = Adam::new(settings, &logits).unwrap();
            for _ in 0..5 {
                let gates = GateMode::Two.sample(&logits, &mut random);
                let (old_logits, old_adam) = (logits.clone(), adam.clone());
                adam.step(&mut logits, &gradient, &gates).unwrap();
                let (old_p, new_p) = (old_logits.probabilities(), logits.probabilities());
                for (edge, gates) in gates.edges().iter().enumerate() {
                    let pair: Vec<usize> =
                        gates.participants().iter().map(|p| p.candidate).collect();
                    let mass = |p: &EdgeValues| pair.iter().map(|i| p.edges()[edge][*i]).sum::<f64>();
                    prop_assert!((mass(&old_p) - mass(&new_p)).abs() < 1e-6);
                    for candidate in 0..gradient.edges()[edge].len() {
                        let is_still = old_adam.moments[edge][candidate] == adam.moments[edge][candidate];
                        prop_assert_eq!(is_still, !pair.contains(&candidate));
                        if is_still {
                            let logit = |of: &Logits| of.values().edges()[edge][candidate].to_bits();
                            prop_assert_eq!(logit(&old_logits), logit(&logits));
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn a_gradient_that_is_not_finite_moves_nothing() {
        let mut logits = logits(&[&[0.0, 0.0]]);
        let before = logits.clone();
        let mut adam = Adam::new(AdamSettings::PUBLISHED, &logits).unwrap();
        let mut gradient = values(&[&[1.0, 1.0]]);
        gradient.edges_mut()[0][1] = f64::NAN;
        let error = adam.step_all(&mut logits, &gradient).unwrap_err();
        assert_eq!(error.to_string(), "edge 0: the gradient NaN is not finite");
        assert_eq!(logits, before);
    }

    #[test]
    fn settings_that_cannot_learn_are_refused() {
        let logits = logits(&[&[0.0, 0.0]]);
        for (settings, message) in [
            (
                AdamSettings { learning_rate: 0.0, ..AdamSettings::PUBLISHED },
                "the learning rate of the logits is 0, but must be finite and above 0",
            ),
            (
                AdamSettings { beta2: 1.0, ..AdamSettings::PUBLISHED },
                "beta2 of Adam is 1, but must be from 0 to below 1",
            ),
        ] {
            assert_eq!(Adam::new(settings, &logits).unwrap_err().to_string(), message);
        }
    }

    #[test]
    fn an_optimizer_of_other_logits_is_refused() {
        let mut adam = Adam::new(AdamSettings::PUBLISHED, &logits(&[&[0.0, 0.0]])).unwrap();
        let mut others = logits(&[&[0.0, 0.0, 0.0]]);
        let error = adam.step_all(&mut others, &values(&[&[1.0, 1.0, 1.0]])).unwrap_err();
        assert_eq!(
            error.to_string(),
            "edge 0: the optimizer's moments are of [2] candidates, not [3]"
        );
    }
}
