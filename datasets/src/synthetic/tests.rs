//! The synthetic set is the same one for a seed, does not mind mirrors, and can be learnt from edges but not from
//! pixels.

use super::*;
use crate::{HeldOut, ImageSet, Split};

const SET: SyntheticSet = SyntheticSet {
    classes: 8,
    shape: ImageShape::new(3, 32, 32),
    training_images: 1600,
    test_images: 400,
    noise: 0.1,
    seed: 1,
};

fn bytes(set: &SyntheticSet, split: Split, position: usize) -> Vec<u8> {
    let dataset = Dataset::synthetic(set).unwrap();
    dataset.images(split).picture(position).unwrap().bytes().to_vec()
}

#[test]
fn a_seed_is_a_set_and_its_images_are_all_different() {
    let small = SyntheticSet { training_images: 16, test_images: 16, ..SET };
    let first = bytes(&small, Split::Training, 3);
    assert_eq!(first, bytes(&small, Split::Training, 3));
    // An image stays what it is when there are more of them.
    assert_eq!(first, bytes(&SyntheticSet { training_images: 24, ..small }, Split::Training, 3));
    assert_ne!(first, bytes(&small, Split::Test, 3));
    assert_ne!(first, bytes(&small, Split::Training, 11));
    assert_ne!(first, bytes(&SyntheticSet { seed: 2, ..small }, Split::Training, 3));
}

#[test]
fn classes_take_turns_and_have_names_of_their_own() {
    let dataset = Dataset::synthetic(&SyntheticSet { test_images: 20, ..SET }).unwrap();
    assert_eq!(dataset.name(), "synthetic (8 classes, 3x32x32)");
    assert_eq!(dataset.classes()[5], "3 lobes, slope 1");
    assert_eq!(dataset.images(Split::Training).images_per_class(), [200; 8]);
    assert_eq!(dataset.images(Split::Test).images_per_class(), [3, 3, 3, 3, 2, 2, 2, 2]);
}

#[test]
fn held_out_training_images_take_the_place_of_the_test_images() {
    let whole = Dataset::synthetic(&SET).unwrap();
    let dataset = whole.held_out(HeldOut::Share(0.25), 3).unwrap();
    assert_eq!(dataset.name(), "synthetic (8 classes, 3x32x32), held-out training images");
    let parts = whole.images(Split::Training).hold_out(HeldOut::Share(0.25), 3).unwrap();
    let indices =
        |images: &ImageSet| (0..images.len()).map(|at| images.index(at)).collect::<Vec<_>>();
    assert_eq!(indices(dataset.images(Split::Test)), indices(&parts.architecture));
    assert_eq!(indices(dataset.images(Split::Training)), indices(&parts.weights));
    assert!(whole.held_out(HeldOut::Share(1.0), 3).is_err());
}

#[test]
fn large_images_are_drawn_when_asked_for() {
    let set = SyntheticSet { shape: ImageShape::new(1, 100, 80), ..SET };
    let dataset = Dataset::synthetic(&set).unwrap();
    let images = dataset.images(Split::Training);
    assert!(!images.is_in_memory());
    assert_eq!(images.picture(7).unwrap().shape(), set.shape);
    assert_eq!(dataset.shape(), Some(set.shape));
}

#[test]
fn numbers_out_of_range_are_refused_by_name() {
    for (set, expected) in [
        (SyntheticSet { classes: 1, ..SET }, "classes: 1, but 2 at least"),
        (
            SyntheticSet { shape: ImageShape::new(2, 32, 32), ..SET },
            "shape: 2x32x32, but 1 or 3 channels and sides of 8 pixels or more",
        ),
        (SyntheticSet { noise: 1.5, ..SET }, "noise: 1.5, but 0 to 1"),
        (SyntheticSet { test_images: 7, ..SET }, "test_images: 7, but 8 classes need one each"),
    ] {
        assert_eq!(Dataset::synthetic(&set).unwrap_err().to_string(), expected);
    }
}

/// The share of test images whose features are nearest to the mean features of training images of their own slope.
fn accuracy(dataset: &Dataset, features: impl Fn(&Picture<'_>) -> Vec<f64>) -> f64 {
    let of = |split| {
        let images = dataset.images(split);
        let one = |at| {
            let slope = usize::from(images.label(at)) / LOBES;
            (slope, features(&images.picture(at).unwrap()))
        };
        (0..images.len()).map(one).collect::<Vec<_>>()
    };
    let training = of(Split::Training);
    let slopes = dataset.classes().len() / LOBES;
    let mut centres = vec![vec![0.0; training[0].1.len()]; slopes];
    for (slope, features) in &training {
        for (mean, value) in centres[*slope].iter_mut().zip(features) {
            *mean += value * slopes as f64 / training.len() as f64;
        }
    }
    let test = of(Split::Test);
    let is_right = |(slope, features): &&(usize, Vec<f64>)| {
        let distance = |centre: &usize| -> f64 {
            centres[*centre].iter().zip(features).map(|(a, b)| (a - b).powi(2)).sum()
        };
        let nearest = (0..slopes).min_by(|a, b| distance(a).total_cmp(&distance(b)));
        nearest == Some(*slope)
    };
    test.iter().filter(is_right).count() as f64 / test.len() as f64
}

fn pixels(picture: &Picture<'_>) -> Vec<f64> {
    picture.bytes().iter().map(|byte| f64::from(*byte)).collect()
}

/// How much of the gradient of the middle goes in each of eight directions, where left and right are one.
fn directions(picture: &Picture<'_>) -> Vec<f64> {
    let ImageShape { channels, width, .. } = picture.shape();
    let value = |x: usize, y: usize| f64::from(picture.bytes()[channels * (y * width + x)]);
    let mut shares = [0.0; 8];
    for y in 8..24 {
        for x in 8..24 {
            let across = (value(x + 1, y) - value(x - 1, y)).abs();
            let down = (value(x, y + 1) - value(x, y - 1)).abs();
            let direction = down.atan2(across) / (std::f64::consts::FRAC_PI_2 + 1e-9);
            shares[(8.0 * direction) as usize] += across.hypot(down);
        }
    }
    let sum: f64 = shares.iter().sum();
    shares.iter().map(|share| share / sum.max(1.0)).collect()
}

/// Guessing would be right one time in four.
#[test]
fn slopes_can_be_told_from_directions_and_hardly_from_pixels() {
    let dataset = Dataset::synthetic(&SyntheticSet { classes: 16, ..SET }).unwrap();
    let (by_pixels, by_directions) = (accuracy(&dataset, pixels), accuracy(&dataset, directions));
    assert!(by_pixels < 0.4, "{by_pixels}");
    assert!(0.8 < by_directions, "{by_directions}");
}

#[test]
fn lobes_reach_as_far_as_their_number_says() {
    let mut random = stream(Purpose::DrawnTest, 1, 0, 0);
    for class in 0..8 {
        let scene = Scene::draw(&SET, class, &mut random);
        // Around the centre at three quarters of the radius: in and out as often as there are lobes.
        let is_in: Vec<bool> = (0..360)
            .map(|degree| (degree as f32).to_radians())
            .map(|angle| {
                let distance = 0.75 * scene.radius;
                scene.has(distance * angle.cos(), distance * angle.sin())
            })
            .collect();
        let entries = (0..360).filter(|at| is_in[*at] && !is_in[(at + 359) % 360]).count();
        assert_eq!(entries, 2 + class % LOBES);
    }
}

#[test]
fn stripes_slope_to_either_side_alike() {
    let mut random = stream(Purpose::DrawnTest, 1, 0, 0);
    let draws = (0..400).map(|_| Scene::draw(&SyntheticSet { classes: 12, ..SET }, 4, &mut random));
    let rising = draws.filter(|scene| 0.0 < scene.stripes[0]).count();
    // Four standard deviations of 10.
    assert!((160..240).contains(&rising), "{rising}");
}
