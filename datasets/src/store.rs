//! A store has all images of a split with their labels, in memory or not.

use std::borrow::Cow;

use crate::folder::ImageFiles;
use crate::synthetic::Drawing;
use crate::{DatasetError, ImageShape, Picture};

/// More bytes than this are not held for the sake of speed.
const HELD_BYTES: usize = 2 << 30;

/// The largest side of images that are worth holding, in pixels.
const HELD_SIDE_PX: usize = 64;

/// Labelled images by index.
#[derive(Debug)]
pub(crate) struct Store {
    labels: Vec<u16>,
    images: Images,
}

/// Where the images are.
#[derive(Debug)]
pub(crate) enum Images {
    /// In memory, decoded, one after the other.
    Held { shape: ImageShape, bytes: Vec<u8> },
    /// In files, which are decoded when asked for.
    Files(ImageFiles),
    /// Nowhere: they are drawn when asked for.
    Drawn(Drawing),
}

impl Store {
    pub(crate) fn new(labels: Vec<u16>, images: Images) -> Self {
        Self { labels, images }
    }

    /// As many as there are images.
    pub(crate) fn labels(&self) -> &[u16] {
        &self.labels
    }

    pub(crate) fn images(&self) -> &Images {
        &self.images
    }

    /// The shape of every image, where all are known to have the same.
    pub(crate) fn shape(&self) -> Option<ImageShape> {
        match &self.images {
            Images::Held { shape, .. } => Some(*shape),
            Images::Files(_) => None,
            Images::Drawn(drawing) => Some(drawing.shape()),
        }
    }

    /// Values per pixel of every image.
    pub(crate) fn channels(&self) -> usize {
        self.shape().map_or(ImageFiles::CHANNELS, |shape| shape.channels)
    }

    pub(crate) fn picture(&self, index: usize) -> Result<Picture<'_>, DatasetError> {
        let label = self.labels[index];
        match &self.images {
            Images::Held { shape, bytes } => {
                let size = shape.values();
                let bytes = &bytes[index * size..(index + 1) * size];
                Ok(Picture::new(*shape, Cow::Borrowed(bytes)))
            }
            Images::Files(files) => files.picture(index, label),
            Images::Drawn(drawing) => Ok(drawing.picture(index, label)),
        }
    }

    /// The store with its images in memory, if they are all of this shape and small enough, or as it was.
    pub(crate) fn held_if_small(self, shape: ImageShape) -> Result<Self, DatasetError> {
        let count = self.labels.len();
        if HELD_SIDE_PX < shape.longer_side() || HELD_BYTES / shape.values() < count {
            return Ok(self);
        }
        let blocks = crate::blocks::in_blocks(count, |block| {
            let mut bytes = Vec::with_capacity(block.len() * shape.values());
            for index in block {
                let picture = self.picture(index)?;
                if picture.shape() != shape {
                    return Ok(None);
                }
                bytes.extend_from_slice(picture.bytes());
            }
            Ok(Some(bytes))
        })?;
        let Some(blocks) = blocks.into_iter().collect::<Option<Vec<_>>>() else { return Ok(self) };
        let mut bytes = Vec::with_capacity(count * shape.values());
        // One after the other, so that no block is in memory twice for longer than it takes to copy it.
        for block in blocks {
            bytes.extend_from_slice(&block);
        }
        Ok(Self { labels: self.labels, images: Images::Held { shape, bytes } })
    }
}
