//! Prints how many images a second come out of a loader: small ones in memory, and JPEG files at 224 pixels.
//!
//! `cargo run -p datasets --example images_per_second -- WORKERS SECONDS [FOLDER]`, where a folder is a data set to
//! be measured besides. The JPEG files are drawn: 500x375 pixels, quality 90.

#![expect(clippy::print_stdout, reason = "it is what the program is for")]

use std::error::Error;
use std::fs::{self, File};
use std::io::BufWriter;
use std::num::NonZeroUsize;
use std::path::Path;
use std::time::{Duration, Instant};

use datasets::{
    Augmentation, BatchPlan, BatchPosition, Dataset, ImageShape, Loader, Normalisation, Pipeline,
    Recipe, Split, SyntheticSet,
};
use image::codecs::jpeg::JpegEncoder;

/// How it is measured.
#[derive(Clone, Copy)]
struct Effort {
    workers: NonZeroUsize,
    duration: Duration,
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let mut number = |usage| arguments.next().ok_or(usage)?.parse::<usize>().map_err(|_| usage);
    let workers = NonZeroUsize::new(number("WORKERS is missing")?).ok_or("0 workers")?;
    let duration = Duration::from_secs(number("SECONDS are missing")? as u64);
    let effort = Effort { workers, duration };
    println!("{workers} workers, {} s each; images/s", duration.as_secs());
    small(effort)?;
    large(effort)?;
    match arguments.next() {
        Some(folder) => of_folder(Path::new(&folder), effort),
        None => Ok(()),
    }
}

fn synthetic(shape: ImageShape, training_images: u32) -> SyntheticSet {
    SyntheticSet { classes: 10, shape, training_images, test_images: 10, noise: 0.05, seed: 1 }
}

fn small(effort: Effort) -> Result<(), Box<dyn Error>> {
    let target = ImageShape::new(3, 32, 32);
    let dataset = Dataset::synthetic(&synthetic(target, 10_000))?;
    let recipe = Recipe::for_dataset(&dataset, target).augmentation;
    measure("3x32x32: shifted, mirrored", &dataset, &recipe, target, effort)?;
    let cutout = Augmentation { cutout_px: Some(16), ..recipe };
    measure("3x32x32: cutout besides", &dataset, &cutout, target, effort)?;
    let colour = Recipe::for_large_images(target).augmentation.colour;
    let all = Augmentation { colour, ..cutout };
    measure("3x32x32: colours besides", &dataset, &all, target, effort)
}

fn large(effort: Effort) -> Result<(), Box<dyn Error>> {
    let target = ImageShape::new(3, 224, 224);
    let folder = tempfile::tempdir()?;
    write_files(folder.path())?;
    let dataset = Dataset::open(folder.path())?;
    let recipe = Recipe::for_dataset(&dataset, target).augmentation;
    let plain = Augmentation { colour: None, ..recipe.clone() };
    measure("3x224x224 of JPEG: random part, mirrored", &dataset, &plain, target, effort)?;
    measure("3x224x224 of JPEG: colours besides", &dataset, &recipe, target, effort)
}

fn of_folder(folder: &Path, effort: Effort) -> Result<(), Box<dyn Error>> {
    let started = Instant::now();
    let dataset = Dataset::open(folder)?;
    println!(
        "{:44} {:9.1} s",
        format!("{}: to open", dataset.name()),
        started.elapsed().as_secs_f64()
    );
    let side = if dataset.shape().is_some() { 32 } else { 224 };
    let target = ImageShape::new(3, side, side);
    let recipe = Recipe::for_dataset(&dataset, target).augmentation;
    let what = format!("{}: as recommended at {side}", dataset.name());
    measure(&what, &dataset, &recipe, target, effort)
}

/// The drawn set as a folder of JPEG files.
fn write_files(folder: &Path) -> Result<(), Box<dyn Error>> {
    let drawn = Dataset::synthetic(&synthetic(ImageShape::new(3, 375, 500), 200))?;
    for (name, split) in [("train", Split::Training), ("test", Split::Test)] {
        let images = drawn.images(split);
        for position in 0..images.len() {
            let class = folder.join(name).join(images.label(position).to_string());
            fs::create_dir_all(&class)?;
            let file = BufWriter::new(File::create(class.join(format!("{position}.jpg")))?);
            let picture = images.picture(position)?;
            let encoder = JpegEncoder::new_with_quality(file, 90);
            let (pixels, colour) = (picture.bytes(), image::ExtendedColorType::Rgb8);
            image::ImageEncoder::write_image(encoder, pixels, 500, 375, colour)?;
        }
    }
    Ok(())
}

fn measure(
    what: &str,
    dataset: &Dataset,
    augmentation: &Augmentation,
    target: ImageShape,
    effort: Effort,
) -> Result<(), Box<dyn Error>> {
    let images = dataset.images(Split::Training).clone();
    let normalisation = Normalisation::of(&images, 1)?;
    let pipeline = Pipeline::training(augmentation, &normalisation, target)?;
    let plan = BatchPlan::training(&images, if target.height < 100 { 256 } else { 64 }, 1)?;
    let loader = Loader::new(images, pipeline, plan, effort.workers)?;
    let mut batches = loader.from(BatchPosition { epoch: 0, step: 0 })?;
    // Those that are made ahead before the first is taken are not counted.
    for _ in 0..3 {
        batches.next().transpose()?;
    }
    let (started, mut images) = (Instant::now(), 0);
    while started.elapsed() < effort.duration {
        images += batches.next().transpose()?.map_or(0, |batch| batch.labels.len());
    }
    println!("{what:44} {:9.0}", images as f64 / started.elapsed().as_secs_f64());
    Ok(())
}
