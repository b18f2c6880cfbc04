//! Agreement is how well predicted latencies fit measured ones: how far off they are, and whether
//! they order the networks as the device does.

use op_catalog::Milliseconds;
use serde::{Deserialize, Serialize};

/// Agreement of at least two predictions with their measurements.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Agreement {
    /// Mean absolute percentage error, relative to the measured latencies.
    pub mape_percent: f64,
    /// Root mean square error in milliseconds.
    pub rmse_ms: f64,
    /// Spearman's rank correlation; `null` where all predictions, or all measurements, are equal.
    pub spearman: Option<f64>,
    /// Kendall's tau-b; `null` as for Spearman's.
    pub kendall: Option<f64>,
    /// Mean signed percentage error: negative where predictions are too low.
    pub bias_percent: f64,
}

/// A latency as predicted and as measured.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// As predicted.
    pub predicted: Milliseconds,
    /// As measured; above 0.
    pub measured: Milliseconds,
}

impl Agreement {
    /// The agreement of these points, or nothing where there are fewer than two.
    pub fn of(points: &[Point]) -> Option<Self> {
        if points.len() < 2 {
            return None;
        }
        let predicted: Vec<f64> = points.iter().map(|point| point.predicted.0).collect();
        let measured: Vec<f64> = points.iter().map(|point| point.measured.0).collect();
        let errors: Vec<f64> = predicted.iter().zip(&measured).map(|(p, m)| p - m).collect();
        let relative: Vec<f64> = errors.iter().zip(&measured).map(|(error, m)| error / m).collect();
        Some(Self {
            mape_percent: 100.0 * mean(relative.iter().map(|error| error.abs())),
            rmse_ms: mean(errors.iter().map(|error| error * error)).sqrt(),
            spearman: pearson(&ranks(&predicted), &ranks(&measured)),
            kendall: kendall(&predicted, &measured),
            bias_percent: 100.0 * mean(relative.iter().copied()),
        })
    }
}

fn mean(numbers: impl ExactSizeIterator<Item = f64>) -> f64 {
    let count = numbers.len() as f64;
    numbers.sum::<f64>() / count
}

/// Ranks from 1; equal numbers share the mean of theirs.
fn ranks(numbers: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..numbers.len()).collect();
    order.sort_by(|&a, &b| numbers[a].total_cmp(&numbers[b]));
    let mut ranks = vec![0.0; numbers.len()];
    let mut before = 0;
    for equal in order.chunk_by(|&a, &b| numbers[b] <= numbers[a]) {
        let shared = before as f64 + f64::midpoint(1.0, equal.len() as f64);
        for &index in equal {
            ranks[index] = shared;
        }
        before += equal.len();
    }
    ranks
}

fn pearson(x: &[f64], y: &[f64]) -> Option<f64> {
    let (mean_x, mean_y) = (mean(x.iter().copied()), mean(y.iter().copied()));
    let product = |a: &[f64], mean_a: f64, b: &[f64], mean_b: f64| -> f64 {
        a.iter().zip(b).map(|(a, b)| (a - mean_a) * (b - mean_b)).sum()
    };
    let spread = (product(x, mean_x, x, mean_x) * product(y, mean_y, y, mean_y)).sqrt();
    (spread > 0.0).then(|| product(x, mean_x, y, mean_y) / spread)
}

/// Tau-b: concordant less discordant pairs, over the geometric mean of the pairs untied in either.
fn kendall(x: &[f64], y: &[f64]) -> Option<f64> {
    let (mut balance, mut untied_x, mut untied_y) = (0.0, 0.0, 0.0);
    for i in 0..x.len() {
        for j in 0..i {
            let (order_x, order_y) = (order(x[i], x[j]), order(y[i], y[j]));
            balance += order_x * order_y;
            untied_x += order_x.abs();
            untied_y += order_y.abs();
        }
    }
    let pairs: f64 = untied_x * untied_y;
    (pairs > 0.0).then(|| balance / pairs.sqrt())
}

fn order(a: f64, b: f64) -> f64 {
    f64::from(i8::from(a > b) - i8::from(a < b))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(predicted: &[f64], measured: &[f64]) -> Option<Agreement> {
        let points: Vec<Point> = predicted
            .iter()
            .zip(measured)
            .map(|(p, m)| Point { predicted: Milliseconds(*p), measured: Milliseconds(*m) })
            .collect();
        Agreement::of(&points)
    }

    #[test]
    fn fewer_than_two_points_agree_on_nothing() {
        assert_eq!(of(&[], &[]), None);
        assert_eq!(of(&[1.0], &[1.0]), None);
    }

    #[test]
    fn equal_predictions_order_nothing() {
        let agreement = of(&[2.0, 2.0], &[1.0, 4.0]).unwrap();
        assert_eq!((agreement.spearman, agreement.kendall), (None, None));
        assert_eq!((agreement.mape_percent, agreement.bias_percent), (75.0, 25.0));
    }

    /// ```python
    /// import numpy as np
    /// from scipy.stats import kendalltau, spearmanr   # scipy 1.17.1
    /// p, m = np.array(predicted), np.array(measured)
    /// print(100 * np.mean(abs(p - m) / m), np.sqrt(np.mean((p - m) ** 2)),
    ///       spearmanr(p, m).statistic, kendalltau(p, m).statistic, 100 * np.mean((p - m) / m))
    /// ```
    #[test]
    fn numbers_are_those_of_scipy_ties_included() {
        for (predicted, measured, expected) in [
            (
                &[30.1, 42.5, 38.0, 29.4, 51.2][..],
                &[33.0, 45.1, 42.2, 32.5, 54.0][..],
                [7.845_819_777_434_62, 3.170_488_921_286_432, 1.0, 1.0, -7.845_819_777_434_62],
            ),
            (
                &[10.0, 20.0, 20.0, 40.0, 50.0, 50.0],
                &[12.0, 18.0, 25.0, 25.0, 49.0, 60.0],
                [
                    21.080_876_795_162_51,
                    7.735_200_923_914_862,
                    0.940_403_258_591_788_2,
                    0.889_499_179_993_321_5,
                    3.303_099_017_384_732_3,
                ],
            ),
            (
                &[5.0, 4.0, 3.0, 2.0],
                &[1.0, 2.0, 3.0, 4.0],
                [137.5, 2.449_489_742_783_178, -1.0, -1.0, 112.5],
            ),
        ] {
            let agreement = of(predicted, measured).unwrap();
            let found = [
                agreement.mape_percent,
                agreement.rmse_ms,
                agreement.spearman.unwrap(),
                agreement.kendall.unwrap(),
                agreement.bias_percent,
            ];
            for (found, expected) in found.into_iter().zip(expected) {
                assert!((found - expected).abs() < 1e-9, "{found} is not {expected}");
            }
        }
    }
}
