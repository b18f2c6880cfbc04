//! A listed row is a row of somebody's file, with the line and the texts that it was read from.

use std::collections::BTreeMap;

use crate::located::Located;
use crate::{LatencyTable, TableContext, TableError, TableRow};

/// A row, and where it stands.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ListedRow {
    /// The row, in milliseconds.
    pub(crate) row: TableRow,
    /// Its key as the file has it.
    pub(crate) key: String,
    /// The latency as the file has it.
    pub(crate) latency: Located,
    /// Name of the field that has the latency.
    pub(crate) field: String,
}

impl ListedRow {
    /// The latency that predictions add up, in milliseconds.
    pub(crate) fn milliseconds(&self) -> f64 {
        self.row.headline().0
    }
}

/// Makes a table of rows.
///
/// # Errors
/// A row that stands twice, or with numbers that no measurement gives, by line and key; no row at all.
pub(crate) fn table(rows: &[ListedRow], context: TableContext) -> Result<LatencyTable, TableError> {
    let mut first_lines = BTreeMap::new();
    let mut table = LatencyTable::new(context);
    for ListedRow { row, key, latency, .. } in rows {
        let refuse = |message: String| latency.wrong(format!("`{key}`"), message);
        row.check().map_err(|error| match error {
            TableError::Row { message, .. } => refuse(message),
            other => other,
        })?;
        if let Some(first) = first_lines.insert(row.key, latency.line) {
            return Err(refuse(format!("it stands twice, first on line {first}")));
        }
        table.insert(row.clone());
    }
    if rows.is_empty() {
        let message = "there is no row in it".to_owned();
        return Err(TableError::Field { place: "the file".to_owned(), message });
    }
    Ok(table)
}
