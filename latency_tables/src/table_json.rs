//! The table's JSON is its own file format: named, versioned, strict, times in milliseconds.

use op_catalog::wire::row::Failure;
use op_catalog::{PlacedOp, SpaceDefinition};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{LatencyModel, LatencyTable, NetworkRow, TableContext, TableError, TableRow};

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
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    networks: Vec<NetworkRow>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    model: Option<LatencyModel>,
}

/// An operation that could not be measured, as it stands in a file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FailedItem {
    /// The operation.
    pub key: PlacedOp,
    /// Why not.
    #[serde(flatten)]
    pub failure: Failure,
}

/// The operations of a table that could not be measured, in the order of their keys.
pub fn failed_items(table: &LatencyTable) -> impl Iterator<Item = FailedItem> {
    table.failed().map(|(&key, failure)| FailedItem { key, failure: failure.clone() })
}

/// Reads a table.
///
/// # Errors
/// Text that is no JSON or no table, a newer version, unknown fields (all of them), a row that stands
/// twice, a number that no measurement gives, a model that is not one of the table's space.
pub fn parse(text: &str) -> Result<LatencyTable, TableError> {
    let mut value: Value = serde_json::from_str(text)
        .map_err(|error| crate::format::unknown(format!("the file is not JSON ({error})")))?;
    check_format(&value)?;
    let document: TableDocument = typed(text)?;
    if let Some(fields) = value.as_object_mut() {
        // Said to be absent is as good as absent.
        let absent =
            [("model", document.model.is_none()), ("networks", document.networks.is_empty())];
        for (name, _) in absent.into_iter().filter(|(_, is_absent)| *is_absent) {
            fields.shift_remove(name);
        }
        let context = fields.get_mut("context").and_then(Value::as_object_mut);
        if let (Some(context), None) = (context, &document.context.rescaled) {
            context.shift_remove("rescaled");
        }
    }
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
    let table = table.with_networks(document.networks)?;
    match document.model {
        Some(model) => table.with_model(model),
        None => Ok(table),
    }
}

/// Writes a table, its rows in the order of their keys.
///
/// # Errors
/// A row with a number that no measurement gives, or a model that is not one of the table's space:
/// what is written can be read again.
pub fn print(table: &LatencyTable) -> Result<String, TableError> {
    table.check_networks()?;
    table.check_model()?;
    for row in table.rows() {
        row.check()?;
    }
    let document = TableDocument {
        format: FORMAT_NAME.to_owned(),
        version: FORMAT_VERSION,
        context: table.context.clone(),
        space: table.space().cloned(),
        rows: table.rows().cloned().collect(),
        failed: failed_items(table).collect(),
        networks: table.networks().to_vec(),
        model: table.model().cloned(),
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

#[cfg(test)]
mod tests {
    use op_catalog::wire::row::FailureKind;
    use proptest::prelude::*;

    use super::*;
    use crate::fixtures::{estimated_row, measured_row, row};

    const KEY: &str = "conv-k3-in8x8x3-out4x4x8-s2";

    fn table() -> LatencyTable {
        let space = SpaceDefinition::built_in("proxyless-small").unwrap();
        let mut table = LatencyTable::new(TableContext::named("pixel1")).with_space(space);
        table.insert(measured_row(KEY.parse().unwrap(), 0.125));
        table.insert(row("conv-k3-in8x8x4-out4x4x8-s2".parse().unwrap(), 2.0));
        let failure = Failure {
            kind: FailureKind::TimedOut,
            message: "silent for 60 s".to_owned(),
            attempts: 2,
        };
        table.insert_failed("conv-k3-in8x8x5-out4x4x8-s2".parse().unwrap(), failure);
        table
    }

    fn text() -> String {
        print(&table()).unwrap()
    }

    /// The complaint about the table after one change in its text.
    fn complaint(from: &str, to: &str) -> String {
        let changed = text().replacen(from, to, 1);
        assert_ne!(changed, text(), "{from}");
        parse(&changed).unwrap_err().to_string()
    }

    #[test]
    fn a_table_survives_its_file() {
        assert_eq!(parse(&text()).unwrap(), table());
    }

    #[test]
    fn a_row_has_the_names_that_others_read() {
        let value: Value = serde_json::from_str(&text()).unwrap();
        let row = serde_json::to_string_pretty(&value["rows"][0]).unwrap();
        insta::assert_snapshot!(row, @r#"
        {
          "key": "conv-k3-in8x8x3-out4x4x8-s2",
          "source": "measured",
          "n": 60,
          "min": 0.125,
          "p10": 0.125,
          "p50": 0.125,
          "mean": 0.125,
          "p90": 0.125,
          "variance": 0.0,
          "thread_cpu": {
            "min": 0.125,
            "p10": 0.125,
            "p50": 0.125
          },
          "headline": {
            "statistic": "thread_cpu_p50",
            "value": 0.125,
            "ci_low": 0.125,
            "ci_high": 0.125,
            "confidence": 0.96875,
            "relative_error": 0.0,
            "reason": "one thread, and the device has a clock of its CPU time"
          },
          "clean_fraction": 0.75,
          "converged": false,
          "unmet": [
            "target_relative_error"
          ],
          "flags": [
            "drift"
          ],
          "instantiations": 6,
          "runs_per_sample": 1,
          "first_run": 0.125,
          "preparation": 0.125,
          "visits": [
            0.125,
            0.125
          ]
        }
        "#);
    }

    #[test]
    fn what_is_no_table_is_refused_with_the_formats_that_are_read() {
        let known = "; formats that can be read: table, proxyless-yaml, ofa-yaml, fbnet-json, csv, \
                     regression-json";
        assert_eq!(
            parse("{}").unwrap_err().to_string(),
            format!("the file is JSON without `\"format\": \"latency-table\"`{known}")
        );
        assert_eq!(
            complaint("latency-table", "network"),
            format!("the file is JSON of the format `network`, not a latency table{known}")
        );
        let error = parse("Conv-input:1x1x1-output:1x1x1:").unwrap_err().to_string();
        assert!(error.starts_with("the file is not JSON (expected value"), "{error}");
    }

    #[test]
    fn another_version_is_refused_before_anything_in_it() {
        let later = r#"{"format": "latency-table", "version": 2, "columns": []}"#;
        assert_eq!(
            parse(later).unwrap_err().to_string(),
            "the table has format version 2, but this program reads versions up to 1: use the release \
             that wrote it, or a later one"
        );
        assert_eq!(
            complaint("\"version\": 1", "\"version\": \"1\""),
            "version: it must be a whole number from 1"
        );
    }

    #[test]
    fn every_unknown_field_is_named_by_its_path() {
        let changed = text()
            .replacen("\"batch\"", "\"colour\": 1, \"batch\"", 1)
            .replacen("\"ci_low\"", "\"speed\": {}, \"ci_low\"", 2)
            .replacen("\"attempts\"", "\"mood\": \"\", \"attempts\"", 1);
        assert_eq!(
            parse(&changed).unwrap_err().to_string(),
            "there is no field `context.colour`, `rows[0].headline.speed`, `rows[1].headline.speed`, \
             `failed[0].mood`"
        );
    }

    #[test]
    fn wrong_values_are_refused_by_path_or_key() {
        let row = format!("row `{KEY}`: ");
        for (from, to, message) in [
            (
                KEY,
                "conv-k4-in8x8x3-out4x4x8-s2",
                "rows[0].key: kernel is 4, but must be odd and at most 31".to_owned(),
            ),
            (
                "\"value\": 0.125",
                "\"value\": null",
                "rows[0].headline.value: invalid type: null, expected f64".to_owned(),
            ),
            (
                "\"mean\": 0.125",
                "\"mean\": -0.125",
                format!("{row}mean is -0.125, but must be finite and not negative"),
            ),
            ("\"n\": 60", "\"n\": 0", format!("{row}n is 0")),
            (
                "\"p10\": 0.125",
                "\"p10\": 0.126",
                format!("{row}min, p10, p50 and p90 are not in ascending order"),
            ),
            (
                "\"ci_low\": 0.125",
                "\"ci_low\": 0.126",
                format!("{row}the headline value is outside its own interval"),
            ),
        ] {
            let found = complaint(from, to);
            assert!(found.starts_with(&message), "{found}");
        }
        let found = complaint("\"mean\": 0.125", "\"mean\": 1e999");
        assert!(found.starts_with("the file is not JSON (number out of range at line"), "{found}");
    }

    #[test]
    fn an_operation_stands_once_whether_measured_or_failed() {
        for other in ["conv-k3-in8x8x4-out4x4x8-s2", "conv-k3-in8x8x5-out4x4x8-s2"] {
            assert_eq!(complaint(other, KEY), format!("the row `{KEY}` stands twice"));
        }
    }

    #[test]
    fn an_estimate_has_no_samples_and_nothing_else_has_none() {
        let mut table = table();
        table.insert(estimated_row("conv-k3-in8x8x6-out4x4x8-s2".parse().unwrap(), 2.0));
        let text = print(&table).unwrap();
        assert_eq!(parse(&text).unwrap(), table);
        for (from, to) in
            [("\"source\": \"estimated\"", "\"source\": \"measured\""), ("\"n\": 0", "\"n\": 1")]
        {
            let message = parse(&text.replacen(from, to, 1)).unwrap_err().to_string();
            assert!(message.contains("n is 0") || message.contains("estimate"), "{message}");
        }
    }

    #[test]
    fn what_could_not_be_read_again_is_not_written() {
        let mut table = table();
        table.insert(row(KEY.parse().unwrap(), f64::NAN));
        assert_eq!(
            print(&table).unwrap_err().to_string(),
            format!("row `{KEY}`: mean is NaN, but must be finite and not negative")
        );
    }

    proptest! {
        #[test]
        fn a_mutated_file_is_read_or_refused_without_panic(
            at in 0_usize..4000, length in 0_usize..40, insert in "[ -~\n]{0,8}",
        ) {
            let mut text = text();
            let start = at.min(text.len());
            text.replace_range(start..(start + length).min(text.len()), &insert);
            if let Ok(table) = parse(&text) {
                prop_assert_eq!(parse(&print(&table).unwrap()).unwrap(), table);
            }
        }

        #[test]
        fn any_times_survive_the_file_to_the_last_bit(mean in 0.0..1e6_f64) {
            let mut table = table();
            table.insert(measured_row(KEY.parse().unwrap(), mean));
            prop_assert_eq!(parse(&print(&table).unwrap()).unwrap(), table);
        }
    }
}
