//! A draw picks candidates of one edge by their logits, each at most once.

use rand::{Rng, RngExt};

/// All candidates in the order in which drawing without replacement takes them: the first by
/// `p = softmax(logits)`, the second by what is left of `p`, and so on.
///
/// Sorting `logit + Gumbel noise` gives that order (Yellott 1977; Kool et al., arXiv:1903.06059,
/// section 2.3). It needs no probabilities, so that a candidate whose own is below the smallest `f64`
/// can still come second.
pub(crate) fn ranking(logits: &[f64], random: &mut impl Rng) -> Vec<usize> {
    let perturbed: Vec<f64> = logits.iter().map(|logit| logit + gumbel(random)).collect();
    let mut candidates: Vec<usize> = (0..logits.len()).collect();
    candidates.sort_by(|a, b| perturbed[*b].total_cmp(&perturbed[*a]));
    candidates
}

/// A deviate of the standard Gumbel distribution.
fn gumbel(random: &mut impl Rng) -> f64 {
    -(-random.random::<f64>().ln()).ln()
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::*;

    /// P(a, then b) = `p_a p_b / (1 - p_a)`.
    #[test]
    fn pairs_come_up_as_drawing_without_replacement_has_them() {
        const DRAWS: u32 = 60_000;
        let p: [f64; 3] = [0.6, 0.3, 0.1];
        let logits = p.map(f64::ln);
        let mut random = ChaCha8Rng::seed_from_u64(11);
        let mut counts = [[0_u32; 3]; 3];
        for _ in 0..DRAWS {
            let order = ranking(&logits, &mut random);
            counts[order[0]][order[1]] += 1;
        }
        for a in 0..3 {
            assert_eq!(counts[a][a], 0);
            for b in (0..3).filter(|b| *b != a) {
                let expected = p[a] * p[b] / (1.0 - p[a]);
                let standard_error = (expected * (1.0 - expected) / f64::from(DRAWS)).sqrt();
                let frequency = f64::from(counts[a][b]) / f64::from(DRAWS);
                assert!((frequency - expected).abs() < 4.0 * standard_error, "{a} {b} {frequency}");
            }
        }
    }

    #[test]
    fn a_candidate_of_probability_zero_in_floating_point_can_come_second() {
        let order = ranking(&[-2000.0, 0.0], &mut ChaCha8Rng::seed_from_u64(1));
        assert_eq!(order, [1, 0]);
    }
}
