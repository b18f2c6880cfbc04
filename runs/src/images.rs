//! A run's images are a data set that was found to fit the network: its classes, its channels, its size.

use std::path::Path;

use anyhow::Context;
use command_line::hint::WithHint;
use datasets::{Dataset, ImageShape, SyntheticSet};
use op_catalog::{FeatureMap, SearchSpace};

/// The name of the set that is drawn and not read.
pub const SYNTHETIC: &str = "synthetic";

/// How many images it has to train on, and to test on.
const SYNTHETIC_IMAGES: [u32; 2] = [20_000, 4_000];

/// By how much images may be smaller than the network's, each way, to be given a border: 28 pixels become 32.
const LARGEST_BORDER: f64 = 0.2;

/// What a network takes.
pub fn target(input: FeatureMap) -> ImageShape {
    let [channels, height, width] =
        [input.channels(), input.height(), input.width()].map(|length| length as usize);
    ImageShape::new(channels, height, width)
}

/// The input of a space's networks.
///
/// # Errors
/// None that a space that was built can cause.
pub fn input(space: &SearchSpace) -> anyhow::Result<FeatureMap> {
    let input = &space.definition().input;
    Ok(FeatureMap::new(input.height, input.width, input.channels)?)
}

/// The same images by a name that holds from every folder: a run goes on wherever it is called from.
///
/// # Errors
/// A working folder that is not there any more.
pub fn from_anywhere(data: &str) -> anyhow::Result<String> {
    if data == SYNTHETIC {
        return Ok(data.to_owned());
    }
    let path = std::path::absolute(data).with_context(|| format!("the images `{data}`"))?;
    Ok(path.to_str().with_context(|| format!("{} is not text", path.display()))?.to_owned())
}

/// Opens a data set for a network with this input and so many classes, and reads as much of it as tells whether
/// it is in order.
///
/// # Errors
/// A set that cannot be read, an empty class, damaged files; another number of classes than the network's; images
/// that are much smaller than the network's.
pub fn open(data: &str, input: FeatureMap, classes: u32) -> anyhow::Result<Dataset> {
    let target = target(input);
    if data == SYNTHETIC {
        return Ok(Dataset::synthetic(&synthetic(target, classes)?)?);
    }
    let dataset = Dataset::open(Path::new(data)).with_context(|| format!("the images `{data}`"))?;
    let found = dataset.classes().len();
    ensure_classes(&dataset, found, classes)?;
    if let Some(images) = dataset.shape() {
        ensure_size(&dataset, images, target)?;
    }
    dataset.check()?;
    Ok(dataset)
}

/// The set that is drawn for a network.
fn synthetic(shape: ImageShape, classes: u32) -> anyhow::Result<SyntheticSet> {
    let classes = u16::try_from(classes).context("the number of classes")?;
    let [training_images, test_images] = SYNTHETIC_IMAGES;
    Ok(SyntheticSet { classes, shape, training_images, test_images, noise: 0.1, seed: 1 })
}

fn ensure_classes(dataset: &Dataset, found: usize, classes: u32) -> anyhow::Result<()> {
    if found == classes as usize {
        return Ok(());
    }
    let error =
        anyhow::anyhow!("{} has {found} classes, but the network has {classes}", dataset.name());
    Err(error).hint(format!("write `classes = {found}` into the space's TOML file, and profile it"))
}

fn ensure_size(dataset: &Dataset, images: ImageShape, target: ImageShape) -> anyhow::Result<()> {
    let least = target.shorter_side() as f64 * (1.0 - LARGEST_BORDER);
    let is_large_enough = images.shorter_side() as f64 >= least;
    if is_large_enough {
        return Ok(());
    }
    let error = anyhow::anyhow!(
        "the images of {} are {images}, but the network takes {target}: most of what it saw would be border",
        dataset.name()
    );
    Err(error).hint("write the images' size under [input] of the space's TOML file, and profile it")
}

#[cfg(test)]
mod tests {
    use command_line::hint;

    use super::*;

    fn input(side: u32) -> FeatureMap {
        FeatureMap::new(side, side, 3).unwrap()
    }

    #[test]
    fn synthetic_images_are_what_the_network_takes() {
        let set = open(SYNTHETIC, input(16), 4).unwrap();
        assert_eq!((set.classes().len(), set.shape()), (4, Some(ImageShape::new(3, 16, 16))));
    }

    #[test]
    fn images_are_named_so_that_a_run_finds_them_from_every_folder() {
        assert_eq!(from_anywhere(SYNTHETIC).unwrap(), SYNTHETIC);
        let here = std::env::current_dir().unwrap().join("images");
        assert_eq!(from_anywhere("images").unwrap(), here.to_str().unwrap());
    }

    #[test]
    fn a_set_that_is_not_there_is_named() {
        let error = open("/nowhere/images", input(32), 10).unwrap_err();
        assert!(format!("{error:#}").contains("/nowhere/images"), "{error:#}");
    }

    #[test]
    fn other_classes_or_much_smaller_images_are_refused_with_the_numbers() {
        let set = open(SYNTHETIC, input(16), 4).unwrap();
        let found = set.classes().len();
        let error = ensure_classes(&set, found, 7).unwrap_err();
        assert!(
            error.to_string().ends_with(&format!("has {found} classes, but the network has 7"))
        );
        assert!(hint::of(&error).unwrap().contains(&format!("classes = {found}")));
        let small = ImageShape::new(1, 28, 28);
        assert!(ensure_size(&set, small, target(input(32))).is_ok());
        let error = ensure_size(&set, small, target(input(224))).unwrap_err();
        assert!(error.to_string().contains("28") && error.to_string().contains("224"), "{error}");
    }
}
