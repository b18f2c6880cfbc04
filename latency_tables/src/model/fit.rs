//! A fit makes a model from measured networks: each kind is fitted and cross-validated, and the best is
//! kept.

use std::collections::BTreeSet;

use super::LatencyModel;
use super::design::{Design, Isolated, MAX_TERMS};
use super::kind::ModelKind;
use super::regression::{Observation, Posterior};
use super::uncertainty::Uncertainty;
use super::validation::{self, HeldOut, Validation};
use crate::{MeasuredNetwork, TableError};

impl LatencyModel {
    /// The smallest number of different architectures that a model can be fitted on. Of three, two are
    /// left when one is held out, and intervals hold less often than they say.
    pub const MIN_ARCHITECTURES: usize = 4;

    /// Fits every kind that the design allows, and keeps the one that predicts networks best that it
    /// was not fitted on; of those that are as good, the simplest. The seed deals the networks to the
    /// folds of cross-validation.
    ///
    /// # Errors
    /// Fewer than 4 different architectures, one that is not of the space, a latency or weight that
    /// cannot be, a space of too many operations.
    pub fn fit(
        design: &Design,
        networks: &[MeasuredNetwork],
        seed: u64,
    ) -> Result<Self, TableError> {
        Self::fit_best_of(&ModelKind::fitted_to(design), design, networks, seed)
    }

    /// Fits one kind, whatever another would do.
    ///
    /// # Errors
    /// As [`Self::fit`], and a kind that needs isolated rows which the design does not have.
    pub fn fit_as(
        kind: ModelKind,
        design: &Design,
        networks: &[MeasuredNetwork],
        seed: u64,
    ) -> Result<Self, TableError> {
        if !ModelKind::fitted_to(design).contains(&kind) {
            let message = "it cannot be fitted without the rows of a table".to_owned();
            return Err(TableError::Model { what: format!("the model `{kind}`"), message });
        }
        Self::fit_best_of(&[kind], design, networks, seed)
    }

    fn fit_best_of(
        kinds: &[ModelKind],
        design: &Design,
        networks: &[MeasuredNetwork],
        seed: u64,
    ) -> Result<Self, TableError> {
        refuse_many(design)?;
        let counting: Vec<&MeasuredNetwork> =
            networks.iter().filter(|network| network.weight != 0.0).collect();
        let observations: Vec<Observation> = counting
            .iter()
            .map(|network| observation(design, network))
            .collect::<Result<_, _>>()?;
        refuse_few(&counting)?;
        let choices = counting.iter().map(|network| network.architecture.choices());
        let folds = validation::folds(choices, seed);
        let held_out: Vec<Vec<HeldOut>> = kinds
            .iter()
            .map(|&kind| validation::held_out(kind, design, &observations, &folds))
            .collect();
        let all: Vec<&Observation> = observations.iter().collect();
        let fits: Vec<(ModelKind, Posterior)> =
            kinds.iter().filter_map(|&kind| Some((kind, kind.fit(design, &all)?))).collect();
        let free = |fit: &Posterior| observations.len() as f64 - fit.determined;
        let validations = fits
            .iter()
            .zip(&held_out)
            .filter_map(|((kind, fit), held_out)| Validation::of(*kind, held_out, free(fit)));
        let chosen = validation::select(&held_out);
        let (kind, fit) = &fits[chosen];
        let multiplier = validation::multiplier(&held_out[chosen], free(fit));
        let model = Self {
            kind: *kind,
            networks: observations.len() as u64,
            validations: validations.collect(),
            ..Self::of_posterior(design, fit, multiplier)
        };
        model.check()?;
        Ok(model)
    }

    /// The numbers of a fit, laid along the edges.
    fn of_posterior(design: &Design, fit: &Posterior, multiplier: f64) -> Self {
        let cost = |term: &Option<usize>| term.map_or(0.0, |term| fit.mean[term]);
        Self {
            kind: ModelKind::Given,
            constant_ms: fit.mean[0],
            edges_ms: design.terms().iter().map(|edge| edge.iter().map(cost).collect()).collect(),
            networks: 0,
            validations: Vec::new(),
            between_instantiations: None,
            uncertainty: Some(Uncertainty {
                terms: design.terms().to_vec(),
                unknowns: design.unknowns(),
                covariance: Uncertainty::packed(&fit.covariance),
                noise: fit.noise,
                multiplier,
            }),
        }
    }
}

fn observation(design: &Design, network: &MeasuredNetwork) -> Result<Observation, TableError> {
    let refuse = |message: String| TableError::Model { what: network.label.clone(), message };
    let (latency, weight) = (network.latency.0, network.weight);
    if !latency.is_finite() || latency <= 0.0 {
        return Err(refuse(format!("the latency {latency} is not a finite number above 0")));
    }
    if !weight.is_finite() || weight < 0.0 {
        return Err(refuse(format!("the weight {weight} is not a finite number from 0")));
    }
    let features = design.features(&network.architecture);
    let features = features.map_err(|error| refuse(error.to_string()))?;
    let isolated = |isolated: &Isolated| -> f64 {
        features.iter().map(|&(unknown, count)| count * isolated.means[unknown]).sum()
    };
    match design.isolated().map(isolated) {
        Some(sum) if sum <= 0.0 => Err(refuse("its isolated operations take no time".to_owned())),
        Some(_) | None => Ok(Observation { features, latency, weight }),
    }
}

fn refuse_many(design: &Design) -> Result<(), TableError> {
    if design.unknowns() <= MAX_TERMS {
        return Ok(());
    }
    let message = format!("there are {}, but at most {MAX_TERMS} can be told", design.unknowns());
    Err(TableError::Model { what: "different operations".to_owned(), message })
}

fn refuse_few(networks: &[&MeasuredNetwork]) -> Result<(), TableError> {
    let different: BTreeSet<_> = networks.iter().map(|network| &network.architecture).collect();
    if different.len() >= LatencyModel::MIN_ARCHITECTURES {
        return Ok(());
    }
    let message = format!(
        "there are {} different ones, but a model needs at least {}",
        different.len(),
        LatencyModel::MIN_ARCHITECTURES
    );
    Err(TableError::Model { what: "measured networks".to_owned(), message })
}

#[cfg(test)]
mod tests {
    use op_catalog::{Architecture, Milliseconds};
    use proptest::prelude::*;

    use super::*;
    use crate::fixtures::{small_space, table_of};

    fn networks(rows: &[(&[usize], f64)]) -> Vec<MeasuredNetwork> {
        let network = |(choices, ms): &(&[usize], f64)| {
            MeasuredNetwork::new(Architecture::new(choices.to_vec()), Milliseconds(*ms))
        };
        rows.iter().map(network).collect()
    }

    fn predicted(model: &LatencyModel, choices: &[usize]) -> f64 {
        model.predict(&Architecture::new(choices.to_vec())).unwrap().latency.0
    }

    #[test]
    fn what_no_model_can_be_fitted_on_is_refused_by_network_and_value() {
        let good = networks(&[(&[0, 0], 1.0), (&[0, 1], 2.0), (&[1, 0], 3.0), (&[1, 1], 4.0)]);
        let design = Design::of_counts(&[2, 2]);
        let complaint = |change: &dyn Fn(&mut Vec<MeasuredNetwork>)| {
            let mut networks = good.clone();
            change(&mut networks);
            LatencyModel::fit(&design, &networks, 1).unwrap_err().to_string()
        };
        assert!(LatencyModel::fit(&design, &good, 1).is_ok());
        for (found, message) in [
            (
                complaint(&|networks| networks[1].latency.0 = f64::NAN),
                "a network: the latency NaN is not a finite number above 0",
            ),
            (
                complaint(&|networks| networks[1].latency.0 = 0.0),
                "a network: the latency 0 is not a finite number above 0",
            ),
            (
                complaint(&|networks| networks[1].weight = -1.0),
                "a network: the weight -1 is not a finite number from 0",
            ),
            (
                complaint(&|networks| networks[1].architecture = Architecture::new(vec![0, 2])),
                "a network: edge 1: choice 2 is not below 2",
            ),
            (
                complaint(&|networks| networks[1].weight = 0.0),
                "measured networks: there are 3 different ones, but a model needs at least 4",
            ),
            (
                complaint(&|networks| networks[1].architecture = Architecture::new(vec![0, 0])),
                "measured networks: there are 3 different ones, but a model needs at least 4",
            ),
        ] {
            assert_eq!(found, message);
        }
        let error = LatencyModel::fit_as(ModelKind::Scaled, &design, &good, 1).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the model `scaled`: it cannot be fitted without the rows of a table"
        );
        let error = LatencyModel::fit(&Design::of_counts(&[4000]), &good, 1).unwrap_err();
        assert_eq!(
            error.to_string(),
            "different operations: there are 4001, but at most 2000 can be told"
        );
    }

    #[test]
    fn a_choice_that_was_never_seen_is_as_uncertain_as_before() {
        let rows: Vec<(Vec<usize>, f64)> = (0..60)
            .map(|i| (vec![i % 3, (i / 3) % 2], 10.0 + (i % 3) as f64 + 0.01 * (i % 7) as f64))
            .collect();
        let rows: Vec<(&[usize], f64)> =
            rows.iter().map(|(choices, ms)| (choices.as_slice(), *ms)).collect();
        let model = LatencyModel::fit(&Design::of_counts(&[4, 2]), &networks(&rows), 1).unwrap();
        let error = |choice: usize| {
            let prediction = model.predict(&Architecture::new(vec![choice, 0])).unwrap();
            prediction.standard_error.unwrap().0
        };
        assert!(error(3) > 5.0 * error(0), "{} {}", error(3), error(0));
        assert!((predicted(&model, &[2, 1]) - 12.03).abs() < 0.05);
    }

    #[test]
    fn latencies_that_are_all_alike_are_predicted_for_every_network() {
        let space = small_space();
        let table = table_of(&space);
        let rows: Vec<Vec<usize>> =
            (0..30).map(|i| (0..12).map(|e| (i + e) % 6).collect()).collect();
        let rows: Vec<(&[usize], f64)> = rows.iter().map(|row| (row.as_slice(), 7.0)).collect();
        for design in [Design::of_table(&space, &table).unwrap(), Design::of_space(&space)] {
            let model = LatencyModel::fit(&design, &networks(&rows), 1).unwrap();
            for (choices, _) in &rows {
                let found = predicted(&model, choices);
                assert!((found - 7.0).abs() < 0.1, "{found}");
            }
        }
    }

    #[test]
    fn the_same_seed_fits_the_same_model_and_the_order_of_nothing_else_matters() {
        let rows: Vec<Vec<usize>> = (0..40).map(|i| vec![i % 3, i % 5]).collect();
        let rows: Vec<(&[usize], f64)> =
            rows.iter().zip(0..).map(|(row, i)| (row.as_slice(), 5.0 + f64::from(i % 4))).collect();
        let design = Design::of_counts(&[3, 5]);
        let fit = || LatencyModel::fit(&design, &networks(&rows), 9).unwrap();
        assert_eq!(fit(), fit());
    }

    #[test]
    fn a_network_of_weight_two_counts_as_two_of_weight_one() {
        let rows: Vec<Vec<usize>> = (0..24).map(|i| vec![i % 3, (i / 3) % 2]).collect();
        let rows: Vec<(&[usize], f64)> = rows
            .iter()
            .zip(0..)
            .map(|(row, i)| (row.as_slice(), 5.0 + row[0] as f64 + 0.01 * f64::from(i % 5)))
            .collect();
        let twice: Vec<MeasuredNetwork> = networks(&[rows.clone(), rows.clone()].concat());
        let mut weighted = networks(&rows);
        for network in &mut weighted {
            network.weight = 2.0;
        }
        let design = Design::of_counts(&[3, 2]);
        let [twice, weighted] =
            [twice, weighted].map(|networks| LatencyModel::fit(&design, &networks, 1).unwrap());
        for choices in [[0, 0], [1, 1], [2, 0]] {
            let (a, b) = (predicted(&twice, &choices), predicted(&weighted, &choices));
            assert!((a - b).abs() < 0.005, "{a} {b}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn any_latencies_give_finite_predictions_or_a_reason(
            rows in prop::collection::vec((0_usize..3, 0_usize..4, -300.0..300.0_f64), 0..30),
        ) {
            let rows: Vec<(Vec<usize>, f64)> = rows
                .into_iter()
                .map(|(a, b, exponent)| (vec![a, b], 10_f64.powf(exponent)))
                .collect();
            let rows: Vec<(&[usize], f64)> =
                rows.iter().map(|(choices, ms)| (choices.as_slice(), *ms)).collect();
            if let Ok(model) = LatencyModel::fit(&Design::of_counts(&[3, 4]), &networks(&rows), 1) {
                prop_assert!(predicted(&model, &[2, 3]).is_finite());
            }
        }
    }
}
