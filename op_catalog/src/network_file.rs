//! A network file is a JSON text that says which network is meant, in any of the forms that are read:
//! an architecture of a space, a list of blocks, or ProxylessNAS' `net.config`.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::architecture::check_space;
use crate::field_error::FieldError;
use crate::{Architecture, CatalogError, Network, Op, PlacedOp, SearchSpace, proxyless_config};

/// Version of our own two forms.
const VERSION: u32 = 1;

/// What a file says. Its `format` field tells our own forms apart; a `net.config` has none.
///
/// ```
/// use op_catalog::NetworkFile;
/// let text = r#"{"format": "network", "version": 1, "name": "one",
///                "blocks": ["conv-k3-in32x32x3-out16x16x8-s2"]}"#;
/// let file = NetworkFile::parse(text)?;
/// assert!(matches!(file, NetworkFile::Network { name, .. } if name == "one"));
/// # Ok::<(), op_catalog::CatalogError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub enum NetworkFile {
    /// An architecture: a choice per edge of a space that the reader must have.
    Architecture {
        /// Name of the space.
        space_name: String,
        /// The chosen operations, in the order of the edges.
        choices: Vec<Op>,
    },
    /// A network on its own.
    Network {
        /// Any name; of a `net.config`, the name of its class.
        name: String,
        /// The network.
        network: Network,
    },
}

/// The JSON of our own forms.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ArchitectureForm {
    format: String,
    version: u32,
    space: String,
    choices: Vec<Op>,
}

/// The JSON of a network on its own.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct NetworkForm {
    format: String,
    version: u32,
    name: String,
    blocks: Vec<PlacedOp>,
}

impl NetworkFile {
    /// Reads a file of any form.
    ///
    /// # Errors
    /// Not JSON, none of the forms, another version, or a field that is wrong, by its path.
    pub fn parse(text: &str) -> Result<Self, CatalogError> {
        let value: Value = serde_json::from_str(text)
            .map_err(|error| CatalogError::field("the document", error))?;
        match value.get("format") {
            Some(Value::String(format)) if format == "architecture" => {
                let ArchitectureForm { version, space, choices, .. } = read(value)?;
                check_version(version)?;
                Ok(Self::Architecture { space_name: space, choices })
            }
            Some(Value::String(format)) if format == "network" => {
                let NetworkForm { version, name, blocks, .. } = read(value)?;
                check_version(version)?;
                Ok(Self::Network { name, network: Network::new(blocks)? })
            }
            Some(other) => {
                let message =
                    format!("there is no format {other}; there are: architecture, network");
                Err(CatalogError::field("format", message))
            }
            None if value.get("name").is_some() && value.get("blocks").is_some() => {
                let network = proxyless_config::from_value(&value)?;
                Ok(Self::Network { name: proxyless_config::CLASS.to_owned(), network })
            }
            None => Err(CatalogError::field(
                "the document",
                "neither an architecture nor a network (field `format`), nor a net.config of \
                 ProxylessNAS (fields `name` and `blocks`)",
            )),
        }
    }

    /// The file that says this architecture of this space.
    ///
    /// # Errors
    /// An architecture that is not of this space.
    pub fn of_architecture(
        architecture: &Architecture,
        space: &SearchSpace,
    ) -> Result<Self, CatalogError> {
        // Building the network checks every choice, so that the indices below exist.
        space.network(architecture)?;
        let choices = space.edges().zip(architecture.choices());
        Ok(Self::Architecture {
            space_name: space.name().to_owned(),
            choices: choices.map(|(candidates, &choice)| candidates[choice].op()).collect(),
        })
    }

    /// The network that is meant, given the space that an architecture may be of.
    ///
    /// # Errors
    /// An architecture that is not of this space.
    pub fn network(&self, space: &SearchSpace) -> Result<Network, CatalogError> {
        match self {
            Self::Architecture { space_name, choices } => {
                check_space(space_name, space)?;
                space.network(&space.architecture_from_ops(choices)?)
            }
            Self::Network { network, .. } => Ok(network.clone()),
        }
    }

    /// The file as JSON, in our own forms.
    pub fn to_json(&self) -> String {
        let json = match self {
            Self::Architecture { space_name, choices } => {
                serde_json::to_string_pretty(&ArchitectureForm {
                    format: "architecture".to_owned(),
                    version: VERSION,
                    space: space_name.clone(),
                    choices: choices.clone(),
                })
            }
            Self::Network { name, network } => serde_json::to_string_pretty(&NetworkForm {
                format: "network".to_owned(),
                version: VERSION,
                name: name.clone(),
                blocks: network.blocks().to_vec(),
            }),
        };
        // Plain data has no map with other keys than text, the one thing that fails.
        json.unwrap_or_default() + "\n"
    }
}

fn read<T: for<'de> Deserialize<'de>>(value: Value) -> Result<T, CatalogError> {
    serde_path_to_error::deserialize(value)
        .map_err(|error| FieldError::new(error.path(), &error.inner().to_string()).into())
}

fn check_version(version: u32) -> Result<(), CatalogError> {
    if version == VERSION {
        return Ok(());
    }
    Err(CatalogError::field("version", format!("{version} is not {VERSION}, the one that is read")))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::placed_op::tests::any_placed_op;

    const ARCHITECTURE: &str = r#"{
  "format": "architecture",
  "version": 1,
  "space": "proxyless-small",
  "choices": [
    "mbconv-k3-e6",
    "zero"
  ]
}
"#;

    #[test]
    fn both_of_our_forms_are_read_and_written_the_same() {
        let network = r#"{
  "format": "network",
  "version": 1,
  "name": "two blocks",
  "blocks": [
    "conv-k3-in32x32x3-out16x16x8-s2",
    "zero-in16x16x8-out16x16x8-s1"
  ]
}
"#;
        for text in [ARCHITECTURE, network] {
            assert_eq!(NetworkFile::parse(text).unwrap().to_json(), text);
        }
    }

    #[test]
    fn what_is_none_of_the_forms_is_refused_by_field() {
        for (text, message) in [
            (
                "[]",
                "the document: neither an architecture nor a network (field `format`), nor a net.config of ProxylessNAS (fields `name` and `blocks`)",
            ),
            (
                r#"{"format": "onnx"}"#,
                "format: there is no format \"onnx\"; there are: architecture, network",
            ),
            (
                r#"{"format": "network", "version": 1, "name": "x"}"#,
                "blocks: this field is missing",
            ),
            (
                r#"{"format": "network", "version": 1, "name": "x", "blocks": [], "block": 1}"#,
                "block: there is no such field; there are: `format`, `version`, `name`, `blocks`",
            ),
            (
                r#"{"format": "network", "version": 2, "name": "x", "blocks": []}"#,
                "version: 2 is not 1, the one that is read",
            ),
            (
                r#"{"format": "network", "version": 1, "name": "x", "blocks": []}"#,
                "number of blocks is 0, but must be at least 1",
            ),
            (
                r#"{"format": "architecture", "version": 1, "space": "x", "choices": ["zer"]}"#,
                "choices[0]: `zer` is not an operation: mbconv-k3-e6, mbconv-k5-m120-se-hs, conv-k3, \
                 conv-k1-linear, conv-k1-nobn-hs, depthwise-k3, maxpool-k2, avgpool-k3, \
                 globalpool, classifier, add, identity or zero",
            ),
            (r#"{"name": "PyramidTreeNet", "blocks": []}"#, "not supported yet: PyramidTreeNet"),
        ] {
            assert_eq!(NetworkFile::parse(text).unwrap_err().to_string(), message, "{text}");
        }
        assert!(NetworkFile::parse("{").unwrap_err().to_string().contains("line 1 column 1"));
    }

    proptest! {
        #[test]
        fn a_network_of_any_operation_round_trips(placed in any_placed_op(), name in any::<String>()) {
            let file = NetworkFile::Network { name, network: Network::new(vec![placed]).unwrap() };
            prop_assert_eq!(NetworkFile::parse(&file.to_json()).unwrap(), file);
        }

        #[test]
        fn a_mutated_file_is_read_or_refused_without_panic(
            at in 0..ARCHITECTURE.len(), length in 0_usize..40, insert in "[ -~\n]{0,8}",
        ) {
            let mut text = ARCHITECTURE.to_owned();
            let end = (at + length).min(text.len());
            text.replace_range(at..end, &insert);
            let _read_or_refused = NetworkFile::parse(&text);
        }
    }
}
