//! A batch plan says which images are in which batch: epoch and step name a batch, and nothing else has to be known.

use rand::seq::SliceRandom;

use crate::randomness::{Purpose, stream};
use crate::{DatasetError, ImageSet};

/// Which images are in which batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchPlan {
    images: usize,
    batch_size: usize,
    order: Order,
}

/// What a batch is named by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct BatchPosition {
    /// How often all images have come before.
    pub epoch: u32,
    /// The batch within the epoch, from 0.
    pub step: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    /// Another one in every epoch; what is left over after the last whole batch is dropped.
    Shuffled { seed: u64 },
    /// That of the set; what is left over is a smaller batch.
    AsTheyAre,
}

impl BatchPlan {
    /// Batches of one size in an order that follows from seed and epoch. The seed is that of the images'
    /// augmentation too.
    ///
    /// # Errors
    /// Fewer images than a batch has, or a batch of none.
    pub fn training(images: &ImageSet, batch_size: usize, seed: u64) -> Result<Self, DatasetError> {
        let images = images.len();
        if batch_size == 0 || images < batch_size {
            let message = format!("{batch_size}, but 1 to the number of images, {images}");
            return Err(DatasetError::setting("batch size", message));
        }
        Ok(Self { images, batch_size, order: Order::Shuffled { seed } })
    }

    /// Every image once, the last batch with what is left.
    ///
    /// # Errors
    /// A batch of none.
    pub fn evaluation(images: &ImageSet, batch_size: usize) -> Result<Self, DatasetError> {
        if batch_size == 0 {
            return Err(DatasetError::setting("batch size", "0, but 1 at least"));
        }
        Ok(Self { images: images.len(), batch_size, order: Order::AsTheyAre })
    }

    /// Batches of an epoch.
    pub fn steps_per_epoch(&self) -> u32 {
        let steps = match self.order {
            Order::Shuffled { .. } => self.images / self.batch_size,
            Order::AsTheyAre => self.images.div_ceil(self.batch_size),
        };
        steps as u32
    }

    /// Images of a batch, but for a last one.
    pub fn batch_size(&self) -> usize {
        self.batch_size
    }

    /// The seed of what is random about the images.
    pub(crate) fn seed(&self) -> u64 {
        match self.order {
            Order::Shuffled { seed } => seed,
            Order::AsTheyAre => 0,
        }
    }

    /// The order of an epoch, as positions in the set.
    pub(crate) fn order(&self, epoch: u32) -> Vec<u32> {
        let mut order: Vec<u32> = (0..self.images as u32).collect();
        if let Order::Shuffled { seed } = self.order {
            order.shuffle(&mut stream(Purpose::Shuffle, seed, u64::from(epoch), 0));
        }
        order
    }

    /// The images of a step, as positions in the set, out of the order of its epoch.
    pub(crate) fn step<'a>(&self, order: &'a [u32], step: u32) -> &'a [u32] {
        let start = step as usize * self.batch_size;
        &order[start..self.images.min(start + self.batch_size)]
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::ImageShape;
    use crate::store::{Images, Store};

    fn images(count: usize) -> ImageSet {
        let held = Images::Held { shape: ImageShape::new(1, 1, 1), bytes: vec![0; count] };
        ImageSet::all(Store::new(vec![0; count], held), 1)
    }

    fn epoch(plan: BatchPlan, epoch: u32) -> Vec<Vec<u32>> {
        let order = plan.order(epoch);
        (0..plan.steps_per_epoch()).map(|step| plan.step(&order, step).to_vec()).collect()
    }

    #[test]
    fn training_has_each_image_once_an_epoch_in_whole_batches_and_drops_the_rest() {
        let plan = BatchPlan::training(&images(23), 5, 1).unwrap();
        let batches = epoch(plan, 0);
        assert_eq!(batches.iter().map(Vec::len).collect::<Vec<_>>(), [5; 4]);
        assert_eq!(batches.concat().into_iter().collect::<BTreeSet<_>>().len(), 20);
    }

    #[test]
    fn the_order_is_another_one_for_every_epoch_and_seed_and_always_the_same_one() {
        let of = |seed, at| epoch(BatchPlan::training(&images(100), 10, seed).unwrap(), at);
        assert_eq!(of(1, 3), of(1, 3));
        assert_ne!(of(1, 3), of(1, 4));
        assert_ne!(of(1, 3), of(2, 3));
    }

    #[test]
    fn evaluation_has_every_image_in_order_and_keeps_the_rest() {
        let plan = BatchPlan::evaluation(&images(7), 3).unwrap();
        assert_eq!(epoch(plan, 0), [vec![0, 1, 2], vec![3, 4, 5], vec![6]]);
        assert_eq!(BatchPlan::evaluation(&images(6), 3).unwrap().steps_per_epoch(), 2);
    }

    #[test]
    fn batches_that_cannot_be_filled_are_refused_with_the_numbers() {
        for (batch_size, expected) in [
            (0, "batch size: 0, but 1 to the number of images, 7"),
            (8, "batch size: 8, but 1 to the number of images, 7"),
        ] {
            let message = BatchPlan::training(&images(7), batch_size, 1).unwrap_err().to_string();
            assert_eq!(message, expected);
        }
        let message = BatchPlan::evaluation(&images(7), 0).unwrap_err().to_string();
        assert_eq!(message, "batch size: 0, but 1 at least");
    }
}
