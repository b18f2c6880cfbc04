//! A search by REINFORCE learns logits from rewards: its logits, their optimizer and its estimator are
//! all that it knows.

use op_catalog::Architecture;
use rand::Rng;
use serde::{Deserialize, Serialize};

use crate::{
    Adam, AdamSettings, EntropyPressure, Episode, Logits, Reinforce, SearchCost, SearchError,
    TargetMultiplier,
};

/// The state of a search by REINFORCE; saved and read again it goes on to the last bit.
///
/// A step is: [`Self::sample`] several times; each is given a [`Reward`](crate::Reward) on the same
/// images; [`Self::step`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ReinforceSearch {
    logits: Logits,
    adam: Adam,
    estimator: Reinforce,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    target: Option<TargetMultiplier>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pressure: Option<EntropyPressure>,
}

impl ReinforceSearch {
    /// A search that has not begun.
    ///
    /// # Errors
    /// Settings that cannot learn.
    pub fn new(
        logits: Logits,
        settings: AdamSettings,
        estimator: Reinforce,
    ) -> Result<Self, SearchError> {
        let adam = Adam::new(settings, &logits)?;
        Ok(Self { adam, logits, estimator, target: None, pressure: None })
    }

    /// The same search, led to an expected cost: the reward alone trades cost for accuracy, and leads to none.
    ///
    /// The expected cost needs no sampling: its exact gradient is added, with a multiplier that is learnt, to the
    /// estimate of that of the rewards, as [`Objective::Target`](crate::Objective::Target) does to that of a
    /// cross-entropy.
    ///
    /// # Errors
    /// A target that no architecture can have.
    pub fn with_target(
        self,
        multiplier: TargetMultiplier,
        cost: &SearchCost,
    ) -> Result<Self, SearchError> {
        cost.check_target(multiplier.target())?;
        Ok(Self { target: Some(multiplier), ..self })
    }

    /// The same search, that decides in its steps.
    #[must_use]
    pub fn with_entropy_pressure(self, pressure: EntropyPressure) -> Self {
        Self { pressure: Some(pressure), ..self }
    }

    /// What has been learnt.
    pub fn logits(&self) -> &Logits {
        &self.logits
    }

    /// What rewards are compared with.
    pub fn estimator(&self) -> &Reinforce {
        &self.estimator
    }

    /// Draws an architecture to be tried.
    pub fn sample(&self, random: &mut impl Rng) -> Architecture {
        self.logits.sample(random)
    }

    /// Learns from the architectures that were tried together, and from the cost where it is led to one.
    ///
    /// # Errors
    /// As [`Reinforce::gradient`] and [`SearchCost::expected`]. The logits then are as they were.
    pub fn step(&mut self, episodes: &[Episode], cost: &SearchCost) -> Result<(), SearchError> {
        let cost = cost.expected(&self.logits)?;
        let mut gradient = self.estimator.gradient(&self.logits, episodes)?;
        if let Some(multiplier) = &mut self.target {
            let lambda = multiplier.learn(&gradient, &cost);
            gradient.add_scaled(&cost.gradient, lambda / multiplier.target())?;
        }
        if let Some(pressure) = &mut self.pressure {
            pressure.press(&mut gradient, &self.logits)?;
        }
        self.adam.step_all(&mut self.logits, &gradient)
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::*;
    use crate::fixtures::mobile_space;
    use crate::{LinearCost, Reward, SearchCost};

    /// Accuracies are better for dearer architectures, and rewards weigh that against the cost.
    struct Trial {
        search: ReinforceSearch,
        random: ChaCha8Rng,
    }

    impl Trial {
        fn new(seed: u64) -> Self {
            let mut random = ChaCha8Rng::seed_from_u64(seed);
            let logits = Logits::random(&mobile_space(), &mut random);
            let estimator = Reinforce::new(0.9).unwrap();
            let settings = AdamSettings { learning_rate: 0.02, ..AdamSettings::PUBLISHED };
            Self { search: ReinforceSearch::new(logits, settings, estimator).unwrap(), random }
        }

        fn run(&mut self, steps: usize, cost: &SearchCost) {
            let reward = Reward::new(3e8, 1.0).unwrap();
            for _ in 0..steps {
                let episodes: Vec<Episode> = (0..10)
                    .map(|_| {
                        let architecture = self.search.sample(&mut self.random);
                        let macs = cost.of(&architecture).unwrap();
                        let reward = reward.of((macs / 1e9).min(1.0).powf(0.1), macs).unwrap();
                        Episode { architecture, reward }
                    })
                    .collect();
                self.search.step(&episodes, cost).unwrap();
            }
        }
    }

    #[test]
    fn rewards_that_fall_with_the_cost_lead_to_cheaper_architectures() {
        let cost = SearchCost::from(LinearCost::macs(&mobile_space()));
        let mut trial = Trial::new(1);
        let before = cost.expected(trial.search.logits()).unwrap().value;
        trial.run(300, &cost);
        let after = cost.expected(trial.search.logits()).unwrap().value;
        assert!(after < 0.7 * before, "{before} {after}");
    }

    #[test]
    fn a_search_that_is_led_to_a_cost_ends_there_from_either_side() {
        let cost = SearchCost::from(LinearCost::macs(&mobile_space()));
        for share in [0.6, 1.3] {
            let mut trial = Trial::new(3);
            let target = share * cost.expected(trial.search.logits()).unwrap().value;
            let multiplier = TargetMultiplier::new(target).unwrap();
            trial.search = trial.search.clone().with_target(multiplier, &cost).unwrap();
            trial.run(600, &cost);
            let end = cost.expected(trial.search.logits()).unwrap().value / target;
            assert!((end - 1.0).abs() < 0.02, "{share}: {end}");
        }
    }

    #[test]
    fn a_target_that_no_architecture_has_is_refused() {
        let cost = SearchCost::from(LinearCost::macs(&mobile_space()));
        let multiplier = TargetMultiplier::new(1e12).unwrap();
        let error = Trial::new(4).search.with_target(multiplier, &cost).unwrap_err().to_string();
        assert!(
            error.starts_with("the target cost is 1000000000000, but must be from "),
            "{error}"
        );
    }

    #[test]
    fn a_search_that_was_saved_goes_on_to_the_last_bit() {
        let cost = SearchCost::from(LinearCost::macs(&mobile_space()));
        let mut whole = Trial::new(2);
        whole.run(20, &cost);
        let mut parts = Trial::new(2);
        parts.run(9, &cost);
        let saved = serde_json::to_string(&parts.search).unwrap();
        parts.search = serde_json::from_str(&saved).unwrap();
        parts.run(11, &cost);
        let bits = |trial: &Trial| -> Vec<u64> {
            trial.search.logits().values().iter().map(f64::to_bits).collect()
        };
        assert_eq!(bits(&whole), bits(&parts));
        assert_eq!(whole.search, parts.search);
    }
}
