//! A regression finds the unknowns of a model from the latencies of whole networks and a prior.

use nalgebra::{DMatrix, DVector};

use super::design::Features;
use super::evidence::{Hyperparameters, Moments, Whitened};
use super::robust;

/// How often looseness and noise are chosen anew, and after each choice the weights.
const PASSES: usize = 2;
const REWEIGHTINGS: usize = 3;

/// A network as a regression sees it.
#[derive(Clone, Debug)]
pub(crate) struct Observation {
    /// How often each unknown is in it.
    pub(crate) features: Features,
    /// Its latency in milliseconds.
    pub(crate) latency: f64,
    /// How much it counts; above 0.
    pub(crate) weight: f64,
}

/// Independent normal distributions of the unknowns before the data, in milliseconds. The variance of
/// an unknown is `(tau loose)^2 + own^2`, with tau chosen by the data.
#[derive(Clone, Debug)]
pub(crate) struct Prior {
    pub(crate) mean: DVector<f64>,
    pub(crate) loose: DVector<f64>,
    pub(crate) own: DVector<f64>,
}

/// What is known of the unknowns after the data.
#[derive(Clone, Debug)]
pub(crate) struct Posterior {
    /// Means in milliseconds.
    pub(crate) mean: DVector<f64>,
    /// Covariance in square milliseconds.
    pub(crate) covariance: DMatrix<f64>,
    /// Standard deviation of a latency of weight 1, relative to it.
    pub(crate) noise: f64,
    /// Number of unknowns that the data determine.
    pub(crate) determined: f64,
}

impl Prior {
    /// Standard deviations of the unknowns.
    pub(crate) fn deviations(&self, looseness: f64) -> DVector<f64> {
        self.loose.zip_map(&self.own, |loose, own| (looseness * loose).hypot(own))
    }
}

impl Posterior {
    /// The predicted latency.
    pub(crate) fn mean_of(&self, features: &Features) -> f64 {
        dot(features, &self.mean)
    }

    /// The variance that the prediction has from the unknowns: `x'Cx`.
    pub(crate) fn variance_of(&self, features: &Features) -> f64 {
        quadratic(features, &self.covariance)
    }

    /// The variance of a latency of this weight around its prediction (Bishop 2006, equation 3.59).
    pub(crate) fn predictive_variance(&self, features: &Features, weight: f64) -> f64 {
        let noise = self.noise * self.mean_of(features);
        self.variance_of(features) + noise * noise / weight
    }
}

/// Value of a network under these unknowns.
pub(crate) fn dot(features: &Features, unknowns: &DVector<f64>) -> f64 {
    features.iter().map(|&(unknown, count)| count * unknowns[unknown]).sum()
}

fn quadratic(features: &Features, matrix: &DMatrix<f64>) -> f64 {
    let terms = features.iter().flat_map(|&(row, count)| {
        features.iter().map(move |&(column, other)| count * other * matrix[(row, column)])
    });
    terms.sum::<f64>().max(0.0)
}

/// Bayesian linear regression, robust to outliers:
/// `latency = x' unknowns + e`, `e ~ N(0, (noise level)^2 / (weight w))`.
///
/// The noise is relative to the level of a network, its predicted latency. The robust weights w are
/// found by iteratively reweighted least squares (Lange, Little and Taylor 1989), from residuals that
/// are standardised by what they vary (Belsley, Kuh and Welsch 1980, section 2.1): a network that the
/// fit follows closely because it has nothing else to go by must not pass for a good one. Looseness
/// and noise have the largest evidence, before and amid the reweighting.
pub(crate) fn regress(observations: &[&Observation], prior: &Prior) -> Posterior {
    let mut precisions = first_precisions(observations, prior);
    let mut starts = Hyperparameters::STARTS.to_vec();
    for _ in 0..PASSES {
        let mut chosen = Moments::of(observations, &precisions, prior).search(prior, &starts);
        for _ in 0..REWEIGHTINGS {
            let moments = Moments::of(observations, &precisions, prior);
            let fit = posterior(&moments, prior, chosen);
            chosen.noise =
                moments.noise(residual_square(observations, &precisions, &fit), fit.determined);
            precisions =
                reweighted(observations, &precisions, &Posterior { noise: chosen.noise, ..fit });
        }
        starts = vec![chosen];
    }
    posterior(&Moments::of(observations, &precisions, prior), prior, starts[0])
}

/// Precisions before anything is fitted: by how far a latency is off from what the prior expects,
/// compared with how far the others are.
fn first_precisions(observations: &[&Observation], prior: &Prior) -> Vec<f64> {
    let level = Level::of(observations);
    let expected = |observation: &Observation| dot(&observation.features, &prior.mean);
    let relative: Vec<f64> = observations
        .iter()
        .map(|&observation| {
            let expected = expected(observation);
            (observation.latency - expected) / level.near(expected)
        })
        .collect();
    let centre = robust::median(relative.iter().copied());
    let spread = robust::spread(&relative, centre);
    let precision = |(observation, relative): (&&Observation, &f64)| {
        let level = level.near(expected(observation));
        let standardised = if spread > 0.0 { (relative - centre) / spread } else { 0.0 };
        robust::weight(standardised) / (level * level)
    };
    observations.iter().zip(&relative).map(precision).collect()
}

fn posterior(moments: &Moments, prior: &Prior, chosen: Hyperparameters) -> Posterior {
    let noise = chosen.noise;
    let Some(Whitened { deviations, precision, z, .. }) = moments.whitened(prior, chosen) else {
        // The data are finite and the matrix has a unit diagonal added: what remains is overflow, where
        // the prior is what is known.
        let variances = prior.deviations(chosen.looseness).map(|deviation| deviation * deviation);
        let covariance = DMatrix::from_diagonal(&variances);
        return Posterior { mean: prior.mean.clone(), covariance, noise, determined: 0.0 };
    };
    let mut covariance = precision.inverse();
    let determined = covariance.nrows() as f64 - covariance.trace();
    for row in 0..covariance.nrows() {
        for column in 0..covariance.ncols() {
            covariance[(row, column)] *= deviations[row] * deviations[column];
        }
    }
    let mean = &prior.mean + z.component_mul(&deviations);
    Posterior { mean, covariance, noise, determined }
}

fn residual_square(observations: &[&Observation], precisions: &[f64], fit: &Posterior) -> f64 {
    let squares = observations.iter().zip(precisions).map(|(observation, precision)| {
        let residual = observation.latency - fit.mean_of(&observation.features);
        precision * observation.weight * residual * residual
    });
    squares.sum()
}

/// Precisions from the residuals of a fit: `w(t) / level^2`, with `t^2 = r^2 / (v (1 - h))`, v being
/// the variance of the latency and h its leverage, the share of itself in its own prediction.
fn reweighted(observations: &[&Observation], precisions: &[f64], fit: &Posterior) -> Vec<f64> {
    let level = Level::of(observations);
    let precision = |(observation, precision): (&&Observation, &f64)| {
        let predicted = fit.mean_of(&observation.features);
        let level = level.near(predicted);
        let variance = (fit.noise * level).powi(2) / observation.weight;
        let own = precision * observation.weight / (fit.noise * fit.noise);
        let leverage = (own * fit.variance_of(&observation.features)).clamp(0.0, 0.99);
        let residual = observation.latency - predicted;
        robust::weight(residual / (variance * (1.0 - leverage)).sqrt()) / (level * level)
    };
    observations.iter().zip(precisions).map(precision).collect()
}

/// The latency that noise is relative to: a prediction, kept near the latencies that were measured.
struct Level {
    median: f64,
}

impl Level {
    fn of(observations: &[&Observation]) -> Self {
        Self { median: robust::median(observations.iter().map(|observation| observation.latency)) }
    }

    fn near(&self, predicted: f64) -> f64 {
        predicted.clamp(0.2 * self.median, 5.0 * self.median)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn observation(features: &[(usize, f64)], latency: f64) -> Observation {
        Observation { features: features.to_vec(), latency, weight: 1.0 }
    }

    fn prior(mean: &[f64], loose: &[f64]) -> Prior {
        let vector = |numbers: &[f64]| DVector::from_column_slice(numbers);
        Prior { mean: vector(mean), loose: vector(loose), own: DVector::zeros(mean.len()) }
    }

    /// Solved in fractions:
    /// ```python
    /// from fractions import Fraction as F
    /// X = [[1, 0, 1], [1, 1, 0], [1, 2, 1]]
    /// d = [F(1), F(1, 2), F(2)]  # latencies less prior means: 3 - 2, 2.5 - 2, 6 - 4
    /// w = [100 * F(v) for v in (1, 2, F(1, 2))]
    /// A = [[sum(w[k] * X[k][i] * X[k][j] for k in range(3)) for j in range(3)] for i in range(3)]
    /// for i, precision in enumerate([4, 1, F(1, 4)]): A[i][i] += precision
    /// b = [sum(w[k] * X[k][i] * d[k] for k in range(3)) for i in range(3)]
    /// def solve(b):
    ///     M = [row[:] + [v] for row, v in zip(A, b)]
    ///     for i in range(3):
    ///         M[i] = [v / M[i][i] for v in M[i]]
    ///         for k in range(3):
    ///             if k != i: M[k] = [u - M[k][i] * v for u, v in zip(M[k], M[i])]
    ///     return [row[3] for row in M]
    /// print([float(1 + v) for v in solve(b)])
    /// print([float(solve([F(int(i == j)) for j in range(3)])[i]) for i in range(3)])
    /// ```
    #[test]
    fn the_posterior_is_that_of_exact_arithmetic() {
        let rows = [
            observation(&[(0, 1.0), (2, 1.0)], 3.0),
            observation(&[(0, 1.0), (1, 1.0)], 2.5),
            observation(&[(0, 1.0), (1, 2.0), (2, 1.0)], 6.0),
        ];
        let rows: Vec<&Observation> = rows.iter().collect();
        let prior = prior(&[1.0, 1.0, 1.0], &[0.5, 1.0, 2.0]);
        let chosen = Hyperparameters { looseness: 1.0, noise: 0.1 };
        let moments = Moments::of(&rows, &[1.0, 2.0, 0.5], &prior);
        let fit = posterior(&moments, &prior, chosen);
        let expected = [
            [1.005_319_790_078_609_3, 1.495_818_574_303_328_3, 1.995_808_146_807_825_5],
            [0.011_841_452_110_637_023, 0.007_231_733_237_094_03, 0.012_242_940_143_701_492],
        ];
        let variances = fit.covariance.diagonal();
        for (found, expected) in fit.mean.iter().chain(variances.iter()).zip(expected.concat()) {
            assert!((found - expected).abs() < 1e-9, "{found} is not {expected}");
        }
    }

    #[test]
    fn an_outlier_hardly_moves_what_the_others_say() {
        let mut rows: Vec<Observation> = (0..40)
            .map(|i| {
                let count = f64::from(i % 5);
                let noise = 1.0 + 0.003 * f64::from((i * 7) % 11 - 5) / 5.0;
                observation(&[(0, 1.0), (1, count)], (10.0 + 2.0 * count) * noise)
            })
            .collect();
        rows[3].latency *= 3.0;
        let rows: Vec<&Observation> = rows.iter().collect();
        let fit = regress(&rows, &prior(&[10.0, 3.0], &[10.0, 3.0]));
        assert!((fit.mean[0] - 10.0).abs() < 0.05, "{}", fit.mean);
        assert!((fit.mean[1] - 2.0).abs() < 0.02, "{}", fit.mean);
        assert!(fit.noise < 0.004, "{}", fit.noise);
    }
}
