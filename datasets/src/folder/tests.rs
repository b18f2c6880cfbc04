//! Folders are opened as what they are, or refused with the file that is wrong.

use image::ImageFormat;

use super::*;
use crate::Split;
use crate::image_file::tests::encode;

/// A set in a folder: files by their paths.
struct Folder(tempfile::TempDir);

impl Folder {
    /// Two images of each class in `train` and one in `test`, of so many pixels to a side.
    fn of(classes: &[&str], side: u32) -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        for class in classes {
            for path in ["train/CLASS/b.jpg", "train/CLASS/a.jpg", "test/CLASS/a.jpg"] {
                folder.image(&path.replace("CLASS", class), side);
            }
        }
        folder
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn write(&self, path: &str, content: impl AsRef<[u8]>) {
        let path = self.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    fn image(&self, path: &str, side: u32) {
        let format = ImageFormat::from_path(path).unwrap();
        self.write(path, encode(format, side, side));
    }

    #[track_caller]
    fn refusal(&self) -> String {
        let message = Dataset::open(self.path()).unwrap_err().to_string();
        message.replace(self.path().to_str().unwrap(), "SET")
    }
}

#[test]
fn classes_and_files_are_in_the_order_of_the_alphabet() {
    let folder = Folder::of(&["zebra", "ant"], 20);
    folder.write("train/.DS_Store", "");
    folder.write("train/ant/.hidden", "");
    folder.write("train/README", "");
    let set = Dataset::open(folder.path()).unwrap();
    assert_eq!(set.classes(), ["ant", "zebra"]);
    assert_eq!(set.name(), folder.path().file_name().unwrap().to_str().unwrap());
    let images = set.images(Split::Training);
    assert_eq!((0..4).map(|at| images.label(at)).collect::<Vec<_>>(), [0, 0, 1, 1]);
    let store = list(&folder.path().join("train"), set.classes()).unwrap();
    let Images::Files(files) = store.images() else { panic!("these are files") };
    assert_eq!(files.path(2, 1), folder.path().join("train/zebra/a.jpg"));
    set.check().unwrap();
}

#[test]
fn small_images_of_one_size_are_held_and_others_stay_in_their_files() {
    let small = Folder::of(&["a", "b"], 64);
    let set = Dataset::open(small.path()).unwrap();
    assert!(set.images(Split::Training).is_in_memory());
    assert_eq!(set.shape(), Some(ImageShape::new(3, 64, 64)));

    let large = Folder::of(&["a", "b"], 65);
    large.image("train/b/c.png", 70);
    let set = Dataset::open(large.path()).unwrap();
    let images = set.images(Split::Training);
    assert!(!images.is_in_memory() && set.shape().is_none());
    assert_eq!(images.picture(4).unwrap().shape(), ImageShape::new(3, 70, 70));
    let sizes = images.check().unwrap();
    assert_eq!((sizes.images, sizes.heights_px, sizes.widths_px), (5, 65..=70, 65..=70));

    small.image("train/b/c.png", 63);
    let set = Dataset::open(small.path()).unwrap();
    assert!(!set.images(Split::Training).is_in_memory());
    assert!(set.images(Split::Test).is_in_memory() && set.shape().is_none());
}

#[test]
fn the_ten_classes_of_cifar_10_in_32_pixels_are_it_and_the_name_says_when_jpeg_has_lost_some() {
    let jpeg = Folder::of(&cifar::CLASSES, 32);
    assert_eq!(Dataset::open(jpeg.path()).unwrap().name(), "CIFAR-10 (JPEG)");
    let larger = Folder::of(&cifar::CLASSES, 33);
    assert!(!Dataset::open(larger.path()).unwrap().name().contains("CIFAR"));
    let png = Folder(tempfile::tempdir().unwrap());
    for class in cifar::CLASSES {
        png.image(&format!("train/{class}/1.png"), 32);
        png.image(&format!("val/{class}/1.png"), 32);
    }
    assert_eq!(Dataset::open(png.path()).unwrap().name(), "CIFAR-10");
}

#[test]
fn test_images_may_be_in_val_where_test_has_no_classes() {
    let folder = Folder::of(&["a", "b"], 70);
    fs::rename(folder.path().join("test"), folder.path().join("val")).unwrap();
    folder.image("test/1.jpg", 70);
    assert_eq!(Dataset::open(folder.path()).unwrap().images(Split::Test).len(), 2);
}

#[test]
fn folders_that_are_not_whole_are_refused_by_what_is_wrong() {
    type Break = fn(&Folder);
    let remove = |folder: &Folder, path: &str| {
        fs::remove_dir_all(folder.path().join(path)).unwrap();
    };
    let cases: [(Break, &str); 9] = [
        (
            |folder| fs::remove_dir_all(folder.path().join("test")).unwrap(),
            "SET: it has train/, but neither test/ nor val/ beside it",
        ),
        (
            |folder| fs::remove_file(folder.path().join("test/b/a.jpg")).unwrap(),
            "SET: the class `b` has no test images: add some, or remove the class everywhere",
        ),
        (
            |folder| folder.image("train/c/1.jpg", 70),
            "SET: the classes `c` are only among the training images",
        ),
        (
            |folder| {
                fs::rename(folder.path().join("test/a"), folder.path().join("test/x")).unwrap();
            },
            "SET: the classes `a` are only among the training images, the classes `x` are only among the test images",
        ),
        (
            |folder| folder.write("train/a/notes.txt", ""),
            "SET/train/a/notes.txt: it is among images and is none by its name (.jpg, .jpeg, .png): remove it",
        ),
        (
            |folder| folder.write("train/a/a.jpg", "text"),
            "SET/train/a/a.jpg: it is neither a JPEG nor a PNG file",
        ),
        (
            |folder| {
                let path = folder.path().join("train/a/a.jpg");
                let content = fs::read(&path).unwrap();
                fs::write(path, &content[..content.len() - 50]).unwrap();
            },
            "SET/train/a/a.jpg: it is cut off: the end of the image is missing",
        ),
        (
            |folder| {
                for path in ["train/a/a.jpg", "train/a/b.jpg", "train/b/a.jpg", "train/b/b.jpg"] {
                    fs::remove_file(folder.path().join(path)).unwrap();
                }
            },
            "SET/train: there is no image in any of its folders",
        ),
        (
            |folder| {
                for path in ["train/a", "train/b", "test/a", "test/b"] {
                    fs::remove_dir_all(folder.path().join(path)).unwrap();
                }
            },
            "SET/train: it has no folders of images, one for each class",
        ),
    ];
    for (break_it, expected) in cases {
        let folder = Folder::of(&["a", "b"], 70);
        break_it(&folder);
        assert_eq!(folder.refusal(), expected);
    }
    // Small images are decoded when the set is opened, so that a damaged one shows wherever it is.
    let folder = Folder::of(&["a", "b"], 30);
    folder.write("test/b/a.jpg", "text");
    assert_eq!(folder.refusal(), "SET/test/b/a.jpg: it is neither a JPEG nor a PNG file");
    remove(&folder, "train/b");
    assert_eq!(folder.refusal(), "SET: the classes `b` are only among the test images");
}
