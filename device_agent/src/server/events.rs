//! Events are a job's rows as they come, over a connection that may break and go on.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::time::Duration;

use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::sse::{Event, KeepAlive, Sse};
use futures_util::Stream;
use futures_util::stream::unfold;
use op_catalog::wire::{JobState, Problem, ProblemCode};

use super::Shared;
use super::answer::{Problems, Refusal};
use super::handlers::look;
use crate::jobs::View;

/// Silence after which a comment shows that the connection lives.
const HEARTBEAT: Duration = Duration::from_secs(10);

/// The rows of a job as they come, as server-sent events. `row` has the row's number as its id, counted
/// from 1, and a `Row` as its data; `progress` has a `Progress`; `done` has the `JobStatus` and is the last.
/// A client that comes back sends the id of the last row that it has.
#[utoipa::path(get, path = "/v1/jobs/{id}/events", tag = "jobs",
    params(
        ("id" = String, Path, description = "Id of the job"),
        ("last-event-id" = Option<u64>, Header, nullable = false, minimum = 0, description = "Number of the last row that the client has"),
    ),
    responses((status = 200, description = "Server-sent events", body = String, content_type = "text/event-stream"),
        (status = 404, body = Problem), Problems))]
pub(super) async fn events(
    State(shared): State<Shared>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Refusal> {
    let next_row = last_event_id(&headers)?;
    let view = look(&shared, &id, next_row)?;
    let feed = Feed { shared, id, next_row, view: Some(view), waiting: VecDeque::new() };
    Ok(Sse::new(unfold(feed, Feed::next)).keep_alive(KeepAlive::new().interval(HEARTBEAT)))
}

fn last_event_id(headers: &HeaderMap) -> Result<usize, Problem> {
    let Some(value) = headers.get("last-event-id") else { return Ok(0) };
    value.to_str().ok().and_then(|text| text.parse().ok()).ok_or_else(|| {
        Problem::new(ProblemCode::BadRequest, "the header last-event-id is not a number")
            .hint("send the id of the last `row` event, or leave the header out")
    })
}

/// One client's stream of events.
struct Feed {
    shared: Shared,
    id: String,
    next_row: usize,
    /// The last look at the job; `None` once the job is over or gone.
    view: Option<View>,
    waiting: VecDeque<Event>,
}

impl Feed {
    async fn next(mut self) -> Option<(Result<Event, Infallible>, Self)> {
        loop {
            if let Some(event) = self.waiting.pop_front() {
                return Some((Ok(event), self));
            }
            let mut view = self.view.take()?;
            if view.rows.is_empty() && view.status.state.is_live() {
                view.changed.changed().await.ok()?;
                view = look(&self.shared, &self.id, self.next_row).ok()?;
            }
            self.take_in(view);
        }
    }

    /// Queues what a look has shown and prepares the next one.
    fn take_in(&mut self, view: View) {
        for row in view.rows {
            self.next_row += 1;
            self.waiting
                .push_back(Event::default().event("row").id(self.next_row.to_string()).data(row));
        }
        let told = if view.status.state == JobState::Done {
            Event::default().event("done").json_data(&view.status)
        } else {
            Event::default().event("progress").json_data(&view.status.progress)
        };
        self.waiting.extend(told.ok());
        let changed = view.changed;
        if view.status.state.is_live() {
            self.view = Some(View { status: view.status, rows: Vec::new(), changed });
        }
    }
}
