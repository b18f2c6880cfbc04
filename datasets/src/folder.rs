//! A folder set is images as files in a folder per class, in `train/` and in `test/` or `val/`.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use crate::dataset::{Parts, folder_name};
use crate::store::{Images, Store};
use crate::{Dataset, DatasetError, ImageShape, Picture, cifar, image_file, image_header};

const TRAINING: &str = "train";
/// The first of these that has folders in it: ImageNet's `test/` has images without classes.
const TEST: [&str; 2] = ["test", "val"];
/// Ends of names, in small letters.
const ENDS: [&str; 3] = ["jpg", "jpeg", "png"];

/// The files of a split: those of a class after those of the one before, each class by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ImageFiles {
    /// By label.
    folders: Vec<PathBuf>,
    /// By index.
    names: Vec<OsString>,
}

impl ImageFiles {
    /// Whatever is in a file, it is decoded to red, green and blue.
    pub(crate) const CHANNELS: usize = 3;

    pub(crate) fn path(&self, index: usize, label: u16) -> PathBuf {
        self.folders[usize::from(label)].join(&self.names[index])
    }

    pub(crate) fn picture(&self, index: usize, label: u16) -> Result<Picture<'_>, DatasetError> {
        image_file::decode(&self.path(index, label))
    }

    /// The shape that a file has by its header.
    pub(crate) fn shape(&self, index: usize, label: u16) -> Result<ImageShape, DatasetError> {
        let size = image_header::read(&self.path(index, label))?;
        Ok(ImageShape::new(Self::CHANNELS, size.height, size.width))
    }
}

/// Whether a folder has such a set, or what is left of one.
pub(crate) fn lies_in(folder: &Path) -> bool {
    folder.join(TRAINING).is_dir()
}

pub(crate) fn open(folder: &Path) -> Result<Dataset, DatasetError> {
    let training_folder = folder.join(TRAINING);
    let test_folder = test_folder(folder)?;
    let classes = subfolders(&training_folder)?;
    let test_classes = subfolders(&test_folder)?;
    if classes.is_empty() {
        let message = "it has no folders of images, one for each class";
        return Err(DatasetError::content(training_folder, message));
    }
    if classes != test_classes {
        return Err(classes_differ(folder, &classes, &test_classes));
    }
    let training = list(&training_folder, &classes)?;
    let test = list(&test_folder, &classes)?;
    let [training, test] = [hold(training)?, hold(test)?];
    Ok(Dataset::new(Parts {
        path: folder.to_owned(),
        name: folder_name(folder),
        classes,
        training,
        test,
    })?
    .named_if_published(folder))
}

fn test_folder(folder: &Path) -> Result<PathBuf, DatasetError> {
    let there = || TEST.into_iter().map(|name| folder.join(name)).filter(|path| path.is_dir());
    let has_classes = |path: &PathBuf| subfolders(path).is_ok_and(|classes| !classes.is_empty());
    there().find(has_classes).or_else(|| there().next()).ok_or_else(|| {
        DatasetError::content(folder, "it has train/, but neither test/ nor val/ beside it")
    })
}

fn classes_differ(folder: &Path, training: &[String], test: &[String]) -> DatasetError {
    let without = |these: &[String], those: &[String]| {
        these.iter().filter(|class| !those.contains(class)).cloned().collect()
    };
    DatasetError::ClassesDiffer {
        path: folder.to_owned(),
        training: without(training, test),
        test: without(test, training),
    }
}

/// The names in a folder by the alphabet, but for hidden ones.
fn names(folder: &Path) -> Result<Vec<(OsString, fs::FileType)>, DatasetError> {
    let list = || {
        let mut names = Vec::new();
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            if !entry.file_name().as_encoded_bytes().starts_with(b".") {
                names.push((entry.file_name(), entry.file_type()?));
            }
        }
        Ok(names)
    };
    let mut names = list().map_err(DatasetError::reading(folder))?;
    names.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(names)
}

/// The classes: files beside their folders are none.
fn subfolders(folder: &Path) -> Result<Vec<String>, DatasetError> {
    let is_folder = |name: &OsString, kind: fs::FileType| {
        kind.is_dir() || kind.is_symlink() && folder.join(name).is_dir()
    };
    let folders = names(folder)?.into_iter().filter(|(name, kind)| is_folder(name, *kind));
    folders
        .map(|(name, _)| {
            name.into_string().map_err(|name| {
                let message = format!("the name {} is not Unicode", name.display());
                DatasetError::content(folder, message)
            })
        })
        .collect()
}

/// All files of a split.
fn list(folder: &Path, classes: &[String]) -> Result<Store, DatasetError> {
    let mut labels = Vec::new();
    let mut files = ImageFiles { folders: Vec::new(), names: Vec::new() };
    for (label, class) in classes.iter().enumerate() {
        let label = u16::try_from(label).map_err(|_| {
            let message =
                format!("it has {} classes, but labels go up to {}", classes.len(), u16::MAX);
            DatasetError::content(folder, message)
        })?;
        let class_folder = folder.join(class);
        for (name, _) in names(&class_folder)? {
            let path = class_folder.join(&name);
            let end = path.extension().unwrap_or_default().to_ascii_lowercase();
            if !ENDS.iter().any(|known| end == *known) {
                let message =
                    "it is among images and is none by its name (.jpg, .jpeg, .png): remove it";
                return Err(DatasetError::content(path, message));
            }
            files.names.push(name);
            labels.push(label);
        }
        files.folders.push(class_folder);
    }
    if labels.is_empty() {
        return Err(DatasetError::content(folder, "there is no image in any of its folders"));
    }
    Ok(Store::new(labels, Images::Files(files)))
}

/// Holds all images if the first is small and all have its size.
fn hold(store: Store) -> Result<Store, DatasetError> {
    let Images::Files(files) = store.images() else { return Ok(store) };
    let shape = files.shape(0, store.labels()[0])?;
    store.held_if_small(shape)
}

impl Dataset {
    /// Images of 32x32 in CIFAR-10's ten classes are CIFAR-10. As JPEG files they are not what was published.
    fn named_if_published(self, folder: &Path) -> Self {
        let is_cifar = self.shape() == Some(cifar::SHAPE) && self.classes() == cifar::CLASSES;
        if !is_cifar {
            return self;
        }
        let first = names(&folder.join(TRAINING).join(cifar::CLASSES[0])).unwrap_or_default();
        let is_png = first
            .first()
            .is_some_and(|(name, _)| Path::new(name).extension() == Some("png".as_ref()));
        self.renamed(if is_png { "CIFAR-10" } else { "CIFAR-10 (JPEG)" })
    }
}

#[cfg(test)]
mod tests;
