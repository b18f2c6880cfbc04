//! An MBConv is the inverted residual block that MobileNetV2 brought and every later mobile space
//! searches over.

use std::fmt;
use std::str::FromStr;

use crate::{Activation, CatalogError, Expansion, Kernel};

/// Inverted residual block: 1x1 expansion, depthwise k x k, 1x1 projection without activation.
///
/// `MBInvertedConvLayer` of ProxylessNAS, `MBConvLayer` of Once-for-All (`ofa/utils/layers.py`), and
/// with groups `IRFBlock` of `FBNet` (`mobile_cv`, `fbnet_builder.py`). `E` is how its middle is said:
/// an [`Expansion`], or in a search space also a [`RoundedRatio`](crate::expansion::RoundedRatio).
///
/// ```
/// use op_catalog::MbConv;
/// let block: MbConv = "mbconv-k5-m120-se-hs".parse()?;
/// assert_eq!(block.expansion.middle_channels(40), 120);
/// # Ok::<(), op_catalog::CatalogError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MbConv<E = Expansion> {
    /// Kernel of the depthwise convolution.
    pub kernel: Kernel,
    /// The middle.
    pub expansion: E,
    /// What follows the depthwise convolution's activation.
    pub squeeze_excite: SqueezeExcite,
    /// What follows the normalisations of the expansion and of the depthwise convolution.
    pub activation: Activation,
}

/// Whether the middle channels are weighted by what all pixels say (arXiv:1709.01507).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SqueezeExcite {
    /// They are not.
    Absent,
    /// By a bottleneck of a quarter of the channels, written `-se`: that of `MobileNetV3` and of
    /// Once-for-All (`SEModule` of `ofa/utils/pytorch_modules.py`).
    Quarter,
}

impl MbConv {
    /// The block of MobileNetV2 and ProxylessNAS: ReLU6 and nothing more.
    pub const fn plain(kernel: Kernel, expansion: Expansion) -> Self {
        let (squeeze_excite, activation) = (SqueezeExcite::Absent, Activation::Relu6);
        Self { kernel, expansion, squeeze_excite, activation }
    }
}

impl<E> MbConv<E> {
    /// The same block with another expansion.
    pub fn with_expansion<F>(self, expansion: F) -> MbConv<F> {
        let Self { kernel, squeeze_excite, activation, .. } = self;
        MbConv { kernel, expansion, squeeze_excite, activation }
    }
}

impl fmt::Display for SqueezeExcite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Absent => "",
            Self::Quarter => "-se",
        })
    }
}

impl<E: fmt::Display> fmt::Display for MbConv<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kernel, expansion, squeeze_excite, activation } = self;
        write!(f, "mbconv-{kernel}-{expansion}{squeeze_excite}{activation}")
    }
}

impl<E: FromStr<Err = CatalogError>> FromStr for MbConv<E> {
    type Err = CatalogError;

    fn from_str(text: &str) -> Result<Self, CatalogError> {
        let (kernel, rest) = text
            .strip_prefix("mbconv-")
            .and_then(|parts| parts.split_once('-'))
            .ok_or_else(|| CatalogError::Syntax {
            text: text.to_owned(),
            expected: "an inverted residual block such as `mbconv-k3-e6` or `mbconv-k5-m120-se-hs`",
        })?;
        let (rest, activation) = Activation::split_from(rest);
        let (expansion, squeeze_excite) = match rest.strip_suffix("-se") {
            Some(expansion) => (expansion, SqueezeExcite::Quarter),
            None => (rest, SqueezeExcite::Absent),
        };
        let (kernel, expansion) = (kernel.parse()?, expansion.parse()?);
        Ok(Self { kernel, expansion, squeeze_excite, activation })
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::expansion::tests::any_expansion;
    use crate::kernel::tests::any_kernel;

    /// Any activation.
    pub(crate) fn any_activation() -> impl Strategy<Value = Activation> {
        prop_oneof![Just(Activation::Relu6), Just(Activation::Relu), Just(Activation::HardSwish)]
    }

    /// Any block with expansions drawn from these.
    pub(crate) fn any_mbconv_of<E: fmt::Debug + Clone>(
        expansion: impl Strategy<Value = E>,
    ) -> impl Strategy<Value = MbConv<E>> {
        let squeeze_excite = prop_oneof![Just(SqueezeExcite::Absent), Just(SqueezeExcite::Quarter)];
        (any_kernel(), expansion, squeeze_excite, any_activation()).prop_map(
            |(kernel, expansion, squeeze_excite, activation)| MbConv {
                kernel,
                expansion,
                squeeze_excite,
                activation,
            },
        )
    }

    /// Any block.
    pub(crate) fn any_mbconv() -> impl Strategy<Value = MbConv> {
        any_mbconv_of(any_expansion())
    }

    proptest! {
        #[test]
        fn what_is_read_is_written_the_same(
            text in "mbconv-k[0-9]{1,2}-[emx][0-9.]{1,5}(-g[0-9]{1,2})?(-se)?(-relu6|-relu|-hs|-linear)?",
        ) {
            if let Ok(block) = text.parse::<MbConv>() {
                prop_assert_eq!(block.to_string(), text);
            }
        }
    }

    #[test]
    fn parts_out_of_order_are_refused() {
        for text in [
            "mbconv-k3-m8-hs-se",
            "mbconv-k3-m8-se-g2",
            "mbconv-m8-k3",
            "mbconv-k3-m8-se-se",
            "mbconv-k3-m8-relu6",
            "mbconv-k3-m8-relu-hs",
            "mbconv-k3--se",
            "mbconv-k3",
        ] {
            assert!(text.parse::<MbConv>().is_err(), "{text}");
        }
    }
}
