//! A network row is what a table knows of one whole network: what models are fitted on and judged by.

use std::iter::repeat;

use op_catalog::wire::Measurement;
use op_catalog::{Architecture, Milliseconds};
use serde::{Deserialize, Serialize};

use crate::{MeasuredNetwork, RoundFactors, RowHeadline, TableError, round_factors};

/// A whole network, measured. Times are per run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NetworkRow {
    /// Its choices, one per edge of the table's space.
    pub choices: Vec<usize>,
    /// What it is there for.
    pub role: NetworkRole,
    /// Number of samples.
    pub n: u64,
    /// Its latency, with its confidence interval.
    pub headline: RowHeadline,
    /// The headline statistic of each visit, each with a fresh instantiation in a fresh process.
    pub visits: Vec<Milliseconds>,
    /// How much longer than usual all networks took in the round of each of these visits, as a factor
    /// ([`RoundFactors`]); empty where the rounds are not known.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub round_factors: Vec<f64>,
}

/// What a measured network is there for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NetworkRole {
    /// Models are fitted on it.
    Fit,
    /// No model sees it: the table's errors are stated on it.
    HeldOut,
}

impl NetworkRow {
    /// The row of a measured network.
    pub fn from_measurement(
        architecture: &Architecture,
        role: NetworkRole,
        measurement: &Measurement,
        factors: &RoundFactors,
    ) -> Self {
        Self {
            choices: architecture.choices().to_vec(),
            role,
            n: measurement.n,
            headline: RowHeadline::from(&measurement.headline),
            visits: measurement.visits.clone(),
            round_factors: factors.of_rounds(&measurement.rounds),
        }
    }

    /// Its architecture.
    pub fn architecture(&self) -> Architecture {
        Architecture::new(self.choices.clone())
    }

    /// Its latency in a usual round: the median of its visits, each over the factor of its round. The
    /// headline where the rounds are not known.
    pub fn latency(&self) -> Milliseconds {
        if self.round_factors.is_empty() {
            return self.headline.value;
        }
        round_factors::levelled(&self.visits, &self.round_factors)
    }

    /// Each visit over the factor of its round.
    pub fn levelled_visits(&self) -> Vec<Milliseconds> {
        let factors = self.round_factors.iter().copied().chain(repeat(1.0));
        self.visits
            .iter()
            .zip(factors)
            .map(|(visit, factor)| Milliseconds(visit.0 / factor))
            .collect()
    }

    /// The row as models take it.
    pub fn measured(&self) -> MeasuredNetwork {
        MeasuredNetwork::new(self.architecture(), self.latency())
    }

    /// Refuses numbers that no measurement gives. `index` is its place in the table.
    pub(crate) fn check(&self, index: usize) -> Result<(), TableError> {
        let refuse = |field: &str, message: String| {
            Err(TableError::Field { place: format!("networks[{index}].{field}"), message })
        };
        let headline = &self.headline;
        let ends = [headline.ci_low, headline.ci_high].into_iter().flatten();
        let times = ends.chain([headline.value]).chain(self.visits.iter().copied());
        if let Some(time) = times.map(|time| time.0).find(|time| !time.is_finite() || *time <= 0.0)
        {
            return refuse("headline", format!("{time} ms is no latency of a network"));
        }
        let (factors, visits) = (self.round_factors.len(), self.visits.len());
        if factors != 0 && factors != visits {
            return refuse("round_factors", format!("{factors} for {visits} visits"));
        }
        if let Some(factor) =
            self.round_factors.iter().find(|factor| !factor.is_finite() || **factor <= 0.0)
        {
            return refuse("round_factors", format!("{factor} is no factor of a time"));
        }
        if self.n == 0 {
            return refuse("n", "it is 0".to_owned());
        }
        Ok(())
    }
}
