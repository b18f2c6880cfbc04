//! A format is one of the kinds of files that a table comes in.

use std::fmt;

use crate::TableError;

/// A format that can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// This project's own JSON, [`crate::table_json`].
    Table,
    /// ProxylessNAS' YAML, of which the published tables are made.
    ProxylessYaml,
}

/// An error that lists the formats.
pub(crate) fn unknown(reason: String) -> TableError {
    let known = Format::ALL.map(|format| format.to_string()).join(", ");
    TableError::UnknownFormat { reason, known }
}

impl Format {
    /// Every format.
    pub const ALL: [Self; 2] = [Self::Table, Self::ProxylessYaml];
}
impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Table => "table",
            Self::ProxylessYaml => "proxyless-yaml",
        })
    }
}
