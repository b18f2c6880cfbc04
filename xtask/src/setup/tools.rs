//! Tools are the programs that the setup needs, and the room.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, anyhow, bail, ensure};

const PROBE: &str = include_str!("probe.py");

/// Room for what is downloaded and for what is unpacked of it, in bytes.
const ROOM: u64 = 1_200_000_000;

/// The programs, by the names that they are started by.
#[derive(Clone, Debug)]
pub(crate) struct Tools {
    /// Downloads and unpacks.
    pub(crate) python: String,
    /// Links.
    pub(crate) c_compiler: String,
    /// Compiles the bindings of libtorch, later.
    pub(crate) cpp_compiler: String,
}

impl Default for Tools {
    fn default() -> Self {
        let [python, c_compiler, cpp_compiler] = ["python3", "cc", "c++"].map(str::to_owned);
        Self { python, c_compiler, cpp_compiler }
    }
}

impl Tools {
    /// Refuses a machine where something is missing, before anything is downloaded.
    ///
    /// # Errors
    /// What is missing, with the next step.
    pub(crate) fn check(&self, folder: &Path) -> anyhow::Result<()> {
        ensure!(
            cfg!(all(target_os = "linux", target_arch = "x86_64")),
            "the setup knows libtorch for Linux on x86_64 alone; name a libtorch 2.13.0 of your own with \
             LIBTORCH=FOLDER, or Python's with LIBTORCH_USE_PYTORCH=1"
        );
        self.check_python(folder)?;
        for compiler in [&self.c_compiler, &self.cpp_compiler] {
            let version = Command::new(compiler).arg("--version").output();
            let starts = version.is_ok_and(|output| output.status.success());
            ensure!(
                starts,
                "`{compiler}` does not start: install a C and a C++ compiler (Debian: build-essential), and \
                 run `cargo xtask setup` again"
            );
        }
        Ok(())
    }

    fn check_python(&self, folder: &Path) -> anyhow::Result<()> {
        let python = &self.python;
        let again = "and run `cargo xtask setup` again";
        let output = Command::new(python).args(["-c", PROBE]).arg(folder).output();
        let output = output.with_context(|| {
            format!("`{python}` does not start: install Python 3 with pip, {again}")
        })?;
        let told = String::from_utf8_lossy(&output.stdout);
        let (free, pip) = told
            .split_once('\n')
            .and_then(|(free, pip)| Some((free.parse::<u64>().ok()?, pip.trim())))
            .ok_or_else(|| {
                let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
                anyhow!("`{python}` does not work: {said}")
            })?;
        if pip != "pip" {
            bail!("`{python}` has no pip: install it (Debian: python3-pip), {again}");
        }
        ensure!(
            free >= ROOM,
            "{} has {} MB left, and libtorch needs {} MB while it is unpacked: make room, {again}",
            folder.display(),
            free / 1_000_000,
            ROOM / 1_000_000
        );
        Ok(())
    }
}
