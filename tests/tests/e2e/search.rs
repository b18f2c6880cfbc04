//! From a search to a trained network: a run's folder, its continuation, and what is refused before it begins.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use serde_json::Value;
use tests::{children_of, kill_now, program, root};

/// A space that is searched in seconds: three edges on the images of Fashion-MNIST.
const SPACE: &str = r#"
name = "tiny"
classes = 10
width_multiplier = 1.0
candidates = ["mbconv-k3-e3", "mbconv-k5-e3", "mbconv-k3-e6", "zero"]

[input]
height = 28
width = 28
channels = 1

[[stem]]
op = "conv-k3"
width = 8

[[stages]]
width = 16
cells = 2
stride = 2

[[stages]]
width = 24
cells = 1
stride = 2

[[head]]
op = "conv-k1"
width = 32

[[head]]
op = "classifier"
"#;

fn host(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(program("host")).args(arguments).current_dir(folder).output().unwrap()
}

fn succeed(folder: &Path, arguments: &[&str]) -> Vec<u8> {
    let output = host(folder, arguments);
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

fn json(folder: &Path, arguments: &[&str]) -> Value {
    serde_json::from_slice(&succeed(folder, arguments)).unwrap()
}

/// What a command says where it refuses.
fn refusal(folder: &Path, arguments: &[&str]) -> String {
    let output = host(folder, arguments);
    assert_eq!(output.status.code(), Some(1), "{arguments:?}");
    String::from_utf8(output.stderr).unwrap()
}

/// A folder with the space and its table, by the mock runtime.
fn profiled() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("tiny.toml"), SPACE).unwrap();
    let profile = [
        "profile",
        "--device",
        "local",
        "--runtime",
        "mock",
        "--space",
        "tiny.toml",
        "--networks",
        "12",
        "--held-out",
        "0",
        "--out",
        "table.json",
        "--json",
    ];
    json(folder.path(), &profile);
    folder
}

/// The middle of what the space's networks take.
fn target(folder: &Path) -> String {
    let table: Value =
        serde_json::from_slice(&fs::read(folder.join("table.json")).unwrap()).unwrap();
    let networks = table["networks"].as_array().unwrap();
    let times = networks.iter().filter_map(|network| network["headline"]["value"].as_f64());
    let (least, most) = times.fold((f64::MAX, 0.0), |(a, b): (f64, f64), t| (a.min(t), b.max(t)));
    format!("{}ms", f64::midpoint(least, most))
}

/// Everything of a search but its target, its folder and its images.
const SEARCH: [&str; 17] = [
    "search",
    "--table",
    "table.json",
    "--threads",
    "1",
    "--batch",
    "16",
    "--warm-up-epochs",
    "1",
    "--epochs",
    "3",
    "--steps-per-epoch",
    "10",
    "--architecture-every",
    "2",
    "--checkpoint-every",
    "7",
];

/// Fashion-MNIST, where `cargo xtask setup` could bring it.
#[expect(clippy::print_stderr, reason = "a test that says less says so")]
fn fashion_mnist() -> Option<String> {
    let folder = root().join(".data/fashion-mnist");
    if !folder.is_dir() {
        eprintln!(
            "Fashion-MNIST is not there (cargo xtask setup brings it): images are drawn, and hard to learn"
        );
    }
    folder.is_dir().then(|| folder.display().to_string())
}

/// Images to search and train on.
fn images() -> String {
    fashion_mnist().unwrap_or_else(|| "synthetic".to_owned())
}

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

/// Kills a run and whatever it has started, as a power cut would.
fn kill(mut run: Child) {
    let children = children_of(run.id());
    kill_now(&mut run);
    for child in children {
        tests::kill_pid(child);
    }
}

/// The loss of a run's first weight step, in nats.
fn first_loss(run: &Path) -> f64 {
    let metrics = fs::read_to_string(run.join("metrics.jsonl")).unwrap();
    let first: Value = serde_json::from_str(metrics.lines().next().unwrap()).unwrap();
    assert_eq!(first["kind"], "weights");
    first["loss"].as_f64().unwrap()
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
        let run = ["--data", &images, "--target", &target, "--out", out, "--seed", "2"];
        [&longer[..], &run, more].concat().into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    let succeed_with = |arguments: &[String]| {
        succeed(folder, &arguments.iter().map(String::as_str).collect::<Vec<_>>());
    };
    succeed_with(&search("first", &[]));
    succeed_with(&search("second", &["--supernet", "first"]));
    let network = "first/architectures/most-likely.json";
    let train = ["train", "--network", network, "--space", "tiny.toml", "--data", &images];
    let settings = ["--threads", "1", "--epochs", "1", "--steps-per-epoch", "1", "--batch", "64"];
    let train = [&train[..], &settings].concat();
    succeed(folder, &[&train[..], &["--out", "fresh"]].concat());
    succeed(folder, &[&train[..], &["--out", "continued", "--supernet", "first"]].concat());
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
}

#[test]
fn a_search_that_is_killed_at_any_moment_ends_with_the_same_logits_to_the_last_bit() {
    let folder = profiled();
    let folder = folder.path();
    let (target, images) = (target(folder), images());
    for algorithm in ["gradient", "reinforce"] {
        let algorithm_option = ["--algorithm", algorithm, "--samples", "3"];
        let (whole, parts) = (format!("{algorithm}-whole"), format!("{algorithm}-parts"));
        let search = |out: &str| -> Vec<String> {
            let run = ["--data", &images, "--target", &target, "--out", out];
            let all = [&SEARCH[..], &run, &algorithm_option].concat();
            all.into_iter().map(str::to_owned).collect()
        };
        let of = |run: &str| fs::read(folder.join(run).join("logits.json"));
        let start = |arguments: &[String]| {
            Command::new(program("host"))
                .args(arguments)
                .current_dir(folder)
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .unwrap()
        };
        assert!(start(&search(&whole)).wait().unwrap().success());
        let mut run = start(&search(&parts));
        for milliseconds in [600, 900, 1300, 700, 1600] {
            std::thread::sleep(Duration::from_millis(milliseconds));
            kill(run);
            let is_begun = folder.join(&parts).join("config.toml").is_file();
            run = if is_begun {
                start(&["search".to_owned(), "--resume".to_owned(), parts.clone()])
            } else {
                start(&search(&parts))
            };
        }
        assert!(run.wait().unwrap().success());
        assert_eq!(of(&parts).unwrap(), of(&whole).unwrap(), "{algorithm}");
        let metrics =
            |run: &str| fs::read_to_string(folder.join(run).join("metrics.jsonl")).unwrap();
        assert_eq!(metrics(&parts).lines().count(), metrics(&whole).lines().count());
    }
}

/// A search on a disk that has room for one checkpoint and a half; when it has ended, the disk grows, and the search goes
/// on. A mount of its own, in a namespace of its own.
const SMALL_DISK: &str = r#"
mkdir small
mount -t tmpfs -o "size=$SIZE" tmpfs small || exit 77
"$HOST" "$@" --out small/run 2> full.txt && exit 1
mount -o remount,size=256m small
"$HOST" search --resume small/run 2> on.txt || exit 2
cp small/run/logits.json found.json
"#;

#[test]
fn a_search_whose_disk_is_full_keeps_its_last_checkpoint_and_goes_on_where_there_is_room() {
    let folder = profiled();
    let folder = folder.path();
    let (target, images) = (target(folder), images());
    let run = ["--data", &images, "--target", &target];
    let search = [&SEARCH[..], &run].concat();
    succeed(folder, &[&search[..], &["--out", "whole"]].concat());
    let bytes_below = |path: &str| -> u64 {
        let output = Command::new("du").args(["-sb", path]).current_dir(folder).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        text.split_whitespace().next().unwrap().parse().unwrap()
    };
    // Two checkpoints are kept.
    let checkpoint = bytes_below("whole/checkpoints") / 2;
    let size = bytes_below("whole/table.json") + bytes_below("whole/metrics.jsonl");
    let size = size + checkpoint * 3 / 2 + (1 << 16);
    let ended = Command::new("unshare")
        .args(["-rm", "sh", "-c", SMALL_DISK, "sh"])
        .args(&search)
        .env("HOST", program("host"))
        .env("SIZE", size.to_string())
        .current_dir(folder)
        .status();
    if !ended.as_ref().is_ok_and(|status| status.success() || matches!(status.code(), Some(1 | 2)))
    {
        eprintln!("a disk of its own cannot be mounted here, so that none was full: {ended:?}");
        return;
    }
    let read = |file: &str| fs::read_to_string(folder.join(file)).unwrap_or_default();
    let full = read("full.txt");
    assert!(ended.unwrap().success(), "{full} {}", read("on.txt"));
    for part in ["No space left on device", "small/run", "hint: ", "goes on after step 7"] {
        assert!(full.contains(part), "{full}");
    }
    assert!(read("on.txt").contains("going on after step 7"), "{}", read("on.txt"));
    assert_eq!(read("found.json"), read("whole/logits.json"));
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

#[test]
fn a_loss_that_is_not_finite_stops_the_run_at_its_step_with_the_last_good_checkpoint() {
    let folder = profiled();
    let folder = folder.path();
    let target = target(folder);
    let mut every_step = SEARCH;
    let option = every_step.iter().position(|argument| *argument == "--checkpoint-every").unwrap();
    every_step[option + 1] = "1";
    let run =
        ["--data", "synthetic", "--target", &target, "--out", "run", "--learning-rate", "1e30"];
    let said = refusal(folder, &[&every_step[..], &run].concat());
    assert!(said.contains("the loss is NaN") && said.contains("learning_rate"), "{said}");
    let number_after = |text: &str| -> u64 {
        let rest = said.split(text).nth(1).unwrap();
        rest.split(|sign: char| !sign.is_ascii_digit()).next().unwrap().parse().unwrap()
    };
    let failed = number_after("error: step ");
    assert!(failed >= 2, "{said}");
    assert_eq!(number_after("goes on after step "), failed - 1, "{said}");
}
