//! Fixtures of the tests that cross crates: real agents and hosts, started as a user would.

mod exported;
mod pictures;

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use op_catalog::Milliseconds;
use op_catalog::wire::{Item, JobRequest, MeasuringProtocol, PROTOCOL_VERSION, Precision, Runtime};

pub use exported::tract_scores;
pub use pictures::grey_png;

/// How long anything may take before a test gives up.
pub const PATIENCE: Duration = Duration::from_secs(90);

/// A program of the workspace, beside the tests. `cargo xtask test` builds it first: a test that called
/// cargo would wait for the very cargo that runs it.
///
/// # Panics
/// Where it is not there.
pub fn program(name: &str) -> PathBuf {
    let mut path = std::env::current_exe().unwrap_or_default();
    // target/PROFILE/deps/TEST
    path.pop();
    path.pop();
    path.push(format!("{name}{}", std::env::consts::EXE_SUFFIX));
    assert!(path.is_file(), "{} is not there: run `cargo xtask test`", path.display());
    path
}

/// The root of the workspace.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new("."))
}

/// A running agent, killed when dropped.
pub struct Agent {
    process: Child,
    /// Where it listens.
    pub url: String,
}

impl Agent {
    /// Starts an agent on a free port of the loopback, with its jobs in `spool`.
    pub fn start(spool: &Path) -> Self {
        Self::start_with(spool, &[], &[])
    }

    /// Starts an agent with more arguments and environment variables.
    ///
    /// # Panics
    /// Where it does not start.
    pub fn start_with(spool: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> Self {
        let mut command = Command::new(program("device_agent"));
        command.arg("serve").args(arguments).envs(variables.iter().copied());
        if !arguments.contains(&"--listen") {
            command.args(["--listen", "127.0.0.1:0"]);
        }
        Self::start_command(command, spool)
    }

    /// Starts the agent that has libtorch, with no environment at all: what it needs it finds by itself.
    ///
    /// # Panics
    /// Where it does not start.
    pub fn start_torch(spool: &Path) -> Self {
        let mut command = Command::new(program("device_agent_torch"));
        command.env_clear().args(["serve", "--listen", "127.0.0.1:0"]);
        Self::start_command(command, spool)
    }

    fn start_command(mut command: Command, spool: &Path) -> Self {
        command.arg("--spool").arg(spool);
        let mut process = command.stdout(Stdio::piped()).spawn().expect("the agent starts");
        let mut line = String::new();
        let output = process.stdout.take().expect("its output is a pipe");
        BufReader::new(output).read_line(&mut line).expect("it says where it listens");
        let told: serde_json::Value = serde_json::from_str(&line).expect("in JSON");
        let address =
            told["listening"].as_str().expect("its address").replace("0.0.0.0", "127.0.0.1");
        Self { process, url: format!("http://{address}") }
    }

    /// Kills the agent with SIGKILL, as a power cut would.
    pub fn kill(mut self) {
        kill_now(&mut self.process);
    }

    /// The process ids of its measuring children.
    pub fn children(&self) -> Vec<i32> {
        children_of(self.process.id())
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        kill_now(&mut self.process);
    }
}

/// Kills a process with SIGKILL and waits for its end.
pub fn kill_now(process: &mut Child) {
    let _ = process.kill();
    let _ = process.wait();
}

/// Kills a process that is not a child of the test. One that is gone already is as good as killed.
pub fn kill_pid(pid: i32) {
    let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
}

/// The process ids of what the threads of a process have started, by /proc.
pub fn children_of(pid: u32) -> Vec<i32> {
    let threads = std::fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let listed = threads
        .map(|thread| std::fs::read_to_string(thread.path().join("children")).unwrap_or_default());
    let of_thread = |listed: String| {
        listed.split_whitespace().filter_map(|child| child.parse().ok()).collect::<Vec<_>>()
    };
    listed.flat_map(of_thread).collect()
}

/// Whether a process is there that has not ended: one that nobody has waited for has no command line any more.
pub fn is_running(pid: i32) -> bool {
    std::fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| !line.is_empty())
}

/// Waits until a condition gives a value.
///
/// # Panics
/// Where it never does within [`PATIENCE`].
pub async fn wait_for<T>(what: &str, mut condition: impl AsyncFnMut() -> Option<T>) -> T {
    let start = Instant::now();
    while start.elapsed() < PATIENCE {
        if let Some(value) = condition().await {
            return value;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("waited {PATIENCE:?} in vain for {what}")
}

/// A quick protocol, for tests of what happens and not of how long it takes.
pub fn quick_protocol() -> MeasuringProtocol {
    MeasuringProtocol {
        warm_up_min: Milliseconds(0.0),
        warm_up_runs: 1,
        visit_min: Milliseconds(0.0),
        visit_samples: 2,
        min_time: Milliseconds(0.0),
        min_samples: 12,
        target_relative_error: 1.0,
        max_drift: 10.0,
        ..MeasuringProtocol::standard()
    }
}

/// A job of small operations with so many items.
///
/// # Panics
/// Never: the keys are written here.
pub fn job(label: &str, runtime: Runtime, items: usize) -> JobRequest {
    let item = |number: usize| {
        let (kernel, channels) = ([3, 5, 7][number % 3], 8 + number / 3);
        let key = format!("mbconv-k{kernel}-e3-in16x16x{channels}-out16x16x{channels}-s1-skip");
        Item { blocks: vec![key.parse().expect("a key")], id: key }
    };
    JobRequest {
        protocol_version: PROTOCOL_VERSION,
        label: label.to_owned(),
        runtime,
        threads: 1,
        batch: 1,
        precision: Precision::F32,
        weight_seed: 1,
        core: None,
        protocol: quick_protocol(),
        items: (0..items).map(item).collect(),
    }
}

/// A client of one agent that reads every answer to its end.
pub struct Client {
    http: reqwest::Client,
    url: String,
}

/// Status and body of an answer.
#[derive(Debug)]
pub struct Answer {
    /// Status.
    pub status: u16,
    /// Body.
    pub text: String,
    /// `Retry-After`, if it was sent.
    pub retry_after: Option<String>,
}

impl Answer {
    /// The body as JSON.
    ///
    /// # Panics
    /// Where it is none.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }
}

impl Client {
    /// A client of an agent.
    ///
    /// # Panics
    /// Where there is no HTTP client to be had.
    pub fn new(agent: &Agent) -> Self {
        let http = reqwest::Client::builder().no_proxy().build().expect("a client");
        Self { http, url: agent.url.clone() }
    }

    /// A request to a path.
    ///
    /// # Panics
    /// Where the method is none.
    pub fn request(&self, method: &str, path: &str) -> reqwest::RequestBuilder {
        let method = method.parse().expect("a method");
        self.http.request(method, format!("{}{path}", self.url))
    }

    /// Sends a request and reads the answer.
    ///
    /// # Panics
    /// Where there is no answer.
    pub async fn send(&self, request: reqwest::RequestBuilder) -> Answer {
        let response = request.send().await.expect("an answer");
        let retry_after = response
            .headers()
            .get("retry-after")
            .and_then(|value| value.to_str().ok())
            .map(str::to_owned);
        Answer {
            status: response.status().as_u16(),
            retry_after,
            text: response.text().await.expect("its body"),
        }
    }

    /// GET.
    pub async fn get(&self, path: &str) -> Answer {
        self.send(self.request("GET", path)).await
    }

    /// Submits a job and returns its id.
    ///
    /// # Panics
    /// Where it is refused.
    pub async fn submit(&self, job: &JobRequest) -> String {
        let answer = self.send(self.request("POST", "/v1/jobs").json(job)).await;
        assert!(matches!(answer.status, 200 | 202), "{answer:?}");
        answer.json()["id"].as_str().expect("an id").to_owned()
    }

    /// The rows of a job so far, as lines.
    pub async fn rows(&self, id: &str) -> Vec<String> {
        let answer = self.get(&format!("/v1/jobs/{id}/results")).await;
        answer.text.lines().map(str::to_owned).collect()
    }

    /// Waits for so many rows.
    pub async fn wait_for_rows(&self, id: &str, count: usize) -> Vec<String> {
        wait_for("rows", async || Some(self.rows(id).await).filter(|rows| rows.len() >= count))
            .await
    }

    /// Waits for the end of a job and returns its rows.
    pub async fn wait_for_end(&self, id: &str) -> Vec<String> {
        wait_for("the end of the job", async || {
            let status = self.get(&format!("/v1/jobs/{id}")).await.json();
            (status["outcome"] == "completed").then_some(())
        })
        .await;
        self.rows(id).await
    }
}

/// The ids of rows, sorted.
///
/// # Panics
/// Where a line is no row.
pub fn ids(rows: &[String]) -> Vec<String> {
    let id = |line: &String| {
        let row: serde_json::Value = serde_json::from_str(line).expect("a row");
        row["id"].as_str().expect("an id").to_owned()
    };
    let mut ids: Vec<String> = rows.iter().map(id).collect();
    ids.sort();
    ids
}
