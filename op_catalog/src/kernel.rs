//! A kernel is the side of a square window that moves over a map.

use crate::CatalogError;

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
