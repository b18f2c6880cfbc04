//! Colour is varied on the planes of an image, values 0 to 1.

use rand::seq::SliceRandom;
use rand::{Rng, RngExt};

use crate::augmentation::ColourJitter;

/// What red, green and blue have of the grey that the eye sees (ITU-R BT.601).
const GREY: [f32; 3] = [0.299, 0.587, 0.114];

/// One change, by its factor.
#[derive(Clone, Copy, Debug)]
enum Change {
    Brightness(f32),
    Contrast(f32),
    Saturation(f32),
}

/// What a factor may differ from 1 by, and the change that it is of.
type Kind = (f64, fn(f32) -> Change);

/// Changes the planes of an image, one or three of them, by random factors.
pub(crate) fn vary(values: &mut [f32], pixels: usize, jitter: ColourJitter, random: &mut impl Rng) {
    let kinds: [Kind; 3] = [
        (jitter.brightness, Change::Brightness),
        (jitter.contrast, Change::Contrast),
        (jitter.saturation, Change::Saturation),
    ];
    let mut changes: Vec<Change> = kinds
        .into_iter()
        .filter(|(range, _)| 0.0 < *range)
        .map(|(range, change)| {
            change(random.random_range((1.0 - range).max(0.0)..=1.0 + range) as f32)
        })
        .collect();
    changes.shuffle(random);
    for change in changes {
        change.apply(values, pixels);
    }
}

impl Change {
    fn apply(self, values: &mut [f32], pixels: usize) {
        match self {
            Self::Brightness(factor) => blend(values, factor, 0.0),
            Self::Contrast(factor) => blend(values, factor, mean_grey(values, pixels)),
            Self::Saturation(factor) => saturate(values, pixels, factor),
        }
    }
}

/// `base + factor (value - base)`, from 0 to 1.
fn blend(values: &mut [f32], factor: f32, base: f32) {
    for value in values {
        *value = mixed(*value, factor, base);
    }
}

fn mixed(value: f32, factor: f32, base: f32) -> f32 {
    (factor * value + (1.0 - factor) * base).clamp(0.0, 1.0)
}

fn mean_grey(values: &[f32], pixels: usize) -> f32 {
    let mean =
        |plane: &[f32]| plane.iter().map(|value| f64::from(*value)).sum::<f64>() / pixels as f64;
    let means: Vec<f32> = values.chunks_exact(pixels).map(|plane| mean(plane) as f32).collect();
    match *means {
        [grey] => grey,
        _ => means.iter().zip(GREY).map(|(mean, share)| mean * share).sum(),
    }
}

/// Grey images have nothing to saturate.
fn saturate(values: &mut [f32], pixels: usize, factor: f32) {
    if values.len() != 3 * pixels {
        return;
    }
    let (red, others) = values.split_at_mut(pixels);
    let (green, blue) = others.split_at_mut(pixels);
    for ((red, green), blue) in red.iter_mut().zip(green).zip(blue) {
        let grey = GREY[0] * *red + GREY[1] * *green + GREY[2] * *blue;
        *red = mixed(*red, factor, grey);
        *green = mixed(*green, factor, grey);
        *blue = mixed(*blue, factor, grey);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::*;

    #[track_caller]
    fn check(change: Change, values: &[f32], pixels: usize, expected: &[f32]) {
        let mut changed = values.to_vec();
        change.apply(&mut changed, pixels);
        for (found, expected) in changed.iter().zip(expected) {
            assert!((found - expected).abs() < 1e-6, "{change:?} {changed:?}");
        }
    }

    #[test]
    fn each_change_moves_values_from_its_base_and_keeps_them_from_0_to_1() {
        check(Change::Brightness(2.0), &[0.25, 0.75], 2, &[0.5, 1.0]);
        check(Change::Contrast(2.0), &[0.25, 0.5, 0.9], 3, &[0.0, 0.45, 1.0]);
        check(Change::Contrast(0.0), &[0.25, 0.75], 2, &[0.5, 0.5]);
        // One red pixel: the mean grey of the image, and the grey of the pixel.
        check(Change::Contrast(0.0), &[1.0, 0.0, 0.0], 1, &[0.299; 3]);
        check(Change::Saturation(0.0), &[1.0, 0.0, 0.0], 1, &[0.299; 3]);
        check(Change::Saturation(2.0), &[0.6, 0.5, 0.4], 1, &[0.6815, 0.4815, 0.2815]);
        check(Change::Saturation(2.0), &[0.3, 0.4], 2, &[0.3, 0.4]);
    }

    #[test]
    fn nothing_to_vary_varies_nothing() {
        let still = ColourJitter { brightness: 0.0, contrast: 0.0, saturation: 0.0 };
        let values: Vec<f32> = (0..12).map(|value| value as f32 / 16.0).collect();
        let mut changed = values.clone();
        vary(&mut changed, 4, still, &mut ChaCha8Rng::seed_from_u64(1));
        assert_eq!(changed, values);
    }

    proptest! {
        #[test]
        fn values_stay_from_0_to_1(
            values in proptest::collection::vec(0.0_f32..=1.0, 12), seed: u64, strength in 0.0..3.0_f64,
        ) {
            let jitter = ColourJitter { brightness: strength, contrast: strength, saturation: strength };
            let mut changed = values;
            vary(&mut changed, 4, jitter, &mut ChaCha8Rng::seed_from_u64(seed));
            prop_assert!(changed.iter().all(|value| (0.0..=1.0).contains(value)));
        }
    }
}
