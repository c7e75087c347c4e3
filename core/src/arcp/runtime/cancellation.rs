//! A cancellation that goes on in later turns.

use alloc::string::String;
use alloc::vec::Vec;

use super::host::JobKey;

/// A cancellation of a job and of the jobs below it, whose agents are asked to stop.
#[derive(Clone, Debug)]
pub(super) struct Cancellation {
    /// The jobs that it has not reached, the next one last. It goes on with the jobs below each.
    pub(super) open: Vec<JobKey>,
    pub(super) reason: Option<String>,
}

impl Cancellation {
    pub(super) fn held(&self) -> usize {
        self.open.len() * size_of::<JobKey>() + self.reason.as_ref().map_or(0, String::len)
    }
}
