//! A halving finds the best of many candidates without looking at all of them closely (successive halving, Jamieson and
//! Talwalkar 2016): all are looked at on a few batches, the better part of them on more, and so on.

use std::cmp::Ordering;

/// Part of the candidates that stays after a round, and how many times as many batches the next one ends with.
const FACTOR: u64 = 4;

/// So few candidates all stay: looking closely at them is cheap, and their order matters.
const STAY: usize = 4;

/// What a candidate is on a batch, or on several together.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Look {
    /// Sum of the images' losses in nats.
    pub(crate) loss: f64,
    /// Images that are classified rightly.
    pub(crate) right: f64,
    pub(crate) images: f64,
}

/// A candidate with all that has been seen of it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Standing {
    pub(crate) position: usize,
    pub(crate) seen: Look,
}

/// The batches that rounds end at: `first`, four times as many, and so on to all.
pub(crate) fn rounds(first: u64, all: u64) -> Vec<u64> {
    let more = |end: &u64| (*end < all).then(|| (end * FACTOR).min(all));
    std::iter::successors(Some(first.clamp(1, all)), more).collect()
}

/// How many of so many stay after each round but the last.
fn stay(count: usize) -> usize {
    count.div_ceil(FACTOR as usize).max(STAY).min(count)
}

/// How many looks at one candidate on one batch so many candidates take.
pub(crate) fn looks(count: usize, rounds: &[u64]) -> u64 {
    let mut alive = count;
    let mut batches = 0;
    let of_round = |end: &u64| {
        let looks = alive as u64 * (end - batches);
        (alive, batches) = (stay(alive), *end);
        looks
    };
    rounds.iter().map(of_round).sum()
}

/// The candidates from the best to the worst: those of later rounds first, of each round the one with the least loss.
/// `look` is asked for one batch and all candidates of a round, so that a batch is read once.
pub(crate) fn rank<E>(
    count: usize,
    rounds: &[u64],
    mut look: impl FnMut(u64, &[usize]) -> Result<Vec<Look>, E>,
) -> Result<Vec<Standing>, E> {
    let standing = |position| Standing { position, seen: Look::default() };
    let mut alive: Vec<Standing> = (0..count).map(standing).collect();
    let mut ranked: Vec<Standing> = Vec::new();
    let mut batch = 0;
    for &end in rounds {
        let positions: Vec<usize> = alive.iter().map(|standing| standing.position).collect();
        while batch < end {
            let looks = look(batch, &positions)?;
            alive.iter_mut().zip(looks).for_each(|(standing, look)| standing.seen.add(look));
            batch += 1;
        }
        alive.sort_by(by_loss);
        if Some(&end) != rounds.last() {
            let lost = alive.split_off(stay(alive.len()));
            ranked.splice(0..0, lost);
        }
    }
    ranked.splice(0..0, alive);
    Ok(ranked)
}

fn by_loss(a: &Standing, b: &Standing) -> Ordering {
    a.seen.mean_loss().total_cmp(&b.seen.mean_loss())
}

impl Look {
    /// Nats an image.
    pub(crate) fn mean_loss(&self) -> f64 {
        self.loss / self.images
    }

    fn add(&mut self, other: Self) {
        self.loss += other.loss;
        self.right += other.right;
        self.images += other.images;
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;

    #[test]
    fn rounds_grow_fourfold_to_all_batches() {
        assert_eq!(rounds(4, 40), [4, 16, 40]);
        assert_eq!(rounds(4, 16), [4, 16]);
        assert_eq!(rounds(4, 3), [3]);
    }

    #[test]
    fn a_quarter_stays_but_not_fewer_than_four() {
        assert_eq!([64, 16, 10, 3].map(stay), [16, 4, 4, 3]);
    }

    #[test]
    fn the_best_is_found_although_most_are_looked_at_on_a_few_batches_alone() {
        // The loss of candidate k is |k - 23|, and on early batches off by up to 5.
        let mut looks = 0;
        let look = |batch: u64, positions: &[usize]| {
            looks += positions.len();
            let of = |&position: &usize| {
                let noise = (position * 7 + batch as usize * 3) % 11;
                let off = if batch < 4 { noise as f64 - 5.0 } else { 0.0 };
                let loss = (position as f64 - 23.0).abs() + off;
                Look { loss, right: 0.0, images: 1.0 }
            };
            Ok::<_, Infallible>(positions.iter().map(of).collect())
        };
        let ranked = rank(64, &rounds(4, 40), look).unwrap();
        assert_eq!(ranked[0].position, 23);
        assert_eq!(ranked[0].seen.images as u64, 40);
        assert_eq!(looks, 64 * 4 + 16 * 12 + 4 * 24);
        assert_eq!(looks as u64, super::looks(64, &rounds(4, 40)));
        let mut positions: Vec<usize> = ranked.iter().map(|standing| standing.position).collect();
        positions.sort_unstable();
        assert_eq!(positions, (0..64).collect::<Vec<_>>());
        assert_eq!(ranked[63].seen.images as u64, 4);
    }

    #[test]
    fn an_error_of_a_look_is_passed_on() {
        let result = rank(3, &[1], |_, _| Err::<Vec<Look>, _>("no images"));
        assert_eq!(result, Err("no images"));
    }
}
