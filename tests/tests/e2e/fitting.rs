//! A table from anybody's networks: fitted, and priced line by line, by the programs alone.

use std::fmt::Write;
use std::fs;
use std::process::{Command, Output};

use serde_json::Value;
use tests::program;

/// Edges of the made-up space, with the cost of each choice in milliseconds.
const EDGES: [&[f64]; 4] =
    [&[1.0, 2.0, 4.0], &[0.5, 0.0], &[3.0, 1.5, 2.0], &[0.0, 0.25, 0.5, 1.0]];
const CONSTANT: f64 = 6.0;

fn host(folder: &std::path::Path, arguments: &[&str]) -> Output {
    Command::new(program("host")).args(arguments).current_dir(folder).output().unwrap()
}

/// The networks of the space from one on, with the latency that they have.
fn networks(from: usize, count: usize) -> (String, Vec<f64>) {
    let mut text = "c0,c1,c2,c3,latency_ms\n".to_owned();
    let mut latencies = Vec::new();
    for index in from..from + count {
        // Strides without a common divisor walk through all combinations.
        let choices = [index % 3, index / 3 % 2, index / 5 % 3, index / 7 % 4];
        let costs = EDGES.iter().zip(choices).map(|(edge, choice)| edge[choice]);
        // A ripple of a tenth of a percent, so that there is noise to tell.
        let noise = 1.0 + 1e-3 * (((index * 7) % 11) as f64 / 5.0 - 1.0);
        let latency = (CONSTANT + costs.sum::<f64>()) * noise;
        let [a, b, c, d] = choices;
        writeln!(text, "{a},{b},{c},{d},{latency}").unwrap();
        latencies.push(latency);
    }
    (text, latencies)
}

#[test]
fn a_table_of_networks_alone_prices_others_within_its_intervals_line_by_line() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fs::write(folder.join("measured.csv"), networks(0, 60).0).unwrap();
    let (others, latencies) = networks(60, 24);
    fs::write(folder.join("others.csv"), others).unwrap();

    let fit = ["table", "fit", "--networks", "measured.csv", "--out", "table.json", "--json"];
    let fitted = host(folder, &fit);
    assert!(fitted.status.success(), "{}", String::from_utf8_lossy(&fitted.stderr));
    let fitted: Value = serde_json::from_slice(&fitted.stdout).unwrap();
    assert_eq!(fitted["model"]["networks"], 60);

    let predict = ["predict", "--table", "table.json", "--networks", "others.csv", "--json"];
    let predicted = String::from_utf8(host(folder, &predict).stdout).unwrap();
    assert_eq!(predicted.lines().count(), latencies.len());
    let mut inside = 0;
    for (line, latency) in predicted.lines().zip(&latencies) {
        let line: Value = serde_json::from_str(line).unwrap();
        let number = |value: &Value| value.as_f64().unwrap();
        let error = (number(&line["predicted_ms"]) / latency - 1.0).abs();
        assert!(error < 0.004, "{line} of {latency}");
        assert!(number(&line["stderr_ms"]) > 0.0);
        let (low, high) = (number(&line["interval90_ms"][0]), number(&line["interval90_ms"][1]));
        inside += usize::from((low..=high).contains(latency));
    }
    assert!(inside >= 18, "{inside} of 24 inside their 90 % intervals");
}

#[test]
fn a_wrong_line_is_named_and_nothing_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let header = "c0,c1,latency_ms\n0,1,5.0\n";
    for (line, what) in [
        ("1,0,nan", "nan"),
        ("1,0,5.0x", "5.0x"),
        ("1,0,", "latency_ms"),
        ("1,0,-3", "-3"),
        ("1,x,5", "x"),
        ("1,5.0", "line 3"),
    ] {
        fs::write(folder.join("bad.csv"), format!("{header}{line}\n")).unwrap();
        let refused =
            host(folder, &["table", "fit", "--networks", "bad.csv", "--out", "table.json"]);
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert_eq!(refused.status.code(), Some(1), "{line}");
        for word in ["bad.csv", "line 3", what] {
            assert!(said.contains(word), "{line}: {said}");
        }
        assert!(!folder.join("table.json").exists(), "{line}");
    }
}
