//! The engine measures queued jobs, one at a time, for as long as the agent lives.

use std::sync::Arc;

use op_catalog::wire::{JobId, JobOutcome, JobRequest};
use tokio::sync::watch;

use crate::device::best_core;
use crate::jobs::{JobObserver, Jobs, Stopping};
use crate::measuring::assessment::HeadlineRule;
use crate::runner::Runner;
use crate::worker::pin;

/// Measures whatever is queued. `allowed` are the cores that the agent was given.
pub(crate) async fn run(jobs: Arc<Jobs>, allowed: Vec<u32>) {
    loop {
        let (id, mut stopping) = jobs.next().await;
        tracing::info!("job {id} begins");
        let outcome = tokio::select! {
            ended = measure(&jobs, &id, &allowed) => ended.map(|()| JobOutcome::Completed),
            () = told_to_stop(&mut stopping) => Ok(JobOutcome::Cancelled),
        };
        match outcome {
            Ok(outcome) => {
                tracing::info!("job {id}: {outcome:?}");
                jobs.end(&id, outcome, None);
            }
            Err(error) => {
                tracing::error!("job {id} failed: {error:#}");
                jobs.end(&id, JobOutcome::Failed, Some(format!("{error:#}")));
            }
        }
    }
}

async fn measure(jobs: &Arc<Jobs>, id: &JobId, allowed: &[u32]) -> anyhow::Result<()> {
    let stored = jobs.spool.job(id)?;
    let folder = jobs.spool.open_job(id)?;
    let request = stored.job.request().clone();
    let cores = measuring_cores(&request, allowed);
    keep_off(&cores, allowed);
    let rule = HeadlineRule::for_job(&request, jobs.device.measuring.thread_cpu_clock);
    let observer = JobObserver { jobs: Arc::clone(jobs), id: id.clone() };
    Runner::new(stored, folder, cores, rule, &observer).run().await
}

/// One core for one thread, all of them for more.
pub(crate) fn measuring_cores(request: &JobRequest, allowed: &[u32]) -> Vec<u32> {
    match request.core.or_else(|| best_core(allowed)) {
        Some(core) if request.threads == 1 => vec![core],
        _ => allowed.to_vec(),
    }
}

/// Moves this thread, which serves HTTP, off the cores that are measured, where there are others.
pub(crate) fn keep_off(measured: &[u32], allowed: &[u32]) {
    let others: Vec<u32> =
        allowed.iter().copied().filter(|core| !measured.contains(core)).collect();
    pin(if others.is_empty() { allowed } else { &others });
}

async fn told_to_stop(stopping: &mut watch::Receiver<Stopping>) {
    // A sender that is gone means a job that was forgotten.
    let _ = stopping.wait_for(|stopping| *stopping == Stopping::Yes).await;
}
