//! A networks file lists architectures, one per line, with the latencies that were measured or to be
//! predicted: CSV or lines of JSON, told apart by the content.

mod csv_lines;
mod json_lines;

use op_catalog::{Architecture, Milliseconds, SearchSpace};

use crate::{MeasuredNetwork, TableError};

/// The largest index of a choice in a space that is not named: beyond, a number is a mistake.
pub const MAX_CHOICE: usize = 4095;

/// The networks of a file and the space that they are of.
#[derive(Clone, Debug, PartialEq)]
pub struct NetworkList {
    /// Number of choices of each edge: those of the space, or without one 1 + the largest seen.
    pub choice_counts: Vec<usize>,
    /// The networks in the order of the file; at least one.
    pub networks: Vec<ListedNetwork>,
}

/// One line.
#[derive(Clone, Debug, PartialEq)]
pub struct ListedNetwork {
    /// Its choices.
    pub architecture: Architecture,
    /// Its measured latency, where the line has one.
    pub latency: Option<Milliseconds>,
    /// How much it counts: see [`MeasuredNetwork::weight`].
    pub weight: f64,
    /// Number of the line in the file, from 1.
    pub line: u64,
}

/// Reads a file.
///
/// CSV has the header `c0,c1,...,latency_ms,weight`: one column per edge with the index of the choice,
/// and two optional ones. A line of JSON has `choices` (indices, or where the space is known
/// operations), or a whole architecture or network file (see [`op_catalog::NetworkFile`]), with
/// `latency_ms` and `weight` beside it.
///
/// Without a space, the edges are the choices of the first line.
///
/// # Errors
/// The first thing that is wrong, with its line, column and value.
pub fn parse(text: &str, space: Option<&SearchSpace>) -> Result<NetworkList, TableError> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let networks = if text.trim_start().starts_with('{') {
        json_lines::parse(text, space)?
    } else {
        csv_lines::parse(text)?
    };
    let Some(first) = networks.first() else {
        return Err(TableError::Field {
            place: "the file".to_owned(),
            message: "there is no network in it".to_owned(),
        });
    };
    let choice_counts = match space {
        Some(space) => space.edges().map(<[_]>::len).collect(),
        None => seen_counts(first.architecture.choices().len(), &networks),
    };
    for network in &networks {
        network.check(&choice_counts)?;
    }
    Ok(NetworkList { choice_counts, networks })
}

/// Writes networks as CSV. The latency is left out where no network has one, the weight where all are
/// 1.
pub fn print(list: &NetworkList) -> String {
    csv_lines::print(list)
}

impl NetworkList {
    /// The networks as measured.
    ///
    /// # Errors
    /// A network without a latency, by its line.
    pub fn measured(self) -> Result<Vec<MeasuredNetwork>, TableError> {
        let measured = self.networks.into_iter().map(|network| {
            let Some(latency) = network.latency else {
                return Err(wrong(network.line, "latency_ms", "it is missing"));
            };
            let (architecture, weight) = (network.architecture, network.weight);
            Ok(MeasuredNetwork {
                architecture,
                latency,
                weight,
                label: format!("line {}", network.line),
            })
        });
        measured.collect()
    }
}

impl ListedNetwork {
    fn check(&self, choice_counts: &[usize]) -> Result<(), TableError> {
        let choices = self.architecture.choices();
        if choices.len() != choice_counts.len() {
            let message = format!(
                "{} were given, but there are {} edges",
                choices.len(),
                choice_counts.len()
            );
            return Err(wrong(self.line, "choices", message));
        }
        for (edge, (&choice, &count)) in choices.iter().zip(choice_counts).enumerate() {
            if choice >= count {
                let message = format!("{choice} is not below {count}, the edge's choices");
                return Err(wrong(self.line, format!("c{edge}"), message));
            }
        }
        Ok(())
    }
}

fn seen_counts(edges: usize, networks: &[ListedNetwork]) -> Vec<usize> {
    let largest = |edge: usize| {
        let choices =
            networks.iter().filter_map(|network| network.architecture.choices().get(edge));
        choices.copied().max().unwrap_or(0)
    };
    (0..edges).map(|edge| 1 + largest(edge)).collect()
}

/// A complaint about a column, or a field, of a line.
fn wrong(line: u64, column: impl Into<String>, message: impl Into<String>) -> TableError {
    TableError::Line { line, column: column.into(), message: message.into() }
}

/// A choice from the text of its index.
fn choice(line: u64, column: &str, text: &str) -> Result<usize, TableError> {
    let refuse = |expected: &str| Err(wrong(line, column, format!("`{text}` is not {expected}")));
    match text.parse::<usize>() {
        _ if text.is_empty() => Err(wrong(line, column, "it is missing")),
        Ok(choice) if choice <= MAX_CHOICE => Ok(choice),
        Ok(_) => refuse(&format!("at most {MAX_CHOICE}, as the index of a choice must be")),
        Err(_) => refuse("the index of a choice: a whole number from 0"),
    }
}

/// A latency in milliseconds from its number.
fn latency(line: u64, number: f64, text: &str) -> Result<Milliseconds, TableError> {
    if number.is_finite() && number > 0.0 {
        return Ok(Milliseconds(number));
    }
    Err(wrong(line, "latency_ms", format!("`{text}` is not a finite number above 0")))
}

/// A weight from its number.
fn weight(line: u64, number: f64, text: &str) -> Result<f64, TableError> {
    if number.is_finite() && number >= 0.0 {
        return Ok(number);
    }
    Err(wrong(line, "weight", format!("`{text}` is not a finite number from 0")))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::fixtures::small_space;

    fn any_list() -> impl Strategy<Value = NetworkList> {
        let counts = prop::collection::vec(1_usize..9, 1..25);
        let shape = (counts, 1_usize..20, any::<[bool; 2]>());
        shape.prop_flat_map(|(counts, networks, [has_latency, has_weight])| {
            let choices: Vec<_> = counts.iter().map(|&count| 0..count).collect();
            let network = (choices, 1e-9..1e9_f64, 0.0..10.0_f64);
            prop::collection::vec(network, networks).prop_map(move |rows| {
                let networks = rows.into_iter().enumerate().map(|(index, row)| ListedNetwork {
                    architecture: Architecture::new(row.0),
                    latency: has_latency.then_some(Milliseconds(row.1)),
                    weight: if has_weight { row.2 } else { 1.0 },
                    line: index as u64 + 2,
                });
                let networks: Vec<ListedNetwork> = networks.collect();
                NetworkList { choice_counts: seen_counts(counts.len(), &networks), networks }
            })
        })
    }

    proptest! {
        #[test]
        fn what_is_printed_is_read_back_to_the_last_bit(list in any_list()) {
            prop_assert_eq!(parse(&print(&list), None).unwrap(), list);
        }

        #[test]
        fn no_text_makes_the_reader_panic(
            text in "[c0-9,lateny_mswigh\\-.{}\":\\[\\]\r\n #]{0,200}", any in any::<String>(),
        ) {
            let space = small_space();
            for text in [&text, &any, &format!("c0,c1,latency_ms\n{text}"), &format!("{{{text}")] {
                let _read_or_refused = (parse(text, None), parse(text, Some(&space)));
            }
        }
    }

    #[test]
    fn an_empty_file_has_no_network() {
        for text in ["", "\u{feff}\n \n", "c0,c1,latency_ms\n", "c0,latency_ms\r\n\r\n  \r\n"] {
            let error = parse(text, None).unwrap_err().to_string();
            assert_eq!(error, "the file: there is no network in it", "{text:?}");
        }
    }

    #[test]
    fn choices_outside_a_named_space_are_refused_by_line_and_column() {
        let space = small_space();
        let header: Vec<String> = (0..12).map(|edge| format!("c{edge}")).collect();
        let text = format!("{}\n{}\n", header.join(","), ["7"; 12].join(","));
        assert_eq!(
            parse(&text, Some(&space)).unwrap_err().to_string(),
            "line 2, c0: 7 is not below 6, the edge's choices"
        );
        assert_eq!(
            parse("c0,c1\n0,1\n", Some(&space)).unwrap_err().to_string(),
            "line 2, choices: 2 were given, but there are 12 edges"
        );
    }

    #[test]
    fn a_file_to_be_priced_needs_no_latency_and_one_to_be_fitted_does() {
        let list = parse("c0,c1,latency_ms\n0,1,2.5\n\n1,0,\n", None).unwrap();
        assert_eq!(list.choice_counts, [2, 2]);
        assert_eq!(list.networks[1].latency, None);
        let error = list.measured().unwrap_err().to_string();
        assert_eq!(error, "line 4, latency_ms: it is missing");
    }
}
