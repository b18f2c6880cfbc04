//! The one error of this crate: a table, a file of one, or a question to one that is wrong.

use std::path::PathBuf;

use op_catalog::PlacedOp;

use crate::TimeUnit;

/// What is wrong, naming the thing and the place.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TableError {
    /// Keys that a prediction needs and the table lacks: all of them, in the order of the keys.
    #[error("the table lacks {}", count_and_first(keys))]
    MissingKeys {
        /// The keys, each once.
        keys: Vec<PlacedOp>,
    },
    /// A file that could not be read or is not what it should be.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A file that could not be written. What stood there before still does.
    #[error("cannot write {}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Content that is of no format that can be read.
    #[error("{reason}; formats that can be read: {known}")]
    UnknownFormat {
        /// What the content looks like.
        reason: String,
        /// The names of the formats, separated by commas.
        known: String,
    },
    /// A table file of a version that this program does not know.
    #[error(
        "the table has format version {found}, but this program reads versions up to {known}: \
         use the release that wrote it, or a later one"
    )]
    NewerVersion {
        /// Version in the file.
        found: u64,
        /// The newest version that can be read.
        known: u64,
    },
    /// Fields that the format does not have: all of them.
    #[error("there is no field {}", quoted(paths))]
    UnknownFields {
        /// Paths such as `rows[3].speed`.
        paths: Vec<String>,
    },
    /// A field that cannot be read.
    #[error("{place}: {message}")]
    Field {
        /// Path of the field, or the key of the published row.
        place: String,
        /// What is wrong with it.
        message: String,
    },
    /// A line of a file that is wrong.
    #[error("line {line}, {column}: {message}")]
    Line {
        /// Number of the line, from 1.
        line: u64,
        /// The column, or the field, e.g. `c3`.
        column: String,
        /// What is wrong with it, with its value.
        message: String,
    },
    /// Latencies, all of a file or single ones, that look like another unit than they are read in.
    #[error("line {line}, {column}: {message}")]
    Unit {
        /// Number of the line of the first of them, from 1.
        line: u64,
        /// The field.
        column: String,
        /// What they look like, and why, with the value.
        message: String,
        /// The unit that all of the file looks like, if any.
        guess: Option<TimeUnit>,
    },
    /// Weights of a search space's blocks, and nobody said of which space.
    #[error("the weights are of the blocks of a search space, and the file does not say of which")]
    NoSpace,
    /// Measured networks that no model can be fitted on, or a question to a model that is wrong.
    #[error("{what}: {message}")]
    Model {
        /// The network or the part of the model.
        what: String,
        /// What is wrong with it.
        message: String,
    },
    /// Two rows of one operation.
    #[error("the row `{key}` stands twice")]
    DuplicateRow {
        /// The operation.
        key: PlacedOp,
    },
    /// A row with a number that no measurement gives.
    #[error("row `{key}`: {message}")]
    Row {
        /// The operation.
        key: PlacedOp,
        /// What is wrong with it.
        message: String,
    },
    /// Probabilities or logits that do not belong to the space.
    #[error("edge {edge}: {message}")]
    Edge {
        /// Index of the edge in the space.
        edge: usize,
        /// What is wrong with it.
        message: String,
    },
    /// Something for each edge, but of another number of edges.
    #[error("{what} for {found} edges were given, but the space has {expected} edges")]
    EdgeCount {
        /// What was given, e.g. `probabilities`.
        what: &'static str,
        /// So many were given.
        found: usize,
        /// So many there are.
        expected: usize,
    },
}

/// `34 keys: a, b, c and 31 more`, or fewer.
fn count_and_first(keys: &[PlacedOp]) -> String {
    const SHOWN: usize = 3;
    let first: Vec<String> = keys.iter().take(SHOWN).map(|key| format!("`{key}`")).collect();
    let noun = if keys.len() == 1 { "key" } else { "keys" };
    let rest = match keys.len().saturating_sub(SHOWN) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!("{} {noun}: {}{rest}", keys.len(), first.join(", "))
}

fn quoted(paths: &[String]) -> String {
    paths.iter().map(|path| format!("`{path}`")).collect::<Vec<_>>().join(", ")
}
