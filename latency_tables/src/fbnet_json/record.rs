//! A record is an operator as it was measured: what it is, between which shapes, and how long it took.

use std::collections::BTreeMap;

use op_catalog::{Milliseconds, PlacedOp};

use super::operation;
use crate::import::Listing;
use crate::json_text::{JsonFields, JsonPart, join};
use crate::listed_row::ListedRow;
use crate::located::Located;
use crate::{RowStatistic, TableError, TableRow, TimeUnit};

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

/// A record that is read.
pub(super) struct Record<'t> {
    /// Its place in the file, `[3]`.
    pub(super) path: String,
    /// Its fields.
    pub(super) fields: JsonFields<'t>,
    /// The unit of its times.
    pub(super) unit: TimeUnit,
}

impl<'t> Record<'t> {
    /// Enters its row, and what has no place in a table.
    pub(super) fn enter(
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
        let key = Located { line: self.fields.line(), text: placed.to_string() };
        Ok(ListedRow { row, key, latency, field })
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
