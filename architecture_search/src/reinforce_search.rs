//! A search by REINFORCE learns logits from rewards: its logits, their optimizer and its estimator are
//! all that it knows.

use op_catalog::Architecture;
use rand::Rng;
use serde::{Deserialize, Serialize};

use crate::{Adam, AdamSettings, Episode, Logits, Reinforce, SearchError};

/// The state of a search by REINFORCE; saved and read again it goes on to the last bit.
///
/// A step is: [`Self::sample`] several times; each is given a [`Reward`](crate::Reward) on the same
/// images; [`Self::step`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ReinforceSearch {
    logits: Logits,
    adam: Adam,
    estimator: Reinforce,
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
        Ok(Self { adam: Adam::new(settings, &logits)?, logits, estimator })
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

    /// Learns from the architectures that were tried together.
    ///
    /// # Errors
    /// As [`Reinforce::gradient`]. The logits then are as they were.
    pub fn step(&mut self, episodes: &[Episode]) -> Result<(), SearchError> {
        let gradient = self.estimator.gradient(&self.logits, episodes)?;
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
                self.search.step(&episodes).unwrap();
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
