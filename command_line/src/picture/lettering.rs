//! Lettering is text as outlines of an embedded font, so that a PNG needs no font of the system.

use std::sync::LazyLock;

use tiny_skia::{Path, PathBuilder};
use ttf_parser::{Face, GlyphId, OutlineBuilder};

/// `DejaVu` Sans: it has every sign that a report writes, and its licence (that of Bitstream Vera) lets
/// anybody embed it.
static FACE: LazyLock<Option<Face<'static>>> =
    LazyLock::new(|| Face::parse(dejavu::sans::regular(), 0).ok());

/// Size in pixels of the em of text that plotters says is of this size: so does its SVG.
pub(super) fn em(size: f64) -> f32 {
    (size / 1.24) as f32
}

/// Width in pixels of a text of plotters' size `size`.
pub fn width_of(text: &str, size: f64) -> f32 {
    FACE.as_ref().map_or(0.0, |face| placed(face, text, em(size)).1)
}

/// The text's outline, its line beginning at the origin; none where there is nothing to see.
pub(super) fn outline(text: &str, size: f64) -> Option<Path> {
    let face = FACE.as_ref()?;
    let scale = em(size) / f32::from(face.units_per_em());
    let mut pen = Pen { path: PathBuilder::new(), x: 0.0, scale };
    for (glyph, x) in placed(face, text, em(size)).0 {
        pen.x = x;
        face.outline_glyph(glyph, &mut pen);
    }
    pen.path.finish()
}

/// Each glyph with where it begins, and where the last one ends.
fn placed(face: &Face, text: &str, em: f32) -> (Vec<(GlyphId, f32)>, f32) {
    let scale = em / f32::from(face.units_per_em());
    let mut x = 0.0;
    let glyph = |character| face.glyph_index(character).unwrap_or(GlyphId(0));
    let glyphs = text.chars().map(glyph).map(|glyph| {
        let begins = x;
        x += scale * f32::from(face.glyph_hor_advance(glyph).unwrap_or(0));
        (glyph, begins)
    });
    let glyphs = glyphs.collect();
    (glyphs, x)
}

/// Draws a glyph of the font's units, which count upwards, in pixels, which count downwards.
struct Pen {
    path: PathBuilder,
    x: f32,
    scale: f32,
}

impl Pen {
    fn at(&self, x: f32, y: f32) -> (f32, f32) {
        (self.x + self.scale * x, -self.scale * y)
    }
}

impl OutlineBuilder for Pen {
    fn move_to(&mut self, x: f32, y: f32) {
        let (x, y) = self.at(x, y);
        self.path.move_to(x, y);
    }

    fn line_to(&mut self, x: f32, y: f32) {
        let (x, y) = self.at(x, y);
        self.path.line_to(x, y);
    }

    fn quad_to(&mut self, x1: f32, y1: f32, x: f32, y: f32) {
        let ((x1, y1), (x, y)) = (self.at(x1, y1), self.at(x, y));
        self.path.quad_to(x1, y1, x, y);
    }

    fn curve_to(&mut self, x1: f32, y1: f32, x2: f32, y2: f32, x: f32, y: f32) {
        let ((x1, y1), (x2, y2), (x, y)) = (self.at(x1, y1), self.at(x2, y2), self.at(x, y));
        self.path.cubic_to(x1, y1, x2, y2, x, y);
    }

    fn close(&mut self) {
        self.path.close();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_font_has_every_sign_that_pictures_write() {
        let face = FACE.as_ref().unwrap();
        for sign in "azAZ09 .,:;=+-/()%±×→²µ·–".chars() {
            assert!(face.glyph_index(sign).is_some(), "{sign}");
        }
    }

    #[test]
    fn a_text_is_as_wide_as_its_letters_and_a_space_has_no_outline() {
        let (one, two) = (width_of("m", 20.0), width_of("mm", 20.0));
        assert!(one > 10.0 && (two - 2.0 * one).abs() < 1e-3, "{one} {two}");
        let drawn = outline("mm", 20.0).unwrap().bounds();
        assert!(drawn.left() >= 0.0 && drawn.right() <= two && drawn.bottom() <= 0.5, "{drawn:?}");
        assert_eq!(outline(" ", 20.0), None);
    }
}
