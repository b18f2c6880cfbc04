//! A pipeline makes of a picture what a network takes: framed, perhaps augmented, normalised, channel by channel.

use fast_image_resize::Resizer;
use rand::{Rng, RngExt};

use crate::augmentation::{Augmentation, ColourJitter, Crop, Evaluation};
use crate::canvas::mirror;
use crate::colour;
use crate::framing::frame;
use crate::{DatasetError, ImageShape, Normalisation, Picture};

/// What is done to every image of a loader. One that exists has settings that are in their ranges.
#[derive(Clone, Debug)]
pub struct Pipeline {
    target: ImageShape,
    crop: Crop,
    flip_probability: f64,
    colour: Option<ColourJitter>,
    cutout_px: Option<usize>,
    /// Per channel of the target, of values 0 to 1.
    normalisation: Vec<Linear>,
}

/// `slope value + offset`.
#[derive(Clone, Copy, Debug)]
struct Linear {
    slope: f32,
    offset: f32,
}

impl Pipeline {
    /// What training images go through, to become images of the target's shape.
    ///
    /// # Errors
    /// A setting that is out of its range, or a normalisation of another number of channels.
    pub fn training(
        augmentation: &Augmentation,
        normalisation: &Normalisation,
        target: ImageShape,
    ) -> Result<Self, DatasetError> {
        augmentation.check(target)?;
        Ok(Self {
            flip_probability: augmentation.flip_probability,
            colour: augmentation.colour,
            cutout_px: augmentation.cutout_px,
            ..Self::framed(augmentation.crop.clone(), normalisation, target)?
        })
    }

    /// What test images go through: nothing is random.
    ///
    /// # Errors
    /// As [`Self::training`].
    pub fn evaluation(
        evaluation: &Evaluation,
        normalisation: &Normalisation,
        target: ImageShape,
    ) -> Result<Self, DatasetError> {
        let crop = Crop::Centre { shorter_side_px: evaluation.shorter_side_px };
        crop.check(target)?;
        Self::framed(crop, normalisation, target)
    }

    fn framed(
        crop: Crop,
        normalisation: &Normalisation,
        target: ImageShape,
    ) -> Result<Self, DatasetError> {
        if !matches!(target.channels, 1 | 3) || target.pixels() == 0 {
            let message = format!("{target}, but 1 or 3 channels and sides above 0");
            return Err(DatasetError::setting("target shape", message));
        }
        normalisation.check(target.channels)?;
        let linear = |channel| {
            let (mean, std) = normalisation.channel(channel);
            Linear { slope: 1.0 / std, offset: -mean / std }
        };
        let normalisation = (0..target.channels).map(linear).collect();
        Ok(Self {
            target,
            crop,
            flip_probability: 0.0,
            colour: None,
            cutout_px: None,
            normalisation,
        })
    }

    /// Shape of what comes out.
    pub fn target(&self) -> ImageShape {
        self.target
    }

    /// Refuses images of so many channels, if they cannot become those of the target.
    pub(crate) fn check_channels(&self, channels: usize) -> Result<(), DatasetError> {
        if channels == 1 || channels == self.target.channels {
            return Ok(());
        }
        let message = format!(
            "the network takes {} channel, but the images have {channels}: take a network of {channels}",
            self.target.channels
        );
        Err(DatasetError::setting("target shape", message))
    }

    /// Writes the planes of a picture, normalised: as many values as the target has. Grey is repeated.
    pub(crate) fn apply(
        &self,
        picture: &Picture<'_>,
        random: &mut impl Rng,
        resizer: &mut Resizer,
        values: &mut [f32],
    ) -> Result<(), DatasetError> {
        let mut framed = frame(picture, &self.crop, self.target, random, resizer)?;
        if 0.0 < self.flip_probability && random.random_bool(self.flip_probability) {
            mirror(&mut framed);
        }
        // Grey images are one plane until their colours have been varied.
        let pixels = self.target.pixels();
        let planes = &mut values[..framed.shape().values()];
        split_planes(framed.bytes(), framed.shape().channels, planes);
        if let Some(jitter) = self.colour {
            colour::vary(planes, pixels, jitter, random);
        }
        if framed.shape().channels < self.target.channels {
            let (grey, others) = values.split_at_mut(pixels);
            others.chunks_exact_mut(pixels).for_each(|plane| plane.copy_from_slice(grey));
        }
        for (plane, Linear { slope, offset }) in
            values.chunks_exact_mut(pixels).zip(&self.normalisation)
        {
            for value in plane {
                *value = slope * *value + offset;
            }
        }
        if let Some(side) = self.cutout_px {
            self.cut_out(side, random, values);
        }
        Ok(())
    }

    /// Blanks a square out: 0 is the mean of what was normalised.
    fn cut_out(&self, side: usize, random: &mut impl Rng, values: &mut [f32]) {
        let ImageShape { height, width, .. } = self.target;
        let mut span = |length: usize| {
            let centre = random.random_range(0..length);
            centre.saturating_sub(side / 2)..length.min(centre + side.div_ceil(2))
        };
        let (rows, columns) = (span(height), span(width));
        for plane in values.chunks_exact_mut(height * width) {
            for row in rows.clone() {
                plane[row * width..][columns.clone()].fill(0.0);
            }
        }
    }
}

/// Writes the channels of pixels one after the other, bytes as 0 to 1.
fn split_planes(bytes: &[u8], channels: usize, planes: &mut [f32]) {
    let pixels = bytes.len() / channels;
    let unit = |byte: u8| f32::from(byte) / 255.0;
    match channels {
        3 => {
            let (red, others) = planes.split_at_mut(pixels);
            let (green, blue) = others.split_at_mut(pixels);
            for (((pixel, red), green), blue) in bytes.chunks_exact(3).zip(red).zip(green).zip(blue)
            {
                (*red, *green, *blue) = (unit(pixel[0]), unit(pixel[1]), unit(pixel[2]));
            }
        }
        _ => planes.iter_mut().zip(bytes).for_each(|(value, byte)| *value = unit(*byte)),
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::*;

    const TARGET: ImageShape = ImageShape::new(3, 8, 8);

    fn plain() -> Normalisation {
        Normalisation { mean: vec![0.0], std: vec![1.0] }
    }

    fn still() -> Augmentation {
        Augmentation {
            crop: Crop::Centre { shorter_side_px: None },
            flip_probability: 0.0,
            colour: None,
            cutout_px: None,
        }
    }

    /// Bytes that count up.
    fn counting(shape: ImageShape) -> Picture<'static> {
        Picture::new(shape, (0..shape.values() as u8).collect::<Vec<_>>())
    }

    fn output(pipeline: &Pipeline, picture: &Picture<'_>, seed: u64) -> Vec<f32> {
        let mut values = vec![f32::NAN; pipeline.target().values()];
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        pipeline.apply(picture, &mut random, &mut Resizer::new(), &mut values).unwrap();
        values
    }

    #[test]
    fn pixels_become_normalised_planes() {
        let normalisation =
            Normalisation { mean: vec![0.1, 0.2, 0.3], std: vec![0.5, 0.25, 0.125] };
        let pipeline = Pipeline::training(&still(), &normalisation, TARGET).unwrap();
        let values = output(&pipeline, &counting(TARGET), 1);
        for (at, value) in values.into_iter().enumerate() {
            let (channel, pixel) = (at / 64, at % 64);
            let unit = (3 * pixel + channel) as f32 / 255.0;
            let expected = (unit - normalisation.mean[channel]) / normalisation.std[channel];
            assert!((value - expected).abs() < 1e-5, "{at}: {value} {expected}");
        }
    }

    #[test]
    fn grey_images_become_three_equal_planes_with_a_border() {
        let pipeline =
            Pipeline::evaluation(&Evaluation { shorter_side_px: None }, &plain(), TARGET);
        let white = Picture::new(ImageShape::new(1, 6, 6), vec![255; 36]);
        let values = output(&pipeline.unwrap(), &white, 1);
        let plane = &values[..64];
        assert_eq!([plane, &values[64..128]], [&values[128..]; 2]);
        assert_eq!(plane[..9], [0.0; 9]);
        assert_eq!(plane[9..15], [1.0; 6]);
    }

    #[test]
    fn an_image_is_mirrored_as_often_as_was_asked_for_and_otherwise_as_it_was() {
        let of = |flip_probability| {
            let augmentation = Augmentation { flip_probability, ..still() };
            Pipeline::training(&augmentation, &plain(), TARGET).unwrap()
        };
        let picture = counting(TARGET);
        let (as_it_was, mirrored) = (output(&of(0.0), &picture, 1), output(&of(1.0), &picture, 1));
        let rows =
            as_it_was.chunks_exact(8).map(|row| row.iter().rev().copied().collect::<Vec<_>>());
        assert_eq!(rows.collect::<Vec<_>>().concat(), mirrored);
        let sometimes = of(0.25);
        let outputs = (0..1000).map(|seed| output(&sometimes, &picture, seed));
        let count = outputs.filter(|output| *output == mirrored).count();
        // Four standard deviations of 14.
        assert!((195..305).contains(&count), "{count}");
    }

    #[test]
    fn cutout_blanks_a_square_with_the_mean_and_nothing_else() {
        let normalisation = Normalisation { mean: vec![0.5], std: vec![0.25] };
        let augmentation = Augmentation { cutout_px: Some(4), ..still() };
        let pipeline = Pipeline::training(&augmentation, &normalisation, TARGET).unwrap();
        let white = Picture::new(TARGET, vec![255; TARGET.values()]);
        let mut largest = 0;
        for seed in 0..100 {
            let values = output(&pipeline, &white, seed);
            let is_blank: Vec<bool> = values.iter().map(|value| *value < 1.0).collect();
            assert!(values.iter().all(|value| [0.0, 2.0].contains(value)));
            assert_eq!([&is_blank[..64], &is_blank[64..128]], [&is_blank[128..]; 2]);
            let rows = is_blank[..64].chunks_exact(8).map(|row| row.iter().filter(|b| **b).count());
            let widths: Vec<usize> = rows.filter(|width| 0 < *width).collect();
            assert!(widths.iter().all(|width| *width == widths[0] && *width <= 4), "{widths:?}");
            assert!((2..=4).contains(&widths.len()) && 2 <= widths[0], "{widths:?}");
            largest = largest.max(widths.len() * widths[0]);
        }
        assert_eq!(largest, 16);
    }

    #[test]
    fn evaluation_draws_nothing_and_training_does() {
        let evaluation = Evaluation { shorter_side_px: Some(9) };
        let evaluation = Pipeline::evaluation(&evaluation, &plain(), TARGET).unwrap();
        let picture = counting(ImageShape::new(3, 9, 9));
        assert_eq!(output(&evaluation, &picture, 1), output(&evaluation, &picture, 2));
        let jitter = ColourJitter { brightness: 0.5, contrast: 0.5, saturation: 0.5 };
        let augmentation = Augmentation { colour: Some(jitter), ..still() };
        let training = Pipeline::training(&augmentation, &plain(), TARGET).unwrap();
        assert_ne!(output(&training, &picture, 1), output(&training, &picture, 2));
        assert_eq!(output(&training, &picture, 1), output(&training, &picture, 1));
    }

    #[test]
    fn a_target_that_images_cannot_become_is_refused() {
        let grey = Pipeline::training(&still(), &plain(), ImageShape::new(1, 8, 8)).unwrap();
        grey.check_channels(1).unwrap();
        assert_eq!(
            grey.check_channels(3).unwrap_err().to_string(),
            "target shape: the network takes 1 channel, but the images have 3: take a network of 3"
        );
        for target in [ImageShape::new(2, 8, 8), ImageShape::new(3, 0, 8)] {
            let message = Pipeline::training(&still(), &plain(), target).unwrap_err().to_string();
            assert_eq!(
                message,
                format!("target shape: {target}, but 1 or 3 channels and sides above 0")
            );
        }
    }
}
