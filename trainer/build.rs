//! Tells the program where the libtorch is that it is linked with.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    if let Ok(library) = std::env::var("DEP_TORCH_SHIM_LIBTORCH_LIB") {
        println!("cargo::rustc-link-arg=-Wl,-rpath,{library}");
    }
}
