//! A context is everything besides the operation that a latency depends on: device, runtime,
//! threads, batch, precision and how it was measured. Two tables compare where their contexts do.

use op_catalog::Milliseconds;
use op_catalog::wire::status::CanaryPoint;
use op_catalog::wire::{DeviceInfo, MeasuringProtocol, Precision, Runtime};
use serde::{Deserialize, Serialize};

use crate::refresh::Rescaling;

/// Where and how the rows of a table were measured. What a published table does not tell is `None`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TableContext {
    /// The user's name for the device, e.g. `pixel1`; the published file's name for an imported table.
    pub device_name: String,
    /// The device's description of itself, with its fingerprint.
    pub device: Option<DeviceInfo>,
    /// What ran the operations.
    pub runtime: Option<Runtime>,
    /// Threads that the runtime could use.
    pub threads: Option<u32>,
    /// Images per run.
    pub batch: Option<u32>,
    /// Precision of weights and activations.
    pub precision: Option<Precision>,
    /// Seed of the random weights and inputs.
    pub weight_seed: Option<u64>,
    /// Core that the measuring child was pinned to; `None` where it was not.
    pub core: Option<u32>,
    /// How the rows were measured.
    pub protocol: Option<MeasuringProtocol>,
    /// When measuring ended, by the host's clock (RFC 3339).
    pub measured_at: Option<String>,
    /// How long measuring took on the device.
    pub measuring_time: Option<Milliseconds>,
    /// Time of the canary kernel before, between and after the rounds.
    pub canary: Vec<CanaryPoint>,
    /// That the times are multiples of what was measured; `None`, and absent in a file, where they are
    /// what was measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rescaled: Option<Rescaling>,
}

impl TableContext {
    /// The context of a table of which nothing is known but a name, as of an imported one.
    pub fn named(device_name: impl Into<String>) -> Self {
        Self {
            device_name: device_name.into(),
            device: None,
            runtime: None,
            threads: None,
            batch: None,
            precision: None,
            weight_seed: None,
            core: None,
            protocol: None,
            measured_at: None,
            measuring_time: None,
            canary: Vec::new(),
            rescaled: None,
        }
    }

    /// The version of the runtime, where the device told it.
    pub fn runtime_version(&self) -> Option<&str> {
        let runtimes = &self.device.as_ref()?.runtimes;
        let found = runtimes.iter().find(|info| Some(info.runtime) == self.runtime)?;
        Some(&found.version)
    }
}
