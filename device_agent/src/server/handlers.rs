//! A handler turns a request into a question to the jobs or the device, and the answer into JSON.

use axum::Json;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::IntoResponse;
use op_catalog::wire::{
    DeviceInfo, Job, JobId, JobRequest, JobStatus, LiveState, PROTOCOL_VERSION, Problem,
    ProblemCode,
};
use serde::Serialize;
use utoipa::ToSchema;

use super::Shared;
use super::answer::{Problems, Refusal};
use super::body;
use crate::device::live_state;
use crate::jobs::{Submission, View};

/// That the agent is there.
#[derive(Serialize, ToSchema)]
pub(crate) struct Health {
    /// Always `ok`.
    status: &'static str,
    /// Version of the protocol that it speaks.
    protocol_version: u32,
}

/// Says that the agent is there. Needs no token.
#[utoipa::path(get, path = "/v1/health", tag = "agent", security(()),
    responses((status = 200, body = Health), Problems))]
pub(super) async fn health() -> Json<Health> {
    Json(Health { status: "ok", protocol_version: PROTOCOL_VERSION })
}

/// What the device is.
#[utoipa::path(get, path = "/v1/device", tag = "device", responses((status = 200, body = DeviceInfo), Problems))]
pub(super) async fn device(State(shared): State<Shared>) -> Json<DeviceInfo> {
    Json(shared.jobs.device.clone())
}

/// What the device is doing now.
#[utoipa::path(get, path = "/v1/state", tag = "device", responses((status = 200, body = LiveState), Problems))]
pub(super) async fn state(State(shared): State<Shared>) -> Json<LiveState> {
    let cores: Vec<u32> = shared.jobs.device.cores.iter().map(|core| core.index).collect();
    Json(live_state(&cores, shared.jobs.is_measuring()))
}

/// All jobs that the agent knows.
#[utoipa::path(get, path = "/v1/jobs", tag = "jobs", responses((status = 200, body = Vec<JobStatus>), Problems))]
pub(super) async fn list(State(shared): State<Shared>) -> Json<Vec<JobStatus>> {
    Json(shared.jobs.statuses())
}

/// Submits a job. Asking twice is asking once: the same request is the same job. A job that was
/// cancelled, or that failed, goes on where it stopped.
#[utoipa::path(post, path = "/v1/jobs", tag = "jobs", request_body = JobRequest,
    responses(
        (status = 202, description = "A new job, or one that goes on", body = JobStatus),
        (status = 200, description = "A job that is known and waits, runs or is complete", body = JobStatus),
        (status = 400, description = "The body is not JSON", body = Problem),
        (status = 413, description = "The body or the job is too large", body = Problem),
        (status = 415, description = "The body is not declared as JSON", body = Problem),
        (status = 422, description = "A field is unknown, or has a value that cannot be measured here", body = Problem),
        (status = 429, description = "The queue is full", body = Problem,
            headers(("retry-after" = u32, description = "Seconds to wait"))),
        Problems,
    ))]
pub(super) async fn submit(
    State(shared): State<Shared>,
    headers: HeaderMap,
    sent: Body,
) -> Result<(StatusCode, Json<JobStatus>), Refusal> {
    let bytes = body::read(sent, shared.jobs.limits.body_bytes).await?;
    body::demand_json(&headers)?;
    let (submission, status) = shared.jobs.submit(&Job::parse(&bytes)?)?;
    let code = match submission {
        Submission::Accepted => StatusCode::ACCEPTED,
        Submission::Known => StatusCode::OK,
    };
    Ok((code, Json(status)))
}

/// Where a job stands.
#[utoipa::path(get, path = "/v1/jobs/{id}", tag = "jobs", params(("id" = String, Path, description = "Id of the job")),
    responses((status = 200, body = JobStatus), (status = 404, body = Problem), Problems))]
pub(super) async fn status(
    State(shared): State<Shared>,
    Path(id): Path<String>,
) -> Result<Json<JobStatus>, Refusal> {
    Ok(Json(look(&shared, &id, 0)?.status))
}

/// Stops a job. What it has measured is kept, and submitting the same request goes on.
#[utoipa::path(post, path = "/v1/jobs/{id}/cancel", tag = "jobs", params(("id" = String, Path, description = "Id of the job")),
    responses((status = 200, body = JobStatus), (status = 404, body = Problem), Problems))]
pub(super) async fn cancel(
    State(shared): State<Shared>,
    Path(id): Path<String>,
) -> Result<Json<JobStatus>, Refusal> {
    let status = shared.jobs.cancel(&job_id(&id)?)?;
    Ok(Json(status.ok_or_else(|| unknown_job(&id))?))
}

/// Forgets a job and all that it measured, stopping it if need be: what a client does that has fetched
/// everything.
#[utoipa::path(delete, path = "/v1/jobs/{id}", tag = "jobs", params(("id" = String, Path, description = "Id of the job")),
    responses((status = 204, description = "Forgotten"), (status = 404, body = Problem), Problems))]
pub(super) async fn forget(
    State(shared): State<Shared>,
    Path(id): Path<String>,
) -> Result<StatusCode, Refusal> {
    if shared.jobs.forget(&job_id(&id)?)? {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(unknown_job(&id).into())
    }
}

/// The rows so far, one JSON object a line, in the order in which they were finished.
#[utoipa::path(get, path = "/v1/jobs/{id}/results", tag = "jobs", params(("id" = String, Path, description = "Id of the job")),
    responses((status = 200, description = "A Row on each line", body = String, content_type = "application/x-ndjson"),
        (status = 404, body = Problem), Problems))]
pub(super) async fn results(
    State(shared): State<Shared>,
    Path(id): Path<String>,
) -> Result<impl IntoResponse, Refusal> {
    let rows = look(&shared, &id, 0)?.rows;
    let text = rows.into_iter().fold(String::new(), |text, row| text + &row + "\n");
    Ok(([("content-type", "application/x-ndjson")], text))
}

/// A look at a job by the id in a path.
pub(super) fn look(shared: &Shared, id: &str, skip: usize) -> Result<View, Problem> {
    shared.jobs.view(&job_id(id)?, skip).ok_or_else(|| unknown_job(id))
}

fn job_id(id: &str) -> Result<JobId, Problem> {
    JobId::parse(id).ok_or_else(|| unknown_job(id))
}

fn unknown_job(id: &str) -> Problem {
    Problem::new(ProblemCode::NotFound, format!("there is no job `{id}`")).hint(
        "GET /v1/jobs lists those that there are; one whose results were fetched is forgotten",
    )
}
