//! Pictures for data sets of folders.

use std::io::Cursor;

use image::{GrayImage, ImageFormat, Luma};

/// A PNG of one grey, square.
///
/// # Panics
/// Where it cannot be encoded.
pub fn grey_png(side: u32, grey: u8) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    let picture = GrayImage::from_pixel(side, side, Luma([grey]));
    picture.write_to(&mut bytes, ImageFormat::Png).expect("a picture becomes a PNG");
    bytes.into_inner()
}
