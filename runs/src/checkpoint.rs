//! A checkpoint is the state of a run at one step: a folder of files that is whole or not there.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Read};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// How many are kept: where the last is damaged, the one before it is there.
const KEPT: usize = 2;

/// Name of the file that says what else belongs to a checkpoint.
const MANIFEST: &str = "manifest.json";

/// The checkpoints of a run.
#[derive(Debug)]
pub struct Checkpoints {
    root: PathBuf,
}

/// What a checkpoint is made of.
#[derive(Debug, Serialize, Deserialize)]
struct Manifest {
    /// SHA-256 of every file, in hexadecimal.
    files: BTreeMap<String, String>,
}

/// A checkpoint that is whole.
#[derive(Debug)]
pub struct Found {
    /// The step that it was made after.
    pub step: u64,
    /// Where its files are.
    pub folder: PathBuf,
    /// What was wrong with later ones, in words.
    pub damaged: Vec<String>,
}

impl Checkpoints {
    /// Those in a folder, which need not be there yet.
    pub fn new(root: PathBuf) -> Self {
        Self { root }
    }

    /// Makes a checkpoint of the files that `write` puts into a folder. Not before all of them are on the
    /// disk does it take its place among the others, and not before that does the oldest go.
    ///
    /// # Errors
    /// What `write` says, and a disk that says no. The checkpoints are as they were.
    pub fn save(
        &self,
        step: u64,
        write: impl FnOnce(&Path) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let (half, whole) = (self.root.join(format!(".{step}")), self.root.join(step.to_string()));
        let saving = || format!("cannot save the checkpoint {}", whole.display());
        remove(&half).and_then(|()| fs::create_dir_all(&half)).with_context(saving)?;
        let written = write(&half).and_then(|()| Ok(seal(&half)?));
        if let Err(error) = written {
            // What is left would only take room.
            let _ = remove(&half);
            return Err(error).with_context(saving);
        }
        remove(&whole).and_then(|()| fs::rename(&half, &whole)).with_context(saving)?;
        sync(&self.root).with_context(saving)?;
        let steps = self.steps()?;
        for step in &steps[..steps.len().saturating_sub(KEPT)] {
            remove(&self.root.join(step.to_string())).with_context(saving)?;
        }
        Ok(())
    }

    /// The latest that is whole; none where there is none at all.
    ///
    /// # Errors
    /// Checkpoints of which all are damaged.
    pub fn latest(&self) -> anyhow::Result<Option<Found>> {
        let mut damaged = Vec::new();
        for step in self.steps()?.into_iter().rev() {
            let folder = self.root.join(step.to_string());
            match check(&folder) {
                Ok(()) => return Ok(Some(Found { step, folder, damaged })),
                Err(error) => damaged.push(format!("{error:#}")),
            }
        }
        if damaged.is_empty() {
            return Ok(None);
        }
        bail!("no checkpoint is whole: {}", damaged.join("; "));
    }

    /// The steps that there are checkpoints of, the earliest first.
    fn steps(&self) -> anyhow::Result<Vec<u64>> {
        let entries = match fs::read_dir(&self.root) {
            Ok(entries) => entries,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => {
                return Err(error).with_context(|| format!("cannot read {}", self.root.display()));
            }
        };
        let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        let mut steps: Vec<u64> = names.filter_map(|name| name.parse().ok()).collect();
        steps.sort_unstable();
        Ok(steps)
    }
}

/// Writes the manifest of a folder, and has the disk take all of it.
fn seal(folder: &Path) -> io::Result<()> {
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        files.insert(entry.file_name().to_string_lossy().into_owned(), digest(&entry.path())?);
        File::open(entry.path())?.sync_all()?;
    }
    let path = folder.join(MANIFEST);
    fs::write(&path, serde_json::to_string_pretty(&Manifest { files })?)?;
    File::open(path)?.sync_all()?;
    sync(folder)
}

/// Refuses a checkpoint that is not as it was written.
fn check(folder: &Path) -> anyhow::Result<()> {
    let path = folder.join(MANIFEST);
    let text =
        fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let manifest: Manifest =
        serde_json::from_str(&text).with_context(|| format!("{} is damaged", path.display()))?;
    for (name, expected) in manifest.files {
        let path = folder.join(name);
        let found = digest(&path).with_context(|| format!("cannot read {}", path.display()))?;
        ensure!(
            found == expected,
            "{} is damaged: its SHA-256 is not that of its manifest",
            path.display()
        );
    }
    Ok(())
}

fn digest(path: &Path) -> io::Result<String> {
    let mut hasher = Sha256::new();
    let mut file = File::open(path)?;
    let mut part = vec![0; 1 << 16];
    loop {
        match file.read(&mut part)? {
            0 => break,
            length => hasher.update(&part[..length]),
        }
    }
    let mut text = String::new();
    for byte in hasher.finalize() {
        // Writing to a text does not fail.
        let _ = write!(text, "{byte:02x}");
    }
    Ok(text)
}

fn sync(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

fn remove(folder: &Path) -> io::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn save(checkpoints: &Checkpoints, step: u64) {
        let write = |folder: &Path| Ok(fs::write(folder.join("state.json"), step.to_string())?);
        checkpoints.save(step, write).unwrap();
    }

    fn state(found: &Found) -> String {
        fs::read_to_string(found.folder.join("state.json")).unwrap()
    }

    #[test]
    fn the_last_two_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        let checkpoints = Checkpoints::new(folder.path().join("checkpoints"));
        assert!(checkpoints.latest().unwrap().is_none());
        for step in [5, 9, 10, 200] {
            save(&checkpoints, step);
        }
        assert_eq!(checkpoints.steps().unwrap(), [10, 200]);
        let found = checkpoints.latest().unwrap().unwrap();
        assert_eq!((found.step, state(&found), found.damaged.len()), (200, "200".to_owned(), 0));
    }

    #[test]
    fn a_damaged_one_is_passed_over_and_named() {
        let folder = tempfile::tempdir().unwrap();
        let checkpoints = Checkpoints::new(folder.path().to_owned());
        save(&checkpoints, 1);
        save(&checkpoints, 2);
        fs::write(folder.path().join("2/state.json"), "3").unwrap();
        let found = checkpoints.latest().unwrap().unwrap();
        assert_eq!((found.step, state(&found)), (1, "1".to_owned()));
        assert!(found.damaged[0].contains("2/state.json is damaged"), "{:?}", found.damaged);
        fs::write(folder.path().join("1/manifest.json"), "{").unwrap();
        let error = checkpoints.latest().unwrap_err().to_string();
        assert!(error.contains("no checkpoint is whole") && error.contains("1/manifest.json"));
    }

    #[test]
    fn one_that_could_not_be_written_leaves_the_others_and_nothing_half() {
        let folder = tempfile::tempdir().unwrap();
        let checkpoints = Checkpoints::new(folder.path().to_owned());
        save(&checkpoints, 1);
        let full = |folder: &Path| {
            fs::write(folder.join("state.json"), "4")?;
            bail!("the disk is full")
        };
        let error = checkpoints.save(4, full).unwrap_err();
        assert!(format!("{error:#}").ends_with("the disk is full"), "{error:#}");
        assert_eq!(checkpoints.latest().unwrap().unwrap().step, 1);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
