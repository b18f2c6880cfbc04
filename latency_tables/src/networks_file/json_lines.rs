//! JSON lines are networks as programs write them: an object per line, with the choices as indices, as
//! operations, or as a whole architecture or network file.

use op_catalog::{Architecture, NetworkFile, Op, SearchSpace};
use serde_json::{Map, Value};

use super::{ListedNetwork, choice, latency, weight, wrong};
use crate::TableError;

/// Reads the lines; blank ones do not count.
pub(super) fn parse(
    text: &str,
    space: Option<&SearchSpace>,
) -> Result<Vec<ListedNetwork>, TableError> {
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    lines.map(|(index, line)| network(index as u64 + 1, line, space)).collect()
}

fn network(
    line: u64,
    text: &str,
    space: Option<&SearchSpace>,
) -> Result<ListedNetwork, TableError> {
    let value: Value = serde_json::from_str(text)
        .map_err(|error| wrong(line, format!("column {}", error.column()), "it is not JSON"))?;
    let Value::Object(mut fields) = value else {
        return Err(wrong(line, "the line", "it is not a JSON object"));
    };
    let latency = match number(line, "latency_ms", &mut fields)? {
        Some((number, text)) => Some(latency(line, number, &text)?),
        None => None,
    };
    let weight = match number(line, "weight", &mut fields)? {
        Some((number, text)) => weight(line, number, &text)?,
        None => 1.0,
    };
    let architecture = if fields.contains_key("choices") && !fields.contains_key("format") {
        from_choices(line, &fields, space)?
    } else {
        from_file(line, fields, space)?
    };
    Ok(ListedNetwork { architecture, latency, weight, line })
}

/// Takes a number out of the fields, with its text.
fn number(
    line: u64,
    name: &str,
    fields: &mut Map<String, Value>,
) -> Result<Option<(f64, String)>, TableError> {
    match fields.shift_remove(name) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => match value.as_f64() {
            Some(number) => Ok(Some((number, value.to_string()))),
            None => Err(wrong(line, name, format!("`{value}` is not a number"))),
        },
    }
}

/// The architecture of a bare list: indices, or operations of the space.
fn from_choices(
    line: u64,
    fields: &Map<String, Value>,
    space: Option<&SearchSpace>,
) -> Result<Architecture, TableError> {
    if let Some(name) = fields.keys().find(|name| *name != "choices") {
        let known = "there are: choices, latency_ms, weight";
        return Err(wrong(line, name, format!("there is no such field; {known}")));
    }
    let Some(Value::Array(list)) = fields.get("choices") else {
        return Err(wrong(line, "choices", "it is not a list"));
    };
    if list.is_empty() {
        return Err(wrong(line, "choices", "it is empty"));
    }
    if list.iter().all(Value::is_string) {
        let space = space.ok_or_else(|| needs_space(line))?;
        let ops = list.iter().enumerate().map(|(edge, value)| operation(line, edge, value));
        return space
            .architecture_from_ops(&ops.collect::<Result<Vec<_>, _>>()?)
            .map_err(|error| wrong(line, "choices", error.to_string()));
    }
    let choices = list.iter().enumerate();
    let choices =
        choices.map(|(edge, value)| choice(line, &format!("choices[{edge}]"), &value.to_string()));
    Ok(Architecture::new(choices.collect::<Result<_, _>>()?))
}

fn operation(line: u64, edge: usize, value: &Value) -> Result<Op, TableError> {
    let text = value.as_str().unwrap_or_default();
    text.parse().map_err(|error: op_catalog::CatalogError| {
        wrong(line, format!("choices[{edge}]"), error.to_string())
    })
}

/// The architecture of a whole file on one line.
fn from_file(
    line: u64,
    fields: Map<String, Value>,
    space: Option<&SearchSpace>,
) -> Result<Architecture, TableError> {
    let refuse = |error: op_catalog::CatalogError| wrong(line, "the network", error.to_string());
    let file = NetworkFile::parse(&Value::Object(fields).to_string()).map_err(refuse)?;
    let space = space.ok_or_else(|| needs_space(line))?;
    let network = file.network(space).map_err(refuse)?;
    space
        .architecture_of(&network)
        .ok_or_else(|| wrong(line, "the network", format!("it is not one of `{}`", space.name())))
}

fn needs_space(line: u64) -> TableError {
    wrong(line, "choices", "operations can be read only where the search space is known")
}

#[cfg(test)]
mod tests {
    use op_catalog::reference;

    use super::*;
    use crate::fixtures::small_space;
    use crate::networks_file;

    #[test]
    fn indices_operations_and_files_say_the_same() {
        let space = small_space();
        let architecture = Architecture::new(vec![1; 12]);
        let one_line = |text: &str| {
            let mut value: Value = serde_json::from_str(text).unwrap();
            value["latency_ms"] = 2.5.into();
            value["weight"] = 2.into();
            value.to_string()
        };
        let file = one_line(&architecture.to_json(&space).unwrap());
        let ops: Value = serde_json::from_str::<Value>(&file).unwrap()["choices"].clone();
        let network = NetworkFile::Network {
            name: "x".to_owned(),
            network: space.network(&architecture).unwrap(),
        };
        let lines = [
            one_line(r#"{"choices": [1,1,1,1,1,1,1,1,1,1,1,1]}"#),
            one_line(&format!(r#"{{"choices": {ops}}}"#)),
            file,
            one_line(&network.to_json()),
        ];
        let list = networks_file::parse(&lines.join("\r\n"), Some(&space)).unwrap();
        for (index, listed) in list.networks.iter().enumerate() {
            assert_eq!(listed.architecture, architecture, "line {index}");
            assert_eq!((listed.latency.unwrap().0, listed.weight), (2.5, 2.0));
        }
        assert_eq!(list.networks.len(), 4);
    }

    #[test]
    fn what_is_wrong_is_told_by_line_field_and_value() {
        let space = small_space();
        let other = NetworkFile::Network {
            name: "x".to_owned(),
            network: reference::network("mobilenet_v2").unwrap(),
        };
        let other: Value = serde_json::from_str(&other.to_json()).unwrap();
        for (text, message) in [
            ("{", "line 1, column 1: it is not JSON"),
            (r#"{"choices": [1e400]}"#, "line 1, column 18: it is not JSON"),
            (r#"{"choices": 3}"#, "line 1, choices: it is not a list"),
            (r#"{"choices": []}"#, "line 1, choices: it is empty"),
            (
                r#"{"choices": [0, 1.0]}"#,
                "line 1, choices[1]: `1.0` is not the index of a choice: a whole number from 0",
            ),
            (
                r#"{"choices": [0], "latency_ms": "3"}"#,
                "line 1, latency_ms: `\"3\"` is not a number",
            ),
            (
                r#"{"choices": [0], "latency_ms": -3}"#,
                "line 1, latency_ms: `-3` is not a finite number above 0",
            ),
            (
                r#"{"choices": [0], "speed": 3}"#,
                "line 1, speed: there is no such field; there are: choices, latency_ms, weight",
            ),
            ("{\"choices\": [0]}\n[]", "line 2, the line: it is not a JSON object"),
            (r#"{"choices": ["zer"]}"#, "line 1, choices[0]: `zer` is not an operation"),
            (&other.to_string(), "line 1, the network: it is not one of `proxyless-small`"),
        ] {
            let error = networks_file::parse(text, Some(&space)).unwrap_err().to_string();
            assert!(error.starts_with(message), "{error}");
        }
        let error = networks_file::parse(r#"{"choices": ["zero"]}"#, None).unwrap_err();
        assert_eq!(
            error.to_string(),
            "line 1, choices: operations can be read only where the search space is known"
        );
    }
}
