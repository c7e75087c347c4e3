//! What is on record of a job.

use super::Job;
use crate::arcp::runtime::jobs::state::JobState;

impl Job {
    /// Notes that its acceptance is the last store.
    pub(crate) fn accepted_in(&mut self, store: u64) {
        self.recorded.accepted = store;
    }

    /// Notes that its end is the last store.
    pub(crate) fn ended_in(&mut self, store: u64) {
        self.recorded.ended = store;
    }

    /// Returns its status (§7.3) as far as it is durable, if `durable` is the number of the last store that is; `None` if it
    /// was not accepted then. Without that number, it is the present status.
    pub(crate) fn status_on_record(&self, durable: Option<u64>) -> Option<&'static str> {
        match durable {
            Some(durable) if self.recorded.accepted > durable => None,
            Some(durable) if self.recorded.ended > durable => Some(JobState::Running.as_str()),
            Some(_) | None => Some(self.state.as_str()),
        }
    }
}
