//! A latency model is one number per choice of each edge, and a constant, fitted so that they add up to
//! the latencies of whole networks.
//!
//! Isolated operations add up to less than a network takes, because each finds its weights and inputs
//! in the cache. A model keeps the form of the sum, so that expected latencies and gradients stay exact
//! and cheap (see [`EdgeCosts`]), and takes its numbers from measured networks:
//! [`LatencyModel::fit`] fits each [`ModelKind`] to a [`Design`], compares them by cross-validation and
//! keeps the best. `docs/latency_model.md` has the equations in one place.

mod calibration;
mod design;
mod evidence;
mod fit;
mod kind;
mod regression;
mod rescaled;
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::fixtures::{small_space, table_of};
    use crate::{LatencyTable, MeasuredNetwork, TableContext, table_json};

    /// A model of two edges, with everything that a model can have.
    fn fitted() -> LatencyModel {
        let network = |index: usize| {
            let latency = Milliseconds(10.0 + index as f64 / 3.0);
            MeasuredNetwork::new(Architecture::new(vec![index % 2, index % 3]), latency)
        };
        let networks: Vec<MeasuredNetwork> = (0..12).map(network).collect();
        let model = LatencyModel::fit(&Design::of_counts(&[2, 3]), &networks, 1).unwrap();
        model.with_between_instantiations(0.008).unwrap()
    }

    fn table_with(model: LatencyModel) -> LatencyTable {
        LatencyTable::new(TableContext::named("x")).with_model(model).unwrap()
    }

    /// The complaint about the table's text after one change in it.
    fn complaint(from: &str, to: &str) -> String {
        let text = table_json::print(&table_with(fitted())).unwrap();
        let changed = text.replacen(from, to, 1);
        assert_ne!(changed, text, "{from}");
        table_json::parse(&changed).unwrap_err().to_string()
    }

    #[test]
    fn a_table_of_a_model_and_no_rows_survives_its_file_to_the_last_bit() {
        let table = table_with(fitted());
        let text = table_json::print(&table).unwrap();
        assert_eq!(table_json::parse(&text).unwrap(), table);
        assert_eq!(table_json::print(&table_json::parse(&text).unwrap()).unwrap(), text);
    }

    #[test]
    fn no_model_is_null_or_absent_and_is_not_written() {
        let bare = LatencyTable::new(TableContext::named("x"));
        let text = table_json::print(&bare).unwrap();
        assert!(!text.contains("model"));
        let with_null = text.replacen("\"rows\"", "\"model\": null, \"rows\"", 1);
        assert_eq!(table_json::parse(&with_null).unwrap(), bare);
    }

    #[test]
    fn what_is_wrong_in_a_file_is_told_by_its_path() {
        let model = fitted();
        let json = |number: f64| serde_json::to_string(&number).unwrap();
        let constant = format!("\"constant_ms\": {}", json(model.constant_ms()));
        let multiplier =
            format!("\"multiplier\": {}", json(model.uncertainty().unwrap().multiplier()));
        for (from, to, message) in [
            (
                "\"constant_ms\"",
                "\"colour\": 1, \"constant_ms\"",
                "there is no field `model.colour`",
            ),
            ("\"noise\"", "\"speed\": 1, \"noise\"", "there is no field `model.uncertainty.speed`"),
            (
                &constant,
                "\"constant_ms\": null",
                "model.constant_ms: invalid type: null, expected f64",
            ),
            (&constant, "\"constant_ms\": 1e999", "the file is not JSON (number out of range"),
            (
                &multiplier,
                "\"multiplier\": -1",
                "model.uncertainty.multiplier: -1 is not finite and at least 0",
            ),
            (
                "\"unknowns\": 6",
                "\"unknowns\": 7",
                "model.uncertainty.covariance: 21 numbers are not the triangle of 7 unknowns",
            ),
            (
                "\"unknowns\": 6",
                "\"unknowns\": 5",
                "model.uncertainty.terms: 5 is not one of the unknowns 1 to 4",
            ),
            (
                "\"between_instantiations\": 0.008",
                "\"between_instantiations\": -1",
                "model.between_instantiations: -1 is not finite and at least 0",
            ),
        ] {
            let found = complaint(from, to);
            assert!(found.starts_with(message), "{found}");
        }
    }

    #[test]
    fn a_model_of_another_shape_than_the_space_is_refused() {
        let table = table_of(&small_space()).with_model(fitted());
        assert_eq!(
            table.unwrap_err().to_string(),
            "model.edges_ms: its numbers of choices are [2, 3], but those of `proxyless-small` are \
             [6, 7, 7, 7, 6, 7, 7, 7, 6, 7, 7, 7]"
        );
    }

    #[test]
    fn a_tables_model_prices_its_space_and_the_rows_remain() {
        let space = small_space();
        let counts: Vec<usize> = space.edges().map(<[_]>::len).collect();
        let weights = counts.iter().map(|&count| vec![-1.0; count]).collect();
        let model = LatencyModel::of_weights(50.0, weights).unwrap();
        let bare = table_of(&space);
        let table = bare.clone().with_model(model).unwrap();
        let architecture = Architecture::new(vec![0; 12]);
        let network = space.network(&architecture).unwrap();
        let price = |costs: EdgeCosts| costs.price(architecture.choices()).unwrap();
        assert_eq!(price(EdgeCosts::new(&space, &table).unwrap()), Milliseconds(38.0));
        let raw = price(EdgeCosts::of_rows(&space, &table).unwrap());
        assert_eq!(raw, price(EdgeCosts::new(&space, &bare).unwrap()));
        let calibrated = table.best_prediction(&network).unwrap();
        assert_eq!((calibrated.latency, calibrated.kind), (Milliseconds(38.0), ModelKind::Given));
        assert_eq!((calibrated.standard_error, calibrated.interval90), (None, None));
        let isolated = bare.best_prediction(&network).unwrap();
        assert_eq!(
            (isolated.latency, isolated.kind),
            (bare.predict(&network).unwrap(), ModelKind::Sum)
        );
        assert_eq!(table.predict(&network).unwrap(), bare.predict(&network).unwrap());
    }

    #[test]
    fn weights_that_are_none_are_refused_by_edge() {
        for (constant, edges, message) in [
            (f64::NAN, vec![vec![1.0]], "model.constant_ms: NaN is not finite"),
            (0.0, vec![vec![1.0], vec![f64::INFINITY]], "model.edges_ms[1]: inf is not finite"),
            (0.0, vec![vec![]], "model.edges_ms[0]: the edge has no choice"),
        ] {
            let error = LatencyModel::of_weights(constant, edges).unwrap_err();
            assert_eq!(error.to_string(), message);
        }
    }

    #[test]
    fn an_interval_lies_around_the_latency_and_never_below_zero() {
        let prediction = fitted().predict(&Architecture::new(vec![1, 2])).unwrap();
        let (low, high) = prediction.interval90.unwrap();
        assert!(low < prediction.latency && prediction.latency < high);
        assert!(Milliseconds(0.0) <= low);
        assert!(Milliseconds(0.0) < prediction.standard_error.unwrap());
    }

    proptest! {
        #[test]
        fn any_weights_survive_the_file_to_the_last_bit(
            constant in -1e9..1e9_f64, edge in prop::collection::vec(-1e9..1e9_f64, 1..9),
        ) {
            let table = table_with(LatencyModel::of_weights(constant, vec![edge]).unwrap());
            let read = table_json::parse(&table_json::print(&table).unwrap()).unwrap();
            prop_assert_eq!(read, table);
        }

        #[test]
        fn a_mutated_model_is_read_or_refused_without_panic(
            at in 0_usize..8000, length in 0_usize..40, insert in "[ -~\n]{0,8}",
        ) {
            let mut text = table_json::print(&table_with(fitted())).unwrap();
            let start = at.min(text.len());
            text.replace_range(start..(start + length).min(text.len()), &insert);
            if let Ok(table) = table_json::parse(&text) {
                prop_assert_eq!(table_json::parse(&table_json::print(&table).unwrap()).unwrap(), table);
            }
        }
    }
}
