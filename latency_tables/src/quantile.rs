//! A quantile is the number below which a given share of sorted numbers lies.

/// Quantile of ascending numbers, interpolated linearly as numpy does; nothing of nothing.
pub(crate) fn quantile(ascending: &[f64], share: f64) -> Option<f64> {
    let position = share * ascending.len().checked_sub(1)? as f64;
    let (below, above) =
        (ascending[position.floor() as usize], ascending[position.ceil() as usize]);
    Some(below + (above - below) * position.fract())
}

/// The same numbers, ascending.
pub(crate) fn ascending(numbers: impl IntoIterator<Item = f64>) -> Vec<f64> {
    let mut numbers: Vec<f64> = numbers.into_iter().collect();
    numbers.sort_by(f64::total_cmp);
    numbers
}

/// Median; 0 of nothing.
pub(crate) fn median(numbers: impl IntoIterator<Item = f64>) -> f64 {
    quantile(&ascending(numbers), 0.5).unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `numpy.quantile([1, 2, 4], [0.5, 0.9, 1])`
    #[test]
    fn quantiles_are_those_of_numpy() {
        let numbers = ascending([4.0, 1.0, 2.0]);
        let found = [0.5, 0.9, 1.0].map(|share| quantile(&numbers, share).unwrap());
        for (found, expected) in found.into_iter().zip([2.0, 3.6, 4.0]) {
            assert!((found - expected).abs() < 1e-12, "{found} is not {expected}");
        }
        assert_eq!(quantile(&[], 0.5), None);
        assert!(median([]).abs() < 1e-12);
    }
}
