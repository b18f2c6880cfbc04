//! Limits are what an agent takes at most, so that no client can fill its memory, its disk or its day.

use op_catalog::wire::{Job, Problem, ProblemCode};

/// What an agent takes at most.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Bytes of a request's body.
    pub(crate) body_bytes: usize,
    /// Jobs that wait.
    pub(crate) queue: usize,
    /// Jobs that are stored, over or not.
    pub(crate) jobs: usize,
    /// Items of a job.
    pub(crate) items: usize,
    /// Blocks of all items of a job.
    pub(crate) blocks: usize,
}

impl Limits {
    /// Refuses a job that is too large.
    pub(crate) fn check(&self, job: &Job) -> Result<(), Problem> {
        let items = &job.request().items;
        let blocks: usize = items.iter().map(|item| item.blocks.len()).sum();
        for (what, count, most) in
            [("items", items.len(), self.items), ("blocks", blocks, self.blocks)]
        {
            if count > most {
                return Err(Problem::new(
                    ProblemCode::JobTooLarge,
                    format!(
                        "the job has {count} {what}, more than the {most} that this agent takes"
                    ),
                )
                .hint("split it into several jobs")
                .at("items"));
            }
        }
        Ok(())
    }
}
