//! An operation is what a search chooses between: a convolution block, a pooling, a skip, before
//! anything is said about where it stands.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::CatalogError;
use crate::feature_map::canonical_number;

/// An operation of the catalogue. Convolutions carry batch normalisation after them.
///
/// Its text form is what spaces and architectures are written in: `mbconv-k5-e6`, `conv-k1-linear`,
/// `zero`. A pointwise convolution is `conv-k1`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Op {
    /// Inverted residual block (MobileNetV2): 1x1 expansion, depthwise k x k, 1x1 projection without
    /// activation; no expansion layer at ratio 1. `MBInvertedConvLayer` of ProxylessNAS.
    MbConv {
        /// Kernel of the depthwise convolution.
        kernel: Kernel,
        /// Middle channels over input channels.
        expand: ExpandRatio,
    },
    /// Plain convolution, batch normalisation, activation.
    Conv {
        /// Kernel.
        kernel: Kernel,
        /// What follows the normalisation.
        activation: Activation,
    },
    /// Depthwise convolution, batch normalisation, activation.
    Depthwise {
        /// Kernel.
        kernel: Kernel,
        /// What follows the normalisation.
        activation: Activation,
    },
    /// Maximum over a window.
    MaxPool {
        /// Window.
        kernel: PoolKernel,
    },
    /// Mean over a window; padding does not count.
    AveragePool {
        /// Window.
        kernel: PoolKernel,
    },
    /// Global average pooling and a linear layer with bias.
    Classifier,
    /// Sum of two feature maps of the same shape.
    Add,
    /// Passes its input on.
    Identity,
    /// Skips the block: with the shortcut around it, its input passes on (ProxylessNAS' `ZeroLayer`).
    Zero,
}

/// What follows a convolution's batch normalisation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Activation {
    /// Nothing.
    Linear,
    /// min(max(x, 0), 6).
    Relu6,
}

/// Side of a square convolution kernel: odd, so that padding keeps the map's centre.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Kernel(u32);

/// Side of a square pooling window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PoolKernel(u32);

/// Middle channels over input channels, to a thousandth.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ExpandRatio {
    thousandths: u32,
}

impl Op {
    /// MBConv by its two numbers.
    ///
    /// # Errors
    /// As [`Kernel::new`] and [`ExpandRatio::new`].
    pub fn mbconv(kernel: u32, expand: u32) -> Result<Self, CatalogError> {
        Ok(Self::MbConv { kernel: Kernel::new(kernel)?, expand: ExpandRatio::new(expand)? })
    }

    /// Plain convolution with ReLU6.
    ///
    /// # Errors
    /// As [`Kernel::new`].
    pub fn conv(kernel: u32) -> Result<Self, CatalogError> {
        Ok(Self::Conv { kernel: Kernel::new(kernel)?, activation: Activation::Relu6 })
    }

    /// Whether as many channels come out as go in, by its nature.
    pub const fn keeps_channels(self) -> bool {
        !matches!(self, Self::MbConv { .. } | Self::Conv { .. } | Self::Classifier)
    }

    /// Whether it can step over pixels.
    pub const fn has_stride(self) -> bool {
        !matches!(self, Self::Classifier | Self::Add | Self::Identity | Self::Zero)
    }
}

impl Kernel {
    /// The largest side.
    pub const MAX: u32 = 31;

    /// A kernel of this side.
    ///
    /// # Errors
    /// An even side, zero, or one above [`Self::MAX`].
    pub fn new(side: u32) -> Result<Self, CatalogError> {
        if side % 2 == 1 && side <= Self::MAX {
            return Ok(Self(side));
        }
        let expected = format!("odd and at most {}", Self::MAX);
        Err(CatalogError::OutOfRange { what: "kernel", value: side.into(), expected })
    }

    /// Pixels along one side.
    pub const fn side(self) -> u32 {
        self.0
    }
}

impl PoolKernel {
    /// The largest side.
    pub const MAX: u32 = 64;

    /// A window of this side.
    ///
    /// # Errors
    /// A side of zero or above [`Self::MAX`].
    pub fn new(side: u32) -> Result<Self, CatalogError> {
        if (1..=Self::MAX).contains(&side) {
            return Ok(Self(side));
        }
        let expected = format!("between 1 and {}", Self::MAX);
        Err(CatalogError::OutOfRange { what: "pooling kernel", value: side.into(), expected })
    }

    /// Pixels along one side.
    pub const fn side(self) -> u32 {
        self.0
    }
    /// Pixels around the map on each side: those that keep its size where the side is odd, else none.
    pub const fn padding(self) -> u32 {
        if self.0 % 2 == 1 { self.0 / 2 } else { 0 }
    }
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

impl fmt::Display for Activation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Relu6 => "",
            Self::Linear => "-linear",
        })
    }
}

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MbConv { kernel, expand } => write!(f, "mbconv-k{}-e{expand}", kernel.0),
            Self::Conv { kernel, activation } => write!(f, "conv-k{}{activation}", kernel.0),
            Self::Depthwise { kernel, activation } => {
                write!(f, "depthwise-k{}{activation}", kernel.0)
            }
            Self::MaxPool { kernel } => write!(f, "maxpool-k{}", kernel.0),
            Self::AveragePool { kernel } => write!(f, "avgpool-k{}", kernel.0),
            Self::Classifier => f.write_str("classifier"),
            Self::Add => f.write_str("add"),
            Self::Identity => f.write_str("identity"),
            Self::Zero => f.write_str("zero"),
        }
    }
}

impl FromStr for Op {
    type Err = CatalogError;

    fn from_str(text: &str) -> Result<Self, CatalogError> {
        let syntax = || CatalogError::Syntax {
            text: text.to_owned(),
            expected: "an operation: mbconv-k3-e6, conv-k3, conv-k1-linear, depthwise-k3, maxpool-k2, \
                       avgpool-k3, classifier, add, identity or zero",
        };
        let number = |part: &str, letter: char| {
            part.strip_prefix(letter).and_then(canonical_number).ok_or_else(syntax)
        };
        let kernel = |part: &str| Kernel::new(number(part, 'k')?);
        let pool_kernel = |part: &str| PoolKernel::new(number(part, 'k')?);
        let parts: Vec<&str> = text.split('-').collect();
        Ok(match parts[..] {
            ["mbconv", k, e] => {
                let expand = e.strip_prefix('e').ok_or_else(syntax)?.parse()?;
                Self::MbConv { kernel: kernel(k)?, expand }
            }
            ["conv", k] => Self::Conv { kernel: kernel(k)?, activation: Activation::Relu6 },
            ["conv", k, "linear"] => {
                Self::Conv { kernel: kernel(k)?, activation: Activation::Linear }
            }
            ["depthwise", k] => {
                Self::Depthwise { kernel: kernel(k)?, activation: Activation::Relu6 }
            }
            ["depthwise", k, "linear"] => {
                Self::Depthwise { kernel: kernel(k)?, activation: Activation::Linear }
            }
            ["maxpool", k] => Self::MaxPool { kernel: pool_kernel(k)? },
            ["avgpool", k] => Self::AveragePool { kernel: pool_kernel(k)? },
            ["classifier"] => Self::Classifier,
            ["add"] => Self::Add,
            ["identity"] => Self::Identity,
            ["zero"] => Self::Zero,
            _ => return Err(syntax()),
        })
    }
}

impl Serialize for Op {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Op {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Any operation of the catalogue.
    pub(crate) fn any_op() -> impl Strategy<Value = Op> {
        let kernel = (0_u32..5).prop_map(|half| Kernel(2 * half + 1));
        let pool = (1_u32..6).prop_map(PoolKernel);
        let activation = prop_oneof![Just(Activation::Linear), Just(Activation::Relu6)];
        let expand = prop_oneof![
            (1_u32..8).prop_map(|ratio| ExpandRatio { thousandths: ratio * 1000 }),
            (200_u32..8000).prop_map(|thousandths| ExpandRatio { thousandths }),
        ];
        prop_oneof![
            (kernel.clone(), expand).prop_map(|(kernel, expand)| Op::MbConv { kernel, expand }),
            (kernel.clone(), activation.clone())
                .prop_map(|(kernel, activation)| Op::Conv { kernel, activation }),
            (kernel, activation)
                .prop_map(|(kernel, activation)| Op::Depthwise { kernel, activation }),
            pool.clone().prop_map(|kernel| Op::MaxPool { kernel }),
            pool.prop_map(|kernel| Op::AveragePool { kernel }),
            Just(Op::Classifier),
            Just(Op::Add),
            Just(Op::Identity),
            Just(Op::Zero),
        ]
    }

    proptest! {
        #[test]
        fn text_round_trips(op in any_op()) {
            prop_assert_eq!(op.to_string().parse::<Op>().unwrap(), op);
        }

        #[test]
        fn what_is_read_is_written_the_same(text in "(mbconv|conv|maxpool|zero|add)(-k[0-9]{1,2})?(-e[0-9.]{1,5})?(-linear)?") {
            if let Ok(op) = text.parse::<Op>() {
                prop_assert_eq!(op.to_string(), text);
            }
        }
    }

    #[test]
    fn middle_channels_round_halves_to_even_as_python_does() {
        for (thousandths, channels, middle) in
            [(6000, 24, 144), (2500, 1, 2), (2500, 3, 8), (1500, 3, 4), (1501, 3, 5)]
        {
            let ratio = ExpandRatio::from_thousandths(thousandths).unwrap();
            assert_eq!(ratio.middle_channels(channels), middle, "{ratio} of {channels}");
        }
    }

    #[test]
    fn a_wrong_operation_is_refused_with_what_would_be_right() {
        for (text, message) in [
            ("mbconv-k4-e6", "kernel is 4, but must be odd and at most 31"),
            ("mbconv-k3-e0", "expand ratio is 0, but must be between 1 and 32000 thousandths"),
            (
                "mbconv-k3-e1.50",
                "`1.50` is not an expand ratio such as `6` or `2.5` (at most three decimals)",
            ),
        ] {
            assert_eq!(text.parse::<Op>().unwrap_err().to_string(), message);
        }
        assert!(
            "mbconv"
                .parse::<Op>()
                .unwrap_err()
                .to_string()
                .starts_with("`mbconv` is not an operation: ")
        );
    }
}
