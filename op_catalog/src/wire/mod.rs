//! The wire is what the agent and its clients say to each other: every request, answer and error of
//! the HTTP API and of the one-shot mode, in JSON.
//!
//! Both sides import these types and declare none of their own. Times are in milliseconds; what a
//! device does not tell is `null`, never 0; a field that a request should not have is an error.

pub mod device;
pub mod job;
pub mod problem;
pub mod protocol;
pub mod row;
pub mod status;

pub use device::{DeviceInfo, LiveState, RuntimeInfo};
pub use job::{Item, Job, JobId, JobRequest, Precision, Runtime};
pub use problem::{Problem, ProblemCode};
pub use protocol::{HeadlineChoice, MeasuringProtocol, Synchronisation, VisitStatistic};
pub use row::{Condition, Flag, Measurement, Outcome, Row};
pub use status::{JobOutcome, JobState, JobStatus, Progress};

/// Version of everything in this module. An agent refuses a request of another version.
pub const PROTOCOL_VERSION: u32 = 1;
