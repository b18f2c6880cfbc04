//! A child is the agent's end of a worker process: it is asked and answers, or dies, or falls silent
//! and is killed.

use std::os::unix::process::ExitStatusExt;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use nix::sys::signal::Signal;
use op_catalog::wire::row::FailureKind;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{ChildStdin, ChildStdout, Command as Process};
use tokio::task::JoinHandle;

use crate::worker::{Command, Orders, Reply};

/// How much of a dead child's last words are kept, in bytes.
const LAST_WORDS: usize = 2000;

/// A running worker.
pub(crate) struct Child {
    process: tokio::process::Child,
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
    errors: JoinHandle<String>,
    watchdog: Duration,
    /// Whether it runs on the cores that it was told.
    pub(crate) pinned: bool,
}

/// Why a child gave no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub(crate) struct ChildLost {
    pub(crate) kind: FailureKind,
    pub(crate) message: String,
}

impl Child {
    /// Starts a worker and gives it its orders.
    ///
    /// # Errors
    /// A process that cannot be started or does not get ready.
    pub(crate) async fn start(orders: &Orders) -> Result<Self, ChildLost> {
        let lost = |what: &str, error: std::io::Error| ChildLost {
            kind: FailureKind::ChildDied,
            message: format!("{what}: {error}"),
        };
        let mut process = Process::new(own_executable())
            .arg("worker")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| lost("starting the measuring child", error))?;
        let no_pipe =
            || lost("starting the measuring child", std::io::ErrorKind::BrokenPipe.into());
        let input = process.stdin.take().ok_or_else(no_pipe)?;
        let output = process.stdout.take().ok_or_else(no_pipe)?;
        let mut stderr = process.stderr.take().ok_or_else(no_pipe)?;
        let errors = tokio::spawn(async move { last_words(&mut stderr).await });
        let output = BufReader::new(output).lines();
        let watchdog = Duration::from_secs_f64(orders.protocol.watchdog.0 / 1e3);
        let mut child = Self { process, input, output, errors, watchdog, pinned: false };
        match child.exchange(orders).await? {
            Reply::Ready { pinned } => Ok(Self { pinned, ..child }),
            other => {
                let message = format!("the measuring child did not get ready: {other:?}");
                Err(ChildLost { kind: FailureKind::ChildDied, message })
            }
        }
    }

    /// Gives a command and waits for the answer, at most as long as the watchdog allows.
    ///
    /// # Errors
    /// A child that died or fell silent; it is gone then.
    pub(crate) async fn ask(&mut self, command: &Command) -> Result<Reply, ChildLost> {
        self.exchange(command).await
    }

    /// Lets the worker end by itself.
    pub(crate) async fn dismiss(mut self) {
        drop(self.input);
        if tokio::time::timeout(Duration::from_secs(2), self.process.wait()).await.is_err() {
            let _ = self.process.kill().await;
        }
    }

    async fn exchange(&mut self, message: &impl serde::Serialize) -> Result<Reply, ChildLost> {
        let mut line = serde_json::to_vec(message).unwrap_or_default();
        line.push(b'\n');
        if self.input.write_all(&line).await.is_err() {
            return Err(self.died().await);
        }
        match tokio::time::timeout(self.watchdog, self.output.next_line()).await {
            Err(_) => {
                let _ = self.process.kill().await;
                let message = format!(
                    "the measuring child was silent for {:?} and was killed",
                    self.watchdog
                );
                Err(ChildLost { kind: FailureKind::TimedOut, message })
            }
            Ok(Ok(Some(line))) => match serde_json::from_str(&line) {
                Ok(reply) => Ok(reply),
                Err(_) => Err(self.died().await),
            },
            Ok(_) => Err(self.died().await),
        }
    }

    /// Buries a child that no longer answers and says how it ended.
    async fn died(&mut self) -> ChildLost {
        let waited = tokio::time::timeout(Duration::from_secs(2), self.process.wait()).await;
        let status = if let Ok(Ok(status)) = waited {
            how_it_ended(status)
        } else {
            let _ = self.process.kill().await;
            "stopped answering and was killed".to_owned()
        };
        let words = (&mut self.errors).await.unwrap_or_default();
        let words = words.trim();
        let said = if words.is_empty() { String::new() } else { format!(", saying: {words}") };
        ChildLost {
            kind: FailureKind::ChildDied,
            message: format!("the measuring child {status}{said}"),
        }
    }
}

fn how_it_ended(status: ExitStatus) -> String {
    let Some(number) = status.signal() else {
        return format!("ended with {status}");
    };
    let name = Signal::try_from(number).map_or("unknown", Signal::as_str);
    let guess = if number == 9 { ": out of memory, or by hand" } else { "" };
    format!("was killed by signal {number} ({name}{guess})")
}

/// Reads a pipe to its end and keeps the end of what it said.
async fn last_words(pipe: &mut tokio::process::ChildStderr) -> String {
    let mut kept = Vec::new();
    let mut buffer = [0; 4096];
    while let Ok(count @ 1..) = pipe.read(&mut buffer).await {
        kept.extend_from_slice(&buffer[..count]);
        let excess = kept.len().saturating_sub(LAST_WORDS);
        kept.drain(..excess);
    }
    String::from_utf8_lossy(&kept).into_owned()
}

/// The agent's own file, also after an update has replaced it on disk.
fn own_executable() -> std::path::PathBuf {
    let running = std::path::PathBuf::from("/proc/self/exe");
    if running.exists() { running } else { std::env::current_exe().unwrap_or(running) }
}
