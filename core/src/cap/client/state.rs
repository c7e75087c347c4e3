//! The state of a job in its client.
//!
//! ```text
//! Submitted --cancel--> Cancelling
//!     |                     |
//!     +--end--> Ended <--end+
//! ```

use crate::state::transitions;

/// The state of a job in its client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SubmitState {
    /// Its result is awaited.
    Submitted,
    /// Its result is awaited, and it was asked to stop.
    Cancelling,
    /// It has a result, or is no longer waited for.
    Ended,
}

transitions!(SubmitState {
    /// The host cancels the job.
    cancel: Submitted => Cancelling;
    /// The result has arrived, the time to wait has ended, or the host has called `forget`.
    end: Submitted | Cancelling => Ended;
});

#[cfg(test)]
mod tests {
    use super::SubmitState;
    use crate::state::table;

    #[test]
    fn client_job() {
        insta::assert_snapshot!(table(&[SubmitState::Submitted, SubmitState::Cancelling, SubmitState::Ended]));
    }
}
