//! Resolving turns what a user names, a table, a space or a network, by file or by name, into the thing
//! itself.

use std::error::Error;
use std::fs;
use std::path::Path;

use anyhow::Context;
use latency_tables::{LatencyTable, TableError, file};
use op_catalog::{Network, NetworkFile, SearchSpace, SpaceDefinition, reference};

use crate::hint::WithHint;

/// A network with the name to show for it.
#[derive(Clone, Debug, PartialEq)]
pub struct NamedNetwork {
    /// The name.
    pub name: String,
    /// The network.
    pub network: Network,
}

/// The text of a file.
///
/// # Errors
/// A file that cannot be read.
pub fn text(path: &Path) -> anyhow::Result<String> {
    fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}

/// The table in a file.
///
/// # Errors
/// A file that cannot be read or is none of ours.
pub fn table(path: &Path) -> anyhow::Result<LatencyTable> {
    let is_foreign = |error: &TableError| {
        let source = error.source().and_then(|source| source.downcast_ref::<TableError>());
        matches!(source, Some(TableError::UnknownFormat { .. }))
    };
    match file::read(path) {
        Err(error) if is_foreign(&error) => {
            Err(error).hint("`host table import` turns a published table into a table file")
        }
        result => Ok(result?),
    }
}

/// A space by its built-in name or by the path of a TOML file.
///
/// # Errors
/// Another name, and a file that cannot be read or is wrong.
pub fn space(name_or_path: &str) -> anyhow::Result<SearchSpace> {
    let path = Path::new(name_or_path);
    let is_path = path.extension().is_some_and(|extension| extension == "toml") || path.is_file();
    let definition = if is_path {
        let text =
            fs::read_to_string(path).with_context(|| format!("cannot read {name_or_path}"))?;
        SpaceDefinition::from_toml(&text).with_context(|| format!("cannot read {name_or_path}"))?
    } else {
        SpaceDefinition::built_in(name_or_path).hint("or give the path of a TOML file")?
    };
    definition.build().with_context(|| format!("cannot build the space `{name_or_path}`"))
}

/// The space that the user names, else the one that the table was made for, if any.
///
/// # Errors
/// As [`space`].
pub fn space_for(
    table: &LatencyTable,
    name_or_path: Option<&str>,
) -> anyhow::Result<Option<SearchSpace>> {
    match (name_or_path, table.space()) {
        (Some(name_or_path), _) => space(name_or_path).map(Some),
        (None, Some(definition)) => {
            definition.build().context("cannot build the space of the table").map(Some)
        }
        (None, None) => Ok(None),
    }
}

/// A network by the path of its file or by its name as a reference network. A reference network is
/// built for the images and classes of the space, where there is one.
///
/// # Errors
/// Another name, and a file that cannot be read, is wrong or is of another space.
pub fn network(name_or_path: &str, space: Option<&SearchSpace>) -> anyhow::Result<NamedNetwork> {
    let path = Path::new(name_or_path);
    if path.is_file() || path.extension().is_some_and(|extension| extension == "json") {
        return network_file(path, space);
    }
    let network = match space.map(SearchSpace::definition) {
        Some(definition) => {
            let input = &definition.input;
            let map = op_catalog::FeatureMap::new(input.height, input.width, input.channels)?;
            reference::network_for(name_or_path, map, definition.classes)
        }
        None => reference::network(name_or_path),
    };
    let network = network.hint("or give the path of an architecture, a network or a net.config")?;
    Ok(NamedNetwork { name: name_or_path.to_owned(), network })
}

fn network_file(path: &Path, space: Option<&SearchSpace>) -> anyhow::Result<NamedNetwork> {
    let reading = || format!("cannot read {}", path.display());
    let text = fs::read_to_string(path).with_context(reading)?;
    let file = NetworkFile::parse(&text).with_context(reading)?;
    let network = match (&file, space) {
        (NetworkFile::Network { network, .. }, _) => network.clone(),
        (NetworkFile::Architecture { .. }, Some(space)) => {
            file.network(space).with_context(reading)?
        }
        (NetworkFile::Architecture { space_name, .. }, None) => {
            let space = self::space(space_name).hint(
                "the architecture names a space that is not built in: give its TOML with --space",
            )?;
            file.network(&space).with_context(reading)?
        }
    };
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    Ok(NamedNetwork { name: stem.into_owned(), network })
}

#[cfg(test)]
mod tests {
    use op_catalog::Architecture;

    use super::*;
    use crate::hint;

    #[test]
    fn an_architecture_file_needs_no_space_where_it_names_a_built_in_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("found.json");
        let space = space("proxyless-small").unwrap();
        let architecture = Architecture::new(vec![1; space.edges().count()]);
        fs::write(&path, architecture.to_json(&space).unwrap()).unwrap();
        let found = network(path.to_str().unwrap(), None).unwrap();
        assert_eq!(found.name, "found");
        assert_eq!(found.network, space.network(&architecture).unwrap());
    }

    #[test]
    fn a_file_of_another_format_is_refused_with_the_command_that_reads_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("published.yaml");
        fs::write(&path, "Logits-input:7x7x1280-output:1000: {count: 1, mean: 1.0, var: 0.1}")
            .unwrap();
        let error = table(&path).unwrap_err();
        assert!(hint::of(&error).unwrap().contains("host table import"), "{error:#}");
        let error = table(&folder.path().join("lost.json")).unwrap_err();
        assert_eq!(hint::of(&error), None);
    }

    #[test]
    fn a_reference_network_takes_the_images_and_classes_of_the_space() {
        let space = space("proxyless-small").unwrap();
        let small = network("mobilenet_v2", Some(&space)).unwrap().network;
        assert_eq!((small.input().height(), small.output().channels()), (32, 10));
        let large = network("mobilenet_v2", None).unwrap().network;
        assert_eq!((large.input().height(), large.output().channels()), (224, 1000));
    }

    #[test]
    fn what_is_neither_a_name_nor_a_file_is_refused_with_a_hint() {
        let error = network("mobilenet_v9", None).unwrap_err();
        assert!(
            error.to_string().starts_with("there is no reference network named `mobilenet_v9`")
        );
        assert!(hint::of(&error).unwrap().contains("path"));
        let error = network("lost.json", None).unwrap_err();
        assert!(format!("{error:#}").starts_with("cannot read lost.json: No such file"));
        let error = space("lost.toml").unwrap_err();
        assert!(format!("{error:#}").starts_with("cannot read lost.toml: No such file"));
    }
}
