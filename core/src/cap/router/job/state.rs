//! The state of a job in its router (spec/07).
//!
//! ```text
//! Pending --check--> Checking --hold--> Approval          PENDING, then SCHEDULED
//!    |               ^ |  |                | |
//!    |          check| |throttle           | |
//!    |            Throttled <----throttle--+ |
//!    +---schedule--> Scheduled <--schedule---+            SCHEDULED
//!                        |dispatch
//!                    Dispatched --run--> Running          DISPATCHED, RUNNING
//!                     ^  |pause            |pause
//!             dispatch|  v                 v
//!                    Retrying <------------+              FAILED_RETRYABLE
//!
//! Dispatched, Running --stop--> Cancelling
//! every live state --cancel, fail, expire, deny, ...--> Cancelled | Failed | TimedOut | Denied | ...
//! ```
//!
//! The states within SCHEDULED are Nuncio's own, because the specification does not name what a job waits for.

use crate::cap::wire::job::JobStatus;
use crate::state::transitions;

/// Where a job stands in its router.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RouterJobState {
    /// It was accepted.
    Pending,
    /// The policy is asked whether it may run.
    Checking,
    /// A person has to approve it.
    Approval,
    /// The policy is asked again after a pause.
    Throttled,
    /// It may run, and waits to be sent.
    Scheduled,
    /// It was sent, and nothing was heard of it yet.
    Dispatched,
    /// A worker runs it.
    Running,
    /// An attempt has failed, and it will be sent again.
    Retrying,
    /// It was cancelled, and its worker has not ended it yet.
    Cancelling,
    /// It has succeeded.
    Succeeded,
    /// It has failed.
    Failed,
    /// It has failed, and every further attempt will.
    FailedFatal,
    /// It was cancelled.
    Cancelled,
    /// The policy does not allow it.
    Denied,
    /// It took too long.
    TimedOut,
}

transitions!(RouterJobState {
    /// The policy is asked.
    check: Pending | Throttled => Checking;
    /// The policy requires the decision of a person.
    hold: Checking => Approval;
    /// The policy is asked again later.
    throttle: Checking | Approval => Throttled;
    /// The job may run.
    schedule: Pending | Checking | Approval => Scheduled;
    /// The job is sent.
    dispatch: Scheduled | Retrying => Dispatched;
    /// A worker has begun.
    run: Dispatched | Retrying => Running;
    /// An attempt has failed, or nothing was heard of it.
    pause: Dispatched | Running => Retrying;
    /// The job is cancelled while a worker may run it.
    stop: Dispatched | Running => Cancelling;
    /// A worker reports success.
    succeed: Dispatched | Running | Retrying | Cancelling => Succeeded;
    /// The job can no longer succeed.
    fail: Pending | Checking | Approval | Throttled | Scheduled | Dispatched | Running | Retrying | Cancelling => Failed;
    /// A worker reports that every further attempt will fail.
    fail_fatal: Dispatched | Running | Retrying | Cancelling => FailedFatal;
    /// The job is cancelled while no worker has it, or its worker has ended it.
    cancel: Pending | Checking | Approval | Throttled | Scheduled | Dispatched | Running | Retrying | Cancelling => Cancelled;
    /// The policy or a worker denies the job.
    deny: Pending | Checking | Approval | Throttled | Scheduled | Dispatched | Running | Retrying | Cancelling => Denied;
    /// A deadline has passed.
    expire: Pending | Checking | Approval | Throttled | Scheduled | Dispatched | Running | Retrying | Cancelling => TimedOut;
});

impl RouterJobState {
    /// Returns the status of the protocol.
    pub const fn status(self) -> JobStatus {
        match self {
            RouterJobState::Pending => JobStatus::PENDING,
            RouterJobState::Checking
            | RouterJobState::Approval
            | RouterJobState::Throttled
            | RouterJobState::Scheduled => JobStatus::SCHEDULED,
            RouterJobState::Dispatched => JobStatus::DISPATCHED,
            // The worker may not have begun, which cannot be told from outside.
            RouterJobState::Running | RouterJobState::Cancelling => JobStatus::RUNNING,
            RouterJobState::Retrying => JobStatus::FAILED_RETRYABLE,
            RouterJobState::Succeeded => JobStatus::SUCCEEDED,
            RouterJobState::Failed => JobStatus::FAILED,
            RouterJobState::FailedFatal => JobStatus::FAILED_FATAL,
            RouterJobState::Cancelled => JobStatus::CANCELLED,
            RouterJobState::Denied => JobStatus::DENIED,
            RouterJobState::TimedOut => JobStatus::TIMEOUT,
        }
    }

    /// Whether the job has ended.
    pub const fn is_terminal(self) -> bool {
        matches!(
            self,
            RouterJobState::Succeeded
                | RouterJobState::Failed
                | RouterJobState::FailedFatal
                | RouterJobState::Cancelled
                | RouterJobState::Denied
                | RouterJobState::TimedOut
        )
    }

    /// Whether a worker may have the job.
    pub(in crate::cap::router) const fn is_at_worker(self) -> bool {
        matches!(self, RouterJobState::Dispatched | RouterJobState::Running | RouterJobState::Cancelling)
    }

    /// Whether the job can end with a status.
    pub(in crate::cap::router) fn can_end(mut self, status: JobStatus) -> bool {
        self.end(status)
    }

    /// Ends the job with a status. Returns false if it has ended, or the status is not the last one of a job.
    pub(in crate::cap::router) fn end(&mut self, status: JobStatus) -> bool {
        match status {
            JobStatus::SUCCEEDED => self.succeed(),
            JobStatus::FAILED => self.fail(),
            JobStatus::FAILED_FATAL => self.fail_fatal(),
            JobStatus::CANCELLED => self.cancel(),
            JobStatus::DENIED => self.deny(),
            JobStatus::TIMEOUT => self.expire(),
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::RouterJobState;
    use crate::state::{Table as _, table};

    use RouterJobState::{
        Approval, Cancelled, Cancelling, Checking, Denied, Dispatched, Failed, FailedFatal, Pending, Retrying, Running,
        Scheduled, Succeeded, Throttled, TimedOut,
    };

    const LIVE: [RouterJobState; 9] =
        [Pending, Checking, Approval, Throttled, Scheduled, Dispatched, Running, Retrying, Cancelling];
    const ENDED: [RouterJobState; 6] = [Succeeded, Failed, FailedFatal, Cancelled, Denied, TimedOut];

    #[test]
    fn router_job() {
        insta::assert_snapshot!(table(&[&LIVE[..], &ENDED[..]].concat()));
    }

    #[test]
    fn s7_an_ended_job_stays_ended() {
        for (name, transition) in RouterJobState::TRANSITIONS {
            for ended in ENDED {
                let mut state = ended;
                assert!(!transition(&mut state), "{name} leaves {ended:?}");
                assert!(ended.is_terminal());
            }
        }
        assert!(LIVE.iter().all(|state| !state.is_terminal()));
    }

    /// Only a further attempt leads back, and a job that was sent is never merely scheduled again.
    #[test]
    fn s7_no_transition_goes_backwards() {
        for from in LIVE {
            for (name, transition) in RouterJobState::TRANSITIONS {
                let mut to = from;
                if transition(&mut to) && from != Retrying {
                    assert!(from.status() <= to.status() || to.is_terminal(), "{name}: {from:?} to {to:?}");
                }
            }
        }
    }
}
