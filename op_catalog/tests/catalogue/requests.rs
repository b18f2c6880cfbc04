//! Which requests are refused, and with which problem; any other survives JSON.

use op_catalog::wire::{
    HeadlineChoice, Item, Job, JobRequest, MeasuringProtocol, Precision, Problem, ProblemCode,
    Runtime, Synchronisation, VisitStatistic,
};
use op_catalog::{Milliseconds, SpaceDefinition};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::golden::job_request;

/// What the agent answers to a request with one change.
#[track_caller]
fn check(change: impl FnOnce(&mut Value), expected: &Problem) {
    let mut request = serde_json::to_value(job_request()).unwrap();
    change(&mut request);
    let body = serde_json::to_vec(&request).unwrap();
    assert_eq!(Job::parse(&body).unwrap_err(), *expected);
}

fn invalid(field: &str, message: &str) -> Problem {
    Problem::new(ProblemCode::InvalidValue, format!("{field}: {message}")).at(field)
}

#[test]
fn a_good_request_is_taken_and_asking_twice_is_asking_once() {
    let request = job_request();
    let job = Job::parse(&serde_json::to_vec(&request).unwrap()).unwrap();
    assert_eq!(job.request(), &request);
    assert_eq!(job.id(), Job::new(request.clone()).unwrap().id());
    let other = JobRequest { label: "another".to_owned(), ..request };
    assert_ne!(job.id(), Job::new(other).unwrap().id());
}

#[test]
fn what_is_not_a_json_object_is_refused() {
    let cut = Job::parse(br#"{"protocol_version": 1"#).unwrap_err();
    let expected = Problem::new(
        ProblemCode::MalformedJson,
        "the body is not JSON: EOF while parsing an object at line 1 column 22",
    );
    assert_eq!(cut, expected.hint("send one JSON object with the content type application/json"));
    for body in ["[]", "1", "null", "\"x\""] {
        let problem = Job::parse(body.as_bytes()).unwrap_err();
        let message = "the body is not a JSON object";
        assert_eq!(problem, Problem::new(ProblemCode::InvalidValue, message), "{body}");
    }
    let deep = "[".repeat(100_000);
    assert_eq!(Job::parse(deep.as_bytes()).unwrap_err().code, ProblemCode::MalformedJson);
    assert_eq!(Job::parse(b"{\"a\": \xff}").unwrap_err().code, ProblemCode::MalformedJson);
}

#[test]
fn an_unknown_field_is_named_by_its_whole_path() {
    let unknown = |field: &str, known: &str| {
        Problem::new(ProblemCode::UnknownField, format!("there is no field `{field}`"))
            .hint(format!("the fields there are: {known}"))
            .at(field)
    };
    check(
        |request| request["speed"] = json!(1),
        &unknown(
            "speed",
            "`protocol_version`, `label`, `runtime`, `threads`, `batch`, `precision`, \
             `weight_seed`, `core`, `protocol`, `items`",
        ),
    );
    check(
        |request| request["items"][1]["block"] = json!([]),
        &unknown("items[1].block", "`id`, `blocks`"),
    );
    let mut request = serde_json::to_value(job_request()).unwrap();
    request["protocol"]["warmup"] = json!(1);
    let problem = Job::parse(&serde_json::to_vec(&request).unwrap()).unwrap_err();
    assert_eq!(problem.message, "there is no field `protocol.warmup`");
    assert_eq!(problem.field.as_deref(), Some("protocol.warmup"));
}

#[test]
fn another_protocol_version_is_refused_whatever_else_the_request_says() {
    for version in [json!(0), json!(2), json!(4_294_967_297_u64)] {
        let message = format!("the request speaks protocol version {version}, this agent 1");
        check(
            |request| {
                request["protocol_version"] = version;
                request["field_of_another_version"] = json!(true);
            },
            &Problem::new(ProblemCode::ProtocolVersion, message)
                .hint("use a host and an agent of the same release")
                .at("protocol_version"),
        );
    }
    check(
        |request| request["protocol_version"] = json!(-1),
        &invalid("protocol_version", "invalid value: integer `-1`, expected u32"),
    );
    check(
        |request| drop(request.as_object_mut().unwrap().remove("protocol_version")),
        &invalid("protocol_version", "this field is missing"),
    );
}

#[test]
fn impossible_shapes_are_refused_by_item_and_block() {
    for (key, message) in [
        ("conv-k3-in8x8x0-out8x8x8-s1", "channels is 0, but must be between 1 and 65536"),
        (
            "conv-k3-in8x8x1000000000-out8x8x8-s1",
            "channels is 1000000000, but must be between 1 and 65536",
        ),
        (
            "conv-k3-in8x8x3-out1x1x8-s9",
            "`conv-k3` cannot be placed at 8x8x3 with stride 9: the stride must be between 1 and \
             the map's side, 8",
        ),
        (
            "conv-k3-in8x8x3-out8x8x8-s0",
            "`conv-k3` cannot be placed at 8x8x3 with stride 0: the stride must be between 1 and \
             the map's side, 8",
        ),
        (
            "conv",
            "`conv` is not a placed operation such as \
             `mbconv-k3-e6-in28x28x40-out28x28x40-s1-skip`",
        ),
    ] {
        check(
            |request| request["items"][1]["blocks"][0] = json!(key),
            &invalid("items[1].blocks[0]", message),
        );
    }
    check(
        |request| request["items"][0]["blocks"] = json!([]),
        &invalid("items[0].blocks", "number of blocks is 0, but must be at least 1"),
    );
    check(
        |request| request["items"][1]["blocks"][1] = json!("conv-k1-in8x8x8-out8x8x8-s1"),
        &invalid(
            "items[1].blocks",
            "block 1 (`conv-k1-in8x8x8-out8x8x8-s1`) takes 8x8x8, but the block before it gives \
             16x16x8",
        ),
    );
    check(
        |request| {
            request["batch"] = json!(1024);
            request["items"][0]["blocks"] = json!(["conv-k1-in1024x1024x8-out1024x1024x8-s1"]);
        },
        &invalid(
            "items[0].blocks",
            "a batch of 1024 has a layer of 8589934592 elements, more than 268435456",
        ),
    );
}

#[test]
fn values_that_cannot_be_are_refused_by_field() {
    let cases = [
        ("/batch", json!(0), "0 is not between 1 and 1024"),
        ("/batch", json!(1_000_000_000), "1000000000 is not between 1 and 1024"),
        ("/threads", json!(0), "0 is not between 1 and 1024"),
        ("/threads", json!("two"), "invalid type: string \"two\", expected u32"),
        ("/label", json!(""), "it has 0 bytes, not 1 to 1024"),
        ("/label", json!("x".repeat(1025)), "it has 1025 bytes, not 1 to 1024"),
        ("/items", json!([]), "a job needs at least one item"),
        ("/weight_seed", json!(1.5), "invalid type: floating point `1.5`, expected u64"),
        (
            "/runtime",
            json!("tvm"),
            "unknown variant `tvm`, expected one of `tract`, `torch`, `torch_eager`, `torch_cuda`, `mock`",
        ),
        ("/precision", json!("f8"), "unknown variant `f8`, expected one of `f32`, `f16`, `int8`"),
    ];
    for (pointer, value, message) in cases {
        let field = pointer.trim_start_matches('/');
        check(|request| *request.pointer_mut(pointer).unwrap() = value, &invalid(field, message));
    }
    check(
        |request| request["items"][1]["id"] = request["items"][0]["id"].clone(),
        &invalid("items[1].id", "the id `one block` stands twice"),
    );
    check(
        |request| request["items"][0]["id"] = json!(""),
        &invalid("items[0].id", "it has 0 bytes, not 1 to 1024"),
    );
    check(
        |request| drop(request["items"][1].as_object_mut().unwrap().remove("id")),
        &invalid("items[1].id", "this field is missing"),
    );
}

#[test]
fn protocols_with_which_nothing_could_be_measured_are_refused() {
    for (name, value) in [
        ("warm_up_runs", json!(0)),
        ("visit_samples", json!(0)),
        ("instantiations", json!(0)),
        ("min_samples", json!(0)),
        ("target_relative_error", json!(0.0)),
        ("confidence", json!(1.0)),
        ("max_time", json!(-1.0)),
        ("max_timer_share", json!(0.0)),
        ("watchdog", json!(0.0)),
    ] {
        let mut request = serde_json::to_value(job_request()).unwrap();
        request["protocol"][name] = value;
        let problem = Job::parse(&serde_json::to_vec(&request).unwrap()).unwrap_err();
        let field = format!("protocol.{name}");
        assert_eq!((problem.code, problem.field), (ProblemCode::InvalidValue, Some(field)));
    }
}

fn any_protocol() -> impl Strategy<Value = MeasuringProtocol> {
    let headline = prop_oneof![
        Just(HeadlineChoice::Auto),
        Just(HeadlineChoice::Wall),
        Just(HeadlineChoice::ThreadCpu)
    ];
    let visit_statistic = prop_oneof![Just(VisitStatistic::Median), Just(VisitStatistic::Fastest)];
    let synchronisation =
        prop_oneof![Just(Synchronisation::EachRun), Just(Synchronisation::EachSample)];
    let choices = (headline, visit_statistic, synchronisation);
    let numbers = (any::<u64>(), 0.0..1e4, 1_u32..1000, 1e-6..1.0, 0.5..0.9999);
    (numbers, choices).prop_map(|(numbers, (headline, visit_statistic, synchronisation))| {
        let (seed, time, count, share, confidence) = numbers;
        MeasuringProtocol {
            shuffle_seed: seed,
            warm_up_min: Milliseconds(time),
            visit_min: Milliseconds(time / 3.0),
            min_time: Milliseconds(time * 7.0),
            min_samples: count,
            instantiations: count,
            rounds_per_child: count,
            target_relative_error: share,
            confidence,
            headline,
            visit_statistic,
            synchronisation,
            ..MeasuringProtocol::standard()
        }
    })
}

fn any_request() -> impl Strategy<Value = JobRequest> {
    let space = SpaceDefinition::built_in("proxyless-small").unwrap().build().unwrap();
    let operations: Vec<_> = space.placed_ops().into_iter().collect();
    let runtime = prop_oneof![
        Just(Runtime::Tract),
        Just(Runtime::Torch),
        Just(Runtime::TorchEager),
        Just(Runtime::TorchCuda),
        Just(Runtime::Mock)
    ];
    let precision = prop_oneof![Just(Precision::F32), Just(Precision::F16), Just(Precision::Int8)];
    let blocks = proptest::collection::vec(proptest::sample::select(operations), 1..5);
    let settings =
        (runtime, precision, 1_u32..=1024, 1_u32..=1024, any::<u64>(), any::<Option<u32>>());
    ("\\PC{1,40}", settings, any_protocol(), blocks).prop_map(
        |(label, (runtime, precision, threads, batch, weight_seed, core), protocol, blocks)| {
            let items = blocks.into_iter().enumerate();
            JobRequest {
                protocol_version: op_catalog::wire::PROTOCOL_VERSION,
                label,
                runtime,
                threads,
                batch,
                precision,
                weight_seed,
                core,
                protocol,
                items: items
                    .map(|(id, block)| Item { id: id.to_string(), blocks: vec![block] })
                    .collect(),
            }
        },
    )
}

proptest! {
    #[test]
    fn any_request_survives_json_and_keeps_its_id(request in any_request()) {
        let body = serde_json::to_vec(&request).unwrap();
        let job = Job::parse(&body).unwrap();
        prop_assert_eq!(job.request(), &request);
        let again = Job::new(request).unwrap();
        prop_assert_eq!(job.id(), again.id());
    }

    #[test]
    fn any_bytes_are_refused_without_panic(body in proptest::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(Job::parse(&body).is_err());
    }

    #[test]
    fn a_mutated_request_is_read_or_refused_without_panic(
        at in 0_usize..2000,
        length in 0_usize..30,
        insert in prop_oneof!["[ -~]{0,8}", "(null|-1|1e400|\\[|\\{|\"\"|0)"],
    ) {
        let mut body = serde_json::to_vec(&job_request()).unwrap();
        let at = at % body.len();
        let end = (at + length).min(body.len());
        body.splice(at..end, insert.bytes());
        if let Err(problem) = Job::parse(&body) {
            prop_assert!(!problem.message.is_empty());
            prop_assert_ne!(problem.field.as_deref(), Some("."));
        }
    }
}
