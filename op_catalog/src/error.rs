//! The one error of this crate: a description that cannot be an operation, a space or a network.

/// What is wrong with a description, naming the thing and, where it helps, what would be right.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum CatalogError {
    /// A text that is not of the form it should have.
    #[error("`{text}` is not {expected}")]
    Syntax {
        /// The text as given.
        text: String,
        /// What was expected, with an example.
        expected: &'static str,
    },
    /// A number outside its range.
    #[error("{what} is {value}, but must be {expected}")]
    OutOfRange {
        /// What the number is, e.g. `channels`.
        what: &'static str,
        /// The number as given.
        value: u64,
        /// The range in words.
        expected: String,
    },
    /// An operation that cannot stand where it was placed.
    #[error("`{op}` cannot be placed at {input} with stride {stride}: {reason}")]
    Placement {
        /// The operation.
        op: String,
        /// The input feature map.
        input: String,
        /// The stride.
        stride: u32,
        /// Why not.
        reason: String,
    },
    /// Two neighbours of a network whose feature maps differ.
    #[error("block {index} (`{block}`) takes {expected}, but the block before it gives {found}")]
    Composition {
        /// Index of the block that does not fit.
        index: usize,
        /// The block.
        block: String,
        /// The map it takes.
        expected: String,
        /// The map it is given.
        found: String,
    },
    /// A field of a file that is wrong.
    #[error("{place}: {message}")]
    Field {
        /// Path of the field in the file, e.g. `stages[2].cells`.
        place: String,
        /// What is wrong with it.
        message: String,
    },
    /// A name that is not in the catalogue.
    #[error("there is no {kind} named `{name}`; there are: {known}")]
    UnknownName {
        /// What was looked for, e.g. `search space`.
        kind: &'static str,
        /// The name as given.
        name: String,
        /// The names that exist, separated by commas.
        known: String,
    },
    /// Something real that this version does not do.
    #[error("not supported yet: {what}")]
    NotSupportedYet {
        /// The thing, by its own name.
        what: String,
    },
    /// A weight that is missing or has another shape than its layer.
    #[error("weight `{name}`: {message}")]
    Weight {
        /// Name of the tensor.
        name: String,
        /// What is wrong with it.
        message: String,
    },
}

impl CatalogError {
    /// A field that is wrong, by its path.
    #[expect(clippy::needless_pass_by_value, reason = "errors go in as they are, to be shown")]
    pub(crate) fn field(place: impl Into<String>, message: impl ToString) -> Self {
        Self::Field { place: place.into(), message: message.to_string() }
    }
}
