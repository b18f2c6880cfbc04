//! An import makes a table of somebody's text: rows or a model, in any of the formats, in any unit.

use op_catalog::SpaceDefinition;

use crate::listed_row::{self, ListedRow};
use crate::unit_check::{self, UnitSource};
use crate::{Format, LatencyTable, TableContext, TableError, TimeUnit};
use crate::{csv, fbnet_json, ofa_yaml, proxyless_yaml, regression_json, table_json};

/// What is known of a text besides what stands in it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ImportOptions {
    /// Its format, where it is not to be told from the content.
    pub format: Option<Format>,
    /// The unit of its numbers, where it is not the one that the format has by custom. Who states it is
    /// believed: what else would be refused for looking like another unit becomes a remark.
    pub unit: Option<TimeUnit>,
    /// The space that the table is for.
    pub space: Option<SpaceDefinition>,
    /// The name of the device, before any that the text has.
    pub device_name: Option<String>,
}

/// A table that was made of a text.
#[derive(Clone, Debug, PartialEq)]
pub struct Imported {
    /// The table.
    pub table: LatencyTable,
    /// What the reader should know: what a table cannot hold, and what is odd.
    pub remarks: Vec<String>,
}

/// Rows as they stand in a text.
#[derive(Debug, Default)]
pub(crate) struct Listing {
    /// The rows.
    pub(crate) rows: Vec<ListedRow>,
    /// The device that the text names.
    pub(crate) device_name: Option<String>,
    /// Images per run, where the text tells.
    pub(crate) batch: Option<u32>,
    /// What a table cannot hold.
    pub(crate) remarks: Vec<String>,
}

/// Reads a text. A table without a name of its own gets this one.
///
/// # Errors
/// A text of no known format; the first thing in it that is wrong, by line and value; latencies that
/// look like another unit; a format that needs the space, and none is given.
pub fn parse(text: &str, name: &str, options: &ImportOptions) -> Result<Imported, TableError> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let format = options.format.map_or_else(|| Format::guess(text), Ok)?;
    let unit = options.unit.unwrap_or(format.unit());
    let source = if options.unit.is_some() { UnitSource::Stated } else { UnitSource::Assumed };
    let rows = |listing: Listing| listing.imported(name, unit, source);
    let mut imported = match format {
        Format::Table => table_file(text, unit)?,
        Format::RegressionJson => {
            regression_json::parse(text, name, unit, source, options.space.as_ref())?
        }
        Format::ProxylessYaml => rows(proxyless_yaml::parse(text, unit)?.into())?,
        Format::OfaYaml => rows(ofa_yaml::parse(text, unit)?.into())?,
        Format::Csv => rows(csv::parse(text, unit)?.into())?,
        Format::FbnetJson => rows(fbnet_json::parse(text, unit)?)?,
    };
    if let Some(name) = &options.device_name {
        imported.table.context.device_name.clone_from(name);
    }
    if let Some(space) = &options.space {
        imported.table = imported.table.with_space(space.clone());
        imported.table.check_model()?;
        imported.table.check_networks()?;
    }
    Ok(imported)
}

fn table_file(text: &str, unit: TimeUnit) -> Result<Imported, TableError> {
    if unit != TimeUnit::Milliseconds {
        let message = format!("a table file is in milliseconds, never in {}", unit.name());
        return Err(TableError::Field { place: "unit".to_owned(), message });
    }
    Ok(Imported { table: table_json::parse(text)?, remarks: Vec::new() })
}

impl Listing {
    fn imported(
        self,
        name: &str,
        unit: TimeUnit,
        source: UnitSource,
    ) -> Result<Imported, TableError> {
        let Self { rows, device_name, batch, mut remarks } = self;
        let name = device_name.unwrap_or_else(|| name.to_owned());
        let table = listed_row::table(&rows, TableContext { batch, ..TableContext::named(name) })?;
        remarks.extend(unit_check::check(&rows, unit, source)?);
        Ok(Imported { table, remarks })
    }
}

impl From<Vec<ListedRow>> for Listing {
    fn from(rows: Vec<ListedRow>) -> Self {
        Self { rows, ..Self::default() }
    }
}
