//! kill -9 of the child, the agent, the host: the table is complete afterwards, and what was finished is
//! as it was, byte for byte.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use op_catalog::wire::Runtime;
use tests::{Agent, Client, ids, job, kill_now, kill_pid, program, wait_for};

const ITEMS: usize = 24;

#[tokio::test]
async fn a_killed_child_costs_no_row() {
    let spool = tempfile::tempdir().unwrap();
    let agent = Agent::start(spool.path());
    let client = Client::new(&agent);
    let request = job("child", Runtime::Tract, ITEMS);
    let id = client.submit(&request).await;
    let mut killed = Vec::new();
    let mut before = Vec::new();
    while killed.len() < 3 {
        let child = wait_for("a child", async || {
            agent.children().into_iter().find(|pid| !killed.contains(pid))
        })
        .await;
        before = client.rows(&id).await;
        kill_pid(child);
        killed.push(child);
        // An item is tried twice: two kills during the same visit would rightly fail it.
        let visits = visits_made(&client, &id).await;
        wait_for("another visit", async || {
            (visits_made(&client, &id).await > visits).then_some(())
        })
        .await;
    }
    let rows = client.wait_for_end(&id).await;
    assert_eq!(rows[..before.len()], before);
    assert_eq!(ids(&rows), asked(&request));
    assert!(rows.iter().all(|row| row.contains("\"outcome\":\"measured\"")), "{rows:?}");
}

async fn visits_made(client: &Client, id: &str) -> u64 {
    let status = client.get(&format!("/v1/jobs/{id}")).await.json();
    status["progress"]["visits"].as_u64().unwrap()
}

#[tokio::test]
async fn a_killed_agent_loses_no_finished_row() {
    let spool = tempfile::tempdir().unwrap();
    let request = job("agent", Runtime::Tract, ITEMS);
    let agent = Agent::start(spool.path());
    let client = Client::new(&agent);
    let id = client.submit(&request).await;
    let before = client.wait_for_rows(&id, 3).await;
    agent.kill();
    assert!(before.len() < ITEMS, "the job was over before the agent could be killed");

    // The restarted agent goes on by itself.
    let agent = Agent::start(spool.path());
    let client = Client::new(&agent);
    let rows = client.wait_for_end(&id).await;
    assert_eq!(rows[..before.len()], before);
    assert_eq!(ids(&rows), asked(&request));
}

#[tokio::test]
async fn a_killed_host_goes_on_where_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let table = folder.path().join("table.json");
    let journal = folder.path().join("table.json.profile").join("rows.jsonl");
    let lines = || fs::read_to_string(&journal).unwrap_or_default();

    let mut host = profile(&table);
    wait_for("rows in the journal", async || (lines().lines().count() >= 2).then_some(())).await;
    kill_now(&mut host);
    let before = lines();
    assert!(!table.exists(), "the profile was over before the host could be killed");

    // Slow jobs keep the second host in the middle long enough to see that it has kept the rows.
    let mut host = profile(&table);
    wait_for("more rows", async || (lines().len() > before.len() || table.exists()).then_some(()))
        .await;
    if !table.exists() {
        assert!(lines().starts_with(&before));
    }
    assert!(host.wait().unwrap().success());
    let written = read(&table);
    assert_eq!(written["rows"].as_array().unwrap().len(), 40);
    assert_kept(&written, &before);
    assert!(!journal.exists(), "the journal is there until the table is, and no longer");
}

#[tokio::test]
async fn a_host_killed_among_the_networks_measures_no_operation_again() {
    let folder = tempfile::tempdir().unwrap();
    let table = folder.path().join("table.json");
    let journal = folder.path().join("table.json.profile");
    let lines = |name: &str| fs::read_to_string(journal.join(name)).unwrap_or_default();

    let mut host = profile(&table);
    wait_for("a network in the journal", async || {
        lines("networks/rows.jsonl").contains('\n').then_some(())
    })
    .await;
    kill_now(&mut host);
    let (operations, networks) = (lines("rows.jsonl"), lines("networks/rows.jsonl"));
    assert_eq!(operations.lines().count(), 40);
    assert!(!table.exists(), "the profile was over before the host could be killed");

    assert!(profile(&table).wait().unwrap().success());
    let written = read(&table);
    assert_kept(&written, &operations);
    let visits: Vec<&serde_json::Value> =
        written["networks"].as_array().unwrap().iter().map(|row| &row["visits"]).collect();
    assert_eq!(visits.len(), 6 + 2);
    for line in networks.lines() {
        let row: serde_json::Value = serde_json::from_str(line).unwrap();
        assert!(visits.contains(&&row["visits"]), "{line}");
    }
    assert_eq!(written["model"]["networks"], 6);
}

fn read(table: &Path) -> serde_json::Value {
    serde_json::from_str(&fs::read_to_string(table).unwrap()).unwrap()
}

/// The rows of a journal are in the table as they were.
fn assert_kept(written: &serde_json::Value, journal: &str) {
    let rows = written["rows"].as_array().unwrap();
    for line in journal.lines() {
        let row: serde_json::Value = serde_json::from_str(line).unwrap();
        let kept = rows.iter().find(|kept| kept["key"] == row["id"]).unwrap();
        for part in ["p50", "visits", "n"] {
            assert_eq!(kept[part], row[part], "{line}");
        }
    }
}

/// A host that profiles the small space with the mock runtime made slow.
fn profile(table: &Path) -> Child {
    Command::new(program("host"))
        .args([
            "profile",
            "--device",
            "local",
            "--space",
            "proxyless-small",
            "--runtime",
            "mock",
            "--networks",
            "6",
            "--held-out",
            "2",
            "--out",
        ])
        .arg(table)
        .env("DEVICE_AGENT_MOCK_FAULT", "slow:mbconv-k7")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

fn asked(request: &op_catalog::wire::JobRequest) -> Vec<String> {
    let mut ids: Vec<String> = request.items.iter().map(|item| item.id.clone()).collect();
    ids.sort();
    ids
}
