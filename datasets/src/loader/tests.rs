//! Batches are the same whoever makes them and wherever they begin, errors come in their turn, and nothing waits
//! for ever.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use image::ImageFormat;

use super::*;
use crate::augmentation::{Augmentation, ColourJitter, Crop, Evaluation};
use crate::image_file::tests::encode;
use crate::{Dataset, Normalisation, Split, SyntheticSet};

const TARGET: ImageShape = ImageShape::new(3, 16, 16);

fn dataset(images: u32) -> Dataset {
    Dataset::synthetic(&SyntheticSet {
        classes: 4,
        shape: ImageShape::new(3, 20, 20),
        training_images: images,
        test_images: images,
        noise: 0.1,
        seed: 1,
    })
    .unwrap()
}

/// All that is random.
fn training_pipeline() -> Pipeline {
    let augmentation = Augmentation {
        crop: Crop::RandomResized { area: [0.2, 1.0], ratio: [0.75, 1.25] },
        flip_probability: 0.5,
        colour: Some(ColourJitter { brightness: 0.2, contrast: 0.2, saturation: 0.2 }),
        cutout_px: Some(4),
    };
    Pipeline::training(&augmentation, &Normalisation { mean: vec![0.5], std: vec![0.3] }, TARGET)
        .unwrap()
}

fn evaluation_pipeline() -> Pipeline {
    let evaluation = Evaluation { shorter_side_px: Some(16) };
    Pipeline::evaluation(&evaluation, &Normalisation { mean: vec![0.5], std: vec![0.3] }, TARGET)
        .unwrap()
}

fn training(images: &ImageSet, batch_size: usize, workers: usize) -> Loader {
    let plan = BatchPlan::training(images, batch_size, 7).unwrap();
    let workers = NonZeroUsize::new(workers).unwrap();
    Loader::new(images.clone(), training_pipeline(), plan, workers).unwrap()
}

fn evaluation(images: &ImageSet, batch_size: usize) -> Loader {
    let plan = BatchPlan::evaluation(images, batch_size).unwrap();
    Loader::new(images.clone(), evaluation_pipeline(), plan, NonZeroUsize::new(2).unwrap()).unwrap()
}

fn bits(batch: &Batch) -> (BatchPosition, Vec<u32>, Vec<i64>) {
    let bits = batch.images.iter().map(|value| value.to_bits()).collect();
    (batch.position, bits, batch.labels.clone())
}

fn take(batches: Batches, count: usize) -> Vec<(BatchPosition, Vec<u32>, Vec<i64>)> {
    batches.take(count).map(|batch| bits(&batch.unwrap())).collect()
}

fn at(epoch: u32, step: u32) -> BatchPosition {
    BatchPosition { epoch, step }
}

#[test]
fn batches_are_the_same_to_the_last_bit_whatever_the_number_of_workers() {
    let dataset = dataset(150);
    let images = dataset.images(Split::Training);
    let of = |workers| take(training(images, 40, workers).from(at(0, 0)).unwrap(), 7);
    let one = of(1);
    for workers in [2, 3, 8, 50] {
        assert!(of(workers) == one, "{workers} workers");
    }
}

#[test]
fn a_run_that_starts_in_the_middle_has_the_batches_of_one_that_came_there() {
    let dataset = dataset(100);
    let loader = training(dataset.images(Split::Training), 30, 2);
    let whole = take(loader.from(at(0, 0)).unwrap(), 9);
    let positions: Vec<BatchPosition> = whole.iter().map(|(position, ..)| *position).collect();
    assert_eq!(positions[..4], [at(0, 0), at(0, 1), at(0, 2), at(1, 0)]);
    for (start, position) in positions.iter().enumerate() {
        let resumed = take(loader.from(*position).unwrap(), 9 - start);
        assert!(resumed == whole[start..], "from {position:?}");
    }
    assert!(take(loader.epoch(1).unwrap(), 99) == whole[3..6]);
}

#[test]
fn no_epoch_shows_an_image_as_another_does_and_no_two_seeds_the_same_batches() {
    let dataset = dataset(8);
    let images = dataset.images(Split::Training);
    let mut seen = BTreeSet::new();
    for (_, bits, _) in take(training(images, 8, 2).from(at(0, 0)).unwrap(), 5) {
        for image in bits.chunks_exact(TARGET.values()) {
            assert!(seen.insert(image.to_vec()));
        }
    }
    let plan = BatchPlan::training(images, 8, 8).unwrap();
    let other = Loader::new(images.clone(), training_pipeline(), plan, NonZeroUsize::MIN).unwrap();
    for (_, bits, _) in take(other.epoch(0).unwrap(), 1) {
        assert!(bits.chunks_exact(TARGET.values()).all(|image| !seen.contains(image)));
    }
}

#[test]
fn evaluation_has_every_image_once_with_its_label_in_order() {
    let dataset = dataset(103);
    let images = dataset.images(Split::Test);
    let batches: Vec<Batch> =
        evaluation(images, 25).epoch(0).unwrap().map(Result::unwrap).collect();
    let shapes: Vec<[usize; 4]> = batches.iter().map(Batch::shape).collect();
    assert_eq!(
        shapes,
        [[25, 3, 16, 16], [25, 3, 16, 16], [25, 3, 16, 16], [25, 3, 16, 16], [3, 3, 16, 16]]
    );
    let labels: Vec<i64> = batches.iter().flat_map(|batch| batch.labels.clone()).collect();
    assert_eq!(labels, (0..103).map(|index| index % 4).collect::<Vec<i64>>());
    assert!(batches.iter().all(|batch| batch.images.len() == batch.labels.len() * TARGET.values()));
}

#[test]
fn normalised_training_images_have_mean_0_and_deviation_1() {
    let dataset = dataset(200);
    let images = dataset.images(Split::Training);
    let shape = dataset.shape().unwrap();
    let normalisation = Normalisation::of(images, 1).unwrap();
    let evaluation = Evaluation { shorter_side_px: None };
    let pipeline = Pipeline::evaluation(&evaluation, &normalisation, shape).unwrap();
    let plan = BatchPlan::evaluation(images, 200).unwrap();
    let loader = Loader::new(images.clone(), pipeline, plan, NonZeroUsize::MIN).unwrap();
    let batch = loader.epoch(0).unwrap().next().unwrap().unwrap();
    for channel in 0..3 {
        let planes = batch.images.chunks_exact(shape.pixels()).skip(channel).step_by(3);
        let values: Vec<f64> = planes.flatten().map(|value| f64::from(*value)).collect();
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        let power = values.iter().map(|value| value * value).sum::<f64>() / values.len() as f64;
        assert!(mean.abs() < 1e-4 && (power - 1.0).abs() < 1e-4, "{channel}: {mean} {power}");
    }
}

/// A folder of images of 80 pixels, which stay in their files, so many per class and split.
fn folder(root: &Path, images: usize) -> Dataset {
    for class in ["train/a", "train/b", "test/a", "test/b"] {
        let folder = root.join(class);
        fs::create_dir_all(&folder).unwrap();
        for image in 0..images {
            let path = folder.join(format!("{image:03}.jpg"));
            fs::write(path, encode(ImageFormat::Jpeg, 80 + image as u32, 90)).unwrap();
        }
    }
    let dataset = Dataset::open(root).unwrap();
    assert!(!dataset.images(Split::Training).is_in_memory());
    dataset
}

#[test]
fn a_file_that_breaks_is_an_error_with_its_name_in_its_turn_and_the_last_that_comes() {
    let root = tempfile::tempdir().unwrap();
    let dataset = folder(root.path(), 20);
    let broken = root.path().join("test/b/005.jpg");
    fs::write(&broken, "not an image").unwrap();
    for _ in 0..5 {
        let mut batches = evaluation(dataset.images(Split::Test), 10).epoch(0).unwrap();
        for _ in 0..2 {
            assert_eq!(batches.next().unwrap().unwrap().labels.len(), 10);
        }
        let message = batches.next().unwrap().unwrap_err().to_string();
        assert_eq!(message, format!("{}: it is neither a JPEG nor a PNG file", broken.display()));
        assert!(batches.next().is_none());
        assert!(batches.next().is_none());
    }
    let message = dataset.check().unwrap_err().to_string();
    assert!(message.starts_with(broken.to_str().unwrap()), "{message}");
}

#[test]
fn a_file_that_has_gone_is_named() {
    let root = tempfile::tempdir().unwrap();
    let dataset = folder(root.path(), 3);
    fs::remove_file(root.path().join("train/a/002.jpg")).unwrap();
    let result: Result<Vec<Batch>, _> =
        training(dataset.images(Split::Training), 6, 3).epoch(0).unwrap().collect();
    let message = result.unwrap_err().to_string();
    assert_eq!(message, format!("cannot read {}/train/a/002.jpg", root.path().display()));
}

/// Half a minute is for a machine that is busy; a hang would be for ever.
#[test]
fn workers_stop_when_nobody_wants_their_batches() {
    let dataset = dataset(2000);
    let started = Instant::now();
    for taken in [0, 1, 3] {
        let loader = training(dataset.images(Split::Training), 500, 3);
        let mut batches = loader.from(at(0, 0)).unwrap();
        for _ in 0..taken {
            batches.next().unwrap().unwrap();
        }
    }
    assert!(started.elapsed() < Duration::from_secs(30));
}

#[test]
fn no_more_is_made_ahead_than_two_batches() {
    let dataset = dataset(100);
    let mut batches = training(dataset.images(Split::Training), 10, 3).from(at(0, 0)).unwrap();
    batches.next().unwrap().unwrap();
    assert_eq!(batches.unfinished.keys().copied().collect::<Vec<_>>(), [1, 2]);
}

#[test]
fn a_network_of_one_channel_takes_no_colour_images() {
    let dataset = dataset(8);
    let images = dataset.images(Split::Training);
    let evaluation = Evaluation { shorter_side_px: None };
    let normalisation = Normalisation { mean: vec![0.5], std: vec![0.3] };
    let pipeline =
        Pipeline::evaluation(&evaluation, &normalisation, ImageShape::new(1, 16, 16)).unwrap();
    let plan = BatchPlan::evaluation(images, 8).unwrap();
    let error = Loader::new(images.clone(), pipeline, plan, NonZeroUsize::MIN).unwrap_err();
    assert!(error.to_string().starts_with("target shape: the network takes 1 channel, but"));
}
