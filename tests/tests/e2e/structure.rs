//! The workspace is built as ARCHITECTURE.md says.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use cargo_metadata::{DependencyKind, MetadataCommand};
use tests::root;

/// Every dependency between crates of the workspace.
const EDGES: [(&str, &str); 35] = [
    ("architecture_search", "latency_tables"),
    ("architecture_search", "op_catalog"),
    ("command_line", "latency_tables"),
    ("command_line", "op_catalog"),
    ("device_agent", "op_catalog"),
    ("device_agent", "torch_layers"),
    ("device_agent", "torch_shim"),
    ("host", "architecture_search"),
    ("host", "command_line"),
    ("host", "datasets"),
    ("host", "latency_tables"),
    ("host", "op_catalog"),
    ("host", "runs"),
    ("latency_tables", "op_catalog"),
    ("runs", "architecture_search"),
    ("runs", "command_line"),
    ("runs", "datasets"),
    ("runs", "latency_tables"),
    ("runs", "op_catalog"),
    ("supernet", "architecture_search"),
    ("supernet", "op_catalog"),
    ("supernet", "torch_layers"),
    ("supernet", "torch_shim"),
    ("tests", "latency_tables"),
    ("tests", "op_catalog"),
    ("torch_layers", "op_catalog"),
    ("torch_layers", "torch_shim"),
    ("trainer", "architecture_search"),
    ("trainer", "command_line"),
    ("trainer", "datasets"),
    ("trainer", "latency_tables"),
    ("trainer", "op_catalog"),
    ("trainer", "runs"),
    ("trainer", "supernet"),
    ("trainer", "torch_shim"),
];

/// Crates that compute and touch nothing.
const PURE: [&str; 3] = ["op_catalog", "latency_tables", "architecture_search"];

/// Every crate of the workspace.
const CRATES: [&str; 14] = [
    "op_catalog",
    "latency_tables",
    "architecture_search",
    "torch_shim",
    "torch_layers",
    "supernet",
    "command_line",
    "datasets",
    "runs",
    "device_agent",
    "trainer",
    "host",
    "tests",
    "xtask",
];

/// The crate that wraps C++.
const UNSAFE: &str = "torch_shim";

/// What the pure crates must not depend on, by the beginning of the name.
const IMPURE: [&str; 6] = ["tokio", "reqwest", "axum", "tract", "tch", "hyper"];

#[test]
fn dependencies_between_crates_point_one_way() {
    let metadata = MetadataCommand::new().current_dir(root()).no_deps().exec().unwrap();
    let members: BTreeSet<String> =
        metadata.packages.iter().map(|package| package.name.to_string()).collect();
    let edges: BTreeSet<(String, String)> = metadata
        .packages
        .iter()
        .flat_map(|package| {
            package
                .dependencies
                .iter()
                .map(|dependency| (package.name.to_string(), dependency.name.clone()))
        })
        .filter(|(_, dependency)| members.contains(dependency))
        .collect();
    let expected = EDGES.map(|(from, to)| (from.to_owned(), to.to_owned())).into();
    assert_eq!(edges, expected);
}

#[test]
fn the_pure_crates_know_no_network_and_no_runtime() {
    let metadata = MetadataCommand::new().current_dir(root()).no_deps().exec().unwrap();
    for package in metadata.packages.iter().filter(|package| PURE.contains(&package.name.as_str()))
    {
        for dependency in package
            .dependencies
            .iter()
            .filter(|dependency| dependency.kind == DependencyKind::Normal)
        {
            let is_pure = !IMPURE.iter().any(|impure| dependency.name.starts_with(impure));
            assert!(is_pure, "{} depends on {}", package.name, dependency.name);
        }
    }
    for crate_name in PURE {
        let folder = root().join(crate_name).join("src");
        let modules = fs::read_to_string(folder.join("lib.rs")).unwrap();
        for file in sources(&folder) {
            let name = file.file_stem().unwrap().to_str().unwrap();
            if modules.contains(&format!("#[cfg(test)]\nmod {name};")) {
                continue;
            }
            let text = fs::read_to_string(&file).unwrap();
            let code = text.split("#[cfg(test)]").next().unwrap_or_default();
            let touches_files = ["std::fs", "std::net", "std::time", "File::open", "File::create"]
                .iter()
                .any(|word| code.contains(word));
            let is_the_one = file.ends_with("latency_tables/src/file.rs");
            assert!(is_the_one || !touches_files, "{} touches the world", file.display());
        }
    }
}

#[test]
fn every_crate_takes_the_lints_and_every_file_says_what_it_is_and_stays_short() {
    for name in CRATES {
        let manifest = fs::read_to_string(root().join(name).join("Cargo.toml")).unwrap();
        assert!(
            manifest.contains("[lints]\nworkspace = true"),
            "{name} does not take the workspace's lints"
        );
        for file in sources(&root().join(name)) {
            let text = fs::read_to_string(&file).unwrap();
            assert!(text.starts_with("//!"), "{} does not say what it is", file.display());
            assert!(text.lines().count() <= 500, "{} is too long", file.display());
        }
    }
}

#[test]
fn code_that_the_compiler_cannot_check_is_in_one_crate() {
    // Denied in the workspace: a crate with `unsafe` must allow it to itself by this name.
    let lint = ["unsafe", "code"].join("_");
    let allowing: BTreeSet<&str> = CRATES
        .into_iter()
        .filter(|name| {
            let holds = |file: &PathBuf| fs::read_to_string(file).unwrap().contains(&lint);
            sources(&root().join(name)).iter().any(holds)
        })
        .collect();
    assert_eq!(allowing, BTreeSet::from([UNSAFE]));
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found
}
