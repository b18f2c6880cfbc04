//! Calibration finds how many standard errors an interval must be wide to hold what it says it holds.

use statrs::distribution::{ContinuousCDF, StudentsT};

/// Probability that a 90 % interval holds.
pub(crate) const COVERAGE: f64 = 0.9;

/// How many networks the normal distribution's own multiplier is worth.
const STUDENT_NETWORKS: f64 = 20.0;

/// The multiplier of an interval, from held-out residuals over their predicted standard errors.
///
/// The conformal one is the `ceil(0.9 (n + 1))`-th smallest absolute residual: an interval of that width
/// holds a further, exchangeable network with a probability of at least 90 % whatever the distribution
/// (Vovk, Gammerman and Shafer 2005; Lei et al. 2018, "Distribution-free predictive inference for
/// regression", with cross-validated residuals as in their section 2.2 and locally weighted as in their
/// section 5.2). Of few networks it is a noisy number; it is therefore averaged with Student's quantile,
/// which counts as much as 20 networks.
pub(crate) fn multiplier(standardised: &[f64], degrees_of_freedom: f64) -> f64 {
    let student = student(degrees_of_freedom);
    let mut sizes: Vec<f64> = standardised.iter().map(|residual| residual.abs()).collect();
    sizes.sort_by(f64::total_cmp);
    let count = sizes.len() as f64;
    let rank = (COVERAGE * (count + 1.0)).ceil() as usize;
    let Some(conformal) = sizes.get(rank.min(sizes.len()).saturating_sub(1)) else {
        return student;
    };
    (count * conformal + STUDENT_NETWORKS * student) / (count + STUDENT_NETWORKS)
}

/// The quantile of Student's t that holds 90 % on both sides together.
fn student(degrees_of_freedom: f64) -> f64 {
    // Below 3 degrees of freedom intervals are too wide to say anything, and the prior knows more.
    let degrees = degrees_of_freedom.clamp(3.0, 1e6);
    StudentsT::new(0.0, 1.0, degrees)
        .map_or(1.645, |student| student.inverse_cdf(f64::midpoint(1.0, COVERAGE)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Tables of Student's distribution, one-sided 95 %: 2.353 at 3, 1.812 at 10, 1.645 at infinity.
    #[test]
    fn without_residuals_the_multiplier_is_students() {
        for (degrees, expected) in [(1.0, 2.353), (3.0, 2.353), (10.0, 1.812), (1e9, 1.645)] {
            assert!((multiplier(&[], degrees) - expected).abs() < 1e-3);
        }
    }

    #[test]
    fn with_many_residuals_nine_in_ten_are_inside() {
        let residuals: Vec<f64> = (0..5000).map(|i| f64::from((i * 7919) % 5000) / 100.0).collect();
        let multiplier = multiplier(&residuals, 100.0);
        let inside = residuals.iter().filter(|residual| **residual <= multiplier).count();
        assert!((4450..=4550).contains(&inside), "{inside}");
    }
}
