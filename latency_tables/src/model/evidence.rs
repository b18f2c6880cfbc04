//! The evidence is how probable the measured latencies are under a prior and a noise, whatever the
//! unknowns: it says how loose a prior and how large a noise the data ask for.

use nalgebra::{Cholesky, DMatrix, DVector, Dyn};

use super::regression::{Observation, Prior, dot};

/// Relative noise that is expected before any data, and how many networks that expectation is worth.
/// Whole networks repeat between processes to 0.4 to 1 %.
const EXPECTED_NOISE: f64 = 0.005;
const EXPECTED_NOISE_NETWORKS: f64 = 1.0;

/// The smallest relative noise: no clock tells less of a network.
const LEAST_NOISE: f64 = 1e-4;

/// The looseness that are compared, as shares of [`Prior::loose`].
const LOOSENESS: [f64; 12] = [0.005, 0.01, 0.02, 0.035, 0.05, 0.07, 0.1, 0.15, 0.2, 0.3, 0.5, 1.0];

/// The relative noises that are compared.
const NOISE: [f64; 12] =
    [0.0005, 0.001, 0.002, 0.0035, 0.006, 0.01, 0.015, 0.025, 0.04, 0.065, 0.1, 0.2];

/// What the evidence chooses.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Hyperparameters {
    /// Share of [`Prior::loose`].
    pub(crate) looseness: f64,
    /// Standard deviation of a latency of weight 1, relative to it.
    pub(crate) noise: f64,
}

impl Hyperparameters {
    /// Where the search starts: a tight prior and a loose one, because the evidence may have one peak
    /// where a tight prior leaves everything to noise, and another where a loose one explains it.
    pub(crate) const STARTS: [Self; 2] =
        [Self { looseness: 0.05, noise: 0.01 }, Self { looseness: 0.3, noise: 0.003 }];
}

/// The data as far as a fit needs them: with d the latencies less their prior means, X the features
/// and W the diagonal of precisions in units of 1/noise^2, `X'WX`, `X'Wd`, `d'Wd`, and the number of
/// networks by their weights.
pub(crate) struct Moments {
    gram: DMatrix<f64>,
    moment: DVector<f64>,
    square: f64,
    count: f64,
}

/// The posterior in coordinates `z` in which the prior is standard normal: unknowns are
/// `mean + sd z`, and `A = I + S X'WX S / noise^2` is the precision of z.
pub(crate) struct Whitened {
    pub(crate) deviations: DVector<f64>,
    pub(crate) precision: Cholesky<f64, Dyn>,
    pub(crate) z: DVector<f64>,
    explained: f64,
}

impl Moments {
    /// Adds up observations. `precisions` are per observation, without the weight.
    pub(crate) fn of(observations: &[&Observation], precisions: &[f64], prior: &Prior) -> Self {
        let unknowns = prior.mean.len();
        let mut moments = Self {
            gram: DMatrix::zeros(unknowns, unknowns),
            moment: DVector::zeros(unknowns),
            square: 0.0,
            count: 0.0,
        };
        for (observation, precision) in observations.iter().zip(precisions) {
            let precision = precision * observation.weight;
            let deviation = observation.latency - dot(&observation.features, &prior.mean);
            moments.square += precision * deviation * deviation;
            moments.count += observation.weight;
            for &(row, count) in &observation.features {
                moments.moment[row] += precision * count * deviation;
                for &(column, other) in &observation.features {
                    moments.gram[(row, column)] += precision * count * other;
                }
            }
        }
        moments
    }

    /// The posterior under these hyperparameters (Bishop, "Pattern recognition and machine learning",
    /// 2006, equations 3.50 and 3.51, whitened). The eigenvalues of A are at least 1, so that it can
    /// be factorised however few the networks or collinear their features.
    pub(crate) fn whitened(&self, prior: &Prior, chosen: Hyperparameters) -> Option<Whitened> {
        let deviations = prior.deviations(chosen.looseness);
        let precision = 1.0 / (chosen.noise * chosen.noise);
        let mut matrix = DMatrix::from_fn(self.gram.nrows(), self.gram.ncols(), |row, column| {
            self.gram[(row, column)] * deviations[row] * deviations[column] * precision
        });
        for index in 0..matrix.nrows() {
            matrix[(index, index)] += 1.0;
        }
        let moment = self.moment.component_mul(&deviations) * precision;
        let factor = Cholesky::new(matrix)?;
        let z = factor.solve(&moment);
        let explained = moment.dot(&z);
        Some(Whitened { deviations, precision: factor, z, explained })
    }

    /// Twice the logarithm of the evidence (Bishop 2006, equation 3.86, whitened), and of the density
    /// of the expected noise (inverse gamma), without what is the same for all hyperparameters:
    /// `-(n + a) log noise^2 - log|A| - (d'Wd + a noise0^2) / noise^2 + b'A^-1 b`.
    fn evidence(&self, prior: &Prior, chosen: Hyperparameters) -> f64 {
        let Some(whitened) = self.whitened(prior, chosen) else {
            return f64::NEG_INFINITY;
        };
        let variance = chosen.noise * chosen.noise;
        let factor = whitened.precision.l_dirty();
        let log_determinant: f64 =
            2.0 * (0..factor.nrows()).map(|index| factor[(index, index)].ln()).sum::<f64>();
        let square = self.square + EXPECTED_NOISE_NETWORKS * EXPECTED_NOISE * EXPECTED_NOISE;
        whitened.explained
            - (self.count + EXPECTED_NOISE_NETWORKS) * variance.ln()
            - log_determinant
            - square / variance
    }

    /// The hyperparameters of the largest evidence (Bishop 2006, section 3.5; `MacKay` 1992, "Bayesian
    /// interpolation"), by turns along the two grids from each start.
    pub(crate) fn search(&self, prior: &Prior, starts: &[Hyperparameters]) -> Hyperparameters {
        let climbed = starts.iter().map(|&start| self.climb(prior, start));
        let best = climbed.max_by(|(_, a), (_, b)| a.total_cmp(b));
        best.map_or(Hyperparameters::STARTS[0], |(chosen, _)| chosen)
    }

    /// The best on both grids through a start, twice, with its evidence.
    fn climb(&self, prior: &Prior, start: Hyperparameters) -> (Hyperparameters, f64) {
        let mut best = (start, self.evidence(prior, start));
        for _ in 0..2 {
            let noises = NOISE.map(|noise| Hyperparameters { noise, ..best.0 });
            best = self.best_of(prior, best, &noises);
            let loosenesses = LOOSENESS.map(|looseness| Hyperparameters { looseness, ..best.0 });
            best = self.best_of(prior, best, &loosenesses);
        }
        best
    }

    fn best_of(
        &self,
        prior: &Prior,
        first: (Hyperparameters, f64),
        others: &[Hyperparameters],
    ) -> (Hyperparameters, f64) {
        let all = others.iter().map(|&chosen| (chosen, self.evidence(prior, chosen)));
        all.fold(first, |best, next| if best.1 < next.1 { next } else { best })
    }

    /// The noise that these residuals show: `noise^2 = (r'Wr + a noise0^2) / (n - gamma + a)`, gamma
    /// being the number of unknowns that the data determine (Bishop 2006, equations 3.91 and 3.95).
    pub(crate) fn noise(&self, residual_square: f64, determined: f64) -> f64 {
        let square = residual_square + EXPECTED_NOISE_NETWORKS * EXPECTED_NOISE * EXPECTED_NOISE;
        // More unknowns than networks are never determined, but rounding may have it so.
        let free = (self.count - determined).max(0.0) + EXPECTED_NOISE_NETWORKS;
        (square / free).sqrt().max(LEAST_NOISE)
    }
}
