//! Blocks are the parts of a range that threads work on, one each.

use std::num::NonZeroUsize;
use std::ops::Range;
use std::{panic, thread};

/// Applies a function to consecutive parts of `0..count`, each in a thread of its own, and gives the results
/// in order. Of several errors it is that of the first part, so that it is always the same one.
///
/// # Errors
/// That of the function.
pub(crate) fn in_blocks<T: Send, E: Send>(
    count: usize,
    work: impl Fn(Range<usize>) -> Result<T, E> + Sync,
) -> Result<Vec<T>, E> {
    let threads = thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let size = count.div_ceil(threads).max(1);
    let blocks = (0..count).step_by(size).map(|start| start..count.min(start + size));
    thread::scope(|scope| {
        let work = &work;
        let threads: Vec<_> = blocks.map(|block| scope.spawn(move || work(block))).collect();
        let join = |thread: thread::ScopedJoinHandle<'_, _>| {
            thread.join().unwrap_or_else(|panicked| panic::resume_unwind(panicked))
        };
        threads.into_iter().map(join).collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_the_whole_range_in_order() {
        for count in [0, 1, 2, 3, 17, 1000] {
            let blocks = in_blocks(count, |block| Ok::<_, ()>(block.collect::<Vec<_>>())).unwrap();
            assert_eq!(blocks.concat(), (0..count).collect::<Vec<_>>());
        }
    }

    #[test]
    fn the_error_is_that_of_the_first_item_that_has_one() {
        let fail = |block: Range<usize>| match block.into_iter().find(|item| 100 <= *item) {
            Some(item) => Err(item),
            None => Ok(()),
        };
        assert_eq!(in_blocks(1000, fail), Err(100));
    }
}
