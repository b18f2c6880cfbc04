//! The project's own commands: `cargo xtask setup`, `demo`, `test`, `bench`.

mod build;
mod demo;
mod process;
mod setup;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use process::{binary, cargo, run};

/// The project's own commands.
#[derive(Parser)]
#[command(name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Bring libtorch, 490 MB, and Fashion-MNIST, 31 MB, unless they are there. The other commands bring
    /// libtorch themselves.
    Setup,
    /// Profile this machine, search for it on real images, train what was found: in about ten minutes.
    Demo(demo::Demo),
    /// Run all the tests.
    Test {
        /// Passed on to `cargo test`, e.g. the name of a test, or `--no-fail-fast`.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Measure how much a table changes when nothing did.
    Bench {
        /// The search space.
        #[arg(default_value = "proxyless-mobile")]
        space: String,
    },
}

fn main() -> ExitCode {
    match execute(Cli::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            process::say(&format!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn execute(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Setup => setup::ensure_all(),
        Command::Demo(demo) => demo.run(),
        Command::Test { arguments } => {
            // The tests start both programs, so both are built, in the profile of the tests.
            build::programs()?;
            // Without these images some tests say less, and say so.
            setup::fashion_mnist_images();
            run(cargo().arg("test").args(build::WHOLE).args(arguments))
        }
        Command::Bench { space } => {
            let benchmark = build::example("repeatability")?;
            run(std::process::Command::new(benchmark).arg(binary("device_agent")?).arg(space))
        }
    }
}
