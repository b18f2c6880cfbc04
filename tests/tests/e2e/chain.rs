//! The host's commands, one after another, with a real agent and the mock runtime.

use std::path::Path;
use std::process::{Command, Output};

use latency_tables::{LatencyTable, file, refresh};
use serde_json::Value;
use tests::program;

fn host(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(program("host")).args(arguments).current_dir(folder).output().unwrap()
}

fn json(folder: &Path, arguments: &[&str]) -> Value {
    let output = host(folder, arguments);
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn a_space_becomes_a_table_that_predicts_and_is_verified() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let profile = [
        "profile",
        "--device",
        "local",
        "--space",
        "proxyless-small",
        "--runtime",
        "mock",
        "--json",
        "--out",
    ];
    let summary = json(folder, &[&profile[..], &["a.json"]].concat());
    assert_eq!((&summary["rows"], &summary["failed"]), (&40.into(), &0.into()));

    // The same seed gives the same rows.
    json(folder, &[&profile[..], &["b.json"]].concat());
    let rows = |name: &str| json(folder, &["table", "show", name, "--json"])["rows"].clone();
    assert_eq!(rows("a.json"), rows("b.json"));

    let report = json(
        folder,
        &[
            "verify", "--device", "local", "--table", "a.json", "--nets", "8", "--seed", "9",
            "--json",
        ],
    );
    assert!(report["networks"].as_array().unwrap().len() >= 8);
    // The mock's whole networks take 8 % longer than their operations alone, and the fastest of three
    // or more of its runs, uniform within 1 % of that, is 0.5 to 1 % faster: the sum's error is known, and
    // the model has learnt it.
    let sum = report["sum_mape_percent"].as_f64().unwrap();
    let error = |fastest: f64| 100.0 * (1.0 - 1.0 / (1.08 * fastest));
    assert!((error(0.99)..error(0.996)).contains(&sum), "{sum}");
    let mape = report["mape_percent"].as_f64().unwrap();
    assert!(mape < 0.3, "{mape}");
    assert!(folder.join("a.verify.svg").exists());

    let check = host(folder, &["table", "check", "a.json", "--space", "proxyless-mobile"]);
    assert_eq!(check.status.code(), Some(1));
    let refused = host(folder, &["predict", "--table", "a.json", "--arch", "nothing"]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&refused.stderr).starts_with("error: "));
    assert_eq!(host(folder, &["profile"]).status.code(), Some(2));
}

#[test]
fn a_refresh_keeps_rescales_or_measures_anew_as_the_device_has_changed() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    json(
        folder,
        &[
            "profile",
            "--device",
            "local",
            "--space",
            "proxyless-small",
            "--runtime",
            "mock",
            "--networks",
            "8",
            "--held-out",
            "4",
            "--json",
            "--out",
            "then.json",
        ],
    );
    let then = file::read(&folder.join("then.json")).unwrap();
    let refresh = |table: &LatencyTable| {
        file::write(&folder.join("old.json"), table).unwrap();
        let asked = ["profile", "--device", "local", "--refresh", "old.json", "--json"];
        let said = json(folder, &[&asked[..], &["--out", "now.json"]].concat());
        (said, file::read(&folder.join("now.json")).unwrap())
    };

    let (said, now) = refresh(&then);
    assert_eq!(said["refresh"]["decision"]["do"], "keep");
    assert_eq!(now, then);

    let slower = refresh::rescaled(&then, 1.1).unwrap();
    let (said, now) = refresh(&slower);
    assert_eq!(said["refresh"]["decision"]["do"], "rescale");
    for (now, then) in now.rows().zip(then.rows()) {
        assert!((now.headline().0 / then.headline().0 - 1.0).abs() < 0.01, "{}", now.key);
    }

    let mut other = then.clone();
    for row in slower.rows().filter(|row| row.key.stride() > 1) {
        other.insert(row.clone());
    }
    let (said, now) = refresh(&other);
    assert_eq!((&said["rows"], &said["networks"]), (&40.into(), &12.into()));
    assert!(now.rows().eq(then.rows()));
    assert!(!folder.join("now.json.profile").exists());
    assert!(!folder.join("old.json.refresh.profile").exists());
}

/// A space of two networks, which are too few for a model.
const TINY: &str = r#"
name = "tiny"
classes = 10
candidates = ["mbconv-k3-e3", "mbconv-k5-e3"]
[input]
height = 16
width = 16
channels = 3
[[stages]]
width = 8
cells = 1
[[head]]
op = "classifier"
"#;

#[test]
fn a_space_of_too_few_networks_for_a_model_still_gets_its_table() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    std::fs::write(folder.join("tiny.toml"), TINY).unwrap();
    let profile = ["profile", "--device", "local", "--space", "tiny.toml", "--runtime", "mock"];
    let summary = json(folder, &[&profile[..], &["--out", "tiny.json", "--json"]].concat());
    assert_eq!((&summary["rows"], &summary["networks"]), (&3.into(), &0.into()));
    assert!(summary["model"].is_null());
    let refused = host(folder, &[&profile[..], &["--networks", "3"]].concat());
    assert_eq!(refused.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("a model needs 4 networks"));
}

#[test]
fn a_table_of_another_device_is_refused_unless_it_is_forced() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let profile =
        ["profile", "--device", "local", "--space", "proxyless-small", "--runtime", "mock"];
    json(folder, &[&profile[..], &["--networks", "0", "--out", "a.json", "--json"]].concat());
    let path = folder.join("a.json");
    let mut table: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    table["context"]["device"]["fingerprint"] = "0123456789abcdef".into();
    std::fs::write(&path, table.to_string()).unwrap();
    let what = "the table was made on another device or with another runtime";
    for command in [
        &["verify", "--nets", "1"][..],
        &["baseline", "--target", "1000ms", "--out", "baseline.json"],
    ] {
        let command = [command, &["--device", "local", "--table", "a.json"]].concat();
        let refused = host(folder, &command);
        let said = String::from_utf8_lossy(&refused.stderr);
        assert_eq!(refused.status.code(), Some(1), "{command:?}: {said}");
        assert!(said.contains(what) && said.contains("--force"), "{command:?}: {said}");
        let taken = host(folder, &[&command[..], &["--force"]].concat());
        let said = String::from_utf8_lossy(&taken.stderr);
        assert!(taken.status.success(), "{command:?}: {said}");
        assert!(said.contains(&format!("warning: {what}")), "{command:?}: {said}");
    }
}
