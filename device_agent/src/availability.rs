//! Availability is whether this device and this build have what a job asks for.

use op_catalog::wire::{DeviceInfo, Job, JobRequest, Problem, ProblemCode, Runtime, RuntimeInfo};

/// Refuses what is not there, by name.
pub(crate) fn check(job: &Job, device: &DeviceInfo) -> Result<(), Problem> {
    let request = job.request();
    let runtime = runtime(request, device)?;
    if !runtime.precisions.contains(&request.precision) {
        let message =
            format!("{} has no kernels of its own for {} here", request.runtime, request.precision);
        let hint = format!("it has: {}", names(&runtime.precisions));
        return Err(unavailable("precision", message, hint));
    }
    if request.threads > runtime.max_threads {
        let message = format!(
            "{} threads are more than this device's {} cores",
            request.threads, runtime.max_threads
        );
        return Err(unavailable("threads", message, "ask for fewer".to_owned()));
    }
    let allowed: Vec<u32> =
        device.cores.iter().filter(|core| core.allowed).map(|core| core.index).collect();
    match request.core {
        Some(core) if !allowed.contains(&core) => {
            let message = format!("the agent may not use core {core}");
            Err(unavailable("core", message, format!("it may use: {}", names(&allowed))))
        }
        _ => Ok(()),
    }
}

fn runtime<'a>(request: &JobRequest, device: &'a DeviceInfo) -> Result<&'a RuntimeInfo, Problem> {
    device.runtimes.iter().find(|info| info.runtime == request.runtime).ok_or_else(|| {
        let there: Vec<_> = device.runtimes.iter().map(|info| info.runtime).collect();
        let message = format!("this agent has no runtime `{}`", request.runtime);
        unavailable(
            "runtime",
            message,
            format!("it has: {}{}", names(&there), elsewhere(request.runtime)),
        )
    })
}

/// Where a runtime is that this agent has not, and what it needs.
fn elsewhere(runtime: Runtime) -> &'static str {
    match runtime {
        Runtime::Tract | Runtime::Mock => "",
        Runtime::Torch | Runtime::TorchEager => {
            "; libtorch is in `device_agent_torch`: build it with `cargo build --package device_agent \
             --features torch`"
        }
        Runtime::TorchCuda => {
            "; `torch_cuda` is in `device_agent_torch`, on a machine with a GPU of NVIDIA and the whole of \
             libtorch: docs/libtorch.md says how"
        }
    }
}

fn unavailable(field: &str, message: String, hint: String) -> Problem {
    Problem::new(ProblemCode::Unavailable, message).hint(hint).at(field)
}

fn names(things: &[impl ToString]) -> String {
    things.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
