//! A placed operation is an operation at an input feature map and a stride, with the channels that
//! come out: enough to build it, count it and measure it. Its text is the key of latency tables.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::feature_map::canonical_number;
use crate::{CatalogError, Cost, FeatureMap, MbConv, Op};

/// An operation where it stands in a network. Two that are equal cost the same on a device, so a
/// table has one row for them.
///
/// ```
/// use op_catalog::PlacedOp;
/// let key = "mbconv-k3-e6-in28x28x40-out28x28x40-s1-skip";
/// let placed: PlacedOp = key.parse()?;
/// assert_eq!(placed.output().channels(), 40);
/// assert_eq!(placed.to_string(), key);
/// # Ok::<(), op_catalog::CatalogError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PlacedOp {
    op: Op,
    input: FeatureMap,
    output: FeatureMap,
    stride: u32,
    shortcut: Shortcut,
}

/// Whether a block's input is added to its output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Shortcut {
    /// The output is the operation's own.
    Absent,
    /// The input is added.
    Identity,
}

impl PlacedOp {
    /// The largest number of weights of one operation: 1 GiB of `f32`.
    pub const MAX_WEIGHTS: u64 = 1 << 28;

    /// Places an operation with the shortcut that ProxylessNAS' mobile networks give it: an MBConv has
    /// one where stride is 1 and the channels stay the same; nothing else has one.
    ///
    /// # Errors
    /// An operation that cannot stand there, or too large to build.
    pub fn new(
        op: Op,
        input: FeatureMap,
        output_channels: u32,
        stride: u32,
    ) -> Result<Self, CatalogError> {
        let preserves = stride == 1 && output_channels == input.channels();
        let has_shortcut = preserves && matches!(op, Op::MbConv(_));
        let shortcut = if has_shortcut { Shortcut::Identity } else { Shortcut::Absent };
        Self::with_shortcut(op, input, output_channels, stride, shortcut)
    }

    /// Places an operation and says whether its input is added to its output.
    ///
    /// # Errors
    /// As [`Self::new`], and a shortcut where the shape changes.
    pub fn with_shortcut(
        op: Op,
        input: FeatureMap,
        output_channels: u32,
        stride: u32,
        shortcut: Shortcut,
    ) -> Result<Self, CatalogError> {
        let refuse = |reason: String| CatalogError::Placement {
            op: op.to_string(),
            input: input.to_string(),
            stride,
            reason,
        };
        let smallest_side = input.height().min(input.width());
        if stride == 0 || stride > smallest_side {
            return Err(refuse(format!(
                "the stride must be between 1 and the map's side, {smallest_side}"
            )));
        }
        let output =
            output_map(op, input, output_channels, stride).map_err(|e| refuse(e.to_string()))?;
        if op.keeps_channels() && output_channels != input.channels() {
            return Err(refuse(format!(
                "it keeps its {} channels, not {output_channels}",
                input.channels()
            )));
        }
        if stride > 1 && !op.has_stride() {
            return Err(refuse("it has no stride".to_owned()));
        }
        if shortcut == Shortcut::Identity && (output != input || !op.has_stride()) {
            return Err(refuse(
                "a shortcut needs a convolution or a pooling that preserves the shape".to_owned(),
            ));
        }
        if let Op::MbConv(block) = op {
            check_groups(block, input, output).map_err(refuse)?;
        }
        let placed = Self { op, input, output, stride, shortcut };
        let middle = placed.middle_channels();
        FeatureMap::new(input.height(), input.width(), middle)
            .map_err(|e| refuse(format!("its middle layer: {e}")))?;
        let weights = Cost::of(&placed.lower()).parameters;
        if weights > Self::MAX_WEIGHTS {
            return Err(refuse(format!(
                "it has {weights} weights, more than {}",
                Self::MAX_WEIGHTS
            )));
        }
        Ok(placed)
    }

    /// The operation.
    pub const fn op(&self) -> Op {
        self.op
    }

    /// What comes in.
    pub const fn input(&self) -> FeatureMap {
        self.input
    }

    /// What goes out.
    pub const fn output(&self) -> FeatureMap {
        self.output
    }

    /// Step of the window in pixels.
    pub const fn stride(&self) -> u32 {
        self.stride
    }

    /// Whether the input is added to the output.
    pub const fn shortcut(&self) -> Shortcut {
        self.shortcut
    }

    /// Whether it computes nothing, so that it costs nothing and is never measured.
    pub const fn is_free(&self) -> bool {
        matches!(self.op, Op::Zero | Op::Identity)
    }

    /// Channels of the widest layer inside: of an MBConv's depthwise convolution, else of the input.
    pub fn middle_channels(&self) -> u32 {
        match self.op {
            Op::MbConv(block) => block.expansion.middle_channels(self.input.channels()),
            _ => self.input.channels(),
        }
    }
}

/// Refuses channels that the groups of a block's pointwise convolutions do not divide.
fn check_groups(block: MbConv, input: FeatureMap, output: FeatureMap) -> Result<(), String> {
    let groups = block.expansion.groups().count();
    for (direction, channels) in [("in", input.channels()), ("out", output.channels())] {
        if !channels.is_multiple_of(groups) {
            return Err(format!(
                "its {groups} groups do not divide the {channels} channels that come {direction}"
            ));
        }
    }
    Ok(())
}

/// The map behind a window with "same" padding for odd sides and none for even ones.
fn output_map(
    op: Op,
    input: FeatureMap,
    channels: u32,
    stride: u32,
) -> Result<FeatureMap, CatalogError> {
    let side = |length: u32| match op {
        Op::MaxPool { kernel } | Op::AveragePool { kernel } => (length + 2 * kernel.padding())
            .checked_sub(kernel.side())
            .map_or(0, |room| room / stride + 1),
        _ => length.div_ceil(stride),
    };
    match op {
        Op::Classifier | Op::GlobalPool => FeatureMap::new(1, 1, channels),
        _ => FeatureMap::new(side(input.height()), side(input.width()), channels),
    }
}

impl fmt::Display for PlacedOp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { op, input, output, stride, shortcut } = self;
        let skip = if *shortcut == Shortcut::Identity { "-skip" } else { "" };
        write!(f, "{op}-in{input}-out{output}-s{stride}{skip}")
    }
}

impl FromStr for PlacedOp {
    type Err = CatalogError;

    fn from_str(text: &str) -> Result<Self, CatalogError> {
        let syntax = || CatalogError::Syntax {
            text: text.to_owned(),
            expected: "a placed operation such as `mbconv-k3-e6-in28x28x40-out28x28x40-s1-skip`",
        };
        let (body, shortcut) = match text.strip_suffix("-skip") {
            Some(body) => (body, Shortcut::Identity),
            None => (text, Shortcut::Absent),
        };
        let (body, stride) = body.rsplit_once("-s").ok_or_else(syntax)?;
        let (body, output) = body.rsplit_once("-out").ok_or_else(syntax)?;
        let (op, input) = body.rsplit_once("-in").ok_or_else(syntax)?;
        let (op, input, output): (Op, FeatureMap, FeatureMap) =
            (op.parse()?, input.parse()?, output.parse()?);
        let stride = canonical_number(stride).ok_or_else(syntax)?;
        let placed = Self::with_shortcut(op, input, output.channels(), stride, shortcut)?;
        if placed.output != output {
            return Err(CatalogError::Placement {
                op: op.to_string(),
                input: input.to_string(),
                stride,
                reason: format!("it gives {}, not {output}", placed.output),
            });
        }
        Ok(placed)
    }
}

impl Serialize for PlacedOp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for PlacedOp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::op::tests::any_op;

    /// Any operation anywhere it can stand, with a shortcut or without one.
    pub(crate) fn any_placed_op() -> impl Strategy<Value = PlacedOp> {
        let sides = (1_u32..20, 1_u32..20);
        let shortcut = prop_oneof![Just(Shortcut::Absent), Just(Shortcut::Identity)];
        (any_op(), sides, 1_u32..20, 1_u32..20, 1_u32..4, shortcut).prop_filter_map(
            "cannot stand there",
            |(op, (height, width), channels, out, stride, shortcut)| {
                let input = FeatureMap::new(height, width, channels).unwrap();
                if let Ok(placed) = PlacedOp::with_shortcut(op, input, channels, 1, shortcut) {
                    return Some(placed);
                }
                PlacedOp::new(op, input, out, stride)
                    .or_else(|_| PlacedOp::new(op, input, channels, stride))
                    .or_else(|_| PlacedOp::new(op, input, channels, 1))
                    .ok()
            },
        )
    }

    proptest! {
        #[test]
        fn keys_round_trip(placed in any_placed_op()) {
            prop_assert_eq!(placed.to_string().parse::<PlacedOp>().unwrap(), placed);
        }

        #[test]
        fn any_text_is_read_or_refused_without_panic(text in "(mbconv-k3-e6|mbconv-k3-m8-g2-se-hs|conv-k1|conv-k1-nobn-relu|globalpool|zero)-in[0-9x]{1,12}-out[0-9x]{1,12}-s[0-9]{1,10}(-skip)?") {
            if let Ok(placed) = text.parse::<PlacedOp>() {
                prop_assert_eq!(placed.to_string(), text);
            }
        }
    }

    #[test]
    fn impossible_placements_are_refused_with_the_reason() {
        for (key, message) in [
            (
                "conv-k3-in7x7x16-out1x1x16-s8",
                "`conv-k3` cannot be placed at 7x7x16 with stride 8: the stride must be between 1 and the map's side, 7",
            ),
            (
                "conv-k3-in7x7x16-out4x7x16-s2",
                "`conv-k3` cannot be placed at 7x7x16 with stride 2: it gives 4x4x16, not 4x7x16",
            ),
            (
                "zero-in7x7x16-out7x7x16-s2",
                "`zero` cannot be placed at 7x7x16 with stride 2: it has no stride",
            ),
            (
                "mbconv-k3-e3-in7x7x16-out7x7x24-s1-skip",
                "`mbconv-k3-e3` cannot be placed at 7x7x16 with stride 1: a shortcut needs a convolution or a pooling that preserves the shape",
            ),
            (
                "maxpool-k2-in7x7x16-out6x6x16-s1-skip",
                "`maxpool-k2` cannot be placed at 7x7x16 with stride 1: a shortcut needs a convolution or a pooling that preserves the shape",
            ),
            (
                "zero-in7x7x16-out7x7x16-s1-skip",
                "`zero` cannot be placed at 7x7x16 with stride 1: a shortcut needs a convolution or a pooling that preserves the shape",
            ),
            (
                "mbconv-k3-m16-g2-in7x7x15-out7x7x16-s1",
                "`mbconv-k3-m16-g2` cannot be placed at 7x7x15 with stride 1: its 2 groups do not divide the 15 channels that come in",
            ),
            (
                "mbconv-k3-m16-g2-in7x7x16-out7x7x15-s1",
                "`mbconv-k3-m16-g2` cannot be placed at 7x7x16 with stride 1: its 2 groups do not divide the 15 channels that come out",
            ),
            (
                "globalpool-in7x7x16-out1x1x8-s1",
                "`globalpool` cannot be placed at 7x7x16 with stride 1: it keeps its 16 channels, not 8",
            ),
            (
                "conv-k31-in7x7x65536-out7x7x65536-s1",
                "`conv-k31` cannot be placed at 7x7x65536 with stride 1: it has 4127463702528 weights, more than 268435456",
            ),
        ] {
            assert_eq!(key.parse::<PlacedOp>().unwrap_err().to_string(), message);
        }
    }
}
