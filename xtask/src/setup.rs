//! The setup is what brings libtorch: the CPU's part of it from the Python package index, in the folder
//! `.libtorch` of the workspace, or whatever the user's own environment names instead; and a data set.

mod fashion_mnist;
mod tools;

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail, ensure};

use crate::process::{root, run, say};
use fashion_mnist::Programs;
use tools::Tools;

/// The libtorch that the Rust bindings in Cargo.toml are made for.
const VERSION: &str = "2.13.0";
/// Where it lies, below the root of the workspace; `.cargo/config.toml` names it too.
const FOLDER: &str = ".libtorch";
/// Where it is made. What was downloaded stays there until all is done.
const WORKSHOP: &str = ".libtorch.new";
/// What is downloaded, with its hashes, in the form of pip's requirement files.
const WHEELS: &str = include_str!("setup/wheels.txt");
const UNPACK: &str = include_str!("setup/unpack.py");
/// What is taken out of the wheels: 490 MB of 2 GB. `libtorch_cpu` looks for NVIDIA's where they are.
const PARTS: [&str; 6] = [
    "torch/include/",
    "torch/lib/libc10.so",
    "torch/lib/libgomp.so.1",
    "torch/lib/libtorch_cpu.so",
    "nvidia/cu13/lib/libcudart.so.13",
    "nvidia/cu13/lib/libcupti.so.13",
];

/// Where libtorch is taken from.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Source {
    /// From the folder of the workspace, where the setup puts it.
    Workspace,
    /// From a folder that the user names.
    Folder(PathBuf),
    /// From the user's Python, which torch-sys asks.
    Python,
}

/// Sees to it that there is a libtorch to build with, and, where apt has it, a data set to train on.
///
/// # Errors
/// As [`ensure_libtorch`]. A data set that is missing is none.
pub(crate) fn ensure_all() -> anyhow::Result<()> {
    ensure_libtorch()?;
    fashion_mnist::bring_or_say(root(), &Programs::default());
    Ok(())
}

/// The folder of Fashion-MNIST, brought where it can be; none where it cannot, which is said.
pub(crate) fn fashion_mnist_images() -> Option<PathBuf> {
    fashion_mnist::bring_or_say(root(), &Programs::default());
    let folder = root().join(fashion_mnist::FOLDER);
    folder.is_dir().then_some(folder)
}

/// Sees to it that there is a libtorch to build with.
///
/// # Errors
/// A libtorch of the user's own that is none, and whatever stands in the way of bringing one, with the next
/// step.
pub(crate) fn ensure_libtorch() -> anyhow::Result<()> {
    let [folder, python] = ["LIBTORCH", "LIBTORCH_USE_PYTORCH"].map(std::env::var_os);
    match Source::of(root(), folder.as_deref(), python.as_deref()) {
        Source::Workspace => bring(root(), &Tools::default()),
        Source::Folder(folder) => check(&folder).context("the libtorch that LIBTORCH names"),
        Source::Python => Ok(()),
    }
}

impl Source {
    /// The source that the environment asks for. Cargo sets LIBTORCH to the folder of the workspace where the
    /// user has not set it.
    fn of(root: &Path, folder: Option<&OsStr>, python: Option<&OsStr>) -> Self {
        let ours = root.join(FOLDER).join("torch");
        match (folder.map(Path::new), python) {
            (_, Some(_)) => Self::Python,
            (Some(folder), None) if folder != ours => Self::Folder(folder.to_owned()),
            _ => Self::Workspace,
        }
    }
}

/// Refuses a folder that is no libtorch, or another one than the bindings are made for.
fn check(folder: &Path) -> anyhow::Result<()> {
    for part in ["include/ATen/ATen.h", "lib"] {
        let path = folder.join(part);
        ensure!(path.exists(), "{} is not there", path.display());
    }
    match fs::read_to_string(folder.join("build-version")) {
        // A nightly or a build for another device is `2.13.0+cpu` and the like.
        Ok(found) if !found.trim().starts_with(VERSION) => {
            bail!("it is {} and not {VERSION}", found.trim())
        }
        // A Python package has no such file; its version is the user's affair.
        _ => Ok(()),
    }
}

/// Brings libtorch to the folder of the workspace, unless it is there.
fn bring(root: &Path, tools: &Tools) -> anyhow::Result<()> {
    let (folder, workshop) = (root.join(FOLDER), root.join(WORKSHOP));
    if is_there(&folder) {
        return Ok(());
    }
    tools.check(root)?;
    let wheels = workshop.join("wheels");
    fs::create_dir_all(&wheels).with_context(|| format!("making {}", wheels.display()))?;
    say(&format!("downloading libtorch {VERSION} for the CPU (540 MB)"));
    download(&wheels, tools)?;
    let made = workshop.join("made");
    remove(&made)?;
    unpack(&wheels, &made, tools)?;
    finish(&made.join("torch"), tools)?;
    remove(&folder)?;
    fs::rename(&made, &folder).with_context(|| format!("moving it to {}", folder.display()))?;
    remove(&workshop)?;
    say(&format!("libtorch is in {}", folder.display()));
    Ok(())
}

/// Whether all of it is there: the version is written last, and the folder gets its name after that.
fn is_there(folder: &Path) -> bool {
    let version = fs::read_to_string(folder.join("torch/build-version"));
    version.is_ok_and(|found| found == VERSION)
}

/// What is there already is compared with its hash and kept.
fn download(wheels: &Path, tools: &Tools) -> anyhow::Result<()> {
    let list = wheels.with_file_name("wheels.txt");
    fs::write(&list, WHEELS).with_context(|| format!("writing {}", list.display()))?;
    let mut pip = Command::new(&tools.python);
    pip.args(["-m", "pip", "download", "--no-deps", "--require-hashes", "--only-binary=:all:"]);
    pip.args(["--python-version", "3.11", "--implementation", "cp"]);
    pip.arg("--requirement").arg(&list).arg("--dest").arg(wheels);
    run(&mut pip).context(
        "downloading libtorch; `cargo xtask setup` goes on with what is there already, and LIBTORCH=FOLDER \
         names a libtorch 2.13.0 of your own instead",
    )
}

fn unpack(wheels: &Path, made: &Path, tools: &Tools) -> anyhow::Result<()> {
    let mut python = Command::new(&tools.python);
    python.args(["-c", UNPACK]).args([wheels, made]).args(PARTS);
    run(&mut python).context("unpacking libtorch")?;
    for part in PARTS {
        let path = made.join(part);
        ensure!(path.exists(), "{part} is in none of the packages");
    }
    Ok(())
}

/// Makes what the linker asks for besides, and the version as the last thing. The package's own libtorch.so is
/// an empty library that needs the GPU's part.
fn finish(torch: &Path, tools: &Tools) -> anyhow::Result<()> {
    let library = torch.join("lib");
    let mut compiler = Command::new(&tools.c_compiler);
    compiler.args(["-shared", "-x", "c", "/dev/null", "-o"]).arg(library.join("libtorch.so"));
    compiler.args(["-Wl,-soname,libtorch.so", "-Wl,--no-as-needed", "-Wl,-rpath,$ORIGIN"]);
    compiler.arg("-Wl,--unresolved-symbols=ignore-in-shared-libs");
    compiler.arg("-L").arg(&library).arg("-l:libtorch_cpu.so");
    run(&mut compiler).context("linking an empty libtorch.so")?;
    fs::write(torch.join("build-version"), VERSION).context("writing the version")
}

fn remove(folder: &Path) -> anyhow::Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder).with_context(|| format!("removing {}", folder.display()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
