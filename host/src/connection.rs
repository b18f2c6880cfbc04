//! A connection is a device that answers, by the name that the user gave.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use op_catalog::wire::Runtime;

use crate::agent_client::AgentClient;
use crate::local_agent::LocalAgent;
use crate::registry::Registry;

/// The name of the machine that the host runs on.
pub(crate) const LOCAL: &str = "local";

/// Time between two looks at whether a local agent is still there.
const LOOK: Duration = Duration::from_millis(300);

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

/// Which device, for a command that goes without one too.
#[derive(Args, Clone, Debug)]
pub(crate) struct OptionalDeviceArgs {
    /// The device to measure on, `local` for this machine; without one, predictions are all that is known
    #[arg(long, value_name = "NAME")]
    device: Option<String>,
    /// The list of devices [default: ./devices.toml, else the one in the user's config folder]
    #[arg(long, value_name = "FILE", requires = "device")]
    devices: Option<PathBuf>,
    /// The agent's program, for the device `local` [default: the one beside host]
    #[arg(long, value_name = "FILE", requires = "device")]
    agent_binary: Option<PathBuf>,
}

/// A device that can be asked.
pub(crate) struct Connected {
    /// Its agent.
    pub(crate) client: AgentClient,
    /// Its name.
    pub(crate) name: String,
    /// Kept running for as long as the connection is there.
    local: Option<LocalAgent>,
}

impl Connected {
    /// Whether the agent is one that the host started and that has ended.
    pub(crate) fn has_ended(&self) -> bool {
        self.local.as_ref().is_some_and(|agent| agent.end().is_some())
    }

    /// Waits for an agent that the host started to end, which it should not, and says how it did.
    pub(crate) async fn ended(&self) -> anyhow::Error {
        loop {
            if let Some(end) = self.local.as_ref().and_then(LocalAgent::end) {
                return anyhow::anyhow!("the agent on this machine has ended: {end}");
            }
            tokio::time::sleep(LOOK).await;
        }
    }
}

impl OptionalDeviceArgs {
    /// The device, if one was named.
    pub(crate) fn named(&self) -> Option<DeviceArgs> {
        let device = self.device.clone()?;
        let (config, agent_binary) = (self.devices.clone(), self.agent_binary.clone());
        Some(DeviceArgs { device, config, agent_binary })
    }
}

impl DeviceArgs {
    /// Refuses a device that is not known, before anything is begun for it.
    pub(crate) fn check(&self) -> anyhow::Result<()> {
        if self.device != LOCAL {
            Registry::find(self.config.as_deref())?.device(&self.device)?.token()?;
        }
        Ok(())
    }

    /// Connects to the device. The agent of `local` is started, one that has the runtime, and keeps its jobs in
    /// `spool`.
    pub(crate) fn connect(&self, runtime: Runtime, spool: &Path) -> anyhow::Result<Connected> {
        if self.device == LOCAL {
            let agent = LocalAgent::start(self.agent_binary.as_deref(), runtime, spool)?;
            let client = AgentClient::new(LOCAL, &agent.url, None)?;
            return Ok(Connected { client, name: LOCAL.to_owned(), local: Some(agent) });
        }
        let device = Registry::find(self.config.as_deref())?.device(&self.device)?;
        let client = AgentClient::new(&self.device, &device.url, device.token()?)?;
        Ok(Connected { client, name: self.device.clone(), local: None })
    }
}
