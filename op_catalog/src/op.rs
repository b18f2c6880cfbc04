//! An operation is what a search chooses between: a convolution block, a pooling, a skip, before
//! anything is said about where it stands.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::kernel::PoolKernel;
use crate::{Activation, CatalogError, ExpandRatio, Expansion, Kernel, MbConv};

/// An operation of the catalogue. Convolutions carry batch normalisation after them, unless they say
/// otherwise.
///
/// Its text form is what spaces and architectures are written in: `mbconv-k5-e6`, `conv-k1-linear`,
/// `zero`. A pointwise convolution is `conv-k1`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Op {
    /// Inverted residual block.
    MbConv(MbConv),
    /// Plain convolution, normalisation, activation.
    Conv {
        /// Kernel.
        kernel: Kernel,
        /// What follows the convolution.
        normalisation: Normalisation,
        /// What follows the normalisation; `None`, written `-linear`, for nothing.
        activation: Option<Activation>,
    },
    /// Depthwise convolution, batch normalisation, activation.
    Depthwise {
        /// Kernel.
        kernel: Kernel,
        /// What follows the normalisation; `None`, written `-linear`, for nothing.
        activation: Option<Activation>,
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
    /// Mean over all pixels: `h x w x c` becomes `1 x 1 x c`.
    GlobalPool,
}

/// Whether batch normalisation follows a convolution. Neither kind of convolution has a bias of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Normalisation {
    /// Scale and shift per channel; not written.
    Batch,
    /// None, written `-nobn`: Once-for-All's convolution after the pooling (`feature_mix_layer`).
    Absent,
}

impl Op {
    /// MBConv of MobileNetV2 and ProxylessNAS by its two numbers.
    ///
    /// # Errors
    /// As [`Kernel::new`] and [`ExpandRatio::new`].
    pub fn mbconv(kernel: u32, expand: u32) -> Result<Self, CatalogError> {
        let expansion = Expansion::Ratio(ExpandRatio::new(expand)?);
        Ok(Self::MbConv(MbConv::plain(Kernel::new(kernel)?, expansion)))
    }

    /// Plain convolution with batch normalisation and ReLU6.
    ///
    /// # Errors
    /// As [`Kernel::new`].
    pub fn conv(kernel: u32) -> Result<Self, CatalogError> {
        Ok(Self::Conv {
            kernel: Kernel::new(kernel)?,
            normalisation: Normalisation::Batch,
            activation: Some(Activation::Relu6),
        })
    }

    /// Whether as many channels come out as go in, by its nature.
    pub const fn keeps_channels(self) -> bool {
        !matches!(self, Self::MbConv(_) | Self::Conv { .. } | Self::Classifier)
    }

    /// Whether it can step over pixels.
    pub const fn has_stride(self) -> bool {
        !matches!(
            self,
            Self::Classifier | Self::Add | Self::Identity | Self::Zero | Self::GlobalPool
        )
    }
}

impl fmt::Display for Normalisation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Batch => "",
            Self::Absent => "-nobn",
        })
    }
}

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let suffix = |activation: &Option<Activation>| {
            activation.map_or("-linear".to_owned(), |activation| activation.to_string())
        };
        match self {
            Self::MbConv(block) => block.fmt(f),
            Self::Conv { kernel, normalisation, activation } => {
                write!(f, "conv-{kernel}{normalisation}{}", suffix(activation))
            }
            Self::Depthwise { kernel, activation } => {
                write!(f, "depthwise-{kernel}{}", suffix(activation))
            }
            Self::MaxPool { kernel } => write!(f, "maxpool-{kernel}"),
            Self::AveragePool { kernel } => write!(f, "avgpool-{kernel}"),
            Self::Classifier => f.write_str("classifier"),
            Self::Add => f.write_str("add"),
            Self::Identity => f.write_str("identity"),
            Self::Zero => f.write_str("zero"),
            Self::GlobalPool => f.write_str("globalpool"),
        }
    }
}

impl FromStr for Op {
    type Err = CatalogError;

    fn from_str(text: &str) -> Result<Self, CatalogError> {
        Ok(match text.split_once('-') {
            Some(("mbconv", _)) => Self::MbConv(text.parse()?),
            Some(("conv", parts)) => {
                let (parts, activation) = split_activation(parts);
                let (kernel, normalisation) = match parts.strip_suffix("-nobn") {
                    Some(kernel) => (kernel, Normalisation::Absent),
                    None => (parts, Normalisation::Batch),
                };
                Self::Conv { kernel: part(text, kernel)?, normalisation, activation }
            }
            Some(("depthwise", parts)) => {
                let (kernel, activation) = split_activation(parts);
                Self::Depthwise { kernel: part(text, kernel)?, activation }
            }
            Some(("maxpool", kernel)) => Self::MaxPool { kernel: part(text, kernel)? },
            Some(("avgpool", kernel)) => Self::AveragePool { kernel: part(text, kernel)? },
            _ => return by_name(text),
        })
    }
}

/// A part of an operation; where it is no such part at all, the text is no operation.
fn part<P: FromStr<Err = CatalogError>>(text: &str, part: &str) -> Result<P, CatalogError> {
    part.parse().map_err(|error| match error {
        CatalogError::Syntax { .. } => not_an_operation(text),
        other => other,
    })
}

/// What stands before a convolution's activation, and the activation.
fn split_activation(text: &str) -> (&str, Option<Activation>) {
    if let Some(rest) = text.strip_suffix("-linear") {
        return (rest, None);
    }
    let (rest, activation) = Activation::split_from(text);
    (rest, Some(activation))
}

/// The operations that are one word.
fn by_name(text: &str) -> Result<Op, CatalogError> {
    match text {
        "classifier" => Ok(Op::Classifier),
        "add" => Ok(Op::Add),
        "identity" => Ok(Op::Identity),
        "zero" => Ok(Op::Zero),
        "globalpool" => Ok(Op::GlobalPool),
        _ => Err(not_an_operation(text)),
    }
}

fn not_an_operation(text: &str) -> CatalogError {
    CatalogError::Syntax {
        text: text.to_owned(),
        expected: "an operation: mbconv-k3-e6, mbconv-k5-m120-se-hs, conv-k3, conv-k1-linear, \
                   conv-k1-nobn-hs, depthwise-k3, maxpool-k2, avgpool-k3, globalpool, classifier, \
                   add, identity or zero",
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
    use crate::kernel::tests::any_kernel;
    use crate::mbconv::tests::{any_activation, any_mbconv};

    /// Any operation of the catalogue.
    pub(crate) fn any_op() -> impl Strategy<Value = Op> {
        let pool = (1_u32..6).prop_map(|side| PoolKernel::new(side).unwrap());
        let activation = prop_oneof![Just(None), any_activation().prop_map(Some)];
        let normalisation = prop_oneof![Just(Normalisation::Batch), Just(Normalisation::Absent)];
        prop_oneof![
            4 => any_mbconv().prop_map(Op::MbConv),
            2 => (any_kernel(), normalisation, activation.clone()).prop_map(
                |(kernel, normalisation, activation)| Op::Conv { kernel, normalisation, activation }
            ),
            1 => (any_kernel(), activation)
                .prop_map(|(kernel, activation)| Op::Depthwise { kernel, activation }),
            1 => pool.clone().prop_map(|kernel| Op::MaxPool { kernel }),
            1 => pool.prop_map(|kernel| Op::AveragePool { kernel }),
            1 => Just(Op::Classifier),
            1 => Just(Op::Add),
            1 => Just(Op::Identity),
            1 => Just(Op::Zero),
            1 => Just(Op::GlobalPool),
        ]
    }

    proptest! {
        #[test]
        fn text_round_trips(op in any_op()) {
            prop_assert_eq!(op.to_string().parse::<Op>().unwrap(), op);
        }

        #[test]
        fn what_is_read_is_written_the_same(
            text in "(mbconv|conv|depthwise|maxpool|zero|add|globalpool)(-k[0-9]{1,2})?(-[em][0-9.]{1,5})?(-g[0-9])?(-se)?(-nobn)?(-linear|-relu|-hs)?",
        ) {
            if let Ok(op) = text.parse::<Op>() {
                prop_assert_eq!(op.to_string(), text);
            }
        }
    }

    /// Keys of tables that exist: their texts and their order must stay.
    #[test]
    fn operations_are_in_the_order_of_their_tables() {
        let texts = [
            "mbconv-k3-e1",
            "mbconv-k3-e2.5",
            "mbconv-k3-m8",
            "mbconv-k5-e1",
            "conv-k1-linear",
            "conv-k1",
            "conv-k3",
            "depthwise-k3-linear",
            "depthwise-k3",
            "maxpool-k2",
            "avgpool-k3",
            "classifier",
            "add",
            "identity",
            "zero",
            "globalpool",
        ];
        let mut operations = texts.map(|text| text.parse::<Op>().unwrap());
        operations.sort_unstable();
        assert_eq!(operations.map(|op| op.to_string()), texts);
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
        for text in
            ["conv", "globalpool-k7", "conv-k1-hs-nobn", "depthwise-k3-nobn", "conv-k1-relu6"]
        {
            let error = text.parse::<Op>().unwrap_err().to_string();
            assert!(error.starts_with(&format!("`{text}` is not an operation: ")), "{error}");
        }
    }
}
