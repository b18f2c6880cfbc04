//! A recipe is the augmentation and the evaluation that go together, for a kind of images.

use serde::{Deserialize, Serialize};

use crate::augmentation::{Augmentation, ColourJitter, Crop, Evaluation};
use crate::{Dataset, ImageShape};

/// The largest side of images that are treated as small ones, in pixels.
const SMALL_PX: usize = 64;

/// What is done to the images of both splits.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    /// To training images.
    pub augmentation: Augmentation,
    /// To test images, and to training images that are looked at without chance.
    pub evaluation: Evaluation,
}

impl Recipe {
    /// What is usual for CIFAR-10 (He et al., arXiv:1512.03385, section 4.2): shifted by up to an eighth of
    /// the side, mirrored at random. Smaller images get a border, larger ones are made smaller.
    pub fn for_small_images(images: ImageShape, target: ImageShape) -> Self {
        let too_large = target.longer_side() < images.shorter_side();
        let shorter_side_px = too_large.then(|| target.longer_side());
        let padding_px = target.shorter_side() / 8;
        Self {
            augmentation: Augmentation {
                crop: Crop::Random { shorter_side_px, padding_px },
                flip_probability: 0.5,
                colour: None,
                cutout_px: None,
            },
            evaluation: Evaluation { shorter_side_px },
        }
    }

    /// What is usual for ImageNet: a random part, mirrored at random, with the colours that ProxylessNAS varies
    /// (Cai et al., arXiv:1812.00332, published code: `color_jitter` of the kind `normal`); the middle of the
    /// image in evaluation, 256 to 224 pixels or in that ratio.
    pub fn for_large_images(target: ImageShape) -> Self {
        Self {
            augmentation: Augmentation {
                crop: Crop::RandomResized { area: [0.08, 1.0], ratio: [3.0 / 4.0, 4.0 / 3.0] },
                flip_probability: 0.5,
                colour: Some(ColourJitter {
                    brightness: 32.0 / 255.0,
                    contrast: 0.0,
                    saturation: 0.5,
                }),
                cutout_px: None,
            },
            evaluation: Evaluation {
                shorter_side_px: Some((target.longer_side() * 8).div_ceil(7)),
            },
        }
    }

    /// What suits the images of a data set that are to become these of the network's. Digits and letters must
    /// not be mirrored; that is for whoever knows that they are.
    pub fn for_dataset(dataset: &Dataset, target: ImageShape) -> Self {
        match dataset.shape() {
            Some(images) if images.longer_side() <= SMALL_PX => {
                Self::for_small_images(images, target)
            }
            _ => Self::for_large_images(target),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_recommended_passes_its_own_check() {
        for side in [8, 28, 32, 64, 160, 224, 225] {
            let target = ImageShape::new(3, side, side);
            for images in [28, 32, 64].map(|side| ImageShape::new(1, side, side)) {
                let recipe = Recipe::for_small_images(images, target);
                recipe.augmentation.check(target).unwrap();
                let Evaluation { shorter_side_px } = recipe.evaluation;
                Crop::Centre { shorter_side_px }.check(target).unwrap();
            }
            Recipe::for_large_images(target).augmentation.check(target).unwrap();
        }
    }

    #[test]
    fn images_of_224_pixels_are_evaluated_from_256() {
        let recipe = Recipe::for_large_images(ImageShape::new(3, 224, 224));
        assert_eq!(recipe.evaluation.shorter_side_px, Some(256));
    }
}
