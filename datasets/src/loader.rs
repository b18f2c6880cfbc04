//! A loader has workers make the batches of a plan ahead of whoever trains with them.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

use crate::worker::{Made, Order, Piece, SharedOrders, Work, run};
use crate::{BatchPlan, BatchPosition, DatasetError, ImageSet, ImageShape, Pipeline};

/// So many batches are made, or being made, beyond the one that is asked for.
const AHEAD: u64 = 2;

/// A piece has at most so many images, so that workers that are to stop do so soon.
const PIECE: usize = 16;

/// Images, what is done to them, and in which batches they come.
#[derive(Clone, Debug)]
pub struct Loader {
    work: Work,
    plan: BatchPlan,
    workers: NonZeroUsize,
}

/// What a step is made with.
#[derive(Clone, Debug, PartialEq)]
pub struct Batch {
    /// Which batch it is.
    pub position: BatchPosition,
    /// Normalised values, by image, channel, row and column (NCHW).
    pub images: Vec<f32>,
    /// The class of each image.
    pub labels: Vec<i64>,
    /// Shape of an image; there are as many as labels.
    pub image_shape: ImageShape,
}

/// Batches in their order. Dropping it stops the workers: each finishes the few images that it is at.
#[derive(Debug)]
pub struct Batches {
    plan: BatchPlan,
    image_shape: ImageShape,
    /// Batches over all epochs: the next to be given, the next to be ordered, and where it ends.
    next: u64,
    next_order: u64,
    end: u64,
    piece_size: usize,
    /// The order of the epoch that was ordered from last.
    order: Option<(u32, Vec<u32>)>,
    unfinished: BTreeMap<u64, Unfinished>,
    /// None once it stops.
    channels: Option<(Sender<Order>, Receiver<Made>)>,
    threads: Vec<JoinHandle<()>>,
}

/// The pieces of a batch that are there, and how many are not.
#[derive(Debug)]
struct Unfinished {
    pieces: Vec<Option<Result<Piece, DatasetError>>>,
    missing: usize,
}

impl Loader {
    /// Batches do not depend on the number of workers, not by a bit.
    ///
    /// # Errors
    /// Images that the pipeline cannot bring to its target.
    pub fn new(
        images: ImageSet,
        pipeline: Pipeline,
        plan: BatchPlan,
        workers: NonZeroUsize,
    ) -> Result<Self, DatasetError> {
        pipeline.check_channels(images.channels())?;
        Ok(Self { work: Work { images, pipeline, seed: plan.seed() }, plan, workers })
    }

    /// Which images are in which batch.
    pub fn plan(&self) -> &BatchPlan {
        &self.plan
    }

    /// The images that it goes through.
    pub fn images(&self) -> &ImageSet {
        &self.work.images
    }

    /// Batches from here on, epoch after epoch without end. What came before is not decoded.
    ///
    /// # Errors
    /// Threads that cannot be started.
    pub fn from(&self, position: BatchPosition) -> Result<Batches, DatasetError> {
        self.start(self.count(position), u64::MAX)
    }

    /// The batches of one epoch.
    ///
    /// # Errors
    /// Threads that cannot be started.
    pub fn epoch(&self, epoch: u32) -> Result<Batches, DatasetError> {
        let start = self.count(BatchPosition { epoch, step: 0 });
        self.start(start, start + u64::from(self.plan.steps_per_epoch()))
    }

    /// Batches before this one.
    fn count(&self, position: BatchPosition) -> u64 {
        let steps = u64::from(self.plan.steps_per_epoch());
        u64::from(position.epoch) * steps + u64::from(position.step)
    }

    fn start(&self, start: u64, end: u64) -> Result<Batches, DatasetError> {
        // A plan without batches has none after the start either.
        let end = if self.plan.steps_per_epoch() == 0 { start } else { end };
        let (orders, ordered) = channel();
        let (sender, made) = channel();
        let ordered = Arc::new(Mutex::new(ordered));
        let share = self.plan.batch_size().div_ceil(self.workers.get());
        let mut batches = Batches {
            plan: self.plan,
            image_shape: self.work.pipeline.target(),
            next: start,
            next_order: start,
            end,
            piece_size: share.min(PIECE),
            order: None,
            unfinished: BTreeMap::new(),
            channels: Some((orders, made)),
            threads: Vec::new(),
        };
        for _ in 0..self.workers.get() {
            batches.threads.push(self.spawn(&ordered, &sender)?);
        }
        Ok(batches)
    }

    fn spawn(
        &self,
        orders: &SharedOrders,
        made: &Sender<Made>,
    ) -> Result<JoinHandle<()>, DatasetError> {
        let (work, orders, made) = (self.work.clone(), Arc::clone(orders), made.clone());
        thread::Builder::new()
            .name("datasets".to_owned())
            .spawn(move || run(&work, &orders, &made))
            .map_err(DatasetError::Worker)
    }
}

impl Batch {
    /// Images, channels, height, width.
    pub fn shape(&self) -> [usize; 4] {
        let ImageShape { channels, height, width } = self.image_shape;
        [self.labels.len(), channels, height, width]
    }
}

impl Batches {
    /// Orders all batches that may be made by now.
    fn order_ahead(&mut self) {
        let Some((orders, _)) = &self.channels else { return };
        while self.next_order < self.end && self.next_order <= self.next + AHEAD {
            let batch = self.next_order;
            let BatchPosition { epoch, step } = position(&self.plan, batch);
            let (_, order) = match self.order.take() {
                Some((of, order)) if of == epoch => self.order.insert((of, order)),
                _ => self.order.insert((epoch, self.plan.order(epoch))),
            };
            let pieces = self.plan.step(order, step).chunks(self.piece_size).enumerate();
            let missing = pieces.len();
            for (piece, positions) in pieces {
                let order = Order { batch, piece, epoch, positions: positions.to_vec() };
                // Workers end only when told to, so that there is always one that takes it.
                let _ = orders.send(order);
            }
            let pieces = (0..missing).map(|_| None).collect();
            self.unfinished.insert(batch, Unfinished { pieces, missing });
            self.next_order += 1;
        }
    }

    /// Waits until all pieces of a batch are there.
    fn wait_for(&mut self, batch: u64) -> Option<Vec<Result<Piece, DatasetError>>> {
        while 0 < self.unfinished.get(&batch)?.missing {
            let (_, made) = self.channels.as_ref()?;
            let Made { batch, piece, result } = made.recv().ok()?;
            let unfinished = self.unfinished.get_mut(&batch)?;
            unfinished.pieces[piece] = Some(result);
            unfinished.missing -= 1;
        }
        self.unfinished.remove(&batch)?.pieces.into_iter().collect()
    }

    fn assemble(
        &self,
        batch: u64,
        pieces: Vec<Result<Piece, DatasetError>>,
    ) -> Result<Batch, DatasetError> {
        let mut images = Vec::with_capacity(self.plan.batch_size() * self.image_shape.values());
        let mut labels = Vec::with_capacity(self.plan.batch_size());
        for piece in pieces {
            let piece = piece?;
            images.extend_from_slice(&piece.images);
            labels.extend_from_slice(&piece.labels);
        }
        let position = position(&self.plan, batch);
        Ok(Batch { position, images, labels, image_shape: self.image_shape })
    }
}

fn position(plan: &BatchPlan, batch: u64) -> BatchPosition {
    let steps = u64::from(plan.steps_per_epoch());
    BatchPosition { epoch: (batch / steps) as u32, step: (batch % steps) as u32 }
}

/// After an error, which is always that of the first image that has one, nothing more comes.
impl Iterator for Batches {
    type Item = Result<Batch, DatasetError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.order_ahead();
        let batch = self.next;
        let pieces = self.wait_for(batch)?;
        self.next += 1;
        let result = self.assemble(batch, pieces);
        if result.is_err() {
            self.end = self.next;
            self.unfinished.clear();
            self.channels = None;
        }
        Some(result)
    }
}

impl Drop for Batches {
    fn drop(&mut self) {
        self.channels = None;
        for thread in self.threads.drain(..) {
            // It has nothing to say: what panics within is an error of an image.
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests;
