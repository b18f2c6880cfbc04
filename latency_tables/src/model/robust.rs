//! A robust weight is how much a latency counts in a fit that does not expect it: measurements of whole
//! networks now and then go wrong by far more than their noise.

/// Standardised residual up to which a latency counts in full.
const THRESHOLD: f64 = 2.0;

/// Mean of `min(z^2, c^2)` over a standard normal z, for the threshold c:
/// `2 Phi(c) - 1 - 2 c phi(c) + 2 c^2 (1 - Phi(c))`.
const WINSORISED_VARIANCE: f64 = 0.920_536_925_636_323_1;

/// The consistency factor that turns the median absolute deviation of normal numbers into their
/// standard deviation: `1 / Phi^-1(3/4)`.
const MAD_FACTOR: f64 = 1.482_602_218_505_602;

/// The weight of a latency whose residual is t times its standard deviation.
///
/// `w(t) = min(1, (c/t)^2) / E[min(z^2, c^2)]`: constant in the middle as Huber's (1964, "Robust
/// estimation of a location parameter"), and outside falling with the square as Student's (Lange,
/// Little and Taylor 1989, "Robust statistical modeling using the t distribution", section 2), so that
/// the further off a latency is, the less it pulls. The squares `w t^2` are then Huber's winsorised
/// ones (his Proposal 2), bounded, and of mean 1 where the noise is normal: noise is estimated
/// without bias there, and not blown up elsewhere.
pub(crate) fn weight(standardised: f64) -> f64 {
    let excess = (THRESHOLD / standardised.abs()).min(1.0);
    excess * excess / WINSORISED_VARIANCE
}

/// Median; 0 of nothing.
pub(crate) fn median(numbers: impl IntoIterator<Item = f64>) -> f64 {
    let mut numbers: Vec<f64> = numbers.into_iter().collect();
    numbers.sort_by(f64::total_cmp);
    match numbers.len() {
        0 => 0.0,
        count => f64::midpoint(numbers[(count - 1) / 2], numbers[count / 2]),
    }
}

/// Standard deviation around a centre of mostly normal numbers, from the median absolute deviation.
pub(crate) fn spread(numbers: &[f64], centre: f64) -> f64 {
    MAD_FACTOR * median(numbers.iter().map(|number| (number - centre).abs()))
}

#[cfg(test)]
mod tests {
    use statrs::distribution::{Continuous, ContinuousCDF, Normal};

    use super::*;

    #[test]
    fn the_constants_are_those_of_the_normal_distribution() {
        let (normal, c) = (Normal::standard(), THRESHOLD);
        let tail = 1.0 - normal.cdf(c);
        let winsorised = 1.0 - 2.0 * tail - 2.0 * c * normal.pdf(c) + 2.0 * c * c * tail;
        assert!((winsorised - WINSORISED_VARIANCE).abs() < 1e-9, "{winsorised}");
        assert!((1.0 / normal.inverse_cdf(0.75) - MAD_FACTOR).abs() < 1e-9);
    }

    #[test]
    fn what_is_far_off_pulls_less_the_further_it_is() {
        let pulls: Vec<f64> = [1.0, 2.0, 4.0, 40.0].map(|t| t * weight(t)).to_vec();
        assert!(pulls[0] < pulls[1] && pulls[1] > pulls[2] && pulls[2] > pulls[3]);
        assert!(weight(0.0).is_finite() && weight(f64::MAX) >= 0.0);
    }

    #[test]
    fn a_median_is_not_moved_by_one_number() {
        assert!((median([3.0, 1.0, 1e9]) - 3.0).abs() < 1e-12);
        assert!((median([1.0, 2.0]) - 1.5).abs() < 1e-12);
        assert!(median([]).abs() < 1e-12);
        assert!((spread(&[-1.0, 1.0, 1e9], 0.0) - MAD_FACTOR).abs() < 1e-12);
    }
}
