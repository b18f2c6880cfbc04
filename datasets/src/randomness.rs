//! Randomness is a stream of numbers per purpose, epoch and item, so that no draw depends on which draws were
//! made before it, or by which thread.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

/// What numbers are drawn for. The values are part of what a seed means: they stay.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Purpose {
    /// The order of an epoch.
    Shuffle = 1,
    /// The augmentation of an image in an epoch.
    Augmentation = 2,
    /// Which images of a class are held out.
    HeldOut = 3,
    /// Which images a normalisation is computed from.
    Sample = 4,
    /// A training image of the synthetic set.
    DrawnTraining = 5,
    /// A test image of the synthetic set.
    DrawnTest = 6,
}

/// The stream of an item in an epoch. All four numbers are the generator's key, so that no two streams are
/// the same one or parts of one.
pub(crate) fn stream(purpose: Purpose, seed: u64, epoch: u64, item: u64) -> ChaCha8Rng {
    let mut key = [0; 32];
    for (bytes, word) in key.chunks_exact_mut(8).zip([purpose as u64, seed, epoch, item]) {
        bytes.copy_from_slice(&word.to_le_bytes());
    }
    ChaCha8Rng::from_seed(key)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use rand::RngExt;

    use super::*;

    #[test]
    fn every_purpose_seed_epoch_and_item_has_numbers_of_its_own_and_always_the_same() {
        let mut first = HashSet::new();
        for purpose in [Purpose::Shuffle, Purpose::Augmentation] {
            for (seed, epoch, item) in [(0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1), (1, 1, 1)] {
                let mut draws = [0; 2].map(|_| stream(purpose, seed, epoch, item));
                let draws = draws.each_mut().map(RngExt::random::<u64>);
                assert_eq!(draws[0], draws[1]);
                assert!(first.insert(draws[0]), "{purpose:?} {seed} {epoch} {item}");
            }
        }
    }
}
