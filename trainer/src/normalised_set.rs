//! A normalised set is a data set that was opened for a network, with the normalisation that its training images have.

use datasets::{Dataset, HeldOut, ImageSet, ImageShape, Normalisation, Pipeline, Recipe, Split};
use op_catalog::FeatureMap;
use runs::images;

use crate::images::Feed;

/// Images, and what is done to their numbers before a network sees them.
pub(crate) struct NormalisedSet {
    dataset: Dataset,
    normalisation: Normalisation,
    target: ImageShape,
}

impl NormalisedSet {
    /// Opens a data set for networks with this input and so many classes. The seed draws the images that the
    /// normalisation is computed from.
    pub(crate) fn open(
        data: &str,
        input: FeatureMap,
        classes: u32,
        seed: u64,
    ) -> anyhow::Result<Self> {
        let dataset = images::open(data, input, classes)?;
        let normalisation = Normalisation::of(dataset.images(Split::Training), seed)?;
        Ok(Self { dataset, normalisation, target: images::target(input) })
    }

    /// The images of another set, as this one's are normalised: a network goes on seeing what it was trained with.
    pub(crate) fn with_images_of(self, dataset: Dataset) -> Self {
        Self { dataset, ..self }
    }

    /// The training images alone, with so large a part of them in the place of the test images.
    pub(crate) fn held_out(self, part: HeldOut, seed: u64) -> anyhow::Result<Self> {
        Ok(Self { dataset: self.dataset.held_out(part, seed)?, ..self })
    }

    /// The set's name, for people.
    pub(crate) fn name(&self) -> &str {
        self.dataset.name()
    }

    /// How many classes the set has.
    pub(crate) fn classes(&self) -> usize {
        self.dataset.classes().len()
    }

    /// The images of a part.
    pub(crate) fn images(&self, split: Split) -> &ImageSet {
        self.dataset.images(split)
    }

    /// The recipe of such a set, where the user has none.
    pub(crate) fn recipe(&self) -> Recipe {
        Recipe::for_dataset(&self.dataset, self.target)
    }

    /// What images go through to be learnt on.
    pub(crate) fn augmenting(&self, recipe: &Recipe) -> anyhow::Result<Pipeline> {
        Ok(Pipeline::training(&recipe.augmentation, &self.normalisation, self.target)?)
    }

    /// What images go through to be evaluated on.
    pub(crate) fn evaluating(&self, recipe: &Recipe) -> anyhow::Result<Pipeline> {
        Ok(Pipeline::evaluation(&recipe.evaluation, &self.normalisation, self.target)?)
    }

    /// All training images, augmented, in an order that follows from the seed.
    pub(crate) fn feed(&self, recipe: &Recipe, batch_size: u32, seed: u64) -> anyhow::Result<Feed> {
        let images = self.images(Split::Training).clone();
        Feed::training(images, self.augmenting(recipe)?, batch_size, seed)
    }
}
