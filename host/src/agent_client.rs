//! A client is the host's side of the agent's API, in the types of the wire.

use std::time::Duration;

use anyhow::{Context, bail};
use eventsource_stream::Eventsource;
use futures_util::StreamExt;
use op_catalog::wire::{
    DeviceInfo, JobId, JobRequest, JobStatus, LiveState, Problem, ProblemCode, Progress, Row,
};
use reqwest::{Method, RequestBuilder, Response, StatusCode};
use serde::de::DeserializeOwned;

use command_line::hint::WithHint;

/// How long an agent may take to answer what needs no measuring.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long an agent may be out of reach while it measures: a restart, a cable, a sleeping phone.
const ABSENCE: Duration = Duration::from_mins(2);
/// Silence after which a stream counts as broken; the agent's heartbeat is every 10 s.
const SILENCE: Duration = Duration::from_secs(35);
/// Times that a full queue is waited for.
const QUEUE_RETRIES: u32 = 10;

/// An agent that can be asked.
pub(crate) struct AgentClient {
    http: reqwest::Client,
    url: String,
    token: Option<String>,
    device: String,
}

/// News of a job.
pub(crate) enum JobEvent {
    /// A row, as the line that the agent keeps and as what it says.
    Row {
        /// The line, byte for byte.
        line: String,
        /// What it says.
        row: Box<Row>,
    },
    /// How far the job is.
    Progress(Progress),
}

/// Why a stream of events ended.
enum StreamEnd {
    Done(Box<JobStatus>),
    Broken(String),
}

impl AgentClient {
    /// A client for the agent of a device.
    pub(crate) fn new(device: &str, url: &str, token: Option<String>) -> anyhow::Result<Self> {
        let http = reqwest::Client::builder()
            .connect_timeout(Duration::from_secs(5))
            // A proxy of the environment is for the outside; agents are on this machine or its network.
            .no_proxy()
            .build()?;
        let url = url.trim_end_matches('/').to_owned();
        Ok(Self { http, url, token, device: device.to_owned() })
    }

    /// What the device is.
    pub(crate) async fn device(&self) -> anyhow::Result<DeviceInfo> {
        self.json(self.request(Method::GET, "/v1/device")).await
    }

    /// What the device is doing now.
    pub(crate) async fn state(&self) -> anyhow::Result<LiveState> {
        self.json(self.request(Method::GET, "/v1/state")).await
    }

    /// Submits a job, or asks again for one that is known. A full queue is waited for.
    pub(crate) async fn submit(&self, request: &JobRequest) -> anyhow::Result<JobStatus> {
        for _ in 0..QUEUE_RETRIES {
            let response = self.send(self.request(Method::POST, "/v1/jobs").json(request)).await?;
            if response.status() != StatusCode::TOO_MANY_REQUESTS {
                return read(response).await;
            }
            let seconds = response
                .headers()
                .get("retry-after")
                .and_then(|value| value.to_str().ok()?.parse().ok());
            let wait = Duration::from_secs(seconds.unwrap_or(30_u64).min(300));
            tracing::warn!("the queue of `{}` is full; trying again in {wait:?}", self.device);
            tokio::time::sleep(wait).await;
        }
        bail!("the queue of `{}` stayed full", self.device)
    }

    /// Where a job stands; `None` where the agent does not know it.
    pub(crate) async fn status(&self, job: &JobId) -> anyhow::Result<Option<JobStatus>> {
        let response = self.send(self.request(Method::GET, &format!("/v1/jobs/{job}"))).await?;
        if response.status() == StatusCode::NOT_FOUND {
            return Ok(None);
        }
        read(response).await.map(Some)
    }

    /// Stops a job; the agent keeps what it has measured.
    pub(crate) async fn cancel(&self, job: &JobId) -> anyhow::Result<JobStatus> {
        self.json(self.request(Method::POST, &format!("/v1/jobs/{job}/cancel"))).await
    }

    /// Tells the agent that it can forget a job. One that it does not know is forgotten already.
    pub(crate) async fn forget(&self, job: &JobId) -> anyhow::Result<()> {
        let response = self.send(self.request(Method::DELETE, &format!("/v1/jobs/{job}"))).await?;
        match response.status() {
            StatusCode::NO_CONTENT | StatusCode::NOT_FOUND => Ok(()),
            _ => Err(problem(response).await),
        }
    }

    /// Follows a job to its end, beginning after the first `rows` rows. A broken connection is taken up
    /// again after the last row that came, for as long as the agent is not gone for too long.
    pub(crate) async fn follow(
        &self,
        job: &JobId,
        mut rows: usize,
        mut on_event: impl FnMut(JobEvent) -> anyhow::Result<()>,
    ) -> anyhow::Result<JobStatus> {
        let mut last_heard = tokio::time::Instant::now();
        loop {
            let before = rows;
            let end = self.stream(job, &mut rows, &mut on_event, &mut last_heard).await?;
            let reason = match end {
                StreamEnd::Done(status) => return Ok(*status),
                StreamEnd::Broken(reason) => reason,
            };
            if last_heard.elapsed() > ABSENCE {
                let problem =
                    format!("`{}` has not been heard of for {ABSENCE:?}: {reason}", self.device);
                return Err(anyhow::anyhow!(problem)).hint(
                    "start the agent again and repeat the command: what was finished is kept",
                );
            }
            tracing::info!(
                "the connection broke ({reason}) after row {before}; taking it up again"
            );
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    }

    async fn stream(
        &self,
        job: &JobId,
        rows: &mut usize,
        on_event: &mut impl FnMut(JobEvent) -> anyhow::Result<()>,
        last_heard: &mut tokio::time::Instant,
    ) -> anyhow::Result<StreamEnd> {
        let request = self.request_without_limit(Method::GET, &format!("/v1/jobs/{job}/events"));
        let response = match request.header("last-event-id", rows.to_string()).send().await {
            Ok(response) if response.status().is_success() => response,
            Ok(response) => return Err(problem(response).await),
            Err(error) => return Ok(StreamEnd::Broken(error.without_url().to_string())),
        };
        let mut events = response.bytes_stream().eventsource();
        loop {
            let event = match tokio::time::timeout(SILENCE, events.next()).await {
                Ok(Some(Ok(event))) => event,
                Ok(Some(Err(error))) => return Ok(StreamEnd::Broken(error.to_string())),
                Ok(None) => return Ok(StreamEnd::Broken("the agent closed it".to_owned())),
                Err(_) => return Ok(StreamEnd::Broken(format!("silence for {SILENCE:?}"))),
            };
            *last_heard = tokio::time::Instant::now();
            match event.event.as_str() {
                "row" => {
                    let row =
                        serde_json::from_str(&event.data).context("reading a row of the agent")?;
                    anyhow::ensure!(
                        event.id == (*rows + 1).to_string(),
                        "after row {rows} the agent sent row `{}`",
                        event.id
                    );
                    on_event(JobEvent::Row { line: event.data, row })?;
                    *rows += 1;
                }
                "progress" => on_event(JobEvent::Progress(serde_json::from_str(&event.data)?))?,
                "done" => return Ok(StreamEnd::Done(serde_json::from_str(&event.data)?)),
                other => tracing::debug!("an event that this host does not know: {other}"),
            }
        }
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.request_without_limit(method, path).timeout(PATIENCE)
    }

    fn request_without_limit(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.http.request(method, format!("{}{path}", self.url));
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    async fn json<T: DeserializeOwned>(&self, request: RequestBuilder) -> anyhow::Result<T> {
        read(self.send(request).await?).await
    }

    async fn send(&self, request: RequestBuilder) -> anyhow::Result<Response> {
        request
            .send()
            .await
            .with_context(|| format!("the agent of `{}` at {} does not answer", self.device, self.url))
            .hint(format!(
                "start it on the device with `device_agent serve --listen {}`, or correct its address with \
                 `host devices add`",
                self.url.trim_start_matches("http://")
            ))
    }
}

async fn read<T: DeserializeOwned>(response: Response) -> anyhow::Result<T> {
    if !response.status().is_success() {
        return Err(problem(response).await);
    }
    response
        .json()
        .await
        .context("the agent's answer is not what this host expects")
        .hint("use a host and an agent of the same release")
}

/// The agent's complaint as an error with its hint.
async fn problem(response: Response) -> anyhow::Error {
    let status = response.status();
    let text = response.text().await.unwrap_or_default();
    let problem = serde_json::from_str(&text).unwrap_or_else(|_| {
        Problem::new(ProblemCode::Internal, format!("the agent answered {status}: {text}"))
    });
    let hint = problem.hint.clone();
    let refused: anyhow::Result<()> = Err(problem).context("the agent refused");
    let hinted = match hint {
        Some(hint) => refused.hint(hint),
        None => refused,
    };
    hinted.err().unwrap_or_else(|| anyhow::anyhow!("the agent answered {status}"))
}
