//! A picture is a drawing that is written to a file, as SVG or as PNG: one drawing function makes both.

pub mod curves;
mod lettering;
mod raster;
mod style;

use std::error::Error;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use latency_tables::file;
use plotters::coord::Shift;
use plotters::prelude::{DrawingArea, DrawingBackend, IntoDrawingArea, SVGBackend};

use crate::hint::WithHint;
use crate::output;

pub use lettering::width_of;
pub use style::{BLUE, FAINT, GREEN, GREY, INK, ORANGE, PURPLE, anchored, plain, text};

use raster::Raster;

/// A surface that plotters draws on.
pub trait Canvas: DrawingBackend<ErrorType: Error + Send + Sync + 'static> {}

impl<T: DrawingBackend<ErrorType: Error + Send + Sync + 'static>> Canvas for T {}

/// A part of a surface.
pub type Area<B> = DrawingArea<B, Shift>;

/// A place on a picture, to the right and down.
pub type Pixel = (i32, i32);

/// What can be drawn on any surface.
pub trait Drawing {
    /// Pixels across and up.
    fn size(&self) -> (u32, u32);

    /// Draws all of it.
    ///
    /// # Errors
    /// What the surface refuses.
    fn draw<B: Canvas>(&self, area: &Area<B>) -> anyhow::Result<()>;
}

/// The kinds of file that a picture can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Svg,
    Png,
}

impl Kind {
    const ALL: [Self; 2] = [Self::Svg, Self::Png];

    const fn extension(self) -> &'static str {
        match self {
            Self::Svg => "svg",
            Self::Png => "png",
        }
    }

    /// The content of a file of this kind.
    fn render(self, drawing: &impl Drawing) -> anyhow::Result<Vec<u8>> {
        match self {
            Self::Svg => svg(drawing).map(String::into_bytes),
            Self::Png => png(drawing),
        }
    }
}

/// The drawing as SVG.
///
/// # Errors
/// As [`Drawing::draw`].
pub fn svg(drawing: &impl Drawing) -> anyhow::Result<String> {
    let mut text = String::new();
    draw_on(SVGBackend::with_string(&mut text, drawing.size()), drawing)?;
    Ok(text)
}

/// The drawing as PNG, two pixels for each of its own.
///
/// # Errors
/// As [`Drawing::draw`].
pub fn png(drawing: &impl Drawing) -> anyhow::Result<Vec<u8>> {
    let mut pixmap = raster::pixmap(drawing.size())?;
    draw_on(Raster::new(&mut pixmap), drawing)?;
    pixmap.encode_png().context("cannot encode the picture as PNG")
}

fn draw_on<B: Canvas>(backend: B, drawing: &impl Drawing) -> anyhow::Result<()> {
    let area = backend.into_drawing_area();
    area.fill(&plotters::style::WHITE)?;
    drawing.draw(&area)?;
    Ok(area.present()?)
}

/// Writes the drawing to a file of the kind that its extension names, or, without an extension, to one
/// of each kind; says which files it wrote.
///
/// # Errors
/// Another extension, what cannot be drawn, or a file that cannot be written.
pub fn write(path: &Path, drawing: &impl Drawing) -> anyhow::Result<Vec<PathBuf>> {
    check(path)?;
    let Some(extension) = path.extension() else { return write_both(path, drawing) };
    let kinds = Kind::ALL.into_iter().filter(|kind| extension == kind.extension());
    kinds.map(|kind| write_one(path.to_owned(), kind, drawing)).collect()
}

/// Writes the drawing as SVG and as PNG beside each other, with the extensions in the place of the path's.
///
/// # Errors
/// What cannot be drawn, or a file that cannot be written.
pub fn write_both(path: &Path, drawing: &impl Drawing) -> anyhow::Result<Vec<PathBuf>> {
    let file = |kind: Kind| write_one(path.with_extension(kind.extension()), kind, drawing);
    Kind::ALL.into_iter().map(file).collect()
}

/// Says where pictures are.
pub fn tell(files: &[PathBuf]) {
    for file in files {
        output::note(&format!("picture: {}", file.display()));
    }
}

/// Refuses a path that [`write()`] would refuse, before there is something to draw.
///
/// # Errors
/// An extension that is neither `svg` nor `png`, or no file name.
pub fn check(path: &Path) -> anyhow::Result<()> {
    let refuse = |reason: &str| {
        let error = anyhow!("`{}` is no picture: {reason}", path.display());
        Err(error).hint("name it NAME.svg or NAME.png, or NAME for both")
    };
    match path.extension() {
        _ if path.file_name().is_none() => refuse("it has no file name"),
        None => Ok(()),
        Some(extension) if Kind::ALL.iter().any(|kind| extension == kind.extension()) => Ok(()),
        Some(extension) => {
            refuse(&format!("`.{}` is neither .svg nor .png", extension.to_string_lossy()))
        }
    }
}

fn write_one(path: PathBuf, kind: Kind, drawing: &impl Drawing) -> anyhow::Result<PathBuf> {
    let content =
        kind.render(drawing).with_context(|| format!("cannot draw {}", path.display()))?;
    file::write_bytes(&path, &content)?;
    Ok(path)
}

/// Width and height in pixels of a PNG; none where the bytes are none.
pub fn png_size(bytes: &[u8]) -> Option<(u32, u32)> {
    let number = |at: usize| Some(u32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
    bytes.starts_with(b"\x89PNG\r\n\x1a\n").then_some((number(16)?, number(20)?))
}

#[cfg(test)]
mod tests {
    use plotters::element::{Circle, Text};

    use super::*;

    /// A circle and a word.
    struct Fixture;

    impl Drawing for Fixture {
        fn size(&self) -> (u32, u32) {
            (90, 40)
        }

        fn draw<B: Canvas>(&self, area: &Area<B>) -> anyhow::Result<()> {
            area.draw(&Circle::new((20, 20), 8, BLUE))?;
            area.draw(&Text::new("word", (40, 12), text(14)))?;
            Ok(())
        }
    }

    #[test]
    fn one_drawing_is_an_svg_and_a_png_of_twice_its_size_and_always_the_same() {
        let (svg_text, png_bytes) = (svg(&Fixture).unwrap(), png(&Fixture).unwrap());
        assert!(svg_text.contains(r#"width="90""#) && svg_text.contains("word"), "{svg_text}");
        assert_eq!(png_size(&png_bytes), Some((180, 80)));
        assert_eq!(png_size(svg_text.as_bytes()), None);
        assert_eq!((svg(&Fixture).unwrap(), png(&Fixture).unwrap()), (svg_text, png_bytes));
    }

    #[test]
    fn the_extension_says_which_file_is_written_and_none_means_both() {
        let folder = tempfile::tempdir().unwrap();
        let names = |name: &str| -> Vec<String> {
            let written = write(&folder.path().join(name), &Fixture).unwrap();
            assert!(written.iter().all(|path| path.exists()));
            written
                .iter()
                .map(|path| path.file_name().unwrap().to_string_lossy().into_owned())
                .collect()
        };
        assert_eq!(names("a.png"), ["a.png"]);
        assert_eq!(names("a.svg"), ["a.svg"]);
        assert_eq!(names("b"), ["b.svg", "b.png"]);
        let beside = write_both(&folder.path().join("t.verify.svg"), &Fixture).unwrap();
        assert!(beside[1].ends_with("t.verify.png"), "{beside:?}");
    }

    #[test]
    fn another_extension_is_refused_with_those_that_are_right() {
        let error = write(Path::new("a.pdf"), &Fixture).unwrap_err();
        assert_eq!(error.to_string(), "`a.pdf` is no picture: `.pdf` is neither .svg nor .png");
        assert!(crate::hint::of(&error).unwrap().contains("NAME.png"));
        assert!(check(Path::new("..")).is_err());
    }

    #[test]
    fn a_path_that_cannot_be_written_is_named() {
        let error = write(Path::new("/nonexistent/a.png"), &Fixture).unwrap_err();
        assert_eq!(error.to_string(), "cannot write /nonexistent/a.png");
    }
}
