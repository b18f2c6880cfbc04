//! A race: networks of a search that are trained by themselves, and the best of them derived.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::Value;
use tests::{children_of, is_running, kill_now, program, wait_for};

use crate::small_search::{SEARCH, host, images, json, profiled, refusal, succeed, target};

/// A folder with a search that has ended.
fn searched() -> tempfile::TempDir {
    let folder = profiled();
    let (images, target) = (images(), target(folder.path()));
    let run = ["--data", &images, "--target", &target, "--out", "run"];
    succeed(folder.path(), &[&SEARCH[..], &run].concat());
    folder
}

/// A race of seconds. The space has few networks of any one latency: a low floor leaves some.
const RACE: [&str; 17] = [
    "race",
    "run",
    "--networks",
    "5",
    "--round",
    "2",
    "--finalists",
    "2",
    "--epochs",
    "1",
    "--steps-per-epoch",
    "12",
    "--batch",
    "16",
    "--floor",
    "0.5",
    "--json",
];

fn networks(result: &Value) -> &Vec<Value> {
    result["networks"].as_array().unwrap()
}

fn numbers(result: &Value, field: &str) -> Vec<f64> {
    networks(result).iter().filter_map(|network| network[field].as_f64()).collect()
}

/// What a network had after its longer trainings.
fn longer(network: &Value) -> Vec<f64> {
    let others = network["other_seeds"].as_array().unwrap().iter();
    let all = std::iter::once(&network["final_accuracy"]).chain(others);
    all.filter_map(Value::as_f64).collect()
}

/// The folder of the race that is in one.
fn place(folder: &Path) -> PathBuf {
    folder.join("run/races").read_dir().unwrap().next().unwrap().unwrap().path()
}

#[test]
fn a_race_trains_networks_by_themselves_and_the_best_one_is_derived() {
    let folder = searched();
    let folder = folder.path();
    let result = json(folder, &RACE);
    assert_eq!(networks(&result).len(), 5, "{result}");
    assert!(result["data"].as_str().unwrap().contains("held-out training images"), "{result}");
    let last = numbers(&result, "expected_final_accuracy");
    assert_eq!((last.len(), numbers(&result, "final_accuracy").len()), (2, 2), "{result}");
    assert!(last[1] <= last[0], "the best finalist is first: {result}");
    let expected = numbers(&result, "expected_accuracy");
    assert!(expected[2..].is_sorted_by(|a, b| a >= b), "{result}");
    for number in 0..5 {
        let place = place(folder);
        let trial = place.join(format!("trials/{number}/result.json"));
        let trained: Value = serde_json::from_slice(&fs::read(trial).unwrap()).unwrap();
        let raced = networks(&result).iter().find(|raced| raced["number"] == number).unwrap();
        assert_eq!(trained["last"]["top1"], raced["accuracy"]);
        assert!(place.join("pictures/race.svg").is_file());
    }

    let derived = json(folder, &["derive", "run", "--raced", "--floor", "0.5", "--json"]);
    let choices = |network: &Value| network["choices"].clone();
    let within = networks(&result).iter().find(|raced| {
        raced["predicted_ms"].as_f64().unwrap() <= derived[0]["target_ms"].as_f64().unwrap()
    });
    assert_eq!(choices(&derived[0]), choices(within.unwrap()), "{derived}");
    let longer = longer(within.unwrap());
    let mean = longer.iter().sum::<f64>() / longer.len() as f64;
    assert!((derived[0]["held_out_accuracy"].as_f64().unwrap() - mean).abs() < 1e-12, "{derived}");

    let name = place(folder).file_name().unwrap().to_string_lossy().into_owned();
    let first = &networks(&result)[0];
    let enough = format!("{}ms", 1.01 * first["predicted_ms"].as_f64().unwrap());
    let other = ["derive", "run", "--race", &name, "--target", &enough, "--json"];
    let derived = json(folder, &other);
    assert_eq!(choices(&derived[0]), choices(first), "{derived}");
    let said = refusal(folder, &["derive", "run", "--race", "another"]);
    assert!(said.contains("--race takes another, by its name"), "{said}");

    // Nothing is trained again, and other settings are another race.
    let said = String::from_utf8(host(folder, &RACE).stderr).unwrap();
    assert!(said.contains("going on with"), "{said}");
    assert_eq!(json(folder, &RACE), result);
    let longer = RACE.map(|argument| if argument == "5" { "6" } else { argument });
    let longer = json(folder, &longer);
    let first = |result: &Value| -> Vec<Value> {
        let mut all: Vec<Value> = networks(result).clone();
        all.sort_by_key(|raced| raced["number"].as_u64());
        all[..5].iter().map(|raced| raced["accuracy"].clone()).collect()
    };
    assert_eq!((networks(&longer).len(), first(&longer)), (6, first(&result)));
    let last = numbers(&longer, "expected_final_accuracy");
    assert!(2 <= last.len() && last.is_sorted_by(|a, b| a >= b), "{longer}");
    for before in &networks(&result)[..2] {
        let mut after = networks(&longer).iter();
        let after = after.find(|raced| raced["number"] == before["number"]).unwrap();
        assert_eq!(after["final_accuracy"], before["final_accuracy"], "nothing is lost");
    }
    let said = refusal(folder, &[&RACE[..], &["--learning-rate", "0.01"]].concat());
    assert!(said.contains("other settings") && said.contains("--restart"), "{said}");
    let said = refusal(folder, &["derive", "run", "--raced", "--name", "other"]);
    assert!(said.contains("`host race` makes one"), "{said}");
}

#[test]
fn a_race_that_asks_the_device_first_trains_nothing_that_is_above_the_budget() {
    let folder = searched();
    let folder = folder.path();
    // Sums of operations: the mock's whole networks take 8 % longer.
    let sums = ["--table", "sums.json"];
    let profile = ["profile", "--device", "local", "--runtime", "mock", "--space", "tiny.toml"];
    succeed(folder, &[&profile[..], &["--networks", "0", "--out", "sums.json"]].concat());
    let mut table: Value =
        serde_json::from_slice(&fs::read(folder.join("sums.json")).unwrap()).unwrap();
    table["context"]["device"]["fingerprint"] = "0123456789abcdef".into();
    fs::write(folder.join("sums.json"), table.to_string()).unwrap();
    let asking = [&RACE[..], &sums, &["--device", "local", "--name", "asked"]].concat();
    let said = refusal(folder, &asking);
    assert!(said.contains("another device") && said.contains("--force"), "{said}");
    let asking = [&asking[..], &["--force"]].concat();
    let said = String::from_utf8(host(folder, &asking).stderr).unwrap();
    assert!(said.contains("5 networks of"), "{said}");
    let config = fs::read_to_string(place(folder).join("race.toml")).unwrap();
    let config: toml::Value = toml::from_str(&config).unwrap();
    let off = config["off"].as_float().unwrap();
    assert!((off - 0.08).abs() < 0.01, "{off}");
    let budget = config["target"].as_str().unwrap().strip_suffix("ms").unwrap();
    let most = budget.parse::<f64>().unwrap() / (1.0 + off);
    assert!((config["window_ms"][1].as_float().unwrap() - most).abs() < 1e-9, "{config}");

    // What it was told once it keeps to.
    let said = String::from_utf8(host(folder, &asking).stderr).unwrap();
    assert!(said.contains("going on with") && !said.contains("5 networks of"), "{said}");
    let result = json(folder, &asking);
    assert!(numbers(&result, "predicted_ms").iter().all(|predicted| *predicted <= most));
    let said = refusal(folder, &[&RACE[..], &sums, &["--name", "asked"]].concat());
    assert!(said.contains("other settings"), "{said}");

    let derive = ["derive", "run", "--device", "local", "--raced", "--name", "asked", "--json"];
    let derived = json(folder, &[&derive[..], &sums, &["--force"]].concat());
    assert_eq!(derived[0]["choices"], networks(&result)[0]["choices"], "{derived}");
    assert_eq!(derived[0]["tries"], 1, "{derived}");
    let of_derived = |field: &str| derived[0][field].as_f64().unwrap();
    assert!(of_derived("measured_ms") <= of_derived("target_ms"), "{derived}");
}

#[test]
fn the_better_half_of_the_finalists_is_trained_once_more_with_another_seed() {
    let folder = searched();
    let folder = folder.path();
    let three = ["--networks", "3", "--round", "3", "--finalists", "3", "--final-epochs", "1"];
    let run = |halvings: &str| {
        json(folder, &[&RACE[..2], &three, &RACE[8..], &["--halvings", halvings]].concat())
    };
    let once = run("0");
    assert!(networks(&once).iter().all(|raced| longer(raced).len() == 1), "{once}");
    assert!(once["spread"].is_null(), "one training each says nothing of seeds: {once}");
    // Three finalists, then the better two, then the best one.
    let often = run("2");
    let trainings: usize = networks(&often).iter().map(|raced| longer(raced).len()).sum();
    assert_eq!(trainings, 6, "{often}");
    let spread = |field: &str| often["spread"][field].as_f64().unwrap();
    assert_eq!((spread("networks"), spread("degrees_of_freedom")), (3.0, 3.0), "{often}");
    assert!(spread("seed_deviation") > 0.0 && spread("network_deviation") >= 0.0, "{often}");
    for raced in networks(&often) {
        for (share, seed) in longer(raced).iter().zip(1..) {
            let suffix = if seed == 1 { String::new() } else { format!("-again-{}", seed - 1) };
            let run = place(folder).join(format!("finals/{}-1-epochs{suffix}", raced["number"]));
            let trained: Value =
                serde_json::from_slice(&fs::read(run.join("result.json")).unwrap()).unwrap();
            assert_eq!(trained["last"]["top1"].as_f64(), Some(*share));
            let settings = fs::read_to_string(run.join("config.toml")).unwrap();
            assert!(settings.contains(&format!("\nseed = {seed}\n")), "{settings}");
        }
    }
    // Nothing is lost where fewer are asked for.
    assert_eq!(run("0"), often);
    let text = [&RACE[..2], &three, &RACE[8..16], &["--halvings", "2"]].concat();
    let text = String::from_utf8(host(folder, &text).stdout).unwrap();
    assert!(text.contains("a seed moves a longer training by"), "{text}");
    assert!(text.contains("3 degrees of freedom") && text.contains("3 networks differ"), "{text}");
}

#[test]
fn a_race_learns_from_the_networks_of_one_before() {
    let folder = searched();
    let folder = folder.path();
    json(folder, &[&RACE[..], &["--name", "first"]].concat());
    let first_name = format!("first-{}", target(folder));
    let expected = |result: &Value| -> BTreeMap<String, f64> {
        let of = |raced: &Value| {
            (raced["choices"].to_string(), raced["expected_accuracy"].as_f64().unwrap())
        };
        networks(result).iter().map(of).collect()
    };
    // Two networks are trained alone, and two after five others.
    let two = RACE.map(|argument| if argument == "5" { "2" } else { argument });
    let alone = json(folder, &[&two[..], &["--name", "alone"]].concat());
    let after = ["--name", "second", "--after", &first_name];
    let taught = json(folder, &[&two[..], &after].concat());
    assert_eq!(networks(&taught).len(), 2, "the networks of the first race are not its own");
    assert_ne!(expected(&taught), expected(&alone));
    let place = folder.join(format!("run/races/second-{}", target(folder)));
    let settings = fs::read_to_string(place.join("race.toml")).unwrap();
    assert!(settings.contains(&format!("after = [\"{first_name}\"]")), "{settings}");

    // It goes on, and a race that is said twice tells nothing twice.
    assert_eq!(json(folder, &[&two[..], &after].concat()), taught);
    assert_eq!(json(folder, &[&two[..], &after, &["--after", &first_name]].concat()), taught);
    let name = format!("second-{}", target(folder));
    for (more, said) in [
        (["--name", "third", "--after", "nowhere"], "there is no race in"),
        (["--name", "second", "--after", &name], "does not come after itself"),
        (["--name", "third", "--after", "../.."], "a name and not a path"),
    ] {
        let refused = refusal(folder, &[&two[..], &more].concat());
        assert!(refused.contains(said), "{refused}");
    }
    let other = ["--name", "third", "--after", &first_name, "--learning-rate", "0.01"];
    let refused = refusal(folder, &[&two[..], &other].concat());
    assert!(refused.contains("trained its networks otherwise"), "{refused}");
    fs::remove_file(folder.join(format!("run/races/{first_name}/race.json"))).unwrap();
    let refused =
        refusal(folder, &[&two[..], &["--name", "third", "--after", &first_name]].concat());
    assert!(refused.contains("has not ended"), "{refused}");
    assert!(!folder.join(format!("run/races/third-{}", target(folder))).exists());
}

#[test]
fn a_race_that_is_killed_ends_as_one_that_is_not() {
    let folder = searched();
    let folder = folder.path();
    let whole = json(folder, &[&RACE[..], &["--name", "whole", "--at-once", "1"]].concat());
    let killed = [&RACE[..], &["--name", "killed", "--at-once", "1"]].concat();
    let mut kills = 0;
    for milliseconds in [2500, 4000, 5500] {
        let mut race = Command::new(program("host"))
            .args(&killed)
            .current_dir(folder)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(Duration::from_millis(milliseconds));
        kills += u32::from(race.try_wait().unwrap().is_none());
        // Its trainers end with it: none works on in a folder of the race.
        kill_now(&mut race);
    }
    assert!(0 < kills);
    assert_eq!(json(folder, &killed), whole);
}

#[tokio::test]
async fn the_trainers_of_a_race_that_is_killed_end_with_it() {
    let folder = searched();
    let mut race = Command::new(program("host"))
        .args(["race", "run", "--networks", "2", "--round", "2", "--finalists", "1"])
        .args(["--epochs", "500", "--batch", "16", "--floor", "0.5"])
        .current_dir(folder.path())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let trial = folder.path().join(format!("run/races/{}/trials/0", target(folder.path())));
    let begun = async || trial.join("metrics.jsonl").exists().then_some(());
    wait_for("a training to begin", begun).await;
    let trainers = children_of(race.id());
    assert!(!trainers.is_empty());
    kill_now(&mut race);
    let ended = async || (!trainers.iter().any(|&trainer| is_running(trainer))).then_some(());
    wait_for("the trainers to end", ended).await;
}

/// A trainer that trains in folders of this pattern at a rate at which networks diverge.
fn rash_trainer(folder: &Path, pattern: &str) -> PathBuf {
    let path = folder.join("rash_trainer");
    let text = format!(
        r#"#!/bin/sh
case "$2" in {pattern}) ;; *) exec "{trainer}" "$@" ;; esac
cp "$2/config.toml" "$2/said.toml"
sed -i 's/^learning_rate = .*/learning_rate = 1e30/' "$2/config.toml"
"{trainer}" "$@"
status=$?
mv "$2/said.toml" "$2/config.toml"
exit $status
"#,
        trainer = program("trainer").display()
    );
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path
}

#[test]
fn a_network_that_diverges_is_left_out_of_a_race_which_goes_on_without_it() {
    let folder = searched();
    let folder = folder.path();
    let race = |pattern: &str, name: &str| {
        Command::new(program("host"))
            .env("HOST_TRAINER", rash_trainer(folder, pattern))
            .args([&RACE[..], &["--name", name]].concat())
            .current_dir(folder)
            .output()
            .unwrap()
    };
    let output = race("*/trials/[13]", "some");
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{said}");
    assert!(said.contains("network 3 is left out") && said.contains("log.txt"), "{said}");
    let result: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(result["diverged"], serde_json::json!([1, 3]));
    let mut numbers: Vec<u64> =
        networks(&result).iter().map(|raced| raced["number"].as_u64().unwrap()).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, [0, 2, 4]);

    // A finalist that diverges with another seed is none to rely on.
    let output = race("*-again-1", "seeds");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let result: Value = serde_json::from_slice(&output.stdout).unwrap();
    let finalists = networks(&result).iter().filter(|raced| !longer(raced).is_empty());
    assert_eq!((networks(&result).len(), finalists.count()), (5, 1), "{result}");

    let output = race("*/trials/*", "all");
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("each of 5 trainings") && said.contains("--learning-rate"), "{said}");
}

#[test]
fn a_race_that_cannot_be_is_refused_before_anything_is_trained() {
    let folder = searched();
    let folder = folder.path();
    for (more, expected) in [
        (["--target", "0.000001ms"], "predicted to take from"),
        (["--held-out", "1.5"], "held_out is 1.5"),
        (["--held-out", "0.000001"], "held out: a share of 0.000001"),
        (["--final-epochs", "0"], "an epoch at least"),
        (["--name", "a/b"], "a name and not a path"),
        (["--data", "nowhere"], "nowhere"),
    ] {
        let said = refusal(folder, &[&RACE[..], &more].concat());
        assert!(said.contains(expected), "{said}");
    }
    let said =
        refusal(folder, &["race", "run", "--floor", "0.5", "--networks", "3", "--finalists", "9"]);
    assert!(said.contains("9 of 3 networks cannot be finalists"), "{said}");
    assert!(!folder.join("run/races").exists());
    let said = refusal(folder, &["race", "tiny.toml"]);
    assert!(said.contains("is no run"), "{said}");
}
