//! An entropy pressure makes edges decide while a search ends.
//!
//! A short search ends with edges between candidates: their most likely network is then not one of the expected
//! cost, and which one it is has much of chance. The pressure adds `weight grad H` to what is descended, with H
//! the entropy of all edges, so that what leads on an edge leads by more.

use serde::{Deserialize, Serialize};

use crate::error::{check, check_positive};
use crate::gradient_ratio::GradientRatio;
use crate::{EdgeValues, Logits, SearchError};

/// Share of the search in which logits learn without pressure.
const FREE: f64 = 0.5;

/// A squared gradient of the entropy that is of rounding alone.
const NO_DIRECTION: f64 = 1e-24;

/// The weight of the entropy in the loss of the logits, over the steps of a search:
///
/// ```text
/// weight = most max(0, (t / steps - 1/2) / (1/2)) rms |grad loss| / rms |grad H|
/// ```
///
/// In this scale a pressure of 1 pulls as hard as the loss does, noise included, whatever the space, the loss and
/// the size of a batch. (The published search has no such term: it runs for 120 epochs of ImageNet.)
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EntropyPressure {
    most: f64,
    steps: f64,
    taken: f64,
    /// Of the loss to the entropy.
    ratio: GradientRatio,
}

impl EntropyPressure {
    /// A pressure that grows to `most` in so many steps of the logits.
    ///
    /// # Errors
    /// A pressure below 0, or a search without steps.
    pub fn new(most: f64, steps: u64) -> Result<Self, SearchError> {
        check(
            "the entropy pressure",
            most,
            |most| most.is_finite() && most >= 0.0,
            "finite and not below 0",
        )?;
        let steps = steps as f64;
        check_positive("the number of the logits' steps", steps)?;
        Ok(Self { most, steps, taken: 0.0, ratio: GradientRatio::default() })
    }

    /// Adds this step's pressure to the gradient of a loss.
    ///
    /// # Errors
    /// A gradient of another shape than the logits.
    pub(crate) fn press(
        &mut self,
        gradient: &mut EdgeValues,
        logits: &Logits,
    ) -> Result<(), SearchError> {
        let entropy = logits.entropy_gradient();
        self.ratio.learn(gradient.squared_norm(), entropy.squared_norm());
        self.taken += 1.0;
        let growth = ((self.taken / self.steps - FREE) / (1.0 - FREE)).clamp(0.0, 1.0);
        // Candidates that are all alike, or edges that have all decided, have no direction to be pressed in.
        let has_direction = self.ratio.second_power() > NO_DIRECTION;
        let scale = self.ratio.value().filter(|_| has_direction).unwrap_or(0.0);
        gradient.add_scaled(&entropy, self.most * growth * scale)
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::*;
    use crate::fixtures::{logits, mobile_space, values};
    use crate::toy::Toy;
    use crate::{AdamSettings, GateMode, GradientSearch, Objective};

    /// Entropy over that of logits that are all alike, and expected cost over target, after a short noisy search.
    fn after_a_short_search(mode: GateMode, target: f64, most: f64) -> (f64, f64) {
        const STEPS: u64 = 1000;
        let mut random = ChaCha8Rng::seed_from_u64(3);
        let toy = Toy::new(1.0, 0.3, &mut random);
        let logits = Logits::random(&mobile_space(), &mut random);
        let undecided = logits.entropy_nats();
        let settings = AdamSettings { learning_rate: 0.01, ..AdamSettings::PUBLISHED };
        let objective = Objective::target(target).unwrap();
        let pressure = EntropyPressure::new(most, STEPS).unwrap();
        let mut search = GradientSearch::new(mode, logits, settings, objective, &toy.cost)
            .unwrap()
            .with_entropy_pressure(pressure);
        for _ in 0..STEPS {
            toy.step(&mut search, &mut random);
        }
        let expected = toy.cost.expected(search.logits()).unwrap().value;
        (search.logits().entropy_nats() / undecided, expected / target)
    }

    #[test]
    fn a_short_search_decides_and_its_expected_cost_stays_on_the_target() {
        for target in [65.0, 80.0, 120.0] {
            let (free, _) = after_a_short_search(GateMode::FullV2, target, 0.0);
            let (pressed, cost) = after_a_short_search(GateMode::FullV2, target, 1.0);
            assert!(pressed < 0.35 && pressed < 0.6 * free, "{target}: {pressed}, without {free}");
            assert!((cost - 1.0).abs() < 0.03, "{target}: {cost}");
        }
    }

    #[test]
    fn the_first_half_is_free_and_the_end_pulls_as_hard_as_the_loss() {
        let logits = logits(&[&[1.0, 0.0], &[0.0, -0.5, 0.2]]);
        let loss = values(&[&[0.3, -0.3], &[0.1, 0.2, -0.3]]);
        let mut pressure = EntropyPressure::new(1.0, 40).unwrap();
        for step in 1..=40 {
            let mut gradient = loss.clone();
            pressure.press(&mut gradient, &logits).unwrap();
            gradient.add_scaled(&loss, -1.0).unwrap();
            let share = (gradient.squared_norm() / loss.squared_norm()).sqrt();
            let expected = (f64::from(step) / 20.0 - 1.0).max(0.0);
            assert!((share - expected).abs() < 1e-9, "step {step}: {share}");
            let leads = gradient.edges()[0][0] <= 0.0 && gradient.edges()[0][1] >= 0.0;
            assert!(leads, "what leads is to lead by more");
        }
    }

    #[test]
    fn logits_that_are_alike_are_pressed_nowhere() {
        let alike = logits(&[&[0.0, 0.0], &[1.0, 1.0, 1.0]]);
        let mut gradient = values(&[&[0.1, -0.1], &[0.0, 0.0, 0.0]]);
        let before = gradient.clone();
        EntropyPressure::new(1.0, 1).unwrap().press(&mut gradient, &alike).unwrap();
        let moved = gradient.iter().zip(before.iter()).all(|(a, b)| (a - b).abs() < 1e-6);
        assert!(moved, "{gradient:?}");
    }

    #[test]
    fn a_pressure_that_is_none_is_refused() {
        for (most, steps, message) in [
            (-1.0, 10, "the entropy pressure is -1, but must be finite and not below 0"),
            (f64::NAN, 10, "the entropy pressure is NaN, but must be finite and not below 0"),
            (1.0, 0, "the number of the logits' steps is 0, but must be finite and above 0"),
        ] {
            assert_eq!(EntropyPressure::new(most, steps).unwrap_err().to_string(), message);
        }
    }
}
