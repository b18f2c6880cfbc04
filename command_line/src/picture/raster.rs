//! A raster is a surface of pixels that plotters draws on: lines and letters smooth, and finer by
//! [`SCALE`] than the drawing says, so that they stay so when looked at closely.

use std::convert::Infallible;

use anyhow::Context;
use plotters_backend::text_anchor::{HPos, VPos};
use plotters_backend::{
    BackendColor, BackendCoord, BackendStyle, BackendTextStyle, DrawingBackend, DrawingErrorKind,
    FontTransform,
};
use tiny_skia::{FillRule, Paint, Path, PathBuilder, Pixmap, Rect, Stroke, Transform};

use super::lettering;

/// Pixels of the raster for each of the drawing.
const SCALE: u32 = 2;

type Drawn = Result<(), DrawingErrorKind<Infallible>>;

/// The surface.
pub(super) struct Raster<'a> {
    pixmap: &'a mut Pixmap,
}

/// Pixels for a drawing of this size.
///
/// # Errors
/// A size of zero, or too large for memory.
pub(super) fn pixmap((width, height): (u32, u32)) -> anyhow::Result<Pixmap> {
    Pixmap::new(SCALE * width, SCALE * height)
        .with_context(|| format!("a picture cannot be {width} x {height} pixels"))
}

impl<'a> Raster<'a> {
    /// Draws on these pixels.
    pub(super) fn new(pixmap: &'a mut Pixmap) -> Self {
        Self { pixmap }
    }

    fn fill(&mut self, path: Option<Path>, colour: BackendColor) {
        self.fill_at(Transform::identity(), path, colour);
    }

    fn fill_at(&mut self, place: Transform, path: Option<Path>, colour: BackendColor) {
        let Some(path) = path else { return };
        let place = place.post_concat(scaled());
        self.pixmap.fill_path(&path, &paint(colour), FillRule::Winding, place, None);
    }

    fn stroke(&mut self, path: Option<Path>, style: &impl BackendStyle) {
        let Some(path) = path else { return };
        let stroke = Stroke { width: style.stroke_width() as f32, ..Stroke::default() };
        self.pixmap.stroke_path(&path, &paint(style.color()), &stroke, scaled(), None);
    }
}

fn scaled() -> Transform {
    Transform::from_scale(SCALE as f32, SCALE as f32)
}

fn paint(colour: BackendColor) -> Paint<'static> {
    let (red, green, blue) = colour.rgb;
    let mut paint = Paint::default();
    paint.set_color_rgba8(red, green, blue, (255.0 * colour.alpha).round() as u8);
    paint
}

fn line(points: impl IntoIterator<Item = BackendCoord>) -> PathBuilder {
    let mut path = PathBuilder::new();
    for (x, y) in points {
        if path.is_empty() {
            path.move_to(x as f32, y as f32);
        } else {
            path.line_to(x as f32, y as f32);
        }
    }
    path
}

/// Where the SVG backend puts the beginning of a text's line relative to the anchor: the two pictures
/// are the same. An ex is 0.55 em in this font.
fn offset(style: &impl BackendTextStyle, width: f32) -> (f32, f32) {
    let anchor = style.anchor();
    let x = match anchor.h_pos {
        HPos::Left => 0.0,
        HPos::Center => -width / 2.0,
        HPos::Right => -width,
    };
    let ems = match anchor.v_pos {
        VPos::Top => 0.76,
        VPos::Center => 0.5 * 0.55,
        VPos::Bottom => -0.5 * 0.55,
    };
    (x, ems * lettering::em(style.size()))
}

impl DrawingBackend for Raster<'_> {
    type ErrorType = Infallible;

    fn get_size(&self) -> (u32, u32) {
        (self.pixmap.width() / SCALE, self.pixmap.height() / SCALE)
    }

    fn ensure_prepared(&mut self) -> Drawn {
        Ok(())
    }

    fn present(&mut self) -> Drawn {
        Ok(())
    }

    fn draw_pixel(&mut self, (x, y): BackendCoord, colour: BackendColor) -> Drawn {
        let pixel = Rect::from_xywh(x as f32, y as f32, 1.0, 1.0).map(PathBuilder::from_rect);
        self.fill(pixel, colour);
        Ok(())
    }

    fn draw_line<S: BackendStyle>(
        &mut self,
        from: BackendCoord,
        to: BackendCoord,
        style: &S,
    ) -> Drawn {
        self.draw_path([from, to], style)
    }

    fn draw_rect<S: BackendStyle>(
        &mut self,
        (left, top): BackendCoord,
        (right, bottom): BackendCoord,
        style: &S,
        fill: bool,
    ) -> Drawn {
        let rect = Rect::from_ltrb(left as f32, top as f32, right as f32, bottom as f32);
        let path = rect.map(PathBuilder::from_rect);
        if fill {
            self.fill(path, style.color());
        } else {
            self.stroke(path, style);
        }
        Ok(())
    }

    fn draw_path<S: BackendStyle, I: IntoIterator<Item = BackendCoord>>(
        &mut self,
        path: I,
        style: &S,
    ) -> Drawn {
        self.stroke(line(path).finish(), style);
        Ok(())
    }

    fn fill_polygon<S: BackendStyle, I: IntoIterator<Item = BackendCoord>>(
        &mut self,
        corners: I,
        style: &S,
    ) -> Drawn {
        let mut path = line(corners);
        path.close();
        self.fill(path.finish(), style.color());
        Ok(())
    }

    fn draw_circle<S: BackendStyle>(
        &mut self,
        (x, y): BackendCoord,
        radius: u32,
        style: &S,
        fill: bool,
    ) -> Drawn {
        let path = PathBuilder::from_circle(x as f32, y as f32, radius as f32);
        if fill {
            self.fill(path, style.color());
        } else {
            self.stroke(path, style);
        }
        Ok(())
    }

    fn draw_text<S: BackendTextStyle>(
        &mut self,
        text: &str,
        style: &S,
        (x, y): BackendCoord,
    ) -> Drawn {
        let degrees = match style.transform() {
            FontTransform::None => 0.0,
            FontTransform::Rotate90 => 90.0,
            FontTransform::Rotate180 => 180.0,
            FontTransform::Rotate270 => 270.0,
        };
        let (right, down) = offset(style, lettering::width_of(text, style.size()));
        let place = Transform::from_translate(right, down)
            .post_concat(Transform::from_rotate(degrees))
            .post_translate(x as f32, y as f32);
        self.fill_at(place, lettering::outline(text, style.size()), style.color());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use plotters::element::{Circle, Rectangle, Text};
    use plotters::prelude::IntoDrawingArea;
    use plotters::style::Color;

    use super::*;
    use crate::picture::style::{BLUE, text};

    fn is_drawn(pixmap: &Pixmap, x: u32, y: u32) -> bool {
        pixmap.pixel(x, y).unwrap().alpha() > 0
    }

    #[test]
    fn what_is_filled_is_filled_and_what_is_an_outline_is_not() {
        let mut pixels = pixmap((40, 20)).unwrap();
        {
            let area = Raster::new(&mut pixels).into_drawing_area();
            area.draw(&Circle::new((10, 10), 5, BLUE.filled())).unwrap();
            area.draw(&Rectangle::new([(22, 4), (36, 16)], BLUE)).unwrap();
        }
        let drawn = [(20, 20), (44, 20), (58, 20), (2, 2)].map(|(x, y)| is_drawn(&pixels, x, y));
        assert_eq!(drawn, [true, true, false, false]);
    }

    #[test]
    fn letters_turn_around_their_anchor() {
        let mut pixels = pixmap((100, 100)).unwrap();
        {
            let area = Raster::new(&mut pixels).into_drawing_area();
            let turned = text(16).transform(FontTransform::Rotate90);
            area.draw(&Text::new("a long text", (50, 10), turned)).unwrap();
        }
        let is_in = |columns: std::ops::Range<u32>, rows: std::ops::Range<u32>| {
            columns
                .flat_map(|x| rows.clone().map(move |y| (x, y)))
                .any(|(x, y)| is_drawn(&pixels, x, y))
        };
        assert!(is_in(60..110, 100..160) && !is_in(110..200, 0..200) && !is_in(0..60, 0..200));
    }

    #[test]
    fn a_picture_of_no_size_is_refused() {
        assert_eq!(pixmap((0, 5)).unwrap_err().to_string(), "a picture cannot be 0 x 5 pixels");
    }
}
