//! A body is read up to a limit, in bounded time.

use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderMap, header};
use futures_util::StreamExt;
use op_catalog::wire::{Problem, ProblemCode};

/// How long a client may take to send a body.
const PATIENCE: Duration = Duration::from_secs(30);

/// Refuses a body that does not say that it is JSON.
pub(crate) fn demand_json(headers: &HeaderMap) -> Result<(), Problem> {
    let kind = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or("nothing");
    if kind.split(';').next().map(str::trim) == Some("application/json") {
        return Ok(());
    }
    Err(Problem::new(ProblemCode::UnsupportedMediaType, format!("the body is declared as {kind}"))
        .hint("send it with the header `content-type: application/json`"))
}

/// Reads a body of at most `limit` bytes.
pub(crate) async fn read(body: Body, limit: usize) -> Result<Vec<u8>, Problem> {
    let reading = read_all(body, limit);
    tokio::time::timeout(PATIENCE, reading).await.unwrap_or_else(|_| {
        Err(Problem::new(
            ProblemCode::TimedOut,
            format!("the body did not arrive within {PATIENCE:?}"),
        ))
    })
}

async fn read_all(body: Body, limit: usize) -> Result<Vec<u8>, Problem> {
    let mut chunks = body.into_data_stream();
    let mut bytes = Vec::new();
    let mut length = 0;
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(|error| {
            Problem::new(ProblemCode::BadRequest, format!("reading the body: {error}"))
        })?;
        length += chunk.len();
        // What is too much is still read, and dropped: a client that is cut off while it sends never
        // gets to read why.
        if length <= limit {
            bytes.extend_from_slice(&chunk);
        } else {
            bytes = Vec::new();
        }
    }
    if length > limit {
        let message =
            format!("the body has {length} bytes, more than the {limit} that this agent takes");
        return Err(
            Problem::new(ProblemCode::BodyTooLarge, message).hint("split the job into several")
        );
    }
    Ok(bytes)
}
