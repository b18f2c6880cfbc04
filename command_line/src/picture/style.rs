//! A style is how lines and letters look, the same in every picture.

use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{Color, IntoFont, RGBColor, TextStyle};

/// A vermilion and a blue that also differ in grey and to the colour-blind (Okabe and Ito, 2008).
pub const ORANGE: RGBColor = RGBColor(213, 94, 0);
/// The blue.
pub const BLUE: RGBColor = RGBColor(0, 114, 178);
/// A green of the same family.
pub const GREEN: RGBColor = RGBColor(0, 158, 115);
/// And a purple.
pub const PURPLE: RGBColor = RGBColor(204, 121, 167);
/// Letters and axes.
pub const INK: RGBColor = RGBColor(51, 51, 51);
/// What stands behind.
pub const GREY: RGBColor = RGBColor(120, 120, 120);
/// Grids and frames.
pub const FAINT: RGBColor = RGBColor(225, 225, 225);

/// The font of the PNG, which is embedded, and its like for whoever shows the SVG: Verdana has the same
/// widths.
const FONT: &str = "DejaVu Sans, Verdana, sans-serif";

/// Letters of this size in pixels, anchored at their upper left.
pub fn text(size: u32) -> TextStyle<'static> {
    (FONT, size).into_font().color(&INK)
}

/// Letters of this size and colour, anchored there.
pub fn anchored(
    size: u32,
    colour: RGBColor,
    horizontal: HPos,
    vertical: VPos,
) -> TextStyle<'static> {
    (FONT, size).into_font().color(&colour.to_rgba()).pos(Pos::new(horizontal, vertical))
}

/// A number on an axis, without needless zeros.
pub fn plain(number: f64) -> String {
    let text = format!("{number:.4}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_on_axes_have_no_needless_zeros() {
        for (number, said) in [(10.0, "10"), (0.1 + 0.2, "0.3"), (0.05, "0.05"), (-2.5, "-2.5")] {
            assert_eq!(plain(number), said);
        }
    }
}
