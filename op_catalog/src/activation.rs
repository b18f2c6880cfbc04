//! An activation is the function that follows a layer, number by number.

use std::fmt;

/// What follows a convolution. Where nothing does, there is no activation (`None`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Activation {
    /// min(max(x, 0), 6): the one that is not written, as `conv-k3`.
    Relu6,
    /// max(x, 0), written `-relu`.
    Relu,
    /// x * min(max(x + 3, 0), 6) / 6, written `-hs` (`MobileNetV3`, arXiv:1905.02244, section 5.2).
    HardSwish,
}

impl Activation {
    /// Splits an operation's text into what stands before its activation, and the activation.
    pub(crate) fn split_from(text: &str) -> (&str, Self) {
        for activation in [Self::Relu, Self::HardSwish] {
            if let Some(rest) = text.strip_suffix(activation.suffix()) {
                return (rest, activation);
            }
        }
        (text, Self::Relu6)
    }

    /// What an operation's text ends with.
    const fn suffix(self) -> &'static str {
        match self {
            Self::Relu6 => "",
            Self::Relu => "-relu",
            Self::HardSwish => "-hs",
        }
    }
}

impl fmt::Display for Activation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.suffix())
    }
}
