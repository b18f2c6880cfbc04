//! A canary trace is the picture of how steady a device was while a table was measured: the time of a
//! fixed piece of work and, where it is known, the core's frequency, over the time of measuring.

mod trend;

use std::ops::Range;

use latency_tables::TableContext;
use op_catalog::wire::status::CanaryPoint;
use plotters::chart::{ChartBuilder, ChartContext, LabelAreaPosition};
use plotters::coord::types::RangedCoordf64;
use plotters::element::{Circle, PathElement, Text, TriangleMarker};
use plotters::prelude::Cartesian2d;
use plotters::style::text_anchor::{HPos, VPos};
use plotters::style::{Color, RGBColor, ShapeStyle, WHITE};

use crate::report;
use crate::report::heat_map::round_step;
use command_line::picture::{
    Area, BLUE, Canvas, FAINT, GREY, INK, ORANGE, anchored, plain, text, width_of,
};

/// Pixels up for the canary, and below it for the frequency.
const HEIGHTS: (i32, i32) = (270, 150);
/// Pixels above the canary's lines, for the legend and the rounds.
const ABOVE: i32 = 44;
/// Times of the median above which a canary is drawn at the edge.
const FARTHEST: f64 = 2.0;

/// A table's canaries to draw.
pub(crate) struct CanaryTrace<'a> {
    canary: &'a [CanaryPoint],
    /// Unit of the time of measuring, and milliseconds in it.
    unit: (&'static str, f64),
    max_drift: Option<f64>,
    /// The slowest that each canary may be.
    limits: Vec<f64>,
}

type Chart<'a, B> = ChartContext<'a, B, Cartesian2d<RangedCoordf64, RangedCoordf64>>;

impl<'a> CanaryTrace<'a> {
    /// The trace of a table; none where there was no canary, as in an imported table.
    pub(crate) fn of(context: &'a TableContext) -> Option<Self> {
        let max_drift = context.protocol.as_ref().map(|protocol| protocol.max_drift);
        let usual = trend::usual(context.canary.iter().map(|point| point.time.0));
        let limits = usual.into_iter().map(|usual| usual * (1.0 + max_drift.unwrap_or(0.0)));
        let canary = context.canary.as_slice();
        let (unit, limits) = (unit(canary), limits.collect());
        (!canary.is_empty()).then_some(Self { canary, unit, max_drift, limits })
    }

    /// Pixels up.
    pub(crate) fn height(&self) -> i32 {
        if self.has_frequency() { HEIGHTS.0 + HEIGHTS.1 } else { HEIGHTS.0 }
    }

    fn has_frequency(&self) -> bool {
        self.canary.iter().any(|point| point.frequency_mhz.is_some())
    }

    /// Draws it over the whole area.
    ///
    /// # Errors
    /// What the surface refuses.
    pub(crate) fn draw<B: Canvas>(&self, area: &Area<B>) -> anyhow::Result<()> {
        self.legend(area)?;
        let (_, below) = area.split_vertically(ABOVE);
        let (times, frequencies) = below.split_vertically(HEIGHTS.0 - ABOVE);
        let x = format!("time of measuring, {}", self.unit.0);
        let is_last = !self.has_frequency();
        let mut chart = self.chart(&times, self.times(), ("canary, ms", is_last.then_some(&x)))?;
        self.rounds(area, &chart)?;
        self.series(&mut chart)?;
        if is_last { Ok(()) } else { self.frequency(&frequencies, &x) }
    }

    fn at(&self, point: &CanaryPoint) -> f64 {
        point.at.0 / self.unit.1
    }

    fn span(&self) -> Range<f64> {
        let last = self.canary.iter().map(|point| self.at(point)).fold(0.0, f64::max);
        0.0..last.max(1e-3)
    }

    /// From the fastest canary to the slowest that is not far off.
    fn times(&self) -> Range<f64> {
        let times: Vec<f64> = self.canary.iter().map(|point| point.time.0).collect();
        let far = FARTHEST * trend::quantile(&times, 0.5);
        let shown = times.iter().chain(&self.limits).copied().filter(|ms| *ms <= far);
        range(shown)
    }

    fn chart<'b, B: Canvas>(
        &self,
        area: &'b Area<B>,
        up: Range<f64>,
        (y, x): (&str, Option<&String>),
    ) -> anyhow::Result<Chart<'b, B>> {
        let step = round_step((up.end - up.start) / 6.0);
        let decimals = (-step.log10().floor()).max(0.0) as usize;
        let under = if x.is_some() { 48 } else { 22 };
        let plot = area.margin(0, 6, 14, 28);
        let mut chart = ChartBuilder::on(&plot)
            .set_label_area_size(LabelAreaPosition::Left, 66)
            .set_label_area_size(LabelAreaPosition::Bottom, under)
            .build_cartesian_2d(self.span(), up)?;
        let rounded = |number: &f64| format!("{number:.decimals$}");
        let unrounded = |number: &f64| plain(*number);
        let mut mesh = chart.configure_mesh();
        mesh.bold_line_style(FAINT)
            .light_line_style(ShapeStyle::from(WHITE.mix(0.0)))
            .axis_style(INK)
            .disable_x_mesh()
            .x_label_formatter(&unrounded)
            .y_label_formatter(&rounded)
            .x_labels(10)
            .y_labels(6)
            .label_style(text(14))
            .axis_desc_style(text(15))
            .y_desc(y);
        mesh.x_desc(x.cloned().unwrap_or_default()).draw()?;
        Ok(chart)
    }

    /// Grey lines where rounds begin: all of them, or every so many, numbered where there is room.
    fn rounds<B: Canvas>(&self, area: &Area<B>, chart: &Chart<B>) -> anyhow::Result<()> {
        let (across, up) = chart.plotting_area().get_pixel_range();
        // The chart counts from the corner of the picture, the area from its own.
        let (left, above) = area.get_base_pixel();
        let (top, bottom) = (up.start - above, up.end - above);
        let mut free = across.start - left;
        for (round, at) in self.begins() {
            let x = chart.backend_coord(&(at, 0.0)).0 - left;
            area.draw(&PathElement::new([(x, top), (x, bottom)], FAINT.stroke_width(1)))?;
            let said = if round == 0 { "round 0".to_owned() } else { round.to_string() };
            let half = (width_of(&said, 13.0) / 2.0) as i32 + 4;
            if x - half >= free || round == 0 {
                let style = anchored(13, GREY, HPos::Center, VPos::Bottom);
                area.draw(&Text::new(said, (x, top - 4), style))?;
                free = x + half;
            }
        }
        Ok(())
    }

    /// Rounds, at most about a dozen of them, with when they began.
    fn begins(&self) -> impl Iterator<Item = (u32, f64)> {
        let last = self.canary.iter().map(|point| point.round).max().unwrap_or(0);
        let every = round_step(f64::from(last) / 12.0).max(1.0) as u32;
        let pairs = self.canary.windows(2).filter(|pair| pair[0].round < pair[1].round);
        let first = self.canary.first().into_iter();
        first
            .chain(pairs.map(|pair| &pair[1]))
            .filter(move |point| point.round.is_multiple_of(every))
            .map(|point| (point.round, self.at(point)))
    }

    fn series<B: Canvas>(&self, chart: &mut Chart<B>) -> anyhow::Result<()> {
        let top = self.times().end;
        let point = |point: &CanaryPoint| (self.at(point), point.time.0.min(top));
        let line: Vec<(f64, f64)> = self.canary.iter().map(point).collect();
        chart.draw_series([PathElement::new(line, BLUE.stroke_width(1))])?;
        if self.max_drift.is_none() {
            return Ok(());
        }
        let limit = self.canary.iter().zip(&self.limits);
        let limit: Vec<(f64, f64)> = limit.map(|(point, limit)| (self.at(point), *limit)).collect();
        chart.draw_series([PathElement::new(limit, INK.stroke_width(1))])?;
        let (far, near): (Vec<&CanaryPoint>, Vec<&CanaryPoint>) =
            self.drifting().partition(|point| point.time.0 > top);
        let near = near.into_iter().map(|slow| Circle::new(point(slow), 2, ORANGE.filled()));
        chart.draw_series(near)?;
        let far = far.into_iter().map(|slow| TriangleMarker::new(point(slow), 5, ORANGE.filled()));
        chart.draw_series(far)?;
        Ok(())
    }

    /// Canaries that are slower than their limits.
    fn drifting(&self) -> impl Iterator<Item = &CanaryPoint> {
        let pairs = self.canary.iter().zip(&self.limits);
        pairs.filter(|(point, limit)| point.time.0 > **limit).map(|(point, _)| point)
    }

    fn frequency<B: Canvas>(&self, area: &Area<B>, x: &String) -> anyhow::Result<()> {
        let known =
            self.canary.iter().filter_map(|point| Some((self.at(point), point.frequency_mhz?)));
        let line: Vec<(f64, f64)> = known.collect();
        let up = range(line.iter().map(|(_, mhz)| *mhz));
        let mut chart = self.chart(area, up, ("core, MHz", Some(x)))?;
        chart.draw_series([PathElement::new(line, BLUE.stroke_width(1))])?;
        Ok(())
    }

    /// What the lines and dots are.
    fn legend<B: Canvas>(&self, area: &Area<B>) -> anyhow::Result<()> {
        let line =
            |colour: RGBColor, x| PathElement::new([(x, 11), (x + 22, 11)], colour.stroke_width(2));
        let runs = report::count(self.canary.len(), "canary run");
        let mut x = 20;
        area.draw(&line(BLUE, x))?;
        x = said_at(area, x, &format!("time of a fixed piece of work, {runs}"))?;
        let Some(max_drift) = self.max_drift else { return Ok(()) };
        area.draw(&line(INK, x))?;
        let percent = plain(100.0 * max_drift);
        x = said_at(area, x, &format!("{percent} % slower than usual: the drift limit"))?;
        area.draw(&Circle::new((x + 18, 11), 3, ORANGE.filled()))?;
        said_at(area, x, &format!("slower than that: {}", self.drifting().count())).map(drop)
    }
}

/// Says what the sample that begins at `x` means, and where the next may begin.
fn said_at<B: Canvas>(area: &Area<B>, x: i32, said: &str) -> anyhow::Result<i32> {
    area.draw(&Text::new(said.to_owned(), (x + 28, 4), text(15)))?;
    Ok(x + width_of(said, 15.0) as i32 + 54)
}

/// The unit in which the time of measuring is a number of one to three digits.
fn unit(canary: &[CanaryPoint]) -> (&'static str, f64) {
    match canary.iter().map(|point| point.at.0).fold(0.0, f64::max) {
        last if last < 180e3 => ("s", 1e3),
        last if last < 180.0 * 60e3 => ("min", 60e3),
        _ => ("h", 3600e3),
    }
}

/// A range with some room around, also where there is one number or none.
fn range(numbers: impl Iterator<Item = f64>) -> Range<f64> {
    let finite = numbers.filter(|number| number.is_finite());
    let (low, high) = finite.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), number| {
        (low.min(number), high.max(number))
    });
    if low > high {
        return 0.0..1.0;
    }
    let room = if low < high { 0.08 * (high - low) } else { 0.05 * high.abs().max(1e-3) };
    low - room..high + room
}

#[cfg(test)]
mod tests {
    use op_catalog::Milliseconds;
    use op_catalog::wire::MeasuringProtocol;

    use super::*;

    /// Canaries of a steady device, but for one that takes ten times as long.
    fn context(frequency_mhz: Option<f64>) -> TableContext {
        let point = |number: u32| CanaryPoint {
            at: Milliseconds(100.0 * f64::from(number)),
            round: number / 10,
            time: Milliseconds(if number == 15 { 3.0 } else { 0.3 }),
            frequency_mhz,
        };
        let protocol = Some(MeasuringProtocol::standard());
        TableContext { protocol, canary: (0..40).map(point).collect(), ..TableContext::named("x") }
    }

    #[test]
    fn a_canary_beyond_the_limit_is_drifting_and_does_not_squeeze_the_others() {
        let context = context(None);
        let trace = CanaryTrace::of(&context).unwrap();
        assert_eq!(trace.drifting().count(), 1);
        assert!(trace.times().end < 0.5, "{:?}", trace.times());
    }

    #[test]
    fn rounds_begin_where_their_first_canary_is() {
        let context = context(None);
        let begins: Vec<(u32, f64)> = CanaryTrace::of(&context).unwrap().begins().collect();
        assert_eq!(begins, [(0, 0.0), (1, 1.0), (2, 2.0), (3, 3.0)]);
    }

    #[test]
    fn the_frequency_has_a_panel_of_its_own_where_it_is_known() {
        let (with, without) = (context(Some(2100.0)), context(None));
        let [with, without] = [&with, &without].map(|context| CanaryTrace::of(context).unwrap());
        assert_eq!(with.height() - without.height(), HEIGHTS.1);
        assert!(CanaryTrace::of(&TableContext::named("imported")).is_none());
    }
}
