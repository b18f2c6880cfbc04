//! The live state is what a device is doing at this moment.

use op_catalog::wire::LiveState;
use op_catalog::wire::device::{Battery, ThermalZone};

use super::frequency_mhz;
use super::system_files::{folders, memory_bytes, number, text};

/// Reads the live state. `measuring` says whether a measurement is under way.
pub(crate) fn live_state(cores: &[u32], measuring: bool) -> LiveState {
    let frequencies: Vec<Option<f64>> = cores.iter().map(|core| frequency_mhz(*core)).collect();
    LiveState {
        measuring,
        core_frequencies_mhz: frequencies.iter().any(Option::is_some).then_some(frequencies),
        thermal_zones: thermal_zones(),
        load_average_1m: text("/proc/loadavg")
            .and_then(|line| line.split(' ').next()?.parse().ok()),
        cpu_pressure_percent: text("/proc/pressure/cpu").and_then(|table| pressure(&table)),
        steal_percent: text("/proc/stat").and_then(|table| steal(&table)),
        memory_available_bytes: memory_bytes("MemAvailable"),
        battery: battery(),
    }
}

fn thermal_zones() -> Option<Vec<ThermalZone>> {
    let zones: Vec<ThermalZone> = folders("/sys/class/thermal")
        .iter()
        .filter_map(|folder| {
            let name = text(&format!("{folder}/type"))?;
            let celsius = number(&format!("{folder}/temp")).map(|milli: f64| milli / 1e3);
            folder.contains("thermal_zone").then_some(ThermalZone { name, celsius })
        })
        .collect();
    (!zones.is_empty()).then_some(zones)
}

/// Share of the last 10 s in which some task waited: `some avg10=0.12 avg60=...`.
fn pressure(table: &str) -> Option<f64> {
    let some = table.lines().find(|line| line.starts_with("some "))?;
    some.split(' ').find_map(|word| word.strip_prefix("avg10="))?.parse().ok()
}

/// Share of CPU time taken by the hypervisor: the eighth number of the `cpu` line.
fn steal(table: &str) -> Option<f64> {
    let line = table.lines().find(|line| line.starts_with("cpu "))?;
    let ticks: Vec<f64> =
        line.split_whitespace().skip(1).take(8).filter_map(|word| word.parse().ok()).collect();
    let total: f64 = ticks.iter().sum();
    (ticks.len() == 8 && total > 0.0).then(|| 100.0 * ticks[7] / total)
}

fn battery() -> Option<Battery> {
    folders("/sys/class/power_supply").iter().find_map(|folder| {
        let is_battery = text(&format!("{folder}/type"))? == "Battery";
        is_battery.then(|| Battery {
            charge_percent: number(&format!("{folder}/capacity")),
            status: text(&format!("{folder}/status")),
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pressure_and_steal_are_read_as_linux_writes_them() {
        let table = "some avg10=1.53 avg60=0.87 avg300=0.73 total=1\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=0";
        assert_eq!(pressure(table), Some(1.53));
        assert_eq!(steal("cpu  50 0 25 20 0 0 0 5 0 0\ncpu0 1 1"), Some(5.0));
        assert_eq!(steal("cpu  50 0"), None);
    }
}
