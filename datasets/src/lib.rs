//! Labelled images to train on: reading them, varying them at random, and having workers make batches of them.
//!
//! A [`Dataset`] is opened where it lies, or drawn, and has an [`ImageSet`] per [`Split`]; what would stop a
//! training later is refused then, as far as it can be seen. [`ImageSet::hold_out`] parts the training images
//! for weights and for architectures. A [`Normalisation`] is computed from them; with an [`Augmentation`] or an
//! [`Evaluation`], which a [`Recipe`] recommends, and the shape that the network takes it makes a [`Pipeline`].
//! A [`BatchPlan`] says which images are in which batch, and a [`Loader`] has workers make [`Batches`] ahead:
//! the same ones whatever their number, from any epoch and step on. `docs/data.md` has all of it in one place.
//!
//! ```
//! use std::num::NonZeroUsize;
//!
//! use datasets::*;
//! let dataset = Dataset::synthetic(&SyntheticSet {
//!     classes: 4,
//!     shape: ImageShape::new(1, 28, 28),
//!     training_images: 100,
//!     test_images: 20,
//!     noise: 0.1,
//!     seed: 1,
//! })?;
//! let target = ImageShape::new(3, 32, 32);
//! let recipe = Recipe::for_dataset(&dataset, target);
//! let images = dataset.images(Split::Training).hold_out(HeldOut::Share(0.5), 1)?.weights;
//! let normalisation = Normalisation::of(&images, 1)?;
//! let pipeline = Pipeline::training(&recipe.augmentation, &normalisation, target)?;
//! let plan = BatchPlan::training(&images, 16, 1)?;
//! let loader = Loader::new(images, pipeline, plan, NonZeroUsize::MIN)?;
//! for batch in loader.from(BatchPosition { epoch: 3, step: 1 })?.take(2) {
//!     assert_eq!(batch?.shape(), [16, 3, 32, 32]);
//! }
//! # Ok::<(), DatasetError>(())
//! ```

pub mod augmentation;
pub mod batch_plan;
mod blocks;
mod canvas;
mod cifar;
mod colour;
pub mod dataset;
pub mod error;
mod folder;
mod framing;
pub mod held_out;
mod idx;
mod idx_set;
mod image_file;
mod image_header;
pub mod image_set;
pub mod loader;
pub mod normalisation;
mod open;
pub mod picture;
pub mod pipeline;
mod randomness;
pub mod recipe;
mod store;
pub mod synthetic;
mod worker;

pub use augmentation::{Augmentation, ColourJitter, Crop, Evaluation};
pub use batch_plan::{BatchPlan, BatchPosition};
pub use dataset::{Dataset, Split};
pub use error::DatasetError;
pub use held_out::{HeldOut, TrainingParts};
pub use image_set::{ImageSet, Sizes};
pub use loader::{Batch, Batches, Loader};
pub use normalisation::Normalisation;
pub use picture::{ImageShape, Picture};
pub use pipeline::Pipeline;
pub use recipe::Recipe;
pub use synthetic::SyntheticSet;
