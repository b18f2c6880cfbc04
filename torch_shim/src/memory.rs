//! The process's memory: whether a block that was freed stays for the next one of its size.

use std::ffi::c_int;

unsafe extern "C" {
    fn shim_keep_freed_memory() -> c_int;
}

/// What [`keep_freed_memory`] could do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FreedMemory {
    /// It stays with the process, up to the most that it ever held.
    Kept,
    /// This system's allocator does not take the wish (it is glibc's that does).
    AsTheSystemDoes,
}

/// Has the allocator keep large blocks that are freed. libtorch takes memory for every output and frees it
/// soon after; the system's default gives blocks of more than 128 KB back at once, and each page of the next
/// one is a fault: half the time of an operation on large maps, and different from run to run.
///
/// It is for the whole process, from now on: a program calls it once, before its work.
pub fn keep_freed_memory() -> FreedMemory {
    // SAFETY: it sets two parameters of the allocator, which it takes at any time.
    match unsafe { shim_keep_freed_memory() } {
        0 => FreedMemory::AsTheSystemDoes,
        _ => FreedMemory::Kept,
    }
}

#[cfg(test)]
mod tests {
    use nix::sys::resource::{UsageWho, getrusage};
    use tch::{Device, Kind, Tensor};

    use super::*;

    const MEGABYTE: i64 = 1 << 20;

    fn page_faults_of_this_thread() -> i64 {
        getrusage(UsageWho::RUSAGE_THREAD).unwrap().minor_page_faults()
    }

    #[test]
    fn a_tensor_of_a_size_that_was_freed_before_has_its_pages_already() {
        if keep_freed_memory() == FreedMemory::AsTheSystemDoes {
            return;
        }
        // A thread has a heap of its own that takes at most 64 MB, whichever thread this test runs in.
        for bytes in [MEGABYTE, 20 * MEGABYTE] {
            // Where a tensor comes to lie is by what the heap has free: the first few may each have a new place. Where freed
            // memory is given back, every one of them has new pages.
            let faults = (0..6).map(|_| {
                let before = page_faults_of_this_thread();
                drop(Tensor::ones([bytes], (Kind::Uint8, Device::Cpu)));
                page_faults_of_this_thread() - before
            });
            let faults = faults.skip(1).min().unwrap();
            assert!(faults < 20, "{faults} page faults for {bytes} bytes that were freed before");
        }
    }
}
