//! The parent is the process that started this one, which may wait for what it has to say.

/// Ends this process when its parent ends, killed or not.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(crate) fn end_with_it() {
    // A trainer that cannot ask for it trains nevertheless.
    let _ = nix::sys::prctl::set_pdeathsig(nix::sys::signal::Signal::SIGKILL);
}

/// Other systems cannot: the process goes on to its own end.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(crate) fn end_with_it() {}
