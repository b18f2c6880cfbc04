//! The one error of this crate: numbers that do not belong to the space, or that an equation is not
//! defined for.

use latency_tables::TableError;

/// What is wrong, naming the thing and the place.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SearchError {
    /// Numbers of an edge that are wrong.
    #[error("edge {edge}: {message}")]
    Edge {
        /// Index of the edge.
        edge: usize,
        /// What is wrong with it, and what was expected.
        message: String,
    },
    /// Something for another number of edges.
    #[error("{what} for {found} edges were given, but there are {expected}")]
    EdgeCount {
        /// What was given.
        what: &'static str,
        /// How many.
        found: usize,
        /// How many edges there are.
        expected: usize,
    },
    /// A number for which an equation is not defined, or which nothing can reach.
    #[error("{what} is {value}, but must be {expected}")]
    OutOfRange {
        /// What the number is.
        what: &'static str,
        /// The number.
        value: f64,
        /// What would be right.
        expected: String,
    },
    /// A list that needs an entry and has none.
    #[error("there is no {what}, but at least one is needed")]
    Empty {
        /// What the entries are.
        what: &'static str,
    },
    /// A search by gradient through gates that teach nothing.
    #[error(
        "gates of a single path teach the logits nothing: a search needs `two`, `full` or `full_v2`"
    )]
    SinglePath,
    /// A latency table says no.
    #[error(transparent)]
    Table(#[from] TableError),
}

/// Refuses a number outside a range that is said in words.
pub(crate) fn check(
    what: &'static str,
    value: f64,
    is_right: impl Fn(f64) -> bool,
    expected: &str,
) -> Result<(), SearchError> {
    if is_right(value) {
        return Ok(());
    }
    Err(SearchError::OutOfRange { what, value, expected: expected.to_owned() })
}

/// Refuses what is not finite and above 0.
pub(crate) fn check_positive(what: &'static str, value: f64) -> Result<(), SearchError> {
    check(what, value, |value| value.is_finite() && value > 0.0, "finite and above 0")
}

/// Refuses what is not finite.
pub(crate) fn check_finite(what: &'static str, value: f64) -> Result<(), SearchError> {
    check(what, value, f64::is_finite, "finite")
}
