//! An expand ratio says how many middle channels a block has for each channel that comes in.

use std::fmt;
use std::str::FromStr;

use crate::CatalogError;
use crate::feature_map::canonical_number;

/// Middle channels over input channels, to a thousandth.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ExpandRatio {
    thousandths: u32,
}

impl ExpandRatio {
    /// The largest ratio.
    pub const MAX: u32 = 32;

    /// A whole ratio.
    ///
    /// # Errors
    /// A ratio of zero or above [`Self::MAX`].
    pub fn new(ratio: u32) -> Result<Self, CatalogError> {
        Self::from_thousandths(ratio.saturating_mul(1000))
    }

    /// A ratio in thousandths: 2500 is 2.5.
    ///
    /// # Errors
    /// A ratio of zero or above [`Self::MAX`].
    pub fn from_thousandths(thousandths: u32) -> Result<Self, CatalogError> {
        if (1..=Self::MAX * 1000).contains(&thousandths) {
            return Ok(Self { thousandths });
        }
        let expected = format!("between 1 and {} thousandths", Self::MAX * 1000);
        Err(CatalogError::OutOfRange { what: "expand ratio", value: thousandths.into(), expected })
    }

    /// Middle channels for so many input channels: `round(channels * ratio)`, halves to even, as
    /// Python's `round` in ProxylessNAS' `MBInvertedConvLayer`.
    pub fn middle_channels(self, input_channels: u32) -> u32 {
        let product = u64::from(input_channels) * u64::from(self.thousandths);
        let (whole, rest) = (product / 1000, product % 1000);
        let up = rest > 500 || (rest == 500 && whole % 2 == 1);
        u32::try_from(whole + u64::from(up)).unwrap_or(u32::MAX)
    }

    /// The ratio in thousandths.
    pub const fn thousandths(self) -> u32 {
        self.thousandths
    }

    /// Whether it is 1: no expansion layer.
    pub const fn is_one(self) -> bool {
        self.thousandths == 1000
    }
}

impl fmt::Display for ExpandRatio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, rest) = (self.thousandths / 1000, self.thousandths % 1000);
        if rest == 0 {
            return write!(f, "{whole}");
        }
        write!(f, "{whole}.{}", format!("{rest:03}").trim_end_matches('0'))
    }
}

impl FromStr for ExpandRatio {
    type Err = CatalogError;

    fn from_str(text: &str) -> Result<Self, CatalogError> {
        let syntax = || CatalogError::Syntax {
            text: text.to_owned(),
            expected: "an expand ratio such as `6` or `2.5` (at most three decimals)",
        };
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        let canonical_fraction = !text.ends_with(['.', '0']) || !text.contains('.');
        if fraction.len() > 3
            || !fraction.bytes().all(|b| b.is_ascii_digit())
            || !canonical_fraction
        {
            return Err(syntax());
        }
        let whole = canonical_number(whole).ok_or_else(syntax)?;
        let rest: u32 = format!("{fraction:0<3}").parse().map_err(|_| syntax())?;
        Self::from_thousandths(whole.saturating_mul(1000).saturating_add(rest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn middle_channels_round_halves_to_even_as_python_does() {
        for (thousandths, channels, middle) in
            [(6000, 24, 144), (2500, 1, 2), (2500, 3, 8), (1500, 3, 4), (1501, 3, 5)]
        {
            let ratio = ExpandRatio::from_thousandths(thousandths).unwrap();
            assert_eq!(ratio.middle_channels(channels), middle, "{ratio} of {channels}");
        }
    }
}
