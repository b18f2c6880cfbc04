//! A scatter is the picture of a verification: a point per network, predicted across, measured up, and
//! the diagonal on which they would all lie.

use anyhow::anyhow;
use plotters::chart::{ChartBuilder, ChartContext, LabelAreaPosition, SeriesLabelPosition};
use plotters::coord::Shift;
use plotters::coord::types::RangedCoordf64;
use plotters::element::{Circle, DashedPathElement, EmptyElement, PathElement, Text};
use plotters::prelude::{Cartesian2d, DrawingArea, IntoDrawingArea, SVGBackend};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{Color, IntoFont, RGBColor, ShapeStyle, TextStyle, WHITE};

use crate::report::verify::{NetworkKind, VerifiedNetwork, VerifyReport};

/// Pixels across and up.
const SIZE: (u32, u32) = (760, 720);

/// A blue and an orange that also differ in grey and to the colour-blind (Okabe and Ito, 2008).
const REFERENCE_COLOUR: RGBColor = RGBColor(213, 94, 0);
const RANDOM_COLOUR: RGBColor = RGBColor(0, 114, 178);
const INK: RGBColor = RGBColor(51, 51, 51);
const FAINT: RGBColor = RGBColor(225, 225, 225);
const FONT: &str = "sans-serif";

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Chart<'a, 'b> = ChartContext<'a, SVGBackend<'b>, Cartesian2d<RangedCoordf64, RangedCoordf64>>;

/// Draws the report as SVG, under a title that says on what device and runtime.
///
/// # Errors
/// A report without networks.
pub(crate) fn svg(report: &VerifyReport, title: &str) -> anyhow::Result<String> {
    if report.networks().is_empty() {
        return Err(anyhow!("there is no network to draw"));
    }
    let mut text = String::new();
    {
        let area = SVGBackend::with_string(&mut text, SIZE).into_drawing_area();
        draw(&area, report, title).map_err(|error| anyhow!("cannot draw the scatter: {error}"))?;
    }
    Ok(text)
}

fn draw(area: &Area, report: &VerifyReport, title: &str) -> anyhow::Result<()> {
    let wrong = |error: &dyn std::error::Error| anyhow!("{error}");
    area.fill(&WHITE).map_err(|error| wrong(&error))?;
    heading(area, title, &report.summary())?;
    let (low, high) = range(report.networks());
    let plot = area.margin(64, 12, 12, 30);
    let mut chart = ChartBuilder::on(&plot)
        .set_label_area_size(LabelAreaPosition::Left, 62)
        .set_label_area_size(LabelAreaPosition::Bottom, 50)
        .build_cartesian_2d(low..high, low..high)
        .map_err(|error| wrong(&error))?;
    chart
        .configure_mesh()
        .bold_line_style(FAINT)
        .light_line_style(ShapeStyle::from(WHITE.mix(0.0)))
        .axis_style(INK)
        .x_labels(8)
        .y_labels(8)
        .label_style(text(14))
        .axis_desc_style(text(16))
        .x_desc("predicted: sum of the table's rows, ms")
        .y_desc("measured: whole network, ms")
        .draw()
        .map_err(|error| wrong(&error))?;
    diagonal(&mut chart, low, high)?;
    for kind in [NetworkKind::Random, NetworkKind::Reference] {
        points(&mut chart, report.networks(), kind)?;
    }
    names(&mut chart, report.networks())?;
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::LowerRight)
        .margin(14)
        .legend_area_size(28)
        .label_font(text(14))
        .background_style(WHITE)
        .border_style(FAINT)
        .draw()
        .map_err(|error| wrong(&error))?;
    area.present().map_err(|error| wrong(&error))
}

fn text(size: u32) -> TextStyle<'static> {
    (FONT, size).into_font().color(&INK)
}

fn heading(area: &Area, title: &str, summary: &str) -> anyhow::Result<()> {
    for (line, size, y) in [(title, 20, 16), (summary, 14, 43)] {
        area.draw(&Text::new(line.to_owned(), (20, y), text(size)))
            .map_err(|error| anyhow!("{error}"))?;
    }
    Ok(())
}

/// The same range on both axes, so that the diagonal is one, with room around the points and for the
/// names of those near the edge.
fn range(networks: &[VerifiedNetwork]) -> (f64, f64) {
    let numbers = networks
        .iter()
        .flat_map(|network| [network.predicted.0, network.ci_low.0, network.ci_high.0]);
    let (low, high) = numbers.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), number| {
        (low.min(number), high.max(number))
    });
    let span = if low < high { high - low } else { 0.1 * high.max(1e-3) };
    let room = |names_end_there: fn(&VerifiedNetwork) -> bool, edge: f64| {
        let is_crowded = networks.iter().any(|network| {
            let is_near = (network.predicted.0 - edge).abs() < NAME_ROOM * span;
            network.kind == NetworkKind::Reference && names_end_there(network) && is_near
        });
        span * if is_crowded { NAME_ROOM } else { 0.08 }
    };
    let (room_low, room_high) =
        (room(is_under_predicted, low), room(|n| !is_under_predicted(n), high));
    ((low - room_low).max(0.0), high + room_high)
}

/// How much of the range the longest name takes.
const NAME_ROOM: f64 = 0.25;

/// Whether the point is above the diagonal. Its name then stands to the left, else to the right: away
/// from the diagonal.
fn is_under_predicted(network: &VerifiedNetwork) -> bool {
    network.predicted < network.measured
}

fn diagonal(chart: &mut Chart, low: f64, high: f64) -> anyhow::Result<()> {
    let line = [(low, low), (high, high)];
    let style = ShapeStyle::from(INK).stroke_width(1);
    chart
        .draw_series([DashedPathElement::new(line, 6, 5, style)])
        .map_err(|error| anyhow!("{error}"))?
        .label("predicted = measured")
        .legend(move |(x, y)| DashedPathElement::new([(x, y), (x + 22, y)], 6, 5, style));
    Ok(())
}

/// Points with their intervals as bars.
fn points(
    chart: &mut Chart,
    networks: &[VerifiedNetwork],
    kind: NetworkKind,
) -> anyhow::Result<()> {
    let (colour, label) = match kind {
        NetworkKind::Reference => (REFERENCE_COLOUR, "reference network"),
        NetworkKind::Random => (RANDOM_COLOUR, "random network"),
    };
    let drawn: Vec<&VerifiedNetwork> =
        networks.iter().filter(|network| network.kind == kind).collect();
    if drawn.is_empty() {
        return Ok(());
    }
    let bars = drawn.iter().map(|network| {
        let x = network.predicted.0;
        PathElement::new([(x, network.ci_low.0), (x, network.ci_high.0)], colour.stroke_width(2))
    });
    chart.draw_series(bars).map_err(|error| anyhow!("{error}"))?;
    let circles = drawn.iter().map(|network| {
        EmptyElement::at((network.predicted.0, network.measured.0))
            + Circle::new((0, 0), 5, colour.mix(0.85).filled())
    });
    chart
        .draw_series(circles)
        .map_err(|error| anyhow!("{error}"))?
        .label(label)
        .legend(move |(x, y)| Circle::new((x + 11, y), 5, colour.mix(0.85).filled()));
    Ok(())
}

/// Names of the reference networks beside their points.
fn names(chart: &mut Chart, networks: &[VerifiedNetwork]) -> anyhow::Result<()> {
    let named = networks.iter().filter(|network| network.kind == NetworkKind::Reference);
    let labels = named.map(|network| {
        let (offset, side) =
            if is_under_predicted(network) { (-11, HPos::Right) } else { (11, HPos::Left) };
        let style = (FONT, 14).into_font().color(&REFERENCE_COLOUR);
        EmptyElement::at((network.predicted.0, network.measured.0))
            + Text::new(network.name.clone(), (offset, 0), style.pos(Pos::new(side, VPos::Center)))
    });
    chart.draw_series(labels).map_err(|error| anyhow!("{error}"))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::verify::{tests::networks, verify};

    #[test]
    fn the_picture_has_a_point_and_a_bar_per_network_and_says_what_it_shows() {
        let svg = svg(&verify(&networks()), "pixel1: tract 0.23.9, 1 thread").unwrap();
        // One more of each for the legend.
        assert_eq!(svg.matches("<circle").count(), networks().len() + 2);
        for said in [
            "pixel1: tract 0.23.9, 1 thread",
            "predicted = measured",
            "predicted: sum of the table&apos;s rows, ms",
            "measured: whole network, ms",
            "mobilenet_v2",
            "MAPE",
        ] {
            assert!(svg.contains(said), "{said}");
        }
        assert!(!svg.contains("random-1"));
    }

    #[test]
    fn a_single_network_has_room_around_it_and_none_is_refused() {
        let one = &networks()[..1];
        let (low, high) = range(&[VerifiedNetwork {
            predicted: one[0].measured,
            ci_low: one[0].measured,
            ci_high: one[0].measured,
            ..one[0].clone()
        }]);
        assert!(low < one[0].measured.0 && one[0].measured.0 < high);
        assert!(svg(&verify(one), "x").is_ok());
        assert!(svg(&verify(&[]), "x").is_err());
    }
}
