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

/// The smallest number of different architectures that a model can be fitted on, and compared with
/// others by cross-validation.
const MIN_ARCHITECTURES: usize = 3;

impl LatencyModel {
    /// Fits every kind that the design allows, and keeps the one that predicts networks best that it
    /// was not fitted on; of those that are as good, the simplest. The seed deals the networks to the
    /// folds of cross-validation.
    ///
    /// # Errors
    /// Fewer than 3 different architectures, one that is not of the space, a latency or weight that
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
        if design.unknowns() > MAX_TERMS {
            let message = format!("there are {}, but at most {MAX_TERMS}", design.unknowns());
            return Err(TableError::Model { what: "different operations".to_owned(), message });
        }
        let counting: Vec<&MeasuredNetwork> =
            networks.iter().filter(|network| network.weight != 0.0).collect();
        let observations = counting
            .iter()
            .map(|network| observation(design, network))
            .collect::<Result<Vec<_>, _>>()?;
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

fn refuse_few(networks: &[&MeasuredNetwork]) -> Result<(), TableError> {
    let different: BTreeSet<_> = networks.iter().map(|network| &network.architecture).collect();
    if different.len() >= MIN_ARCHITECTURES {
        return Ok(());
    }
    let message = format!(
        "there are {} different ones, but a model needs at least {MIN_ARCHITECTURES}",
        different.len()
    );
    Err(TableError::Model { what: "measured networks".to_owned(), message })
}
