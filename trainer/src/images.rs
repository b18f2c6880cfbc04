//! A feed gives a run's images as batches of tensors, in the order that the run's seed says.

use std::num::NonZeroUsize;

use anyhow::Context;
use datasets::{BatchPlan, BatchPosition, Batches, ImageSet, Loader, Pipeline};
use supernet::Batch;
use tch::Tensor;

/// The most threads that make batches beside those that compute.
const MOST_WORKERS: usize = 8;

/// Threads that make batches. They do what there is to do, however many they are, and wait for the rest of the time.
fn workers() -> NonZeroUsize {
    let cores = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    NonZeroUsize::new((cores / 2).min(MOST_WORKERS)).unwrap_or(NonZeroUsize::MIN)
}

/// Batches without end, from a position.
#[derive(Debug)]
pub(crate) struct Feed {
    loader: Loader,
    steps_per_epoch: u64,
    batches: Option<(u64, Batches)>,
}

impl Feed {
    /// Augmented images in an order that follows from the seed.
    pub(crate) fn training(
        images: ImageSet,
        pipeline: Pipeline,
        batch_size: u32,
        seed: u64,
    ) -> anyhow::Result<Self> {
        let plan = BatchPlan::training(&images, batch_size as usize, seed)?;
        let steps_per_epoch = u64::from(plan.steps_per_epoch());
        let loader = Loader::new(images, pipeline, plan, workers())?;
        Ok(Self { loader, steps_per_epoch, batches: None })
    }

    /// Batches until all images have come.
    pub(crate) fn steps_per_epoch(&self) -> u32 {
        self.steps_per_epoch as u32
    }

    /// The batch of this number, from 0. Asked for in order, they are made ahead.
    pub(crate) fn batch(&mut self, number: u64) -> anyhow::Result<Batch> {
        let mut batches = match self.batches.take() {
            Some((next, batches)) if next == number => batches,
            _ => self.loader.from(self.position(number))?,
        };
        let batch = batches.next().context("the images came to an end")??;
        self.batches = Some((number + 1, batches));
        tensors(&batch)
    }

    fn position(&self, number: u64) -> BatchPosition {
        BatchPosition {
            epoch: (number / self.steps_per_epoch) as u32,
            step: (number % self.steps_per_epoch) as u32,
        }
    }
}

/// All images once, as they are evaluated.
pub(crate) fn evaluation(
    images: &ImageSet,
    pipeline: Pipeline,
    batch_size: usize,
) -> anyhow::Result<impl Iterator<Item = anyhow::Result<Batch>>> {
    let plan = BatchPlan::evaluation(images, batch_size)?;
    let batches = Loader::new(images.clone(), pipeline, plan, workers())?.epoch(0)?;
    Ok(batches.map(|batch| tensors(&batch?)))
}

fn tensors(batch: &datasets::Batch) -> anyhow::Result<Batch> {
    let shape = batch.shape().map(|length| length.cast_signed() as i64);
    Ok(Batch {
        images: Tensor::f_from_slice(&batch.images)?.f_view(shape)?,
        labels: Tensor::f_from_slice(&batch.labels)?,
    })
}
