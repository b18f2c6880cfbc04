//! Opening is finding out what lies at a path.

use std::path::Path;

use crate::{Dataset, DatasetError, cifar, folder, idx_set};

impl Dataset {
    /// Opens what lies in a folder: IDX files, CIFAR-10's binary files, or folders of JPEG and PNG files by
    /// class. Small images of one size are decoded now and kept in memory as bytes.
    ///
    /// # Errors
    /// A path at which none of these lies, and everything that would stop a training later and can be seen
    /// now: missing, cut-off and unreadable files, labels out of range, empty classes, classes that differ
    /// between training and test images.
    pub fn open(path: &Path) -> Result<Self, DatasetError> {
        let unknown = |reason: &str| {
            Err(DatasetError::Unknown { path: path.to_owned(), reason: reason.to_owned() })
        };
        if !path.exists() {
            return unknown("is not there");
        }
        if !path.is_dir() {
            return unknown("is a file: unpack it if it is an archive, and name the folder");
        }
        if idx_set::lies_in(path) {
            idx_set::open(path)
        } else if cifar::lies_in(path) {
            cifar::open(path)
        } else if folder::lies_in(path) {
            folder::open(path)
        } else {
            unknown("has none of the files that a data set has")
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn what_is_no_data_set_is_refused_with_what_one_is() {
        let folder = tempfile::tempdir().unwrap();
        let archive = folder.path().join("cifar.tgz");
        fs::write(&archive, "").unwrap();
        for (path, expected) in [
            (folder.path().join("missing"), "missing is not there; a data set is a folder with"),
            (archive, "cifar.tgz is a file: unpack it if it is an archive"),
            (folder.path().to_owned(), "has none of the files that a data set has; a data set is"),
        ] {
            let message = Dataset::open(&path).unwrap_err().to_string();
            assert!(message.contains(expected), "{message}");
        }
    }
}
