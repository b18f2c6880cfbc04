//! A worker is a thread that makes pieces of batches.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, Sender};
use std::sync::{Arc, Mutex, PoisonError};

use fast_image_resize::Resizer;

use crate::randomness::{Purpose, stream};
use crate::{DatasetError, ImageSet, Pipeline};

/// What all workers of a loader know.
#[derive(Clone, Debug)]
pub(crate) struct Work {
    pub(crate) images: ImageSet,
    pub(crate) pipeline: Pipeline,
    pub(crate) seed: u64,
}

/// Part of a batch that is to be made.
#[derive(Debug)]
pub(crate) struct Order {
    /// The batch, counted over all epochs.
    pub(crate) batch: u64,
    /// The piece of the batch, from 0.
    pub(crate) piece: usize,
    pub(crate) epoch: u32,
    /// Positions in the set.
    pub(crate) positions: Vec<u32>,
}

/// Part of a batch that was made, or could not be.
#[derive(Debug)]
pub(crate) struct Made {
    pub(crate) batch: u64,
    pub(crate) piece: usize,
    pub(crate) result: Result<Piece, DatasetError>,
}

#[derive(Debug)]
pub(crate) struct Piece {
    pub(crate) images: Vec<f32>,
    pub(crate) labels: Vec<i64>,
}

/// Makes what is ordered until nobody orders or wants it any more.
pub(crate) fn run(work: &Work, orders: &Mutex<Receiver<Order>>, made: &Sender<Made>) {
    let mut resizer = Resizer::new();
    loop {
        // Whoever waits for an order holds the lock; the others wait for the lock.
        let order = orders.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(Order { batch, piece, epoch, positions }) = order else { return };
        let result = work.piece(epoch, &positions, &mut resizer);
        if made.send(Made { batch, piece, result }).is_err() {
            return;
        }
    }
}

/// What workers share, in the form in which each of them has it.
pub(crate) type SharedOrders = Arc<Mutex<Receiver<Order>>>;

impl Work {
    fn piece(
        &self,
        epoch: u32,
        positions: &[u32],
        resizer: &mut Resizer,
    ) -> Result<Piece, DatasetError> {
        let size = self.pipeline.target().values();
        let mut images = vec![0.0; positions.len() * size];
        for (position, values) in positions.iter().zip(images.chunks_exact_mut(size)) {
            self.image(epoch, *position as usize, resizer, values)?;
        }
        let label = |position: &u32| i64::from(self.images.label(*position as usize));
        Ok(Piece { images, labels: positions.iter().map(label).collect() })
    }

    /// Writes an image. What is random about it follows from seed, epoch and its index alone. A decoder that
    /// gives up on a file without saying so must not leave the loader waiting.
    fn image(
        &self,
        epoch: u32,
        position: usize,
        resizer: &mut Resizer,
        values: &mut [f32],
    ) -> Result<(), DatasetError> {
        let index = u64::from(self.images.index(position));
        let mut random = stream(Purpose::Augmentation, self.seed, u64::from(epoch), index);
        let make = || {
            let picture = self.images.picture(position)?;
            self.pipeline.apply(&picture, &mut random, resizer, values)
        };
        catch_unwind(AssertUnwindSafe(make)).unwrap_or_else(|_| {
            let message = "it makes the decoder panic: replace the file or remove it";
            Err(DatasetError::content(self.images.place(position), message))
        })
    }
}
