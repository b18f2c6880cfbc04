//! A format is one of the kinds of files that a table comes in.

use std::fmt;
use std::str::FromStr;

use crate::exported::{Exported, ExportedValue};
use crate::{LatencyTable, TableError, TimeUnit};
use crate::{csv, fbnet_json, ofa_yaml, proxyless_yaml, regression_json, table_json};

/// A format that is read and written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// This project's own JSON: [`table_json`].
    Table,
    /// ProxylessNAS' YAML: [`proxyless_yaml`].
    ProxylessYaml,
    /// Once-for-All's YAML: [`ofa_yaml`].
    OfaYaml,
    /// `FBNet`'s JSON: [`fbnet_json`].
    FbnetJson,
    /// CSV: [`csv`](mod@csv).
    Csv,
    /// `TuNAS`' JSON: [`regression_json`].
    RegressionJson,
}

impl Format {
    /// Every format.
    pub const ALL: [Self; 6] = [
        Self::Table,
        Self::ProxylessYaml,
        Self::OfaYaml,
        Self::FbnetJson,
        Self::Csv,
        Self::RegressionJson,
    ];

    /// Tells the format from the content.
    ///
    /// # Errors
    /// Content that looks like none of the formats; the error lists them.
    pub fn guess(text: &str) -> Result<Self, TableError> {
        let start = text.trim_start();
        if start.starts_with(['{', '[']) {
            return Ok(Self::guess_json(text));
        }
        if start.lines().next().is_some_and(csv::is_header) {
            return Ok(Self::Csv);
        }
        let has_key = |line: &str| {
            let key = line.trim_start_matches(['"', '\'']);
            proxyless_yaml::KEY_STARTS.iter().any(|start| key.starts_with(start))
        };
        if ofa_yaml::MARKS.iter().any(|mark| text.contains(mark)) {
            return Ok(Self::OfaYaml);
        }
        if text.lines().any(has_key) {
            return Ok(Self::ProxylessYaml);
        }
        Err(unknown("the content looks like no table that is known".to_owned()))
    }

    fn guess_json(text: &str) -> Self {
        let has = |name: &str| text.contains(&format!("\"{name}\""));
        match () {
            () if has(table_json::FORMAT_NAME) => Self::Table,
            () if has("weights_ms") => Self::RegressionJson,
            () if has("op_type") => Self::FbnetJson,
            () => Self::Table,
        }
    }

    /// The unit that its numbers are in by custom.
    pub const fn unit(self) -> TimeUnit {
        match self {
            Self::FbnetJson => TimeUnit::Microseconds,
            _ => TimeUnit::Milliseconds,
        }
    }

    /// Writes a table in this format. `value` is what the mean of a YAML is; the others have both values
    /// or neither.
    ///
    /// # Errors
    /// A row with a number that no measurement gives; a table that has nothing of what the format is.
    pub fn export(
        self,
        table: &LatencyTable,
        value: ExportedValue,
    ) -> Result<Exported, TableError> {
        match self {
            Self::Table => Ok(Exported {
                text: table_json::print(table)?,
                rows: table.rows().len(),
                left_out: Vec::new(),
                lost: Vec::new(),
            }),
            Self::ProxylessYaml => proxyless_yaml::print(table, value),
            Self::OfaYaml => ofa_yaml::print(table, value),
            Self::FbnetJson => fbnet_json::print(table),
            Self::Csv => csv::print(table),
            Self::RegressionJson => regression_json::print(table),
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Table => "table",
            Self::ProxylessYaml => "proxyless-yaml",
            Self::OfaYaml => "ofa-yaml",
            Self::FbnetJson => "fbnet-json",
            Self::Csv => "csv",
            Self::RegressionJson => "regression-json",
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
    use op_catalog::{Op, SpaceDefinition};

    use super::*;
    use crate::fixtures::{published, row, table_of};
    use crate::{ImportOptions, LatencyModel, import};

    /// A table with a row of every operation of its space, and a model.
    fn table(space: &str) -> LatencyTable {
        let space = SpaceDefinition::built_in(space).unwrap().build().unwrap();
        let edges = space.edges().map(|edge| (0..edge.len()).map(|choice| choice as f64).collect());
        let model = LatencyModel::of_weights(100.0, edges.collect()).unwrap();
        let mut table = table_of(&space);
        for key in space.placed_ops().into_iter().filter(|key| key.op() == Op::GlobalPool) {
            table.insert(row(key, 0.05));
        }
        table.with_model(model).unwrap()
    }

    fn options(space: &str) -> ImportOptions {
        let space = SpaceDefinition::built_in(space).ok();
        ImportOptions { space, ..ImportOptions::default() }
    }

    #[test]
    fn what_is_written_is_told_from_its_content_and_read() {
        for name in ["proxyless-small", "ofa-mbv3", "fbnet"] {
            for format in Format::ALL {
                let written = format.export(&table(name), ExportedValue::Mean).unwrap();
                if written.text.is_empty() {
                    continue;
                }
                assert_eq!(Format::guess(&written.text).unwrap(), format);
                let read = import::parse(&written.text, "fixture", &options(name)).unwrap();
                assert_eq!(read.table.rows().len(), written.rows);
                let again = format.export(&read.table, ExportedValue::Mean).unwrap();
                assert_eq!(again.text, written.text, "{format}");
                let twice = import::parse(&again.text, "fixture", &options(name)).unwrap();
                assert_eq!(twice, read, "{format}");
            }
        }
    }

    #[test]
    fn published_tables_survive_every_format_that_holds_their_keys() {
        let files = [
            ("proxylessnas_official/mobile_trim.yaml", Format::ProxylessYaml, ""),
            ("ofa_note10/224_lookup_table.yaml", Format::OfaYaml, ""),
            (
                "tunas_pixel1/tunas_proxylessnas_search_pixel1.json",
                Format::RegressionJson,
                "tunas-proxyless",
            ),
        ];
        for (path, own, space) in files {
            let Some(text) = published(path) else { continue };
            assert_eq!(Format::guess(&text).unwrap(), own);
            let read = import::parse(&text, "x", &options(space)).unwrap();
            for format in [own, Format::Table, Format::FbnetJson, Format::Csv] {
                if read.table.rows().len() == 0 && format != own {
                    continue;
                }
                let exported = format.export(&read.table, ExportedValue::Mean).unwrap();
                assert_eq!(
                    (exported.rows, &exported.left_out[..]),
                    (read.table.rows().len(), &[][..])
                );
                let again = import::parse(&exported.text, "x", &options(space)).unwrap().table;
                let means = |table: &LatencyTable| -> Vec<_> {
                    table.rows().map(|row| (row.key, row.n, row.mean, row.headline())).collect()
                };
                assert_eq!(means(&again), means(&read.table), "{path} as {format}");
                // A record has the deviation, whose square is the variance but for its last bit, and
                // its shapes a batch.
                if format != Format::FbnetJson {
                    assert!(again == read.table, "{path} as {format}");
                }
            }
        }
    }

    #[test]
    fn names_are_read_and_what_is_not_known_gets_the_list() {
        for format in Format::ALL {
            assert_eq!(format.to_string().parse::<Format>().unwrap(), format);
        }
        let known = "formats that can be read: table, proxyless-yaml, ofa-yaml, fbnet-json, csv, \
                     regression-json";
        assert_eq!(
            "tsv".parse::<Format>().unwrap_err().to_string(),
            format!("there is no format `tsv`; {known}")
        );
        assert_eq!(
            Format::guess("name,mean\nx,1\n").unwrap_err().to_string(),
            format!("the content looks like no table that is known; {known}")
        );
    }
}
