//! A local agent is one that the host starts on its own machine, for as long as it needs it.

use std::cell::RefCell;
use std::env::consts::EXE_SUFFIX;
use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

use anyhow::{Context, bail};
use op_catalog::wire::Runtime;

use command_line::hint::WithHint;

/// Environment variable with the agent's program.
const AGENT_VARIABLE: &str = "DEVICE_AGENT";

/// A running agent, stopped when dropped. What it has finished lies in its spool.
pub(crate) struct LocalAgent {
    process: RefCell<Child>,
    /// Where it listens.
    pub(crate) url: String,
}

impl LocalAgent {
    /// Starts an agent that has this runtime and keeps its jobs in `spool`.
    pub(crate) fn start(
        program: Option<&Path>,
        runtime: Runtime,
        spool: &Path,
    ) -> anyhow::Result<Self> {
        let program = find(program, runtime)?;
        let mut process = Command::new(&program)
            .args(["serve", "--listen", "127.0.0.1:0", "--exit-with-parent", "--spool"])
            .arg(spool)
            .stdin(Stdio::null())
            // Ctrl-C in a terminal is for the host alone, which then stops the agent in good order.
            .process_group(0)
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("starting {}", program.display()))?;
        let output = process.stdout.take().context("the agent's output")?;
        let mut line = String::new();
        BufReader::new(output).read_line(&mut line).context("reading where the agent listens")?;
        let told: serde_json::Value = serde_json::from_str(&line).unwrap_or_default();
        let Some(address) = told["listening"].as_str() else {
            let _ = process.kill();
            let _ = process.wait();
            bail!("{} did not say where it listens", program.display());
        };
        Ok(Self { url: format!("http://{address}"), process: RefCell::new(process) })
    }

    /// How the agent ended, if it has.
    pub(crate) fn end(&self) -> Option<ExitStatus> {
        self.process.borrow_mut().try_wait().ok().flatten()
    }
}

impl Drop for LocalAgent {
    fn drop(&mut self) {
        let process = self.process.get_mut();
        let _ = process.kill();
        let _ = process.wait();
    }
}

/// The agent's program: the one asked for, the environment's, or the one beside this program that has the
/// runtime.
fn find(asked: Option<&Path>, runtime: Runtime) -> anyhow::Result<PathBuf> {
    let (name, build) = program_with(runtime);
    let from_environment = || std::env::var_os(AGENT_VARIABLE).map(PathBuf::from);
    let beside =
        || Some(std::env::current_exe().ok()?.with_file_name(format!("{name}{EXE_SUFFIX}")));
    let program = asked.map(Path::to_owned).or_else(from_environment).or_else(beside);
    match program {
        Some(program) if program.is_file() => Ok(program),
        program => {
            let place =
                program.map_or_else(|| "beside host".to_owned(), |path| path.display().to_string());
            Err(anyhow::anyhow!("there is no agent to start at {place}")).hint(format!(
                "build it with `{build}`, or name it with --agent-binary or {AGENT_VARIABLE}"
            ))
        }
    }
}

/// The agent's program that has a runtime, and the command that builds it. libtorch is in one of its own, so
/// that no other runtime's measuring child waits for it to be loaded.
fn program_with(runtime: Runtime) -> (&'static str, &'static str) {
    match runtime {
        Runtime::Tract | Runtime::Mock => ("device_agent", "cargo build --package device_agent"),
        Runtime::Torch | Runtime::TorchEager | Runtime::TorchCuda => (
            "device_agent_torch",
            "cargo xtask setup && cargo build --package device_agent --features torch",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use command_line::hint;

    #[test]
    fn a_program_that_is_not_there_is_refused_by_name_with_the_command_that_builds_it() {
        let missing = Path::new("/nowhere/device_agent_torch");
        let error = find(Some(missing), Runtime::Torch).unwrap_err();
        assert_eq!(error.to_string(), "there is no agent to start at /nowhere/device_agent_torch");
        assert_eq!(
            hint::of(&error),
            Some(
                "build it with `cargo xtask setup && cargo build --package device_agent --features \
                 torch`, or name it with --agent-binary or DEVICE_AGENT"
            )
        );
    }
}
