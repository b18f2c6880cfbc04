//! The wire's JSON, answer by answer, as the files under `tests/golden`: what a client in another
//! language sees. A change here is a change of the protocol.

use std::fmt::Debug;

use op_catalog::wire::device::{
    AgentBuild, Battery, Core, MeasuringAbilities, RuntimeInfo, ThermalZone,
};
use op_catalog::wire::row::{
    Failure, FailureKind, Headline, HeadlineStatistic, Measurement, ThreadCpu,
};
use op_catalog::wire::status::CanaryPoint;
use op_catalog::wire::{
    Condition, DeviceInfo, Flag, Item, JobId, JobOutcome, JobRequest, JobState, JobStatus,
    LiveState, MeasuringProtocol, Outcome, PROTOCOL_VERSION, Precision, Problem, ProblemCode,
    Progress, Row, Runtime,
};
use op_catalog::{Milliseconds, PlacedOp};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// A value is written as its golden file, and the file is read as the value.
#[track_caller]
fn check<T: Serialize + DeserializeOwned + PartialEq + Debug>(value: &T, golden: &str) {
    let written = serde_json::to_string_pretty(value).unwrap() + "\n";
    assert_eq!(written, golden);
    assert_eq!(&serde_json::from_str::<T>(golden).unwrap(), value);
}

fn blocks(keys: &[&str]) -> Vec<PlacedOp> {
    keys.iter().map(|key| key.parse().unwrap()).collect()
}

pub(crate) fn job_request() -> JobRequest {
    let two = ["conv-k3-in32x32x3-out16x16x8-s2", "mbconv-k3-e3-in16x16x8-out16x16x8-s1-skip"];
    JobRequest {
        protocol_version: PROTOCOL_VERSION,
        label: "proxyless-small".to_owned(),
        runtime: Runtime::Tract,
        threads: 1,
        batch: 1,
        precision: Precision::F32,
        weight_seed: 42,
        core: None,
        protocol: MeasuringProtocol::standard(),
        items: vec![
            Item { id: "one block".to_owned(), blocks: blocks(&two[1..]) },
            Item { id: "two blocks".to_owned(), blocks: blocks(&two) },
        ],
    }
}

#[test]
fn a_request() {
    check(&job_request(), include_str!("../golden/job_request.json"));
}

fn measured_row() -> Row {
    Row {
        id: "one block".to_owned(),
        blocks: blocks(&["mbconv-k3-e3-in16x16x8-out16x16x8-s1-skip"]),
        outcome: Outcome::Measured(Box::new(Measurement {
            n: 120,
            runs_per_sample: 4,
            instantiations: 6,
            min: Milliseconds(0.101),
            p10: Milliseconds(0.1015),
            p50: Milliseconds(0.103),
            mean: Milliseconds(0.1042),
            p90: Milliseconds(0.109),
            variance: 1.25e-5,
            thread_cpu: Some(ThreadCpu {
                min: Milliseconds(0.1005),
                p10: Milliseconds(0.101),
                p50: Milliseconds(0.1025),
            }),
            headline: Headline {
                statistic: HeadlineStatistic::ThreadCpuP50,
                value: Milliseconds(0.1025),
                ci_low: Milliseconds(0.1015),
                ci_high: Milliseconds(0.1045),
                confidence: 0.96875,
                relative_error: 0.014_634,
                reason: "one thread, and the device has a clock of its CPU time".to_owned(),
            },
            clean_fraction: Some(0.975),
            converged: false,
            unmet: vec![Condition::TargetRelativeError],
            flags: vec![Flag::Drift],
            first_run: Milliseconds(0.31),
            preparation: Milliseconds(4.5),
            visits: vec![Milliseconds(0.1015), Milliseconds(0.1025), Milliseconds(0.1045)],
            rounds: vec![0, 1, 2],
        })),
    }
}

#[test]
fn a_measured_row() {
    check(&measured_row(), include_str!("../golden/row_measured.json"));
}

#[test]
fn a_failed_row() {
    let row = Row {
        id: "two blocks".to_owned(),
        blocks: blocks(&["classifier-in4x4x320-out1x1x10-s1"]),
        outcome: Outcome::Failed(Failure {
            kind: FailureKind::ChildDied,
            message: "child killed by signal 9 (SIGKILL)".to_owned(),
            attempts: 2,
        }),
    };
    check(&row, include_str!("../golden/row_failed.json"));
}

/// Rows are stored, sent and stored again: no hop may change a byte.
#[test]
fn a_row_with_any_digits_is_the_same_bytes_after_a_round_trip() {
    for value in [0.1 + 0.2, 1.0 / 3.0, 5e-324, 123_456.789_012_345_67, 7.0] {
        let mut row = measured_row();
        let Outcome::Measured(measurement) = &mut row.outcome else { panic!("not measured") };
        measurement.mean = Milliseconds(value);
        measurement.variance = value / 3.0;
        measurement.visits = vec![Milliseconds(value * 0.7)];
        let sent = serde_json::to_string(&row).unwrap();
        let received: Row = serde_json::from_str(&sent).unwrap();
        assert_eq!(received, row);
        assert_eq!(serde_json::to_string(&received).unwrap(), sent);
    }
}

#[test]
fn a_status() {
    let status = JobStatus {
        id: JobId::parse("0123456789abcdef").unwrap(),
        label: "proxyless-small".to_owned(),
        state: JobState::Done,
        outcome: Some(JobOutcome::Cancelled),
        progress: Progress {
            items: 2,
            rows: 1,
            failed: 0,
            rounds: 3,
            visits: 5,
            visits_left: 1,
            elapsed: Milliseconds(1234.5),
            remaining: None,
        },
        canary: vec![CanaryPoint {
            at: Milliseconds(0.0),
            round: 0,
            time: Milliseconds(10.25),
            frequency_mhz: Some(2400.0),
        }],
        core: Some(1),
        message: None,
    };
    check(&status, include_str!("../golden/job_status.json"));
}

#[test]
fn a_device() {
    let device = DeviceInfo {
        protocol_version: PROTOCOL_VERSION,
        agent: AgentBuild {
            version: "0.1.0".to_owned(),
            build: "aarch64-android, optimised".to_owned(),
        },
        fingerprint: "5f0c8a1b2c3d4e5f".to_owned(),
        hostname: Some("pixel1".to_owned()),
        model: Some("Pixel".to_owned()),
        soc: Some("MSM8996".to_owned()),
        architecture: "aarch64".to_owned(),
        os: None,
        kernel: Some("3.18.137".to_owned()),
        hypervisor: None,
        cpu_features: vec!["asimd".to_owned()],
        cores: vec![Core {
            index: 0,
            allowed: true,
            capacity: Some(1024),
            max_frequency_mhz: Some(2150.4),
            governor: None,
        }],
        memory_bytes: Some(4_000_000_000),
        runtimes: vec![RuntimeInfo {
            runtime: Runtime::Tract,
            version: "0.23.9".to_owned(),
            features: Vec::new(),
            precisions: vec![Precision::F32],
            max_threads: 4,
        }],
        measuring: MeasuringAbilities {
            pinning: true,
            thread_cpu_clock: true,
            context_switches: false,
        },
    };
    check(&device, include_str!("../golden/device_info.json"));
}

#[test]
fn a_live_state_in_which_the_untold_is_null() {
    let state = LiveState {
        measuring: false,
        core_frequencies_mhz: Some(vec![Some(1593.6), None]),
        thermal_zones: Some(vec![ThermalZone {
            name: "cpu-thermal".to_owned(),
            celsius: Some(41.5),
        }]),
        load_average_1m: Some(0.25),
        cpu_pressure_percent: None,
        steal_percent: None,
        memory_available_bytes: Some(2_000_000_000),
        battery: Some(Battery { charge_percent: Some(80.0), status: Some("Charging".to_owned()) }),
    };
    check(&state, include_str!("../golden/live_state.json"));
}

#[test]
fn a_problem() {
    let problem =
        Problem::new(ProblemCode::InvalidValue, "batch: 0 is not between 1 and 1024").at("batch");
    check(&problem, include_str!("../golden/problem.json"));
}
