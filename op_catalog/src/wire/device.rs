//! A device is described by what identifies it (its fingerprint) and by what it is doing now. Every
//! part that a system may not tell is optional: `null` says "not told", never 0.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::wire::{Precision, Runtime};

/// What a device is: the fingerprint that a latency table carries.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct DeviceInfo {
    /// Version of the protocol that the agent speaks.
    pub protocol_version: u32,
    /// The agent itself.
    pub agent: AgentBuild,
    /// Hash of the hardware and of the runtimes: equal where tables can be compared.
    pub fingerprint: String,
    /// Host name.
    pub hostname: Option<String>,
    /// Model of a phone or board, e.g. `Pixel`.
    pub model: Option<String>,
    /// System on chip, or name of the CPU.
    pub soc: Option<String>,
    /// Instruction set, e.g. `x86_64`, `aarch64`.
    pub architecture: String,
    /// Operating system with version.
    pub os: Option<String>,
    /// Kernel with version.
    pub kernel: Option<String>,
    /// Hypervisor, on a virtual machine.
    pub hypervisor: Option<String>,
    /// Instruction set extensions.
    pub cpu_features: Vec<String>,
    /// The cores.
    pub cores: Vec<Core>,
    /// Physical memory in bytes.
    pub memory_bytes: Option<u64>,
    /// What can run operations here.
    pub runtimes: Vec<RuntimeInfo>,
    /// What the agent can do to measure well.
    pub measuring: MeasuringAbilities,
}

/// Build of an agent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AgentBuild {
    /// Version of the crate.
    pub version: String,
    /// Target and optimisation, e.g. `x86_64-linux, optimised`.
    pub build: String,
}

/// A core of the CPU.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Core {
    /// Number of the core in the system.
    pub index: u32,
    /// Whether the agent may run there.
    pub allowed: bool,
    /// Relative capacity; 1024 is the fastest core of the device.
    pub capacity: Option<u32>,
    /// Highest frequency in MHz.
    pub max_frequency_mhz: Option<f64>,
    /// Frequency governor, e.g. `schedutil`.
    pub governor: Option<String>,
}

/// A runtime with its version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RuntimeInfo {
    /// The runtime.
    pub runtime: Runtime,
    /// Its version.
    pub version: String,
    /// What it was built with.
    pub features: Vec<String>,
    /// Precisions with kernels of their own on this device.
    pub precisions: Vec<Precision>,
    /// The largest number of threads it takes.
    pub max_threads: u32,
}

/// What the agent can do to measure well.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct MeasuringAbilities {
    /// Whether a child can be pinned to a core.
    pub pinning: bool,
    /// Whether there is a clock of a thread's CPU time.
    pub thread_cpu_clock: bool,
    /// Whether involuntary context switches are counted.
    pub context_switches: bool,
}

/// What a device is doing now.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct LiveState {
    /// Whether a measurement is under way.
    pub measuring: bool,
    /// Frequency of each core in MHz, in the order of the cores.
    pub core_frequencies_mhz: Option<Vec<Option<f64>>>,
    /// Thermal zones.
    pub thermal_zones: Option<Vec<ThermalZone>>,
    /// Load average of the last minute.
    pub load_average_1m: Option<f64>,
    /// Share of the last 10 s in which some task waited for a CPU, in percent (pressure stall information).
    pub cpu_pressure_percent: Option<f64>,
    /// Share of CPU time that the hypervisor took, in percent, since the system started.
    pub steal_percent: Option<f64>,
    /// Memory that could be had, in bytes.
    pub memory_available_bytes: Option<u64>,
    /// Battery.
    pub battery: Option<Battery>,
}

/// A thermal zone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ThermalZone {
    /// Its type, e.g. `cpu-thermal`.
    pub name: String,
    /// Its temperature.
    pub celsius: Option<f64>,
}

/// A battery.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Battery {
    /// Charge in percent.
    pub charge_percent: Option<f64>,
    /// `Charging`, `Discharging`, `Full` and so on.
    pub status: Option<String>,
}
