//! Published data sets are read as what they are. Each test is skipped, with a message, where its data is not:
//! `cargo xtask setup` brings Fashion-MNIST, and `../shared/data/cifar10_jpg.tgz`, beside the checkout, or
//! wherever `CIFAR10_JPG_TGZ` says, is CIFAR-10 as JPEG files.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![expect(clippy::print_stdout, reason = "a test that is skipped says so")]

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::Command;

use datasets::{
    BatchPlan, Dataset, HeldOut, ImageShape, Loader, Normalisation, Pipeline, Recipe, Split,
};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// The path, if something is there.
fn present(path: PathBuf, how: &str) -> Option<PathBuf> {
    let is_there = path.exists();
    if !is_there {
        println!("skipped: {} is not there; {how}", path.display());
    }
    is_there.then_some(path)
}

#[track_caller]
fn check_close(found: &[f32], expected: &[f32]) {
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(expected) {
        assert!((found - expected).abs() < 5e-4, "{found} {expected}");
    }
}

#[test]
fn fashion_mnist_is_recognised_and_has_its_published_numbers() {
    let folder = root().join(".data/fashion-mnist");
    let Some(folder) = present(folder, "`cargo xtask setup` brings it") else { return };
    let dataset = Dataset::open(&folder).unwrap();
    assert_eq!(
        (dataset.name(), dataset.shape()),
        ("Fashion-MNIST", Some(ImageShape::new(1, 28, 28)))
    );
    assert_eq!(
        (dataset.classes()[0].as_str(), dataset.classes()[9].as_str()),
        ("T-shirt/top", "Ankle boot")
    );
    let (training, test) = (dataset.images(Split::Training), dataset.images(Split::Test));
    assert_eq!(training.images_per_class(), [6000; 10]);
    assert_eq!(test.images_per_class(), [1000; 10]);
    // The first training image is an ankle boot.
    assert_eq!(training.label(0), 9);
    // Everybody's constants for it, e.g. `transforms.Normalize((0.2860,), (0.3530,))`.
    let normalisation = Normalisation::of(training, 1).unwrap();
    check_close(&normalisation.mean, &[0.2860]);
    check_close(&normalisation.std, &[0.3530]);
    let parts = training.hold_out(HeldOut::Count(5000), 1).unwrap();
    assert_eq!(parts.architecture.images_per_class(), [500; 10]);
    check_batches(&dataset, &normalisation);
}

#[test]
fn cifar_10_as_jpeg_files_is_called_that_and_has_its_published_numbers() {
    let archive = std::env::var_os("CIFAR10_JPG_TGZ")
        .map_or_else(|| root().join("../shared/data/cifar10_jpg.tgz"), PathBuf::from);
    let Some(archive) = present(archive, "name it with CIFAR10_JPG_TGZ") else { return };
    let folder = tempfile::tempdir().unwrap();
    let unpacked =
        Command::new("tar").arg("-xzf").arg(archive).arg("-C").arg(folder.path()).status();
    assert!(unpacked.unwrap().success());
    let dataset = Dataset::open(folder.path()).unwrap();
    assert_eq!(
        (dataset.name(), dataset.shape()),
        ("CIFAR-10 (JPEG)", Some(ImageShape::new(3, 32, 32)))
    );
    assert_eq!(dataset.images(Split::Training).images_per_class(), [5000; 10]);
    assert_eq!(dataset.images(Split::Test).images_per_class(), [1000; 10]);
    assert!(dataset.images(Split::Training).is_in_memory());
    // Those of CIFAR-10 are 0.4914 0.4822 0.4465 and 0.2470 0.2435 0.2616; JPEG smooths a little.
    let normalisation = Normalisation::of(dataset.images(Split::Training), 1).unwrap();
    for (found, expected) in normalisation.mean.iter().zip([0.4914, 0.4822, 0.4465]) {
        assert!((found - expected).abs() < 0.003, "{normalisation:?}");
    }
    for (found, expected) in normalisation.std.iter().zip([0.2470, 0.2435, 0.2616]) {
        assert!((found - expected).abs() < 0.006, "{normalisation:?}");
    }
    check_batches(&dataset, &normalisation);
}

/// Both splits in batches for a network of 3x32x32: every label comes, and values are normalised.
#[track_caller]
fn check_batches(dataset: &Dataset, normalisation: &Normalisation) {
    let target = ImageShape::new(3, 32, 32);
    let recipe = Recipe::for_dataset(dataset, target);
    let training = Pipeline::training(&recipe.augmentation, normalisation, target).unwrap();
    let test = Pipeline::evaluation(&recipe.evaluation, normalisation, target).unwrap();
    for (split, pipeline) in [(Split::Training, training), (Split::Test, test)] {
        let images = dataset.images(split).clone();
        let plan = match split {
            Split::Training => BatchPlan::training(&images, 256, 1),
            Split::Test => BatchPlan::evaluation(&images, 256),
        };
        let count = images.len();
        let loader = Loader::new(images, pipeline, plan.unwrap(), NonZeroUsize::new(2).unwrap());
        let (mut labels, mut sum) = (vec![0; 10], 0.0);
        let mut values = 0;
        for batch in loader.unwrap().epoch(0).unwrap() {
            let batch = batch.unwrap();
            assert_eq!(batch.images.len(), batch.shape().into_iter().product::<usize>());
            batch.labels.iter().for_each(|label| labels[*label as usize] += 1);
            sum += batch.images.iter().map(|value| f64::from(*value)).sum::<f64>();
            values += batch.images.len();
        }
        let seen: usize = labels.iter().sum();
        assert_eq!(seen, if split == Split::Test { count } else { count / 256 * 256 });
        assert!(labels.iter().all(|label| 0 < *label));
        // A black border takes the mean below 0.
        let mean = sum / values as f64;
        assert!((-0.5..0.05).contains(&mean), "{split}: {mean}");
    }
}
