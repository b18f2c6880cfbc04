//! Tells the program that is linked with libtorch where to find it.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    if let Ok(library) = std::env::var("DEP_TORCH_SHIM_LIBTORCH_LIB") {
        println!("cargo::rustc-link-arg-bin=device_agent_torch=-Wl,-rpath,{library}");
    }
}
