//! A round's factor is how much longer than usual the networks of a job took in one of its rounds.
//!
//! Each round of a job visits all of its networks, so that the rounds are the blocks of a randomised
//! block design: what slows the device for a minute, such as another program's use of the memory, meets
//! every network of the round, and can be told from what a network costs.

use std::collections::BTreeMap;

use op_catalog::Milliseconds;
use op_catalog::wire::Measurement;

use crate::quantile::median;

/// Networks of which the median says what a round did to all of them.
const FEWEST_NETWORKS: usize = 8;

/// Times that rows and columns are swept; medians settle in two or three.
const SWEEPS: usize = 10;

/// The factors of a job's rounds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RoundFactors(BTreeMap<u32, f64>);

/// The logarithm of one visit of a network.
struct Cell {
    network: usize,
    round: u32,
    logarithm: f64,
}

impl RoundFactors {
    /// The factors by Tukey's median polish of the logarithms of all visits (Exploratory Data Analysis,
    /// 1977, chapter 11): `log t = network + round + rest`, each part the median of what the other leaves.
    /// Of the visits, half were made in rounds with a factor of at most 1.
    ///
    /// Measurements that do not say their rounds are passed over; of fewer than eight networks, nothing
    /// is told apart, and every factor is 1.
    pub fn of<'a>(measurements: impl IntoIterator<Item = &'a Measurement>) -> Self {
        let told = |measurement: &&Measurement| {
            !measurement.visits.is_empty() && measurement.visits.len() == measurement.rounds.len()
        };
        let told: Vec<&Measurement> = measurements.into_iter().filter(told).collect();
        if told.len() < FEWEST_NETWORKS {
            return Self::default();
        }
        let mut cells = Vec::new();
        for (network, measurement) in told.iter().enumerate() {
            let visits = measurement.visits.iter().zip(&measurement.rounds);
            cells.extend(visits.map(|(visit, round)| Cell {
                network,
                round: *round,
                logarithm: visit.0.ln(),
            }));
        }
        Self(
            polish(&cells, told.len()).into_iter().map(|(round, log)| (round, log.exp())).collect(),
        )
    }

    /// The factor of each of these rounds: 1 for one that is not known.
    pub fn of_rounds(&self, rounds: &[u32]) -> Vec<f64> {
        rounds.iter().map(|round| self.0.get(round).copied().unwrap_or(1.0)).collect()
    }
}

/// The logarithms of the rounds' factors.
fn polish(cells: &[Cell], networks: usize) -> BTreeMap<u32, f64> {
    let mut rounds: BTreeMap<u32, f64> = cells.iter().map(|cell| (cell.round, 0.0)).collect();
    let mut costs = vec![0.0; networks];
    for _ in 0..SWEEPS {
        for (network, cost) in costs.iter_mut().enumerate() {
            let own = cells.iter().filter(|cell| cell.network == network);
            *cost = median(own.map(|cell| cell.logarithm - rounds[&cell.round]));
        }
        for (round, effect) in &mut rounds {
            let own = cells.iter().filter(|cell| cell.round == *round);
            *effect = median(own.map(|cell| cell.logarithm - costs[cell.network]));
        }
        let usual = median(cells.iter().map(|cell| rounds[&cell.round]));
        for effect in rounds.values_mut() {
            *effect -= usual;
        }
    }
    rounds
}

/// The median of visits, each over the factor of its round.
pub(crate) fn levelled(visits: &[Milliseconds], factors: &[f64]) -> Milliseconds {
    Milliseconds(median(visits.iter().zip(factors).map(|(visit, factor)| visit.0 / factor)))
}

#[cfg(test)]
mod tests {
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;
    use crate::fixtures::measurement;

    /// Networks of 20 to 60 ms, visited once in each of these rounds, with a noise of this size.
    fn job(
        factors: &[f64],
        noise: f64,
        networks: usize,
        seed: u64,
    ) -> (Vec<f64>, Vec<Measurement>) {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let costs: Vec<f64> = (0..networks).map(|_| random.random_range(20.0..60.0)).collect();
        let measured = costs.iter().map(|cost| {
            let visit = |factor: &f64| {
                Milliseconds(cost * factor * (1.0 + noise * random.random_range(-1.0..1.0)))
            };
            Measurement {
                visits: factors.iter().map(visit).collect(),
                rounds: (0..factors.len() as u32).collect(),
                ..measurement(1.0)
            }
        });
        let measured = measured.collect();
        (costs, measured)
    }

    fn mean_error(costs: &[f64], found: impl Iterator<Item = f64>) -> f64 {
        costs.iter().zip(found).map(|(cost, found)| (found / cost - 1.0).abs()).sum::<f64>()
            / costs.len() as f64
    }

    #[test]
    fn what_a_round_did_to_all_networks_is_found_and_taken_off() {
        let factors = [1.0, 1.006, 0.994, 0.993, 1.08, 1.0, 1.055];
        let (mut levelled_error, mut plain_error) = (0.0, 0.0);
        for seed in 0..20 {
            let (costs, measured) = job(&factors, 0.02, 60, seed);
            let found = RoundFactors::of(&measured);
            let first = &measured[0].rounds;
            for (found, factor) in found.of_rounds(first).into_iter().zip(factors) {
                assert!((found / factor - 1.0).abs() < 0.01, "{found} is not {factor}");
            }
            let taken_off =
                measured.iter().map(|row| levelled(&row.visits, &found.of_rounds(&row.rounds)).0);
            let as_it_was = measured.iter().map(|row| median(row.visits.iter().map(|v| v.0)));
            levelled_error += mean_error(&costs, taken_off);
            plain_error += mean_error(&costs, as_it_was);
        }
        assert!(levelled_error < 0.9 * plain_error, "{levelled_error} of {plain_error}");
    }

    #[test]
    fn networks_that_missed_rounds_are_told_from_the_rounds_that_they_missed() {
        let factors = [1.0, 1.0, 1.0, 1.1, 1.1];
        let (costs, mut measured) = job(&factors, 0.0, 20, 1);
        // Some of the networks are visited in the slow rounds alone.
        for row in &mut measured[..6] {
            row.visits.drain(..3);
            row.rounds.drain(..3);
        }
        let found = RoundFactors::of(&measured);
        for (cost, row) in costs.iter().zip(&measured) {
            let level = levelled(&row.visits, &found.of_rounds(&row.rounds)).0;
            let usual = found.of_rounds(&[0])[0];
            assert!((level * usual / cost - 1.0).abs() < 1e-9, "{level} is not {cost}");
        }
    }

    #[test]
    fn of_few_networks_and_of_rounds_that_are_not_told_every_factor_is_one() {
        let (_, mut measured) = job(&[1.0, 2.0], 0.0, FEWEST_NETWORKS, 1);
        assert!(RoundFactors::of(&measured).of_rounds(&[1])[0] > 1.4);
        assert_eq!(RoundFactors::of(&measured[1..]), RoundFactors::default());
        measured[0].rounds.clear();
        assert_eq!(RoundFactors::of(&measured).of_rounds(&[0, 1]), [1.0, 1.0]);
    }
}
