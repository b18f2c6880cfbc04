//! Fashion-MNIST is a data set to train on, of clothes; it is brought from Debian's package of it, into the folder
//! `.data/fashion-mnist` of the workspace.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, ensure};
use sha2::{Digest, Sha256};

use super::remove;
use crate::process::{run, say};

const PACKAGE: &str = "dataset-fashion-mnist";
/// Where it lies, below the root of the workspace; the tests of `datasets` look there.
pub(super) const FOLDER: &str = ".data/fashion-mnist";
/// Where it is made.
const WORKSHOP: &str = ".data/fashion-mnist.new";
/// Where the package has it.
const UNPACKED: &str = "usr/share/datasets/fashion-mnist";

/// The files, with their SHA-256: `sha256sum` of version 0.0~git20200523.55506a9-1.
const FILES: [File; 4] = [
    File {
        name: "t10k-images-idx3-ubyte.gz",
        sha256: "cc1d090a38ace84dfa1aa66e3ada7c336ef481a96936906477e6dd344da56eaa",
    },
    File {
        name: "t10k-labels-idx1-ubyte.gz",
        sha256: "8d3605d196f4be44669e46906da9733c8131fef761fdbfec72c424d5222f1a05",
    },
    File {
        name: "train-images-idx3-ubyte.gz",
        sha256: "b0564c3eedabfbf835052cff8503ea422014ce006caf5b757f851416ee8300c7",
    },
    File {
        name: "train-labels-idx1-ubyte.gz",
        sha256: "0ae29f65d86684f32d1b9c85147786c547b9c6aebcaf235f0400a0cce308b056",
    },
];

/// A file by which the set is known.
#[derive(Clone, Copy, Debug)]
struct File {
    name: &'static str,
    sha256: &'static str,
}

/// The programs that it takes, by the names that they are started by.
#[derive(Clone, Debug)]
pub(crate) struct Programs {
    /// Downloads a package, as any user.
    apt_get: String,
    /// Unpacks it, as any user.
    dpkg_deb: String,
}

impl Default for Programs {
    fn default() -> Self {
        let [apt_get, dpkg_deb] = ["apt-get", "dpkg-deb"].map(str::to_owned);
        Self { apt_get, dpkg_deb }
    }
}

/// Brings it, unless it is there, or says why it is missing and what to do: nothing else here needs it.
pub(crate) fn bring_or_say(root: &Path, programs: &Programs) {
    if let Err(error) = bring(root, programs, &FILES) {
        say(&format!(
            "Fashion-MNIST is missing, which only its tests and trainings need: {error:#}"
        ));
    }
}

fn bring(root: &Path, programs: &Programs, files: &[File]) -> anyhow::Result<()> {
    let folder = root.join(FOLDER);
    // It got its name when all was there.
    if folder.exists() {
        return Ok(());
    }
    programs.check(&folder)?;
    let workshop = root.join(WORKSHOP);
    remove(&workshop)?;
    fs::create_dir_all(&workshop).with_context(|| format!("creating {}", workshop.display()))?;
    say("downloading Fashion-MNIST, 31 MB");
    let made = make(&workshop, programs, files);
    let moved = made.and_then(|made| {
        fs::rename(&made, &folder).with_context(|| format!("moving it to {}", folder.display()))
    });
    remove(&workshop)?;
    moved?;
    say(&format!("Fashion-MNIST is in {}", folder.display()));
    Ok(())
}

/// Downloads, unpacks and compares; gives the folder with the files.
fn make(workshop: &Path, programs: &Programs, files: &[File]) -> anyhow::Result<PathBuf> {
    let mut download = Command::new(&programs.apt_get);
    run(download.args(["--quiet", "download", PACKAGE]).current_dir(workshop)).context(
        "downloading it; where apt does not know the package, update its lists with `apt-get update` \
         as root, and run `cargo xtask setup` again",
    )?;
    let unpacked = workshop.join("unpacked");
    let mut unpack = Command::new(&programs.dpkg_deb);
    run(unpack.arg("-x").arg(package(workshop)?).arg(&unpacked)).context("unpacking it")?;
    let made = unpacked.join(UNPACKED);
    for file in files {
        check(&made, *file)?;
    }
    Ok(made)
}

/// The package that was downloaded.
fn package(workshop: &Path) -> anyhow::Result<PathBuf> {
    let entries = fs::read_dir(workshop).context("reading what was downloaded")?;
    let mut paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    let is_package = |path: &PathBuf| path.extension().is_some_and(|end| end == "deb");
    paths.find(is_package).context("apt downloaded no package")
}

fn check(folder: &Path, file: File) -> anyhow::Result<()> {
    let path = folder.join(file.name);
    let content = fs::read(&path).with_context(|| format!("reading {}", path.display()))?;
    let digest = Sha256::digest(&content);
    let digits: Vec<String> = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    let found = digits.concat();
    ensure!(
        found == file.sha256,
        "{} of the package is not the file that is known: its SHA-256 is {found} and not {}",
        file.name,
        file.sha256
    );
    Ok(())
}

impl Programs {
    /// Refuses a machine that has no such packages, before anything is downloaded.
    fn check(&self, folder: &Path) -> anyhow::Result<()> {
        for program in [&self.apt_get, &self.dpkg_deb] {
            let mut command = Command::new(program);
            let started =
                command.arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
            ensure!(
                started.is_ok_and(|status| status.success()),
                "`{program}` does not start, and Fashion-MNIST is brought from Debian's package {PACKAGE}: \
                 put its four files, {} and so on, into {} yourself",
                FILES[0].name,
                folder.display()
            );
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
