//! The fused functions, checked against the same computed by autograd in 64 bits.

use std::cell::Cell;

use tch::{Device, Kind, Tensor};

use super::*;
use crate::{patch_weight, patches};

unsafe extern "C" {
    fn shim_convolve_portably(
        input: *const Parts,
        weight: *const C_tensor,
        kind: c_int,
        stride: i64,
        outputs: *mut *mut C_tensor,
    ) -> *mut c_char;
}

const OPTIONS: (Kind, Device) = (Kind::Float, Device::Cpu);

/// Relative errors, of maps and their moments and of what is summed over all pixels: f32 sums in another order;
/// and roundings to the eight bits of bf16, ten of them, or more where the terms of a sum cancel, as those of the
/// moments' gradients do. The code is the same for both kinds: what f32 agrees on to 2e-5, bf16 only rounds.
const TOLERANCES: [(Kind, [f64; 2]); 2] =
    [(Kind::Float, [2e-5, 2e-5]), (Kind::BFloat16, [12.0 / 512.0, 40.0 / 512.0])];

/// Gradients that are summed over all pixels.
const SUMMED: [&str; 3] = ["dweight", "dscale", "dshift"];

/// Batch, height, width, input channels, and what the convolution is.
const PLACES: [(i64, i64, i64, i64, Shape); 24] = [
    (2, 14, 14, 24, Shape::Pointwise(144)),
    (1, 7, 9, 17, Shape::Pointwise(33)),
    (3, 5, 5, 16, Shape::Pointwise(96)),
    (8, 7, 7, 96, Shape::Pointwise(320)),
    (2, 28, 28, 40, Shape::Pointwise(24)),
    (8, 1, 1, 5, Shape::Pointwise(3)),
    (2, 9, 9, 1, Shape::Pointwise(1)),
    (2, 14, 14, 24, Shape::Depthwise(3, 1)),
    (2, 14, 14, 24, Shape::Depthwise(3, 2)),
    (1, 15, 13, 17, Shape::Depthwise(5, 1)),
    (1, 15, 13, 17, Shape::Depthwise(5, 2)),
    (3, 28, 28, 40, Shape::Depthwise(7, 1)),
    (2, 29, 27, 72, Shape::Depthwise(7, 2)),
    (1, 112, 112, 33, Shape::Depthwise(3, 2)),
    (1, 56, 56, 16, Shape::Depthwise(5, 1)),
    (1, 3, 3, 5, Shape::Depthwise(7, 1)),
    (1, 4, 4, 5, Shape::Depthwise(7, 2)),
    (2, 7, 7, 100, Shape::Depthwise(5, 1)),
    (1, 9, 9, 20, Shape::Depthwise(9, 2)),
    (1, 9, 9, 20, Shape::Depthwise(1, 1)),
    (1, 60, 8, 20, Shape::Depthwise(7, 2)),
    (16, 1, 1, 3, Shape::Depthwise(3, 2)),
    (1, 2, 5, 3, Shape::Depthwise(5, 1)),
    (1, 200, 200, 16, Shape::Depthwise(7, 2)),
];

thread_local! {
    /// Where this test is in its stream of numbers: libtorch's own generator is shared by all tests that run
    /// at a time.
    static STREAM: Cell<u64> = const { Cell::new(1) };
}

/// A number between 0 and 1 (splitmix64, Steele et al. 2014).
fn uniform() -> f64 {
    STREAM.set(STREAM.get().wrapping_add(0x9e37_79b9_7f4a_7c15));
    let mut bits = STREAM.get();
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((bits ^ (bits >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
}

/// Numbers of the standard normal distribution (Box and Muller, 1958).
fn normal(size: &[i64]) -> Tensor {
    let count = size.iter().product::<i64>();
    let number = |_| {
        let radius = (-2.0 * (1.0 - uniform()).ln()).sqrt();
        (radius * (std::f64::consts::TAU * uniform()).cos()) as f32
    };
    Tensor::from_slice(&(0..count).map(number).collect::<Vec<f32>>()).view(size)
}

#[derive(Clone, Copy, Debug)]
enum Shape {
    /// Output channels.
    Pointwise(i64),
    /// Kernel and stride.
    Depthwise(i64, u32),
}

/// The numbers of a convolution, all of them leaves that want a gradient.
struct Leaves {
    raw: Tensor,
    weight: Tensor,
    affine: Option<(Tensor, Tensor)>,
}

impl Leaves {
    /// Numbers that `kind` holds exactly, so that all kinds and f64 convolve the same ones.
    fn random(place: (i64, i64, i64, i64, Shape), kind: Kind, normalised: Normalised) -> Self {
        let (batch, height, width, channels, shape) = place;
        let exact = |size: &[i64]| normal(size).to_kind(kind).to_kind(Kind::Float);
        let weight = match shape {
            Shape::Pointwise(outputs) => exact(&[outputs, channels, 1, 1]),
            Shape::Depthwise(kernel, _) => exact(&[channels, 1, kernel, kernel]),
        };
        let affine = || (normal(&[channels]), normal(&[channels]));
        let affine = (normalised == Normalised::Yes).then(affine);
        let raw = crate::channels_last(&exact(&[batch, channels, height, width])).unwrap();
        Self { raw: raw.to_kind(kind), weight, affine }.wanting_gradients()
    }

    fn map(self, change: impl Fn(Tensor) -> Tensor) -> Self {
        let affine = self.affine.map(|(scale, shift)| (change(scale), change(shift)));
        Self { raw: change(self.raw), weight: change(self.weight), affine }
    }

    fn wanting_gradients(self) -> Self {
        self.map(|tensor| tensor.set_requires_grad(true))
    }

    fn in_f64(&self) -> Self {
        let affine = self.affine.as_ref().map(|(a, b)| (a.shallow_clone(), b.shallow_clone()));
        let same =
            Self { raw: self.raw.shallow_clone(), weight: self.weight.shallow_clone(), affine };
        same.map(|tensor| tensor.detach().to_kind(Kind::Double)).wanting_gradients()
    }

    fn input(&self) -> NormalisedMap {
        match &self.affine {
            None => NormalisedMap::plain(&self.raw),
            Some((scale, shift)) => {
                let [raw, scale, shift] = [&self.raw, scale, shift].map(Tensor::shallow_clone);
                NormalisedMap::new(raw, scale, shift, Clamp::Relu6)
            }
        }
    }

    fn convolve(&self, by: Convolve, shape: Shape) -> [Tensor; 3] {
        let (kind, stride) = match shape {
            Shape::Pointwise(_) => (ConvolutionKind::Pointwise, 1),
            Shape::Depthwise(_, stride) => (ConvolutionKind::Depthwise, stride),
        };
        // SAFETY: it is one of ours.
        let output = unsafe { convolve(by, &self.input(), &self.weight, kind, stride).unwrap() };
        [output.map, output.mean, output.variance]
    }

    /// The same in libtorch's words.
    fn plainly(&self, shape: Shape) -> [Tensor; 3] {
        let input = match &self.affine {
            None => self.raw.shallow_clone(),
            Some((a, b)) => (&self.raw * a.view([1, -1, 1, 1]) + b.view([1, -1, 1, 1])).clamp(0, 6),
        };
        let (stride, groups) = match shape {
            Shape::Pointwise(_) => (1, 1),
            Shape::Depthwise(_, stride) => (i64::from(stride), self.raw.size()[1]),
        };
        let padding = self.weight.size()[2] / 2;
        let map = input.conv2d(&self.weight, None::<Tensor>, stride, padding, 1, groups);
        let pixels = [0_i64, 2, 3];
        let mean = map.mean_dim(&pixels[..], false, Kind::Double);
        let variance = map.var_dim(&pixels[..], false, false);
        [map, mean, variance]
    }

    /// Gradients of `sum(outputs * directions)`.
    fn gradients(&self, outputs: &[Tensor; 3], directions: &[Tensor; 3]) -> Vec<Tensor> {
        let along = |(output, direction): (&Tensor, &Tensor)| {
            let kind = if output.kind() == Kind::Double { Kind::Double } else { Kind::Float };
            (output.to_kind(kind) * direction.to_kind(kind)).sum(kind)
        };
        let loss: Tensor = outputs.iter().zip(directions).map(along).sum();
        let mut leaves = vec![&self.raw, &self.weight];
        leaves.extend(self.affine.iter().flat_map(|(scale, shift)| [scale, shift]));
        Tensor::run_backward(&[loss], &leaves, false, false)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Normalised {
    No,
    Yes,
}

fn relative_error(found: &Tensor, expected: &Tensor) -> f64 {
    let difference = found.to_kind(Kind::Double) - expected;
    f64::try_from(difference.norm() / (expected.norm() + 1e-6)).unwrap()
}

#[track_caller]
fn check_against_f64(by: Convolve) {
    STREAM.set(4);
    for (kind, tolerances) in TOLERANCES {
        for (place, normalised) in
            PLACES.iter().flat_map(|&place| [(place, Normalised::No), (place, Normalised::Yes)])
        {
            let leaves = Leaves::random(place, kind, normalised);
            let (found, expected) = (leaves.convolve(by, place.4), leaves.in_f64());
            let reference = expected.plainly(place.4);
            let directions = [0, 1, 2].map(|i: usize| {
                let direction = normal(&reference[i].size()).to_kind(kind);
                if i == 0 { direction } else { direction * 10 }
            });
            let gradients = leaves.gradients(&found, &directions);
            let expected_gradients = expected.gradients(&reference, &directions);
            let names = ["map", "mean", "variance", "draw", "dweight", "dscale", "dshift"];
            let all = found.iter().zip(&reference).chain(gradients.iter().zip(&expected_gradients));
            for (name, (found, expected)) in names.iter().zip(all) {
                let error = relative_error(found, expected);
                let tolerance = tolerances[usize::from(SUMMED.contains(name))];
                assert!(error < tolerance, "{kind:?} {place:?} {normalised:?} {name}: {error}");
            }
        }
    }
}

#[test]
fn outputs_moments_and_gradients_equal_autograd_in_f64() {
    check_against_f64(shim_convolve);
}

#[test]
fn so_they_do_without_the_fast_kernels() {
    check_against_f64(shim_convolve_portably);
}

#[test]
fn the_same_threads_give_the_same_bits() {
    for place in [PLACES[0], PLACES[11]] {
        let leaves = Leaves::random(place, Kind::BFloat16, Normalised::Yes);
        let run = || {
            let outputs = leaves.convolve(shim_convolve, place.4);
            let directions = [0, 1, 2].map(|i: usize| outputs[i].ones_like());
            let gradients = leaves.gradients(&outputs, &directions);
            outputs.into_iter().chain(gradients).collect::<Vec<_>>()
        };
        for (first, second) in run().iter().zip(&run()) {
            assert!(first.equal(second), "{place:?}");
        }
    }
}

#[test]
fn a_weight_that_wants_no_gradient_gets_none_and_the_others_keep_theirs() {
    let leaves = Leaves::random(PLACES[0], Kind::Float, Normalised::Yes);
    let frozen = leaves.weight.detach();
    let gradient = |weight: &Tensor| {
        let output = pointwise(&leaves.input(), weight).unwrap();
        Tensor::run_backward(&[output.map.sum(Kind::Float)], &[&leaves.raw], false, false).remove(0)
    };
    assert!(gradient(&frozen).equal(&gradient(&leaves.weight)));
    assert!(!frozen.grad().defined());
}

#[test]
fn a_dense_convolution_is_a_pointwise_one_of_its_patches() {
    let images = normal(&[2, 3, 17, 20]);
    let weight = normal(&[8, 3, 3, 3]).set_requires_grad(true);
    let expected = images.conv2d(&weight, None::<Tensor>, 2, 1, 1, 1);
    let map = patches(&images, 3, 2, Kind::Float).unwrap();
    let found = pointwise(&map, &patch_weight(&weight)).unwrap().map;
    assert!(found.allclose(&expected, 1e-5, 1e-5, false));
    let gradient = |map: &Tensor| {
        Tensor::run_backward(&[map.square().sum(Kind::Float)], &[&weight], false, false).remove(0)
    };
    assert!(gradient(&found).allclose(&gradient(&expected), 1e-4, 1e-3, false));
}

#[test]
fn a_block_with_its_shortcut_trains_as_libtorchs_own_layers_do() {
    let x = normal(&[4, 16, 8, 8]).set_requires_grad(true);
    let weight = normal(&[16, 16, 1, 1]).set_requires_grad(true);
    let numbers = || [Tensor::ones([16], OPTIONS), Tensor::zeros([16], OPTIONS)];
    let [gamma, beta] = numbers().map(|tensor| tensor.set_requires_grad(true));
    let leaves = [&x, &weight, &gamma, &beta];
    let gradients =
        |y: &Tensor| Tensor::run_backward(&[(y * y).sum(Kind::Float)], &leaves, false, false);

    let [variance, mean] = numbers();
    let y = x.conv2d(&weight, None::<Tensor>, 1, 0, 1, 1);
    let (w, b) = (Some(&gamma), Some(&beta));
    let y =
        y.batch_norm(w, b, Some(&mean), Some(&variance), true, 0.1, 1e-3, false).clamp(0, 6) + &x;
    let expected = gradients(&y);

    let [running_variance, running_mean] = numbers();
    let norm = BatchNorm {
        weight: &gamma,
        bias: &beta,
        epsilon: 1e-3,
        running: Some(Running { mean: &running_mean, variance: &running_variance, momentum: 0.1 }),
    };
    let map = pointwise(&NormalisedMap::plain(&x), &weight).unwrap();
    let found = map.normalise(&norm, Clamp::Relu6).unwrap().materialise(Some(&x)).unwrap();
    assert!(found.allclose(&y, 1e-5, 1e-5, false));
    assert!(running_mean.allclose(&mean, 1e-5, 1e-6, false));
    assert!(running_variance.allclose(&variance, 1e-5, 1e-6, false));
    for (found, expected) in gradients(&found).iter().zip(&expected) {
        assert!(relative_error(found, &expected.to_kind(Kind::Double)) < 1e-4);
    }
}

#[test]
fn what_does_not_fit_is_refused_in_words() {
    let zeros = |size: &[i64]| Tensor::zeros(size, OPTIONS);
    let map = NormalisedMap::plain(&zeros(&[2, 8, 6, 6]));
    let short = NormalisedMap::new(zeros(&[2, 8, 6, 6]), zeros(&[7]), zeros(&[7]), Clamp::Relu);
    for (result, expected) in [
        (pointwise(&map, &zeros(&[4, 7, 1, 1])), "a weight of 7 inputs on a map of 8 channels"),
        (pointwise(&map, &zeros(&[4, 8, 3, 3])), "a pointwise convolution has kernel 1"),
        (pointwise(&short, &zeros(&[4, 8, 1, 1])), "a normalisation of 7 channels on a map of 8"),
        (depthwise(&map, &zeros(&[8, 1, 3, 3]), 3), "stride 1 or 2, not 3"),
        (depthwise(&map, &zeros(&[8, 1, 2, 2]), 1), "squares of odd side up to 15, not 2x2"),
        (depthwise(&map, &zeros(&[4, 1, 3, 3]), 1), "a depthwise weight of 4x1"),
    ] {
        let error = result.unwrap_err();
        assert!(error.message().contains(expected), "{error}");
    }
}
