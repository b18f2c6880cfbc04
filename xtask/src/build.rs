//! A build of the workspace: always all of it and with the same features, because cargo gives the
//! dependencies of a part other features than those of the whole, and would compile tract once for each.

use std::path::PathBuf;

use crate::process::{binary, cargo, run};
use crate::setup::ensure_libtorch;

/// What every build asks cargo for: all crates, and the agent with libtorch beside the one without it.
pub(crate) const WHOLE: [&str; 3] = ["--workspace", "--features", "device_agent/torch"];

/// Builds every program.
pub(crate) fn programs() -> anyhow::Result<()> {
    ensure_libtorch()?;
    run(cargo().arg("build").args(WHOLE))
}

/// Builds every program and the examples, which are the benchmarks, and returns where one is.
pub(crate) fn example(name: &str) -> anyhow::Result<PathBuf> {
    ensure_libtorch()?;
    run(cargo().arg("build").args(WHOLE).args(["--bins", "--examples"]))?;
    binary(&format!("examples/{name}"))
}
