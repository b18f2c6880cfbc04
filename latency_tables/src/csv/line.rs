//! A line is a row of a table in a spreadsheet: fields under the names of a header.

use op_catalog::Milliseconds;
use serde::de::DeserializeOwned;

use super::{COLUMNS, LATENCY};
use crate::csv_records::{self, CsvRecord};
use crate::listed_row::ListedRow;
use crate::located::Located;
use crate::{RowSource, RowStatistic, TableError, TableRow, TimeUnit};

/// Reads the lines after the header.
pub(super) fn parse(text: &str, unit: TimeUnit) -> Result<Vec<ListedRow>, TableError> {
    let mut records = csv_records::read(text)?.into_iter();
    let Some(CsvRecord { line, fields }) = records.next() else { return Ok(Vec::new()) };
    let header = Header::new(line, fields.iter().map(str::to_owned).collect())?;
    records.map(|record| Line::new(&header, &record, unit)?.row()).collect()
}

/// The names of the columns, each once.
struct Header {
    names: Vec<String>,
    latency: &'static str,
}

impl Header {
    fn new(line: u64, names: Vec<String>) -> Result<Self, TableError> {
        let refuse = |message: String| {
            Err(TableError::Line { line, column: "the header".to_owned(), message })
        };
        let latency =
            if names.iter().any(|name| name == LATENCY) { LATENCY } else { "headline_ms" };
        for (index, name) in names.iter().enumerate() {
            if names[..index].contains(name) {
                return refuse(format!("`{name}` stands twice"));
            }
            if !COLUMNS.contains(&name.as_str()) && name != LATENCY {
                let known = COLUMNS.join(", ");
                return refuse(format!(
                    "there is no column `{name}`; there are: {known}, {LATENCY}"
                ));
            }
        }
        if latency == LATENCY && names.iter().any(|name| name == "headline_ms") {
            return refuse(format!("`headline_ms` and `{LATENCY}` are the same"));
        }
        match ["key", latency].into_iter().find(|name| !names.iter().any(|known| known == name)) {
            Some(name) => refuse(format!("the column `{name}` is missing")),
            None => Ok(Self { names, latency }),
        }
    }
}

/// A line under its header.
struct Line<'a> {
    header: &'a Header,
    record: &'a CsvRecord,
    unit: TimeUnit,
}

impl<'a> Line<'a> {
    fn new(header: &'a Header, record: &'a CsvRecord, unit: TimeUnit) -> Result<Self, TableError> {
        let (found, expected) = (record.fields.len(), header.names.len());
        if found != expected {
            return Err(TableError::Line {
                line: record.line,
                column: "number of fields".to_owned(),
                message: format!("{found}, but the header has {expected}"),
            });
        }
        Ok(Self { header, record, unit })
    }

    fn row(&self) -> Result<ListedRow, TableError> {
        let (key, latency) = (self.required("key")?, self.required(self.header.latency)?);
        let placed = key.text.parse().map_err(|error| key.wrong("key", error))?;
        let value = Milliseconds(latency.time(self.header.latency, self.unit)?);
        let statistic = self.word("headline_statistic")?.unwrap_or(RowStatistic::Unstated);
        let mut row = TableRow::of_latency(placed, statistic, value);
        row.source = self.word("source")?.unwrap_or(RowSource::Imported);
        row.n = self.count(row.source)?;
        (row.min, row.p10) = (self.time("min_ms")?, self.time("p10_ms")?);
        (row.p50, row.p90) = (self.time("p50_ms")?, self.time("p90_ms")?);
        row.mean = self.time("mean_ms")?;
        let squared = |field: Located| field.squared_time("variance_ms2", self.unit);
        row.variance = self.field("variance_ms2").map(squared).transpose()?;
        row.headline.ci_low = self.time("ci_low_ms")?;
        row.headline.ci_high = self.time("ci_high_ms")?;
        row.headline.relative_error = self.number("relative_error")?;
        row.clean_fraction = self.number("clean_fraction")?;
        row.converged = self.word("converged")?;
        row.instantiations = self.word("instantiations")?;
        row.flags = self.flags()?;
        self.check_macs(&row)?;
        let field = self.header.latency.to_owned();
        Ok(ListedRow { row, key, latency, field })
    }

    /// Number of samples: none of an estimate, else 1 where the line does not tell.
    fn count(&self, source: RowSource) -> Result<u64, TableError> {
        match self.field("n") {
            Some(field) if field.text == "0" && source == RowSource::Estimated => Ok(0),
            Some(field) => field.count("n"),
            None => Ok(u64::from(source != RowSource::Estimated)),
        }
    }

    /// A field that is not empty.
    fn field(&self, name: &str) -> Option<Located> {
        let index = self.header.names.iter().position(|known| known == name)?;
        let text = self.record.fields.get(index).filter(|text| !text.is_empty())?;
        Some(Located { line: self.record.line, text: text.to_owned() })
    }

    fn required(&self, name: &str) -> Result<Located, TableError> {
        let empty = Located { line: self.record.line, text: String::new() };
        self.field(name).ok_or_else(|| empty.wrong(name, "it is missing"))
    }

    fn time(&self, name: &str) -> Result<Option<Milliseconds>, TableError> {
        let time = |field: Located| field.time(name, self.unit).map(Milliseconds);
        self.field(name).map(time).transpose()
    }

    fn number(&self, name: &str) -> Result<Option<f64>, TableError> {
        self.field(name).map(|field| field.number(name)).transpose()
    }

    /// A value by the text that it has in JSON, with or without quotes there.
    fn word<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, TableError> {
        self.field(name).map(|field| word(&field, name, &field.text)).transpose()
    }

    fn flags<T: DeserializeOwned>(&self) -> Result<Vec<T>, TableError> {
        let Some(field) = self.field("flags") else { return Ok(Vec::new()) };
        field.text.split(';').map(|flag| word(&field, "flags", flag)).collect()
    }

    /// They follow from the key; where they do not, the line was put together wrongly.
    fn check_macs(&self, row: &TableRow) -> Result<(), TableError> {
        match self.field("macs") {
            Some(macs) if macs.text != row.macs().to_string() => {
                let message = format!("`{}`, but the operation has {}", macs.text, row.macs());
                Err(macs.wrong("macs", message))
            }
            _ => Ok(()),
        }
    }
}

fn word<T: DeserializeOwned>(field: &Located, name: &str, text: &str) -> Result<T, TableError> {
    serde_json::from_str(text)
        .or_else(|_| serde_json::from_value(text.into()))
        .map_err(|error| field.wrong(name, error))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::fixtures::{estimated_row, measured_row, row};
    use crate::{LatencyTable, TableContext, csv, listed_row};

    fn table(text: &str) -> Result<LatencyTable, TableError> {
        listed_row::table(&parse(text, TimeUnit::Milliseconds)?, TableContext::named("x"))
    }

    fn reading(text: &str) -> String {
        table(text).unwrap_err().to_string()
    }

    #[test]
    fn a_spreadsheet_of_keys_and_latencies_is_a_table() {
        let read =
            table("\"key\", latency_ms\r\n\r\nconv-k3-in8x8x3-out4x4x8-s2, 0.5\r\n").unwrap();
        let row = read.rows().next().unwrap();
        assert_eq!(
            (row.headline(), row.headline.statistic),
            (Milliseconds(0.5), RowStatistic::Unstated)
        );
        assert_eq!((row.n, row.mean, row.variance, row.converged), (1, None, None, None));
        assert_eq!(table("key,headline_ms\nconv-k3-in8x8x3-out4x4x8-s2,0.5\n").unwrap(), read);
    }

    #[test]
    fn what_is_written_is_read_and_written_the_same() {
        let mut rows = LatencyTable::new(TableContext::named("x"));
        rows.insert(measured_row("conv-k3-in8x8x3-out4x4x8-s2".parse().unwrap(), 0.125));
        rows.insert(row("conv-k3-in8x8x4-out4x4x8-s2".parse().unwrap(), 2.0));
        rows.insert(estimated_row("conv-k3-in8x8x5-out4x4x8-s2".parse().unwrap(), 3.0));
        let text = csv::print(&rows).unwrap().text;
        let read = table(&text).unwrap();
        assert_eq!(csv::print(&read).unwrap().text, text);
        assert_eq!(read.rows().nth(1), rows.rows().nth(1));
        assert_eq!(table(&csv::print(&read).unwrap().text).unwrap(), read);
    }

    #[test]
    fn what_is_wrong_is_told_by_line_column_and_value() {
        const KEY: &str = "conv-k3-in8x8x3-out4x4x8-s2";
        for (text, message) in [
            ("key,latency_ms\nKEY,0.5ms\n", "line 2, latency_ms: `0.5ms` is not a number"),
            (
                "key,latency_ms\n\nKEY,-1\n",
                "line 3, latency_ms: `-1` is negative, which no measured time is",
            ),
            ("key,latency_ms\nKEY,nan\n", "line 2, latency_ms: `nan` is not a finite number"),
            ("key,latency_ms\nKEY,\n", "line 2, latency_ms: it is missing"),
            ("key,latency_ms\nKEY,1\nKEY,1\n", "line 3, `KEY`: it stands twice, first on line 2"),
            (
                "key,latency_ms\nmbconv-k4,1\n",
                "line 2, key: `mbconv-k4` is not a placed operation such as \
                 `mbconv-k3-e6-in28x28x40-out28x28x40-s1-skip`",
            ),
            ("key,latency_ms\nKEY,1,2\n", "line 2, number of fields: 3, but the header has 2"),
            ("key,latency_ms,key\n", "line 1, the header: `key` stands twice"),
            ("key,n\nKEY,2\n", "line 1, the header: the column `headline_ms` is missing"),
            (
                "key,latency_ms,headline_ms\n",
                "line 1, the header: `headline_ms` and `latency_ms` are the same",
            ),
            ("key,latency_ms,macs\nKEY,1,5\n", "line 2, macs: `5`, but the operation has 3456"),
            (
                "key,latency_ms,flags\nKEY,1,drift;mood\n",
                "line 2, flags: unknown variant `mood`, expected `drift` or `interference`",
            ),
            (
                "key,latency_ms,p10_ms,p50_ms\nKEY,1,3,2\n",
                "line 2, `KEY`: min, p10, p50 and p90 are not in ascending order",
            ),
            ("key,latency_ms\n", "the file: there is no row in it"),
        ] {
            assert_eq!(reading(&text.replace("KEY", KEY)), message.replace("KEY", KEY), "{text}");
        }
        let error = reading("key,latency_ms,speed\n");
        assert!(
            error.starts_with("line 1, the header: there is no column `speed`; there are: key, ")
        );
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused_without_panic(text in "(key,latency_ms,n\n)?[ -~\n]{0,80}") {
            prop_assert!(table(&text).is_err());
        }

        #[test]
        fn any_latency_survives_to_the_last_bit(latency in 0.0..1e9_f64) {
            let read = table(&format!("key,latency_ms\nconv-k3-in8x8x3-out4x4x8-s2,{latency}\n"));
            let read = read.unwrap();
            prop_assert_eq!(table(&csv::print(&read).unwrap().text).unwrap(), read);
        }
    }
}
