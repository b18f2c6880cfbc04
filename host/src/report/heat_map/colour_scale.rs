//! A colour scale says which colour a latency has: viridis, which is perceptually uniform, tells its ends
//! apart in grey and is safe for the colour-blind (doi:10.1371/journal.pone.0199239).

use op_catalog::Milliseconds;
use plotters::style::colors::colormaps::{ColorMap, ViridisRGB};
use plotters::style::{RGBColor, WHITE};

use command_line::picture::INK;

/// From the lowest latency to the highest.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct ColourScale {
    low: f64,
    high: f64,
    spacing: Spacing,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Spacing {
    Linear,
    /// Where the highest is many times the lowest.
    Logarithmic,
}

/// From this ratio of highest to lowest on, a linear scale would show most latencies as one colour.
const MANY_TIMES: f64 = 8.0;

impl ColourScale {
    /// The scale of these latencies. Those that have no logarithm are as the lowest that has.
    pub(crate) fn of(latencies: impl Iterator<Item = Milliseconds>) -> Self {
        let mut finite: Vec<f64> =
            latencies.map(|time| time.0).filter(|ms| ms.is_finite()).collect();
        finite.sort_by(f64::total_cmp);
        let high = finite.last().copied().unwrap_or(1.0);
        match finite.iter().copied().find(|ms| *ms > 0.0) {
            Some(low) if high >= MANY_TIMES * low => {
                Self { low, high, spacing: Spacing::Logarithmic }
            }
            _ => {
                let low = finite.first().copied().unwrap_or(0.0);
                Self { low, high, spacing: Spacing::Linear }
            }
        }
    }

    /// How the scale is spaced, in a word.
    pub(crate) const fn spacing(&self) -> &'static str {
        match self.spacing {
            Spacing::Linear => "linear",
            Spacing::Logarithmic => "logarithmic",
        }
    }

    /// Where a latency is between the lowest, 0, and the highest, 1.
    pub(crate) fn share(&self, latency: Milliseconds) -> f64 {
        let [low, high, ms] = match self.spacing {
            Spacing::Linear => [self.low, self.high, latency.0],
            Spacing::Logarithmic => [self.low, self.high, latency.0.max(self.low)].map(f64::log10),
        };
        if low < high && ms.is_finite() { ((ms - low) / (high - low)).clamp(0.0, 1.0) } else { 0.5 }
    }

    /// The colour of a latency.
    pub(crate) fn colour(&self, latency: Milliseconds) -> RGBColor {
        colour_at(self.share(latency))
    }

    /// Round latencies along the scale, ascending; the only one where there is but one.
    pub(crate) fn ticks(&self) -> Vec<f64> {
        let within = |tick: &f64| (self.low..=self.high).contains(tick);
        let ticks: Vec<f64> = match self.spacing {
            Spacing::Logarithmic => {
                let (first, last) = (self.low.log10().floor(), self.high.log10().ceil());
                let decades = first as i32..=last as i32;
                let round = decades
                    .flat_map(|decade| [1.0, 2.0, 5.0].map(|digit| digit * 10f64.powi(decade)));
                round.filter(within).collect()
            }
            Spacing::Linear => {
                let step = round_step((self.high - self.low) / 5.0);
                let first = (self.low / step).ceil();
                (0..12).map(|number| (first + f64::from(number)) * step).filter(within).collect()
            }
        };
        if ticks.is_empty() { vec![self.low] } else { ticks }
    }
}

/// The colour at a share of the scale.
pub(crate) fn colour_at(share: f64) -> RGBColor {
    ViridisRGB.get_color(share as f32)
}

/// The letters that contrast more with a colour: light or dark (contrast ratio of WCAG 2.2).
pub(crate) fn letters_on(colour: RGBColor) -> RGBColor {
    let ratio = |letters: RGBColor| {
        let [low, high] = {
            let (a, b) = (luminance(letters), luminance(colour));
            [a.min(b), a.max(b)]
        };
        (high + 0.05) / (low + 0.05)
    };
    if ratio(INK) > ratio(WHITE) { INK } else { WHITE }
}

/// Relative luminance of an sRGB colour (WCAG 2.2).
fn luminance(RGBColor(red, green, blue): RGBColor) -> f64 {
    let [red, green, blue] = [red, green, blue].map(|value| {
        let share = f64::from(value) / 255.0;
        if share <= 0.04045 { share / 12.92 } else { ((share + 0.055) / 1.055).powf(2.4) }
    });
    0.2126 * red + 0.7152 * green + 0.0722 * blue
}

/// The smallest 1, 2 or 5 times a power of ten that is not below.
pub(crate) fn round_step(least: f64) -> f64 {
    if !(least.is_finite() && least > 0.0) {
        return 1.0;
    }
    let power = 10f64.powf(least.log10().floor());
    let digit = [1.0, 2.0, 5.0].into_iter().find(|digit| digit * power >= least);
    digit.unwrap_or(10.0) * power
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scale(latencies: &[f64]) -> ColourScale {
        ColourScale::of(latencies.iter().copied().map(Milliseconds))
    }

    #[test]
    fn the_scale_goes_from_the_lowest_to_the_highest() {
        let scale = scale(&[2.0, 4.0, 3.0]);
        let percent = |ms| (100.0 * scale.share(Milliseconds(ms))).round() as u32;
        assert_eq!([2.0, 3.0, 4.0].map(percent), [0, 50, 100]);
        assert_eq!(scale.spacing(), "linear");
        assert_eq!(scale.ticks(), [2.0, 2.5, 3.0, 3.5, 4.0]);
    }

    #[test]
    fn latencies_many_times_apart_are_spaced_by_their_ratios() {
        let scale = scale(&[0.1, 10.0]);
        assert!((scale.share(Milliseconds(1.0)) - 0.5).abs() < 1e-12);
        assert_eq!(scale.ticks().len(), 7);
        assert!(scale.share(Milliseconds(0.0)) < 1e-12);
    }

    #[test]
    fn what_is_not_a_latency_has_a_colour_too() {
        for latencies in
            [&[][..], &[0.0], &[-1.0, 5.0], &[f64::NAN], &[f64::INFINITY, 1.0], &[0.0, 0.0, 3.0]]
        {
            let scale = scale(latencies);
            for ms in latencies {
                assert!((0.0..=1.0).contains(&scale.share(Milliseconds(*ms))), "{latencies:?}");
            }
            assert!(!scale.ticks().is_empty(), "{latencies:?}");
        }
    }

    #[test]
    fn letters_are_light_on_the_dark_end_and_dark_on_the_light_one() {
        assert_eq!([0.0, 1.0].map(|share| letters_on(colour_at(share))), [WHITE, INK]);
    }

    #[test]
    fn steps_are_round() {
        for (least, step) in [(0.13, 0.2), (3.0, 5.0), (7.0, 10.0), (0.0, 1.0)] {
            assert!((round_step(least) - step).abs() < 1e-9, "{least}");
        }
    }
}
