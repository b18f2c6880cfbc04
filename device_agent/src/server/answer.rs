//! An answer to a request that cannot be met is a problem with its status.

use std::collections::BTreeMap;

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use op_catalog::wire::{Problem, ProblemCode};
use utoipa::openapi::{Content, Ref, RefOr, ResponseBuilder};

/// Seconds after which a full queue may have room: about one table.
const RETRY_AFTER_SECONDS: &str = "30";

/// A problem on its way out.
pub(crate) struct Refusal(pub(crate) Problem);

impl From<Problem> for Refusal {
    fn from(problem: Problem) -> Self {
        Self(problem)
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let code = self.0.code;
        let status =
            StatusCode::from_u16(code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, Json(self.0)).into_response();
        let headers = response.headers_mut();
        match code {
            ProblemCode::QueueFull => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from_static(RETRY_AFTER_SECONDS));
            }
            ProblemCode::TokenMissing | ProblemCode::TokenWrong => {
                headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            }
            _ => {}
        }
        response
    }
}

/// The problems of every path, for the API's description.
pub(crate) struct Problems;

impl utoipa::IntoResponses for Problems {
    fn responses() -> BTreeMap<String, RefOr<utoipa::openapi::Response>> {
        let response = |description: &str| {
            let schema = Ref::from_schema_name("Problem");
            let content = Content::new(Some(schema));
            RefOr::T(
                ResponseBuilder::new()
                    .description(description)
                    .content("application/json", content)
                    .build(),
            )
        };
        BTreeMap::from([
            ("401".to_owned(), response("The token is missing or wrong")),
            ("default".to_owned(), response("Any other problem; `code` says which")),
        ])
    }
}
