//! A network row is what a table knows of one whole network: what models are fitted on and judged by.

use op_catalog::wire::Measurement;
use op_catalog::{Architecture, Milliseconds};
use serde::{Deserialize, Serialize};

use crate::{MeasuredNetwork, RowHeadline, TableError};

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
    ) -> Self {
        Self {
            choices: architecture.choices().to_vec(),
            role,
            n: measurement.n,
            headline: RowHeadline::from(&measurement.headline),
            visits: measurement.visits.clone(),
        }
    }

    /// Its architecture.
    pub fn architecture(&self) -> Architecture {
        Architecture::new(self.choices.clone())
    }

    /// Its latency.
    pub fn latency(&self) -> Milliseconds {
        self.headline.value
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
        if self.n == 0 {
            return refuse("n", "it is 0".to_owned());
        }
        Ok(())
    }
}
