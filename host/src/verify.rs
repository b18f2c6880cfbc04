//! `host verify`: placeholder until the report is wired.
use std::process::ExitCode;
use clap::Args;
/// Arguments of `host verify`.
#[derive(Args, Debug)]
pub(crate) struct VerifyArgs {}
/// Runs the command.
pub(crate) fn run(_: &VerifyArgs) -> anyhow::Result<ExitCode> { anyhow::bail!("verify is not wired") }
