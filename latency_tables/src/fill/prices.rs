//! Prices are what each cost feature costs in milliseconds, so that they add up to an operation's time:
//! a roofline whose slopes come from the table's own rows.

use nalgebra::{DMatrix, DVector};

use super::cost_features::{COUNT, CostFeatures};
use crate::quantile::median;

/// Times that outliers are weighed anew.
const REWEIGHTINGS: usize = 12;

/// Residual over its spread from which a row counts for less (Huber 1964).
const THRESHOLD: f64 = 2.0;

/// The consistency factor of the median absolute deviation: `1 / Phi^-1(3/4)`.
const MAD_FACTOR: f64 = 1.482_602_218_505_602;

/// The smallest spread of logarithms: no device repeats better.
pub(crate) const LEAST_SPREAD: f64 = 1e-3;

/// The smallest time that is predicted, in milliseconds: logarithms are taken of it.
const LEAST_TIME: f64 = 1e-9;

/// A price per feature, none below 0.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Prices(pub(crate) [f64; COUNT]);

impl Prices {
    /// The prices whose sums are nearest to these times (in milliseconds, above 0) in relative terms:
    /// they minimise `sum_i w_i (f_i'p / t_i - 1)^2` under `p >= 0`, with Huber's weights w by
    /// reweighting, so that a few rows that went wrong do not bend them.
    pub(crate) fn fit(rows: &[(CostFeatures, f64)]) -> Self {
        let mut weights = vec![1.0; rows.len()];
        let mut prices = Self::weighted(rows, &weights);
        for _ in 0..REWEIGHTINGS {
            let residuals = prices.log_residuals(rows);
            let spread = spread(&residuals);
            weights = residuals
                .iter()
                .map(|residual| (THRESHOLD * spread / residual.abs()).min(1.0))
                .collect();
            prices = Self::weighted(rows, &weights);
        }
        prices
    }

    /// The sum of an operation's features at these prices, in milliseconds.
    pub(crate) fn time(&self, features: &CostFeatures) -> f64 {
        let sum: f64 = self.0.iter().zip(features).map(|(price, count)| price * count).sum();
        sum.max(LEAST_TIME)
    }

    /// `ln(time / price)`.
    pub(crate) fn log_residual(&self, features: &CostFeatures, time: f64) -> f64 {
        (time / self.time(features)).ln()
    }

    /// The same of many rows.
    pub(crate) fn log_residuals(&self, rows: &[(CostFeatures, f64)]) -> Vec<f64> {
        rows.iter().map(|(features, time)| self.log_residual(features, *time)).collect()
    }

    fn weighted(rows: &[(CostFeatures, f64)], weights: &[f64]) -> Self {
        let mut gram = DMatrix::zeros(COUNT, COUNT);
        let mut moment = DVector::zeros(COUNT);
        for ((features, time), weight) in rows.iter().zip(weights) {
            for (row, count) in features.iter().enumerate() {
                moment[row] += weight * count / time;
                for (column, other) in features.iter().enumerate() {
                    gram[(row, column)] += weight * count * other / (time * time);
                }
            }
        }
        let found = non_negative(&gram, &moment);
        Self(std::array::from_fn(|index| found[index]))
    }
}

/// Standard deviation of mostly normal numbers around 0, from their median size.
pub(crate) fn spread(residuals: &[f64]) -> f64 {
    (MAD_FACTOR * median(residuals.iter().map(|residual| residual.abs()))).max(LEAST_SPREAD)
}

/// The x >= 0 that minimises `x'Gx - 2 m'x`: least squares without negative coefficients (Lawson and
/// Hanson 1974, *Solving least squares problems*, algorithm NNLS, on the normal equations, scaled to a
/// diagonal of 1).
fn non_negative(gram: &DMatrix<f64>, moment: &DVector<f64>) -> DVector<f64> {
    let count = moment.len();
    let scale =
        gram.diagonal().map(|square| if square > 0.0 { square.sqrt().recip() } else { 0.0 });
    let gram = DMatrix::from_fn(count, count, |r, c| gram[(r, c)] * scale[r] * scale[c]);
    let moment = moment.component_mul(&scale);
    let mut x = DVector::<f64>::zeros(count);
    let mut passive = vec![false; count];
    // Each turn frees one coefficient; so many are never needed but where rounding goes in circles.
    for _ in 0..10 * count {
        let slope = &moment - &gram * &x;
        let candidates = (0..count).filter(|&index| !passive[index] && slope[index] > 1e-10);
        let Some(next) = candidates.max_by(|&a, &b| slope[a].total_cmp(&slope[b])) else { break };
        passive[next] = true;
        settle(&gram, &moment, &mut passive, &mut x);
    }
    x.component_mul(&scale)
}

/// Solves for the passive coefficients; those that would become negative go back to 0.
fn settle(gram: &DMatrix<f64>, moment: &DVector<f64>, passive: &mut [bool], x: &mut DVector<f64>) {
    loop {
        let free: Vec<usize> = (0..passive.len()).filter(|&index| passive[index]).collect();
        let solution = solve(gram, moment, &free);
        let negative = free.iter().zip(&solution).filter(|(_, value)| **value <= 0.0);
        let step = negative
            .map(|(&index, value)| (x[index] / (x[index] - value), index))
            .min_by(|(a, _), (b, _)| a.total_cmp(b));
        let length = step.map_or(1.0, |(length, _)| if length.is_finite() { length } else { 0.0 });
        for (&index, value) in free.iter().zip(&solution) {
            x[index] += length * (value - x[index]);
        }
        let Some((_, blocked)) = step else { return };
        x[blocked] = 0.0;
        passive[blocked] = false;
    }
}

/// The unconstrained solution of these coefficients; all 0 where it cannot be found.
fn solve(gram: &DMatrix<f64>, moment: &DVector<f64>, free: &[usize]) -> Vec<f64> {
    let size = free.len();
    // The diagonal is 1: this much more keeps equal columns from being singular.
    let ridge = |row: usize, column: usize| if row == column { 1e-9 } else { 0.0 };
    let matrix = DMatrix::from_fn(size, size, |row, column| {
        gram[(free[row], free[column])] + ridge(row, column)
    });
    let vector = DVector::from_fn(size, |row, _| moment[free[row]]);
    matrix
        .cholesky()
        .map_or_else(|| vec![0.0; size], |factor| factor.solve(&vector).iter().copied().collect())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// By hand: with `x_0 = 0`, `6a + 2b = 3` and `2a + 6b = 7`; the slope of `x_0` is then 1 - 5 (a + b).
    #[test]
    fn a_coefficient_that_would_be_negative_is_0_and_the_others_are_best_without_it() {
        let a = DMatrix::from_row_slice(
            4,
            3,
            &[1.0, 2.0, 0.0, 0.0, 1.0, 1.0, 3.0, 1.0, 1.0, 1.0, 0.0, 2.0],
        );
        let b = DVector::from_vec(vec![1.0, 2.0, -1.0, 3.0]);
        let x = non_negative(&(a.transpose() * &a), &(a.transpose() * b));
        for (found, expected) in x.iter().zip([0.0, 0.125, 1.125]) {
            assert!((found - expected).abs() < 1e-6, "{x}");
        }
    }

    fn counts() -> impl Strategy<Value = Vec<CostFeatures>> {
        prop::collection::vec(prop::array::uniform9(0.1..10.0_f64), 15..40)
    }

    proptest! {
        #[test]
        fn exact_times_are_found_again_and_a_few_wrong_ones_do_not_bend_them(
            counts in counts(), prices in prop::array::uniform9(0.0..5.0_f64), at in 0_usize..15,
        ) {
            let truth = Prices(prices);
            prop_assume!(prices.iter().any(|price| *price > 0.1));
            let mut rows: Vec<(CostFeatures, f64)> =
                counts.iter().map(|features| (*features, truth.time(features))).collect();
            rows[at].1 *= 3.0;
            let fitted = Prices::fit(&rows);
            for (index, (features, time)) in rows.iter().enumerate().filter(|(i, _)| *i != at) {
                let residual = fitted.log_residual(features, *time);
                prop_assert!(residual.abs() < 0.1, "{index}: {residual}");
            }
        }

        #[test]
        fn no_price_is_negative_and_none_could_be_moved_for_the_better(
            counts in counts(), noise in prop::collection::vec(0.2..5.0_f64, 40),
        ) {
            let rows: Vec<(CostFeatures, f64)> = counts.iter().copied().zip(noise).collect();
            let weights = vec![1.0; rows.len()];
            let found = Prices::weighted(&rows, &weights);
            let loss = |prices: &Prices| -> f64 {
                rows.iter().map(|(features, time)| (prices.time(features) / time - 1.0).powi(2)).sum()
            };
            for index in 0..COUNT {
                prop_assert!(found.0[index] >= 0.0);
                for step in [-1e-3, 1e-3] {
                    let mut moved = found;
                    moved.0[index] = (moved.0[index] + step).max(0.0);
                    prop_assert!(loss(&found) <= loss(&moved) + 1e-9);
                }
            }
        }
    }
}
