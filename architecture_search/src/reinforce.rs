//! REINFORCE learns logits from the rewards of sampled architectures alone, without a gradient of the
//! network.

use op_catalog::Architecture;
use serde::{Deserialize, Serialize};

use crate::error::{check, check_finite, check_positive};
use crate::{EdgeValues, Logits, SearchError};

/// What an architecture is worth: `accuracy (T / cost)^w` (ProxylessNAS, section 3.3.2; `w = 0.1` in
/// `nas_manager.py`).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Reward {
    target: f64,
    exponent: f64,
}

/// An architecture that was sampled, with its reward.
#[derive(Clone, Debug, PartialEq)]
pub struct Episode {
    /// What was sampled.
    pub architecture: Architecture,
    /// What it is worth.
    pub reward: f64,
}

/// The estimator, with its baseline.
///
/// The baseline is an exponential moving average of the rewards of the batches before this one. Knowing
/// nothing of the batch, it leaves the estimate unbiased. (The published one keeps 1 % of itself at each
/// batch, and is the mean of the batch that it is subtracted from.)
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Reinforce {
    decay: f64,
    baseline: Option<f64>,
}

impl Reward {
    /// A reward with a target in the unit of the cost.
    ///
    /// # Errors
    /// A target that is not above 0, or an exponent that is not finite.
    pub fn new(target: f64, exponent: f64) -> Result<Self, SearchError> {
        check_positive("the target of the reward", target)?;
        check_finite("the exponent of the reward", exponent)?;
        Ok(Self { target, exponent })
    }

    /// The reward of an accuracy between 0 and 1 and a cost.
    ///
    /// # Errors
    /// An accuracy outside, or a cost that is not above 0.
    pub fn of(&self, accuracy: f64, cost: f64) -> Result<f64, SearchError> {
        let is_right = |accuracy| (0.0..=1.0).contains(&accuracy);
        check("an accuracy", accuracy, is_right, "between 0 and 1")?;
        check_positive("the cost of an architecture", cost)?;
        Ok(accuracy * (self.target / cost).powf(self.exponent))
    }
}

impl Reinforce {
    /// An estimator that has seen no reward. A batch leaves `decay` of the baseline.
    ///
    /// # Errors
    /// A decay that is not from 0 to below 1.
    pub fn new(decay: f64) -> Result<Self, SearchError> {
        let is_right = |decay| (0.0..1.0).contains(&decay);
        check("the decay of the baseline", decay, is_right, "from 0 to below 1")?;
        Ok(Self { decay, baseline: None })
    }

    /// The mean reward that it expects, once it has seen some.
    pub fn baseline(&self) -> Option<f64> {
        self.baseline
    }

    /// `mean_j (R_j - b) d(-ln p_j)/dalpha` (Williams 1992): an estimate of `-dE[R]/dalpha`, to be
    /// descended. The rewards then enter the baseline.
    ///
    /// Episodes of the first batch are compared with the mean of the others in it, so that the
    /// estimate is unbiased from the start; a single first episode teaches the baseline alone.
    ///
    /// # Errors
    /// No episode, one of another space, or a reward that is not finite.
    pub fn gradient(
        &mut self,
        logits: &Logits,
        episodes: &[Episode],
    ) -> Result<EdgeValues, SearchError> {
        if episodes.is_empty() {
            return Err(SearchError::Empty { what: "episode to learn from" });
        }
        for episode in episodes {
            check_finite("the reward of an episode", episode.reward)?;
        }
        let count = episodes.len() as f64;
        let mean = episodes.iter().map(|episode| episode.reward).sum::<f64>() / count;
        // With b_j the mean of the others, R_j - b_j = (R_j - mean) n / (n - 1).
        let (baseline, factor) = match self.baseline {
            Some(baseline) => (baseline, 1.0),
            None => (mean, count / (count - 1.0).max(1.0)),
        };
        let mut gradient = logits.values().zeros_like();
        for Episode { architecture, reward } in episodes {
            let advantage = factor * (reward - baseline);
            let ascent = logits.log_probability_gradient(architecture)?;
            gradient.add_scaled(&ascent, -advantage / count)?;
        }
        let kept = |old: f64| self.decay * old + (1.0 - self.decay) * mean;
        self.baseline = Some(self.baseline.map_or(mean, kept));
        Ok(gradient)
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::*;
    use crate::fixtures::logits;

    /// A space of six architectures, their accuracies and latencies in milliseconds as a table.
    fn toy() -> (Logits, Vec<Episode>) {
        let reward = Reward::new(80.0, 0.1).unwrap();
        let table = [
            ([0, 0], 0.60, 40.0),
            ([0, 1], 0.72, 85.0),
            ([1, 0], 0.65, 60.0),
            ([1, 1], 0.75, 130.0),
            ([2, 0], 0.70, 75.0),
            ([2, 1], 0.76, 190.0),
        ];
        let episodes = table.map(|(choices, accuracy, latency_ms)| Episode {
            architecture: Architecture::new(choices.to_vec()),
            reward: reward.of(accuracy, latency_ms).unwrap(),
        });
        (logits(&[&[0.3, -0.2, 0.5], &[0.0, 0.8]]), episodes.to_vec())
    }

    /// An estimator whose baseline is this, and stays near it.
    fn with_baseline(baseline: f64) -> Reinforce {
        Reinforce { decay: 0.999, baseline: Some(baseline) }
    }

    /// `-E[R]` by its definition, over all architectures of the toy.
    fn exact_loss(logits: &Logits, all: &[Episode]) -> f64 {
        let p = |episode: &Episode| logits.log_probability(&episode.architecture).unwrap().exp();
        -all.iter().map(|episode| p(episode) * episode.reward).sum::<f64>()
    }

    /// Its gradient by central differences, one edge after the other.
    fn exact_gradient(logits: &Logits, all: &[Episode]) -> Vec<f64> {
        const STEP: f64 = 1e-5;
        let mut gradient = Vec::new();
        for (edge, values) in logits.values().edges().iter().enumerate() {
            for candidate in 0..values.len() {
                let at = |step: f64| {
                    let mut moved = logits.clone();
                    moved.edges_mut()[edge][candidate] += step;
                    exact_loss(&moved, all)
                };
                gradient.push((at(STEP) - at(-STEP)) / (2.0 * STEP));
            }
        }
        gradient
    }

    /// Variance of the estimate from one episode, summed over all architectures.
    fn exact_variances(logits: &Logits, all: &[Episode], baseline: f64) -> Vec<f64> {
        let mean = exact_gradient(logits, all);
        let mut variances = vec![0.0; mean.len()];
        for episode in all {
            let p = logits.log_probability(&episode.architecture).unwrap().exp();
            let alone = std::slice::from_ref(episode);
            let estimate = with_baseline(baseline).gradient(logits, alone).unwrap();
            for ((variance, estimate), mean) in variances.iter_mut().zip(estimate.iter()).zip(&mean)
            {
                *variance += p * (estimate - mean).powi(2);
            }
        }
        variances
    }

    fn sample(
        logits: &Logits,
        all: &[Episode],
        count: usize,
        random: &mut ChaCha8Rng,
    ) -> Vec<Episode> {
        let draw = || {
            let architecture = logits.sample(random);
            all.iter().find(|episode| episode.architecture == architecture).unwrap().clone()
        };
        std::iter::repeat_with(draw).take(count).collect()
    }

    /// A thousand estimates of each size: every one within five standard errors of the exact gradient,
    /// and their mean square error that of theory, which falls as one over the number of episodes.
    #[test]
    fn the_estimate_converges_to_the_exact_gradient_as_one_over_the_root_of_its_episodes() {
        const ESTIMATES: usize = 1_000;
        let (logits, all) = toy();
        let baseline = 0.7;
        let exact = exact_gradient(&logits, &all);
        let variances = exact_variances(&logits, &all, baseline);
        let mut random = ChaCha8Rng::seed_from_u64(17);
        for count in [50, 200, 800] {
            let mut ratio = 0.0;
            for _ in 0..ESTIMATES {
                let episodes = sample(&logits, &all, count, &mut random);
                let estimate = with_baseline(baseline).gradient(&logits, &episodes).unwrap();
                for ((found, mean), variance) in estimate.iter().zip(&exact).zip(&variances) {
                    let squared_error = (found - mean).powi(2);
                    let expected = variance / count as f64;
                    assert!(squared_error < 25.0 * expected, "{count}: {found} {mean}");
                    ratio += squared_error / expected / (ESTIMATES * exact.len()) as f64;
                }
            }
            assert!((ratio - 1.0).abs() < 0.12, "{count}: {ratio}");
        }
    }

    #[test]
    fn the_first_batch_is_unbiased_though_its_baseline_is_its_own() {
        const BATCHES: usize = 20_000;
        let (logits, all) = toy();
        let exact = exact_gradient(&logits, &all);
        let variances = exact_variances(&logits, &all, -exact_loss(&logits, &all));
        let mut random = ChaCha8Rng::seed_from_u64(23);
        let mut mean = logits.values().zeros_like();
        for _ in 0..BATCHES {
            let episodes = sample(&logits, &all, 3, &mut random);
            let estimate = Reinforce::new(0.9).unwrap().gradient(&logits, &episodes).unwrap();
            mean.add_scaled(&estimate, 1.0 / BATCHES as f64).unwrap();
        }
        for ((found, exact), variance) in mean.iter().zip(&exact).zip(&variances) {
            // Comparing with two others makes an episode's variance half as large again, or so.
            let standard_error = (2.0 * variance / (3.0 * BATCHES as f64)).sqrt();
            assert!((found - exact).abs() < 5.0 * standard_error, "{found} {exact}");
        }
    }

    #[test]
    fn the_baseline_is_a_slow_average_of_the_batches_before() {
        let (logits, all) = toy();
        let mut estimator = Reinforce::new(0.9).unwrap();
        let batch = |reward: f64| vec![Episode { reward, ..all[0].clone() }; 2];
        for (reward, expected) in [(1.0, 1.0), (0.0, 0.9), (0.0, 0.81), (2.0, 0.929)] {
            estimator.gradient(&logits, &batch(reward)).unwrap();
            assert!((estimator.baseline().unwrap() - expected).abs() < 1e-12);
        }
        // Rewards as large as it teach nothing.
        let gradient = with_baseline(0.5).gradient(&logits, &batch(0.5)).unwrap();
        assert!(gradient.iter().all(|slope| slope == 0.0));
    }

    #[test]
    fn a_reward_is_the_accuracy_at_the_target_and_less_above_it() {
        let reward = Reward::new(80.0, 0.1).unwrap();
        assert!((reward.of(0.75, 80.0).unwrap() - 0.75).abs() < 1e-15);
        assert!((reward.of(0.75, 160.0).unwrap() - 0.75 * 0.5_f64.powf(0.1)).abs() < 1e-15);
        for (accuracy, cost, message) in [
            (74.6, 80.0, "an accuracy is 74.6, but must be between 0 and 1"),
            (0.7, 0.0, "the cost of an architecture is 0, but must be finite and above 0"),
        ] {
            assert_eq!(reward.of(accuracy, cost).unwrap_err().to_string(), message);
        }
    }

    #[test]
    fn what_cannot_be_learnt_from_is_refused_and_leaves_the_baseline() {
        let (logits, all) = toy();
        let mut estimator = with_baseline(0.5);
        let broken = vec![Episode { reward: f64::NAN, ..all[0].clone() }];
        let foreign = vec![Episode { architecture: Architecture::new(vec![0]), reward: 1.0 }];
        for (episodes, message) in [
            (vec![], "there is no episode to learn from, but at least one is needed"),
            (broken, "the reward of an episode is NaN, but must be finite"),
            (foreign, "choices for 1 edges were given, but there are 2"),
        ] {
            let error = estimator.gradient(&logits, &episodes).unwrap_err();
            assert_eq!(error.to_string(), message);
        }
        assert_eq!(estimator, with_baseline(0.5));
    }
}
