//! The table's JSON is its own file format: named, versioned, strict, times in milliseconds.

use op_catalog::wire::row::Failure;
use op_catalog::{PlacedOp, SpaceDefinition};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{LatencyTable, TableContext, TableError, TableRow};

/// What the field `format` says.
pub const FORMAT_NAME: &str = "latency-table";

/// The newest version of the format, which is the one written.
pub const FORMAT_VERSION: u64 = 1;

/// The table as it stands in a file.
#[derive(Serialize, Deserialize)]
struct TableDocument {
    format: String,
    version: u64,
    context: TableContext,
    space: Option<SpaceDefinition>,
    rows: Vec<TableRow>,
    failed: Vec<FailedItem>,
}

/// An operation that could not be measured.
#[derive(Serialize, Deserialize)]
struct FailedItem {
    key: PlacedOp,
    #[serde(flatten)]
    failure: Failure,
}

/// Reads a table.
///
/// # Errors
/// Text that is no JSON or no table, a newer version, unknown fields (all of them), a row that stands
/// twice, a number that no measurement gives.
pub fn parse(text: &str) -> Result<LatencyTable, TableError> {
    let value: Value = serde_json::from_str(text)
        .map_err(|error| crate::format::unknown(format!("the file is not JSON ({error})")))?;
    check_format(&value)?;
    let document: TableDocument = typed(text)?;
    check_fields(&value, &document)?;
    let mut table = LatencyTable::new(document.context);
    if let Some(space) = document.space {
        table = table.with_space(space);
    }
    for row in document.rows {
        row.check()?;
        refuse_known(&table, row.key)?;
        table.insert(row);
    }
    for FailedItem { key, failure } in document.failed {
        refuse_known(&table, key)?;
        table.insert_failed(key, failure);
    }
    Ok(table)
}

/// Writes a table, its rows in the order of their keys.
///
/// # Errors
/// A row with a number that no measurement gives: what is written can be read again.
pub fn print(table: &LatencyTable) -> Result<String, TableError> {
    for row in table.rows() {
        row.check()?;
    }
    let failed = table.failed();
    let document = TableDocument {
        format: FORMAT_NAME.to_owned(),
        version: FORMAT_VERSION,
        context: table.context.clone(),
        space: table.space().cloned(),
        rows: table.rows().cloned().collect(),
        failed: failed
            .map(|(&key, failure)| FailedItem { key, failure: failure.clone() })
            .collect(),
    };
    let text = serde_json::to_string_pretty(&document)
        .map_err(|error| TableError::Field { place: ".".to_owned(), message: error.to_string() })?;
    Ok(text + "\n")
}

fn check_format(value: &Value) -> Result<(), TableError> {
    let format = value.get("format").and_then(Value::as_str);
    if format != Some(FORMAT_NAME) {
        let reason = match format {
            Some(other) => format!("the file is JSON of the format `{other}`, not a latency table"),
            None => format!("the file is JSON without `\"format\": \"{FORMAT_NAME}\"`"),
        };
        return Err(crate::format::unknown(reason));
    }
    match value.get("version").and_then(Value::as_u64) {
        Some(1..=FORMAT_VERSION) => Ok(()),
        Some(found) if found > FORMAT_VERSION => {
            Err(TableError::NewerVersion { found, known: FORMAT_VERSION })
        }
        _ => Err(TableError::Field {
            place: "version".to_owned(),
            message: "it must be a whole number from 1".to_owned(),
        }),
    }
}

fn typed<T: DeserializeOwned>(text: &str) -> Result<T, TableError> {
    let deserializer = &mut serde_json::Deserializer::from_str(text);
    serde_path_to_error::deserialize(deserializer).map_err(|error| TableError::Field {
        place: error.path().to_string(),
        message: error.inner().to_string(),
    })
}

/// Refuses what was given but not taken up: the paths of `given` that the document, written again,
/// does not have.
fn check_fields(given: &Value, document: &TableDocument) -> Result<(), TableError> {
    let taken = serde_json::to_value(document).unwrap_or(Value::Null);
    let mut paths = Vec::new();
    collect_unknown(given, &taken, "", &mut paths);
    if paths.is_empty() { Ok(()) } else { Err(TableError::UnknownFields { paths }) }
}

fn collect_unknown(given: &Value, taken: &Value, path: &str, unknown: &mut Vec<String>) {
    match (given, taken) {
        (Value::Object(given), Value::Object(taken)) => {
            for (name, value) in given {
                let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                match taken.get(name) {
                    Some(taken) => collect_unknown(value, taken, &path, unknown),
                    None => unknown.push(path),
                }
            }
        }
        (Value::Array(given), Value::Array(taken)) => {
            for (index, (given, taken)) in given.iter().zip(taken).enumerate() {
                collect_unknown(given, taken, &format!("{path}[{index}]"), unknown);
            }
        }
        _ => {}
    }
}

fn refuse_known(table: &LatencyTable, key: PlacedOp) -> Result<(), TableError> {
    let known = table.row(&key).is_some() || table.failed().any(|(failed, _)| *failed == key);
    if known { Err(TableError::DuplicateRow { key }) } else { Ok(()) }
}
