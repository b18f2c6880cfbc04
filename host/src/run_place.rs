//! A run's place is the folder that a command makes for its run, or that of the run with which it goes on.

use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;
use runs::RunFolder;

/// The arguments that every command with a run takes.
#[derive(Args, Debug)]
pub(crate) struct RunPlace {
    /// Settings; what is said on the command line comes first
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// The folder that the run makes
    #[arg(long, value_name = "FOLDER", required_unless_present = "resume")]
    out: Option<PathBuf>,
    /// Go on with the run of this folder; settings are those that it has
    #[arg(long, value_name = "FOLDER", exclusive = true)]
    resume: Option<PathBuf>,
}

impl RunPlace {
    /// The folder of the run: one that is there already, or a new one that `prepare` has made.
    pub(crate) fn folder(
        &self,
        prepare: impl FnOnce(&Path) -> anyhow::Result<()>,
    ) -> anyhow::Result<&Path> {
        if let Some(root) = &self.resume {
            RunFolder::read(root)?;
            return Ok(root);
        }
        let root = self.out.as_deref().context("there is no folder for the run")?;
        prepare(root)?;
        Ok(root)
    }
}
