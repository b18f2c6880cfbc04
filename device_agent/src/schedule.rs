//! A schedule says which items are still to be visited, in which order, and when each is finished.

use op_catalog::Milliseconds;
use op_catalog::wire::row::Failure;
use op_catalog::wire::{JobRequest, Measurement, Outcome, Row};
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use crate::measuring::assessment::{HeadlineRule, JudgedVisit, is_finished, measurement};
use crate::measuring::outlook::visits_to_come;

/// The items of a job with what is known of each.
pub(crate) struct Schedule {
    request: JobRequest,
    rule: HeadlineRule,
    visits: Vec<Vec<JudgedVisit>>,
    /// Visits that each item will still need.
    to_come: Vec<u64>,
    has_row: Vec<bool>,
    rounds: u32,
}

impl Schedule {
    /// A schedule with nothing done yet.
    pub(crate) fn new(request: JobRequest, rule: HeadlineRule) -> Self {
        let count = request.items.len();
        let to_come = vec![u64::from(request.protocol.instantiations); count];
        Self {
            request,
            rule,
            visits: vec![Vec::new(); count],
            to_come,
            has_row: vec![false; count],
            rounds: 0,
        }
    }

    /// The next round: all unfinished items, shuffled; empty when every item has its row.
    pub(crate) fn next_round(&mut self) -> Vec<usize> {
        let mut open: Vec<usize> =
            (0..self.has_row.len()).filter(|item| !self.has_row[*item]).collect();
        let seed = self.request.protocol.shuffle_seed.wrapping_add(u64::from(self.rounds) << 32);
        open.shuffle(&mut ChaCha8Rng::seed_from_u64(seed));
        self.rounds += u32::from(!open.is_empty());
        open
    }

    /// Takes a visit in.
    pub(crate) fn visited(&mut self, item: usize, judged: JudgedVisit) {
        if let Some(visits) = self.visits.get_mut(item) {
            visits.push(judged);
            self.to_come[item] = visits_to_come(visits, &self.request.protocol, &self.rule);
        }
    }

    /// Notes that a round was made in an earlier life.
    pub(crate) fn remember_round(&mut self) {
        self.rounds += 1;
    }

    /// Notes that a row was written in an earlier life.
    pub(crate) fn remember_row(&mut self, id: &str) {
        if let Some(item) = self.request.items.iter().position(|item| item.id == id) {
            self.has_row[item] = true;
        }
    }

    /// The row of an item that is finished and has none yet. It depends on the visits alone, so that it
    /// comes out the same in another life.
    pub(crate) fn finish(&mut self, item: usize) -> Option<Row> {
        if self.has_row[item]
            || !is_finished(&self.visits[item], &self.request.protocol, &self.rule)
        {
            return None;
        }
        let measurement: Measurement =
            measurement(&self.visits[item], &self.request.protocol, &self.rule);
        Some(self.row(item, Outcome::Measured(Box::new(measurement))))
    }

    /// The row of an item that could not be measured.
    pub(crate) fn fail(&mut self, item: usize, failure: Failure) -> Row {
        self.row(item, Outcome::Failed(failure))
    }

    /// Rounds begun so far.
    pub(crate) fn rounds(&self) -> u32 {
        self.rounds
    }

    /// Visits made so far.
    pub(crate) fn visit_count(&self) -> u64 {
        self.visits.iter().map(|visits| visits.len() as u64).sum()
    }

    /// Visits still to come, by the outlook of each open item.
    pub(crate) fn visits_left(&self) -> u64 {
        let open = self.to_come.iter().zip(&self.has_row).filter(|(_, has_row)| !**has_row);
        open.map(|(to_come, _)| to_come).sum()
    }

    /// Time left if each visit takes as long as those so far.
    pub(crate) fn remaining(&self, elapsed: Milliseconds) -> Option<Milliseconds> {
        let made = self.visit_count();
        (made > 0).then(|| Milliseconds(elapsed.0 / made as f64 * self.visits_left() as f64))
    }

    fn row(&mut self, item: usize, outcome: Outcome) -> Row {
        self.has_row[item] = true;
        let asked = &self.request.items[item];
        Row { id: asked.id.clone(), blocks: asked.blocks.clone(), outcome }
    }
}
