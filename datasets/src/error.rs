//! The one error of this crate: a data set, a file of one, or a setting that is wrong.

use std::io;
use std::path::PathBuf;

use crate::Split;

/// What [`crate::Dataset::open`] recognises.
const KINDS: &str = "a folder with the four IDX files of the MNIST family \
    (train-images-idx3-ubyte and so on, also .gz), with CIFAR-10's data_batch_1.bin to 5 and test_batch.bin, \
    or with train/CLASS/*.jpg and test/CLASS/*.jpg (or val/, or .png)";

/// What is wrong, naming the thing and the place.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DatasetError {
    /// A path at which nothing lies that can be opened.
    #[error("{} {reason}; a data set is {KINDS}", path.display())]
    Unknown {
        /// What was to be opened.
        path: PathBuf,
        /// What lies there instead.
        reason: String,
    },
    /// A file or folder that the system does not give.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A file or folder that is not what it should be.
    #[error("{}: {message}", path.display())]
    Content {
        /// The file or folder.
        path: PathBuf,
        /// What is wrong with it, with the numbers.
        message: String,
    },
    /// A class that no image shows.
    #[error(
        "{}: the class `{class}` has no {split} images: add some, or remove the class everywhere",
        path.display()
    )]
    EmptyClass {
        /// The data set.
        path: PathBuf,
        /// The class.
        class: String,
        /// Where it has none.
        split: Split,
    },
    /// Training and test images that are of different classes.
    #[error("{}: {}", path.display(), differing(training, test))]
    ClassesDiffer {
        /// The data set.
        path: PathBuf,
        /// Classes that only the training images have.
        training: Vec<String>,
        /// Classes that only the test images have.
        test: Vec<String>,
    },
    /// A setting out of its range, or one that does not go with the images.
    #[error("{setting}: {message}")]
    Setting {
        /// Its name, as in the configuration.
        setting: &'static str,
        /// What is wrong with it, with its value.
        message: String,
    },
    /// A worker that the system does not start.
    #[error("cannot start a thread that decodes images: ask for fewer workers")]
    Worker(#[source] io::Error),
}

impl DatasetError {
    pub(crate) fn content(path: impl Into<PathBuf>, message: impl Into<String>) -> Self {
        Self::Content { path: path.into(), message: message.into() }
    }

    pub(crate) fn setting(setting: &'static str, message: impl Into<String>) -> Self {
        Self::Setting { setting, message: message.into() }
    }

    /// An error of reading this path.
    pub(crate) fn reading(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        |source| Self::Read { path, source }
    }
}

fn differing(training: &[String], test: &[String]) -> String {
    let only = |classes: &[String], split: Split| match classes {
        [] => None,
        classes => Some(format!("{} are only among the {split} images", few(classes))),
    };
    let sides = [only(training, Split::Training), only(test, Split::Test)];
    let sides: Vec<String> = sides.into_iter().flatten().collect();
    format!("the classes {}", sides.join(", the classes "))
}

/// `` `a`, `b`, `c` and 4 more``, or fewer.
fn few(names: &[String]) -> String {
    const SHOWN: usize = 3;
    let first: Vec<String> = names.iter().take(SHOWN).map(|name| format!("`{name}`")).collect();
    let rest = match names.len().saturating_sub(SHOWN) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!("{}{rest}", first.join(", "))
}
