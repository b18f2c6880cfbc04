//! A CSV record is a line of a spreadsheet, with its number: spaces around fields and blank lines do not
//! count.

use ::csv::{ReaderBuilder, StringRecord, Trim};

use crate::TableError;

/// The fields of a line.
pub(crate) struct CsvRecord {
    /// Number of the line, from 1.
    pub(crate) line: u64,
    /// The fields, without spaces around them.
    pub(crate) fields: StringRecord,
}

/// Reads the records of a text, each with as many fields as it has.
pub(crate) fn read(text: &str) -> Result<Vec<CsvRecord>, TableError> {
    let mut reader = ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .trim(Trim::All)
        .from_reader(text.as_bytes());
    let mut records = Vec::new();
    let mut lines = LineCounter { rest: text, line: 1 };
    for fields in reader.records() {
        let fields = fields.map_err(|error| TableError::Field {
            place: "the CSV".to_owned(),
            message: error.to_string(),
        })?;
        let line = lines.line_at(fields.position().map_or(0, ::csv::Position::byte), text);
        if !fields.iter().all(str::is_empty) || fields.len() > 1 {
            records.push(CsvRecord { line, fields });
        }
    }
    Ok(records)
}

/// Counts lines as the records go by. The reader's own count is at the line break before a record, of
/// which there may be several, and in the middle of one of two characters.
struct LineCounter<'a> {
    rest: &'a str,
    line: u64,
}

impl LineCounter<'_> {
    /// Number of the line on which the record that follows this byte starts.
    fn line_at(&mut self, byte: u64, text: &str) -> u64 {
        let is_break = |character: char| character == '\r' || character == '\n';
        let passed = text.len() - self.rest.len();
        let from_byte = self.rest.get((byte as usize).saturating_sub(passed)..).unwrap_or("");
        let start = from_byte.trim_start_matches(is_break);
        let skipped = &self.rest[..self.rest.len() - start.len()];
        self.line += skipped.matches('\n').count() as u64;
        self.rest = &self.rest[skipped.len()..];
        self.line
    }
}
