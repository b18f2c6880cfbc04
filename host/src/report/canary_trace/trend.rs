//! A trend is the usual speed of a device over its canaries, as its agent takes it: the lower quartile of
//! the last of them.

/// Canaries that the usual speed is taken from: as in the agent's `measuring/canary.rs`.
const MEMORY: usize = 128;

/// The usual time when each canary ran, itself included.
pub(super) fn usual(times: impl Iterator<Item = f64>) -> Vec<f64> {
    let times: Vec<f64> = times.collect();
    let last = |end: usize| &times[end.saturating_sub(MEMORY)..end];
    (1..=times.len()).map(|end| quantile(last(end), 0.25)).collect()
}

/// A quantile of numbers, interpolated; 0 of none.
pub(super) fn quantile(numbers: &[f64], share: f64) -> f64 {
    let mut sorted = numbers.to_vec();
    sorted.sort_by(f64::total_cmp);
    let Some(last) = sorted.len().checked_sub(1) else { return 0.0 };
    let place = share * last as f64;
    let (below, above) = (sorted[place.floor() as usize], sorted[place.ceil() as usize]);
    below + place.fract() * (above - below)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// In thousandths, which compare exactly.
    fn thousandths<const N: usize>(numbers: [f64; N]) -> [i64; N] {
        numbers.map(|number| (1000.0 * number).round() as i64)
    }

    #[test]
    fn the_usual_speed_follows_a_device_that_settles_at_another() {
        let times = std::iter::repeat_n(1.0, 200).chain(std::iter::repeat_n(2.0, 200));
        let usual = usual(times);
        let some = [usual[0], usual[199], usual[220], usual[399]];
        assert_eq!(thousandths(some), [1000, 1000, 1000, 2000]);
    }

    #[test]
    fn quantiles_are_interpolated() {
        let quantiles = [0.0, 0.25, 0.5, 1.0].map(|share| quantile(&[3.0, 1.0], share));
        assert_eq!(thousandths(quantiles), [1000, 1500, 2000, 3000]);
        assert_eq!(thousandths([quantile(&[], 0.5)]), [0]);
    }
}
