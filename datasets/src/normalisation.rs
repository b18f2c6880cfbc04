//! A normalisation gives the values of each channel mean 0 and deviation 1, over the images it was computed from.

use rand::seq::index;
use serde::{Deserialize, Serialize};

use crate::blocks::in_blocks;
use crate::randomness::{Purpose, stream};
use crate::{DatasetError, ImageSet};

/// So many images tell enough: means of images deviate by 0.2 from each other, so that theirs is within 0.005.
const SAMPLE: usize = 4096;

/// Where channels do not vary at all, in values of 0 to 1: the smallest difference that bytes have.
const LEAST_STD: f32 = 1.0 / 255.0;

/// Mean and standard deviation per channel, of values from 0 to 1.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Normalisation {
    /// One per channel.
    pub mean: Vec<f32>,
    /// One per channel, above 0.
    pub std: Vec<f32>,
}

/// What a channel's values add up to. Integers, so that the order does not matter.
#[derive(Clone, Copy, Debug, Default)]
struct Sums {
    values: u128,
    squares: u128,
    pixels: u128,
}

impl Normalisation {
    /// That of all pixels of a set, or of a random sample of 4096 images where they have to be decoded or drawn
    /// and there are more. Use it on training images alone.
    ///
    /// # Errors
    /// A set without images, or a file that cannot be decoded.
    pub fn of(images: &ImageSet, seed: u64) -> Result<Self, DatasetError> {
        if images.is_empty() {
            return Err(DatasetError::setting(
                "normalisation",
                "there are no images to compute it from",
            ));
        }
        let chosen = chosen(images, seed);
        let blocks = in_blocks(chosen.len(), |block| {
            let mut sums = vec![Sums::default(); images.channels()];
            for position in &chosen[block] {
                add(&mut sums, images.picture(*position)?.bytes());
            }
            Ok(sums)
        })?;
        let total = blocks.into_iter().reduce(|total, block| {
            total.iter().zip(block).map(|(total, sums)| total.plus(sums)).collect()
        });
        let (mean, std) = total.unwrap_or_default().iter().map(Sums::mean_and_std).unzip();
        Ok(Self { mean, std })
    }

    /// Refuses one that is not of so many channels, or of one that stands for all.
    pub(crate) fn check(&self, channels: usize) -> Result<(), DatasetError> {
        let (means, stds) = (self.mean.len(), self.std.len());
        if means != stds || means != 1 && means != channels {
            let message = format!(
                "it has {means} means and {stds} deviations, but images have {channels} channels"
            );
            return Err(DatasetError::setting("normalisation", message));
        }
        let is_wrong =
            |(mean, std): &(&f32, &f32)| !mean.is_finite() || !std.is_finite() || **std <= 0.0;
        match self.mean.iter().zip(&self.std).find(is_wrong) {
            Some((mean, std)) => {
                let message =
                    format!("mean {mean}, std {std}, but finite numbers and a std above 0");
                Err(DatasetError::setting("normalisation", message))
            }
            None => Ok(()),
        }
    }

    /// Mean and deviation of a channel; one channel stands for all.
    pub(crate) fn channel(&self, channel: usize) -> (f32, f32) {
        let channel = channel % self.mean.len();
        (self.mean[channel], self.std[channel])
    }
}

/// The positions of all images in memory, or of a sample.
fn chosen(images: &ImageSet, seed: u64) -> Vec<usize> {
    if images.is_in_memory() || images.len() <= SAMPLE {
        return (0..images.len()).collect();
    }
    let mut random = stream(Purpose::Sample, seed, 0, 0);
    let mut chosen = index::sample(&mut random, images.len(), SAMPLE).into_vec();
    // As they lie on the disk.
    chosen.sort_unstable();
    chosen
}

fn add(sums: &mut [Sums], bytes: &[u8]) {
    let channels = sums.len();
    for (channel, sums) in sums.iter_mut().enumerate() {
        let (mut values, mut squares) = (0_u64, 0_u64);
        for byte in bytes.iter().skip(channel).step_by(channels) {
            values += u64::from(*byte);
            squares += u64::from(*byte).pow(2);
        }
        let pixels = (bytes.len() / channels) as u128;
        *sums = sums.plus(Sums { values: values.into(), squares: squares.into(), pixels });
    }
}

impl Sums {
    fn plus(self, other: Self) -> Self {
        Self {
            values: self.values + other.values,
            squares: self.squares + other.squares,
            pixels: self.pixels + other.pixels,
        }
    }

    fn mean_and_std(&self) -> (f32, f32) {
        let mean = self.values as f64 / self.pixels as f64;
        let variance = self.squares as f64 / self.pixels as f64 - mean * mean;
        let std = (variance.max(0.0).sqrt() / 255.0) as f32;
        ((mean / 255.0) as f32, std.max(LEAST_STD))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Images, Store};
    use crate::{Dataset, ImageShape, Split, SyntheticSet};

    fn held(shape: ImageShape, bytes: Vec<u8>) -> ImageSet {
        let labels = vec![0; bytes.len() / shape.values()];
        ImageSet::all(Store::new(labels, Images::Held { shape, bytes }), 1)
    }

    #[test]
    fn mean_and_deviation_are_those_of_all_pixels_of_a_channel() {
        let bytes = vec![0, 10, 255, 255, 10, 255, 0, 10, 255, 255, 10, 255];
        let images = held(ImageShape::new(3, 1, 2), bytes);
        let found = Normalisation::of(&images, 1).unwrap();
        let expected = Normalisation {
            mean: vec![0.5, 10.0 / 255.0, 1.0],
            std: vec![0.5, LEAST_STD, LEAST_STD],
        };
        assert_eq!(found, expected);
    }

    #[test]
    fn a_sample_is_close_to_the_whole_and_always_the_same() {
        let shape = ImageShape::new(3, 72, 72);
        let set = SyntheticSet {
            classes: 4,
            shape,
            training_images: 5000,
            test_images: 4,
            noise: 0.1,
            seed: 1,
        };
        let dataset = Dataset::synthetic(&set).unwrap();
        let images = dataset.images(Split::Training);
        assert!(!images.is_in_memory());
        let of_sample = Normalisation::of(images, 1).unwrap();
        assert_eq!(of_sample, Normalisation::of(images, 1).unwrap());
        let other = Normalisation::of(images, 2).unwrap();
        assert_ne!(of_sample, other);
        for (mean, other) in of_sample.mean.iter().zip(&other.mean) {
            assert!((mean - other).abs() < 0.01, "{mean} {other}");
        }
    }

    #[test]
    fn it_is_saved_to_the_last_bit_and_checked_where_it_is_used() {
        let normalisation = Normalisation { mean: vec![0.1, 0.2, 0.3], std: vec![0.3, 0.7, 0.9] };
        let text = serde_json::to_string(&normalisation).unwrap();
        assert_eq!(serde_json::from_str::<Normalisation>(&text).unwrap(), normalisation);
        normalisation.check(3).unwrap();
        let of =
            |mean: &[f32], std: &[f32]| Normalisation { mean: mean.to_vec(), std: std.to_vec() };
        for (wrong, expected) in [
            (
                of(&[0.1, 0.2], &[0.3, 0.7]),
                "normalisation: it has 2 means and 2 deviations, but images have 3 channels",
            ),
            (
                of(&[0.1], &[]),
                "normalisation: it has 1 means and 0 deviations, but images have 3 channels",
            ),
            (
                of(&[0.5], &[0.0]),
                "normalisation: mean 0.5, std 0, but finite numbers and a std above 0",
            ),
        ] {
            assert_eq!(wrong.check(3).unwrap_err().to_string(), expected);
        }
    }
}
