//! The agent with libtorch's runtimes besides those of `device_agent`.

mod torch;

#[cfg(test)]
mod agreement;

use std::process::ExitCode;

use device_agent::backend::{OFFERS, Offer};

/// The GPU's comes first: its library must be there before libtorch is asked for anything.
const ALL: [Offer; 3] = [torch::CUDA, torch::FROZEN, torch::EAGER];

fn main() -> ExitCode {
    device_agent::run(&[&ALL, OFFERS].concat())
}
