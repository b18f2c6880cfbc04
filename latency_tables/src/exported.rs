//! An exported table is a text in another format, and what of the table the format cannot hold.

use op_catalog::PlacedOp;

use crate::Content;

/// A table as text, and what is not in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exported {
    /// The text.
    pub text: String,
    /// Number of rows in it.
    pub rows: usize,
    /// Operations that were left out, because the format has no key for them.
    pub left_out: Vec<PlacedOp>,
    /// What else the table knows and the text does not.
    pub lost: Vec<Content>,
}

/// What the field `mean` of an exported row is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExportedValue {
    /// The mean, as the field's name says; of a row without a mean the headline value.
    Mean,
    /// The headline value, which is what this project's own predictions add up.
    Headline,
}
