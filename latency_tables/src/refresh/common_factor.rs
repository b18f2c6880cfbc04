//! The common factor is by how much all rows changed together.

use statrs::distribution::{ContinuousCDF, StudentsT};

use super::row_ratio::RowRatio;

/// A factor on all times.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct CommonFactor {
    /// New times over old ones.
    pub(crate) factor: f64,
    /// What it is above and below with the level's probability of being wrong, each.
    pub(crate) interval: [f64; 2],
    /// Standard deviation of the rows' own factors (DerSimonian and Laird 1986, equation 8).
    pub(crate) tau: f64,
}

/// The weighted mean of the rows' logarithms, and Cochran's Q around it.
pub(crate) fn pooled(rows: &[RowRatio]) -> (f64, f64) {
    let weight = |row: &RowRatio| row.standard_error.powi(2).recip();
    let total: f64 = rows.iter().map(weight).sum();
    let mean = rows.iter().map(|row| weight(row) * row.logarithm).sum::<f64>() / total;
    let q = rows.iter().map(|row| weight(row) * (row.logarithm - mean).powi(2)).sum();
    (mean, q)
}

impl CommonFactor {
    /// Of at least two rows, by random effects: `w_i = 1 / (se_i^2 + tau^2)`, with the variance of Knapp
    /// and Hartung (2003), but never below that which the rows' standard errors alone give.
    pub(crate) fn of(rows: &[RowRatio], level: f64) -> Self {
        let tau = tau(rows);
        let with_tau: Vec<RowRatio> = rows
            .iter()
            .map(|row| RowRatio { standard_error: row.standard_error.hypot(tau), ..*row })
            .collect();
        let (mean, q) = pooled(&with_tau);
        let total: f64 = with_tau.iter().map(|row| row.standard_error.powi(2).recip()).sum();
        let degrees = rows.len() as f64 - 1.0;
        let deviation = ((q / degrees).max(1.0) / total).sqrt();
        let quantile = StudentsT::new(0.0, 1.0, degrees)
            .map_or(f64::INFINITY, |student| student.inverse_cdf(1.0 - level));
        let ends = [-quantile, quantile].map(|quantile| (mean + quantile * deviation).exp());
        Self { factor: mean.exp(), interval: ends, tau }
    }
}

/// `tau^2 = max(0, (Q - (k - 1)) / (sum w - sum w^2 / sum w))` (DerSimonian and Laird 1986).
fn tau(rows: &[RowRatio]) -> f64 {
    let weights = rows.iter().map(|row| row.standard_error.powi(2).recip());
    let total: f64 = weights.clone().sum();
    let squares: f64 = weights.map(|weight| weight * weight).sum();
    let (_, q) = pooled(rows);
    ((q - (rows.len() as f64 - 1.0)) / (total - squares / total)).max(0.0).sqrt()
}

#[cfg(test)]
mod tests {
    use op_catalog::Milliseconds;

    use super::*;

    fn rows(numbers: &[(f64, f64)]) -> Vec<RowRatio> {
        let row = |&(logarithm, standard_error): &(f64, f64)| RowRatio {
            key: "conv-k3-in8x8x3-out4x4x8-s2".parse().unwrap(),
            old_ms: Milliseconds(1.0),
            fresh_ms: Milliseconds(logarithm.exp()),
            logarithm,
            standard_error,
        };
        numbers.iter().map(row).collect()
    }

    /// By hand: weights 1, 1, 1/4 of mean 1/3, Q = 1/9 + 4/9 + (2/3)^2 / 4 = 2/3 at standard errors of 1
    /// and 2; with a hundredth of the errors, Q is ten thousand times that.
    #[test]
    fn q_and_tau_are_those_of_dersimonian_and_laird() {
        let (mean, q) = pooled(&rows(&[(0.0, 1.0), (1.0, 1.0), (-1.0, 2.0)]));
        assert!((mean - 1.0 / 3.0).abs() < 1e-12, "{mean}");
        assert!((q - (1.0 / 9.0 + 4.0 / 9.0 + 16.0 / 9.0 / 4.0)).abs() < 1e-12, "{q}");
        assert!(tau(&rows(&[(0.0, 1.0), (1.0, 1.0), (-1.0, 2.0)])) < 1e-12);
        let tight = rows(&[(0.0, 0.1), (1.0, 0.1), (-1.0, 0.2)]);
        let (total, squares) = (225.0, 1e4 + 1e4 + 625.0);
        let expected = ((100.0 * q - 2.0) / (total - squares / total)).sqrt();
        assert!((tau(&tight) - expected).abs() < 1e-9, "{}", tau(&tight));
    }

    #[test]
    fn equal_rows_give_their_factor_and_an_interval_from_their_own_errors() {
        let found = CommonFactor::of(&rows(&[(0.03, 0.01); 9]), 0.05);
        assert!((found.factor - 0.03_f64.exp()).abs() < 1e-12);
        // Student's quantile at 8 degrees of freedom, 95 %.
        let half_width = 1.859_548 * 0.01 / 3.0;
        assert!((found.interval[1] - (0.03_f64 + half_width).exp()).abs() < 1e-6, "{found:?}");
    }
}
