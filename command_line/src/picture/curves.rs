//! Curves are a picture of numbers over steps: a panel for each quantity, one below the other.

use std::ops::Range;

use plotters::chart::{ChartBuilder, LabelAreaPosition};
use plotters::element::{PathElement, Text};
use plotters::series::{DashedLineSeries, LineSeries};
use plotters::style::text_anchor::{HPos, VPos};
use plotters::style::{Color, RGBColor, ShapeStyle, WHITE};

use super::style::{BLUE, FAINT, GREEN, GREY, INK, ORANGE, PURPLE, anchored, plain, text};
use super::{Area, Canvas, Drawing};

/// Pixels across.
const WIDTH: u32 = 860;
/// Pixels up: the title, and each panel.
const HEIGHTS: (u32, u32) = (44, 250);
/// Pixels right of a panel, for the names of its curves.
const NAMES: i32 = 170;

/// The colours of curves, in their order.
const COLOURS: [RGBColor; 5] = [BLUE, ORANGE, GREEN, PURPLE, GREY];

/// The picture.
#[derive(Clone, Debug, PartialEq)]
pub struct Curves {
    /// Above all of it.
    pub title: String,
    /// What the horizontal axis is.
    pub across: String,
    /// From the top.
    pub panels: Vec<Panel>,
}

/// One quantity.
#[derive(Clone, Debug, PartialEq)]
pub struct Panel {
    /// The quantity with its unit.
    pub up: String,
    /// Its curves; at most five have a colour of their own.
    pub curves: Vec<Curve>,
    /// Values to compare with, drawn across: what they are, and the value.
    pub levels: Vec<(String, f64)>,
}

/// A curve.
#[derive(Clone, Debug, PartialEq)]
pub struct Curve {
    /// What it is.
    pub name: String,
    /// Step and value, in the order of the steps. Values that are not finite are left out.
    pub points: Vec<(f64, f64)>,
}

impl Curve {
    /// The same curve, each value the mean of those around it: of `width` steps in all.
    #[must_use]
    pub fn smoothed(&self, width: usize) -> Self {
        let half = width / 2;
        let mean = |index: usize| {
            let around =
                &self.points[index.saturating_sub(half)..(index + half + 1).min(self.points.len())];
            let sum: f64 = around.iter().map(|(_, value)| value).sum();
            (self.points[index].0, sum / around.len() as f64)
        };
        Self { name: self.name.clone(), points: (0..self.points.len()).map(mean).collect() }
    }
}

impl Drawing for Curves {
    fn size(&self) -> (u32, u32) {
        (WIDTH, HEIGHTS.0 + HEIGHTS.1 * self.panels.len() as u32)
    }

    fn draw<B: Canvas>(&self, area: &Area<B>) -> anyhow::Result<()> {
        area.draw(&Text::new(self.title.clone(), (14, 12), text(18)))?;
        let (_, below) = area.split_vertically(HEIGHTS.0);
        let span = range(self.panels.iter().flat_map(Panel::steps), 0.0);
        let rows = below.split_evenly((self.panels.len().max(1), 1));
        for (index, (panel, row)) in self.panels.iter().zip(&rows).enumerate() {
            let across = (index + 1 == self.panels.len()).then_some(self.across.as_str());
            panel.draw(row, span.clone(), across)?;
        }
        Ok(())
    }
}

impl Panel {
    fn steps(&self) -> impl Iterator<Item = f64> {
        self.curves.iter().flat_map(|curve| curve.points.iter().map(|(step, _)| *step))
    }

    fn draw<B: Canvas>(
        &self,
        area: &Area<B>,
        span: Range<f64>,
        across: Option<&str>,
    ) -> anyhow::Result<()> {
        let values = self.curves.iter().flat_map(|curve| curve.points.iter().map(|(_, y)| *y));
        let up = range(values.chain(self.levels.iter().map(|(_, level)| *level)), 0.05);
        let plot = area.margin(4, 6, 14, NAMES);
        let mut chart = ChartBuilder::on(&plot)
            .set_label_area_size(LabelAreaPosition::Left, 66)
            .set_label_area_size(LabelAreaPosition::Bottom, if across.is_some() { 48 } else { 24 })
            .build_cartesian_2d(span.clone(), up.clone())?;
        let said = |number: &f64| plain(*number);
        chart
            .configure_mesh()
            .bold_line_style(FAINT)
            .light_line_style(ShapeStyle::from(WHITE.mix(0.0)))
            .axis_style(INK)
            .disable_x_mesh()
            .x_label_formatter(&said)
            .y_label_formatter(&said)
            .x_labels(10)
            .y_labels(6)
            .label_style(text(14))
            .axis_desc_style(text(15))
            .y_desc(self.up.as_str())
            .x_desc(across.unwrap_or_default())
            .draw()?;
        for (_, level) in &self.levels {
            let line = [(span.start, *level), (span.end, *level)];
            chart.draw_series(DashedLineSeries::new(line, 6, 4, INK.stroke_width(1)))?;
        }
        for (curve, colour) in self.curves.iter().zip(COLOURS.into_iter().cycle()) {
            let points = curve.points.iter().copied().filter(|(_, value)| value.is_finite());
            chart.draw_series(LineSeries::new(points, colour.stroke_width(2)))?;
        }
        self.names(area)
    }

    /// The names of curves and levels, to the right, with their lines.
    fn names<B: Canvas>(&self, area: &Area<B>) -> anyhow::Result<()> {
        let left = area.dim_in_pixel().0.cast_signed() - NAMES + 12;
        let curves =
            self.curves.iter().zip(COLOURS.into_iter().cycle()).map(|(curve, colour)| {
                (curve.name.clone(), colour.stroke_width(2), [(0, 9), (9, 18)])
            });
        let levels = self.levels.iter().map(|(name, value)| {
            (format!("{name} {}", plain(*value)), INK.stroke_width(1), [(0, 7), (11, 18)])
        });
        for ((name, stroke, parts), y) in curves.chain(levels).zip((18..).step_by(20)) {
            for (from, to) in parts {
                area.draw(&PathElement::new([(left + from, y), (left + to, y)], stroke))?;
            }
            let style = anchored(13, INK, HPos::Left, VPos::Center);
            area.draw(&Text::new(name, (left + 24, y), style))?;
        }
        Ok(())
    }
}

/// From the least to the most, and a share of that beyond on each side.
fn range(numbers: impl Iterator<Item = f64>, beyond: f64) -> Range<f64> {
    let start = (f64::INFINITY, f64::NEG_INFINITY);
    let finite = numbers.filter(|number| number.is_finite());
    let (least, most) = finite.fold(start, |(a, b), number| (a.min(number), b.max(number)));
    match most - least {
        width if width > 0.0 => least - beyond * width..most + beyond * width,
        0.0 => least - 0.5..least + 0.5,
        _ => 0.0..1.0,
    }
}

#[cfg(test)]
mod tests {
    use super::super::{png, png_size, svg};
    use super::*;

    fn curves(points: Vec<(f64, f64)>) -> Curves {
        let curve = Curve { name: "fused".to_owned(), points };
        let levels = vec![("target".to_owned(), 2.5)];
        let panel = Panel { up: "loss, nats".to_owned(), curves: vec![curve], levels };
        Curves {
            title: "A run".to_owned(),
            across: "step".to_owned(),
            panels: vec![panel.clone(), panel],
        }
    }

    #[test]
    fn the_picture_names_what_it_shows() {
        let picture = curves(vec![(0.0, 3.0), (1.0, f64::NAN), (2.0, 1.0)]);
        let text = svg(&picture).unwrap();
        for said in ["A run", "step", "loss, nats", "fused", "target 2.5"] {
            assert!(text.contains(said), "{said}");
        }
        let (width, height) = picture.size();
        assert_eq!(png_size(&png(&picture).unwrap()), Some((2 * width, 2 * height)));
    }

    #[test]
    fn a_run_without_steps_is_a_picture_too() {
        for points in [Vec::new(), vec![(3.0, 1.0)]] {
            assert!(svg(&curves(points)).is_ok());
        }
    }

    #[test]
    fn a_smoothed_curve_has_the_means_of_its_neighbours() {
        let points = vec![(0.0, 1.0), (1.0, 4.0), (2.0, 1.0), (3.0, 4.0)];
        let curve = Curve { name: String::new(), points }.smoothed(3);
        assert_eq!(curve.points, [(0.0, 2.5), (1.0, 2.0), (2.0, 3.0), (3.0, 2.5)]);
    }
}
