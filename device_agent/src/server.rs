//! The server is the agent's HTTP side: routes and their description, who may call them, and what is
//! answered when something is wrong.

mod answer;
mod body;
mod description;
mod events;
mod handlers;
mod token;

use std::any::Any;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use op_catalog::wire::{Problem, ProblemCode};
use tower_http::catch_panic::CatchPanicLayer;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::jobs::Jobs;
use answer::Refusal;
pub(crate) use token::Token;

/// What every handler can reach.
#[derive(Clone)]
pub(crate) struct Shared {
    pub(crate) jobs: Arc<Jobs>,
    pub(crate) token: Option<Arc<Token>>,
    openapi: Arc<str>,
}

/// The agent's API as a service, without a socket.
pub(crate) fn app(jobs: Arc<Jobs>, token: Option<Token>) -> Router {
    let (router, api) = OpenApiRouter::with_openapi(description::openapi())
        .routes(routes!(handlers::health))
        .routes(routes!(handlers::device))
        .routes(routes!(handlers::state))
        .routes(routes!(handlers::list, handlers::submit))
        .routes(routes!(handlers::status, handlers::forget))
        .routes(routes!(handlers::cancel))
        .routes(routes!(handlers::results))
        .routes(routes!(events::events))
        .routes(routes!(openapi))
        .split_for_parts();
    let openapi = api.to_json().unwrap_or_default().into();
    let shared = Shared { jobs, token: token.map(Arc::new), openapi };
    router
        .fallback(async || {
            Refusal(
                Problem::new(ProblemCode::NotFound, "there is no such path")
                    .hint("GET /v1/openapi.json describes all paths"),
            )
        })
        .method_not_allowed_fallback(async || {
            Refusal(Problem::new(ProblemCode::MethodNotAllowed, "this path has no such method"))
        })
        .layer(from_fn_with_state(shared.clone(), token::demand))
        .layer(CatchPanicLayer::custom(answer_panic))
        .with_state(shared)
}

/// The description of this API.
#[utoipa::path(get, path = "/v1/openapi.json", tag = "agent",
    responses((status = 200, description = "The OpenAPI document", body = Object), answer::Problems))]
async fn openapi(State(shared): State<Shared>) -> impl IntoResponse {
    ([("content-type", "application/json")], shared.openapi.to_string())
}

fn answer_panic(_: Box<dyn Any + Send>) -> Response {
    let hint = "this is a defect of the agent; its log says where";
    Refusal(Problem::new(ProblemCode::Internal, "the agent failed while it answered").hint(hint))
        .into_response()
}
