//! A small search is one of seconds, on a space of three edges: what its tests start from.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;
use tests::{program, root};

/// A space that is searched in seconds: three edges on the images of Fashion-MNIST.
pub(crate) const SPACE: &str = r#"
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

pub(crate) fn host(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(program("host")).args(arguments).current_dir(folder).output().unwrap()
}

pub(crate) fn succeed(folder: &Path, arguments: &[&str]) -> Vec<u8> {
    let output = host(folder, arguments);
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

pub(crate) fn json(folder: &Path, arguments: &[&str]) -> Value {
    serde_json::from_slice(&succeed(folder, arguments)).unwrap()
}

/// What a command says where it refuses.
pub(crate) fn refusal(folder: &Path, arguments: &[&str]) -> String {
    let output = host(folder, arguments);
    assert_eq!(output.status.code(), Some(1), "{arguments:?}");
    String::from_utf8(output.stderr).unwrap()
}

/// A folder with the space and its table, by the mock runtime.
pub(crate) fn profiled() -> tempfile::TempDir {
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

/// The middle of what the table's networks take.
pub(crate) fn target(folder: &Path) -> String {
    let [least, most] = range_ms(folder);
    format!("{}ms", f64::midpoint(least, most))
}

/// From what to what the table's networks take.
pub(crate) fn range_ms(folder: &Path) -> [f64; 2] {
    let table: Value =
        serde_json::from_slice(&fs::read(folder.join("table.json")).unwrap()).unwrap();
    let networks = table["networks"].as_array().unwrap();
    let times = networks.iter().filter_map(|network| network["headline"]["value"].as_f64());
    times.fold([f64::MAX, 0.0], |[least, most], time| [least.min(time), most.max(time)])
}

/// Everything of a search but its target, its folder and its images.
pub(crate) const SEARCH: [&str; 17] = [
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
pub(crate) fn fashion_mnist() -> Option<String> {
    let folder = root().join(".data/fashion-mnist");
    if !folder.is_dir() {
        eprintln!(
            "Fashion-MNIST is not there (cargo xtask setup brings it): images are drawn, and hard to learn"
        );
    }
    folder.is_dir().then(|| folder.display().to_string())
}

/// Images to search and train on.
pub(crate) fn images() -> String {
    fashion_mnist().unwrap_or_else(|| "synthetic".to_owned())
}
