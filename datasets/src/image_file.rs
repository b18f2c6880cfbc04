//! An image file is a JPEG or PNG file, decoded whole.

use std::fs;
use std::path::Path;

use crate::image_header::Kind;
use crate::{DatasetError, ImageShape, Picture};

/// Decodes an image to red, green and blue. Grey is repeated, transparency is left out, and notes about how
/// the camera was held are not followed, as in the published preprocessing of ImageNet.
///
/// # Errors
/// A file that is no JPEG or PNG, is damaged, or is cut off.
pub(crate) fn decode(path: &Path) -> Result<Picture<'static>, DatasetError> {
    let content = fs::read(path).map_err(DatasetError::reading(path))?;
    let Some(kind) = Kind::of(&content) else {
        return Err(DatasetError::content(path, "it is neither a JPEG nor a PNG file"));
    };
    if !kind.is_complete(&content) {
        return Err(DatasetError::content(path, "it is cut off: the end of the image is missing"));
    }
    let image = image::load_from_memory(&content)
        .map_err(|error| DatasetError::content(path, format!("it cannot be decoded: {error}")))?
        .into_rgb8();
    let shape = ImageShape::new(3, image.height() as usize, image.width() as usize);
    Ok(Picture::new(shape, image.into_raw()))
}

#[cfg(test)]
pub(crate) mod tests {
    use std::io::Cursor;

    use image::{DynamicImage, ImageFormat, RgbImage};

    use super::*;
    use crate::image_header::{self, Size};

    /// A file of an image whose pixels differ.
    pub(crate) fn encode(format: ImageFormat, width: u32, height: u32) -> Vec<u8> {
        let image =
            RgbImage::from_fn(width, height, |x, y| image::Rgb([x, y, x + y].map(|c| c as u8)));
        write(&image.into(), format)
    }

    fn write(image: &DynamicImage, format: ImageFormat) -> Vec<u8> {
        let mut file = Cursor::new(Vec::new());
        image.write_to(&mut file, format).unwrap();
        file.into_inner()
    }

    #[test]
    fn an_image_is_what_was_written_and_its_header_says_how_large() {
        let folder = tempfile::tempdir().unwrap();
        for (format, tolerance) in [(ImageFormat::Png, 0), (ImageFormat::Jpeg, 8)] {
            // The name does not say what it is.
            let path = folder.path().join("image.jpg");
            fs::write(&path, encode(format, 20, 10)).unwrap();
            let picture = decode(&path).unwrap();
            assert_eq!(picture.shape(), ImageShape::new(3, 10, 20));
            let pixel = &picture.bytes()[3 * (7 * 20 + 12)..][..3];
            for (found, expected) in pixel.iter().zip([12_u8, 7, 19]) {
                assert!(found.abs_diff(expected) <= tolerance, "{format:?} {pixel:?}");
            }
            assert_eq!(image_header::read(&path).unwrap(), Size { height: 10, width: 20 });
        }
    }

    #[test]
    fn grey_and_transparent_images_have_three_channels_too() {
        let folder = tempfile::tempdir().unwrap();
        let image = DynamicImage::from(RgbImage::from_pixel(3, 2, image::Rgb([90; 3])));
        for image in [image.to_luma8().into(), image.to_rgba8().into(), image.to_luma16().into()] {
            let path = folder.path().join("image.png");
            fs::write(&path, write(&image, ImageFormat::Png)).unwrap();
            assert_eq!(decode(&path).unwrap().bytes(), [90; 18]);
        }
    }

    #[test]
    fn damaged_files_are_refused_by_name_when_decoded_and_when_only_their_header_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let [jpeg, png] = [ImageFormat::Jpeg, ImageFormat::Png].map(|kind| encode(kind, 64, 64));
        let cut_off = "it is cut off: the end of the image is missing";
        for (content, expected) in [
            (jpeg[..jpeg.len() / 2].to_vec(), cut_off),
            (jpeg[..jpeg.len() - 2].to_vec(), cut_off),
            (png[..png.len() - 9].to_vec(), cut_off),
            (b"GIF89a".to_vec(), "it is neither a JPEG nor a PNG file"),
            (vec![], "it is neither a JPEG nor a PNG file"),
        ] {
            let path = folder.path().join("image.jpg");
            fs::write(&path, content).unwrap();
            let expected = format!("{}: {expected}", path.display());
            assert_eq!(decode(&path).unwrap_err().to_string(), expected);
            assert_eq!(image_header::read(&path).unwrap_err().to_string(), expected);
        }
        let path = folder.path().join("hollow.png");
        fs::write(&path, [&png[..40], &png[png.len() - 12..]].concat()).unwrap();
        let message = decode(&path).unwrap_err().to_string();
        assert!(message.contains("hollow.png: it cannot be decoded: "), "{message}");
    }

    #[test]
    fn bytes_after_the_end_are_no_damage() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("image.jpg");
        fs::write(&path, [encode(ImageFormat::Jpeg, 8, 8), vec![0; 100]].concat()).unwrap();
        decode(&path).unwrap();
        image_header::read(&path).unwrap();
    }
}
