//! CIFAR-10 in its binary version: files of records, each a label and the three planes of a 32x32 image
//! (Krizhevsky 2009, "Learning multiple layers of features from tiny images").

use std::fs;
use std::path::Path;

use crate::dataset::Parts;
use crate::picture::interleave;
use crate::store::{Images, Store};
use crate::{Dataset, DatasetError, ImageShape};

/// Red, green, blue, 32x32.
pub(crate) const SHAPE: ImageShape = ImageShape::new(3, 32, 32);

/// The classes in the order of the labels, which is also that of the alphabet.
pub(crate) const CLASSES: [&str; 10] =
    ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"];

const TRAINING: [&str; 5] = [
    "data_batch_1.bin",
    "data_batch_2.bin",
    "data_batch_3.bin",
    "data_batch_4.bin",
    "data_batch_5.bin",
];
const TEST: [&str; 1] = ["test_batch.bin"];
const NAMES: &str = "batches.meta.txt";

/// Bytes of a label and an image.
const RECORD: usize = 1 + SHAPE.values();

/// Whether a folder has such a set, or what is left of one.
pub(crate) fn lies_in(folder: &Path) -> bool {
    TRAINING.iter().chain(&TEST).any(|name| folder.join(name).is_file())
}

pub(crate) fn open(folder: &Path) -> Result<Dataset, DatasetError> {
    Dataset::new(Parts {
        path: folder.to_owned(),
        name: "CIFAR-10".to_owned(),
        classes: classes(folder)?,
        training: read(folder, &TRAINING)?,
        test: read(folder, &TEST)?,
    })
}

/// The names that lie beside the files, or else those that were published.
fn classes(folder: &Path) -> Result<Vec<String>, DatasetError> {
    let path = folder.join(NAMES);
    if !path.exists() {
        return Ok(CLASSES.map(str::to_owned).to_vec());
    }
    let text = fs::read_to_string(&path).map_err(DatasetError::reading(&path))?;
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let names: Vec<String> = lines.map(str::to_owned).collect();
    if names.len() == CLASSES.len() {
        return Ok(names);
    }
    let message = format!("it names {} classes, but CIFAR-10 has {}", names.len(), CLASSES.len());
    Err(DatasetError::content(path, message))
}

fn read(folder: &Path, files: &[&str]) -> Result<Store, DatasetError> {
    let (mut labels, mut bytes) = (Vec::new(), Vec::new());
    for name in files {
        let path = folder.join(name);
        let content = fs::read(&path).map_err(DatasetError::reading(&path))?;
        parse(&content, &mut labels, &mut bytes)
            .map_err(|message| DatasetError::content(path, message))?;
    }
    Ok(Store::new(labels, Images::Held { shape: SHAPE, bytes }))
}

/// Appends what a file has.
fn parse(content: &[u8], labels: &mut Vec<u16>, bytes: &mut Vec<u8>) -> Result<(), String> {
    let records = content.chunks_exact(RECORD);
    if records.len() == 0 || !records.remainder().is_empty() {
        return Err(format!(
            "it has {} bytes, but records are {RECORD} bytes: {} of them and {} bytes more",
            content.len(),
            records.len(),
            records.remainder().len()
        ));
    }
    bytes.reserve(records.len() * SHAPE.values());
    for (index, record) in records.enumerate() {
        let (label, planes) = (record[0], &record[1..]);
        if CLASSES.len() <= usize::from(label) {
            return Err(format!("image {index} has label {label}, but labels are 0 to 9"));
        }
        labels.push(u16::from(label));
        interleave(planes, SHAPE.channels, bytes);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::Split;

    /// The content of a file with images of these labels; pixel `p` of plane `c` is `p + 100 c + label`.
    fn print(labels: &[u8]) -> Vec<u8> {
        let record = |label: &u8| {
            let plane = |c: usize| (0..SHAPE.pixels()).map(move |p| (p + 100 * c) as u8);
            let planes = (0..3).flat_map(plane).map(|value| value.wrapping_add(*label));
            [*label].into_iter().chain(planes).collect::<Vec<_>>()
        };
        labels.iter().flat_map(record).collect()
    }

    fn write_set(folder: &Path) {
        for name in TRAINING.iter().chain(&TEST) {
            fs::write(folder.join(name), print(&[0, 1, 2, 3, 4, 5, 6, 7, 8, 9])).unwrap();
        }
    }

    #[test]
    fn a_set_is_its_files_in_their_order_under_the_names_beside_them() {
        let folder = tempfile::tempdir().unwrap();
        write_set(folder.path());
        let set = Dataset::open(folder.path()).unwrap();
        assert_eq!((set.name(), set.shape()), ("CIFAR-10", Some(SHAPE)));
        assert_eq!(set.classes(), CLASSES);
        let images = set.images(Split::Training);
        assert_eq!((images.len(), images.label(13)), (50, 3));
        assert_eq!(images.picture(13).unwrap().bytes()[..6], [3, 103, 203, 4, 104, 204]);
        fs::write(folder.path().join(NAMES), "a\nb\nc\nd\ne\nf\ng\nh\ni\nj\n\n").unwrap();
        assert_eq!(Dataset::open(folder.path()).unwrap().classes()[9], "j");
        fs::write(folder.path().join(NAMES), "a\nb\n").unwrap();
        let message = Dataset::open(folder.path()).unwrap_err().to_string();
        assert!(message.ends_with("batches.meta.txt: it names 2 classes, but CIFAR-10 has 10"));
    }

    #[test]
    fn a_file_that_is_missing_is_named() {
        let folder = tempfile::tempdir().unwrap();
        write_set(folder.path());
        fs::remove_file(folder.path().join("data_batch_3.bin")).unwrap();
        let message = Dataset::open(folder.path()).unwrap_err().to_string();
        assert!(message.ends_with("data_batch_3.bin"), "{message}");
    }

    #[test]
    fn what_is_no_file_of_records_is_refused_with_the_numbers() {
        let whole = print(&[3, 4]);
        for (content, expected) in [
            (vec![], "it has 0 bytes, but records are 3073 bytes: 0 of them and 0 bytes more"),
            (
                whole[..6000].to_vec(),
                "it has 6000 bytes, but records are 3073 bytes: 1 of them and 2927 bytes more",
            ),
            (print(&[3, 10]), "image 1 has label 10, but labels are 0 to 9"),
        ] {
            assert_eq!(parse(&content, &mut Vec::new(), &mut Vec::new()).unwrap_err(), expected);
        }
    }

    proptest! {
        #[test]
        fn labels_and_pixels_are_read_as_they_were_written(
            labels in proptest::collection::vec(0_u8..10, 1..5), at in 0_usize..1024,
        ) {
            let (mut read, mut bytes) = (Vec::new(), Vec::new());
            parse(&print(&labels), &mut read, &mut bytes).unwrap();
            let expected: Vec<u16> = labels.iter().map(|label| u16::from(*label)).collect();
            prop_assert_eq!(read, expected);
            for (image, label) in labels.iter().enumerate() {
                let pixel = &bytes[image * SHAPE.values() + 3 * at..][..3];
                let expected = [0, 100, 200].map(|plane| (at + plane) as u8);
                prop_assert_eq!(pixel, expected.map(|value| value.wrapping_add(*label)));
            }
        }

        #[test]
        fn a_file_that_is_cut_off_is_refused(labels in proptest::collection::vec(0_u8..10, 1..4), cut: usize) {
            let content = print(&labels);
            let cut = cut % content.len();
            let result = parse(&content[..cut], &mut Vec::new(), &mut Vec::new());
            prop_assert_eq!(result.is_ok(), cut != 0 && cut.is_multiple_of(RECORD));
        }
    }
}
