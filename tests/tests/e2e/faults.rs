//! A runtime that crashes, hangs or refuses costs one item.

use op_catalog::Milliseconds;
use op_catalog::wire::{JobRequest, MeasuringProtocol, Runtime};
use serde_json::Value;
use tests::{Agent, Client, job, quick_protocol};

#[tokio::test]
async fn a_crash_a_hang_and_a_refusal_fail_one_item_with_its_reason_and_no_other() {
    for (fault, kind, attempts, reason) in [
        ("abort", "child_died", 2, "signal 6"),
        ("hang", "timed_out", 2, "silent"),
        ("refuse", "runtime", 1, "told to refuse"),
    ] {
        let spool = tempfile::tempdir().unwrap();
        let variable = format!("{fault}:mbconv-k5-e3-in16x16x9-");
        let agent = Agent::start_with(spool.path(), &[], &[("DEVICE_AGENT_MOCK_FAULT", &variable)]);
        let client = Client::new(&agent);
        let protocol = MeasuringProtocol { watchdog: Milliseconds(500.0), ..quick_protocol() };
        let id = client.submit(&JobRequest { protocol, ..job(fault, Runtime::Mock, 9) }).await;
        let rows = client.wait_for_end(&id).await;
        let rows: Vec<Value> = rows.iter().map(|row| serde_json::from_str(row).unwrap()).collect();
        let failed: Vec<&Value> = rows.iter().filter(|row| row["outcome"] == "failed").collect();
        assert_eq!((rows.len(), failed.len()), (9, 1), "{fault}");
        assert_eq!(
            (failed[0]["kind"].as_str(), failed[0]["attempts"].as_i64()),
            (Some(kind), Some(attempts))
        );
        let message = failed[0]["message"].as_str().unwrap();
        assert!(message.contains(reason), "{fault}: {message}");
        assert_eq!(client.get("/v1/health").await.status, 200);
    }
}
