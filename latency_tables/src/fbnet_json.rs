//! `FBNet`'s JSON is a record per operator: its type, arguments and shapes, and statistics of its latency
//! in microseconds.
//!
//! `FBNet`'s tables (arXiv:1812.03443, section 3.2) were measured with FAI-PEP, and are not published.
//! The record is made of what their open code has: operators, arguments and NCHW shapes of
//! `mobile_cv/lut` of mobile-vision, statistics of FAI-PEP's summaries.

mod operation;

use std::collections::BTreeMap;

use op_catalog::{FeatureMap, Milliseconds, Op, PlacedOp};
use serde_json::{Value, json};

use crate::exported::Exported;
use crate::import::Listing;
use crate::json_text::{JsonFields, JsonPart, JsonText, join};
use crate::listed_row::ListedRow;
use crate::located::print_shifted;
use crate::{Content, LatencyTable, RowStatistic, TableError, TableRow, TimeUnit};

/// Fields of a record. The last are read and left out.
const FIELDS: [&str; 8] = [
    "op_type",
    "op_args",
    "input_shapes",
    "output_shapes",
    "latency_us",
    "device",
    "platform",
    "framework",
];

/// Statistics of a record. The last are read and left out.
const STATISTICS: [&str; 10] =
    ["count", "num_runs", "mean", "stdev", "p0", "p10", "p50", "p90", "p100", "MAD"];

/// What is read and has no place in a table.
const LEFT_OUT: [&str; 4] = ["platform", "framework", "p100", "MAD"];

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
            format!("left out, for a table has no place for it: `{name}` of {count} records")
        })
        .collect();
    Ok(listing)
}

/// A record that is read.
struct Record<'t> {
    path: String,
    fields: JsonFields<'t>,
    unit: TimeUnit,
}

impl<'t> Record<'t> {
    fn enter(
        &self,
        listing: &mut Listing,
        left_out: &mut BTreeMap<String, usize>,
    ) -> Result<(), TableError> {
        self.fields.expect_only(&self.path, &FIELDS)?;
        let (input, batch) = self.map("input_shapes")?;
        let (output, _) = self.map("output_shapes")?;
        let (op_type, arguments) = (self.required("op_type")?, self.required("op_args")?);
        let placed = operation::parse(&self.path, op_type, arguments, (&input, &output))?;
        self.agree("device", &mut listing.device_name)?;
        let shapes = self.required("input_shapes")?;
        if *listing.batch.get_or_insert(batch) != batch {
            let message = format!("a batch of {batch}, but another one before: a table is of one");
            return Err(shapes.wrong(&join(&self.path, "input_shapes"), message));
        }
        let statistics = self.required("latency_us")?.object(&join(&self.path, "latency_us"))?;
        for (name, _) in self.fields.iter().chain(statistics.iter()) {
            if LEFT_OUT.contains(&name) {
                *left_out.entry(name.to_owned()).or_default() += 1;
            }
        }
        listing.rows.push(self.row(placed, &statistics)?);
        Ok(())
    }

    fn row(&self, placed: PlacedOp, statistics: &JsonFields<'_>) -> Result<ListedRow, TableError> {
        let path = join(&self.path, "latency_us");
        statistics.expect_only(&path, &STATISTICS)?;
        let number = |name: &str| {
            let part = statistics.optional(name);
            part.map(|part| part.number(&join(&path, name))).transpose()
        };
        let time = |name: &str| -> Result<Option<Milliseconds>, TableError> {
            let time = number(name)?.map(|number| number.time(&join(&path, name), self.unit));
            Ok(time.transpose()?.map(Milliseconds))
        };
        let (mean, p50) = (time("mean")?, time("p50")?);
        let (name, statistic, value) = match (p50, mean) {
            (Some(p50), _) => ("p50", RowStatistic::WallP50, p50),
            (None, Some(mean)) => ("mean", RowStatistic::Mean, mean),
            (None, None) => {
                let record = self.required("latency_us")?;
                return Err(record.wrong(&path, "there is neither `p50` nor `mean`"));
            }
        };
        let field = join(&path, name);
        let latency = statistics.required(&path, name)?.number(&field)?;
        let count = number("count")?.map_or_else(|| number("num_runs"), |count| Ok(Some(count)))?;
        let row = TableRow {
            n: count.map_or(Ok(1), |count| count.count(&join(&path, "count")))?,
            min: time("p0")?,
            p10: time("p10")?,
            p50,
            p90: time("p90")?,
            mean,
            variance: time("stdev")?.map(|deviation| deviation.0 * deviation.0),
            ..TableRow::of_latency(placed, statistic, value)
        };
        Ok(ListedRow { row, key: placed.to_string(), latency, field })
    }

    fn required(&self, name: &str) -> Result<JsonPart<'t>, TableError> {
        self.fields.required(&self.path, name)
    }

    /// What all records must agree on.
    fn agree(&self, name: &str, before: &mut Option<String>) -> Result<(), TableError> {
        let Some(part) = self.fields.optional(name) else { return Ok(()) };
        let path = join(&self.path, name);
        let found: String = part.read(&path, "a text")?;
        match before {
            Some(before) if *before != found => {
                let message = format!("`{found}`, but `{before}` before: a table is of one device");
                Err(part.wrong(&path, message))
            }
            _ => {
                *before = Some(found);
                Ok(())
            }
        }
    }

    /// The feature map of the first of some shapes, as `HxWxC`, and the batch.
    fn map(&self, name: &str) -> Result<(String, u32), TableError> {
        let (part, path) = (self.required(name)?, join(&self.path, name));
        let shapes: Vec<Vec<u32>> =
            part.read(&path, "a list of shapes such as [[1, 3, 32, 32]]")?;
        let same = shapes.iter().all(|shape| *shape == shapes[0]);
        match shapes.first().map(Vec::as_slice) {
            Some(&[batch, channels, height, width]) if same => {
                Ok((format!("{height}x{width}x{channels}"), batch))
            }
            Some(&[batch, channels]) if same => Ok((format!("1x1x{channels}"), batch)),
            _ => {
                let message =
                    format!("`{}` is not a shape NCHW or NC, or several equal ones", part.short());
                Err(part.wrong(&path, message))
            }
        }
    }
}

/// Writes a list with a record per line, in the order of the operations.
///
/// # Errors
/// A row with a number that no measurement gives.
pub fn print(table: &LatencyTable) -> Result<Exported, TableError> {
    let batch = table.context.batch.unwrap_or(1);
    let mut records = Vec::new();
    for row in table.rows() {
        row.check()?;
        records.extend(record(row, batch, &table.context.device_name));
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
    Ok(Exported { text, rows: records.len(), left_out: Vec::new(), lost })
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
