//! An IDX set is a data set of the MNIST family: four IDX files, perhaps compressed.

use std::ffi::OsStr;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use flate2::bufread::MultiGzDecoder;

use crate::dataset::{Parts, folder_name};
use crate::idx::Idx;
use crate::store::{Images, Store};
use crate::{Dataset, DatasetError, ImageShape, Split};

/// The first test labels of a published set, by which it is recognised; all have 10 000.
struct Published {
    name: &'static str,
    first_labels: [u8; 16],
    classes: [&'static str; 10],
}

const PUBLISHED: [Published; 2] = [
    // zcat t10k-labels-idx1-ubyte.gz | tail -c +9 | head -c 16 | xxd, Debian's dataset-fashion-mnist
    // 0.0~git20200523.55506a9-1; the names are those of its README.
    Published {
        name: "Fashion-MNIST",
        first_labels: [9, 2, 1, 1, 6, 1, 4, 6, 5, 7, 4, 5, 7, 3, 4, 1],
        classes: [
            "T-shirt/top",
            "Trouser",
            "Pullover",
            "Dress",
            "Coat",
            "Sandal",
            "Shirt",
            "Sneaker",
            "Bag",
            "Ankle boot",
        ],
    },
    Published {
        name: "MNIST",
        first_labels: [7, 2, 1, 0, 4, 1, 4, 9, 5, 9, 0, 6, 9, 0, 1, 5],
        classes: ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"],
    },
];

/// Whether a folder has such a set, or what is left of one.
pub(crate) fn lies_in(folder: &Path) -> bool {
    find(folder, "train-images", 3).is_some() || find(folder, "t10k-images", 3).is_some()
}

pub(crate) fn open(folder: &Path) -> Result<Dataset, DatasetError> {
    let [training, test] = [(Split::Training, "train"), (Split::Test, "t10k")]
        .map(|(split, prefix)| SplitFiles::find(folder, split, prefix));
    let [training, test] = [training?.read()?, test?.read()?];
    let is_published = |set: &&Published| {
        test.labels.len() == 10_000 && test.labels.starts_with(&set.first_labels)
    };
    let published = PUBLISHED.iter().find(is_published);
    let classes = match published {
        Some(set) => set.classes.map(str::to_owned).to_vec(),
        None => numbered_classes(&training.labels),
    };
    let [training, test] = [training.store(classes.len())?, test.store(classes.len())?];
    let name = published.map_or_else(|| folder_name(folder), |set| set.name.to_owned());
    Dataset::new(Parts { path: folder.to_owned(), name, classes, training, test })
}

/// The classes of a set that nobody gave names to: 0 to the largest label.
fn numbered_classes(labels: &[u8]) -> Vec<String> {
    (0..=labels.iter().copied().max().unwrap_or(0)).map(|label| label.to_string()).collect()
}

/// The two files of a split.
struct SplitFiles {
    images: PathBuf,
    labels: PathBuf,
}

/// Their content.
struct Content {
    labels_path: PathBuf,
    labels: Vec<u8>,
    shape: ImageShape,
    bytes: Vec<u8>,
}

impl SplitFiles {
    fn find(folder: &Path, split: Split, prefix: &str) -> Result<Self, DatasetError> {
        let file = |part: &str, dimensions| {
            let stem = format!("{prefix}-{part}");
            find(folder, &stem, dimensions).ok_or_else(|| {
                let message = format!(
                    "the {split} {part} are missing: {stem}-idx{dimensions}-ubyte or the same with .gz"
                );
                DatasetError::content(folder, message)
            })
        };
        Ok(Self { images: file("images", 3)?, labels: file("labels", 1)? })
    }

    fn read(self) -> Result<Content, DatasetError> {
        let images: Idx<3> = read(&self.images)?;
        let labels: Idx<1> = read(&self.labels)?;
        let [count, height, width] = images.dimensions;
        if count == 0 || height == 0 || width == 0 {
            let message = format!("it has {count} images of {height}x{width} pixels");
            return Err(DatasetError::content(self.images, message));
        }
        if labels.values.len() != count {
            let message = format!(
                "it has {} labels, but {} has {count} images",
                labels.values.len(),
                self.images.display()
            );
            return Err(DatasetError::content(self.labels, message));
        }
        Ok(Content {
            labels_path: self.labels,
            labels: labels.values,
            shape: ImageShape::new(1, height, width),
            bytes: images.values,
        })
    }
}

impl Content {
    fn store(self, classes: usize) -> Result<Store, DatasetError> {
        let out_of_range = |label: &u8| classes <= usize::from(*label);
        if let Some(index) = self.labels.iter().position(out_of_range) {
            let label = self.labels[index];
            let message = format!(
                "label {index} is {label}, but there are {classes} classes, 0 to {}",
                classes - 1
            );
            return Err(DatasetError::content(self.labels_path, message));
        }
        let labels = self.labels.into_iter().map(u16::from).collect();
        Ok(Store::new(labels, Images::Held { shape: self.shape, bytes: self.bytes }))
    }
}

/// The file of a part under one of the names that are in use.
fn find(folder: &Path, stem: &str, dimensions: usize) -> Option<PathBuf> {
    ["-", "."]
        .into_iter()
        .flat_map(|joint| ["", ".gz"].map(|end| format!("{stem}{joint}idx{dimensions}-ubyte{end}")))
        .map(|name| folder.join(name))
        .find(|path| path.is_file())
}

fn read<const N: usize>(path: &Path) -> Result<Idx<N>, DatasetError> {
    let mut content = fs::read(path).map_err(DatasetError::reading(path))?;
    if path.extension() == Some(OsStr::new("gz")) {
        let mut unpacked = Vec::new();
        let unpacking = MultiGzDecoder::new(content.as_slice()).read_to_end(&mut unpacked);
        unpacking.map_err(|error| {
            DatasetError::content(path, format!("it cannot be decompressed: {error}"))
        })?;
        content = unpacked;
    }
    Idx::parse(content).map_err(|message| DatasetError::content(path, message))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;
    use crate::idx::tests::print;

    /// Writes a set of two classes: three training images of 2x1 pixels, and two test images.
    fn write_set(folder: &Path) {
        for (prefix, labels) in [("train", vec![0, 1, 0]), ("t10k", vec![1, 0])] {
            let images: Vec<u8> = (0..2 * labels.len() as u8).collect();
            let images = print([labels.len(), 2, 1], &images);
            fs::write(folder.join(format!("{prefix}-images-idx3-ubyte")), images).unwrap();
            let labels = print([labels.len()], &labels);
            fs::write(folder.join(format!("{prefix}-labels-idx1-ubyte")), labels).unwrap();
        }
    }

    fn compress(content: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(content).unwrap();
        encoder.finish().unwrap()
    }

    #[track_caller]
    fn check_opened(folder: &Path) {
        let set = Dataset::open(folder).unwrap();
        assert_eq!(set.classes(), ["0", "1"]);
        assert_eq!(set.shape(), Some(ImageShape::new(1, 2, 1)));
        assert_eq!(set.name(), folder.file_name().unwrap().to_str().unwrap());
        let training = set.images(Split::Training);
        assert_eq!((training.len(), training.images_per_class()), (3, vec![2, 1]));
        assert_eq!((training.label(1), training.picture(1).unwrap().bytes()), (1, &[2, 3][..]));
        let test = set.images(Split::Test);
        assert_eq!((test.label(1), test.picture(1).unwrap().bytes()), (0, &[2, 3][..]));
    }

    #[test]
    fn plain_and_compressed_files_are_read_under_both_names() {
        let folder = tempfile::tempdir().unwrap();
        write_set(folder.path());
        check_opened(folder.path());
        let from = |name: &str| folder.path().join(name);
        let plain = from("train-images-idx3-ubyte");
        let packed = compress(&fs::read(&plain).unwrap());
        fs::write(from("train-images-idx3-ubyte.gz"), packed).unwrap();
        fs::remove_file(plain).unwrap();
        fs::rename(from("t10k-labels-idx1-ubyte"), from("t10k-labels.idx1-ubyte")).unwrap();
        check_opened(folder.path());
    }

    #[test]
    fn a_set_that_is_not_whole_is_refused_with_the_file_and_the_numbers() {
        type Break = fn(&Path);
        let cases: [(Break, &str); 7] = [
            (
                |folder| fs::remove_file(folder.join("t10k-labels-idx1-ubyte")).unwrap(),
                ": the test labels are missing: t10k-labels-idx1-ubyte or the same with .gz",
            ),
            (
                |folder| {
                    fs::write(folder.join("train-labels-idx1-ubyte"), print([2], &[0, 1])).unwrap();
                },
                "train-labels-idx1-ubyte: it has 2 labels, but ",
            ),
            (
                |folder| {
                    fs::write(folder.join("t10k-labels-idx1-ubyte"), print([2], &[0, 7])).unwrap();
                },
                "t10k-labels-idx1-ubyte: label 1 is 7, but there are 2 classes, 0 to 1",
            ),
            (
                |folder| {
                    fs::write(folder.join("train-images-idx3-ubyte"), print([0, 2, 1], &[]))
                        .unwrap();
                },
                "train-images-idx3-ubyte: it has 0 images of 2x1 pixels",
            ),
            (
                |folder| {
                    let images = print([2, 1, 1], &[0, 1]);
                    fs::write(folder.join("t10k-images-idx3-ubyte"), images).unwrap();
                },
                ": training images are 1x2x1, but test images 1x1x1",
            ),
            (
                |folder| {
                    fs::write(folder.join("train-labels-idx1-ubyte"), print([3], &[2, 0, 2]))
                        .unwrap();
                },
                ": the class `1` has no training images: add some, or remove the class everywhere",
            ),
            (
                |folder| {
                    fs::remove_file(folder.join("train-images-idx3-ubyte")).unwrap();
                    let whole = compress(&print([3, 2, 1], &[7; 6]));
                    let half = &whole[..whole.len() / 2];
                    fs::write(folder.join("train-images-idx3-ubyte.gz"), half).unwrap();
                },
                "train-images-idx3-ubyte.gz: it cannot be decompressed: ",
            ),
        ];
        for (break_it, expected) in cases {
            let folder = tempfile::tempdir().unwrap();
            write_set(folder.path());
            break_it(folder.path());
            let message = Dataset::open(folder.path()).unwrap_err().to_string();
            assert!(message.contains(expected), "{message}");
        }
    }
}
