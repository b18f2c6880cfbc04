//! A candidate is what a search space offers: an operation, or a block whose middle width follows from
//! where it stands.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::expansion::RoundedRatio;
use crate::{CatalogError, Expansion, MbConv, Op};

/// An entry of a list of candidates, written as an [`Op`] or with a ratio to be rounded:
/// `mbconv-k3-x3-se-hs` is `mbconv-k3-m72-se-hs` where 24 channels come in.
///
/// ```
/// use op_catalog::Candidate;
/// let candidate: Candidate = "mbconv-k3-x3-se-hs".parse()?;
/// assert_eq!(candidate.at(24)?.to_string(), "mbconv-k3-m72-se-hs");
/// # Ok::<(), op_catalog::CatalogError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Candidate {
    /// The same operation everywhere.
    Op(Op),
    /// A block whose middle width is a multiple of 8 near a ratio of the channels that come in.
    Rounded(MbConv<RoundedRatio>),
}

impl Candidate {
    /// The operation that is offered where so many channels come in.
    ///
    /// # Errors
    /// A middle width that is too large, or that the block's groups do not divide.
    pub fn at(self, input_channels: u32) -> Result<Op, CatalogError> {
        match self {
            Self::Op(op) => Ok(op),
            Self::Rounded(block) => {
                let width = block.expansion.middle_width(input_channels)?;
                Ok(Op::MbConv(block.with_expansion(Expansion::Width(width))))
            }
        }
    }
}

impl From<Op> for Candidate {
    fn from(op: Op) -> Self {
        Self::Op(op)
    }
}

impl fmt::Display for Candidate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Op(op) => op.fmt(f),
            Self::Rounded(block) => block.fmt(f),
        }
    }
}

impl FromStr for Candidate {
    type Err = CatalogError;

    fn from_str(text: &str) -> Result<Self, CatalogError> {
        let is_rounded = text.starts_with("mbconv-") && text.contains("-x");
        if is_rounded { text.parse().map(Self::Rounded) } else { text.parse().map(Self::Op) }
    }
}

impl Serialize for Candidate {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Candidate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::expansion::tests::any_rounded_ratio;
    use crate::mbconv::tests::any_mbconv_of;
    use crate::op::tests::any_op;

    fn any_candidate() -> impl Strategy<Value = Candidate> {
        prop_oneof![
            any_op().prop_map(Candidate::Op),
            any_mbconv_of(any_rounded_ratio()).prop_map(Candidate::Rounded),
        ]
    }

    proptest! {
        #[test]
        fn text_round_trips(candidate in any_candidate()) {
            prop_assert_eq!(candidate.to_string().parse::<Candidate>().unwrap(), candidate);
        }

        #[test]
        fn what_is_read_is_written_the_same(
            text in "mbconv-k[0-9]{1,2}-[emx][0-9.]{1,5}(-g[0-9]{1,2})?(-se)?(-relu|-hs)?",
        ) {
            if let Ok(candidate) = text.parse::<Candidate>() {
                prop_assert_eq!(candidate.to_string(), text);
            }
        }

        #[test]
        fn a_rounded_width_is_a_multiple_of_8(
            block in any_mbconv_of(any_rounded_ratio()), channels in 1_u32..400,
        ) {
            if let Ok(Op::MbConv(placed)) = Candidate::Rounded(block).at(channels) {
                prop_assert_eq!(placed.expansion.middle_channels(channels) % 8, 0);
                prop_assert!(placed.expansion.has_layer());
            }
        }
    }

    #[test]
    fn a_wrong_candidate_is_refused_with_what_would_be_right() {
        for (text, message) in [
            ("mbconv-k4-x3", "kernel is 4, but must be odd and at most 31"),
            ("mbconv-k3-x3-g1", "`x3-g1` is not a ratio to be rounded, such as `x3` or `x1-g2`"),
            ("mbconv-k3-x0", "expand ratio is 0, but must be between 1 and 32000 thousandths"),
        ] {
            assert_eq!(text.parse::<Candidate>().unwrap_err().to_string(), message);
        }
        let three_groups: Candidate = "mbconv-k3-x1-g3".parse().unwrap();
        assert_eq!(
            three_groups.at(16).unwrap_err().to_string(),
            "middle width is 16, but must be divisible by its 3 groups"
        );
    }
}
