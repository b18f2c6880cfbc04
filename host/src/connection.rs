//! A connection is a device that answers, by the name that the user gave.

use std::path::{Path, PathBuf};

use clap::Args;

use crate::agent_client::AgentClient;
use crate::local_agent::LocalAgent;
use crate::registry::Registry;

/// The name of the machine that the host runs on.
pub(crate) const LOCAL: &str = "local";

/// Which device.
#[derive(Args, Clone, Debug)]
pub(crate) struct DeviceArgs {
    /// A device of `host devices list`, or `local` for this machine
    #[arg(long, value_name = "NAME")]
    pub(crate) device: String,
    /// The list of devices [default: ./devices.toml, else the one in the user's config folder]
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// The agent's program, for the device `local` [default: the one beside host]
    #[arg(long, value_name = "FILE")]
    pub(crate) agent_binary: Option<PathBuf>,
}

/// A device that can be asked.
pub(crate) struct Connected {
    /// Its agent.
    pub(crate) client: AgentClient,
    /// Its name.
    pub(crate) name: String,
    /// Kept running for as long as the connection is there.
    _local: Option<LocalAgent>,
}

impl DeviceArgs {
    /// Connects to the device. The agent of `local` is started and keeps its jobs in `spool`.
    pub(crate) fn connect(&self, spool: &Path) -> anyhow::Result<Connected> {
        if self.device == LOCAL {
            let agent = LocalAgent::start(self.agent_binary.as_deref(), spool)?;
            let client = AgentClient::new(LOCAL, &agent.url, None)?;
            return Ok(Connected { client, name: LOCAL.to_owned(), _local: Some(agent) });
        }
        let device = Registry::find(self.config.as_deref())?.device(&self.device)?;
        let client = AgentClient::new(&self.device, &device.url, device.token()?)?;
        Ok(Connected { client, name: self.device.clone(), _local: None })
    }
}
