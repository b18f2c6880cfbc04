//! A latency target is what a network may take on its device, written with its unit: `25ms`.

use std::fmt;
use std::str::FromStr;

use op_catalog::Milliseconds;
use serde::{Deserialize, Serialize};

/// A time above 0.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct LatencyTarget(Milliseconds);

/// Units with how many milliseconds they are.
const UNITS: [(&str, f64); 4] = [("ms", 1.0), ("us", 1e-3), ("µs", 1e-3), ("s", 1e3)];

impl LatencyTarget {
    /// The time.
    pub fn milliseconds(self) -> Milliseconds {
        self.0
    }
}

impl FromStr for LatencyTarget {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!(
                "`{text}` is not a latency: write a number above 0 and its unit, such as `25ms`"
            )
        };
        let (unit, factor) =
            UNITS.into_iter().find(|(unit, _)| text.ends_with(unit)).ok_or_else(wrong)?;
        let number = text.trim_end_matches(unit).trim_end();
        let number: f64 = number.parse().map_err(|_| wrong())?;
        let is_time = number.is_finite() && number > 0.0;
        is_time.then_some(Self(Milliseconds(number * factor))).ok_or_else(wrong)
    }
}

impl TryFrom<String> for LatencyTarget {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<LatencyTarget> for String {
    fn from(target: LatencyTarget) -> Self {
        target.to_string()
    }
}

impl fmt::Display for LatencyTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}ms", self.0.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_latency_needs_its_unit() {
        for (text, ms) in [("25ms", 25.0), ("0.8 ms", 0.8), ("1.5s", 1500.0), ("300us", 0.3)] {
            let target: LatencyTarget = text.parse().unwrap();
            assert!((target.milliseconds().0 - ms).abs() < 1e-12, "{text}");
        }
        for text in ["25", "ms", "-3ms", "0ms", "NaNms", "infs", "25 min", ""] {
            let error = text.parse::<LatencyTarget>().unwrap_err();
            assert!(error.contains(&format!("`{text}`")) && error.contains("25ms"), "{error}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(ms in 1e-6..1e9) {
            let target = LatencyTarget(Milliseconds(ms));
            prop_assert_eq!(target.to_string().parse::<LatencyTarget>().unwrap(), target);
        }
    }
}
