//! Which stores have the beginning and the end of a job.

/// The numbers of stores; 0 stands for one before the last restart.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Recorded {
    pub(super) accepted: u64,
    pub(super) ended: u64,
}
