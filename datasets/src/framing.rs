//! Framing brings a picture to the height and width that a network takes.

use fast_image_resize::images::{CroppedImage, Image, ImageRef};
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer};
use rand::{Rng, RngExt};

use crate::augmentation::Crop;
use crate::canvas::Window;
use crate::{DatasetError, ImageShape, Picture};

/// How often a random part is drawn that fits into the picture, before its middle is taken.
const ATTEMPTS: usize = 10;

/// Part of a picture, in its pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Part {
    top: usize,
    left: usize,
    height: usize,
    width: usize,
}

/// Brings a picture to the target's height and width. Its channels stay.
pub(crate) fn frame(
    picture: &Picture<'_>,
    crop: &Crop,
    target: ImageShape,
    random: &mut impl Rng,
    resizer: &mut Resizer,
) -> Result<Picture<'static>, DatasetError> {
    match crop {
        Crop::Centre { shorter_side_px } => {
            let window = |shape: ImageShape| Window {
                top: centred(shape.height, target.height),
                left: centred(shape.width, target.width),
                height: target.height,
                width: target.width,
            };
            show(picture, *shorter_side_px, resizer, window)
        }
        Crop::Random { shorter_side_px, padding_px } => {
            let window = |shape: ImageShape| Window {
                top: shifted(shape.height, target.height, *padding_px, random),
                left: shifted(shape.width, target.width, *padding_px, random),
                height: target.height,
                width: target.width,
            };
            show(picture, *shorter_side_px, resizer, window)
        }
        Crop::RandomResized { area, ratio } => {
            let part = random_part(picture.shape(), *area, *ratio, random);
            resize(picture, part, target.height, target.width, resizer)
        }
    }
}

/// What a window shows of a picture, once its shorter side is as long as that.
fn show(
    picture: &Picture<'_>,
    shorter_side_px: Option<usize>,
    resizer: &mut Resizer,
    window: impl FnOnce(ImageShape) -> Window,
) -> Result<Picture<'static>, DatasetError> {
    let shape = picture.shape();
    match shorter_side_px {
        Some(side) if side != shape.shorter_side() => {
            let [height, width] = [shape.height, shape.width].map(|px| scaled(px, side, shape));
            let scaled = resize(picture, Part::all(shape), height, width, resizer)?;
            Ok(window(scaled.shape()).of(&scaled))
        }
        _ => Ok(window(shape).of(picture)),
    }
}

/// A side of a picture whose shorter side becomes so long, rounded.
fn scaled(px: usize, shorter_side_px: usize, shape: ImageShape) -> usize {
    let shorter = shape.shorter_side();
    (px * shorter_side_px + shorter / 2) / shorter
}

/// Where a window begins that shows the middle of a side.
fn centred(picture: usize, window: usize) -> isize {
    (picture.cast_signed() - window.cast_signed()).div_euclid(2)
}

/// Where a window begins at random: within the picture and so many pixels more at both ends. A picture that is
/// smaller than the window gets a border first that makes it as large.
fn shifted(picture: usize, window: usize, padding: usize, random: &mut impl Rng) -> isize {
    let padding = padding.cast_signed();
    let (first, last) = if window <= picture {
        (0, (picture - window).cast_signed())
    } else {
        let centred = centred(picture, window);
        (centred, centred)
    };
    // Differences of sizes in memory fit, whatever the machine.
    random.random_range((first - padding) as i64..=(last + padding) as i64) as isize
}

impl Part {
    fn all(shape: ImageShape) -> Self {
        Self { top: 0, left: 0, height: shape.height, width: shape.width }
    }
}

/// A part of random area and ratio (its logarithm is uniform), or the middle where none fits.
fn random_part(
    shape: ImageShape,
    [area_from, area_to]: [f64; 2],
    [ratio_from, ratio_to]: [f64; 2],
    random: &mut impl Rng,
) -> Part {
    for _ in 0..ATTEMPTS {
        let area = shape.pixels() as f64 * random.random_range(area_from..=area_to);
        let ratio = random.random_range(ratio_from.ln()..=ratio_to.ln()).exp();
        let [width, height] =
            [(area * ratio).sqrt(), (area / ratio).sqrt()].map(|px| px.round() as usize);
        if (1..=shape.width).contains(&width) && (1..=shape.height).contains(&height) {
            let top = random.random_range(0..=shape.height - height);
            let left = random.random_range(0..=shape.width - width);
            return Part { top, left, height, width };
        }
    }
    middle_part(shape, [ratio_from, ratio_to])
}

/// The largest part around the middle whose ratio is in the range.
fn middle_part(shape: ImageShape, [ratio_from, ratio_to]: [f64; 2]) -> Part {
    let (height, width) = (shape.height as f64, shape.width as f64);
    let ratio = (width / height).clamp(ratio_from, ratio_to);
    let height = (width / ratio).min(height).round().max(1.0) as usize;
    let width = (height as f64 * ratio).min(width).round().max(1.0) as usize;
    Part { top: (shape.height - height) / 2, left: (shape.width - width) / 2, height, width }
}

/// Part of a picture in another size: bilinear, over as many pixels as become one, as in the published
/// preprocessing of ImageNet.
fn resize(
    picture: &Picture<'_>,
    part: Part,
    height: usize,
    width: usize,
    resizer: &mut Resizer,
) -> Result<Picture<'static>, DatasetError> {
    let shape = picture.shape();
    let kind = if shape.channels == 1 { PixelType::U8 } else { PixelType::U8x3 };
    let failed = |error: &dyn std::error::Error| {
        DatasetError::setting("crop", format!("an image of {shape} cannot be resized: {error}"))
    };
    let from = ImageRef::new(shape.width as u32, shape.height as u32, picture.bytes(), kind)
        .map_err(|error| failed(&error))?;
    // A view of the part, and not the resizer's own crop, which looks at pixels around the part too.
    let [left, top, part_width, part_height] =
        [part.left, part.top, part.width, part.height].map(|px| px as u32);
    let from = CroppedImage::new(&from, left, top, part_width, part_height)
        .map_err(|error| failed(&error))?;
    let mut to = Image::new(width as u32, height as u32, kind);
    let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::Bilinear));
    resizer.resize(&from, &mut to, &options).map_err(|error| failed(&error))?;
    Ok(Picture::new(ImageShape::new(shape.channels, height, width), to.into_vec()))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::*;

    /// Left half black, right half white.
    fn halves(channels: usize, height: usize, width: usize) -> Picture<'static> {
        let shape = ImageShape::new(channels, height, width);
        let value = |at: usize| if at / channels % width < width / 2 { 0 } else { 255 };
        Picture::new(shape, (0..shape.values()).map(value).collect::<Vec<_>>())
    }

    fn framed(picture: &Picture<'_>, crop: &Crop, side: usize, seed: u64) -> Picture<'static> {
        let target = ImageShape::new(3, side, side);
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        frame(picture, crop, target, &mut random, &mut Resizer::new()).unwrap()
    }

    #[test]
    fn a_crop_that_has_nowhere_to_go_leaves_the_picture_as_it_was() {
        let picture = halves(3, 8, 8);
        for crop in [
            Crop::Centre { shorter_side_px: None },
            Crop::Centre { shorter_side_px: Some(8) },
            Crop::Random { shorter_side_px: None, padding_px: 0 },
            Crop::RandomResized { area: [1.0, 1.0], ratio: [1.0, 1.0] },
        ] {
            assert_eq!(framed(&picture, &crop, 8, 1), picture, "{crop:?}");
        }
    }

    #[test]
    fn the_middle_gets_a_border_or_loses_one() {
        let white = Picture::new(ImageShape::new(1, 2, 2), vec![255; 4]);
        let crop = Crop::Centre { shorter_side_px: None };
        let bordered = framed(&white, &crop, 4, 1);
        assert_eq!(bordered.bytes(), [[0; 4], [0, 255, 255, 0], [0, 255, 255, 0], [0; 4]].concat());
        assert_eq!(framed(&bordered, &crop, 2, 1), white);
    }

    #[test]
    fn pictures_are_resized_by_their_shorter_side_and_cut_in_the_middle() {
        let crop = Crop::Centre { shorter_side_px: Some(32) };
        for (height, width) in [(28, 28), (50, 80), (64, 64), (33, 500)] {
            let cut = framed(&halves(3, height, width), &crop, 32, 1);
            assert_eq!(cut.shape(), ImageShape::new(3, 32, 32));
            let row = &cut.bytes()[..32 * 3];
            assert_eq!((row[0], row[95]), (0, 255), "{height}x{width}");
            let sum: usize = row.iter().map(|value| usize::from(*value)).sum();
            let white = sum as f64 / (255.0 * 96.0);
            assert!((white - 0.5).abs() < 0.02, "{height}x{width}: {white} are white");
        }
    }

    #[test]
    fn shifts_take_every_value_within_the_padding_and_no_other() {
        for (picture, window, padding, expected) in [
            (32, 32, 4, -4..=4),
            (28, 32, 4, -6..=2),
            (27, 32, 0, -3..=-3),
            (40, 32, 0, 0..=8),
            (40, 32, 2, -2..=10),
        ] {
            let mut random = ChaCha8Rng::seed_from_u64(1);
            let draws = (0..1000).map(|_| shifted(picture, window, padding, &mut random));
            assert_eq!(draws.collect::<BTreeSet<_>>(), expected.collect());
        }
    }

    #[test]
    fn random_parts_have_the_areas_and_ratios_that_were_asked_for() {
        let shape = ImageShape::new(3, 375, 500);
        let mut random = ChaCha8Rng::seed_from_u64(2);
        let mut shares = Vec::new();
        for _ in 0..2000 {
            let part = random_part(shape, [0.08, 1.0], [0.75, 4.0 / 3.0], &mut random);
            assert!(part.top + part.height <= 375 && part.left + part.width <= 500);
            let ratio = part.width as f64 / part.height as f64;
            assert!((0.74..1.35).contains(&ratio), "{part:?}");
            shares.push((part.width * part.height) as f64 / shape.pixels() as f64);
        }
        shares.sort_by(f64::total_cmp);
        assert!(0.079 < shares[0] && shares[0] < 0.09, "{}", shares[0]);
        assert!(0.95 < shares[1999], "{}", shares[1999]);
        // A share s fits always below 0.5625 and else with probability -ln s / 2 ln(4/3), which makes the
        // median 0.42; its standard error is 0.008.
        assert!((0.39..0.45).contains(&shares[1000]), "{}", shares[1000]);
    }

    #[test]
    fn where_no_part_fits_the_middle_is_taken_in_a_ratio_that_is_allowed() {
        for (height, width, expected) in [
            (10, 100, Part { top: 0, left: 43, height: 10, width: 13 }),
            (100, 10, Part { top: 43, left: 0, height: 13, width: 10 }),
            (9, 12, Part { top: 0, left: 0, height: 9, width: 12 }),
        ] {
            assert_eq!(middle_part(ImageShape::new(1, height, width), [0.75, 4.0 / 3.0]), expected);
        }
    }

    #[test]
    fn a_resized_part_is_that_part() {
        let picture = halves(1, 40, 40);
        for (left, expected) in [(0, 0), (20, 255)] {
            let part = Part { top: 5, left, height: 10, width: 20 };
            let resized = resize(&picture, part, 7, 9, &mut Resizer::new()).unwrap();
            assert_eq!(resized, Picture::new(ImageShape::new(1, 7, 9), vec![expected; 63]));
        }
    }

    proptest! {
        #[test]
        fn every_crop_of_every_picture_has_the_targets_size(
            height in 1_usize..70, width in 1_usize..70, side in 8_usize..40, seed: u64,
        ) {
            let picture = halves(3, height, width);
            for crop in [
                Crop::Centre { shorter_side_px: None },
                Crop::Centre { shorter_side_px: Some(side) },
                Crop::Random { shorter_side_px: None, padding_px: 4 },
                Crop::Random { shorter_side_px: Some(side + 3), padding_px: 0 },
                Crop::RandomResized { area: [0.08, 1.0], ratio: [0.75, 1.25] },
            ] {
                let framed = framed(&picture, &crop, side, seed);
                prop_assert_eq!(framed.shape(), ImageShape::new(3, side, side));
            }
        }
    }
}
