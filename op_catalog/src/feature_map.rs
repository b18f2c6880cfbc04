//! A feature map is what flows between operations: `height x width x channels` numbers per image.

use std::fmt;
use std::str::FromStr;

use crate::CatalogError;

/// The shape of one image's activations. Every dimension is between 1 and
/// [`FeatureMap::MAX_DIMENSION`], and their product at most [`FeatureMap::MAX_ELEMENTS`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FeatureMap {
    height: u32,
    width: u32,
    channels: u32,
}

impl FeatureMap {
    /// The largest height, width or number of channels.
    pub const MAX_DIMENSION: u32 = 65_536;
    /// The largest number of elements: 1 GiB of `f32`.
    pub const MAX_ELEMENTS: u64 = 1 << 28;

    /// A feature map of the given dimensions.
    ///
    /// # Errors
    /// A dimension of zero or above [`Self::MAX_DIMENSION`], or too many elements.
    pub fn new(height: u32, width: u32, channels: u32) -> Result<Self, CatalogError> {
        for (what, value) in [("height", height), ("width", width), ("channels", channels)] {
            if !(1..=Self::MAX_DIMENSION).contains(&value) {
                let expected = format!("between 1 and {}", Self::MAX_DIMENSION);
                return Err(CatalogError::OutOfRange { what, value: value.into(), expected });
            }
        }
        let map = Self { height, width, channels };
        if map.elements() > Self::MAX_ELEMENTS {
            let expected = format!("at most {} elements", Self::MAX_ELEMENTS);
            let what = "size of the feature map";
            return Err(CatalogError::OutOfRange { what, value: map.elements(), expected });
        }
        Ok(map)
    }

    /// Rows of pixels.
    pub const fn height(self) -> u32 {
        self.height
    }

    /// Pixels in a row.
    pub const fn width(self) -> u32 {
        self.width
    }

    /// Numbers per pixel.
    pub const fn channels(self) -> u32 {
        self.channels
    }

    /// The same pixels with other channels. Only for numbers that a [`crate::PlacedOp`] has checked.
    pub(crate) const fn with_channels(self, channels: u32) -> Self {
        Self { channels, ..self }
    }

    /// One pixel with the same channels.
    pub const fn one_pixel(self) -> Self {
        Self { height: 1, width: 1, ..self }
    }

    /// Numbers per image.
    pub const fn elements(self) -> u64 {
        self.height as u64 * self.width as u64 * self.channels as u64
    }

    /// Pixels per image.
    pub const fn pixels(self) -> u64 {
        self.height as u64 * self.width as u64
    }
}

impl fmt::Display for FeatureMap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}x{}", self.height, self.width, self.channels)
    }
}

impl FromStr for FeatureMap {
    type Err = CatalogError;

    fn from_str(text: &str) -> Result<Self, CatalogError> {
        let syntax = || CatalogError::Syntax {
            text: text.to_owned(),
            expected: "a feature map such as `112x112x16` (height x width x channels)",
        };
        let parts: Vec<&str> = text.split('x').collect();
        let [height, width, channels] = parts[..] else { return Err(syntax()) };
        let number = |part: &str| canonical_number(part).ok_or_else(syntax);
        Self::new(number(height)?, number(width)?, number(channels)?)
    }
}

/// Reads a number in the one form that `Display` writes: digits only, no leading zero.
/// One form per value is what makes text keys comparable.
pub(crate) fn canonical_number(text: &str) -> Option<u32> {
    let canonical =
        text.bytes().all(|b| b.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    // A number above u32 is a number all the same: it saturates, so that the range check names it.
    canonical.then(|| text.parse::<u64>().map(|n| u32::try_from(n).unwrap_or(u32::MAX)).ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn impossible_maps_are_refused_by_the_name_of_the_dimension() {
        for (text, message) in [
            ("0x7x3", "height is 0, but must be between 1 and 65536"),
            ("7x7x0", "channels is 0, but must be between 1 and 65536"),
            ("7x7x1000000000", "channels is 1000000000, but must be between 1 and 65536"),
            (
                "65536x65536x1",
                "size of the feature map is 4294967296, but must be at most 268435456 elements",
            ),
            ("7x7", "`7x7` is not a feature map such as `112x112x16` (height x width x channels)"),
            (
                "07x7x1",
                "`07x7x1` is not a feature map such as `112x112x16` (height x width x channels)",
            ),
            (
                "+7x7x1",
                "`+7x7x1` is not a feature map such as `112x112x16` (height x width x channels)",
            ),
        ] {
            assert_eq!(text.parse::<FeatureMap>().unwrap_err().to_string(), message);
        }
    }

    proptest::proptest! {
        #[test]
        fn text_round_trips(height in 1_u32..300, width in 1_u32..300, channels in 1_u32..2000) {
            let map = FeatureMap::new(height, width, channels).unwrap();
            proptest::prop_assert_eq!(map.to_string().parse::<FeatureMap>().unwrap(), map);
        }

        #[test]
        fn any_text_is_read_or_refused_without_panic(text in "[0-9x+ -]{0,20}") {
            if let Ok(map) = text.parse::<FeatureMap>() {
                proptest::prop_assert_eq!(map.to_string(), text);
            }
        }
    }
}
