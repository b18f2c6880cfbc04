//! The fingerprint is what a device is, apart from what it is doing: hardware, system, runtimes.

use op_catalog::wire::device::{AgentBuild, Core, MeasuringAbilities};
use op_catalog::wire::{DeviceInfo, PROTOCOL_VERSION};
use sha2::{Digest, Sha256};

use super::system_files::{memory_bytes, number, text, value_of};
use super::{allowed_cores, capacity};
use crate::backend::Offer;
use crate::clock::SystemClock;

/// Reads what the device is. `allowed` are the cores that the agent was given, `offers` the runtimes that
/// the program has.
pub(crate) fn device_info(allowed: &[u32], offers: &[Offer]) -> DeviceInfo {
    let cpu = text("/proc/cpuinfo").unwrap_or_default();
    let uname = nix::sys::utsname::uname().ok();
    let uname_part = |part: fn(&nix::sys::utsname::UtsName) -> &std::ffi::OsStr| {
        uname.as_ref().map(|name| part(name).to_string_lossy().into_owned())
    };
    let cores = cores(allowed);
    let mut info = DeviceInfo {
        protocol_version: PROTOCOL_VERSION,
        agent: AgentBuild {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            build: format!(
                "{}-{}, {}",
                std::env::consts::ARCH,
                std::env::consts::OS,
                optimisation()
            ),
        },
        fingerprint: String::new(),
        hostname: uname_part(nix::sys::utsname::UtsName::nodename),
        model: property("ro.product.model").or_else(|| text("/proc/device-tree/model")),
        soc: property("ro.soc.model")
            .or_else(|| value_of(&cpu, "model name").map(str::to_owned))
            .or_else(|| value_of(&cpu, "Hardware").map(str::to_owned)),
        architecture: std::env::consts::ARCH.to_owned(),
        os: property("ro.build.version.release")
            .map(|version| format!("Android {version}"))
            .or_else(os_release),
        kernel: uname_part(nix::sys::utsname::UtsName::release),
        hypervisor: hypervisor(&cpu),
        cpu_features: cpu_features(&cpu),
        runtimes: {
            let core_count = cores.len().max(1) as u32;
            offers.iter().filter_map(|offer| (offer.info)(core_count)).collect()
        },
        cores,
        memory_bytes: memory_bytes("MemTotal"),
        measuring: MeasuringAbilities {
            pinning: !allowed_cores().is_empty(),
            thread_cpu_clock: SystemClock::thread_cpu_ns().is_some(),
            context_switches: SystemClock::involuntary_switches().is_some(),
        },
    };
    info.fingerprint = fingerprint(&info);
    info
}

/// A hash of what decides latencies: hardware, cores, runtimes; not of names, memory or settings.
fn fingerprint(info: &DeviceInfo) -> String {
    let cores: Vec<_> = info
        .cores
        .iter()
        .map(|core| (core.index, core.capacity, core.max_frequency_mhz.map(|mhz| mhz as u64)))
        .collect();
    let told = format!(
        "{:?} {:?} {} {:?} {:?} {:?} {:?}",
        info.model,
        info.soc,
        info.architecture,
        info.hypervisor,
        info.cpu_features,
        cores,
        info.runtimes
    );
    Sha256::digest(told.as_bytes())
        .iter()
        .take(8)
        .fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"))
}

fn cores(allowed: &[u32]) -> Vec<Core> {
    let present =
        text("/sys/devices/system/cpu/present").map(|list| core_list(&list)).unwrap_or_default();
    let present = if present.is_empty() { allowed.to_vec() } else { present };
    let core = |index: u32| {
        let folder = format!("/sys/devices/system/cpu/cpu{index}/cpufreq");
        Core {
            index,
            allowed: allowed.contains(&index),
            capacity: capacity(index),
            max_frequency_mhz: number(&format!("{folder}/cpuinfo_max_freq"))
                .map(|khz: f64| khz / 1e3),
            governor: text(&format!("{folder}/scaling_governor")),
        }
    };
    present.into_iter().map(core).collect()
}

/// Reads ranges of cores as Linux writes it: `0-3,6`.
fn core_list(ranges: &str) -> Vec<u32> {
    let ranges = ranges.split(',').filter_map(|part| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        Some(first.trim().parse::<u32>().ok()?..=last.trim().parse::<u32>().ok()?.min(4095))
    });
    ranges.flatten().collect()
}

fn cpu_features(cpu: &str) -> Vec<String> {
    let listed = value_of(cpu, "flags").or_else(|| value_of(cpu, "Features")).unwrap_or_default();
    let mut features: Vec<String> = listed.split_whitespace().map(str::to_owned).collect();
    features.sort();
    features
}

fn hypervisor(cpu: &str) -> Option<String> {
    let named = text("/sys/hypervisor/type").or_else(|| text("/sys/class/dmi/id/sys_vendor"));
    let is_virtual = value_of(cpu, "flags")
        .is_some_and(|flags| flags.split(' ').any(|flag| flag == "hypervisor"));
    is_virtual.then(|| named.unwrap_or_else(|| "unknown".to_owned()))
}

fn os_release() -> Option<String> {
    let file = text("/etc/os-release")?;
    let name = file.lines().find_map(|line| line.strip_prefix("PRETTY_NAME="))?;
    Some(name.trim_matches('"').to_owned())
}

/// A system property of Android; `None` elsewhere.
fn property(name: &str) -> Option<String> {
    let getprop = std::path::Path::new("/system/bin/getprop");
    let output =
        getprop.exists().then(|| std::process::Command::new(getprop).arg(name).output().ok())??;
    let value = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    (!value.is_empty()).then_some(value)
}

/// Whether this build measures at full speed. This crate and its dependencies are always optimised
/// unless a profile was changed; debug assertions give such a change away.
fn optimisation() -> &'static str {
    if cfg!(debug_assertions) { "optimised for development" } else { "optimised" }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::OFFERS;

    proptest::proptest! {
        #[test]
        fn no_list_of_cores_is_read_with_panic_or_without_end(list in "[0-9,-]{0,24}") {
            let cores = core_list(&list);
            proptest::prop_assert!(cores.iter().all(|core| *core <= 4095), "{:?}", cores);
        }
    }

    #[test]
    fn core_lists_are_read_as_linux_writes_them() {
        for (list, cores) in
            [("0", vec![0]), ("0-1", vec![0, 1]), ("0-2,5", vec![0, 1, 2, 5]), ("", vec![])]
        {
            assert_eq!(core_list(list), cores, "{list}");
        }
    }

    #[test]
    fn the_same_device_has_the_same_fingerprint_and_another_cpu_another() {
        let info = device_info(&[0], OFFERS);
        assert_eq!(info.fingerprint, device_info(&[0], OFFERS).fingerprint);
        let other = DeviceInfo { soc: Some("another".to_owned()), ..info.clone() };
        assert_ne!(fingerprint(&info), fingerprint(&other));
        let renamed = DeviceInfo { hostname: Some("another".to_owned()), ..info.clone() };
        assert_eq!(fingerprint(&info), fingerprint(&renamed));
    }
}
