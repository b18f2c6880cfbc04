//! The synthetic set is drawn and not read: lobed blobs with a striped filling, a class for each number of
//! lobes and slope of stripes.
//!
//! What tells nothing about the class is random: place, size, colours, width and phase of the stripes, a slow
//! gradient behind, noise. Single pixels are thus of no use, while edges and their directions are. Stripes
//! slope to either side alike, so that a mirrored image is of the same class.

use std::f32::consts::{PI, TAU};

use rand::{Rng, RngExt};
use serde::{Deserialize, Serialize};

use crate::dataset::Parts;
use crate::randomness::{Purpose, stream};
use crate::store::{Images, Store};
use crate::{Dataset, DatasetError, ImageShape, Picture};

/// Numbers of lobes, from 2; classes beyond differ in their stripes.
const LOBES: usize = 4;

/// What is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SyntheticSet {
    /// Number of classes, at least 2. The more, the smaller the differences between them.
    pub classes: u16,
    /// Shape of every image: 1 or 3 channels, sides of 8 pixels or more.
    pub shape: ImageShape,
    /// Images to train on, at least one per class; classes take turns.
    pub training_images: u32,
    /// Images to test on, at least one per class.
    pub test_images: u32,
    /// The largest change of a value by noise, of 0 to 1; 0.2 is much.
    pub noise: f32,
    /// Another seed gives other images of the same classes.
    pub seed: u64,
}

/// One split of the set.
#[derive(Clone, Debug)]
pub(crate) struct Drawing {
    set: SyntheticSet,
    purpose: Purpose,
}

impl Dataset {
    /// The synthetic set. Images are in memory where they are small, and drawn when asked for elsewhere.
    ///
    /// # Errors
    /// A number that is out of its range.
    pub fn synthetic(set: &SyntheticSet) -> Result<Self, DatasetError> {
        set.check()?;
        let store = |images, purpose| {
            let labels = (0..images).map(|index| (index % u32::from(set.classes)) as u16).collect();
            let drawing = Drawing { set: *set, purpose };
            Store::new(labels, Images::Drawn(drawing)).held_if_small(set.shape)
        };
        Self::new(Parts {
            path: "synthetic".into(),
            name: format!("synthetic ({} classes, {})", set.classes, set.shape),
            classes: (0..set.classes).map(class_name).collect(),
            training: store(set.training_images, Purpose::DrawnTraining)?,
            test: store(set.test_images, Purpose::DrawnTest)?,
        })
    }
}

impl SyntheticSet {
    fn check(&self) -> Result<(), DatasetError> {
        let ImageShape { channels, .. } = self.shape;
        if self.classes < 2 {
            return Err(DatasetError::setting(
                "classes",
                format!("{}, but 2 at least", self.classes),
            ));
        }
        if !matches!(channels, 1 | 3) || self.shape.shorter_side() < 8 {
            let message =
                format!("{}, but 1 or 3 channels and sides of 8 pixels or more", self.shape);
            return Err(DatasetError::setting("shape", message));
        }
        if !(0.0..=1.0).contains(&self.noise) {
            return Err(DatasetError::setting("noise", format!("{}, but 0 to 1", self.noise)));
        }
        for (setting, images) in
            [("training_images", self.training_images), ("test_images", self.test_images)]
        {
            if images < u32::from(self.classes) {
                let message = format!("{images}, but {} classes need one each", self.classes);
                return Err(DatasetError::setting(setting, message));
            }
        }
        Ok(())
    }

    /// Radians between the stripes and the horizontal: 0 to a right angle over the classes of as many lobes.
    fn slope(&self, class: usize) -> f32 {
        let slopes = usize::from(self.classes).div_ceil(LOBES);
        (class / LOBES) as f32 / (slopes.max(2) - 1) as f32 * PI / 2.0
    }
}

/// `2 lobes, slope 0`: the slope as the number of its kind.
fn class_name(class: u16) -> String {
    let class = usize::from(class);
    format!("{} lobes, slope {}", 2 + class % LOBES, class / LOBES)
}

impl Drawing {
    pub(crate) fn shape(&self) -> ImageShape {
        self.set.shape
    }

    pub(crate) fn picture(&self, index: usize, label: u16) -> Picture<'static> {
        let mut random = stream(self.purpose, self.set.seed, 0, index as u64);
        let scene = Scene::draw(&self.set, usize::from(label), &mut random);
        let shape = self.set.shape;
        let mut bytes = vec![0; shape.values()];
        for (pixel, values) in bytes.chunks_exact_mut(shape.channels).enumerate() {
            let at = [pixel % shape.width, pixel / shape.width].map(|px| px as f32 + 0.5);
            let colour = scene.colour(at);
            for (value, colour) in values.iter_mut().zip(colour) {
                let noise = self.set.noise * random.random_range(-1.0..1.0_f32);
                *value = (255.0 * (colour + noise)).round().clamp(0.0, 255.0) as u8;
            }
        }
        Picture::new(shape, bytes)
    }
}

/// All that is random about an image but its noise. Lengths are in pixels, colours 0 to 1.
struct Scene {
    centre: [f32; 2],
    radius: f32,
    lobes: usize,
    /// Sine and cosine of the angle that the blob is turned by.
    turn: [f32; 2],
    /// Radians per pixel, to the right and down.
    stripes: [f32; 2],
    phase: f32,
    /// Of the stripes, of what is between them, and behind the blob to the left and to the right.
    colours: [[f32; 3]; 4],
    width: f32,
}

impl Scene {
    fn draw(set: &SyntheticSet, class: usize, random: &mut impl Rng) -> Self {
        let side = set.shape.shorter_side() as f32;
        let radius = side * random.random_range(0.28..0.42);
        let [width, height] = [set.shape.width, set.shape.height].map(|px| px as f32);
        let mut place = |length: f32| length / 2.0 + side * random.random_range(-0.12..0.12);
        let centre = [place(width), place(height)];
        let turned: f32 = random.random_range(0.0..TAU);
        let period = side / 32.0 * random.random_range(4.5..7.0);
        let slope = set.slope(class) * if random.random() { 1.0 } else { -1.0 };
        let frequency = TAU / period;
        Self {
            centre,
            radius,
            lobes: 2 + class % LOBES,
            turn: [turned.sin(), turned.cos()],
            stripes: [frequency * slope.sin(), frequency * slope.cos()],
            phase: random.random_range(0.0..TAU),
            colours: colours(random),
            width,
        }
    }

    fn colour(&self, [x, y]: [f32; 2]) -> [f32; 3] {
        let [stripe, between, left, right] = self.colours;
        if self.has(x - self.centre[0], y - self.centre[1]) {
            let wave = (self.stripes[0] * x + self.stripes[1] * y + self.phase).sin();
            mix(between, stripe, 0.5 + 0.5 * wave)
        } else {
            mix(left, right, x / self.width)
        }
    }

    /// Whether a place, from the centre, is within the radius times `0.75 + 0.25 cos(lobes angle)`. The cosine
    /// of the multiple of an angle is the real part of the power of a complex number of length 1.
    fn has(&self, x: f32, y: f32) -> bool {
        let distance = x.hypot(y).max(1e-6);
        let [sine, cosine] = self.turn;
        let unit = [(x * cosine - y * sine) / distance, (x * sine + y * cosine) / distance];
        let power = (1..self.lobes)
            .fold(unit, |[re, im], _| [re * unit[0] - im * unit[1], re * unit[1] + im * unit[0]]);
        distance < self.radius * (0.75 + 0.25 * power[0])
    }
}

/// Four colours, of which the stripes' and the one between them differ by half in each channel.
fn colours(random: &mut impl Rng) -> [[f32; 3]; 4] {
    let mut colours =
        [[0.0; 3]; 4].map(|colour: [f32; 3]| colour.map(|_| random.random_range(0.0..1.0)));
    colours[1] = colours[0].map(|value| if value < 0.5 { value + 0.5 } else { value - 0.5 });
    colours
}

fn mix(from: [f32; 3], to: [f32; 3], share: f32) -> [f32; 3] {
    [0, 1, 2].map(|channel| from[channel] + share * (to[channel] - from[channel]))
}

#[cfg(test)]
mod tests;
