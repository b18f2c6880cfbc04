//! The agent, with the runtimes that need nothing but this program.

use std::process::ExitCode;

fn main() -> ExitCode {
    device_agent::run(device_agent::backend::OFFERS)
}
