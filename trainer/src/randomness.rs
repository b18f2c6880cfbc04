//! Randomness of a run: a stream of its own for every step of every purpose, so that a run that goes on draws what
//! it would have drawn.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

/// What is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Purpose {
    /// Weights and logits to begin with.
    Start = 0,
    /// The path of a step of weights.
    Path = 1,
    /// The gates or networks of a step of logits.
    Architecture = 2,
}

/// The stream of a step.
pub(crate) fn stream(seed: u64, purpose: Purpose, step: u64) -> ChaCha8Rng {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    random.set_stream(step << 8 | u64::from(purpose as u8));
    random
}

#[cfg(test)]
mod tests {
    use rand::RngExt;

    use super::*;

    #[test]
    fn every_step_of_every_purpose_draws_other_numbers_and_always_the_same() {
        let draw = |seed, purpose, step| stream(seed, purpose, step).random::<u64>();
        let mut drawn = vec![
            draw(1, Purpose::Start, 0),
            draw(1, Purpose::Path, 0),
            draw(1, Purpose::Path, 1),
            draw(1, Purpose::Architecture, 0),
            draw(2, Purpose::Path, 0),
        ];
        assert_eq!(drawn[1], draw(1, Purpose::Path, 0));
        drawn.sort_unstable();
        drawn.dedup();
        assert_eq!(drawn.len(), 5);
    }
}
