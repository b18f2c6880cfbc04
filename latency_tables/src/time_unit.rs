//! A time unit is what the numbers of a file count: milliseconds in this project, others elsewhere.

use std::fmt;
use std::str::FromStr;

use crate::TableError;

/// A unit of the latencies in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimeUnit {
    /// Microseconds, written `us`.
    Microseconds,
    /// Milliseconds, written `ms`.
    Milliseconds,
    /// Seconds, written `s`.
    Seconds,
}

impl TimeUnit {
    /// Every unit.
    pub const ALL: [Self; 3] = [Self::Microseconds, Self::Milliseconds, Self::Seconds];

    /// The power of ten that makes milliseconds of it.
    pub(crate) const fn power_of_ten(self) -> i64 {
        match self {
            Self::Microseconds => -3,
            Self::Milliseconds => 0,
            Self::Seconds => 3,
        }
    }

    /// Its name in words.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Microseconds => "microseconds",
            Self::Milliseconds => "milliseconds",
            Self::Seconds => "seconds",
        }
    }
}

impl fmt::Display for TimeUnit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Microseconds => "us",
            Self::Milliseconds => "ms",
            Self::Seconds => "s",
        })
    }
}

impl FromStr for TimeUnit {
    type Err = TableError;

    fn from_str(text: &str) -> Result<Self, TableError> {
        let named = Self::ALL.into_iter().find(|unit| unit.to_string() == text);
        named.ok_or_else(|| TableError::Field {
            place: "unit".to_owned(),
            message: format!("there is no `{text}`; there are: us, ms, s"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_read_by_their_symbols() {
        for unit in TimeUnit::ALL {
            assert_eq!(unit.to_string().parse::<TimeUnit>().unwrap(), unit);
        }
        assert_eq!(
            "µs".parse::<TimeUnit>().unwrap_err().to_string(),
            "unit: there is no `µs`; there are: us, ms, s"
        );
    }
}
