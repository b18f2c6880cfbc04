//! A picture is one image as bytes, of a shape.

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Serialize};

/// How large an image is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImageShape {
    /// Values per pixel: 1 for grey, 3 for red, green and blue.
    pub channels: usize,
    /// Rows, in pixels.
    pub height: usize,
    /// Columns, in pixels.
    pub width: usize,
}

/// One image: rows from the top, pixels from the left, the channels of a pixel side by side, 0 black and 255
/// white.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture<'a> {
    shape: ImageShape,
    bytes: Cow<'a, [u8]>,
}

impl ImageShape {
    /// A shape of so many channels, rows and columns.
    pub const fn new(channels: usize, height: usize, width: usize) -> Self {
        Self { channels, height, width }
    }

    /// Pixels of an image.
    pub const fn pixels(self) -> usize {
        self.height * self.width
    }

    /// Values of an image: its pixels times its channels.
    pub const fn values(self) -> usize {
        self.channels * self.pixels()
    }

    /// The longer of height and width, in pixels.
    pub const fn longer_side(self) -> usize {
        if self.height < self.width { self.width } else { self.height }
    }

    /// The shorter of height and width, in pixels.
    pub const fn shorter_side(self) -> usize {
        if self.height < self.width { self.height } else { self.width }
    }
}

/// `3x32x32`: channels, height, width.
impl fmt::Display for ImageShape {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}x{}x{}", self.channels, self.height, self.width)
    }
}

impl<'a> Picture<'a> {
    /// `bytes` are as many as the shape has values.
    pub(crate) fn new(shape: ImageShape, bytes: impl Into<Cow<'a, [u8]>>) -> Self {
        let bytes = bytes.into();
        debug_assert_eq!(bytes.len(), shape.values());
        Self { shape, bytes }
    }

    /// Its channels, height and width.
    pub fn shape(&self) -> ImageShape {
        self.shape
    }

    /// All values, in the order of the type's description.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// All values, to be changed.
    pub(crate) fn bytes_mut(&mut self) -> &mut [u8] {
        self.bytes.to_mut()
    }
}

/// Puts an image whose channels lie one after the other into the order of a [`Picture`].
pub(crate) fn interleave(planes: &[u8], channels: usize, into: &mut Vec<u8>) {
    let pixels = planes.len() / channels;
    into.extend(
        (0..pixels).flat_map(|pixel| (0..channels).map(move |c| planes[c * pixels + pixel])),
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn planes_become_pixels() {
        let mut bytes = Vec::new();
        interleave(&[1, 2, 3, 4, 5, 6], 3, &mut bytes);
        assert_eq!(bytes, [1, 3, 5, 2, 4, 6]);
    }
}
