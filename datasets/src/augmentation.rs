//! Augmentation is what is done to images at random, so that no epoch shows quite the same ones. Its settings are
//! part of a configuration file.
//!
//! ```toml
//! crop = { random = { padding_px = 4 } }  # or { random_resized = { area = [0.08, 1.0], ratio = [0.75, 1.333] } }
//! flip_probability = 0.5
//! colour = { brightness = 0.125, contrast = 0.0, saturation = 0.5 }
//! cutout_px = 16
//! ```

use serde::{Deserialize, Serialize};

use crate::{DatasetError, ImageShape};

/// What happens to training images, in the order of the fields.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Augmentation {
    /// How an image comes to the size that the network takes.
    pub crop: Crop,
    /// How often an image is mirrored, left to right: 0 to 1. It is 0 for digits and letters.
    pub flip_probability: f64,
    /// Colours that vary, if they do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub colour: Option<ColourJitter>,
    /// Side of a square that is blanked out with the mean colour, in pixels, if one is (DeVries and Taylor,
    /// arXiv:1708.04552). Its centre may be anywhere, so that part of it may be outside.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cutout_px: Option<usize>,
}

/// How an image comes to the size that the network takes. What is outside the image is black.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Crop {
    /// Its middle: what is too large is cut off, and what is too small gets a border.
    Centre {
        /// What its shorter side is brought to before, in pixels, if it is.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        shorter_side_px: Option<usize>,
    },
    /// A random part of it, once it has a border and is as large at least.
    Random {
        /// What its shorter side is brought to before, in pixels, if it is.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        shorter_side_px: Option<usize>,
        /// How far the part may reach into the border, in pixels.
        padding_px: usize,
    },
    /// A random part of random size and shape, brought to the size of the network (Szegedy et al.,
    /// arXiv:1409.4842, section 6).
    RandomResized {
        /// The smallest and the largest share of the image's area.
        area: [f64; 2],
        /// The smallest and the largest ratio of width to height.
        ratio: [f64; 2],
    },
}

/// Colours that vary: each by a factor from `1 - x` to `1 + x` (not below 0), in a random order.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ColourJitter {
    /// All values by a factor.
    pub brightness: f64,
    /// Distances from the mean grey of the image by a factor.
    pub contrast: f64,
    /// Distances from the grey of the pixel by a factor.
    pub saturation: f64,
}

/// How images come to the size that the network takes where nothing is to be random: the middle of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Evaluation {
    /// What the shorter side of an image is brought to before, in pixels, if it is. Without, a smaller image
    /// gets a black border.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shorter_side_px: Option<usize>,
}

impl Augmentation {
    /// Refuses settings that are out of their range, or that do not go with images of this shape.
    pub(crate) fn check(&self, target: ImageShape) -> Result<(), DatasetError> {
        if !(0.0..=1.0).contains(&self.flip_probability) {
            let message = format!("{}, but a probability is 0 to 1", self.flip_probability);
            return Err(DatasetError::setting("flip_probability", message));
        }
        if let Some(side) = self.cutout_px
            && !(1..=target.longer_side()).contains(&side)
        {
            let message =
                format!("{side}, but 1 to the side of the image, {}", target.longer_side());
            return Err(DatasetError::setting("cutout_px", message));
        }
        self.colour.map_or(Ok(()), ColourJitter::check)?;
        self.crop.check(target)
    }
}

impl Crop {
    pub(crate) fn check(&self, target: ImageShape) -> Result<(), DatasetError> {
        match self {
            Self::Centre { shorter_side_px } => check_side(*shorter_side_px, target),
            Self::Random { shorter_side_px, padding_px } => {
                if target.shorter_side() <= *padding_px {
                    let message = format!(
                        "{padding_px}, but below the side of the image, {}",
                        target.shorter_side()
                    );
                    return Err(DatasetError::setting("padding_px", message));
                }
                check_side(*shorter_side_px, target)
            }
            Self::RandomResized { area, ratio } => {
                check_range("area", *area, 1.0)?;
                check_range("ratio", *ratio, f64::MAX)
            }
        }
    }
}

/// An image that is made smaller than the network wants it is a mistake.
fn check_side(shorter_side_px: Option<usize>, target: ImageShape) -> Result<(), DatasetError> {
    match shorter_side_px {
        Some(side) if side < target.longer_side() => {
            let message =
                format!("{side}, but at least the side of the image, {}", target.longer_side());
            Err(DatasetError::setting("shorter_side_px", message))
        }
        _ => Ok(()),
    }
}

fn check_range(setting: &'static str, [from, to]: [f64; 2], most: f64) -> Result<(), DatasetError> {
    if 0.0 < from && from <= to && to <= most {
        return Ok(());
    }
    let most = if most < f64::MAX { format!(", at most {most}") } else { String::new() };
    let message = format!("[{from}, {to}], but two numbers above 0, the smaller one first{most}");
    Err(DatasetError::setting(setting, message))
}

impl ColourJitter {
    fn check(self) -> Result<(), DatasetError> {
        for (setting, value) in [
            ("brightness", self.brightness),
            ("contrast", self.contrast),
            ("saturation", self.saturation),
        ] {
            if !(value.is_finite() && 0.0 <= value) {
                return Err(DatasetError::setting(setting, format!("{value}, but 0 or more")));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TARGET: ImageShape = ImageShape::new(3, 32, 32);

    fn augmentation(text: &str) -> Augmentation {
        toml::from_str(text).unwrap()
    }

    #[test]
    fn settings_are_toml_and_come_back_as_they_were() {
        for text in [
            "flip_probability = 0.5\ncutout_px = 16\n\n[crop.random]\npadding_px = 4\n",
            "flip_probability = 0.0\n\n[crop.centre]\nshorter_side_px = 36\n",
            "flip_probability = 0.0\n\n[crop.centre]\n",
            "flip_probability = 0.5\n\n[crop.random_resized]\narea = [0.08, 1.0]\nratio = [0.75, 1.25]\n\n\
             [colour]\nbrightness = 0.125\ncontrast = 0.0\nsaturation = 0.5\n",
        ] {
            let settings = augmentation(text);
            settings.check(TARGET).unwrap();
            assert_eq!(toml::to_string(&settings).unwrap(), text);
        }
    }

    #[test]
    fn unknown_settings_are_refused_by_name() {
        for (text, unknown) in [
            ("crop = { centre = {} }\nflip_probability = 0\nrotation = 3", "rotation"),
            ("crop = { random = { padding = 4 } }\nflip_probability = 0", "padding"),
            ("crop = { middle = {} }\nflip_probability = 0", "middle"),
            ("crop = { centre = {} }\nflip_probability = 0\ncolour = { hue = 1 }", "hue"),
        ] {
            let error = toml::from_str::<Augmentation>(text).unwrap_err();
            assert!(error.message().contains(unknown), "{error}");
        }
        let error = toml::from_str::<Evaluation>("resize_px = 3").unwrap_err();
        assert!(error.message().contains("resize_px"), "{error}");
    }

    #[test]
    fn settings_out_of_range_are_refused_with_name_value_and_range() {
        for (text, expected) in [
            (
                "crop.centre = {}\nflip_probability = 2",
                "flip_probability: 2, but a probability is 0 to 1",
            ),
            (
                "crop.centre = {}\nflip_probability = 0\ncutout_px = 33",
                "cutout_px: 33, but 1 to the side of the image, 32",
            ),
            (
                "crop.random.padding_px = 32\nflip_probability = 0",
                "padding_px: 32, but below the side of the image, 32",
            ),
            (
                "crop.centre.shorter_side_px = 31\nflip_probability = 0",
                "shorter_side_px: 31, but at least the side of the image, 32",
            ),
            (
                "crop.random_resized = { area = [0.0, 1.0], ratio = [1.0, 1.0] }\nflip_probability = 0",
                "area: [0, 1], but two numbers above 0, the smaller one first, at most 1",
            ),
            (
                "crop.random_resized = { area = [0.5, 1.0], ratio = [2.0, 1.0] }\nflip_probability = 0",
                "ratio: [2, 1], but two numbers above 0, the smaller one first",
            ),
            (
                "crop.centre = {}\nflip_probability = 0\ncolour = { brightness = 0, contrast = -1, saturation = 0 }",
                "contrast: -1, but 0 or more",
            ),
            (
                "crop.centre = {}\nflip_probability = 0\ncolour = { brightness = nan, contrast = 0, saturation = 0 }",
                "brightness: NaN, but 0 or more",
            ),
        ] {
            let message = augmentation(text).check(TARGET).unwrap_err().to_string();
            assert_eq!(message, expected);
        }
    }
}
