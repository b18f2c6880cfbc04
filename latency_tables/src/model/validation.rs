//! A validation is how well a kind of model predicts networks that it was not fitted on.

use std::collections::BTreeMap;

use op_catalog::Milliseconds;
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::calibration;
use super::design::Design;
use super::kind::ModelKind;
use super::regression::Observation;
use crate::{Agreement, Point};

/// Cross-validated agreement of one kind of model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Validation {
    /// The kind.
    pub kind: ModelKind,
    /// Number of networks, each of them predicted by a model that was fitted without it.
    pub networks: u64,
    /// Number of folds.
    pub folds: u64,
    /// Agreement of the predictions.
    pub agreement: Agreement,
    /// The largest absolute percentage error.
    pub max_percent: f64,
    /// Share of the networks inside the 90 % intervals, whose width was calibrated without their fold.
    pub coverage90: f64,
}

/// A network as predicted by a model that did not see it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HeldOut {
    fold: usize,
    predicted: f64,
    measured: f64,
    /// The residual over its standard error.
    standardised: f64,
}

impl HeldOut {
    fn relative_error(&self) -> f64 {
        (self.predicted / self.measured - 1.0).abs()
    }
}

/// Cross-validation is made in ten folds, or of many networks in five: there, half the time makes no
/// difference.
const FOLDS: usize = 10;
const FOLDS_OF_MANY: usize = 5;
const MANY: usize = 200;

/// Deals networks to folds: all repeats of an architecture to one, so that none is predicted by a model
/// that saw it, and architectures in an order shuffled by the seed.
pub(crate) fn folds<'a>(choices: impl Iterator<Item = &'a [usize]>, seed: u64) -> Vec<usize> {
    let mut groups = BTreeMap::new();
    let group_of: Vec<usize> = choices
        .map(|choices| {
            let next = groups.len();
            *groups.entry(choices).or_insert(next)
        })
        .collect();
    let count = if groups.len() > MANY { FOLDS_OF_MANY } else { FOLDS.min(groups.len()) };
    let mut fold_of: Vec<usize> = (0..groups.len()).map(|group| group % count).collect();
    fold_of.shuffle(&mut ChaCha8Rng::seed_from_u64(seed));
    group_of.into_iter().map(|group| fold_of[group]).collect()
}

/// Predicts every network by a model of the others (Stone 1974, "Cross-validatory choice and
/// assessment of statistical predictions"). Everything that is chosen from data is chosen again for
/// each fold.
pub(crate) fn held_out(
    kind: ModelKind,
    design: &Design,
    networks: &[Observation],
    folds: &[usize],
) -> Vec<HeldOut> {
    let mut held_out = Vec::with_capacity(networks.len());
    for fold in 0..fold_count(folds) {
        let with_folds = networks.iter().zip(folds);
        let training: Vec<&Observation> = with_folds
            .clone()
            .filter(|(_, other)| **other != fold)
            .map(|(network, _)| network)
            .collect();
        let Some(fit) = kind.fit(design, &training) else {
            return Vec::new();
        };
        held_out.extend(with_folds.filter(|(_, other)| **other == fold).map(|(network, _)| {
            let predicted = fit.mean_of(&network.features);
            let variance = fit.predictive_variance(&network.features, network.weight);
            HeldOut {
                fold,
                predicted,
                measured: network.latency,
                standardised: (network.latency - predicted)
                    / variance.sqrt().max(f64::MIN_POSITIVE),
            }
        }));
    }
    held_out
}

fn fold_count(folds: &[usize]) -> usize {
    folds.iter().max().map_or(0, |last| last + 1)
}

/// The multiplier of intervals that these held-out networks ask for.
pub(crate) fn multiplier(held_out: &[HeldOut], degrees_of_freedom: f64) -> f64 {
    let standardised: Vec<f64> = held_out.iter().map(|network| network.standardised).collect();
    calibration::multiplier(&standardised, degrees_of_freedom)
}

impl Validation {
    /// Sums up held-out networks, of which there are at least two.
    pub(crate) fn of(
        kind: ModelKind,
        held_out: &[HeldOut],
        degrees_of_freedom: f64,
    ) -> Option<Self> {
        let points = held_out.iter().map(|network| Point {
            predicted: Milliseconds(network.predicted),
            measured: Milliseconds(network.measured),
        });
        let folds: Vec<usize> = held_out.iter().map(|network| network.fold).collect();
        let largest = held_out.iter().map(HeldOut::relative_error).fold(0.0, f64::max);
        Some(Self {
            kind,
            networks: held_out.len() as u64,
            folds: fold_count(&folds) as u64,
            agreement: Agreement::of(&points.collect::<Vec<_>>())?,
            max_percent: 100.0 * largest,
            coverage90: coverage(held_out, fold_count(&folds), degrees_of_freedom),
        })
    }
}

impl Validation {
    /// Whether every number of it is finite.
    pub(crate) fn is_finite(&self) -> bool {
        let Agreement { mape_percent, rmse_ms, spearman, kendall, bias_percent } = self.agreement;
        let always = [mape_percent, rmse_ms, bias_percent, self.max_percent, self.coverage90];
        always.into_iter().chain(spearman).chain(kendall).all(f64::is_finite)
    }
}

fn coverage(held_out: &[HeldOut], folds: usize, degrees_of_freedom: f64) -> f64 {
    let inside = (0..folds).map(|fold| {
        let (own, others): (Vec<HeldOut>, Vec<HeldOut>) =
            held_out.iter().partition(|network| network.fold == fold);
        let multiplier = multiplier(&others, degrees_of_freedom);
        own.iter().filter(|network| network.standardised.abs() <= multiplier).count()
    });
    inside.sum::<usize>() as f64 / held_out.len() as f64
}

/// The index of the kind to use, of held-out predictions of the same networks by each kind, the
/// simplest first: the simplest of which the mean absolute relative error is within one standard error
/// of the smallest (Breiman, Friedman, Olshen and Stone 1984, section 3.4.3). The standard error is that
/// of the difference, network by network: kinds are right and wrong about the same networks.
pub(crate) fn select(candidates: &[Vec<HeldOut>]) -> usize {
    let mean = |errors: &[f64]| errors.iter().sum::<f64>() / errors.len() as f64;
    let errors: Vec<Vec<f64>> = candidates
        .iter()
        .map(|held_out| held_out.iter().map(HeldOut::relative_error).collect())
        .collect();
    let best = (0..errors.len()).min_by(|&a, &b| mean(&errors[a]).total_cmp(&mean(&errors[b])));
    let Some(best) = best else { return 0 };
    let is_as_good = |index: &usize| {
        let differences: Vec<f64> =
            errors[*index].iter().zip(&errors[best]).map(|(error, least)| error - least).collect();
        let centre = mean(&differences);
        let square: f64 = differences.iter().map(|difference| (difference - centre).powi(2)).sum();
        let count = differences.len() as f64;
        centre <= (square / (count - 1.0).max(1.0) / count).sqrt()
    };
    (0..errors.len()).find(is_as_good).unwrap_or(best)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held_out(errors: &[f64]) -> Vec<HeldOut> {
        let network = |(index, error): (usize, &f64)| HeldOut {
            fold: index % 5,
            predicted: 10.0 * (1.0 + error),
            measured: 10.0,
            standardised: error / 0.01,
        };
        errors.iter().enumerate().map(network).collect()
    }

    #[test]
    fn repeats_of_an_architecture_stay_in_one_fold_and_folds_are_of_like_size() {
        let choices: Vec<Vec<usize>> = (0..50).map(|index| vec![index % 25, 1]).collect();
        let folds = folds(choices.iter().map(Vec::as_slice), 3);
        assert_eq!(folds[..25], folds[25..]);
        for fold in 0..10 {
            let size = folds.iter().filter(|other| **other == fold).count();
            assert!((4..=6).contains(&size), "{size}");
        }
    }

    #[test]
    fn the_same_seed_deals_the_same_folds_and_another_others() {
        let choices: Vec<Vec<usize>> = (0..50).map(|index| vec![index]).collect();
        let deal = |seed| folds(choices.iter().map(Vec::as_slice), seed);
        assert_eq!(deal(1), deal(1));
        assert_ne!(deal(1), deal(2));
    }

    #[test]
    fn the_simplest_kind_wins_unless_another_is_better_by_more_than_chance() {
        let noisy: Vec<f64> = (0..40).map(|i| 0.01 + 0.002 * f64::from(i % 4)).collect();
        let a_little_better: Vec<f64> = noisy
            .iter()
            .zip(0..)
            .map(|(e, i)| e - if i % 2 == 0 { 0.005 } else { -0.0048 })
            .collect();
        let better: Vec<f64> = noisy.iter().map(|error| error / 2.0).collect();
        let [noisy, a_little_better, better] =
            [noisy, a_little_better, better].map(|errors| held_out(&errors));
        assert_eq!(select(&[noisy.clone(), a_little_better]), 0);
        assert_eq!(select(&[noisy, better.clone(), better]), 1);
    }

    #[test]
    fn a_validation_says_the_largest_error_and_how_many_intervals_held() {
        let errors: Vec<f64> = (0..100).map(|i| 0.01 * f64::from(i % 10)).collect();
        let validation = Validation::of(ModelKind::Sum, &held_out(&errors), 100.0).unwrap();
        assert_eq!((validation.networks, validation.folds), (100, 5));
        assert!((validation.max_percent - 9.0).abs() < 1e-9);
        assert!((validation.agreement.mape_percent - 4.5).abs() < 1e-9);
        assert!((0.6..=1.0).contains(&validation.coverage90), "{}", validation.coverage90);
    }
}
