//! `FBNet`'s JSON is a record per operator: its type, arguments and shapes, and statistics of its latency
//! in microseconds.
//!
//! `FBNet`'s tables (arXiv:1812.03443, section 3.2) were measured with FAI-PEP, and are not published.
//! The record is made of what their open code has: operators, arguments and NCHW shapes of
//! `mobile_cv/lut` of mobile-vision, statistics of FAI-PEP's summaries.

mod operation;
mod record;

use std::collections::BTreeMap;

use op_catalog::{FeatureMap, Milliseconds, Op};
use serde_json::{Value, json};

use self::record::Record;
use crate::exported::Exported;
use crate::import::Listing;
use crate::json_text::JsonText;
use crate::located::print_shifted;
use crate::{Content, LatencyTable, TableError, TableRow, TimeUnit};

/// What a record holds.
const HELD: [Content; 8] = [
    Content::DeviceName,
    Content::Rows,
    Content::Count,
    Content::Mean,
    Content::NoMean,
    Content::Minimum,
    Content::Quantiles,
    Content::Variance,
];

/// Reads a list of records, or records one after the other; their times are in this unit.
///
/// # Errors
/// What is wrong, by line, path and value; records of two devices, or of several batch sizes.
pub(crate) fn parse(text: &str, unit: TimeUnit) -> Result<Listing, TableError> {
    let text = JsonText::new(text);
    let documents = text.documents()?;
    let records = match documents.as_slice() {
        [list] if list.is_array() => list.array("the records")?,
        _ => documents,
    };
    let mut listing = Listing::default();
    let mut left_out = BTreeMap::new();
    for (index, record) in records.into_iter().enumerate() {
        let path = format!("[{index}]");
        let record = Record { fields: record.object(&path)?, path, unit };
        record.enter(&mut listing, &mut left_out)?;
    }
    listing.remarks = left_out
        .into_iter()
        .map(|(name, count)| {
            format!("left out, for a table has no place for it: `{name}` in {count} of the records")
        })
        .collect();
    Ok(listing)
}

/// Writes a list with a record per line, in the order of the operations.
///
/// # Errors
/// A row with a number that no measurement gives.
pub fn print(table: &LatencyTable) -> Result<Exported, TableError> {
    let batch = table.context.batch.unwrap_or(1);
    let (mut records, mut left_out) = (Vec::new(), Vec::new());
    for row in table.rows() {
        row.check()?;
        match record(row, batch, &table.context.device_name) {
            Some(record) => records.push(record),
            // What computes nothing costs nothing without a record too.
            None if row.key.is_free() => {}
            None => left_out.push(row.key),
        }
    }
    let text = match records.as_slice() {
        [] => "[]\n".to_owned(),
        records => format!("[\n{}\n]\n", records.join(",\n")),
    };
    let mut lost = Content::lost(table, &HELD);
    // Read back, the headline is the median, or where there is none the mean.
    let read = |row: &TableRow| row.p50.or(row.mean).unwrap_or(row.headline());
    lost.retain(|content| *content != Content::Headline);
    if table.rows().any(|row| read(row) != row.headline()) {
        lost.push(Content::Headline);
    }
    if table.rows().any(|row| row.p50.or(row.mean).is_none()) {
        lost.push(Content::NoMean);
    }
    lost.sort_unstable();
    Ok(Exported { text, rows: records.len(), left_out, lost })
}

fn record(row: &TableRow, batch: u32, device: &str) -> Option<String> {
    let (op_type, arguments) = operation::print(&row.key)?;
    let shape = |map: FeatureMap| json!([batch, map.channels(), map.height(), map.width()]);
    let input = shape(row.key.input());
    let inputs = if row.key.op() == Op::Add { json!([input, input]) } else { json!([input]) };
    let outputs = json!([shape(row.key.output())]);
    let fields = [
        ("op_type", Value::from(op_type).to_string()),
        ("op_args", Value::from(arguments).to_string()),
        ("input_shapes", inputs.to_string()),
        ("output_shapes", outputs.to_string()),
        ("latency_us", statistics(row)),
        ("device", Value::from(device).to_string()),
    ];
    let fields = fields.map(|(name, value)| format!("\"{name}\": {value}")).join(", ");
    Some(format!("  {{{fields}}}"))
}

/// The statistics in microseconds, to the last digit.
fn statistics(row: &TableRow) -> String {
    let microseconds = |time: Milliseconds| print_shifted(time.0, 3);
    let has_none = row.p50.or(row.mean).is_none();
    let mean = row.mean.or(Some(row.headline()).filter(|_| has_none));
    let deviation = row.variance.map(|variance| Milliseconds(variance.sqrt()));
    let times = [
        ("mean", mean),
        ("stdev", deviation),
        ("p0", row.min),
        ("p10", row.p10),
        ("p50", row.p50),
        ("p90", row.p90),
    ];
    let there = times.into_iter().filter_map(|(name, time)| Some((name, microseconds(time?))));
    let all: Vec<String> = std::iter::once(("count", row.n.to_string()))
        .chain(there)
        .map(|(name, value)| format!("\"{name}\": {value}"))
        .collect();
    format!("{{{}}}", all.join(", "))
}

#[cfg(test)]
mod tests {
    use op_catalog::SpaceDefinition;
    use proptest::prelude::*;

    use super::*;
    use crate::fixtures::{measured_row, row};
    use crate::{ImportOptions, Imported, RowStatistic, TableContext, import};

    const RECORD: &str = r#"{"op_type": "IRFBlock",
 "op_args": {"kernel_size": 3, "stride": 1, "expansion": 6, "se": false, "activation": "relu"},
 "input_shapes": [[1, 16, 32, 32]], "output_shapes": [[1, 16, 32, 32]],
 "latency_us": {"num_runs": 50, "p0": 900, "p10": 950.5, "p50": 1000.25, "p90": 1100, "p100": 9000},
 "device": "s8", "platform": "android"}"#;

    fn read(text: &str) -> Result<Imported, TableError> {
        import::parse(text, "file", &ImportOptions::default())
    }

    fn table(rows: impl IntoIterator<Item = TableRow>) -> LatencyTable {
        let mut table = LatencyTable::new(TableContext::named("file"));
        rows.into_iter().for_each(|row| table.insert(row));
        table
    }

    #[test]
    fn a_record_is_a_row_in_milliseconds_and_what_has_no_place_is_told() {
        for text in [RECORD.to_owned(), format!("[{RECORD}]")] {
            let Imported { table, remarks } = read(&text).unwrap();
            assert_eq!((table.context.device_name.as_str(), table.context.batch), ("s8", Some(1)));
            let row = table.rows().next().unwrap();
            assert_eq!(row.key.to_string(), "mbconv-k3-e6-relu-in32x32x16-out32x32x16-s1-skip");
            assert_eq!((row.n, row.mean, row.variance), (50, None, None));
            assert_eq!(
                (row.headline(), row.headline.statistic),
                (Milliseconds(1.00025), RowStatistic::WallP50)
            );
            assert_eq!((row.min, row.p90), (Some(Milliseconds(0.9)), Some(Milliseconds(1.1))));
            assert_eq!(
                remarks,
                [
                    "left out, for a table has no place for it: `p100` in 1 of the records",
                    "left out, for a table has no place for it: `platform` in 1 of the records",
                ]
            );
        }
    }

    #[test]
    fn records_stand_in_a_list_or_one_after_the_other() {
        let space = SpaceDefinition::built_in("proxyless-small").unwrap().build().unwrap();
        let rows = table(crate::fixtures::table_of(&space).rows().cloned());
        let text = print(&rows).unwrap().text;
        let lines = text.trim_matches(['[', ']', '\n']).replace("},\n", "}\n");
        assert_eq!(read(&lines).unwrap(), read(&text).unwrap());
    }

    #[test]
    fn every_operation_is_written_and_read_back() {
        let keys = [
            "mbconv-k3-e2.5-in8x8x4-out8x8x4-s1",
            "mbconv-k5-m24-g2-se-hs-in8x8x4-out4x4x8-s2",
            "conv-k3-in8x8x3-out4x4x8-s2",
            "conv-k1-nobn-hs-in1x1x16-out1x1x32-s1",
            "conv-k1-linear-in8x8x4-out8x8x4-s1-skip",
            "depthwise-k5-in8x8x4-out4x4x4-s2",
            "maxpool-k2-in8x8x4-out4x4x4-s2",
            "avgpool-k3-in8x8x4-out8x8x4-s1",
            "globalpool-in8x8x4-out1x1x4-s1",
            "classifier-in8x8x4-out1x1x10-s1",
            "add-in8x8x4-out8x8x4-s1",
        ];
        let rows = table(keys.map(|key| row(key.parse().unwrap(), 0.01)));
        let read = read(&print(&rows).unwrap().text).unwrap().table;
        assert!(read.rows().map(|row| row.key).eq(rows.rows().map(|row| row.key)));
    }

    #[test]
    fn a_pooling_that_adds_its_input_has_no_place_in_the_format() {
        let keys = ["maxpool-k3-in8x8x4-out8x8x4-s1-skip", "avgpool-k3-in8x8x4-out8x8x4-s1"];
        let rows = table(keys.map(|key| row(key.parse().unwrap(), 0.01)));
        let printed = print(&rows).unwrap();
        assert_eq!(printed.rows, 1);
        assert_eq!(printed.left_out, [keys[0].parse().unwrap()]);
    }

    #[test]
    fn what_is_wrong_is_told_by_line_path_and_value() {
        for (from, to, message) in [
            ("1000.25", "\"fast\"", "line 4, [0].latency_us.p50: `\"fast\"` is not a number"),
            (
                "1000.25",
                "-1",
                "line 4, [0].latency_us.p50: `-1` is negative, which no measured time is",
            ),
            ("1000.25", "1e999", "line 4, [0].latency_us.p50: `1e999` is not a finite number"),
            (
                "1000.25",
                "1000.25us",
                "line 4, column 72: it is not JSON, near ` \"p50\": 1000.25us, \"p90\": 1100, `",
            ),
            ("1000.25", "NaN", "line 4, column 65: it is not JSON, near `"),
            (
                "\"p50\"",
                "\"p51\"",
                "line 4, [0].latency_us.p51: there is no such field; there are: count,",
            ),
            ("\"p50\": 1000.25, ", "", "line 4, [0].latency_us: there is neither `p50` nor `mean`"),
            ("\"p10\"", "\"p0\"", "line 4, [0].latency_us.p0: the field stands twice"),
            (
                "950.5",
                "800",
                "line 1, `mbconv-k3-e6-relu-in32x32x16-out32x32x16-s1-skip`: min, p10,",
            ),
            (
                "IRFBlock",
                "Conv9d",
                "line 1, [0].op_type: there is no operator `Conv9d`; there are: IRFBlock,",
            ),
            (
                "\"kernel_size\": 3",
                "\"kernel_size\": 3.5",
                "line 2, [0].op_args.kernel_size: `3.5` is not a whole number of 32 bits",
            ),
            (
                "\"se\"",
                "\"sse\"",
                "line 2, [0].op_args.sse: there is no such field; there are: kernel_size",
            ),
            (
                "\"relu\"",
                "\"gelu\"",
                "line 2, [0].op_args.activation: \"gelu\" is not relu6, relu, hswish or null",
            ),
            (
                "\"expansion\": 6, ",
                "",
                "line 2, [0].op_args: the middle is said by `expansion`, or by `mid_channels` with or",
            ),
            (
                "[[1, 16, 32, 32]]",
                "[[16]]",
                "line 3, [0].input_shapes: `[[16]]` is not a shape NCHW",
            ),
            (
                "\"stride\": 1",
                "\"stride\": 2",
                "line 1, [0].op_type: `mbconv-k3-e6-relu` cannot be placed",
            ),
            (
                "\"device\": \"s8\", ",
                "\"colour\": 1, ",
                "line 5, [0].colour: there is no such field",
            ),
        ] {
            let text = RECORD.replacen(from, to, 1);
            assert_ne!(text, RECORD, "{from}");
            let error = read(&text).unwrap_err().to_string();
            assert!(error.starts_with(message), "{error}");
        }
    }

    #[test]
    fn records_of_two_devices_or_batches_or_of_one_operation_are_refused() {
        for (from, to, message) in [
            ("s8", "s9", "line 10, [1].device: `s9`, but `s8` before: a table is of one device"),
            (
                "[[1, 16, 32, 32]], \"out",
                "[[2, 16, 32, 32]], \"out",
                "line 8, [1].input_shapes: a batch of 2, but another one before: a table is of one",
            ),
            (
                "900",
                "901",
                "line 6, `mbconv-k3-e6-relu-in32x32x16-out32x32x16-s1-skip`: it stands twice, first on \
                 line 1",
            ),
        ] {
            let second = RECORD.replacen(from, to, 1);
            assert_ne!(second, RECORD, "{from}");
            assert_eq!(read(&format!("{RECORD}\n{second}")).unwrap_err().to_string(), message);
        }
    }

    #[test]
    fn numbers_in_milliseconds_are_told_to_be_so() {
        let text = RECORD
            .replace("p50\": 1000.25", "p50\": 1.00025")
            .replace("\"p0\": 900, \"p10\": 950.5, ", "");
        let error = read(&text).unwrap_err().to_string();
        let told = "line 4, [0].latency_us.p50: `1.00025` and the other numbers are hardly \
                    microseconds: they look like milliseconds.";
        assert!(error.starts_with(told), "{error}");
    }

    proptest! {
        #[test]
        fn any_measured_times_are_read_back_to_the_last_bit(ms in 1e-4..1e3_f64) {
            let key = "mbconv-k3-e6-in32x32x16-out32x32x16-s1-skip".parse().unwrap();
            let text = print(&table([measured_row(key, ms)])).unwrap().text;
            let listing = parse(&text, TimeUnit::Microseconds).unwrap();
            let row = &listing.rows[0].row;
            let time = Some(Milliseconds(ms));
            prop_assert_eq!([row.min, row.p10, row.p50, row.mean, row.p90], [time; 5]);
        }

        #[test]
        fn a_mutated_record_is_read_or_refused_without_panic(
            at in 0..RECORD.len(), length in 0_usize..40, insert in "[ -~\n]{0,8}",
        ) {
            let mut text = RECORD.to_owned();
            text.replace_range(at..(at + length).min(text.len()), &insert);
            if let Ok(Imported { table, .. }) = read(&text) {
                let again = read(&print(&table).unwrap().text).unwrap().table;
                prop_assert_eq!(again, table);
            }
        }
    }
}
