//! The doctor says what makes a device a poor place to measure.

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
    let governors: Vec<&str> =
        info.cores.iter().filter_map(|core| core.governor.as_deref()).collect();
    if governors.iter().any(|governor| *governor != "performance") {
        let what = format!(
            "the frequency governor is {}: cores speed up and slow down",
            governors.join(", ")
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
        let what = format!(
            "a virtual machine ({hypervisor}): neighbours take time, caches and memory bandwidth"
        );
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
