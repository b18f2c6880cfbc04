//! A kind of model is how its numbers come from isolated operations and whole networks.

use std::fmt;
use std::str::FromStr;

use nalgebra::{DMatrix, DVector};
use serde::{Deserialize, Serialize};

use super::design::{Design, Isolated};
use super::regression::{Observation, Posterior, Prior, dot, regress};
use super::robust;
use crate::TableError;

/// The kinds, from the simplest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ModelKind {
    /// The isolated operations, added up.
    Sum,
    /// The same times one factor, plus one offset.
    Scaled,
    /// A cost of its own for each operation, found by Bayesian regression on whole networks; before
    /// any network, costs are the scaled isolated ones, or without these alike.
    Bayesian,
    /// Numbers from elsewhere, taken as they are.
    Given,
}

impl ModelKind {
    /// The kinds that can be fitted.
    pub const FITTED: [Self; 3] = [Self::Sum, Self::Scaled, Self::Bayesian];

    /// The kinds that can be fitted to this design: all but [`Self::Bayesian`] need isolated rows.
    pub fn fitted_to(design: &Design) -> Vec<Self> {
        let possible = |kind: &Self| *kind == Self::Bayesian || design.isolated().is_some();
        Self::FITTED.into_iter().filter(possible).collect()
    }

    /// Fits this kind; nothing where the design has no isolated rows that it needs, or for
    /// [`Self::Given`].
    pub(crate) fn fit(self, design: &Design, networks: &[&Observation]) -> Option<Posterior> {
        match (self, design.isolated()) {
            (Self::Sum, Some(isolated)) => Some(sum(isolated, networks)),
            (Self::Scaled, Some(isolated)) => Some(scaled(isolated, networks).expanded(isolated)),
            (Self::Bayesian, Some(isolated)) => {
                Some(regress(networks, &calibrated_prior(isolated, networks)))
            }
            (Self::Bayesian, None) => Some(regress(networks, &even_prior(design, networks))),
            (Self::Sum | Self::Scaled, None) | (Self::Given, _) => None,
        }
    }
}

/// The isolated rows, with their own errors. The noise is the robust spread of the residuals around 0,
/// so that a sum that is too low throughout is a noisy one.
fn sum(isolated: &Isolated, networks: &[&Observation]) -> Posterior {
    let mean = DVector::from_column_slice(&isolated.means);
    let errors = DVector::from_column_slice(&isolated.standard_errors);
    let relative: Vec<f64> = networks
        .iter()
        .map(|network| network.latency / dot(&network.features, &mean) - 1.0)
        .collect();
    Posterior {
        mean,
        covariance: DMatrix::from_diagonal(&errors.map(|error| error * error)),
        noise: robust::spread(&relative, 0.0).max(1e-4),
        determined: 0.0,
    }
}

/// The factor and the offset of the isolated sum.
struct Scaled(Posterior);

/// Regression of the latencies on the isolated sums: `latency = factor sum + offset`. The factor may be
/// anything; the offset is 0 before the data, and as many milliseconds as the data ask for. Few
/// networks, or networks that hardly differ, do not tell the two apart, and leave the offset near 0.
fn scaled(isolated: &Isolated, networks: &[&Observation]) -> Scaled {
    let means = DVector::from_column_slice(&isolated.means);
    let on_sum = |network: &&Observation| {
        let sum = dot(&network.features, &means);
        Observation { features: vec![(0, sum), (1, 1.0)], ..(*network).clone() }
    };
    let pairs: Vec<Observation> = networks.iter().map(on_sum).collect();
    let factor = robust::median(pairs.iter().map(|pair| pair.latency / pair.features[0].1));
    let latency = robust::median(pairs.iter().map(|pair| pair.latency));
    let prior = Prior {
        mean: DVector::from_column_slice(&[factor, 0.0]),
        loose: DVector::from_column_slice(&[0.0, latency]),
        own: DVector::from_column_slice(&[0.5 * factor, 0.0]),
    };
    Scaled(regress(&pairs.iter().collect::<Vec<_>>(), &prior))
}

impl Scaled {
    fn factor(&self) -> f64 {
        self.0.mean[0]
    }

    fn offset(&self) -> f64 {
        self.0.mean[1]
    }

    /// The same fit in the unknowns of the design: every cost is the factor times the row, and the
    /// constant has the offset besides.
    fn expanded(self, isolated: &Isolated) -> Posterior {
        let jacobian = DMatrix::from_fn(isolated.means.len(), 2, |unknown, column| match column {
            0 => isolated.means[unknown],
            _ => f64::from(u8::from(unknown == 0)),
        });
        Posterior {
            mean: &jacobian * &self.0.mean,
            covariance: &jacobian * &self.0.covariance * jacobian.transpose(),
            ..self.0
        }
    }
}

/// Share of the mean row that every prior is at least as loose as: an operation that takes no time
/// alone may take some in a network.
const LEAST_ROW: f64 = 0.1;

/// Share of the latency by which the constant may be off besides: what a whole network has that its
/// operations do not, such as its input.
const CONSTANT_SHARE: f64 = 0.02;

/// Before any network, a cost is the scaled isolated row. Its variance is that of a share tau of the
/// row, chosen by the data, and of the row's own standard error.
fn calibrated_prior(isolated: &Isolated, networks: &[&Observation]) -> Prior {
    let scaled = scaled(isolated, networks);
    let factor = scaled.factor();
    let unknowns = isolated.means.len();
    let mean_row = isolated.means.iter().skip(1).sum::<f64>() / (unknowns.max(2) - 1) as f64;
    let rows = DVector::from_column_slice(&isolated.means) * factor;
    let mut own = DVector::from_column_slice(&isolated.standard_errors) * factor.abs();
    let latency = robust::median(networks.iter().map(|network| network.latency));
    own[0] = own[0].hypot(CONSTANT_SHARE * latency).hypot(scaled.0.covariance[(1, 1)].sqrt());
    let least = LEAST_ROW * mean_row * factor.abs();
    let loose = rows.map(|row| row.abs().max(least));
    let mut mean = rows;
    mean[0] += scaled.offset();
    Prior { mean, loose, own }
}

/// Without isolated rows, all networks are alike before the data: the constant is the median latency,
/// and every term 0 give or take a share, chosen by the data, of twice what the latencies vary by. This
/// is the hierarchical model of the analysis of variance (Gelman 2005, "Analysis of variance: why it
/// is more important than ever", section 3), which keeps apart what the data cannot.
fn even_prior(design: &Design, networks: &[&Observation]) -> Prior {
    let latencies: Vec<f64> = networks.iter().map(|network| network.latency).collect();
    let median = robust::median(latencies.iter().copied());
    let variation = 2.0 * robust::spread(&latencies, median).max(1e-3 * median);
    let constant_or = |constant: f64, term: f64| {
        DVector::from_fn(design.unknowns(), |unknown, _| if unknown == 0 { constant } else { term })
    };
    Prior {
        mean: constant_or(median, 0.0),
        loose: constant_or(0.0, variation),
        own: constant_or(variation, 0.0),
    }
}

impl fmt::Display for ModelKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sum => "sum",
            Self::Scaled => "scaled",
            Self::Bayesian => "bayesian",
            Self::Given => "given",
        })
    }
}

impl FromStr for ModelKind {
    type Err = TableError;

    fn from_str(name: &str) -> Result<Self, TableError> {
        let named = Self::FITTED.into_iter().find(|kind| kind.to_string() == name);
        named.ok_or_else(|| {
            let known = Self::FITTED.map(|kind| kind.to_string()).join(", ");
            TableError::Model {
                what: "kind of model".to_owned(),
                message: format!("there is no `{name}`; there are: {known}"),
            }
        })
    }
}
