//! CUDA is a library of its own in libtorch, which a program opens when it wants to use a GPU.

use std::ffi::c_char;
use std::path::Path;

use crate::call::{ShimError, check};

unsafe extern "C" {
    fn shim_open_cuda() -> *mut c_char;
    fn shim_compute_exactly() -> *mut c_char;
}

/// The device file of NVIDIA's driver.
const DRIVER: &str = "/dev/nvidiactl";

/// The driver's folder with a folder for each GPU.
const GPUS: &str = "/proc/driver/nvidia/gpus";

/// Opens libtorch's CUDA part. Linkers leave it out of programs that do not call into it, and libtorch asks
/// once whether it is there: this must come before everything else that libtorch does in the process.
///
/// # Errors
/// A library that is not installed, or one that it needs.
pub fn open_cuda() -> Result<(), ShimError> {
    // SAFETY: it opens a library by its name; what runs meanwhile are that library's own initialisers.
    unsafe { check("opening libtorch_cuda", shim_open_cuda()) }
}

/// Whether there is a GPU, its driver, and a libtorch that was built for it. As [`open_cuda`], it must come before
/// everything else that libtorch does in the process.
pub fn has_gpu() -> bool {
    Path::new(DRIVER).exists() && open_cuda().is_ok() && tch::Cuda::is_available()
}

/// What the driver calls the system's GPUs, such as `NVIDIA H100 80GB HBM3`, by their places on the bus; none where it
/// does not tell.
pub fn gpu_models() -> Vec<String> {
    let folders = std::fs::read_dir(GPUS).into_iter().flatten().flatten();
    let mut files: Vec<_> = folders.map(|folder| folder.path().join("information")).collect();
    files.sort();
    let told = files.iter().filter_map(|file| std::fs::read_to_string(file).ok());
    told.filter_map(|information| model(&information)).collect()
}

fn model(information: &str) -> Option<String> {
    let lines = information.lines().filter_map(|line| line.split_once(':'));
    let mut models = lines.filter(|(name, _)| name.trim() == "Model");
    Some(models.next()?.1.trim().to_owned()).filter(|model| !model.is_empty())
}

/// Has a GPU multiply f32 as they are, in the whole process from now on. By itself libtorch lets convolutions round
/// them to 10 bits (TF32), which is much faster, and too far from other runtimes to be compared with them.
///
/// # Errors
/// What libtorch says.
pub fn compute_exactly() -> Result<(), ShimError> {
    // SAFETY: it sets two options of libtorch, which takes them at any time.
    unsafe { check("exact products of f32", shim_compute_exactly()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_model_is_read_as_the_driver_writes_it() {
        let told = "Model: \t\t NVIDIA H100 80GB HBM3\nIRQ:   \t\t 31\n";
        assert_eq!(model(told).as_deref(), Some("NVIDIA H100 80GB HBM3"));
        for nothing in ["", "Model:\n", "IRQ: 31\n"] {
            assert_eq!(model(nothing), None, "{nothing:?}");
        }
    }

    #[test]
    fn it_is_open_afterwards_or_the_missing_library_is_named() {
        match open_cuda() {
            Ok(()) => open_cuda().unwrap(),
            Err(error) => assert!(error.message().contains("lib"), "{error}"),
        }
    }
}
