//! The trainer is the program that runs libtorch. `host` hands its own command line to it where a command needs
//! libtorch, so that no other command waits for libtorch to be loaded.

use std::env::consts::EXE_SUFFIX;
use std::ffi::{OsStr, OsString};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::Context;
use clap::Args;
use runs::ExecutionName;

use command_line::hint::WithHint;

/// Environment variable with the trainer's program.
const TRAINER_VARIABLE: &str = "HOST_TRAINER";

/// Tells a trainer that is asked for something not to outlive the one that asked.
const WITH_PARENT: &str = "--exit-with-parent";

/// Arguments that the trainer reads, `--help` among them.
#[derive(Debug, Args)]
#[command(disable_help_flag = true)]
pub(crate) struct TrainerArgs {
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, hide = true)]
    arguments: Vec<OsString>,
}

impl TrainerArgs {
    /// The arguments.
    pub(crate) fn arguments(&self) -> impl Iterator<Item = &OsStr> {
        self.arguments.iter().map(OsString::as_os_str)
    }
}

/// Becomes the trainer with one of its commands. Returns only where that fails.
pub(crate) fn become_it<'a>(
    command: &str,
    arguments: impl IntoIterator<Item = &'a OsStr>,
) -> anyhow::Error {
    let program = match find(std::env::var_os(TRAINER_VARIABLE)) {
        Ok(program) => program,
        Err(error) => return error,
    };
    let error = Command::new(&program).arg(command).args(arguments).exec();
    anyhow::Error::new(error).context(format!("cannot start {}", program.display()))
}

/// What the trainer says on stdout to one of its commands, once that has ended. What it says to people, they read.
pub(crate) fn answer(command: &str, arguments: &[OsString]) -> anyhow::Result<Vec<u8>> {
    let program = find(std::env::var_os(TRAINER_VARIABLE))?;
    let mut asked = Command::new(&program);
    asked.arg(command).args(arguments).arg(WITH_PARENT).stderr(Stdio::inherit());
    let output = asked.output().with_context(|| format!("cannot start {}", program.display()))?;
    anyhow::ensure!(
        output.status.success(),
        "the trainer's `{command}` has failed, as it says above"
    );
    Ok(output.stdout)
}

/// The trainer with one of its commands, still to be started. It ends with the thread that starts it.
pub(crate) fn command(command: &str, arguments: &[&OsStr]) -> anyhow::Result<Command> {
    let mut asked = Command::new(find(std::env::var_os(TRAINER_VARIABLE))?);
    asked.arg(command).args(arguments).arg(WITH_PARENT).stdin(Stdio::null());
    Ok(asked)
}

/// Asks the trainer whether this machine has what an execution needs, where some machines have not.
///
/// # Errors
/// What the trainer says to people.
pub(crate) fn ensure_has(execution: ExecutionName) -> anyhow::Result<()> {
    if execution.needs_gpu() {
        answer("execution", &[execution.to_string().into()])?;
    }
    Ok(())
}

/// The program that the environment names, or the one beside this program.
fn find(named: Option<OsString>) -> anyhow::Result<PathBuf> {
    let beside = || {
        let here = std::env::current_exe().unwrap_or_default();
        here.with_file_name(format!("trainer{EXE_SUFFIX}"))
    };
    let program = named.map_or_else(beside, PathBuf::from);
    if program.is_file() {
        return Ok(program);
    }
    Err(anyhow::anyhow!("there is no trainer at {}", program.display())).hint(format!(
        "build it with `cargo xtask setup && cargo build --package trainer`, or name it with {TRAINER_VARIABLE}"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use command_line::hint;

    #[test]
    fn a_trainer_that_is_not_there_is_refused_by_name_with_the_command_that_builds_it() {
        let error = find(Some("/nowhere/trainer".into())).unwrap_err();
        assert_eq!(error.to_string(), "there is no trainer at /nowhere/trainer");
        assert!(hint::of(&error).unwrap().contains("cargo build --package trainer"));
    }
}
