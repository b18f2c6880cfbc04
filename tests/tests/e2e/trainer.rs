//! The trainer runs what needs libtorch, for `host`.

use std::process::{Command, Output};

use serde_json::Value;
use tests::program;

fn host(arguments: &[&str]) -> Output {
    Command::new(program("host")).args(arguments).output().unwrap()
}

#[test]
fn the_steps_of_a_search_are_timed_and_their_bytes_counted() {
    let arguments =
        ["bench", "step", "--space", "proxyless-small", "--batch", "4", "--rounds", "2", "--json"];
    let output = host(&arguments);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let costs: Value = serde_json::from_slice(&output.stdout).unwrap();
    let names: Vec<&String> = costs.as_object().unwrap().keys().collect();
    assert_eq!(names, ["weight", "full_v2", "two", "full", "all_paths"]);
    let peak = |name: &str| costs[name]["peak_bytes"].as_i64().unwrap();
    assert!(names.iter().all(|name| costs[*name]["median_s"].as_f64().unwrap() > 0.0), "{costs}");
    // What gates are for: one path is held, not all of them.
    assert!(peak("all_paths") > 2 * peak("full_v2"), "{costs}");
}

#[test]
fn a_command_of_the_trainer_explains_itself_as_one_of_the_hosts() {
    let output = host(&["bench", "step", "--help"]);
    let help = String::from_utf8(output.stdout).unwrap();
    assert!(help.contains("Usage: host bench step"), "{help}");
}

#[test]
fn a_space_that_is_not_there_is_refused_with_those_that_are() {
    let output = host(&["bench", "step", "--space", "proxyless-large"]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success());
    assert!(said.starts_with("error: ") && said.contains("proxyless-large"), "{said}");
    assert!(said.contains("hint: "), "{said}");
}
