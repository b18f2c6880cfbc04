//! A toy is a task in which what networks are worth is known.

use op_catalog::{Architecture, SearchSpace};
use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};

use crate::candidate_traits::traits;
use crate::{EdgeValues, LinearCost, Logits, Trial, TrialLength};

/// What candidates are worth, and what chance does to a training.
pub(crate) struct Truth {
    worth: EdgeValues,
    noise: f64,
}

impl Truth {
    /// On some edges wide candidates are better, on others narrow ones; each candidate is a little better or worse by itself.
    pub(crate) fn of(space: &SearchSpace, noise: f64) -> Self {
        let mut random = ChaCha8Rng::seed_from_u64(77);
        let [width, _] = traits(space.edges());
        let worth = width.map_edges(|edge| {
            let slope: f64 = StandardNormal.sample(&mut random);
            let own = |random: &mut ChaCha8Rng| -> f64 { StandardNormal.sample(random) };
            edge.iter().map(|width| 0.4 * slope * width + 0.15 * own(&mut random)).collect()
        });
        Self { worth, noise }
    }

    pub(crate) fn worth(&self, architecture: &Architecture) -> f64 {
        let edges = self.worth.edges().iter().zip(architecture.choices());
        edges.map(|(edge, &choice)| edge[choice]).sum()
    }

    pub(crate) fn trial(&self, architecture: &Architecture, random: &mut impl Rng) -> Trial {
        let noise: f64 = StandardNormal.sample(random);
        let score = 70.0 + self.worth(architecture) + self.noise * noise;
        Trial { architecture: architecture.clone(), length: TrialLength::Short, score }
    }

    /// A longer training is 12 better, and chance makes a quarter less of it.
    pub(crate) fn longer(&self, trial: &Trial, random: &mut impl Rng) -> Trial {
        let noise: f64 = StandardNormal.sample(random);
        let score = 82.0 + self.worth(&trial.architecture) + 0.75 * self.noise * noise;
        Trial { length: TrialLength::Longer, score, ..trial.clone() }
    }
}

/// Logits of a search that has learnt nothing.
pub(crate) fn no_preference(space: &SearchSpace) -> Logits {
    let zeros = space.edges().map(|edge| vec![0.0; edge.len()]).collect();
    Logits::of_values(EdgeValues::of_lists(zeros))
}

/// Networks of a window, drawn uniformly.
pub(crate) fn uniform(
    space: &SearchSpace,
    cost: &LinearCost,
    (floor, budget): (f64, f64),
    count: usize,
    random: &mut impl Rng,
) -> Vec<Architecture> {
    let draws = std::iter::repeat_with(|| {
        Architecture::new(space.edges().map(|edge| random.random_range(0..edge.len())).collect())
    });
    let is_within = |one: &Architecture| (floor..=budget).contains(&cost.of(one).unwrap());
    draws.filter(is_within).take(count).collect()
}
