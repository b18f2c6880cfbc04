//! Tests that cross crates, in one program.
//!
//! - `structure`: the workspace is built as ARCHITECTURE.md says
//! - `documents`: what the documents link to is there
//! - `api`: jobs over HTTP: submitting, following, cancelling, forgetting
//! - `bad_input`: every wrong request gets its documented error, and the agent lives
//! - `faults`: a runtime that crashes, hangs or refuses costs one item
//! - `kills`: kill -9 of the child, the agent, the host
//! - `openapi`: answers are what the served description says
//! - `chain`: the host's commands, one after another
//! - `torch`: libtorch as a runtime, in the program that has it, and its refusal by the one that has not
//! - `trainer`: what needs libtorch, run by the trainer for the host
//! - `search`: from a search to a trained network, and what is refused
//! - `race`: networks of a search that are trained by themselves, and the best of them
//! - `survival`: a search that is killed, has no room or a loss that is not finite, and goes on
//! - `small_search`: what the tests of the three start from
//! - `fitting`: a table from anybody's networks, and a file of networks priced

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, helpers included")]

mod api;
mod bad_input;
mod chain;
mod documents;
mod faults;
mod fitting;
mod kills;
mod openapi;
mod race;
mod search;
mod small_search;
mod structure;
mod survival;
mod torch;
mod trainer;
