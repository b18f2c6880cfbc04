//! Compiles the C++ of this crate against the libtorch that torch-sys found, and tells the crates
//! above where that is.

use std::env;
use std::path::{Path, PathBuf};

/// One file per noun; each has a Rust module of its name.
const SOURCES: [&str; 12] = [
    "allocations",
    "autocast",
    "convolution",
    "cuda",
    "frozen",
    "inner_product",
    "library",
    "memory",
    "memory_format",
    "nesterov",
    "normalised",
    "patches",
];

/// The files that are compiled for processors with AVX-512 and its bf16, whatever the program is for:
/// they are entered only where `kernels/available.cpp` finds these.
const KERNELS: [&str; 5] = ["depthwise", "inner_product", "normalise", "patches", "pointwise"];

/// What these files may use.
const KERNEL_FLAGS: [&str; 8] = [
    "-mavx2",
    "-mfma",
    "-mavx512f",
    "-mavx512bw",
    "-mavx512dq",
    "-mavx512vl",
    "-mavx512bf16",
    // They read two bf16 as one number of 32 bits.
    "-fno-strict-aliasing",
];

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
    cpp()
        // libtorch's headers are not free of them.
        .warnings(false)
        // Without it, at::parallel_for is a plain loop.
        .flag("-fopenmp")
        .include(&include)
        .include(include.join("torch/csrc/api/include"))
        .files(SOURCES.map(|noun| format!("cpp/{noun}.cpp")))
        .compile("torch_shim");
    link_openmp(&library);
    compile_kernels();
}

fn cpp() -> cc::Build {
    let mut build = cc::Build::new();
    build.cpp(true).std("c++17").pic(true);
    build
}

/// Links the OpenMP that libtorch brings, where it brings one: two of them in a process are two pools of threads.
fn link_openmp(library: &Path) {
    if library.join("libgomp.so.1").exists() {
        println!("cargo::rustc-link-lib=dylib:+verbatim=libgomp.so.1");
    } else {
        println!("cargo::rustc-link-lib=gomp");
    }
}

fn compile_kernels() {
    let on_x86_64 =
        env::var("CARGO_CFG_TARGET_ARCH").is_ok_and(|architecture| architecture == "x86_64");
    let mut plain = cpp();
    if !on_x86_64 {
        plain.file("cpp/kernels/absent.cpp").compile("torch_shim_kernels");
        return;
    }
    let mut fast = cpp();
    fast.opt_level(3)
        // GCC takes the placeholders in its own header of intrinsics for values that nobody set.
        .flag_if_supported("-Wno-maybe-uninitialized")
        .flag_if_supported("-Wno-uninitialized")
        .files(KERNELS.map(|noun| format!("cpp/kernels/{noun}.cpp")));
    for flag in KERNEL_FLAGS {
        fast.flag(flag);
    }
    fast.compile("torch_shim_fast_kernels");
    plain.file("cpp/kernels/available.cpp").compile("torch_shim_kernels");
}
