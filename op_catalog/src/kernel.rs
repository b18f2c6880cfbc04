//! A kernel is the side of a square window that moves over a map.

use std::fmt;
use std::str::FromStr;

use crate::CatalogError;
use crate::feature_map::canonical_number;

/// Side of a square convolution kernel: odd, so that padding keeps the map's centre.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Kernel(u32);

/// Side of a square pooling window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PoolKernel(u32);

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

impl fmt::Display for Kernel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "k{}", self.0)
    }
}

impl FromStr for Kernel {
    type Err = CatalogError;

    fn from_str(text: &str) -> Result<Self, CatalogError> {
        Self::new(side_of(text)?)
    }
}

impl fmt::Display for PoolKernel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "k{}", self.0)
    }
}

impl FromStr for PoolKernel {
    type Err = CatalogError;

    fn from_str(text: &str) -> Result<Self, CatalogError> {
        Self::new(side_of(text)?)
    }
}

fn side_of(text: &str) -> Result<u32, CatalogError> {
    text.strip_prefix('k').and_then(canonical_number).ok_or_else(|| CatalogError::Syntax {
        text: text.to_owned(),
        expected: "a kernel such as `k3`",
    })
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Any small kernel.
    pub(crate) fn any_kernel() -> impl Strategy<Value = Kernel> {
        (0_u32..5).prop_map(|half| Kernel::new(2 * half + 1).unwrap())
    }

    #[test]
    fn a_wrong_kernel_is_refused_with_what_would_be_right() {
        for (text, message) in [
            ("k4", "kernel is 4, but must be odd and at most 31"),
            ("k33", "kernel is 33, but must be odd and at most 31"),
            ("k03", "`k03` is not a kernel such as `k3`"),
            ("3", "`3` is not a kernel such as `k3`"),
        ] {
            assert_eq!(text.parse::<Kernel>().unwrap_err().to_string(), message);
        }
        let message = "pooling kernel is 65, but must be between 1 and 64";
        assert_eq!("k65".parse::<PoolKernel>().unwrap_err().to_string(), message);
    }
}
