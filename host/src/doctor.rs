//! The doctor says what makes a device a poor place to measure.

use std::collections::BTreeSet;

use op_catalog::wire::{DeviceInfo, LiveState};
use serde::Serialize;

/// Temperature above which most phones and boards begin to slow down, in degrees Celsius.
const HOT_CELSIUS: f64 = 60.0;

/// One thing in the way.
#[derive(Debug, Serialize)]
pub(crate) struct Finding {
    pub(crate) severity: Severity,
    /// What it is and why it matters.
    pub(crate) what: String,
    /// What to do about it.
    pub(crate) remedy: String,
}

/// How much it matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Severity {
    /// Measurements will be wrong or spread widely.
    Problem,
    /// Measurements may spread.
    Warning,
    /// Something cannot be seen.
    Note,
}

/// The device in a line.
pub(crate) fn summary(info: &DeviceInfo) -> String {
    let name = info.model.as_deref().or(info.soc.as_deref()).unwrap_or("unknown CPU");
    let runtimes: Vec<String> = info
        .runtimes
        .iter()
        .map(|runtime| format!("{} {}", runtime.runtime, runtime.version))
        .collect();
    let os = info.os.as_deref().unwrap_or("unknown system");
    format!(
        "{name}, {} cores, {}, {os}; {}",
        info.cores.len(),
        info.architecture,
        runtimes.join(", ")
    )
}

/// All that is in the way, the worst first.
pub(crate) fn examine(info: &DeviceInfo, state: &LiveState) -> Vec<Finding> {
    let mut findings = of_the_device(info);
    findings.extend(of_the_state(info, state));
    findings.sort_by_key(|finding| finding.severity as u8);
    findings
}

fn finding(severity: Severity, what: impl Into<String>, remedy: &str) -> Finding {
    Finding { severity, what: what.into(), remedy: remedy.to_owned() }
}

fn of_the_device(info: &DeviceInfo) -> Vec<Finding> {
    let mut findings = Vec::new();
    let governors: BTreeSet<&str> =
        info.cores.iter().filter_map(|core| core.governor.as_deref()).collect();
    if governors.iter().any(|governor| *governor != "performance") {
        let what = format!(
            "the frequency governor is {}: cores speed up and slow down",
            governors.into_iter().collect::<Vec<_>>().join(", ")
        );
        findings.push(finding(
            Severity::Warning,
            what,
            "set it to `performance` for the time of measuring",
        ));
    } else if governors.is_empty() {
        let what =
            "the cores' frequency cannot be read: a change of speed shows in the canary alone";
        findings.push(finding(Severity::Note, what, "look at rows flagged `drift`"));
    }
    if let Some(hypervisor) = &info.hypervisor {
        let name = if hypervisor == "unknown" { "" } else { &format!(" ({hypervisor})") };
        let what =
            format!("a virtual machine{name}: neighbours take time, caches and memory bandwidth");
        findings.push(finding(
            Severity::Warning,
            what,
            "use thread-CPU time (the default on one thread); repeat and compare",
        ));
    }
    if info.cores.iter().filter(|core| core.allowed).count() < 2 {
        let what = "the agent may use one core only, and shares it with what it measures";
        findings.push(finding(Severity::Warning, what, "give it a second core, e.g. by `taskset`"));
    }
    if !info.measuring.pinning {
        let what =
            "a measurement cannot be pinned to a core: it may move from a fast core to a slow one";
        findings.push(finding(
            Severity::Problem,
            what,
            "use a Linux or Android device, or one whose cores are alike",
        ));
    }
    if !info.measuring.thread_cpu_clock {
        let what =
            "there is no clock of a thread's CPU time: what other programs take is measured too";
        findings.push(finding(Severity::Problem, what, "stop other programs while measuring"));
    }
    if !info.agent.build.contains("optimised") {
        findings.push(finding(
            Severity::Problem,
            "the agent is not optimised",
            "build it with `--release`",
        ));
    }
    findings
}

fn of_the_state(info: &DeviceInfo, state: &LiveState) -> Vec<Finding> {
    let mut findings = Vec::new();
    let cores = info.cores.len().max(1) as f64;
    if let Some(load) = state.load_average_1m.filter(|load| *load > 0.5 * cores) {
        let what = format!("a load of {load:.1} on {cores} cores: other programs are at work");
        findings.push(finding(Severity::Warning, what, "stop them, or wait"));
    }
    if let Some(percent) = state.cpu_pressure_percent.filter(|percent| *percent > 10.0) {
        let what = format!("in {percent:.0} % of the last 10 s some task waited for a core");
        findings.push(finding(Severity::Warning, what, "stop other programs, or wait"));
    }
    if let Some(percent) = state.steal_percent.filter(|percent| *percent > 1.0) {
        let what = format!("the hypervisor has taken {percent:.1} % of the CPU time");
        findings.push(finding(
            Severity::Warning,
            what,
            "use a machine of your own, or repeat and compare",
        ));
    }
    let zones = state.thermal_zones.iter().flatten();
    let hottest = zones.filter_map(|zone| zone.celsius).fold(f64::NEG_INFINITY, f64::max);
    if hottest > HOT_CELSIUS {
        let what = format!("{hottest:.0} degrees Celsius: the device may slow down to cool");
        findings.push(finding(
            Severity::Warning,
            what,
            "let it cool; keep it out of its case and off its charger",
        ));
    } else if hottest == f64::NEG_INFINITY {
        let what = "temperatures cannot be read: slowing down shows in the canary alone";
        findings.push(finding(Severity::Note, what, "look at rows flagged `drift`"));
    }
    if state.battery.as_ref().and_then(|battery| battery.status.as_deref()) == Some("Discharging") {
        let what = "the device runs on its battery: it may save power";
        findings.push(finding(Severity::Warning, what, "connect it, and let it cool"));
    }
    findings
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    /// A device that measures well.
    fn device() -> Value {
        let core = |index: u32| {
            json!({"index": index, "allowed": true, "capacity": null,
            "max_frequency_mhz": 2000.0, "governor": "performance"})
        };
        json!({"protocol_version": 1, "agent": {"version": "0.1.0", "build": "aarch64-linux, optimised"},
            "fingerprint": "aa", "hostname": null, "model": "Board", "soc": null, "architecture": "aarch64",
            "os": null, "kernel": null, "hypervisor": null, "cpu_features": [], "cores": [core(0), core(1)],
            "memory_bytes": null, "runtimes": [],
            "measuring": {"pinning": true, "thread_cpu_clock": true, "context_switches": true}})
    }

    fn state() -> Value {
        json!({"measuring": false, "core_frequencies_mhz": null, "load_average_1m": 0.1,
            "thermal_zones": [{"name": "cpu", "celsius": 40.0}], "cpu_pressure_percent": 0.0,
            "steal_percent": 0.0, "memory_available_bytes": null,
            "battery": {"charge_percent": 80.0, "status": "Charging"}})
    }

    fn findings(device: Value, state: Value) -> Vec<Finding> {
        let device = serde_json::from_value(device).unwrap();
        examine(&device, &serde_json::from_value(state).unwrap())
    }

    #[test]
    fn a_quiet_device_has_nothing_in_the_way() {
        assert!(findings(device(), state()).is_empty());
    }

    #[test]
    fn each_thing_in_the_way_is_found_alone() {
        use Severity::{Note, Problem, Warning};
        for (pointer, value, severity, what) in [
            (
                "/cores/0/governor",
                json!("schedutil"),
                Warning,
                "governor is performance, schedutil",
            ),
            ("/hypervisor", json!("KVM"), Warning, "virtual machine (KVM)"),
            ("/cores/1/allowed", json!(false), Warning, "one core only"),
            ("/measuring/pinning", json!(false), Problem, "cannot be pinned"),
            ("/measuring/thread_cpu_clock", json!(false), Problem, "no clock"),
            ("/agent/build", json!("aarch64-linux"), Problem, "not optimised"),
        ] {
            let mut device = device();
            *device.pointer_mut(pointer).unwrap() = value;
            only(&findings(device, state()), severity, what);
        }
        for (pointer, value, severity, what) in [
            ("/load_average_1m", json!(1.5), Warning, "a load of 1.5 on 2 cores"),
            ("/cpu_pressure_percent", json!(40.0), Warning, "in 40 % of the last 10 s"),
            ("/steal_percent", json!(3.0), Warning, "taken 3.0 %"),
            ("/thermal_zones/0/celsius", json!(75.0), Warning, "75 degrees"),
            ("/thermal_zones", Value::Null, Note, "temperatures cannot be read"),
            ("/battery/status", json!("Discharging"), Warning, "its battery"),
        ] {
            let mut state = state();
            *state.pointer_mut(pointer).unwrap() = value;
            only(&findings(device(), state), severity, what);
        }
    }

    #[test]
    fn the_worst_comes_first() {
        let mut device = device();
        device["hypervisor"] = json!("KVM");
        device["measuring"]["pinning"] = json!(false);
        let mut state = state();
        state["thermal_zones"] = Value::Null;
        let severities: Vec<_> =
            findings(device, state).iter().map(|finding| finding.severity).collect();
        assert_eq!(severities, [Severity::Problem, Severity::Warning, Severity::Note]);
    }

    fn only(findings: &[Finding], severity: Severity, what: &str) {
        let [finding] = findings else { panic!("{what}: {findings:?}") };
        assert_eq!(finding.severity, severity, "{finding:?}");
        assert!(finding.what.contains(what), "{finding:?}");
    }
}
