//! The device as its system tells of it. What a system does not tell is `None`, never zero.

mod fingerprint;
mod live;
mod system_files;

pub(crate) use fingerprint::device_info;
pub(crate) use live::live_state;

use system_files::number;

/// Frequency of a core in MHz.
pub(crate) fn frequency_mhz(core: u32) -> Option<f64> {
    number(&format!("/sys/devices/system/cpu/cpu{core}/cpufreq/scaling_cur_freq"))
        .map(|khz: f64| khz / 1e3)
}

/// The cores that this process may use, in ascending order; empty where the system does not tell.
pub(crate) fn allowed_cores() -> Vec<u32> {
    let Ok(set) = nix::sched::sched_getaffinity(nix::unistd::Pid::from_raw(0)) else {
        return Vec::new();
    };
    let is_set = |core: &u32| set.is_set(*core as usize).unwrap_or(false);
    (0..nix::sched::CpuSet::count() as u32).filter(is_set).collect()
}

/// The core to measure on where nobody asked for one: of the fastest class, the last, because systems
/// put their own work on the first.
pub(crate) fn best_core(allowed: &[u32]) -> Option<u32> {
    allowed.iter().copied().max_by_key(|core| (capacity(*core).unwrap_or(0), *core))
}

/// Relative capacity of a core, 1024 for the fastest of the device.
fn capacity(core: u32) -> Option<u32> {
    number(&format!("/sys/devices/system/cpu/cpu{core}/cpu_capacity"))
}
