//! A race's window is between which predictions its networks are, so that they turn out to be within the budget and to use it.
//!
//! A table says how far it may be off; the device says how far it is. What is trained and then measured to be above the budget was
//! trained for nothing, and so a few networks of the latency may be measured before any is trained.

use std::num::NonZeroU32;

use anyhow::Context;
use architecture_search::{BudgetChoice, shortlist};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use crate::connection::DeviceArgs;
use crate::derive::Tried;
use crate::found_run::FoundRun;
use crate::network_measuring::{Asked, OtherDevice, measure};
use command_line::output;

/// Networks that are measured before a race.
const PROBES: NonZeroU32 = NonZeroU32::new(5).unwrap();

/// Of these, how many may be off by more than the race counts on. One may have been disturbed; of other networks two of three are
/// then within the budget.
const BEYOND: usize = 1;

/// What the networks of a race may take, and what share of that they shall use at least.
pub(super) struct Window<'a> {
    pub(super) run: &'a FoundRun,
    pub(super) budget_ms: f64,
    pub(super) floor: f64,
}

impl Window<'_> {
    /// By how far the table says that it may be off.
    pub(super) fn by_table(&self) -> anyhow::Result<[f64; 2]> {
        let probe = Tried::most_probable(self.run, (self.floor * self.budget_ms, self.budget_ms))?;
        let (least, most) = probe.window_around(self.budget_ms, probe.margin(), self.floor);
        Ok([least, most])
    }

    /// Where networks take longer than predicted by this share of it.
    pub(super) fn by_device(&self, off: f64) -> [f64; 2] {
        let most = self.budget_ms / (1.0 + off);
        [self.floor * most, most]
    }

    /// By what share of their predictions networks of this latency take longer, measured.
    pub(super) fn measured_off(
        &self,
        device: &DeviceArgs,
        other: OtherDevice,
        seed: u64,
    ) -> anyhow::Result<f64> {
        let FoundRun { found, cost, table, .. } = self.run;
        let [least, most] = self.by_table()?;
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let probes = shortlist(&found.logits, cost, (least, most), PROBES, &mut random)?;
        let asked = probes.iter().enumerate().map(|(number, probe)| self.asked(number, probe));
        let asked: Vec<Asked> = asked.collect::<anyhow::Result<_>>()?;
        let measured = measure(device, table, &asked, other)?;
        let pairs = asked.iter().zip(&measured);
        let offs =
            pairs.map(|(asked, measured)| measured.headline.value.0 / asked.predicted.0 - 1.0);
        let mut offs: Vec<f64> = offs.collect();
        offs.sort_by(f64::total_cmp);
        let off = all_but_few(&offs).context("no network was measured")?;
        let [least, most] = self.by_device(off);
        output::note(&format!(
            "{} networks of {} ms were measured {:+.1} to {:+.1} % beside their predictions; counting on {:+.1} %, the race's are \
             predicted to take from {least:.3} to {most:.3} ms",
            offs.len(),
            self.budget_ms,
            100.0 * offs[0],
            100.0 * offs[offs.len() - 1],
            100.0 * off,
        ));
        Ok(off)
    }

    fn asked(&self, number: usize, probe: &BudgetChoice) -> anyhow::Result<Asked> {
        Ok(Asked {
            name: format!("probe {number}"),
            network: self.run.space.network(&probe.architecture)?,
            predicted: self.run.prediction(&probe.architecture)?.latency,
        })
    }
}

/// What all but a few of these are at most.
fn all_but_few(ascending: &[f64]) -> Option<f64> {
    let few = BEYOND.min(ascending.len().checked_sub(1)?);
    ascending.iter().rev().nth(few).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_disturbed_probe_moves_no_window() {
        for (offs, expected) in [
            (&[0.1, 0.15, 0.2, 0.3, 9.0][..], Some(0.3)),
            (&[-0.3, -0.2, -0.1], Some(-0.2)),
            (&[0.2], Some(0.2)),
            (&[], None),
        ] {
            assert_eq!(all_but_few(offs), expected, "{offs:?}");
        }
    }
}
