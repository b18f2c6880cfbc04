//! Heterogeneity is that rows changed each in their own way, by more than their own errors.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::row_ratio::RowRatio;

/// Degrees of freedom of the errors that are expected: Student's, because now and then two measurements
/// of a row on an unchanged device are several standard errors apart. With three, nine in ten are within
/// 2.4, and in the benchmark of docs/results/tables.md nine in ten tables' rows are within 4 times the median.
const DEGREES: u32 = 3;

/// Draws of the distribution of Q.
const DRAWS: usize = 1000;

/// Seed of the draws: the same rows always have the same probability.
const SEED: u64 = 1;

/// Cochran's Q of all rows but the one whose absence makes it smallest.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Heterogeneity {
    /// Index of that row.
    pub(crate) farthest: usize,
    /// Q of the others (Cochran 1954).
    pub(crate) q: f64,
    /// Probability of so large a Q where all rows have one factor.
    pub(crate) p_value: f64,
}

impl Heterogeneity {
    /// Of at least three rows. The distribution of Q is drawn: rows of these standard errors around one
    /// factor, with Student's errors (a parametric bootstrap; Davison and Hinkley 1997,
    /// section 4.2.3).
    pub(crate) fn of(rows: &[RowRatio]) -> Self {
        let (farthest, q) = trimmed(rows);
        let mut random = ChaCha8Rng::seed_from_u64(SEED);
        let mut drawn = rows.to_vec();
        let mut larger = 0;
        for _ in 0..DRAWS {
            for row in &mut drawn {
                row.logarithm = row.standard_error * student(&mut random);
            }
            larger += usize::from(trimmed(&drawn).1 >= q);
        }
        Self { farthest, q, p_value: (larger + 1) as f64 / (DRAWS + 1) as f64 }
    }
}

/// The row without which Q is smallest, and that Q. With sums over all rows, each Q is
/// `sum w x^2 - (sum w x)^2 / sum w` of what is left.
fn trimmed(rows: &[RowRatio]) -> (usize, f64) {
    let moments = |row: &RowRatio| {
        let weight = row.standard_error.powi(2).recip();
        [1.0, row.logarithm, row.logarithm.powi(2)].map(|power| weight * power)
    };
    let mut total = [0.0; 3];
    for row in rows {
        total.iter_mut().zip(moments(row)).for_each(|(sum, moment)| *sum += moment);
    }
    let without = |(index, row): (usize, &RowRatio)| {
        let [weight, first, second] = moments(row);
        let q = (total[2] - second) - (total[1] - first).powi(2) / (total[0] - weight);
        (index, q.max(0.0))
    };
    rows.iter().enumerate().map(without).min_by(|(_, a), (_, b)| a.total_cmp(b)).unwrap_or((0, 0.0))
}

/// Student's t of [`DEGREES`]: a normal number over the root of the mean square of others (Box and Muller
/// 1958 for these).
fn student(random: &mut ChaCha8Rng) -> f64 {
    let mut normal = || {
        let radius = (-2.0 * (1.0 - random.random::<f64>()).ln()).sqrt();
        radius * (std::f64::consts::TAU * random.random::<f64>()).cos()
    };
    let square: f64 = (0..DEGREES).map(|_| normal().powi(2)).sum();
    normal() / (square / f64::from(DEGREES)).sqrt()
}

#[cfg(test)]
mod tests {
    use op_catalog::Milliseconds;

    use super::super::common_factor::pooled;
    use super::*;

    #[test]
    fn errors_are_students() {
        let mut random = ChaCha8Rng::seed_from_u64(1);
        let draws: Vec<f64> = (0..100_000).map(|_| student(&mut random)).collect();
        let beyond = |limit: f64| {
            draws.iter().filter(|draw| draw.abs() > limit).count() as f64 / draws.len() as f64
        };
        // Tables of Student's distribution with 3 degrees of freedom: 20 % and 1 %.
        assert!((beyond(1.637_744) - 0.2).abs() < 0.005, "{}", beyond(1.637_744));
        assert!((beyond(5.840_909) - 0.01).abs() < 0.001, "{}", beyond(5.840_909));
    }

    #[test]
    fn the_farthest_row_is_the_one_without_which_the_others_agree_best() {
        let row = |logarithm: f64, standard_error: f64| RowRatio {
            key: "conv-k3-in8x8x3-out4x4x8-s2".parse().unwrap(),
            old_ms: Milliseconds(1.0),
            fresh_ms: Milliseconds(1.0),
            logarithm,
            standard_error,
        };
        let rows = [row(0.01, 0.01), row(0.02, 0.01), row(0.3, 0.02), row(0.0, 0.02)];
        let (farthest, q) = trimmed(&rows);
        assert_eq!(farthest, 2);
        let others: Vec<RowRatio> = [0, 1, 3].map(|index| rows[index]).to_vec();
        assert!((q - pooled(&others).1).abs() < 1e-9);
        assert!(Heterogeneity::of(&rows).p_value > 0.2);
        let apart: Vec<RowRatio> =
            (0..12).map(|index| row(if index < 3 { 0.15 } else { 0.0 }, 0.01)).collect();
        assert!(Heterogeneity::of(&apart).p_value < 0.01);
    }
}
