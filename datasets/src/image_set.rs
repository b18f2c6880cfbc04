//! An image set is some of the images of a split: those that one loader goes through.

use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::sync::Arc;

use crate::store::{Images, Store};
use crate::{DatasetError, ImageShape, Picture};

/// Images with labels. It is cheap to clone: all clones, and all parts, have the same images in memory.
#[derive(Clone, Debug)]
pub struct ImageSet {
    store: Arc<Store>,
    /// Indices in the store.
    chosen: Arc<[u32]>,
    classes: usize,
}

/// How large the images of a set are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sizes {
    /// The images that were looked at.
    pub images: usize,
    /// The smallest and the largest height, in pixels.
    pub heights_px: RangeInclusive<usize>,
    /// The smallest and the largest width, in pixels.
    pub widths_px: RangeInclusive<usize>,
}

impl ImageSet {
    /// All images of a store.
    pub(crate) fn all(store: Store, classes: usize) -> Self {
        let chosen = (0..store.labels().len() as u32).collect();
        Self { store: Arc::new(store), chosen, classes }
    }

    /// Those at these positions.
    pub(crate) fn at(&self, positions: &[u32]) -> Self {
        let chosen = positions.iter().map(|position| self.chosen[*position as usize]).collect();
        Self { store: Arc::clone(&self.store), chosen, classes: self.classes }
    }

    /// How many images it has.
    pub fn len(&self) -> usize {
        self.chosen.len()
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.chosen.is_empty()
    }

    /// How many classes there are; labels are below.
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// The shape of every image, where all are known to have the same.
    pub fn shape(&self) -> Option<ImageShape> {
        self.store.shape()
    }

    /// Values per pixel of every image.
    pub fn channels(&self) -> usize {
        self.store.channels()
    }

    /// Whether its images are in memory, so that looking at one costs nothing.
    pub fn is_in_memory(&self) -> bool {
        matches!(self.store.images(), Images::Held { .. })
    }

    /// The class of the image at a position, from 0.
    pub fn label(&self, position: usize) -> u16 {
        self.store.labels()[self.chosen[position] as usize]
    }

    /// The number of the image at a position among all images of its split, which it keeps in every part.
    pub fn index(&self, position: usize) -> u32 {
        self.chosen[position]
    }

    /// How many images each class has.
    pub fn images_per_class(&self) -> Vec<usize> {
        let mut counts = vec![0; self.classes];
        for position in 0..self.len() {
            counts[usize::from(self.label(position))] += 1;
        }
        counts
    }

    /// The image at a position. One that is not in memory is decoded.
    ///
    /// # Errors
    /// A file that is no longer what it was, or never was an image.
    pub fn picture(&self, position: usize) -> Result<Picture<'_>, DatasetError> {
        self.store.picture(self.chosen[position] as usize)
    }

    /// Where the image at a position comes from, for errors.
    pub(crate) fn place(&self, position: usize) -> PathBuf {
        let index = self.chosen[position] as usize;
        match self.store.images() {
            Images::Files(files) => files.path(index, self.store.labels()[index]),
            Images::Held { .. } | Images::Drawn(_) => format!("image {index}").into(),
        }
    }

    /// Reads the header and the end of every file that is not in memory.
    ///
    /// # Errors
    /// The first file, in the order of the set, that is no image or is cut off.
    pub fn check(&self) -> Result<Sizes, DatasetError> {
        let blocks = crate::blocks::in_blocks(self.len(), |block| {
            let shapes = block.map(|position| self.shape_of(self.chosen[position] as usize));
            shapes.collect::<Result<Vec<_>, DatasetError>>()
        })?;
        let shapes = blocks.concat();
        let range = |side: fn(&ImageShape) -> usize| {
            let sides = || shapes.iter().map(side);
            sides().min().unwrap_or(0)..=sides().max().unwrap_or(0)
        };
        let (heights_px, widths_px) = (range(|shape| shape.height), range(|shape| shape.width));
        Ok(Sizes { images: shapes.len(), heights_px, widths_px })
    }

    fn shape_of(&self, index: usize) -> Result<ImageShape, DatasetError> {
        match self.store.images() {
            Images::Held { shape, .. } => Ok(*shape),
            Images::Drawn(drawing) => Ok(drawing.shape()),
            Images::Files(files) => files.shape(index, self.store.labels()[index]),
        }
    }
}
