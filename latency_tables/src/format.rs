//! A format is one of the kinds of files that a table comes in.

use std::fmt;
use std::str::FromStr;

use crate::{LatencyTable, TableContext, TableError, proxyless_yaml, table_json};

/// A format that can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// This project's own JSON: [`table_json`].
    Table,
    /// ProxylessNAS' YAML: [`proxyless_yaml`].
    ProxylessYaml,
}

impl Format {
    /// Every format.
    pub const ALL: [Self; 2] = [Self::Table, Self::ProxylessYaml];

    /// Tells the format from the content.
    ///
    /// # Errors
    /// Content that looks like none of the formats; the error lists them.
    pub fn guess(text: &str) -> Result<Self, TableError> {
        let has_proxyless_key = |line: &str| {
            let key = line.trim_start_matches(['"', '\'']);
            proxyless_yaml::KEY_STARTS.iter().any(|start| key.starts_with(start))
        };
        if text.trim_start().starts_with('{') {
            return Ok(Self::Table);
        }
        if text.lines().any(has_proxyless_key) {
            return Ok(Self::ProxylessYaml);
        }
        Err(unknown("the content looks like no table that is known".to_owned()))
    }

    /// Reads a table of this format. What the content does not tell of its context, the name does.
    ///
    /// # Errors
    /// As [`table_json::parse`] or [`proxyless_yaml::parse`].
    pub fn parse(self, text: &str, name: &str) -> Result<LatencyTable, TableError> {
        match self {
            Self::Table => table_json::parse(text),
            Self::ProxylessYaml => {
                let mut table = LatencyTable::new(TableContext::named(name));
                for row in proxyless_yaml::parse(text)? {
                    table.insert(row);
                }
                Ok(table)
            }
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Table => "table",
            Self::ProxylessYaml => "proxyless-yaml",
        })
    }
}

impl FromStr for Format {
    type Err = TableError;

    fn from_str(name: &str) -> Result<Self, TableError> {
        let named = Self::ALL.into_iter().find(|format| format.to_string() == name);
        named.ok_or_else(|| unknown(format!("there is no format `{name}`")))
    }
}

/// An error that lists the formats.
pub(crate) fn unknown(reason: String) -> TableError {
    let known = Format::ALL.map(|format| format.to_string()).join(", ");
    TableError::UnknownFormat { reason, known }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{small_space, table_of};
    use crate::proxyless_yaml::ExportedValue;

    #[test]
    fn formats_are_told_apart_by_their_content() {
        let table = table_of(&small_space());
        let json = table_json::print(&table).unwrap();
        let yaml = proxyless_yaml::print(table.rows(), ExportedValue::Mean).unwrap().text;
        for (text, format) in [(&json, Format::Table), (&yaml, Format::ProxylessYaml)] {
            assert_eq!(Format::guess(text).unwrap(), format);
            let read = format.parse(text, "fixture").unwrap();
            assert!(read.rows().eq(table.rows()));
            assert_eq!(read.context, table.context);
        }
    }

    #[test]
    fn names_are_read_and_what_is_not_known_gets_the_list() {
        for format in Format::ALL {
            assert_eq!(format.to_string().parse::<Format>().unwrap(), format);
        }
        assert_eq!(
            "csv".parse::<Format>().unwrap_err().to_string(),
            "there is no format `csv`; formats that can be read: table, proxyless-yaml"
        );
        assert_eq!(
            Format::guess("key,mean\nx,1\n").unwrap_err().to_string(),
            "the content looks like no table that is known; formats that can be read: table, \
             proxyless-yaml"
        );
    }
}
