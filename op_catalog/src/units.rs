//! A unit is part of a number's type: times here are milliseconds, as every published table has them.

use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A time in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, PartialOrd, Serialize, Deserialize, ToSchema)]
#[serde(transparent)]
pub struct Milliseconds(pub f64);

impl Milliseconds {
    /// From whole nanoseconds, as clocks give them.
    pub fn from_nanoseconds(nanoseconds: u64) -> Self {
        Self(nanoseconds as f64 / 1e6)
    }
}

impl fmt::Display for Milliseconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.*} ms", f.precision().unwrap_or(3), self.0)
    }
}
