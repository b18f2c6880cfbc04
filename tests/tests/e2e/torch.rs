//! libtorch is a runtime of the program `device_agent_torch`, and is refused by name everywhere else.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use op_catalog::wire::Runtime;
use serde_json::Value;
use tests::{Agent, Client, ids, job, program};

fn host(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(program("host")).args(arguments).current_dir(folder).output().unwrap()
}

fn json(folder: &Path, arguments: &[&str]) -> Value {
    let output = host(folder, arguments);
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The runtimes that an agent says it has.
async fn runtimes(client: &Client) -> Vec<Value> {
    client.get("/v1/device").await.json()["runtimes"].as_array().unwrap().clone()
}

#[test]
fn a_space_is_profiled_and_verified_with_libtorch() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let profile = [
        "profile",
        "--device",
        "local",
        "--space",
        "proxyless-small",
        "--runtime",
        "torch",
        "--target-error",
        "50%",
        "--networks",
        "16",
        "--held-out",
        "0",
        "--out",
        "a.json",
        "--json",
    ];
    let summary = json(folder, &profile);
    assert_eq!((&summary["rows"], &summary["failed"]), (&40.into(), &0.into()));
    let table = json(folder, &["table", "show", "a.json", "--json"]);
    assert_eq!(table["context"]["runtime"], "torch");
    let rows = table["rows"].as_array().unwrap();
    assert!(rows.iter().all(|row| row["source"] == "measured"), "{rows:?}");
    let verify = ["verify", "--device", "local", "--table", "a.json", "--nets", "3", "--json"];
    let report = json(folder, &verify);
    assert!(report["networks"].as_array().unwrap().len() >= 3);
}

#[tokio::test]
async fn both_ways_of_running_libtorch_measure_every_item_on_one_and_on_several_threads() {
    let spool = tempfile::tempdir().unwrap();
    let agent = Agent::start_torch(spool.path());
    let client = Client::new(&agent);
    let threads = runtimes(&client).await[0]["max_threads"].as_u64().unwrap() as u32;
    for runtime in [Runtime::Torch, Runtime::TorchEager] {
        for threads in [1, threads.min(2)] {
            let mut request = job(&format!("{runtime} {threads}"), runtime, 6);
            request.threads = threads;
            let id = client.submit(&request).await;
            let rows = client.wait_for_end(&id).await;
            assert_eq!(ids(&rows).len(), 6);
            let measured = |row: &String| row.contains("\"outcome\":\"measured\"");
            assert!(rows.iter().all(measured), "{rows:?}");
        }
    }
}

#[tokio::test]
async fn the_agent_says_what_it_has_and_refuses_a_gpu_that_is_not_there() {
    let spool = tempfile::tempdir().unwrap();
    let agent = Agent::start_torch(spool.path());
    let client = Client::new(&agent);
    let there = runtimes(&client).await;
    let names: Vec<&str> = there.iter().filter_map(|info| info["runtime"].as_str()).collect();
    for name in ["torch", "torch_eager", "tract", "mock"] {
        assert!(names.contains(&name), "{names:?}");
    }
    let torch = there.iter().find(|info| info["runtime"] == "torch").unwrap();
    assert_eq!(torch["version"], "2.13.0");
    if !names.contains(&"torch_cuda") {
        let problem = refusal(&client, Runtime::TorchCuda).await;
        assert_eq!(problem["message"], "this agent has no runtime `torch_cuda`");
        assert!(problem["hint"].as_str().unwrap().contains("a GPU of NVIDIA"), "{problem}");
    }
}

#[tokio::test]
async fn an_agent_without_libtorch_refuses_it_by_name_with_the_command_that_brings_it() {
    let spool = tempfile::tempdir().unwrap();
    let agent = Agent::start(spool.path());
    let client = Client::new(&agent);
    let problem = refusal(&client, Runtime::Torch).await;
    assert_eq!(problem["code"], "unavailable");
    assert_eq!(problem["message"], "this agent has no runtime `torch`");
    let hint = problem["hint"].as_str().unwrap();
    assert!(hint.contains("cargo build --package device_agent --features torch"), "{hint}");
}

async fn refusal(client: &Client, runtime: Runtime) -> Value {
    let request = client.request("POST", "/v1/jobs").json(&job("refused", runtime, 1));
    let answer = client.send(request).await;
    assert_eq!(answer.status, 422, "{answer:?}");
    answer.json()
}

#[test]
fn no_other_program_waits_for_libtorch_to_be_loaded() {
    let needs = |name: &str| {
        let bytes = fs::read(program(name)).unwrap();
        bytes.windows(16).any(|window| window == b"libtorch_cpu.so\0")
    };
    assert_eq!(["device_agent_torch", "device_agent", "host"].map(needs), [true, false, false]);
}
