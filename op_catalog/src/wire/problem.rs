//! A problem is the one shape of every error that the agent answers.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What went wrong, for a program (`code`, `field`) and for a person (`message`, `hint`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema, thiserror::Error)]
#[error("{message}")]
pub struct Problem {
    /// What kind of problem.
    pub code: ProblemCode,
    /// What is wrong, naming the thing.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
    /// Path of the field that is wrong, e.g. `items[3].blocks[0]`.
    pub field: Option<String>,
}

/// The kinds of problems, each with one HTTP status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ProblemCode {
    /// 400: the body is not JSON.
    MalformedJson,
    /// 400: a header or path parameter cannot be read.
    BadRequest,
    /// 401: no bearer token, and the agent demands one.
    TokenMissing,
    /// 401: a bearer token that is not the agent's.
    TokenWrong,
    /// 404: no such job or path.
    NotFound,
    /// 405: the path exists, the method does not.
    MethodNotAllowed,
    /// 413: the body is larger than the agent takes.
    BodyTooLarge,
    /// 413: the job has more items or blocks than the agent takes.
    JobTooLarge,
    /// 415: the body is not `application/json`.
    UnsupportedMediaType,
    /// 422: a request of another protocol version.
    ProtocolVersion,
    /// 422: a field that requests do not have.
    UnknownField,
    /// 422: a field with a value that cannot be.
    InvalidValue,
    /// 422: a runtime, precision or number of threads that this agent does not have.
    Unavailable,
    /// 429: the queue is full; `Retry-After` says when to come back.
    QueueFull,
    /// 500: the agent's own fault.
    Internal,
    /// 503: the request took too long.
    TimedOut,
}

impl Problem {
    /// A problem without a hint or a field.
    pub fn new(code: ProblemCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), hint: None, field: None }
    }

    /// The same with what to do about it.
    pub fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }

    /// The same with the path of the field that is wrong.
    pub fn at(self, field: impl Into<String>) -> Self {
        Self { field: Some(field.into()), ..self }
    }
}

impl ProblemCode {
    /// The HTTP status of this kind.
    pub const fn status(self) -> u16 {
        match self {
            Self::MalformedJson | Self::BadRequest => 400,
            Self::TokenMissing | Self::TokenWrong => 401,
            Self::NotFound => 404,
            Self::MethodNotAllowed => 405,
            Self::BodyTooLarge | Self::JobTooLarge => 413,
            Self::UnsupportedMediaType => 415,
            Self::ProtocolVersion | Self::UnknownField | Self::InvalidValue | Self::Unavailable => {
                422
            }
            Self::QueueFull => 429,
            Self::Internal => 500,
            Self::TimedOut => 503,
        }
    }
}
