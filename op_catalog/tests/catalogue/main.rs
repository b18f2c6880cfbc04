//! Tests of the catalogue from outside, through its public names only.
//!
//! - `operations`: every operation of every built-in space and reference network holds together
//! - `published_spaces`: the spaces of others, by what they published of them
//! - `golden`: the wire's JSON, answer by answer, as the files under `tests/golden`
//! - `requests`: which requests are refused, and with which problem; any other survives JSON

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod golden;
mod operations;
mod published_spaces;
mod requests;
