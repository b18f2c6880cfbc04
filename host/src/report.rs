//! A report is a result laid out for people.

pub(crate) mod canary_trace;
pub(crate) mod context;
pub(crate) mod heat_map;
pub(crate) mod model;
pub(crate) mod scatter;
pub(crate) mod table_picture;
pub(crate) mod verify;

use comfy_table::{CellAlignment, LineStyle, Table, TableStyle};
use op_catalog::Milliseconds;
use serde::Serialize;

/// A column of a table, with its title.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Column {
    /// Aligned to the left.
    Text(&'static str),
    /// Aligned to the right.
    Number(&'static str),
}

/// A line under the titles and nothing else: easy on the eye, and on `grep`.
const STYLE: TableStyle =
    TableStyle::new().header_separator(LineStyle::none().fill('─').junction('─'));

/// A table with these columns and no rows.
pub(crate) fn table(columns: &[Column]) -> Table {
    let mut table = Table::new();
    table.load_style(STYLE);
    table.set_header(columns.iter().map(|column| match column {
        Column::Text(title) | Column::Number(title) => *title,
    }));
    for (column, of_table) in columns.iter().zip(table.column_iter_mut()) {
        of_table.set_padding((0, 2));
        if matches!(column, Column::Number(_)) {
            of_table.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
}

/// A time to four significant digits, without its unit; a dash where there is none.
pub(crate) fn time(time: Option<Milliseconds>) -> String {
    let Some(Milliseconds(ms)) = time else { return "-".to_owned() };
    let decimals = match ms {
        0.0 => 0,
        ms if ms < 1.0 => 4,
        ms if ms < 10.0 => 3,
        ms if ms < 100.0 => 2,
        _ => 1,
    };
    format!("{ms:.decimals$}")
}

/// A percentage with two decimals; a dash where there is none.
pub(crate) fn percent(percent: Option<f64>) -> String {
    percent.map_or_else(|| "-".to_owned(), |percent| format!("{percent:.2}"))
}

/// A percentage that is about its sign.
pub(crate) fn signed_percent(percent: Option<f64>) -> String {
    percent.map_or_else(|| "-".to_owned(), |percent| format!("{percent:+.2}"))
}

/// The name that a value has in JSON.
pub(crate) fn name_of(value: &impl Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(name)) => name,
        Ok(other) => other.to_string(),
        Err(error) => error.to_string(),
    }
}

/// `1 row`, `2 rows`.
pub(crate) fn count(number: usize, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {noun}{plural}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_keep_four_digits_whatever_their_size() {
        for (ms, text) in
            [(0.012_34, "0.0123"), (1.2345, "1.234"), (12.345, "12.35"), (234.56, "234.6")]
        {
            assert_eq!(time(Some(Milliseconds(ms))), text);
        }
        assert_eq!(time(None), "-");
    }
}
