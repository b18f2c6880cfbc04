//! CSV lines are networks as spreadsheets and data frames have them: a header, and a network per line.

use ::csv::StringRecord;
use op_catalog::Architecture;

use super::{ListedNetwork, NetworkList, choice, latency, weight, wrong};
use crate::TableError;
use crate::csv_records::{self, CsvRecord};

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Column {
    Choice(usize),
    Latency,
    Weight,
}

/// Reads the lines after the header. Spaces around fields and blank lines do not count.
pub(super) fn parse(text: &str) -> Result<Vec<ListedNetwork>, TableError> {
    let mut columns = None;
    let mut networks = Vec::new();
    for record in csv_records::read(text)? {
        let CsvRecord { line, fields: record } = record;
        match &columns {
            None => columns = Some(header(line, &record)?),
            Some(columns) => networks.push(network(line, columns, &record)?),
        }
    }
    Ok(networks)
}

/// The columns in their order: every edge once, the others at most once.
fn header(line: u64, record: &StringRecord) -> Result<Vec<Column>, TableError> {
    let mut columns: Vec<Column> = Vec::with_capacity(record.len());
    for name in record {
        let column = column(name).ok_or_else(|| {
            let message = format!(
                "there is no column `{name}`; there are: c0, c1, ... (the choice on each edge), \
                 latency_ms, weight"
            );
            wrong(line, "the header", message)
        })?;
        if columns.contains(&column) {
            return Err(wrong(line, "the header", format!("`{name}` stands twice")));
        }
        columns.push(column);
    }
    let edges = edge_count(&columns);
    if edges == 0 {
        return Err(wrong(
            line,
            "the header",
            "there is no column c0, the choice on the first edge",
        ));
    }
    match (0..edges).find(|&edge| !columns.contains(&Column::Choice(edge))) {
        None => Ok(columns),
        Some(edge) => Err(wrong(line, "the header", format!("the column c{edge} is missing"))),
    }
}

fn column(name: &str) -> Option<Column> {
    match name {
        "latency_ms" => Some(Column::Latency),
        "weight" => Some(Column::Weight),
        _ => {
            let edge = name.strip_prefix('c')?.parse().ok()?;
            (name == format!("c{edge}")).then_some(Column::Choice(edge))
        }
    }
}

fn edge_count(columns: &[Column]) -> usize {
    columns.iter().filter(|column| matches!(column, Column::Choice(_))).count()
}

fn network(
    line: u64,
    columns: &[Column],
    record: &StringRecord,
) -> Result<ListedNetwork, TableError> {
    if record.len() != columns.len() {
        let message = format!("{}, but the header has {}", record.len(), columns.len());
        return Err(wrong(line, "number of fields", message));
    }
    let mut choices = vec![0; edge_count(columns)];
    let mut network = ListedNetwork {
        architecture: Architecture::new(Vec::new()),
        latency: None,
        weight: 1.0,
        line,
    };
    for (column, text) in columns.iter().zip(record) {
        match *column {
            Column::Choice(edge) => choices[edge] = choice(line, &format!("c{edge}"), text)?,
            Column::Latency if text.is_empty() => {}
            Column::Latency => {
                network.latency = Some(latency(line, number(line, "latency_ms", text)?, text)?);
            }
            Column::Weight => network.weight = weight(line, number(line, "weight", text)?, text)?,
        }
    }
    network.architecture = Architecture::new(choices);
    Ok(network)
}

fn number(line: u64, column: &str, text: &str) -> Result<f64, TableError> {
    if text.is_empty() {
        return Err(wrong(line, column, "it is missing"));
    }
    text.parse().map_err(|_| wrong(line, column, format!("`{text}` is not a number")))
}

/// Writes a header and a line per network.
pub(super) fn print(list: &NetworkList) -> String {
    let has_latency = list.networks.iter().any(|network| network.latency.is_some());
    let has_weight =
        list.networks.iter().any(|network| network.weight.to_bits() != 1.0_f64.to_bits());
    let mut header: Vec<String> =
        (0..list.choice_counts.len()).map(|edge| format!("c{edge}")).collect();
    header.extend(has_latency.then(|| "latency_ms".to_owned()));
    header.extend(has_weight.then(|| "weight".to_owned()));
    let lines = list.networks.iter().map(|network| {
        let choices = network.architecture.choices();
        let mut fields: Vec<String> = choices.iter().map(ToString::to_string).collect();
        let latency = network.latency.map_or(String::new(), |latency| latency.0.to_string());
        fields.extend(has_latency.then_some(latency));
        fields.extend(has_weight.then(|| network.weight.to_string()));
        fields.join(",")
    });
    std::iter::once(header.join(","))
        .chain(lines)
        .fold(String::new(), |text, line| text + &line + "\n")
}

#[cfg(test)]
mod tests {
    use crate::networks_file;

    #[test]
    fn byte_order_mark_spaces_line_ends_and_order_of_columns_do_not_matter() {
        let plain =
            networks_file::parse("c0,c1,latency_ms,weight\n0,1,2.5,1\n2,0,3,2\n", None).unwrap();
        let messy =
            "\u{feff} latency_ms , c1,\"c0\",weight\r\n2.5, 1 ,0, 1\r\n3e0,0, 2,2\r\n\r\n  \r\n";
        assert_eq!(networks_file::parse(messy, None).unwrap(), plain);
        assert_eq!(plain.choice_counts, [3, 2]);
    }

    #[test]
    fn what_is_wrong_is_told_by_line_column_and_value() {
        let body = |line: &str| format!("c0,c1,latency_ms,weight\n0,1,2,1\n{line}\n");
        for (text, message) in [
            (
                body("0,1.5,2,1"),
                "line 3, c1: `1.5` is not the index of a choice: a whole number from 0",
            ),
            (
                body("0,-1,2,1"),
                "line 3, c1: `-1` is not the index of a choice: a whole number from 0",
            ),
            (
                body("0,5000,2,1"),
                "line 3, c1: `5000` is not at most 4095, as the index of a choice must be",
            ),
            (body("0,,2,1"), "line 3, c1: it is missing"),
            (body("0,1,2ms,1"), "line 3, latency_ms: `2ms` is not a number"),
            (body("0,1,NaN,1"), "line 3, latency_ms: `NaN` is not a finite number above 0"),
            (body("0,1,inf,1"), "line 3, latency_ms: `inf` is not a finite number above 0"),
            (body("0,1,0,1"), "line 3, latency_ms: `0` is not a finite number above 0"),
            (body("0,1,-2,1"), "line 3, latency_ms: `-2` is not a finite number above 0"),
            (body("0,1,2,-1"), "line 3, weight: `-1` is not a finite number from 0"),
            (body("0,1,2,"), "line 3, weight: it is missing"),
            (body("0,1,2"), "line 3, number of fields: 3, but the header has 4"),
            (body("0,1,2,1,7"), "line 3, number of fields: 5, but the header has 4"),
            ("c0,c0\n0,0\n".to_owned(), "line 1, the header: `c0` stands twice"),
            ("c0,c2\n0,0\n".to_owned(), "line 1, the header: the column c1 is missing"),
            (
                "latency_ms\n1\n".to_owned(),
                "line 1, the header: there is no column c0, the choice on the first edge",
            ),
            (
                "c0,c01\n0,0\n".to_owned(),
                "line 1, the header: there is no column `c01`; there are: c0, c1, ... (the choice on \
                 each edge), latency_ms, weight",
            ),
        ] {
            let error = networks_file::parse(&text, None).unwrap_err();
            assert_eq!(error.to_string(), message, "{text}");
        }
    }
}
