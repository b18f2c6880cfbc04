//! An operation is what a search chooses between: a convolution block, a pooling, a skip, before
//! anything is said about where it stands.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::feature_map::canonical_number;
use crate::kernel::PoolKernel;
use crate::{CatalogError, ExpandRatio, Kernel};

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
            Self::MbConv { kernel, expand } => write!(f, "mbconv-k{}-e{expand}", kernel.side()),
            Self::Conv { kernel, activation } => write!(f, "conv-k{}{activation}", kernel.side()),
            Self::Depthwise { kernel, activation } => {
                write!(f, "depthwise-k{}{activation}", kernel.side())
            }
            Self::MaxPool { kernel } => write!(f, "maxpool-k{}", kernel.side()),
            Self::AveragePool { kernel } => write!(f, "avgpool-k{}", kernel.side()),
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
        let kernel = (0_u32..5).prop_map(|half| Kernel::new(2 * half + 1).unwrap());
        let pool = (1_u32..6).prop_map(|side| PoolKernel::new(side).unwrap());
        let activation = prop_oneof![Just(Activation::Linear), Just(Activation::Relu6)];
        let expand = prop_oneof![
            (1_u32..8).prop_map(|ratio| ExpandRatio::new(ratio).unwrap()),
            (200_u32..8000)
                .prop_map(|thousandths| ExpandRatio::from_thousandths(thousandths).unwrap()),
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
