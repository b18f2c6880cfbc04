//! Settings are read from TOML: a run's own, and a user's file with what the command line says laid over it.

use std::fs;
use std::path::Path;

use anyhow::Context;
use command_line::hint::WithHint;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// The settings in a file.
pub(crate) fn read<T: DeserializeOwned>(path: &Path) -> anyhow::Result<T> {
    let cannot = || format!("cannot read {}", path.display());
    toml::from_str(&fs::read_to_string(path).with_context(cannot)?).with_context(cannot)
}

/// The options in a file, and in their place those that are said.
pub(crate) fn overlaid<T: Serialize + DeserializeOwned>(
    said: T,
    path: &Path,
    command: &str,
) -> anyhow::Result<T> {
    // As the options, so that a key that is none is refused by its line.
    let file: T = read(path).hint(format!(
        "its keys are the options of `{command} --help`, with _ for -, and `recipe` (docs/data.md)"
    ))?;
    let mut table = toml::Table::try_from(file)?;
    table.extend(toml::Table::try_from(said)?);
    Ok(table.try_into()?)
}
