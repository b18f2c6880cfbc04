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
/// anything; the offset is 0 give or take a small share of the latency. Few networks, or networks that
/// hardly differ, do not tell the two apart, and leave the offset near 0.
fn scaled(isolated: &Isolated, networks: &[&Observation]) -> Scaled {
    let means = DVector::from_column_slice(&isolated.means);
    let on_sum = |network: &&Observation| {
        let sum = dot(&network.features, &means);
        Observation { features: vec![(0, sum), (1, 1.0)], ..(*network).clone() }
    };
    let pairs: Vec<Observation> = networks.iter().map(on_sum).collect();
    let ratios = pairs.iter().map(|pair| pair.latency / pair.features[0].1);
    let factor = robust::median(ratios.filter(|ratio| ratio.is_finite()));
    let latency = robust::median(pairs.iter().map(|pair| pair.latency));
    let prior = Prior {
        mean: DVector::from_column_slice(&[factor, 0.0]),
        loose: DVector::zeros(2),
        own: DVector::from_column_slice(&[0.5 * factor, CONSTANT_SHARE * latency]),
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

/// Without isolated rows, all operations are alike before the data: every term is the same cost, fitted
/// as the factor of the number of terms, give or take a share, chosen by the data, of twice what the
/// latencies vary by. This is the hierarchical model of the analysis of variance (Gelman 2005, "Analysis
/// of variance: why it is more important than ever", section 3), which keeps apart what the data cannot.
fn even_prior(design: &Design, networks: &[&Observation]) -> Prior {
    let unknowns = design.unknowns();
    let constant_or = |constant: f64, term: f64| {
        DVector::from_fn(unknowns, |unknown, _| if unknown == 0 { constant } else { term })
    };
    let alike = Isolated {
        means: constant_or(0.0, 1.0).as_slice().to_vec(),
        standard_errors: vec![0.0; unknowns],
    };
    let scaled = scaled(&alike, networks);
    let latencies: Vec<f64> = networks.iter().map(|network| network.latency).collect();
    let median = robust::median(latencies.iter().copied());
    let variation = 2.0 * robust::spread(&latencies, median).max(1e-3 * median);
    Prior {
        mean: constant_or(scaled.offset(), scaled.factor()),
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

#[cfg(test)]
mod tests {
    use super::*;

    fn isolated() -> Isolated {
        Isolated { means: vec![5.0, 1.0, 3.0], standard_errors: vec![0.0; 3] }
    }

    /// Networks of this factor and offset, whose terms come up as often as told.
    fn networks(counts: &[(f64, f64)], factor: f64, offset: f64) -> Vec<Observation> {
        let network = |&(first, second): &(f64, f64)| Observation {
            features: vec![(0, 1.0), (1, first), (2, second)],
            latency: factor * (5.0 + first + 3.0 * second) + offset,
            weight: 1.0,
        };
        counts.iter().map(network).collect()
    }

    fn fit(networks: &[Observation]) -> Scaled {
        scaled(&isolated(), &networks.iter().collect::<Vec<_>>())
    }

    #[test]
    fn many_networks_tell_the_factor_from_the_offset() {
        let counts: Vec<(f64, f64)> =
            (0..60).map(|i| (f64::from(i % 7), f64::from(i % 4))).collect();
        let fit = fit(&networks(&counts, 1.1, 2.0));
        assert!((fit.factor() - 1.1).abs() < 0.01, "{}", fit.factor());
        assert!((fit.offset() - 2.0).abs() < 0.1, "{}", fit.offset());
    }

    #[test]
    fn networks_that_are_few_or_alike_leave_the_offset_near_zero() {
        let alike: Vec<(f64, f64)> =
            (0..40).map(|i| (3.0 + 0.01 * f64::from(i % 3), 2.0)).collect();
        for counts in [&[(1.0, 2.0), (2.0, 2.0), (2.0, 3.0)][..], &alike] {
            let mut networks = networks(counts, 1.1, 0.0);
            for (index, network) in networks.iter_mut().enumerate() {
                network.latency *= if index % 2 == 0 { 1.01 } else { 0.99 };
            }
            let fit = fit(&networks);
            let latency = networks[0].latency;
            assert!(fit.offset().abs() < 0.02 * latency, "{} of {latency}", fit.offset());
            assert!((fit.factor() - 1.1).abs() < 0.03, "{}", fit.factor());
        }
    }

    #[test]
    fn a_scaled_fit_says_of_a_network_what_it_says_of_its_sum() {
        let counts: Vec<(f64, f64)> =
            (0..30).map(|i| (f64::from(i % 5), f64::from(i % 3))).collect();
        let networks = networks(&counts, 1.1, 2.0);
        let fit = fit(&networks);
        let features = &networks[7].features;
        let sum = vec![(0, dot(features, &DVector::from_vec(isolated().means))), (1, 1.0)];
        let (mean, variance) = (fit.0.mean_of(&sum), fit.0.variance_of(&sum));
        let expanded = fit.expanded(&isolated());
        assert!((expanded.mean_of(features) - mean).abs() < 1e-9);
        assert!((expanded.variance_of(features) - variance).abs() < 1e-6 * variance);
    }

    #[test]
    fn kinds_are_read_by_their_names() {
        for kind in ModelKind::FITTED {
            assert_eq!(kind.to_string().parse::<ModelKind>().unwrap(), kind);
        }
        assert_eq!(
            "linear".parse::<ModelKind>().unwrap_err().to_string(),
            "kind of model: there is no `linear`; there are: sum, scaled, bayesian"
        );
    }
}
