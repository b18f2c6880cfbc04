//! From a search to a trained network, its weights in other searches, and what is refused before one begins.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::small_search::{
    SEARCH, SPACE, fashion_mnist, host, images, json, profiled, range_ms, refusal, succeed, target,
};

#[test]
fn a_search_becomes_a_trained_network_within_its_budget_on_the_device_for_any_runtime() {
    let folder = profiled();
    let folder = folder.path();
    let target = target(folder);
    let images = images();
    let mut longer = SEARCH;
    let steps = longer.iter().position(|argument| *argument == "--steps-per-epoch").unwrap();
    // So many that the supernet has learnt something, whatever the processor's rounding.
    longer[steps + 1] = "80";
    let run = ["--data", &images, "--target", &target, "--out", "run"];
    succeed(folder, &[&longer[..], &run].concat());
    for file in ["logits.json", "metrics.jsonl", "pictures/search.svg", "pictures/choices.png"] {
        assert!(folder.join("run").join(file).is_file(), "{file}");
    }

    let derive = ["derive", "run", "--device", "local", "--json"];
    let derived = json(folder, &derive);
    let budget = derived[0]["target_ms"].as_f64().unwrap();
    let measured = derived[0]["measured_ms"].as_f64().unwrap();
    assert!(measured <= budget && measured > 0.3 * budget, "{measured} of {budget}");
    let architecture = derived[0]["file"].as_str().unwrap();

    let path = json(folder, &["eval", "run", "--architecture", architecture, "--json"]);
    let train =
        ["train", "--network", architecture, "--space", "run/space.toml", "--data", &images];
    let settings = ["--threads", "1", "--batch", "32", "--epochs", "2", "--steps-per-epoch", "100"];
    succeed(folder, &[&train[..], &settings, &["--out", "net"]].concat());
    let trained = json(folder, &["eval", "net", "--json"]);
    let result: Value =
        serde_json::from_slice(&fs::read(folder.join("net/result.json")).unwrap()).unwrap();
    assert_eq!(trained["top1"], result["last"]["top1"]);
    let top1 = |accuracy: &Value| accuracy["top1"].as_f64().unwrap();
    if fashion_mnist().is_some() {
        // A tenth is chance. The supernet was trained for 320 steps on all its paths together.
        assert!(top1(&trained) > 0.5 && top1(&path) > 0.2, "{trained} {path}");
    }

    succeed(folder, &["export", "net", "--out", "exported"]);
    check_with_tract(&folder.join("exported"));
    check_with_onnxruntime(&folder.join("exported"));
}

/// The exported model gives libtorch's scores in tract, whatever the format's writer and readers do to it.
fn check_with_tract(exported: &Path) {
    let example = safetensors(&exported.join("example.safetensors"));
    let scores = tests::tract_scores(&exported.join("model.onnx"), &example["images"]);
    let expected = &example["scores"].1;
    assert_eq!(scores.len(), expected.len());
    for (found, expected) in scores.iter().zip(expected) {
        assert!((found - expected).abs() <= 1e-4 * expected.abs().max(1.0), "{found} {expected}");
    }
}

/// The same by Python's onnxruntime, where it is installed.
#[expect(clippy::print_stderr, reason = "a test that says less says so")]
fn check_with_onnxruntime(exported: &Path) {
    let script = r"
import json, struct, sys
import numpy, onnxruntime
def read(path):
    data = open(path, 'rb').read()
    size, = struct.unpack('<Q', data[:8])
    header = json.loads(data[8:8 + size])
    def tensor(entry):
        start, end = entry['data_offsets']
        return numpy.frombuffer(data[8 + size + start:8 + size + end], '<f4').reshape(entry['shape'])
    return {name: tensor(entry) for name, entry in header.items() if name != '__metadata__'}
example = read('example.safetensors')
found, = onnxruntime.InferenceSession('model.onnx').run(None, {'input': example['images']})
print(float(numpy.abs(found - example['scores']).max()))
";
    let has_it = Command::new("python3").args(["-c", "import onnxruntime"]).output();
    if !has_it.is_ok_and(|output| output.status.success()) {
        eprintln!("Python has no onnxruntime here: the exported model was not run with it");
        return;
    }
    let output =
        Command::new("python3").args(["-c", script]).current_dir(exported).output().unwrap();
    let difference = String::from_utf8_lossy(&output.stdout).trim().parse::<f64>();
    let difference =
        difference.unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)));
    assert!(difference < 1e-4, "{difference}");
}

/// The tensors of a file, each with its shape.
fn safetensors(path: &Path) -> std::collections::BTreeMap<String, (Vec<usize>, Vec<f32>)> {
    let bytes = fs::read(path).unwrap();
    let size = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let header: Value = serde_json::from_slice(&bytes[8..8 + size]).unwrap();
    let numbers = |value: &Value| -> Vec<usize> {
        value.as_array().unwrap().iter().map(|number| number.as_u64().unwrap() as usize).collect()
    };
    let tensor = |(name, entry): (&String, &Value)| {
        let range = numbers(&entry["data_offsets"]);
        let data = &bytes[8 + size + range[0]..8 + size + range[1]];
        let values = data.chunks_exact(4).map(|four| f32::from_le_bytes(four.try_into().unwrap()));
        (name.clone(), (numbers(&entry["shape"]), values.collect()))
    };
    let entries = header.as_object().unwrap().iter();
    entries.filter(|(name, _)| *name != "__metadata__").map(tensor).collect()
}

/// The loss of a run's first weight step, in nats.
fn first_loss(run: &Path) -> f64 {
    let metrics = fs::read_to_string(run.join("metrics.jsonl")).unwrap();
    let first: Value = serde_json::from_str(metrics.lines().next().unwrap()).unwrap();
    assert_eq!(first["kind"], "weights");
    first["loss"].as_f64().unwrap()
}

#[test]
fn a_search_begins_on_its_target_where_it_is_asked_to_and_says_so_where_it_is_far_from_it() {
    let folder = profiled();
    let folder = folder.path();
    // Uniform paths take much more than what is little more than the cheapest of the table's networks.
    let ms = 1.1 * range_ms(folder)[0];
    let target = format!("{ms}ms");
    let expected = |out: &str, more: &[&str]| {
        let run = ["--data", "synthetic", "--target", &target, "--out", out];
        let output = host(folder, &[&SEARCH[..], &run, more].concat());
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success(), "{said}");
        let metrics = fs::read_to_string(folder.join(out).join("metrics.jsonl")).unwrap();
        let mut lines = metrics.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let first = lines.find(|line| line["kind"] == "architecture").unwrap();
        (first["expected_ms"].as_f64().unwrap(), said.contains("--initial-logits on_target"))
    };
    let reinforce = ["--initial-logits", "on_target", "--algorithm", "reinforce"];
    for (out, more) in [("gradient", &reinforce[..2]), ("reinforce", &reinforce)] {
        let (expected_ms, is_advised) = expected(out, more);
        assert!((expected_ms / ms - 1.0).abs() < 0.005 && !is_advised, "{expected_ms} {ms}");
    }
    let (expected_ms, is_advised) = expected("uniform", &[]);
    assert!(expected_ms > 1.5 * ms && is_advised, "{expected_ms} {ms}");
}

#[test]
fn networks_of_a_search_are_compared_by_its_weights_and_the_best_one_is_derived() {
    let folder = profiled();
    let folder = folder.path();
    let target = target(folder);
    let run = ["--data", &images(), "--target", &target, "--out", "run"];
    succeed(folder, &[&SEARCH[..], &run].concat());
    let most_probable = json(folder, &["derive", "run", "--floor", "0.8", "--name", "p", "--json"]);
    assert!(most_probable[0]["held_out_accuracy"].is_null());
    let compare = ["derive", "run", "--floor", "0.8", "--compare", "9", "--json"];
    let compared = json(folder, &compare);
    assert_eq!(compared, json(folder, &compare), "the same seed gives the same network");
    let [first, second] = [&most_probable, &compared].map(|d| d[0]["file"].as_str().unwrap());
    let ranked = json(folder, &["rank", "run", first, second, "--json"]);
    let of = |position: u64| {
        let ranked = ranked.as_array().unwrap();
        ranked.iter().find(|ranked| ranked["position"] == position).unwrap().clone()
    };
    assert_eq!(of(1)["accuracy"], compared[0]["held_out_accuracy"]);
    let [first, second] = [0, 1].map(|position| of(position)["loss"].as_f64().unwrap());
    assert!(second <= first, "the most probable one is among the compared: {first} {second}");

    let on_the_device = json(folder, &[&compare[..], &["--device", "local"]].concat());
    let ms = |field: &str| on_the_device[0][field].as_f64().unwrap();
    assert!(ms("measured_ms") <= ms("target_ms"), "{on_the_device}");

    let second = ["--data", &images(), "--target", &target, "--out", "second", "--supernet", "run"];
    succeed(folder, &[&SEARCH[..], &second].concat());
    let again = json(folder, &["derive", "second", "--floor", "0.8", "--compare", "4", "--json"]);
    let by_run = json(folder, &["rank", "run", again[0]["file"].as_str().unwrap(), "--json"]);
    assert_eq!(
        by_run[0]["accuracy"], again[0]["held_out_accuracy"],
        "the weights that the second began with"
    );

    let said = refusal(folder, &["rank", "run", "mobilenet_v2"]);
    assert!(said.contains("mobilenet_v2 is no network of the space `tiny`"), "{said}");

    let said = refusal(folder, &["derive", "run", "--target", "0.000001ms"]);
    assert!(said.contains("predicted to take from") && said.contains("hint: "), "{said}");
    let said = host(folder, &["derive", "run", "--target", "9999ms"]).stderr;
    let said = String::from_utf8(said).unwrap();
    assert!(said.contains("of its budget of 9999 ms, and 97.0 % were asked for"), "{said}");
}

#[test]
fn the_weights_of_a_search_serve_another_search_and_a_training() {
    let folder = profiled();
    let folder = folder.path();
    let target = target(folder);
    let images = images();
    let search = |out: &str, more: &[&str]| {
        let mut longer = SEARCH;
        let steps = longer.iter().position(|argument| *argument == "--steps-per-epoch").unwrap();
        longer[steps + 1] = "60";
        let run = ["--data", &images, "--target", &target, "--out", out];
        [&longer[..], &run, more].concat().into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    let succeed_with = |arguments: &[String]| {
        succeed(folder, &arguments.iter().map(String::as_str).collect::<Vec<_>>());
    };
    succeed_with(&search("first", &["--seed", "2"]));
    succeed_with(&search("second", &["--supernet", "first", "--seed", "3"]));
    let settings = fs::read_to_string(folder.join("second/config.toml")).unwrap();
    assert!(settings.contains("held_out_seed = 2"), "first learnt weights on the rest: {settings}");
    let network = "first/architectures/most-likely.json";
    let train = ["train", "--network", network, "--space", "tiny.toml", "--data", &images];
    let settings = ["--threads", "1", "--epochs", "1", "--steps-per-epoch", "1", "--batch", "64"];
    let train = [&train[..], &settings].concat();
    succeed(folder, &[&train[..], &["--out", "fresh"]].concat());
    succeed(folder, &[&train[..], &["--out", "continued", "--supernet", "first"]].concat());
    for start in ["identity", "random"] {
        succeed(folder, &[&train[..], &["--out", start, "--residual-start", start]].concat());
    }
    let [fresh, identity, random] =
        ["fresh", "identity", "random"].map(|run| first_loss(&folder.join(run)));
    assert_eq!(identity.to_bits(), fresh.to_bits(), "blocks begin as the identity by default");
    assert_ne!(random.to_bits(), fresh.to_bits());
    if fashion_mnist().is_some() {
        for (with, without) in [("second", "first"), ("continued", "fresh")] {
            let [with, without] = [with, without].map(|run| first_loss(&folder.join(run)));
            assert!(with < without - 0.3, "{with} {without}");
        }
    }

    let other_space = SPACE.replace("width = 24", "width = 32").replace("tiny", "other");
    fs::write(folder.join("other.toml"), other_space).unwrap();
    let other = search("third", &["--supernet", "first", "--space", "other.toml"]);
    let profile =
        ["profile", "--device", "local", "--runtime", "mock", "--space", "other.toml", "--json"];
    let few = ["--networks", "12", "--held-out", "0", "--out", "other.json"];
    json(folder, &[&profile[..], &few].concat());
    let other: Vec<&str> = other
        .iter()
        .map(|argument| if argument == "table.json" { "other.json" } else { argument.as_str() })
        .collect();
    let said = refusal(folder, &other);
    assert!(said.contains("is a search in another space than `other`"), "{said}");
    assert!(!folder.join("third").exists());

    let other = fs::read_to_string(folder.join(network)).unwrap();
    fs::write(folder.join("net.json"), other.replace("tiny", "other")).unwrap();
    let mut train: Vec<&str> = [&train[..], &["--out", "none", "--supernet", "first"]].concat();
    (train[2], train[4]) = ("net.json", "other.toml");
    let said = refusal(folder, &train);
    assert!(said.contains("the network is none of `tiny`") && said.contains("hint: "), "{said}");
    assert!(!folder.join("none").exists());
}

#[test]
fn what_cannot_be_searched_is_refused_with_the_numbers_before_a_run_is_made() {
    let folder = profiled();
    let folder = folder.path();
    let target = target(folder);
    let other_space = SPACE.replace("mbconv-k5-e3", "mbconv-k7-e3").replace("tiny", "other");
    fs::write(folder.join("other.toml"), other_space).unwrap();
    make_images(&folder.join("three"), &["a", "b", "c"]);
    let ten = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"];
    make_images(&folder.join("empty"), &ten);
    let class = folder.join("empty/train/c");
    fs::remove_dir_all(&class).unwrap();
    fs::create_dir(&class).unwrap();
    make_images(&folder.join("broken"), &ten);
    fs::write(folder.join("broken/train/b/0.png"), b"no picture").unwrap();

    let search = |target: &str, more: &[&str]| {
        let run = ["--data", "synthetic", "--target", target, "--out", "run"];
        refusal(folder, &[&SEARCH[..], &run, more].concat())
    };
    for (said, parts) in [
        (search("0.000001ms", &[]), &["the target is", "predicted to take from", "hint: "][..]),
        (search("99999ms", &[]), &["the target is 99999 ms", "hint: "]),
        (search(&target, &["--space", "other.toml"]), &["mbconv-k7-e3"]),
        (search(&target, &["--learning-rate=-1"]), &["learning_rate is -1"]),
    ] {
        assert!(parts.iter().all(|part| said.contains(part)), "{said}");
    }
    if !Path::new("/dev/nvidiactl").exists() {
        let said = search(&target, &["--execution", "cuda-plain"]);
        assert!(said.contains("the execution is `cuda-plain`, and there is no GPU"), "{said}");
        assert!(said.contains("hint: "), "{said}");
    }
    let with_data = |data: &str| {
        let run = ["--data", data, "--target", &target, "--out", "run"];
        refusal(folder, &[&SEARCH[..], &run].concat())
    };
    for (data, parts) in [
        ("three", &["3 classes", "the network has 10"][..]),
        ("empty", &["`c`"]),
        ("broken", &["0.png"]),
        ("nowhere", &["nowhere"]),
    ] {
        let said = with_data(data);
        assert!(parts.iter().all(|part| said.contains(part)), "{data}: {said}");
    }
    assert!(!folder.join("run").exists());
}

/// Folders of classes with two grey pictures each, of 28 pixels.
fn make_images(root: &Path, classes: &[&str]) {
    for split in ["train", "test"] {
        for (index, class) in classes.iter().enumerate() {
            let folder = root.join(split).join(class);
            fs::create_dir_all(&folder).unwrap();
            for number in 0..2 {
                fs::write(
                    folder.join(format!("{number}.png")),
                    tests::grey_png(28, 20 * index as u8),
                )
                .unwrap();
            }
        }
    }
}
