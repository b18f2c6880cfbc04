//! A build of the workspace: always all of it, because cargo gives the dependencies of a part other
//! features than those of the whole, and would compile tract once for each.

use std::path::PathBuf;

use crate::process::{binary, cargo, run};

/// Builds every program.
pub(crate) fn programs() -> anyhow::Result<()> {
    run(cargo().args(["build", "--workspace"]))
}

/// Builds every program and the examples, which are the benchmarks, and returns where one is.
pub(crate) fn example(name: &str) -> anyhow::Result<PathBuf> {
    run(cargo().args(["build", "--workspace", "--bins", "--examples"]))?;
    binary(&format!("examples/{name}"))
}
