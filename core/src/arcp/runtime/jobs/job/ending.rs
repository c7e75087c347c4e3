//! The end of a job that waits for the jobs below it.

use alloc::boxed::Box;

use super::Job;
use crate::arcp::runtime::jobs::ending::JobEnd;

impl Job {
    /// Returns whether nothing more becomes of it than its end, which waits for the jobs below it.
    pub(crate) fn is_ending(&self) -> bool {
        self.ending.is_some()
    }

    pub(in crate::arcp::runtime::jobs) fn keep_ending(&mut self, ending: JobEnd) {
        self.ending = Some(Box::new(ending));
    }

    pub(in crate::arcp::runtime::jobs) fn take_ending(&mut self) -> Option<JobEnd> {
        self.ending.take().map(|ending| *ending)
    }

    pub(super) fn ending_held(&self) -> usize {
        self.ending.as_ref().map_or(0, |ending| ending.held())
    }
}
