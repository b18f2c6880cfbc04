//! Answers are what the served description says, and a client can be written from it alone.

use std::process::Command;

use op_catalog::wire::Runtime;
use serde_json::{Value, json};
use tests::{Agent, Client, job, wait_for};

#[tokio::test]
async fn every_answer_is_of_the_schema_that_the_description_gives() {
    let spool = tempfile::tempdir().unwrap();
    let agent =
        Agent::start_with(spool.path(), &[], &[("DEVICE_AGENT_MOCK_FAULT", "refuse:in16x16x8-")]);
    let client = Client::new(&agent);
    let description = client.get("/v1/openapi.json").await.json();
    let request = job("described", Runtime::Mock, 5);
    let id = client.submit(&request).await;
    let rows = client.wait_for_end(&id).await;
    for (schema, value) in [
        ("DeviceInfo", client.get("/v1/device").await.json()),
        ("LiveState", client.get("/v1/state").await.json()),
        ("JobStatus", client.get(&format!("/v1/jobs/{id}")).await.json()),
        ("JobStatus", client.get("/v1/jobs").await.json()[0].clone()),
        ("Health", client.get("/v1/health").await.json()),
        ("Problem", client.get("/v1/nothing").await.json()),
        ("JobRequest", serde_json::to_value(&request).unwrap()),
    ] {
        check(&description, schema, &value)
            .unwrap_or_else(|error| panic!("{schema}: {error}: {value}"));
    }
    assert!(
        rows.iter().any(|row| row.contains("\"failed\""))
            && rows.iter().any(|row| row.contains("\"measured\""))
    );
    for row in rows {
        check(&description, "Row", &serde_json::from_str(&row).unwrap())
            .unwrap_or_else(|error| panic!("{error}: {row}"));
    }
    let mut wrong = serde_json::to_value(&request).unwrap();
    wrong["colour"] = json!(1);
    assert!(
        check(&description, "JobRequest", &wrong).is_err(),
        "an unknown field is of the schema"
    );
    assert!(check(&description, "JobStatus", &json!({})).is_err(), "the schema demands nothing");
}

/// Checks a value against a schema of the description.
fn check(description: &Value, schema: &str, value: &Value) -> Result<(), String> {
    let mut document = json!({ "$ref": format!("#/components/schemas/{schema}") });
    document["components"] = description["components"].clone();
    let validator = jsonschema::validator_for(&document).map_err(|error| error.to_string())?;
    validator.validate(value).map_err(|error| error.to_string())
}

#[tokio::test]
async fn curl_walks_a_job_by_the_paths_of_the_description() {
    if Command::new("curl").arg("--version").output().is_err() {
        eprintln!("skipped: there is no curl");
        return;
    }
    let spool = tempfile::tempdir().unwrap();
    let agent = Agent::start(spool.path());
    let curl = |arguments: &[&str], path: &str| {
        let output = Command::new("curl")
            .args(["-sS", "--noproxy", "*"])
            .args(arguments)
            .arg(format!("{}{path}", agent.url))
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let description: Value = serde_json::from_str(&curl(&[], "/v1/openapi.json")).unwrap();
    let path = |path: &str, method: &str| {
        assert!(description["paths"][path][method].is_object(), "{method} {path} is not described");
        path.to_owned()
    };
    let body = serde_json::to_string(&job("curl", Runtime::Mock, 3)).unwrap();
    let submitted =
        curl(&["-H", "content-type: application/json", "-d", &body], &path("/v1/jobs", "post"));
    let status: Value = serde_json::from_str(&submitted).unwrap();
    let id = status["id"].as_str().unwrap();
    let of_job = |template: &str, method: &str| path(template, method).replace("{id}", id);
    wait_for("the end of the job", async || {
        let status: Value =
            serde_json::from_str(&curl(&[], &of_job("/v1/jobs/{id}", "get"))).unwrap();
        (status["state"] == "done").then_some(())
    })
    .await;
    assert_eq!(curl(&[], &of_job("/v1/jobs/{id}/results", "get")).lines().count(), 3);
    assert!(curl(&[], &of_job("/v1/jobs/{id}/events", "get")).contains("event: done"));
    assert_eq!(
        curl(&["-X", "DELETE", "-w", "%{http_code}"], &of_job("/v1/jobs/{id}", "delete")),
        "204"
    );
}
