//! Compiles the C++ of this crate against the libtorch that torch-sys found, and tells the crates
//! above where that is.

use std::env;
use std::path::PathBuf;

/// One file per noun; each has a Rust module of its name.
const SOURCES: [&str; 6] =
    ["allocations", "autocast", "cuda", "frozen", "library", "memory_format"];

fn main() {
    println!("cargo::rerun-if-changed=cpp");
    println!("cargo::rerun-if-env-changed=LIBTORCH_INCLUDE");
    // torch-sys sets it in the build scripts of the crates that depend on it.
    let library = PathBuf::from(env::var_os("DEP_TCH_LIBTORCH_LIB").unwrap_or_default());
    println!("cargo::metadata=libtorch_lib={}", library.display());
    println!("cargo::rustc-link-arg=-Wl,-rpath,{}", library.display());
    let include = env::var_os("LIBTORCH_INCLUDE").map_or_else(
        || library.with_file_name("include"),
        |root| PathBuf::from(root).join("include"),
    );
    cc::Build::new()
        .cpp(true)
        .std("c++17")
        .pic(true)
        // libtorch's headers are not free of them.
        .warnings(false)
        .include(&include)
        .include(include.join("torch/csrc/api/include"))
        .files(SOURCES.map(|noun| format!("cpp/{noun}.cpp")))
        .compile("torch_shim");
}
