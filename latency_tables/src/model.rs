//! A latency model is one number per choice of each edge, and a constant, fitted so that they add up to
//! the latencies of whole networks.
//!
//! Isolated operations add up to less than a network takes, because each finds its weights and inputs
//! in the cache. A model keeps the form of the sum, so that expected latencies and gradients stay exact
//! and cheap (see [`EdgeCosts`](crate::EdgeCosts)), and takes its numbers from measured networks:
//! [`LatencyModel::fit`] fits each [`ModelKind`] to a [`Design`], compares them by cross-validation and
//! keeps the best. `docs/latency_model.md` has the equations in one place.

mod calibration;
mod design;
mod evidence;
mod fit;
mod kind;
mod regression;
mod robust;
#[cfg(test)]
mod simulation;
mod uncertainty;
mod validation;

use op_catalog::{Architecture, Milliseconds};
use serde::{Deserialize, Serialize};

pub use design::{Design, MAX_TERMS};
pub use kind::ModelKind;
pub use uncertainty::Uncertainty;
pub use validation::Validation;

use crate::{EdgeCosts, Prediction, TableError};

/// A model of the latency of every architecture of a space.
///
/// Its numbers are weights of a regression: they may be negative, and only their sums over whole
/// architectures are latencies.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LatencyModel {
    kind: ModelKind,
    constant_ms: f64,
    edges_ms: Vec<Vec<f64>>,
    networks: u64,
    validations: Vec<Validation>,
    between_instantiations: Option<f64>,
    uncertainty: Option<Uncertainty>,
}

impl LatencyModel {
    /// A model of given numbers, in milliseconds: a constant, and one per choice of each edge. It
    /// does not know how far it is off.
    ///
    /// # Errors
    /// An edge without choices, or a number that is not finite.
    pub fn of_weights(constant_ms: f64, edges_ms: Vec<Vec<f64>>) -> Result<Self, TableError> {
        let model = Self {
            kind: ModelKind::Given,
            constant_ms,
            edges_ms,
            networks: 0,
            validations: Vec::new(),
            between_instantiations: None,
            uncertainty: None,
        };
        model.check()?;
        Ok(model)
    }

    /// The same model, with how much the latency of one network varies between instantiations: a
    /// standard deviation relative to the latency.
    ///
    /// # Errors
    /// A number that is not finite and at least 0.
    pub fn with_between_instantiations(self, relative: f64) -> Result<Self, TableError> {
        let model = Self { between_instantiations: Some(relative), ..self };
        model.check()?;
        Ok(model)
    }

    /// How its numbers came about.
    pub fn kind(&self) -> ModelKind {
        self.kind
    }

    /// What every network has, in milliseconds.
    pub fn constant_ms(&self) -> f64 {
        self.constant_ms
    }

    /// What each choice of each edge adds, in milliseconds.
    pub fn edges_ms(&self) -> &[Vec<f64>] {
        &self.edges_ms
    }

    /// Number of choices of each edge.
    pub fn choice_counts(&self) -> impl Iterator<Item = usize> {
        self.edges_ms.iter().map(Vec::len)
    }

    /// Number of measured networks that it was fitted on.
    pub fn networks(&self) -> u64 {
        self.networks
    }

    /// Cross-validation of every kind that was compared, the simplest first.
    pub fn validations(&self) -> &[Validation] {
        &self.validations
    }

    /// How much the latency of one network varies between instantiations, relative to it.
    pub fn between_instantiations(&self) -> Option<f64> {
        self.between_instantiations
    }

    /// How far it may be off, where that is known.
    pub fn uncertainty(&self) -> Option<&Uncertainty> {
        self.uncertainty.as_ref()
    }

    /// Its numbers, to price architectures and to search with.
    pub fn edge_costs(&self) -> EdgeCosts {
        EdgeCosts::of_weights(self.constant_ms, &self.edges_ms)
    }

    /// The latency of an architecture, with its uncertainty where the model knows it.
    ///
    /// # Errors
    /// Another number of choices than edges, or a choice that an edge does not have.
    pub fn predict(&self, architecture: &Architecture) -> Result<Prediction, TableError> {
        let latency = self.edge_costs().price(architecture.choices())?;
        let uncertainty = self.uncertainty.as_ref();
        let standard_error =
            uncertainty.map(|known| known.standard_error(architecture, latency)).transpose()?;
        let half_width = uncertainty.zip(standard_error).map(|(known, se)| known.multiplier * se.0);
        let interval90 = half_width.map(|half_width| {
            (Milliseconds((latency.0 - half_width).max(0.0)), Milliseconds(latency.0 + half_width))
        });
        Ok(Prediction { latency, standard_error, interval90, kind: self.kind })
    }

    /// Refuses what a table cannot hold: numbers that are not finite, shapes that do not fit.
    pub(crate) fn check(&self) -> Result<(), TableError> {
        let refuse = |field: &str, message: String| {
            Err(TableError::Field { place: format!("model.{field}"), message })
        };
        if !self.constant_ms.is_finite() {
            return refuse("constant_ms", format!("{} is not finite", self.constant_ms));
        }
        for (edge, costs) in self.edges_ms.iter().enumerate() {
            let place = format!("edges_ms[{edge}]");
            if costs.is_empty() {
                return refuse(&place, "the edge has no choice".to_owned());
            }
            if let Some(cost) = costs.iter().find(|cost| !cost.is_finite()) {
                return refuse(&place, format!("{cost} is not finite"));
            }
        }
        if let Some(relative) = self.between_instantiations.filter(|r| !r.is_finite() || *r < 0.0) {
            return refuse(
                "between_instantiations",
                format!("{relative} is not finite and at least 0"),
            );
        }
        for (index, validation) in self.validations.iter().enumerate() {
            if !validation.is_finite() {
                return refuse(
                    &format!("validations[{index}]"),
                    "a number is not finite".to_owned(),
                );
            }
        }
        match self.uncertainty.as_ref().map(|known| known.check(&self.edges_ms)) {
            Some(Err((field, message))) => refuse(&format!("uncertainty.{field}"), message),
            None | Some(Ok(())) => Ok(()),
        }
    }

    /// Refuses a model of another space, by its numbers of choices.
    pub(crate) fn check_space(&self, space: &op_catalog::SearchSpace) -> Result<(), TableError> {
        let expected: Vec<usize> = space.edges().map(<[_]>::len).collect();
        let found: Vec<usize> = self.choice_counts().collect();
        if found == expected {
            return Ok(());
        }
        let message = format!(
            "its numbers of choices are {found:?}, but those of `{}` are {expected:?}",
            space.name()
        );
        Err(TableError::Field { place: "model.edges_ms".to_owned(), message })
    }
}
