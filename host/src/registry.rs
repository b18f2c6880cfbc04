//! The registry is the user's list of devices: a name, an address, and where the token lies.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use latency_tables::file;
use serde::{Deserialize, Serialize};

use crate::connection::LOCAL;
use command_line::hint::WithHint;

/// The file's name, in the working folder or in the user's config folder.
const FILE: &str = "devices.toml";

/// A file of devices.
pub(crate) struct Registry {
    /// Where it lies.
    pub(crate) path: PathBuf,
    content: Content,
}

#[derive(Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Content {
    #[serde(default)]
    devices: BTreeMap<String, Device>,
}

/// A device.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Device {
    /// Address of its agent, `http://HOST:PORT`.
    pub(crate) url: String,
    /// File with the token that its agent demands.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) token_file: Option<PathBuf>,
}

impl Registry {
    /// The registry that was named, else the one in the working folder, else the user's own. One that is
    /// not there yet is empty.
    pub(crate) fn find(named: Option<&Path>) -> anyhow::Result<Self> {
        let users = dirs::config_dir().map(|folder| folder.join("proxyless").join(FILE));
        let here = PathBuf::from(FILE);
        let path = match (named, users) {
            (Some(named), _) => named.to_owned(),
            (None, Some(users)) if !here.exists() => users,
            _ => here,
        };
        let content = if path.exists() {
            let text =
                fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
            parse(&text).with_context(|| format!("reading {}", path.display()))?
        } else {
            Content::default()
        };
        Ok(Self { path, content })
    }

    /// All devices by name.
    pub(crate) fn devices(&self) -> &BTreeMap<String, Device> {
        &self.content.devices
    }

    /// A device.
    pub(crate) fn device(&self, name: &str) -> anyhow::Result<Device> {
        let names: Vec<&str> =
            self.content.devices.keys().map(String::as_str).chain([LOCAL]).collect();
        let found = self.content.devices.get(name).cloned();
        found
            .with_context(|| format!("there is no device `{name}` in {}", self.path.display()))
            .hint(format!(
                "there are: {}; `host devices add NAME URL` makes one known",
                names.join(", ")
            ))
    }

    /// Adds a device, or changes one.
    pub(crate) fn add(&mut self, name: &str, device: Device) -> anyhow::Result<()> {
        let is_name = !name.is_empty()
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
        ensure!(is_name, "`{name}` is not a name: letters, digits, - _ . only");
        ensure!(name != LOCAL, "`{LOCAL}` is this machine and needs no entry");
        let address = reqwest::Url::parse(&device.url)
            .with_context(|| format!("`{}` is not an address", device.url))?;
        ensure!(
            address.scheme() == "http" && address.has_host(),
            "`{}` is not an address of the form http://HOST:PORT",
            device.url
        );
        self.content.devices.insert(name.to_owned(), device);
        self.write()
    }

    /// Removes a device.
    pub(crate) fn remove(&mut self, name: &str) -> anyhow::Result<()> {
        self.device(name)?;
        self.content.devices.remove(name);
        self.write()
    }

    fn write(&self) -> anyhow::Result<()> {
        if let Some(folder) = self.path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))?;
        }
        file::write_text(&self.path, &toml::to_string_pretty(&self.content)?)?;
        Ok(())
    }
}

impl Device {
    /// The token that the agent demands, if it does.
    pub(crate) fn token(&self) -> anyhow::Result<Option<String>> {
        let Some(path) = &self.token_file else { return Ok(None) };
        let text = fs::read_to_string(path)
            .with_context(|| format!("reading the token {}", path.display()))?;
        Ok(Some(text.trim().to_owned()))
    }
}

fn parse(text: &str) -> anyhow::Result<Content> {
    toml::from_str(text).map_err(|error| {
        let before = &text[..error.span().map_or(0, |span| span.start.min(text.len()))];
        let line = before.matches('\n').count() + 1;
        anyhow::anyhow!("line {line}: {}", error.message())
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_mutated_list_is_read_or_refused_by_line_without_panic(
            at in 0_usize..80, length in 0_usize..20, insert in "[ -~\n]{0,8}",
        ) {
            let mut text = "[devices.pixel1]\nurl = \"http://10.0.0.7:7890\"\ntoken_file = \"t\"\n".to_owned();
            let start = at.min(text.len());
            text.replace_range(start..(start + length).min(text.len()), &insert);
            match parse(&text) {
                Ok(content) => {
                    let written = toml::to_string_pretty(&content).unwrap();
                    prop_assert_eq!(parse(&written).unwrap().devices, content.devices);
                }
                Err(error) => prop_assert!(error.to_string().starts_with("line "), "{}", error),
            }
        }
    }

    #[test]
    fn devices_survive_in_the_file_and_wrong_ones_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep").join("devices.toml");
        let mut registry = Registry::find(Some(&path)).unwrap();
        let device =
            Device { url: "http://10.0.0.7:7890".to_owned(), token_file: Some("token".into()) };
        registry.add("pixel1", device.clone()).unwrap();
        for (name, url, complaint) in [
            ("local", "http://a:1", "needs no entry"),
            ("two words", "http://a:1", "is not a name"),
            ("board", "a:1", "is not an address"),
            ("board", "ftp://a", "is not an address"),
        ] {
            let error =
                registry.add(name, Device { url: url.to_owned(), token_file: None }).unwrap_err();
            assert!(error.to_string().contains(complaint), "{name} {url}: {error}");
        }
        let read = Registry::find(Some(&path)).unwrap();
        assert_eq!(read.devices().iter().collect::<Vec<_>>(), [(&"pixel1".to_owned(), &device)]);
        assert!(
            read.device("pixel2").unwrap_err().to_string().contains("there is no device `pixel2`")
        );
        fs::write(&path, "[devices.a]\nurl = \"http://a\"\ncolour = 1").unwrap();
        assert!(
            format!("{:#}", Registry::find(Some(&path)).err().unwrap())
                .contains("line 3: unknown field `colour`")
        );
    }
}
