//! The state of a job (§7.3).
//!
//! ```text
//! Asked --accept--> Pending --run--> Running --finish--> Success
//!   |                 |                |  \--fail, expire, abort--> Error
//!   decline           |                |  \--time_out--> TimedOut
//!   v                 |              cancel
//! Gone                |                v
//!                     |            Cancelling --finish, fail, grace over--> Cancelled
//!                     +--cancel, parent ended--> Cancelled
//!
//! Pending, Running --leave--> Left
//! ```
//!
//! Terminal states and `Left` have no exit, and the first cause wins: in `Cancelling` neither a timeout nor an expiry changes
//! anything.

use crate::arcp::wire::job::FinalStatus;
use crate::state::transitions;

/// The state of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum JobState {
    /// The host was asked whether the job may start; no peer knows of it yet.
    Asked,
    /// Accepted, waiting for a free slot of its agent.
    Pending,
    /// Its agent runs.
    Running,
    /// Its agent was asked to stop, and has `cancel_grace` to do so.
    Cancelling,
    /// Ended with a result.
    Success,
    /// Ended with an error.
    Error,
    /// Ended because it was cancelled, or the job that delegated it has ended.
    Cancelled,
    /// Ended because `max_runtime_sec` has passed.
    TimedOut,
    /// Declined: it was never accepted.
    Gone,
    /// Left to the next start of the runtime, which has a journal and is stopped. It has not ended, and here nothing
    /// more becomes of it.
    Left,
}

transitions!(JobState {
    /// The host has answered with `start`.
    accept: Asked => Pending;
    /// The host has answered with `decline` or not in time, its parent has ended, or the runtime is aborted.
    decline: Asked => Gone;
    /// A slot of its agent is free.
    run: Pending => Running;
    /// Its client, or the cancellation of its parent, asks it to stop.
    cancel: Pending => Cancelled, Running => Cancelling;
    /// Its agent has returned a result.
    finish: Running => Success, Cancelling => Cancelled;
    /// Its agent has failed.
    fail: Running => Error, Cancelling => Cancelled;
    /// `max_runtime_sec` is over.
    time_out: Running => TimedOut;
    /// Its lease has expired.
    expire: Pending | Running => Error;
    /// The time a cancelled agent has to stop is over.
    grace_over: Cancelling => Cancelled;
    /// The job that delegated it ends.
    end_with_parent: Pending | Running | Cancelling => Cancelled;
    /// The runtime is aborted.
    abort: Pending | Running => Error, Cancelling => Cancelled;
    /// The runtime is aborted, and the job goes on after a restart.
    leave: Pending | Running => Left;
});

impl JobState {
    /// The status on the wire (§7.3): a cancelled job runs until its agent has ended.
    pub const fn as_str(self) -> &'static str {
        match self {
            JobState::Asked | JobState::Pending | JobState::Left => "pending",
            JobState::Running | JobState::Cancelling => "running",
            JobState::Success => "success",
            JobState::Error | JobState::Gone => "error",
            JobState::Cancelled => "cancelled",
            JobState::TimedOut => "timed_out",
        }
    }

    /// Whether the agent may act.
    pub const fn is_running(self) -> bool {
        matches!(self, JobState::Running | JobState::Cancelling)
    }

    /// Whether the job was accepted and has not ended.
    pub const fn is_live(self) -> bool {
        matches!(self, JobState::Pending | JobState::Running | JobState::Cancelling)
    }

    pub(crate) const fn final_status(self) -> Option<FinalStatus> {
        match self {
            JobState::Success => Some(FinalStatus::Success),
            JobState::Error => Some(FinalStatus::Error),
            JobState::Cancelled => Some(FinalStatus::Cancelled),
            JobState::TimedOut => Some(FinalStatus::TimedOut),
            JobState::Asked
            | JobState::Pending
            | JobState::Running
            | JobState::Cancelling
            | JobState::Gone
            | JobState::Left => None,
        }
    }

    /// The state of a job that is on record as ended.
    pub(super) const fn ended(status: FinalStatus) -> JobState {
        match status {
            FinalStatus::Success => JobState::Success,
            FinalStatus::Error => JobState::Error,
            FinalStatus::Cancelled => JobState::Cancelled,
            FinalStatus::TimedOut => JobState::TimedOut,
        }
    }
}

/// Why a job ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cause {
    /// It was cancelled before it ran.
    Cancelled,
    /// Its agent has returned a result.
    Finished,
    /// Its agent has failed, or has broken a rule.
    Failed,
    /// `max_runtime_sec` is over.
    TimedOut,
    /// Its lease has expired.
    Expired,
    /// The time a cancelled agent has to stop is over.
    GraceOver,
    /// The job that delegated it ends.
    ParentEnded,
    /// The runtime is aborted.
    Aborted,
}

impl JobState {
    /// Ends the job for a cause; returns `None`, and changes nothing, if that does not end it in this state.
    pub(super) fn end(&mut self, cause: Cause) -> Option<FinalStatus> {
        let mut next = *self;
        let changed = match cause {
            Cause::Cancelled => next.cancel(),
            Cause::Finished => next.finish(),
            Cause::Failed => next.fail(),
            Cause::TimedOut => next.time_out(),
            Cause::Expired => next.expire(),
            Cause::GraceOver => next.grace_over(),
            Cause::ParentEnded => next.end_with_parent(),
            Cause::Aborted => next.abort(),
        };
        let status = next.final_status().filter(|_| changed)?;
        *self = next;
        Some(status)
    }
}

#[cfg(test)]
mod tests {
    use super::JobState;
    use crate::state::{Table as _, table};

    const ALL: [JobState; 10] = [
        JobState::Asked,
        JobState::Pending,
        JobState::Running,
        JobState::Cancelling,
        JobState::Success,
        JobState::Error,
        JobState::Cancelled,
        JobState::TimedOut,
        JobState::Gone,
        JobState::Left,
    ];

    #[test]
    fn s7_3_job() {
        insta::assert_snapshot!(table(&ALL));
    }

    #[test]
    fn s7_3_terminal_states_have_no_exit() {
        let last = [JobState::Success, JobState::Error, JobState::Cancelled, JobState::TimedOut];
        for state in last.into_iter().chain([JobState::Gone, JobState::Left]) {
            for (name, transition) in JobState::TRANSITIONS {
                let mut next = state;
                assert!(!transition(&mut next), "{state:?} {name}");
            }
        }
    }

    #[test]
    fn s7_4_a_cancelled_job_can_only_end_cancelled() {
        for (name, transition) in JobState::TRANSITIONS {
            let mut next = JobState::Cancelling;
            let changed = transition(&mut next);
            assert!(!changed || next == JobState::Cancelled, "{name} leads to {next:?}");
        }
    }
}
