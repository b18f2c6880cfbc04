//! A scatter is the picture of a verification: a mark per network, predicted across, measured up, with
//! their intervals, and the diagonal on which they would all lie.

mod labels;

use std::ops::Range;

use anyhow::ensure;
use op_catalog::Milliseconds;
use plotters::chart::{ChartBuilder, ChartContext, LabelAreaPosition};
use plotters::coord::types::RangedCoordf64;
use plotters::element::{Circle, PathElement, Polygon, Rectangle, Text};
use plotters::prelude::Cartesian2d;
use plotters::style::text_anchor::{HPos, VPos};
use plotters::style::{Color, RGBColor, ShapeStyle, WHITE};

use crate::report::verify::{NetworkKind, VerifiedNetwork, VerifyReport};
use command_line::picture::{
    Area, BLUE, Canvas, Drawing, FAINT, INK, ORANGE, Pixel, anchored, plain, text, width_of,
};
use labels::{Name, Part, Rect};

/// Pixels across and up.
const SIZE: (u32, u32) = (760, 720);
/// What is drawn, from the bottom, as the legend says it.
const KINDS: [(NetworkKind, &str); 3] = [
    (NetworkKind::Random, "random network"),
    (NetworkKind::Reference, "reference network"),
    (NetworkKind::Given, "given network"),
];
/// Half the side of what a mark takes.
const MARK: i32 = 6;

/// A report to draw under a title that says on what device and runtime.
pub(crate) struct Scatter<'a> {
    report: &'a VerifyReport,
    title: String,
}

type Chart<'a, B> = ChartContext<'a, B, Cartesian2d<RangedCoordf64, RangedCoordf64>>;

impl<'a> Scatter<'a> {
    /// The picture of the report.
    ///
    /// # Errors
    /// A report without networks.
    pub(crate) fn new(report: &'a VerifyReport, title: String) -> anyhow::Result<Self> {
        ensure!(!report.networks().is_empty(), "there is no network to draw");
        Ok(Self { report, title })
    }
}

impl Drawing for Scatter<'_> {
    fn size(&self) -> (u32, u32) {
        SIZE
    }

    fn draw<B: Canvas>(&self, area: &Area<B>) -> anyhow::Result<()> {
        area.draw(&Text::new(self.title.clone(), (20, 16), text(20)))?;
        area.draw(&Text::new(self.report.summary(), (20, 43), text(14)))?;
        let networks = self.report.networks();
        let chart = chart(area, range(networks))?;
        diagonal(area, &chart)?;
        for kind in KINDS.map(|(kind, _)| kind) {
            for network in networks.iter().filter(|network| network.kind == kind) {
                bars(area, &chart, network)?;
                mark(area, kind, pixel(&chart, network.predicted, network.measured))?;
            }
        }
        let (across, up) = chart.plotting_area().get_pixel_range();
        legend(area, networks, (across.end, up.end))?;
        names(area, &chart, networks)
    }
}

/// Axes of one range, so that the diagonal is one.
fn chart<B: Canvas>(area: &Area<B>, (low, high): (f64, f64)) -> anyhow::Result<Chart<'_, B>> {
    let plot = area.margin(70, 14, 14, 30);
    let mut chart = ChartBuilder::on(&plot)
        .set_label_area_size(LabelAreaPosition::Left, 64)
        .set_label_area_size(LabelAreaPosition::Bottom, 52)
        .build_cartesian_2d(low..high, low..high)?;
    chart
        .configure_mesh()
        .bold_line_style(FAINT)
        .light_line_style(ShapeStyle::from(WHITE.mix(0.0)))
        .axis_style(INK)
        .x_label_formatter(&|number| plain(*number))
        .y_label_formatter(&|number| plain(*number))
        .x_labels(8)
        .y_labels(8)
        .label_style(text(15))
        .axis_desc_style(text(17))
        .x_desc("predicted from the table, ms")
        .y_desc("measured, ms")
        .draw()?;
    Ok(chart)
}

/// The range of all intervals with some room around.
fn range(networks: &[VerifiedNetwork]) -> (f64, f64) {
    let numbers = networks.iter().flat_map(|network| {
        let (low, high) =
            network.predicted_interval90.unwrap_or((network.predicted, network.predicted));
        [low, high, network.predicted, network.measured, network.ci_low, network.ci_high]
    });
    let finite = numbers.map(|Milliseconds(ms)| ms).filter(|ms| ms.is_finite());
    let (low, high) = finite.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), number| {
        (low.min(number), high.max(number))
    });
    if low > high {
        return (0.0, 1.0);
    }
    let span = if low < high { high - low } else { 0.1 * high.abs().max(1e-3) };
    let below = low - 0.1 * span;
    // A latency is never negative, but a model's prediction may be.
    (if low >= 0.0 { below.max(0.0) } else { below }, high + 0.1 * span)
}

fn pixel<B: Canvas>(chart: &Chart<B>, x: Milliseconds, y: Milliseconds) -> Pixel {
    chart.backend_coord(&(x.0, y.0))
}

fn diagonal<B: Canvas>(area: &Area<B>, chart: &Chart<B>) -> anyhow::Result<()> {
    let (across, up) = chart.plotting_area().get_pixel_range();
    line(area, INK, [(across.start, up.end), (across.end, up.start)])
}

fn line<B: Canvas>(area: &Area<B>, colour: RGBColor, ends: [Pixel; 2]) -> anyhow::Result<()> {
    Ok(area.draw(&PathElement::new(ends, colour.stroke_width(1)))?)
}

const fn colour(kind: NetworkKind) -> RGBColor {
    match kind {
        NetworkKind::Reference | NetworkKind::Given => ORANGE,
        NetworkKind::Random => BLUE,
    }
}

/// The measured interval up and down and, where the prediction has one, its own to the sides.
fn bars<B: Canvas>(
    area: &Area<B>,
    chart: &Chart<B>,
    network: &VerifiedNetwork,
) -> anyhow::Result<()> {
    let VerifiedNetwork { predicted, measured, ci_low, ci_high, .. } = network;
    let ends = [*ci_low, *ci_high].map(|end| pixel(chart, *predicted, end));
    bar(area, network.kind, ends, (3, 0))?;
    let Some((low, high)) = network.predicted_interval90 else { return Ok(()) };
    bar(area, network.kind, [low, high].map(|end| pixel(chart, end, *measured)), (0, 3))
}

/// A line with a cap across each end.
fn bar<B: Canvas>(
    area: &Area<B>,
    kind: NetworkKind,
    ends: [Pixel; 2],
    (right, down): Pixel,
) -> anyhow::Result<()> {
    line(area, colour(kind), ends)?;
    ends.into_iter().try_for_each(|(x, y)| {
        line(area, colour(kind), [(x - right, y - down), (x + right, y + down)])
    })
}

/// A diamond for what has a name, a circle for what was drawn.
fn mark<B: Canvas>(area: &Area<B>, kind: NetworkKind, (x, y): Pixel) -> anyhow::Result<()> {
    let fill = colour(kind).mix(0.85).filled();
    match kind {
        NetworkKind::Reference | NetworkKind::Given => {
            let corners = [(x, y - MARK), (x + MARK, y), (x, y + MARK), (x - MARK, y)];
            area.draw(&Polygon::new(corners, fill))?;
        }
        NetworkKind::Random => area.draw(&Circle::new((x, y), MARK - 1, fill))?,
    }
    Ok(())
}

/// What the marks mean, in the corner where no network should be.
fn legend<B: Canvas>(
    area: &Area<B>,
    networks: &[VerifiedNetwork],
    (right, bottom): Pixel,
) -> anyhow::Result<()> {
    let has = |kind| networks.iter().any(|network| network.kind == kind);
    let has_predicted = networks.iter().any(|network| network.predicted_interval90.is_some());
    let kinds: Vec<_> = KINDS.into_iter().rev().filter(|(kind, _)| has(*kind)).collect();
    let bars = if has_predicted { "intervals, 90 % of predictions" } else { "measured interval" };
    let lines = 2 + i32::try_from(kinds.len())?;
    let width = width_of(bars, 14.0).max(width_of("predicted = measured", 14.0)) as i32;
    let (left, top) = (right - width - 62, bottom - 20 * lines - 22);
    let frame = [(left, top), (right - 12, bottom - 12)];
    area.draw(&Rectangle::new(frame, WHITE.filled()))?;
    area.draw(&Rectangle::new(frame, FAINT))?;
    let row = |number: i32| (left + 18, top + 15 + 20 * number);
    let said = kinds.iter().map(|(_, said)| *said).chain(["predicted = measured", bars]);
    for (number, said) in (0..).zip(said) {
        let (x, y) = row(number);
        area.draw(&Text::new(said, (x + 20, y), anchored(14, INK, HPos::Left, VPos::Center)))?;
    }
    for (number, (kind, _)) in (0..).zip(&kinds) {
        mark(area, *kind, row(number))?;
    }
    let (x, y) = row(lines - 2);
    line(area, INK, [(x - 10, y), (x + 10, y)])?;
    let (x, y) = row(lines - 1);
    bar(area, kinds[0].0, [(x, y - 6), (x, y + 6)], (3, 0))
}

/// What a mark and its bars cover.
fn covered<B: Canvas>(chart: &Chart<B>, network: &VerifiedNetwork) -> [Rect; 3] {
    let VerifiedNetwork { predicted, measured, ci_low, ci_high, .. } = network;
    let (low, high) = network.predicted_interval90.unwrap_or((*predicted, *predicted));
    let spanned = |from, to| Rect::spanning(from, to).grown(2);
    [
        Rect::spanning(pixel(chart, *predicted, *measured), pixel(chart, *predicted, *measured))
            .grown(MARK + 1),
        spanned(pixel(chart, *predicted, *ci_high), pixel(chart, *predicted, *ci_low)),
        spanned(pixel(chart, low, *measured), pixel(chart, high, *measured)),
    ]
}

/// The diagonal of a frame, step by step.
fn steps((across, up): &(Range<i32>, Range<i32>)) -> impl Iterator<Item = Rect> {
    const STEPS: i32 = 60;
    let at = |step: i32| {
        let part = |side: &Range<i32>| (side.end - side.start) * step / STEPS;
        (across.start + part(across), up.end - part(up))
    };
    (0..=STEPS).map(move |step| Rect::spanning(at(step), at(step)).grown(2))
}

/// Names of the networks that have one beside their marks.
fn names<B: Canvas>(
    area: &Area<B>,
    chart: &Chart<B>,
    networks: &[VerifiedNetwork],
) -> anyhow::Result<()> {
    let place = |network: &VerifiedNetwork| pixel(chart, network.predicted, network.measured);
    let frame = chart.plotting_area().get_pixel_range();
    let taken: Vec<Rect> =
        networks.iter().flat_map(|network| covered(chart, network)).chain(steps(&frame)).collect();
    let named: Vec<&VerifiedNetwork> =
        networks.iter().filter(|network| network.kind != NetworkKind::Random).collect();
    let wanted: Vec<Name> = named
        .iter()
        .map(|network| Name {
            mark: place(network),
            width: width_of(&network.name, 15.0).ceil() as i32,
            part: if network.predicted < network.measured { Part::End } else { Part::Beginning },
        })
        .collect();
    for (network, (at, part)) in named.iter().zip(labels::place(&wanted, &taken, &frame)) {
        let side = match part {
            Part::Beginning => HPos::Left,
            Part::Middle => HPos::Center,
            Part::End => HPos::Right,
        };
        let style = anchored(15, ORANGE, side, VPos::Center);
        area.draw(&Text::new(network.name.clone(), at, style))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::verify::{tests::networks, verify};
    use command_line::picture::{png, png_size, svg};

    fn drawn(networks: &[VerifiedNetwork]) -> String {
        svg(&Scatter::new(&verify(networks), "pixel1: tract 0.23.9".to_owned()).unwrap()).unwrap()
    }

    #[test]
    fn the_picture_has_a_mark_per_network_and_says_what_it_shows() {
        let svg = drawn(&networks());
        // One more of each for the legend.
        let marks = [svg.matches("<circle").count(), svg.matches("<polygon").count()];
        assert_eq!(marks, [3 + 1, 2 + 1]);
        for said in [
            "pixel1: tract 0.23.9",
            "predicted = measured",
            "predicted from the table, ms",
            "measured, ms",
            "mobilenet_v2",
            "MAPE",
        ] {
            assert!(svg.contains(said), "{said}");
        }
        assert!(!svg.contains("random-1"));
    }

    #[test]
    fn a_network_that_the_user_names_is_not_called_published() {
        let mut named = networks();
        let published = named.iter_mut().filter(|network| network.kind == NetworkKind::Reference);
        published.for_each(|network| network.kind = NetworkKind::Given);
        let svg = drawn(&named);
        assert!(svg.contains("given network") && svg.contains("mobilenet_v2"));
        assert!(!svg.contains("reference network"));
    }

    #[test]
    fn a_prediction_with_an_interval_has_a_bar_with_two_caps_more() {
        let lines = |networks: &[VerifiedNetwork]| drawn(networks).matches("<polyline").count();
        let mut with_interval = networks();
        let before = lines(&with_interval);
        // Inside the range of the others, so that everything else stays where it is.
        with_interval[1].predicted_interval90 = Some((Milliseconds(25.0), Milliseconds(28.0)));
        assert_eq!(lines(&with_interval), before + 3);
        assert!(drawn(&with_interval).contains("90 % of predictions"));
    }

    #[test]
    fn a_single_network_has_room_around_it_and_none_is_refused() {
        let one = VerifiedNetwork {
            predicted: Milliseconds(5.0),
            measured: Milliseconds(5.0),
            ci_low: Milliseconds(5.0),
            ci_high: Milliseconds(5.0),
            ..networks()[0].clone()
        };
        let (low, high) = range(std::slice::from_ref(&one));
        assert!(low < 5.0 && 5.0 < high);
        assert!(drawn(&[one]).contains("mobilenet_v2"));
        assert!(Scatter::new(&verify(&[]), String::new()).is_err());
    }

    #[test]
    fn numbers_that_only_a_model_gives_are_drawn_and_the_png_has_its_size() {
        let mut odd = networks();
        odd[0].predicted = Milliseconds(-3.0);
        odd[1].predicted = Milliseconds(0.0);
        odd[2].predicted = Milliseconds(f64::NAN);
        let report = verify(&odd);
        let png = png(&Scatter::new(&report, "x".to_owned()).unwrap()).unwrap();
        assert_eq!(png_size(&png), Some((2 * SIZE.0, 2 * SIZE.1)));
    }
}
