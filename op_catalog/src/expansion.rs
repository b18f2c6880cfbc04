//! An expansion says how wide the middle of an inverted residual block is, and how it gets there.

use std::fmt;
use std::str::FromStr;

use crate::feature_map::canonical_number;
use crate::space::make_divisible;
use crate::{CatalogError, ExpandRatio, FeatureMap};

/// The middle of a block that stands somewhere. Ratio 6 of 24 channels and width 144 are the same block
/// under two texts, so two rows of a table: a space writes one or the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Expansion {
    /// A ratio, written `e6`. At ratio 1 there is no expansion layer (ProxylessNAS, MobileNetV2).
    Ratio(ExpandRatio),
    /// A width of its own, written `m72` or `m72-g2`. There is always an expansion layer.
    Width(MiddleWidth),
}

/// Middle channels, and the groups of the two pointwise convolutions beside them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MiddleWidth {
    channels: u32,
    groups: Groups,
}

/// The middle of a block before it stands anywhere: a ratio whose width is rounded to a multiple of 8,
/// written `x3` or `x1-g2`. There is always an expansion layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RoundedRatio {
    /// Middle channels over input channels, before rounding.
    pub ratio: ExpandRatio,
    /// Groups of the two pointwise convolutions.
    pub groups: Groups,
}

/// Groups of channels that a convolution does not mix; 1, which is not written, or more: `-g2`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Groups(u32);

impl Expansion {
    /// Middle channels for so many input channels.
    pub fn middle_channels(self, input_channels: u32) -> u32 {
        match self {
            Self::Ratio(ratio) => ratio.middle_channels(input_channels),
            Self::Width(width) => width.channels,
        }
    }

    /// Groups of the two pointwise convolutions.
    pub const fn groups(self) -> Groups {
        match self {
            Self::Ratio(_) => Groups::ONE,
            Self::Width(width) => width.groups,
        }
    }

    /// Whether a pointwise convolution leads to the middle.
    pub const fn has_layer(self) -> bool {
        match self {
            Self::Ratio(ratio) => !ratio.is_one(),
            Self::Width(_) => true,
        }
    }
}

impl MiddleWidth {
    /// A middle of so many channels.
    ///
    /// # Errors
    /// No channels, more than [`FeatureMap::MAX_DIMENSION`], or a number that the groups do not divide.
    pub fn new(channels: u32, groups: Groups) -> Result<Self, CatalogError> {
        let most = FeatureMap::MAX_DIMENSION;
        let expected = match groups.0 {
            _ if !(1..=most).contains(&channels) => format!("between 1 and {most}"),
            count if !channels.is_multiple_of(count) => format!("divisible by its {count} groups"),
            _ => return Ok(Self { channels, groups }),
        };
        Err(CatalogError::OutOfRange { what: "middle width", value: channels.into(), expected })
    }

    /// Middle channels.
    pub const fn channels(self) -> u32 {
        self.channels
    }

    /// Groups of the two pointwise convolutions.
    pub const fn groups(self) -> Groups {
        self.groups
    }
}

impl RoundedRatio {
    /// The middle for so many input channels: `make_divisible(round(channels * ratio), 8)`, as
    /// Once-for-All's `DynamicMBConvLayer` (`ofa/imagenet_classification/elastic_nn/modules/dynamic_layers.py`).
    ///
    /// # Errors
    /// As [`MiddleWidth::new`].
    pub fn middle_width(self, input_channels: u32) -> Result<MiddleWidth, CatalogError> {
        let exact = self.ratio.middle_channels(input_channels);
        MiddleWidth::new(make_divisible(f64::from(exact)), self.groups)
    }
}

impl Groups {
    /// All channels mix.
    pub const ONE: Self = Self(1);

    /// So many groups.
    ///
    /// # Errors
    /// None, or more than [`FeatureMap::MAX_DIMENSION`].
    pub fn new(count: u32) -> Result<Self, CatalogError> {
        if (1..=FeatureMap::MAX_DIMENSION).contains(&count) {
            return Ok(Self(count));
        }
        let expected = format!("between 1 and {}", FeatureMap::MAX_DIMENSION);
        Err(CatalogError::OutOfRange { what: "groups", value: count.into(), expected })
    }

    /// How many.
    pub const fn count(self) -> u32 {
        self.0
    }

    /// Splits a text into what stands before its groups, and the groups; `None` if they are written
    /// otherwise than [`Display`](fmt::Display) does.
    fn split_from(text: &str) -> Option<(&str, Self)> {
        match text.split_once("-g") {
            None => Some((text, Self::ONE)),
            Some((rest, count)) => {
                let groups = Self::new(canonical_number(count)?).ok()?;
                (groups != Self::ONE).then_some((rest, groups))
            }
        }
    }
}

impl fmt::Display for Groups {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Self::ONE { Ok(()) } else { write!(f, "-g{}", self.0) }
    }
}

impl fmt::Display for Expansion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ratio(ratio) => write!(f, "e{ratio}"),
            Self::Width(MiddleWidth { channels, groups }) => write!(f, "m{channels}{groups}"),
        }
    }
}

impl FromStr for Expansion {
    type Err = CatalogError;

    fn from_str(text: &str) -> Result<Self, CatalogError> {
        if let Some(ratio) = text.strip_prefix('e') {
            return Ok(Self::Ratio(ratio.parse()?));
        }
        let syntax = || CatalogError::Syntax {
            text: text.to_owned(),
            expected: "an expansion: a ratio such as `e6`, or a width such as `m72` or `m72-g2`",
        };
        let (width, groups) =
            text.strip_prefix('m').and_then(Groups::split_from).ok_or_else(syntax)?;
        let channels = canonical_number(width).ok_or_else(syntax)?;
        Ok(Self::Width(MiddleWidth::new(channels, groups)?))
    }
}

impl fmt::Display for RoundedRatio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "x{}{}", self.ratio, self.groups)
    }
}

impl FromStr for RoundedRatio {
    type Err = CatalogError;

    fn from_str(text: &str) -> Result<Self, CatalogError> {
        let syntax = || CatalogError::Syntax {
            text: text.to_owned(),
            expected: "a ratio to be rounded, such as `x3` or `x1-g2`",
        };
        let (ratio, groups) =
            text.strip_prefix('x').and_then(Groups::split_from).ok_or_else(syntax)?;
        Ok(Self { ratio: ratio.parse()?, groups })
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::*;

    fn any_ratio() -> impl Strategy<Value = ExpandRatio> {
        prop_oneof![1000_u32..=1000, (1_u32..8).prop_map(|whole| whole * 1000), 200_u32..8000]
            .prop_map(|thousandths| ExpandRatio::from_thousandths(thousandths).unwrap())
    }

    fn any_groups() -> impl Strategy<Value = Groups> {
        prop_oneof![Just(Groups::ONE), (1_u32..4).prop_map(|count| Groups::new(count).unwrap())]
    }

    /// Any expansion.
    pub(crate) fn any_expansion() -> impl Strategy<Value = Expansion> {
        prop_oneof![
            any_ratio().prop_map(Expansion::Ratio),
            (1_u32..40, any_groups()).prop_map(|(factor, groups)| {
                Expansion::Width(MiddleWidth::new(factor * groups.count(), groups).unwrap())
            }),
        ]
    }

    /// Any ratio to be rounded.
    pub(crate) fn any_rounded_ratio() -> impl Strategy<Value = RoundedRatio> {
        (any_ratio(), any_groups()).prop_map(|(ratio, groups)| RoundedRatio { ratio, groups })
    }

    #[test]
    fn a_rounded_ratio_gives_the_widths_of_once_for_all() {
        for (text, channels, middle) in [
            ("x3", 24, "m72"),
            ("x4", 24, "m96"),
            ("x6", 136, "m816"),
            ("x2.3", 40, "m96"),
            ("x1", 3, "m8"),
            ("x1-g2", 16, "m16-g2"),
        ] {
            let width = text.parse::<RoundedRatio>().unwrap().middle_width(channels).unwrap();
            assert_eq!(Expansion::Width(width).to_string(), middle, "{text} of {channels}");
        }
    }

    #[test]
    fn only_ratio_one_has_no_expansion_layer() {
        for (text, has_layer) in [("e1", false), ("e2", true), ("m16", true), ("m16-g2", true)] {
            assert_eq!(text.parse::<Expansion>().unwrap().has_layer(), has_layer, "{text}");
        }
    }

    #[test]
    fn a_wrong_expansion_is_refused_with_what_would_be_right() {
        let not_one =
            "is not an expansion: a ratio such as `e6`, or a width such as `m72` or `m72-g2`";
        for (text, message) in [
            ("m0", "middle width is 0, but must be between 1 and 65536".to_owned()),
            ("m65537", "middle width is 65537, but must be between 1 and 65536".to_owned()),
            ("m9-g2", "middle width is 9, but must be divisible by its 2 groups".to_owned()),
            ("m8-g1", format!("`m8-g1` {not_one}")),
            ("m8-g02", format!("`m8-g02` {not_one}")),
            ("m08", format!("`m08` {not_one}")),
            ("x3", format!("`x3` {not_one}")),
            (
                "e6-g2",
                "`6-g2` is not an expand ratio such as `6` or `2.5` (at most three decimals)"
                    .to_owned(),
            ),
        ] {
            assert_eq!(text.parse::<Expansion>().unwrap_err().to_string(), message);
        }
    }
}
