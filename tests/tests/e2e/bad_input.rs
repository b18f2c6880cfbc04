//! Every wrong request gets its documented error, and the agent lives.

use op_catalog::wire::Runtime;
use serde_json::{Value, json};
use tests::{Agent, Client, ids, job};

#[tokio::test]
async fn every_wrong_request_gets_its_documented_error() {
    let spool = tempfile::tempdir().unwrap();
    let agent = Agent::start(spool.path());
    let client = Client::new(&agent);
    let good = serde_json::to_value(job("good", Runtime::Mock, 2)).unwrap();
    let with = |pointer: &str, value: Value| {
        let mut changed = good.clone();
        *changed.pointer_mut(pointer).unwrap() = value;
        changed.to_string()
    };
    let added = |pointer: &str| {
        let mut changed = good.clone();
        changed.pointer_mut(pointer).unwrap()["colour"] = json!(1);
        changed.to_string()
    };
    let block = "/items/1/blocks/0";
    for (body, status, code, field) in [
        ("{".to_owned(), 400, "malformed_json", None),
        (added(""), 422, "unknown_field", Some("colour")),
        (added("/protocol"), 422, "unknown_field", Some("protocol.colour")),
        (added("/items/1"), 422, "unknown_field", Some("items[1].colour")),
        (with("/protocol_version", json!(99)), 422, "protocol_version", Some("protocol_version")),
        (
            with(block, json!("conv-k3-in7x7x16-out1x1x16-s8")),
            422,
            "invalid_value",
            Some("items[1].blocks[0]"),
        ),
        (
            with(block, json!("conv-k3-in7x7x0-out7x7x16-s1")),
            422,
            "invalid_value",
            Some("items[1].blocks[0]"),
        ),
        (
            with(block, json!("conv-k3-in7x7x1000000000-out7x7x16-s1")),
            422,
            "invalid_value",
            Some("items[1].blocks[0]"),
        ),
        (with("/items", json!([])), 422, "invalid_value", Some("items")),
        (with("/batch", json!(0)), 422, "invalid_value", Some("batch")),
        (with("/runtime", json!("torch")), 422, "unavailable", Some("runtime")),
        (with("/runtime", json!("torch_eager")), 422, "unavailable", Some("runtime")),
        (with("/runtime", json!("torch_cuda")), 422, "unavailable", Some("runtime")),
        (with("/precision", json!("f16")), 422, "unavailable", Some("precision")),
        (with("/threads", json!(1000)), 422, "unavailable", Some("threads")),
        (with("/core", json!(4000)), 422, "unavailable", Some("core")),
        (" ".repeat(100 << 20), 413, "body_too_large", None),
    ] {
        let shown: String = body.chars().take(60).collect();
        let request = client
            .request("POST", "/v1/jobs")
            .header("content-type", "application/json")
            .body(body);
        let answer = client.send(request).await;
        let problem = answer.json();
        assert_eq!(
            (answer.status, problem["code"].as_str()),
            (status, Some(code)),
            "{shown}: {problem}"
        );
        assert_eq!(problem["field"].as_str(), field, "{shown}: {problem}");
    }
    for (method, path, status, code) in [
        ("GET", "/v1/nothing", 404, "not_found"),
        ("GET", "/v1/jobs/0123456789abcdef", 404, "not_found"),
        ("GET", "/v1/jobs/nonsense/results", 404, "not_found"),
        ("PUT", "/v1/jobs", 405, "method_not_allowed"),
        ("POST", "/v1/jobs", 415, "unsupported_media_type"),
    ] {
        let answer = client.send(client.request(method, path)).await;
        assert_eq!(
            (answer.status, answer.json()["code"].as_str()),
            (status, Some(code)),
            "{method} {path}"
        );
    }
    assert_eq!(client.get("/v1/jobs").await.json(), json!([]));
}

#[tokio::test]
async fn an_agent_with_a_token_answers_only_who_shows_it() {
    let spool = tempfile::tempdir().unwrap();
    let file = spool.path().join("my-token");
    std::fs::write(&file, "correct-horse-battery\n").unwrap();
    let given = Agent::start_with(spool.path(), &["--token-file", file.to_str().unwrap()], &[]);
    let open_spool = tempfile::tempdir().unwrap();
    let open = Agent::start_with(open_spool.path(), &["--listen", "0.0.0.0:0"], &[]);
    let made = std::fs::read_to_string(open_spool.path().join("token")).unwrap();
    for (agent, token) in [(&given, "correct-horse-battery"), (&open, made.as_str())] {
        let client = Client::new(agent);
        assert_eq!(client.get("/v1/health").await.status, 200);
        let missing = client.get("/v1/device").await;
        assert_eq!((missing.status, missing.json()["code"].as_str()), (401, Some("token_missing")));
        let wrong = client.send(client.request("GET", "/v1/device").bearer_auth("wrong")).await;
        assert_eq!((wrong.status, wrong.json()["code"].as_str()), (401, Some("token_wrong")));
        assert_eq!(
            client.send(client.request("GET", "/v1/device").bearer_auth(token)).await.status,
            200
        );
    }
}

#[tokio::test]
async fn a_thousand_requests_at_once_disturb_no_row() {
    let quiet_spool = tempfile::tempdir().unwrap();
    let request = job("flood", Runtime::Mock, 40);
    let quiet = {
        let agent = Agent::start(quiet_spool.path());
        let client = Client::new(&agent);
        let id = client.submit(&request).await;
        client.wait_for_end(&id).await
    };
    let spool = tempfile::tempdir().unwrap();
    let agent =
        Agent::start_with(spool.path(), &[], &[("DEVICE_AGENT_MOCK_FAULT", "slow:mbconv-k3")]);
    let client = std::sync::Arc::new(Client::new(&agent));
    let id = client.submit(&request).await;
    let flood = (0..1000).map(|number| {
        let client = std::sync::Arc::clone(&client);
        tokio::spawn(async move {
            match number % 4 {
                0 => (client.get("/v1/device").await.status, 200),
                1 => (client.get("/v1/nothing").await.status, 404),
                2 => (
                    client
                        .send(client.request("POST", "/v1/jobs").json(&json!({"colour": 1})))
                        .await
                        .status,
                    422,
                ),
                _ => (client.get("/v1/state").await.status, 200),
            }
        })
    });
    for answer in futures_util::future::join_all(flood).await {
        let (status, expected) = answer.unwrap();
        assert_eq!(status, expected);
    }
    let rows = client.wait_for_end(&id).await;
    // The mock's clock is virtual, so its rows are the same to the byte however disturbed the machine is.
    assert_eq!(rows, quiet);
    assert_eq!(ids(&rows).len(), 40);
}
