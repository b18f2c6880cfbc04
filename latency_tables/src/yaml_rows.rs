//! YAML rows are what the tables of ProxylessNAS and of Once-for-All are made of: a key in words for
//! each operation, and the count, the mean and the spread of its latency.

use std::collections::BTreeMap;

use op_catalog::{CatalogError, FeatureMap, Milliseconds, PlacedOp};
use serde_saphyr::options::DuplicateKeyPolicy;
use serde_saphyr::{Location, Spanned};

use crate::exported::{Exported, ExportedValue};
use crate::listed_row::ListedRow;
use crate::located::Located;
use crate::pairs::Pairs;
use crate::{Content, LatencyTable, RowSource, RowStatistic, TableError, TableRow, TimeUnit};

/// What sets one of the formats apart from the other.
pub(crate) struct Dialect {
    /// How the spread is given.
    pub(crate) spread: Spread,
    /// Reads a key.
    pub(crate) read_key: fn(&str) -> Result<PlacedOp, CatalogError>,
    /// Writes a key, if there is one that is read as the same operation.
    pub(crate) write_key: fn(&PlacedOp) -> Option<String>,
}

/// How the spread of the samples is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Spread {
    /// `var`, in square milliseconds.
    Variance,
    /// `std`, in milliseconds.
    Deviation,
}

impl Spread {
    const fn field(self) -> &'static str {
        match self {
            Self::Variance => "var",
            Self::Deviation => "std",
        }
    }
}

/// The fields of a row; `null` is a value.
type Fields = Pairs<Spanned<String>, Spanned<Option<String>>>;

impl Dialect {
    /// Reads the rows; their numbers are in this unit.
    ///
    /// # Errors
    /// Text that is not YAML, a key that means no operation, a field that is missing, unknown, there
    /// twice or no such number: by line and value.
    pub(crate) fn parse(&self, text: &str, unit: TimeUnit) -> Result<Vec<ListedRow>, TableError> {
        let options = serde_saphyr::options! {
            with_snippet: false,
            duplicate_keys: DuplicateKeyPolicy::PassThrough,
        };
        let entries: Option<Pairs<Spanned<String>, Fields>> =
            serde_saphyr::from_str_with_options(text, options).map_err(|error| {
                TableError::Field { place: "the YAML".to_owned(), message: error.to_string() }
            })?;
        let entries = entries.map_or_else(Vec::new, |entries| entries.0);
        entries
            .into_iter()
            .map(|(key, fields)| self.row(&located(key.referenced, key.value), fields, unit))
            .collect()
    }

    fn row(&self, key: &Located, fields: Fields, unit: TimeUnit) -> Result<ListedRow, TableError> {
        let placed = (self.read_key)(&key.text).map_err(|error| key.wrong("the key", error))?;
        let field = |name: &str| format!("{name} of `{}`", key.text);
        let mut values = self.values(key, fields)?;
        let mut take = |name: &str| {
            values.remove(name).ok_or_else(|| key.wrong(field(name), "the field is missing"))
        };
        let (count, mean, spread) = (take("count")?, take("mean")?, take(self.spread.field())?);
        let missing = |value: Option<Located>, name: &str| {
            value.ok_or_else(|| key.wrong(field(name), "it is null"))
        };
        let latency = missing(mean, "mean")?;
        let mean = latency.time(&field("mean"), unit)?;
        let name = field(self.spread.field());
        let variance = spread.map(|spread| match self.spread {
            Spread::Variance => spread.squared_time(&name, unit),
            Spread::Deviation => spread.time(&name, unit).map(|deviation| deviation * deviation),
        });
        let row = TableRow {
            n: missing(count, "count")?.count(&field("count"))?,
            mean: Some(Milliseconds(mean)),
            variance: variance.transpose()?,
            ..TableRow::of_latency(placed, RowStatistic::Mean, Milliseconds(mean))
        };
        Ok(ListedRow { row, key: key.clone(), latency, field: field("mean") })
    }

    /// The fields by their names.
    fn values(
        &self,
        key: &Located,
        fields: Fields,
    ) -> Result<BTreeMap<String, Option<Located>>, TableError> {
        let known = ["count", "mean", self.spread.field()];
        let mut values = BTreeMap::new();
        for (name, value) in fields.0 {
            let name = located(name.referenced, name.value);
            let place = format!("{} of `{}`", name.text, key.text);
            if !known.contains(&name.text.as_str()) {
                let known = known.join(", ");
                return Err(
                    name.wrong(place, format!("there is no such field; there are: {known}"))
                );
            }
            let value = value.value.map(|text| located(value.referenced, text));
            if values.insert(name.text.clone(), value).is_some() {
                return Err(name.wrong(place, "the field stands twice"));
            }
        }
        Ok(values)
    }

    /// Writes the rows of a table, in the order of the keys.
    ///
    /// # Errors
    /// A row with a number that no measurement gives.
    pub(crate) fn print(
        &self,
        table: &LatencyTable,
        value: ExportedValue,
    ) -> Result<Exported, TableError> {
        let mut entries = BTreeMap::new();
        let mut left_out = Vec::new();
        for row in table.rows() {
            row.check()?;
            // Whoever reads the file would take an estimate for a measurement.
            let is_held = row.source != RowSource::Estimated;
            match (self.write_key)(&row.key).filter(|_| is_held) {
                Some(key) => _ = entries.insert(key, self.fields(row, value)),
                None => left_out.push(row.key),
            }
        }
        let text =
            entries.iter().fold(String::new(), |text, (key, fields)| text + key + ":\n" + fields);
        let held = match value {
            ExportedValue::Mean => Content::Mean,
            ExportedValue::Headline => Content::Headline,
        };
        let lost = Content::lost(table, &[Content::Rows, Content::Count, Content::Variance, held]);
        let lost = lost.into_iter().filter(|content| is_told(*content, value)).collect();
        Ok(Exported { text, rows: entries.len(), left_out, lost })
    }

    /// Written as `PyYAML` writes it, which takes an exponent without a point for a text.
    fn fields(&self, row: &TableRow, value: ExportedValue) -> String {
        let mean = match value {
            ExportedValue::Mean => row.mean.unwrap_or(row.headline()).0,
            ExportedValue::Headline => row.headline().0,
        };
        let spread = row.variance.map(|variance| match self.spread {
            Spread::Variance => variance,
            Spread::Deviation => variance.sqrt(),
        });
        let spread = spread.map_or("null".to_owned(), |spread| spread.to_string());
        format!("  count: {}\n  mean: {mean}\n  {}: {spread}\n", row.n, self.spread.field())
    }
}

/// That a row has no mean matters only where `mean` is to be the mean.
fn is_told(content: Content, value: ExportedValue) -> bool {
    content != Content::NoMean || value == ExportedValue::Mean
}

fn located(location: Location, text: String) -> Located {
    Located { line: location.line(), text }
}

/// A convolution whose stride follows from its shapes.
pub(crate) fn convolution(op: &str, input: &str, output: &str) -> Result<PlacedOp, CatalogError> {
    let (input, output): (FeatureMap, FeatureMap) = (input.parse()?, output.parse()?);
    let stride = input.height().div_ceil(output.height());
    format!("{op}-in{input}-out{output}-s{stride}").parse()
}

/// The kind of a key, and the values of its fields, where these have exactly the given names.
pub(crate) fn split_key<'a, const N: usize>(
    key: &'a str,
    names: [&str; N],
) -> Option<(&'a str, [&'a str; N])> {
    let (kind, rest) = key.split_once('-')?;
    let fields: Vec<&str> = rest.split('-').collect();
    let fields: [&str; N] = fields.try_into().ok()?;
    let mut values = [""; N];
    for ((value, field), name) in values.iter_mut().zip(fields).zip(names) {
        *value = field.strip_prefix(name)?.strip_prefix(':')?;
    }
    Some((kind, values))
}
