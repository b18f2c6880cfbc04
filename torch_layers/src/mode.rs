//! The mode of a forward pass says what it is for.

/// What a forward pass is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Training: normalisations use the batch's statistics and remember them; dropout drops.
    Train,
    /// Judging weights that are shared by many networks, whose remembered statistics are of none of them:
    /// normalisations use the batch's statistics and do not remember them; dropout does nothing.
    BatchStatistics,
    /// Using what was trained: normalisations use what they remember; dropout does nothing.
    Evaluate,
}
