//! A statistic is a number that stands for many: percentiles, moments, and the nonparametric
//! confidence interval of a median.

/// Value below which the share `quantile` of the sorted values lies, linearly between neighbours
/// (type 7 of Hyndman and Fan 1996, as numpy's default). `sorted` must not be empty.
pub(crate) fn percentile(sorted: &[f64], quantile: f64) -> f64 {
    let position = quantile * (sorted.len() - 1) as f64;
    let below = position.floor() as usize;
    let above = (below + 1).min(sorted.len() - 1);
    let weight = position - below as f64;
    sorted[below] + weight * (sorted[above] - sorted[below])
}

/// The values in ascending order.
pub(crate) fn sorted(values: impl IntoIterator<Item = f64>) -> Vec<f64> {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    values
}

/// The median, without an order asked of the values. `values` must not be empty.
pub(crate) fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    percentile(&sorted(values), 0.5)
}

/// Mean and unbiased variance (0 for a single value). `values` must not be empty.
pub(crate) fn moments(values: &[f64]) -> (f64, f64) {
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    (mean, if values.len() > 1 { squares / (count - 1.0) } else { 0.0 })
}

/// An interval with the confidence that it reaches.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Interval {
    pub(crate) low: f64,
    pub(crate) high: f64,
    pub(crate) confidence: f64,
}

/// Confidence interval of the median by order statistics: from the `j`-th smallest to the `j`-th
/// largest value covers the median with probability `1 - 2 P(Binomial(n, 1/2) < j)`, whatever the
/// distribution (David and Nagaraja, Order Statistics, 7.1). The narrowest one that reaches
/// `confidence`; the whole range, with the confidence that it has, where none does.
pub(crate) fn median_interval(sorted: &[f64], confidence: f64) -> Interval {
    let count = sorted.len();
    let mut best = 0;
    let mut reached = coverage(count, 0);
    for rank in 1..count.div_ceil(2) {
        let covered = coverage(count, rank);
        if covered < confidence {
            break;
        }
        (best, reached) = (rank, covered);
    }
    Interval { low: sorted[best], high: sorted[count - 1 - best], confidence: reached }
}

/// Probability that the median lies between the order statistics `rank` and `count - 1 - rank`,
/// counted from 0.
fn coverage(count: usize, rank: usize) -> f64 {
    let mut probability = 0.5_f64.powf(count as f64);
    let mut tail = 0.0;
    for k in 0..=rank {
        tail += probability;
        probability *= (count - k) as f64 / (k + 1) as f64;
    }
    (1.0 - 2.0 * tail).max(0.0)
}

#[cfg(test)]
mod tests {
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;

    #[test]
    fn percentiles_are_those_of_numpy() {
        // numpy.percentile([1, 2, 4, 8], [0, 10, 50, 90, 100])
        let values = [1.0, 2.0, 4.0, 8.0];
        for (quantile, expected) in [(0.0, 1.0), (0.1, 1.3), (0.5, 3.0), (0.9, 6.8), (1.0, 8.0)] {
            assert!((percentile(&values, quantile) - expected).abs() < 1e-12, "{quantile}");
        }
        assert_eq!(percentile(&[3.0], 0.9), 3.0);
    }

    #[test]
    fn six_values_are_the_fewest_that_reach_95_percent() {
        // 1 - 2 * 0.5**n for n = 5 and 6; 1 - 2 * sum(comb(9, k) for k in (0, 1)) / 2**9 for n = 9.
        let values = |n: usize| (0..n).map(|i| i as f64).collect::<Vec<_>>();
        for (n, low, high, confidence) in [
            (1, 0.0, 0.0, 0.0),
            (5, 0.0, 4.0, 0.9375),
            (6, 0.0, 5.0, 0.96875),
            (9, 1.0, 7.0, 0.960_937_5),
        ] {
            let interval = median_interval(&values(n), 0.95);
            assert_eq!(interval, Interval { low, high, confidence }, "{n} values");
        }
    }

    #[test]
    fn the_interval_covers_the_true_median_as_often_as_it_says() {
        let mut rng = ChaCha8Rng::seed_from_u64(7);
        for n in [6, 11, 40] {
            let mut covered = 0_u32;
            let mut stated = 0.0;
            for _ in 0..4000 {
                // Skewed on purpose: the median of u^3 is 1/8.
                let draws = sorted((0..n).map(|_| rng.random::<f64>().powi(3)));
                let interval = median_interval(&draws, 0.95);
                stated = interval.confidence;
                covered += u32::from(interval.low <= 0.125 && 0.125 <= interval.high);
            }
            let share = f64::from(covered) / 4000.0;
            assert!((share - stated).abs() < 0.015, "{n} draws: {share} of {stated}");
        }
    }

    proptest::proptest! {
        #[test]
        fn percentiles_lie_within_the_values_and_rise(mut values in proptest::collection::vec(0.0_f64..1e6, 1..50)) {
            values.sort_by(f64::total_cmp);
            let points: Vec<f64> = [0.0, 0.1, 0.5, 0.9, 1.0].iter().map(|q| percentile(&values, *q)).collect();
            proptest::prop_assert!(points.windows(2).all(|pair| pair[0] <= pair[1]));
            proptest::prop_assert!(points[0] == values[0] && points[4] == values[values.len() - 1]);
        }
    }
}
