//! Jobs over HTTP: submitting, following, cancelling, forgetting.

use futures_util::StreamExt;
use op_catalog::wire::Runtime;
use tests::{Agent, Client, ids, job, wait_for};

/// Keeps the jobs of a test in the middle.
const SLOW: [(&str, &str); 1] = [("DEVICE_AGENT_MOCK_FAULT", "slow:mbconv")];

#[tokio::test]
async fn asking_twice_is_asking_once_and_forgetting_is_for_good() {
    let spool = tempfile::tempdir().unwrap();
    let agent = Agent::start(spool.path());
    let client = Client::new(&agent);
    let request = job("twice", Runtime::Mock, 5);
    let first = client.send(client.request("POST", "/v1/jobs").json(&request)).await;
    assert_eq!(first.status, 202);
    let id = first.json()["id"].as_str().unwrap().to_owned();
    let rows = client.wait_for_end(&id).await;
    assert_eq!(rows.len(), 5);
    let second = client.send(client.request("POST", "/v1/jobs").json(&request)).await;
    assert_eq!((second.status, second.json()["id"].as_str()), (200, Some(id.as_str())));
    assert_eq!(client.rows(&id).await, rows);
    assert_eq!(client.send(client.request("DELETE", &format!("/v1/jobs/{id}"))).await.status, 204);
    assert_eq!(client.get(&format!("/v1/jobs/{id}")).await.status, 404);
    assert_eq!(client.get("/v1/jobs").await.json(), serde_json::json!([]));
}

#[tokio::test]
async fn a_child_is_for_as_many_rounds_as_the_request_says() {
    let spool = tempfile::tempdir().unwrap();
    let agent = Agent::start(spool.path());
    let client = Client::new(&agent);
    for (rounds_per_child, children) in [(1, 6), (4, 2), (100, 1)] {
        let mut request = job(&format!("{rounds_per_child} rounds"), Runtime::Mock, 3);
        request.protocol.rounds_per_child = rounds_per_child;
        let id = client.submit(&request).await;
        client.wait_for_end(&id).await;
        let status = client.get(&format!("/v1/jobs/{id}")).await.json();
        let visits = status["progress"]["visits"].as_u64().unwrap();
        // Two visits of a child share the canary between them.
        let canaries = status["canary"].as_array().unwrap().len() as u64;
        assert_eq!((visits, canaries - visits), (18, children), "{rounds_per_child}");
    }
}

#[tokio::test]
async fn events_are_the_rows_byte_for_byte_and_go_on_after_the_last_one_that_came() {
    let spool = tempfile::tempdir().unwrap();
    let agent = Agent::start(spool.path());
    let client = Client::new(&agent);
    let id = client.submit(&job("events", Runtime::Mock, 6)).await;
    let all = events(&client, &id, 0).await;
    let rows = client.rows(&id).await;
    assert_eq!(all, rows);
    assert_eq!(events(&client, &id, 4).await, rows[4..]);
    assert!(events(&client, &id, 6).await.is_empty());
}

/// The data of the row events of a job that ends, after so many rows.
async fn events(client: &Client, id: &str, after: usize) -> Vec<String> {
    let request =
        client.request("GET", &format!("/v1/jobs/{id}/events")).header("last-event-id", after);
    let mut bytes = request.send().await.unwrap().bytes_stream();
    let mut text = String::new();
    while let Some(chunk) = bytes.next().await {
        text += std::str::from_utf8(&chunk.unwrap()).unwrap();
    }
    assert!(text.contains("event: done"), "{text}");
    let events = text.split("\n\n").filter(|event| event.contains("event: row"));
    events
        .map(|event| event.lines().find_map(|line| line.strip_prefix("data: ")).unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn a_cancelled_job_keeps_what_it_has_and_goes_on_when_it_is_asked_for_again() {
    let spool = tempfile::tempdir().unwrap();
    let agent = Agent::start_with(spool.path(), &[], &SLOW);
    let client = Client::new(&agent);
    let request = job("cancelled", Runtime::Mock, 12);
    let id = client.submit(&request).await;
    let before = client.wait_for_rows(&id, 3).await;
    client.send(client.request("POST", &format!("/v1/jobs/{id}/cancel"))).await;
    wait_for("the job to stop", async || {
        (client.get(&format!("/v1/jobs/{id}")).await.json()["outcome"] == "cancelled").then_some(())
    })
    .await;
    assert_eq!(client.submit(&request).await, id);
    let rows = client.wait_for_end(&id).await;
    assert_eq!(rows[..before.len()], before);
    assert_eq!(ids(&rows).len(), 12);
}

#[tokio::test]
async fn a_full_queue_says_when_to_come_back() {
    let spool = tempfile::tempdir().unwrap();
    let agent = Agent::start_with(spool.path(), &["--max-queue", "1"], &SLOW);
    let client = Client::new(&agent);
    let running = client.submit(&job("running", Runtime::Mock, 30)).await;
    wait_for("the first job to run", async || {
        (client.get(&format!("/v1/jobs/{running}")).await.json()["state"] == "running")
            .then_some(())
    })
    .await;
    client.submit(&job("waiting", Runtime::Mock, 1)).await;
    let refused = client
        .send(client.request("POST", "/v1/jobs").json(&job("too much", Runtime::Mock, 1)))
        .await;
    assert_eq!((refused.status, refused.json()["code"].as_str()), (429, Some("queue_full")));
    assert!(refused.retry_after.is_some());
}
