//! The spread of a race is how far its longer trainings are from each other: those of one network, which differ in their seed
//! alone, and those of different networks beyond that.
//!
//! It says what a race can tell. Where a seed moves a training by more than networks differ by, the best of single
//! trainings is mostly the luckiest one.

use serde::Serialize;

use crate::Raced;

/// How far longer trainings are from each other, in shares of images.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct RaceSpread {
    /// How many networks were trained for longer.
    pub networks: usize,
    /// Standard deviation that a seed makes, pooled over networks that were trained so more than once.
    pub seed_deviation: f64,
    /// From how many differences that is: trainings less networks.
    pub degrees_of_freedom: usize,
    /// Standard deviation of networks beyond what seeds make of it; 0 where that leaves nothing.
    pub network_deviation: f64,
}

impl RaceSpread {
    /// That of these networks, by the one-way analysis of variance for unequal numbers of trainings (Searle and others 1992,
    /// "Variance Components", chapter 3). None where no network was trained for longer twice, or one alone was.
    ///
    /// Those that are trained again did well the first time, so that the seed's part is estimated rather too large than too
    /// small; and finalists are the better ones, which differ less than networks of one latency do.
    pub fn of(networks: &[Raced]) -> Option<Self> {
        let all: Vec<Vec<f64>> = networks.iter().map(|raced| raced.longer().collect()).collect();
        let groups: Vec<&[f64]> =
            all.iter().map(Vec::as_slice).filter(|one| !one.is_empty()).collect();
        let trainings: usize = groups.iter().map(|one| one.len()).sum();
        let degrees_of_freedom = trainings - groups.len();
        if degrees_of_freedom == 0 || groups.len() < 2 {
            return None;
        }
        let squares = |values: &[f64], around: f64| -> f64 {
            values.iter().map(|value| (value - around).powi(2)).sum()
        };
        let within: f64 = groups.iter().map(|one| squares(one, mean(one))).sum();
        let seed_variance = within / degrees_of_freedom as f64;
        let total = mean(&groups.concat());
        let count = |one: &[f64]| one.len() as f64;
        let between: f64 = groups.iter().map(|one| count(one) * (mean(one) - total).powi(2)).sum();
        let others = groups.len() as f64 - 1.0;
        let shared = groups.iter().map(|one| count(one).powi(2)).sum::<f64>() / trainings as f64;
        let each = (trainings as f64 - shared) / others;
        let network_variance = ((between / others - seed_variance) / each).max(0.0);
        Some(Self {
            networks: groups.len(),
            seed_deviation: seed_variance.sqrt(),
            degrees_of_freedom,
            network_deviation: network_variance.sqrt(),
        })
    }

    /// Whether a seed moves a training by more than the networks differ by, so that single ones order them mostly by chance.
    pub fn is_mostly_chance(&self) -> bool {
        self.network_deviation < self.seed_deviation
    }
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;
    use rand_distr::{Distribution, StandardNormal};

    use super::*;

    fn raced(longer: &[f64]) -> Raced {
        Raced {
            number: 0,
            choices: Vec::new(),
            predicted_ms: 1.0,
            accuracy: 0.5,
            expected_accuracy: 0.5,
            final_accuracy: longer.first().copied(),
            other_seeds: longer.iter().skip(1).copied().collect(),
            expected_final_accuracy: None,
        }
    }

    fn of(networks: &[&[f64]]) -> Option<RaceSpread> {
        let networks: Vec<Raced> = networks.iter().map(|one| raced(one)).collect();
        RaceSpread::of(&networks)
    }

    #[test]
    fn seeds_and_networks_have_their_parts() {
        let spread = of(&[&[0.50, 0.52], &[0.60, 0.62], &[]]).unwrap();
        assert_eq!((spread.networks, spread.degrees_of_freedom), (2, 2));
        // 4 deviations of 0.01 on 2 degrees of freedom; means that are 0.1 apart, less half of that variance.
        assert!((spread.seed_deviation.powi(2) - 0.0002).abs() < 1e-12);
        assert!((spread.network_deviation.powi(2) - 0.0049).abs() < 1e-12);
        assert!(!spread.is_mostly_chance());
    }

    #[test]
    fn networks_that_differ_by_less_than_their_seeds_differ_by_nothing() {
        let spread = of(&[&[0.50, 0.60], &[0.51, 0.59], &[0.55]]).unwrap();
        assert!((spread.network_deviation).abs() < 1e-12);
        assert!(spread.is_mostly_chance());
    }

    #[test]
    fn unequal_numbers_of_trainings_find_the_variances_that_they_were_drawn_with() {
        let mut random = ChaCha8Rng::seed_from_u64(7);
        let mut normal = || -> f64 { StandardNormal.sample(&mut random) };
        let networks: Vec<Vec<f64>> = (0..4000)
            .map(|number| {
                let own = 0.03 * normal();
                (0..=number % 3).map(|_| 0.7 + own + 0.02 * normal()).collect()
            })
            .collect();
        let networks: Vec<&[f64]> = networks.iter().map(Vec::as_slice).collect();
        let spread = of(&networks).unwrap();
        assert!((spread.seed_deviation - 0.02).abs() < 0.001, "{spread:?}");
        assert!((spread.network_deviation - 0.03).abs() < 0.001, "{spread:?}");
    }

    #[test]
    fn single_trainings_tell_no_spread() {
        for networks in [&[][..], &[&[0.5][..], &[0.6]], &[&[0.5, 0.6]]] {
            assert_eq!(of(networks), None);
        }
    }
}
