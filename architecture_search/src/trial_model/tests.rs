//! A trial model orders networks as they are worth, and says how far that is chance.

use op_catalog::Architecture;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use super::*;
use crate::LinearCost;
use crate::fixtures::mobile_space;

/// A window of multiply-accumulates in which there are many networks.
const WINDOW: (f64, f64) = (2.5e8, 3.5e8);

fn trials(space: &SearchSpace, count: usize, noise: f64, seed: u64) -> (toy::Truth, Vec<Trial>) {
    let truth = toy::Truth::of(space, noise);
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let drawn = toy::uniform(space, &LinearCost::macs(space), WINDOW, count, &mut random);
    let trials = drawn.iter().map(|one| truth.trial(one, &mut random)).collect();
    (truth, trials)
}

fn correlation(a: &[f64], b: &[f64]) -> f64 {
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    let (of_a, of_b) = (mean(a), mean(b));
    let sum = |x: &[f64], y: &[f64], mx: f64, my: f64| {
        x.iter().zip(y).map(|(x, y)| (x - mx) * (y - my)).sum::<f64>()
    };
    sum(a, b, of_a, of_b) / (sum(a, a, of_a, of_a) * sum(b, b, of_b, of_b)).sqrt()
}

fn worth_of(worth: &EdgeValues, architecture: &Architecture) -> f64 {
    worth.edges().iter().zip(architecture.choices()).map(|(edge, choice)| edge[*choice]).sum()
}

#[test]
fn before_any_trial_candidates_are_worth_what_the_search_makes_of_them() {
    let space = mobile_space();
    let mut random = ChaCha8Rng::seed_from_u64(1);
    let values = space
        .edges()
        .map(|edge| edge.iter().map(|_| StandardNormal.sample(&mut random)).collect::<Vec<f64>>());
    let logits = Logits::of_values(EdgeValues::of_lists(values.collect()));
    let model = TrialModel::new(&space, &logits).unwrap();
    let worth = model.after(&[]).unwrap().worth();
    for (worth, logits) in worth.edges().iter().zip(logits.values().edges()) {
        assert!((correlation(worth, logits) - 1.0).abs() < 1e-9, "{worth:?} {logits:?}");
    }
    let nothing = TrialModel::new(&space, &toy::no_preference(&space)).unwrap();
    assert!(nothing.after(&[]).unwrap().worth().iter().all(|worth| worth.abs() < 1e-12));
}

/// The same from the other side: `(X' N^-1 X + V^-1)^-1 (X' N^-1 y + V^-1 m)`, N being what scores vary by.
#[test]
fn what_is_expected_is_the_mean_of_the_posterior_of_a_linear_model() {
    let space = mobile_space();
    let (truth, mut trials) = trials(&space, 30, 0.5, 2);
    let mut random = ChaCha8Rng::seed_from_u64(22);
    let longer: Vec<Trial> = trials[..5].iter().map(|t| truth.longer(t, &mut random)).collect();
    trials.extend(longer);
    let model = TrialModel::new(&space, &toy::no_preference(&space)).unwrap();
    let posterior = model.after(&trials).unwrap();
    let Observed { rows, scores, .. } = &posterior.trials;
    let off = posterior.own_covariance() + posterior.noises();
    assert!(off[(0, 30)] > 0.0 && off[(0, 1)] == 0.0 && off[(30, 30)] < off[(0, 0)]);
    let weighted = rows.transpose() * off.try_inverse().unwrap();
    let precision = &weighted * rows
        + DMatrix::from_diagonal(&posterior.variances().map(|variance| 1.0 / variance));
    let means = posterior.means();
    let right = weighted * scores + means.component_div(&posterior.variances());
    let unknowns = precision.cholesky().unwrap().solve(&right);
    let expected = model.worth(&unknowns);
    for (found, expected) in posterior.worth().iter().zip(expected.iter()) {
        assert!((found - expected).abs() < 1e-6, "{found} {expected}");
    }
}

#[test]
fn draws_are_around_what_is_expected_and_wider_where_less_is_known() {
    let space = mobile_space();
    let (_, trials) = trials(&space, 40, 0.5, 3);
    let model = TrialModel::new(&space, &toy::no_preference(&space)).unwrap();
    let posterior = model.after(&trials).unwrap();
    let spread = |architecture: &Architecture| {
        let mut random = ChaCha8Rng::seed_from_u64(9);
        let draws: Vec<f64> = (0..2000)
            .map(|_| worth_of(&posterior.sampled_worth(&mut random), architecture))
            .collect();
        let mean = draws.iter().sum::<f64>() / 2000.0;
        let variance = draws.iter().map(|draw| (draw - mean).powi(2)).sum::<f64>() / 2000.0;
        let off = mean - worth_of(&posterior.worth(), architecture);
        assert!(off.abs() < 5.0 * (variance / 2000.0).sqrt(), "{off} {variance}");
        variance.sqrt()
    };
    let tried = spread(&trials[0].architecture);
    let deepest = Architecture::new(space.edges().map(|_| 0).collect());
    assert!(tried < spread(&deepest), "{tried}");
}

/// Of networks that were trained twice too, whose own part is the same both times.
#[test]
fn draws_vary_as_far_as_is_unknown() {
    let space = mobile_space();
    let (truth, mut trials) = trials(&space, 20, 0.1, 6);
    let mut random = ChaCha8Rng::seed_from_u64(66);
    let longer: Vec<Trial> = trials.iter().map(|t| truth.longer(t, &mut random)).collect();
    trials.extend(longer);
    let model = TrialModel::new(&space, &toy::no_preference(&space)).unwrap();
    let posterior = model.after(&trials).unwrap();
    let rows = &posterior.trials.rows;
    let off = posterior.own_covariance() + posterior.noises();
    let precision = rows.transpose() * off.try_inverse().unwrap() * rows
        + DMatrix::from_diagonal(&posterior.variances().map(|variance| 1.0 / variance));
    let covariance = precision.try_inverse().unwrap();
    let mut row = rows.row(0).transpose();
    for length in TrialLength::ALL {
        row[model.of_level(length)] = 0.0;
    }
    let expected = row.dot(&(covariance * &row));
    let draws: Vec<f64> = (0..4000)
        .map(|_| worth_of(&posterior.sampled_worth(&mut random), &trials[0].architecture))
        .collect();
    let draws = DVector::from_vec(draws);
    assert!((draws.variance() / expected - 1.0).abs() < 0.1, "{} {expected}", draws.variance());
}

#[test]
fn networks_that_were_not_tried_are_ordered_as_they_are_worth() {
    let space = mobile_space();
    let (truth, trials) = trials(&space, 60, 0.5, 4);
    let model = TrialModel::new(&space, &toy::no_preference(&space)).unwrap();
    let worth = model.after(&trials).unwrap().worth();
    let mut random = ChaCha8Rng::seed_from_u64(44);
    let others = toy::uniform(&space, &LinearCost::macs(&space), WINDOW, 200, &mut random);
    let of = |worth: &dyn Fn(&Architecture) -> f64| others.iter().map(worth).collect::<Vec<f64>>();
    let found = of(&|one| worth_of(&worth, one));
    let real = of(&|one| truth.worth(one));
    assert!(correlation(&found, &real) > 0.7, "{}", correlation(&found, &real));
}

/// A space has one list of candidates here: the second one is bad wherever it stands, and is never tried on the last edge.
#[test]
fn what_a_kind_of_candidates_is_worth_is_expected_of_it_on_an_edge_where_it_was_not_tried() {
    let space = mobile_space();
    let mut random = ChaCha8Rng::seed_from_u64(12);
    let drawn = toy::uniform(&space, &LinearCost::macs(&space), WINDOW, 60, &mut random);
    let last = space.edges().count() - 1;
    let bad = |one: &Architecture| one.choices().iter().filter(|choice| **choice == 1).count();
    let elsewhere = drawn.into_iter().filter(|one| one.choices()[last] != 1);
    let trials: Vec<Trial> = elsewhere
        .map(|one| {
            let noise: f64 = StandardNormal.sample(&mut random);
            let score = 70.0 - bad(&one) as f64 + 0.5 * noise;
            Trial { architecture: one, length: TrialLength::Short, score }
        })
        .collect();
    let model = TrialModel::new(&space, &toy::no_preference(&space)).unwrap();
    let worth = model.after(&trials).unwrap().worth();
    let of_edge = &worth.edges()[last];
    let others = (of_edge.iter().sum::<f64>() - of_edge[1]) / (of_edge.len() - 1) as f64;
    assert!((-1.1..-0.4).contains(&(of_edge[1] - others)), "{of_edge:?}");
}

#[test]
fn trials_of_one_budget_order_the_networks_of_another() {
    let space = mobile_space();
    let (truth, trials) = trials(&space, 60, 0.5, 4);
    let model = TrialModel::new(&space, &toy::no_preference(&space)).unwrap();
    let worth = model.after(&trials).unwrap().worth();
    let mut random = ChaCha8Rng::seed_from_u64(45);
    let above = (1.2 * WINDOW.1, 1.5 * WINDOW.1);
    let others = toy::uniform(&space, &LinearCost::macs(&space), above, 200, &mut random);
    let found: Vec<f64> = others.iter().map(|one| worth_of(&worth, one)).collect();
    let real: Vec<f64> = others.iter().map(|one| truth.worth(one)).collect();
    assert!(correlation(&found, &real) > 0.6, "{}", correlation(&found, &real));
}

#[test]
fn what_is_expected_of_a_trial_is_nearer_to_the_truth_than_its_score() {
    let space = mobile_space();
    let (truth, trials) = trials(&space, 60, 1.5, 5);
    let model = TrialModel::new(&space, &toy::no_preference(&space)).unwrap();
    let posterior = model.after(&trials).unwrap();
    let expected = posterior.expected_scores();
    let real = |trial: &Trial| 70.0 + truth.worth(&trial.architecture);
    let off: f64 = trials.iter().zip(&expected).map(|(t, e)| (e - real(t)).powi(2)).sum();
    let scores: f64 = trials.iter().map(|t| (t.score - real(t)).powi(2)).sum();
    assert!(off < 0.8 * scores, "{off} {scores}");
}

#[test]
fn a_network_s_short_training_says_what_its_longer_one_leaves_open() {
    let space = mobile_space();
    let (mut both, mut longer_alone) = (0.0, 0.0);
    for seed in 0..5 {
        let (truth, mut trials) = trials(&space, 40, 1.5, seed);
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let longer: Vec<Trial> = trials[..6].iter().map(|t| truth.longer(t, &mut random)).collect();
        trials.extend(longer);
        let model = TrialModel::new(&space, &toy::no_preference(&space)).unwrap();
        let expected = model.after(&trials).unwrap().expected_scores();
        for (trial, expected) in trials.iter().zip(expected).skip(40) {
            let real = 82.0 + truth.worth(&trial.architecture);
            both += (expected - real).powi(2);
            longer_alone += (trial.score - real).powi(2);
        }
    }
    assert!(both < 0.8 * longer_alone, "{both} {longer_alone}");
}

/// What the network is worth that is expected to be the best after longer trainings of the first ones, then of so many of those
/// that are expected to be better, and so on.
fn found_by(stages: &[usize], seed: u64) -> f64 {
    let space = mobile_space();
    let (truth, mut trials) = trials(&space, 32, 1.5, seed);
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let model = TrialModel::new(&space, &toy::no_preference(&space)).unwrap();
    for &count in stages {
        let expected = model.after(&trials).unwrap().expected_scores();
        let mut best: Vec<usize> = (0..32).collect();
        best.sort_by(|a, b| expected[*b].total_cmp(&expected[*a]));
        let longer: Vec<Trial> =
            best[..count].iter().map(|one| truth.longer(&trials[*one], &mut random)).collect();
        trials.extend(longer);
    }
    let expected = model.after(&trials).unwrap().expected_scores();
    let best = (0..32).max_by(|a, b| expected[*a].total_cmp(&expected[*b])).unwrap();
    truth.worth(&trials[best].architecture)
}

#[test]
fn second_trainings_of_the_better_half_find_more_than_as_many_first_ones_of_others() {
    let races = 400;
    let found = |stages: &[usize]| (0..races).map(|seed| found_by(stages, seed)).sum::<f64>();
    let gain = (found(&[8, 4]) - found(&[12])) / races as f64;
    assert!(gain > 0.05, "{gain}");
}

#[test]
fn trials_of_another_space_and_scores_that_are_no_numbers_are_refused() {
    let space = mobile_space();
    let model = TrialModel::new(&space, &toy::no_preference(&space)).unwrap();
    let trial = |choices: Vec<usize>, score| {
        let architecture = Architecture::new(choices);
        Trial { architecture, length: TrialLength::Short, score }
    };
    let refused = |trial| model.after(&[trial]).unwrap_err().to_string();
    assert!(refused(trial(vec![0; 20], 1.0)).contains("20"));
    assert!(refused(trial(vec![7; 21], 1.0)).contains("edge 0"));
    assert!(refused(trial(vec![0; 21], f64::NAN)).contains("NaN"));
}
