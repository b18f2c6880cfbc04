//! `host devices`: lists, adds, removes and examines devices.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::json;

use crate::agent_client::AgentClient;
use crate::connection::{DeviceArgs, LOCAL};
use crate::registry::{Device, Registry};
use crate::report::Column;
use crate::runtime_name::RuntimeName;
use crate::{doctor, report, wait_for};
use command_line::hint::WithHint;
use command_line::output;

/// The commands under `host devices`.
#[derive(Debug, Subcommand)]
pub(crate) enum DevicesCommand {
    /// List the devices
    List(ListArgs),
    /// Make a device known, or change one
    Add(AddArgs),
    /// Remove a device from the list
    Remove(RemoveArgs),
    /// Say what makes a device a poor place to measure, and what to do about it
    Doctor(DoctorArgs),
}

#[derive(Args, Debug)]
pub(crate) struct ListArgs {
    /// The list of devices
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Args, Debug)]
pub(crate) struct AddArgs {
    /// A name for it
    name: String,
    /// Address of its agent, http://HOST:PORT
    url: String,
    /// File with the token that its agent demands
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// Add it even if it does not answer
    #[arg(long)]
    offline: bool,
    /// The list of devices
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

#[derive(Args, Debug)]
pub(crate) struct RemoveArgs {
    /// Its name
    name: String,
    /// The list of devices
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

#[derive(Args, Debug)]
pub(crate) struct DoctorArgs {
    /// Its name, or `local` for this machine
    name: String,
    /// The list of devices
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The agent's program, for the device `local`
    #[arg(long, value_name = "FILE")]
    agent_binary: Option<PathBuf>,
    /// A runtime that the agent of the device `local` has
    #[arg(long, value_enum, default_value_t = RuntimeName::Tract)]
    runtime: RuntimeName,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Runs a command.
pub(crate) fn run(command: &DevicesCommand) -> anyhow::Result<ExitCode> {
    match command {
        DevicesCommand::List(args) => list(args),
        DevicesCommand::Add(args) => add(args),
        DevicesCommand::Remove(args) => Registry::find(args.config.as_deref())?.remove(&args.name),
        DevicesCommand::Doctor(args) => examine(args),
    }?;
    Ok(ExitCode::SUCCESS)
}

fn list(args: &ListArgs) -> anyhow::Result<()> {
    let registry = Registry::find(args.config.as_deref())?;
    if args.json {
        let devices: Vec<_> = registry
            .devices()
            .iter()
            .map(|(name, device)| json!({"name": name, "url": device.url, "token_file": device.token_file}))
            .chain([json!({"name": LOCAL, "url": null, "token_file": null})])
            .collect();
        return output::json(&json!({"file": registry.path, "devices": devices}));
    }
    let mut table = report::table(&["device", "agent", "token"].map(Column::Text));
    for (name, device) in registry.devices() {
        let token =
            device.token_file.as_ref().map(|path| path.display().to_string()).unwrap_or_default();
        table.add_row([name, &device.url, &token]);
    }
    table.add_row([LOCAL, "started by host on this machine", ""]);
    output::data(&table.to_string())
}

fn add(args: &AddArgs) -> anyhow::Result<()> {
    let mut registry = Registry::find(args.config.as_deref())?;
    // The list may be used from another folder than this one.
    let token_file = args.token_file.as_deref().map(std::path::absolute).transpose()?;
    let device = Device { url: args.url.clone(), token_file };
    if !args.offline {
        let client = AgentClient::new(&args.name, &device.url, device.token()?)?;
        let info =
            wait_for(client.device()).hint("add --offline keeps it although it does not answer")?;
        output::note(&format!("{} answers: {}", args.name, doctor::summary(&info)));
    }
    registry.add(&args.name, device)?;
    output::note(&format!("written to {}", registry.path.display()));
    Ok(())
}

fn examine(args: &DoctorArgs) -> anyhow::Result<()> {
    let spool = tempfile::tempdir()?;
    let device = DeviceArgs {
        device: args.name.clone(),
        config: args.config.clone(),
        agent_binary: args.agent_binary.clone(),
    };
    let connected = device.connect(args.runtime.into(), spool.path())?;
    let (info, state) = wait_for(async {
        Ok((connected.client.device().await?, connected.client.state().await?))
    })?;
    let findings = doctor::examine(&info, &state);
    if args.json {
        return output::json(&json!({"device": info, "state": state, "findings": findings}));
    }
    output::data(&format!("{}: {}", args.name, doctor::summary(&info)))?;
    if findings.is_empty() {
        return output::data("nothing here stands in the way of measuring");
    }
    let mut table = report::table(&["", "finding", "what to do"].map(Column::Text));
    for finding in &findings {
        table.add_row([
            report::name_of(&finding.severity),
            finding.what.clone(),
            finding.remedy.clone(),
        ]);
    }
    output::data(&table.to_string())
}
