//! Times of what searches and fits do most: pricing, expectation with its gradient, fitting.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use latency_tables::{Design, EdgeCosts, LatencyModel, LatencyTable, MeasuredNetwork};
use latency_tables::{TableContext, TableRow};
use op_catalog::{Architecture, Cost, Milliseconds, SearchSpace, SpaceDefinition};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// The published space and a table of it in which a million multiply-accumulates take a millisecond.
fn published() -> Option<(SearchSpace, LatencyTable)> {
    let space = SpaceDefinition::built_in("proxyless-mobile").ok()?.build().ok()?;
    let mut table = LatencyTable::new(TableContext::named("benchmark"));
    for key in space.placed_ops() {
        let latency = Milliseconds(Cost::of(&key.lower()).macs as f64 / 1e6);
        table.insert(TableRow::imported(key, 100, latency, 0.01));
    }
    Some((space, table))
}

/// Networks of a space without a name, each choice with a cost of its own, noise of half a percent.
fn simulated(choice_counts: &[usize], networks: usize) -> Vec<MeasuredNetwork> {
    let mut random = ChaCha8Rng::seed_from_u64(1);
    let costs: Vec<Vec<f64>> = choice_counts
        .iter()
        .map(|&count| (0..count).map(|_| random.random_range(0.2..2.0)).collect())
        .collect();
    let mut network = || {
        let choices: Vec<usize> =
            choice_counts.iter().map(|&count| random.random_range(0..count)).collect();
        let sum: f64 = choices.iter().zip(&costs).map(|(&choice, edge)| edge[choice]).sum();
        let latency = Milliseconds((5.0 + sum) * random.random_range(0.995..1.005));
        MeasuredNetwork::new(Architecture::new(choices), latency)
    };
    (0..networks).map(|_| network()).collect()
}

fn searching(criterion: &mut Criterion) {
    let Some((space, table)) = published() else { return };
    let Ok(costs) = EdgeCosts::new(&space, &table) else { return };
    let mut random = ChaCha8Rng::seed_from_u64(1);
    let architecture = space.sample(&mut random);
    criterion.bench_function("price an architecture of proxyless-mobile", |bencher| {
        bencher.iter(|| costs.price(black_box(architecture.choices())));
    });
    let logits: Vec<f64> =
        (0..costs.candidates()).map(|_| random.random_range(-1.0..1.0)).collect();
    let mut gradient = vec![0.0; costs.candidates()];
    criterion.bench_function("expectation and gradient of proxyless-mobile", |bencher| {
        bencher.iter(|| costs.expected_into(black_box(&logits), black_box(&mut gradient)));
    });
}

fn fitting(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("fit");
    group.sample_size(10);
    let (counts, networks) = ([8; 25], 5000);
    let measured = simulated(&counts, networks);
    group.bench_function("5000 networks, 200 unknowns and the constant", |bencher| {
        bencher.iter(|| LatencyModel::fit(&Design::of_counts(&counts), &measured, 1));
    });
    let Some((space, table)) = published() else { return };
    let Ok(design) = Design::of_table(&space, &table) else { return };
    let Ok(costs) = EdgeCosts::new(&space, &table) else { return };
    let mut random = ChaCha8Rng::seed_from_u64(1);
    let mut network = || {
        let architecture = space.sample(&mut random);
        let latency = costs.price(architecture.choices()).ok()?.0;
        let noisy = Milliseconds(1.08 * latency * random.random_range(0.99..1.01));
        Some(MeasuredNetwork::new(architecture, noisy))
    };
    let measured: Vec<MeasuredNetwork> = (0..120).filter_map(|_| network()).collect();
    group.bench_function("120 networks of proxyless-mobile, all kinds", |bencher| {
        bencher.iter(|| LatencyModel::fit(&design, &measured, 1));
    });
}

criterion_group!(benches, searching, fitting);
criterion_main!(benches);
