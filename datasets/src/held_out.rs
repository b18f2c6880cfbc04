//! Held out are the training images that no weights are learnt on: architectures are, as ProxylessNAS does it
//! (arXiv:1812.00332, section 3.2).

use rand::seq::SliceRandom;
use serde::{Deserialize, Serialize};

use crate::randomness::{Purpose, stream};
use crate::{DatasetError, ImageSet};

/// How many training images architectures are learnt on.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HeldOut {
    /// So large a part of all, rounded: above 0 and below 1.
    Share(f64),
    /// So many.
    Count(usize),
}

/// Two parts of the training images that have none in common and are all of them together.
#[derive(Clone, Debug)]
pub struct TrainingParts {
    /// What weights are learnt on.
    pub weights: ImageSet,
    /// What architectures are learnt on.
    pub architecture: ImageSet,
}

impl ImageSet {
    /// Holds out as large a part of every class, and of every class one image at least.
    ///
    /// # Errors
    /// A part that is not between nothing and everything, or is too small for one image of each class; a class
    /// that has a single image.
    pub fn hold_out(&self, part: HeldOut, seed: u64) -> Result<TrainingParts, DatasetError> {
        let count = self.held_out_images(part)?;
        let images_per_class = self.images_per_class();
        let quotas = quotas(&images_per_class, count)?;
        let mut by_class: Vec<Vec<u32>> = vec![Vec::new(); self.classes()];
        for position in 0..self.len() {
            by_class[usize::from(self.label(position))].push(position as u32);
        }
        let (mut weights, mut architecture) = (Vec::new(), Vec::new());
        for (class, (mut positions, quota)) in by_class.into_iter().zip(quotas).enumerate() {
            positions.shuffle(&mut stream(Purpose::HeldOut, seed, 0, class as u64));
            architecture.extend_from_slice(&positions[..quota]);
            weights.extend_from_slice(&positions[quota..]);
        }
        weights.sort_unstable();
        architecture.sort_unstable();
        Ok(TrainingParts { weights: self.at(&weights), architecture: self.at(&architecture) })
    }

    fn held_out_images(&self, part: HeldOut) -> Result<usize, DatasetError> {
        let all = self.len();
        let (count, told) = match part {
            HeldOut::Count(count) => (count, format!("{count} images")),
            HeldOut::Share(share) => {
                ((share * all as f64).round().max(0.0) as usize, format!("a share of {share}"))
            }
        };
        if 0 < count && count < all {
            return Ok(count);
        }
        let message =
            format!("{told}, but more than none and fewer than all {all} training images");
        Err(DatasetError::setting("held out", message))
    }
}

/// How many of each class: in proportion to its images, what is left over to the largest remainders, and then at
/// least one on either side.
fn quotas(images_per_class: &[usize], count: usize) -> Result<Vec<usize>, DatasetError> {
    let (all, classes) = (images_per_class.iter().sum::<usize>(), images_per_class.len());
    if let Some(class) = images_per_class.iter().position(|images| *images < 2) {
        let message =
            format!("class {class} has {} images, but two parts need 2", images_per_class[class]);
        return Err(DatasetError::setting("held out", message));
    }
    if count < classes || all - count < classes {
        let message =
            format!("{count} of {all} images, but {classes} classes need one in either part");
        return Err(DatasetError::setting("held out", message));
    }
    let mut quotas: Vec<usize> =
        images_per_class.iter().map(|images| images * count / all).collect();
    let mut by_remainder: Vec<usize> = (0..classes).collect();
    by_remainder.sort_by_key(|class| std::cmp::Reverse(images_per_class[*class] * count % all));
    let left = count - quotas.iter().sum::<usize>();
    by_remainder.iter().take(left).for_each(|class| quotas[*class] += 1);
    even_out(&mut quotas, images_per_class);
    Ok(quotas)
}

/// Gives a class with nothing one of the class with the most, and takes one of a class with everything for the
/// class that has the most left.
fn even_out(quotas: &mut [usize], images_per_class: &[usize]) {
    for class in 0..quotas.len() {
        if quotas[class] == 0
            && let Some(most) = (0..quotas.len()).max_by_key(|class| quotas[*class])
        {
            quotas[most] -= 1;
            quotas[class] = 1;
        }
        let left = |quotas: &[usize], class: usize| images_per_class[class] - quotas[class];
        if left(quotas, class) == 0
            && let Some(most) = (0..quotas.len()).max_by_key(|class| left(quotas, *class))
        {
            quotas[most] += 1;
            quotas[class] -= 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::ImageShape;
    use crate::store::{Images, Store};

    /// So many images of each class, one of each by turns as long as there are any.
    fn images(images_per_class: &[usize]) -> ImageSet {
        let most = images_per_class.iter().copied().max().unwrap_or(0);
        let labels: Vec<u16> = (0..most)
            .flat_map(|turn| {
                let has_one = move |(_, images): &(usize, &usize)| turn < **images;
                images_per_class.iter().enumerate().filter(has_one).map(|(class, _)| class as u16)
            })
            .collect();
        let shape = ImageShape::new(1, 1, 1);
        let bytes = vec![0; labels.len()];
        ImageSet::all(Store::new(labels, Images::Held { shape, bytes }), images_per_class.len())
    }

    fn indices(images: &ImageSet) -> Vec<u32> {
        (0..images.len()).map(|position| images.index(position)).collect()
    }

    #[test]
    fn a_tenth_is_a_tenth_of_every_class_and_a_count_is_that_many() {
        let images = images(&[5000; 10]);
        let parts = images.hold_out(HeldOut::Share(0.1), 1).unwrap();
        assert_eq!(parts.architecture.images_per_class(), [500; 10]);
        assert_eq!(parts.weights.images_per_class(), [4500; 10]);
        let parts = images.hold_out(HeldOut::Count(123), 1).unwrap();
        assert_eq!(parts.architecture.len(), 123);
        assert_eq!(parts.architecture.images_per_class(), [13, 13, 13, 12, 12, 12, 12, 12, 12, 12]);
    }

    #[test]
    fn the_same_seed_holds_out_the_same_images_and_another_one_others() {
        let images = images(&[40, 60]);
        let held_out =
            |seed| indices(&images.hold_out(HeldOut::Share(0.5), seed).unwrap().architecture);
        assert_eq!(held_out(1), held_out(1));
        assert_ne!(held_out(1), held_out(2));
    }

    #[test]
    fn parts_that_are_none_are_refused_with_the_numbers() {
        let bounds = "but more than none and fewer than all 10 training images";
        for (part, expected) in [
            (HeldOut::Share(0.0), format!("held out: a share of 0, {bounds}")),
            (HeldOut::Share(1.0), format!("held out: a share of 1, {bounds}")),
            (HeldOut::Share(f64::NAN), format!("held out: a share of NaN, {bounds}")),
            (HeldOut::Count(10), format!("held out: 10 images, {bounds}")),
            (
                HeldOut::Count(1),
                "held out: 1 of 10 images, but 2 classes need one in either part".to_owned(),
            ),
            (
                HeldOut::Count(9),
                "held out: 9 of 10 images, but 2 classes need one in either part".to_owned(),
            ),
        ] {
            assert_eq!(images(&[5, 5]).hold_out(part, 1).unwrap_err().to_string(), expected);
        }
        let message = images(&[9, 1]).hold_out(HeldOut::Count(5), 1).unwrap_err().to_string();
        assert_eq!(message, "held out: class 1 has 1 images, but two parts need 2");
    }

    proptest! {
        #[test]
        fn the_parts_are_all_images_each_once_in_proportion_and_have_every_class(
            images_per_class in proptest::collection::vec(2_usize..40, 1..8), share in 0.05..0.95_f64,
        ) {
            let images = images(&images_per_class);
            let (all, classes) = (images.len(), images.classes());
            let count = ((share * all as f64).round() as usize).clamp(classes, all - classes);
            let parts = images.hold_out(HeldOut::Count(count), 3).unwrap();
            prop_assert_eq!(parts.architecture.len(), count);
            let mut both = [indices(&parts.weights), indices(&parts.architecture)].concat();
            both.sort_unstable();
            prop_assert_eq!(both, indices(&images));
            let held_out = parts.architecture.images_per_class();
            for (held_out, images) in held_out.iter().zip(&images_per_class) {
                prop_assert!(0 < *held_out && held_out < images);
                let fair = (images * count) as f64 / all as f64;
                let is_fair = (*held_out as f64 - fair).abs() < 1.0 + classes as f64;
                prop_assert!(is_fair, "{} of {}, fair {}", held_out, images, fair);
            }
        }
    }
}
