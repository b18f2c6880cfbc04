//! A simulation is a device whose latencies are known, to see whether models find them.

use std::ops::AddAssign;

use op_catalog::{Architecture, Milliseconds, SearchSpace};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::{Design, LatencyModel, ModelKind};
use crate::fixtures::{small_space, table_of};
use crate::{LatencyTable, MeasuredNetwork, TableRow};

/// How latencies are made: relative to the true latency, with what share of gross errors.
#[derive(Clone, Copy, Debug)]
struct Noise {
    relative: f64,
    tail: Tail,
    outliers: f64,
}

#[derive(Clone, Copy, Debug)]
enum Tail {
    Normal,
    /// Student's t with 3 degrees of freedom.
    Heavy,
}

/// True costs: those of the table, each times a factor of its own around 1.08, and an offset.
struct Device {
    space: SearchSpace,
    table: LatencyTable,
    truth: LatencyTable,
    offset: f64,
    random: ChaCha8Rng,
}

impl Device {
    /// A device on which the factors vary by this much.
    fn new(spread: f64, seed: u64) -> Self {
        let space = small_space();
        let table = table_of(&space);
        let mut truth = table.clone();
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        for row in table.rows() {
            let factor = 1.08 + spread * normal(&mut random);
            let latency = Milliseconds(row.headline().0 * factor);
            truth.insert(TableRow::imported(row.key, 100, latency, 0.01));
        }
        Self { space, table, truth, offset: 0.3, random }
    }

    fn true_latency(&self, architecture: &Architecture) -> f64 {
        let network = self.space.network(architecture).unwrap();
        self.truth.predict(&network).unwrap().0 + self.offset
    }

    fn measure(&mut self, count: usize, noise: Noise) -> Vec<MeasuredNetwork> {
        let mut networks = Vec::new();
        for _ in 0..count {
            let architecture = self.space.sample(&mut self.random);
            let standard = match noise.tail {
                Tail::Normal => normal(&mut self.random),
                Tail::Heavy => heavy(&mut self.random),
            };
            let mut factor = 1.0 + noise.relative * standard;
            if self.random.random_bool(noise.outliers) {
                factor *= 1.1 + 0.4 * self.random.random::<f64>();
            }
            let latency = Milliseconds(self.true_latency(&architecture) * factor.max(0.1));
            networks.push(MeasuredNetwork::new(architecture, latency));
        }
        networks
    }

    fn design(&self) -> Design {
        Design::of_table(&self.space, &self.table).unwrap()
    }
}

/// Box and Muller 1958.
fn normal(random: &mut ChaCha8Rng) -> f64 {
    let (radius, angle) = (1.0 - random.random::<f64>(), random.random::<f64>());
    (-2.0 * radius.ln()).sqrt() * (std::f64::consts::TAU * angle).cos()
}

/// Student's t with 3 degrees of freedom, scaled to a variance of 1.
fn heavy(random: &mut ChaCha8Rng) -> f64 {
    let chi_square: f64 = (0..3).map(|_| normal(random).powi(2)).sum();
    normal(random) / (chi_square / 3.0).sqrt() / 3.0_f64.sqrt()
}

/// How a model does on new networks of a device.
#[derive(Clone, Copy, Debug, Default)]
struct Score {
    networks: f64,
    /// Sum of absolute relative errors against the true latencies.
    error: f64,
    /// New measurements inside their 90 % intervals.
    inside: f64,
}

impl Score {
    fn mape_percent(&self) -> f64 {
        100.0 * self.error / self.networks
    }

    fn coverage(&self) -> f64 {
        self.inside / self.networks
    }
}

impl AddAssign for Score {
    fn add_assign(&mut self, other: Self) {
        self.networks += other.networks;
        self.error += other.error;
        self.inside += other.inside;
    }
}

fn score(model: &LatencyModel, device: &mut Device, noise: Noise) -> Score {
    let mut score = Score::default();
    for network in device.measure(200, noise) {
        let prediction = model.predict(&network.architecture).unwrap();
        let truth = device.true_latency(&network.architecture);
        let (low, high) = prediction.interval90.unwrap();
        score += Score {
            networks: 1.0,
            error: (prediction.latency.0 / truth - 1.0).abs(),
            inside: f64::from(u8::from(low <= network.latency && network.latency <= high)),
        };
    }
    score
}

/// The score of a kind, or of the best, over several devices.
fn over_devices(kind: Option<ModelKind>, count: usize, noise: Noise, spread: f64) -> Score {
    let mut total = Score::default();
    for seed in 0..6 {
        let mut device = Device::new(spread, seed);
        let networks = device.measure(count, noise);
        let design = device.design();
        let model = match kind {
            Some(kind) => LatencyModel::fit_as(kind, &design, &networks, seed).unwrap(),
            None => LatencyModel::fit(&design, &networks, seed).unwrap(),
        };
        total += score(&model, &mut device, noise);
    }
    total
}

const SIZES: [usize; 4] = [20, 60, 200, 1000];

fn noises() -> impl Iterator<Item = Noise> {
    let relatives = [0.001, 0.005, 0.02];
    let shapes = [(Tail::Normal, 0.0), (Tail::Heavy, 0.0), (Tail::Normal, 0.05)];
    relatives.into_iter().flat_map(move |relative| {
        shapes.into_iter().map(move |(tail, outliers)| Noise { relative, tail, outliers })
    })
}

#[test]
fn intervals_hold_new_networks_as_often_as_they_say() {
    let mut all = Score::default();
    for noise in noises() {
        for count in SIZES {
            let score = over_devices(None, count, noise, 0.06);
            println!("{count} networks, {noise:?}: {:.3}", score.coverage());
            assert!((0.80..0.99).contains(&score.coverage()), "{count} {noise:?} {score:?}");
            all += score;
        }
    }
    println!("all: {:.3}", all.coverage());
    assert!((0.85..0.95).contains(&all.coverage()), "{}", all.coverage());
}

#[test]
fn regression_is_no_worse_than_the_factor_alone_and_gets_better_with_networks() {
    for noise in noises() {
        let mut before = f64::INFINITY;
        for count in SIZES {
            let of_kind = |kind| over_devices(Some(kind), count, noise, 0.06).mape_percent();
            let (scaled, bayesian) = (of_kind(ModelKind::Scaled), of_kind(ModelKind::Bayesian));
            println!("{count} networks, {noise:?}: scaled {scaled:.3} %, bayesian {bayesian:.3} %");
            assert!(bayesian <= 1.1 * scaled, "{count} {noise:?}: {bayesian} {scaled}");
            assert!(bayesian <= 1.1 * before, "{count} {noise:?}: {bayesian} after {before}");
            before = bayesian;
        }
        assert!(before < 0.35 * noise.relative * 100.0 + 0.05, "{noise:?}: {before}");
    }
}
