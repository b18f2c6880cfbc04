//! A located text is a word of a file with the line that it stands on, so that what is wrong with it can
//! be told by line and value.

use std::fmt::Display;

use crate::{TableError, TimeUnit};

/// A key, a name or a value as it stands in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Located {
    /// Number of the line, from 1.
    pub(crate) line: u64,
    /// The text, without quotes.
    pub(crate) text: String,
}

impl Located {
    /// Refuses it, as the value of this field.
    pub(crate) fn wrong(&self, field: impl Into<String>, message: impl Display) -> TableError {
        TableError::Line { line: self.line, column: field.into(), message: message.to_string() }
    }

    /// A finite number.
    pub(crate) fn number(&self, field: &str) -> Result<f64, TableError> {
        self.shifted(field, 0)
    }

    /// A difference of times in this unit, in milliseconds.
    pub(crate) fn difference(&self, field: &str, unit: TimeUnit) -> Result<f64, TableError> {
        self.shifted(field, unit.power_of_ten())
    }

    /// A time in this unit, in milliseconds. Negative ones are refused.
    pub(crate) fn time(&self, field: &str, unit: TimeUnit) -> Result<f64, TableError> {
        self.not_negative(field, unit.power_of_ten())
    }

    /// The square of a time in this unit, in square milliseconds. Negative ones are refused.
    pub(crate) fn squared_time(&self, field: &str, unit: TimeUnit) -> Result<f64, TableError> {
        self.not_negative(field, 2 * unit.power_of_ten())
    }

    /// A whole number from 1.
    pub(crate) fn count(&self, field: &str) -> Result<u64, TableError> {
        match self.text.parse() {
            Ok(count) if count > 0 => Ok(count),
            _ => Err(self.wrong(field, format!("`{}` is not a whole number from 1", self.text))),
        }
    }

    fn not_negative(&self, field: &str, power_of_ten: i64) -> Result<f64, TableError> {
        let number = self.shifted(field, power_of_ten)?;
        if number < 0.0 {
            let message = format!("`{}` is negative, which no measured time is", self.text);
            return Err(self.wrong(field, message));
        }
        Ok(number)
    }

    /// The number times a power of ten, rounded once: the point moves in the text.
    fn shifted(&self, field: &str, power_of_ten: i64) -> Result<f64, TableError> {
        let text = self.text.as_str();
        let Ok(number) = text.parse::<f64>() else {
            let known = [".nan", "nan", ".inf", "inf", "infinity"];
            let bare = text.trim_start_matches(['+', '-']).to_lowercase();
            let what = if known.contains(&bare.as_str()) { "a finite number" } else { "a number" };
            return Err(self.wrong(field, format!("`{text}` is not {what}")));
        };
        let moved = if power_of_ten == 0 { Some(number) } else { shift(text, power_of_ten) };
        match moved.filter(|moved| number.is_finite() && moved.is_finite()) {
            Some(moved) => Ok(moved),
            None => Err(self.wrong(field, format!("`{text}` is not a finite number"))),
        }
    }
}

fn shift(number: &str, power_of_ten: i64) -> Option<f64> {
    let (digits, exponent) = match number.split_once(['e', 'E']) {
        Some((digits, exponent)) => (digits, exponent.parse::<i64>().ok()?),
        None => (number, 0),
    };
    format!("{digits}e{}", exponent.saturating_add(power_of_ten)).parse().ok()
}

/// A number times a power of ten as decimal text, exactly.
pub(crate) fn print_shifted(number: f64, power_of_ten: i64) -> String {
    let scientific = format!("{number:e}");
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent = exponent.parse::<i64>().unwrap_or(0).saturating_add(power_of_ten);
    if number == 0.0 || !(-7..16).contains(&exponent) {
        return if number == 0.0 { "0".to_owned() } else { format!("{digits}e{exponent}") };
    }
    let (sign, digits) = match digits.strip_prefix('-') {
        Some(digits) => ("-", digits.replace('.', "")),
        None => ("", digits.replace('.', "")),
    };
    let zeros = |count: i64| "0".repeat(count.max(0) as usize);
    let before = exponent + 1;
    if before <= 0 {
        return format!("{sign}0.{}{digits}", zeros(-before));
    }
    let padded = format!("{digits}{}", zeros(before - digits.len() as i64));
    let (whole, fraction) = padded.split_at(before as usize);
    let point = if fraction.is_empty() { "" } else { "." };
    format!("{sign}{whole}{point}{fraction}")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn located(text: &str) -> Located {
        Located { line: 7, text: text.to_owned() }
    }

    #[test]
    fn what_is_no_time_is_refused_by_line_field_and_value() {
        for (text, message) in [
            ("0.123abc", "line 7, mean: `0.123abc` is not a number"),
            ("", "line 7, mean: `` is not a number"),
            ("1e400", "line 7, mean: `1e400` is not a finite number"),
            (".nan", "line 7, mean: `.nan` is not a finite number"),
            ("NaN", "line 7, mean: `NaN` is not a finite number"),
            ("-.inf", "line 7, mean: `-.inf` is not a finite number"),
            ("-2", "line 7, mean: `-2` is negative, which no measured time is"),
        ] {
            for unit in TimeUnit::ALL {
                let error = located(text).time("mean", unit).unwrap_err();
                assert_eq!(error.to_string(), message);
            }
        }
        assert_eq!(
            located("0").count("count").unwrap_err().to_string(),
            "line 7, count: `0` is not a whole number from 1"
        );
    }

    #[test]
    fn units_move_the_point() {
        for (text, unit, milliseconds) in [
            ("1234.5", TimeUnit::Microseconds, 1.2345),
            ("1234.5", TimeUnit::Milliseconds, 1234.5),
            ("0.0012345", TimeUnit::Seconds, 1.2345),
            ("1.5e-3", TimeUnit::Seconds, 1.5),
            ("1.5E3", TimeUnit::Microseconds, 1.5),
        ] {
            assert_eq!(located(text).time("mean", unit).unwrap(), milliseconds, "{text}");
        }
        assert_eq!(located("2e6").squared_time("var", TimeUnit::Microseconds).unwrap(), 2.0);
    }

    #[test]
    fn moved_numbers_are_written_for_people() {
        for (number, text) in [
            (1.25, "1250"),
            (0.000_125, "0.125"),
            (-0.000_000_125, "-0.000125"),
            (1234.567_891, "1234567.891"),
            (0.0, "0"),
            (1e300, "1e303"),
        ] {
            assert_eq!(print_shifted(number, 3), text);
        }
    }

    proptest! {
        #[test]
        fn any_time_survives_another_unit_to_the_last_bit(time in 0.0..1e12_f64) {
            let text = print_shifted(time, 3);
            prop_assert_eq!(located(&text).time("t", TimeUnit::Microseconds).unwrap(), time);
        }

        #[test]
        fn any_text_is_a_number_or_refused_without_panic(text in any::<String>()) {
            for unit in TimeUnit::ALL {
                if let Ok(time) = located(&text).time("t", unit) {
                    prop_assert!(time.is_finite() && time >= 0.0);
                }
            }
        }
    }
}
