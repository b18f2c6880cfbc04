//! A data set is two splits of labelled images, to train on and to test on, with the names of their classes.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::store::Store;
use crate::{DatasetError, HeldOut, ImageSet, ImageShape, TrainingParts};

/// Which images: labels may be learnt from one split alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Split {
    /// Weights and architectures are learnt on them.
    Training,
    /// Nothing is learnt on them; in published sets they are also called validation images.
    Test,
}

impl fmt::Display for Split {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Training => "training",
            Self::Test => "test",
        })
    }
}

/// Labelled images that were opened, and found to be in order as far as this can be told without decoding what
/// does not stay in memory.
#[derive(Clone, Debug)]
pub struct Dataset {
    name: String,
    classes: Vec<String>,
    training: ImageSet,
    test: ImageSet,
}

/// What a source has read, before it is checked.
pub(crate) struct Parts {
    /// Where it was read, for errors.
    pub(crate) path: PathBuf,
    pub(crate) name: String,
    pub(crate) classes: Vec<String>,
    pub(crate) training: Store,
    pub(crate) test: Store,
}

impl Dataset {
    /// Labels are below the number of classes.
    pub(crate) fn new(parts: Parts) -> Result<Self, DatasetError> {
        let Parts { path, name, classes, training, test } = parts;
        if let (Some(training), Some(test)) = (training.shape(), test.shape())
            && training != test
        {
            let message = format!("training images are {training}, but test images {test}");
            return Err(DatasetError::content(path, message));
        }
        let training = ImageSet::all(training, classes.len());
        let test = ImageSet::all(test, classes.len());
        for (split, images) in [(Split::Training, &training), (Split::Test, &test)] {
            if let Some(class) = images.images_per_class().iter().position(|count| *count == 0) {
                let class = classes[class].clone();
                return Err(DatasetError::EmptyClass { path, class, split });
            }
        }
        Ok(Self { name, classes, training, test })
    }

    /// The training images alone, as a data set of its own: what is held out of them takes the place of the test images, so
    /// that a choice between networks is made without those.
    ///
    /// # Errors
    /// As [`ImageSet::hold_out`].
    pub fn held_out(&self, part: HeldOut, seed: u64) -> Result<Self, DatasetError> {
        let TrainingParts { weights, architecture } = self.training.hold_out(part, seed)?;
        let name = format!("{}, held-out training images", self.name);
        Ok(Self { name, classes: self.classes.clone(), training: weights, test: architecture })
    }

    pub(crate) fn renamed(self, name: &str) -> Self {
        Self { name: name.to_owned(), ..self }
    }

    /// The name that people know it by.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The names of the classes, in the order of the labels.
    pub fn classes(&self) -> &[String] {
        &self.classes
    }

    /// The images of a split.
    pub fn images(&self, split: Split) -> &ImageSet {
        match split {
            Split::Training => &self.training,
            Split::Test => &self.test,
        }
    }

    /// The shape of every image, where all are known to have the same.
    pub fn shape(&self) -> Option<ImageShape> {
        self.training.shape().filter(|shape| self.test.shape() == Some(*shape))
    }

    /// Reads the header and the end of every file that is not in memory: minutes for a million files.
    ///
    /// # Errors
    /// The first file that is no image or is cut off.
    pub fn check(&self) -> Result<(), DatasetError> {
        self.training.check()?;
        self.test.check()?;
        Ok(())
    }
}

/// The name of a folder, for a set that has no other.
pub(crate) fn folder_name(path: &Path) -> String {
    let whole = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    whole.file_name().unwrap_or(whole.as_os_str()).to_string_lossy().into_owned()
}
