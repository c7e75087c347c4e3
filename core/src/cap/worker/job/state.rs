//! The state of a job in its worker.
//!
//! ```text
//! Queued --fetch--> Fetching --run--> Running --store--> Storing --end--> Ended
//!   |                                  | ^ |  \--fail-------------------> Ended
//!   +---------run--------------------> | | |   \--stop--> Stopping --stopped--> Ended
//!                                 pause| |run
//!                                      v |
//!                                   Pausing
//!
//! Queued, Fetching, Pausing --end--> Ended          Fetching --store--> Storing: an earlier run has stored the output
//! ```
//!
//! A job that is cancelled, or whose deadline has passed, gets its result at once. If its handler is running, the job
//! keeps its slot until the handler has ended, so that there are never more running handlers than slots.

use crate::state::transitions;

/// The state of a job in its worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WorkerJobState {
    /// It waits for a slot.
    Queued,
    /// Its input is being read. The store is also asked for an output of an earlier run.
    Fetching,
    /// Its handler runs.
    Running,
    /// Its handler has failed, and is called again after a pause.
    Pausing,
    /// Its output is being stored.
    Storing,
    /// Its result is published, and its handler has to stop.
    Stopping,
    /// Its result is published.
    Ended,
}

transitions!(WorkerJobState {
    /// A slot is free, and there is something to read.
    fetch: Queued => Fetching;
    /// There is nothing to read, the input has been read, or the pause has ended.
    run: Queued | Fetching | Pausing => Running;
    /// An attempt has failed, and another one follows.
    pause: Running => Pausing;
    /// The handler has returned an output, or an earlier run of the job has stored one.
    store: Running | Fetching => Storing;
    /// The last attempt has failed.
    fail: Running => Ended;
    /// The job is cancelled, or its deadline passes, while its handler runs.
    stop: Running => Stopping;
    /// The handler has ended.
    stopped: Stopping => Ended;
    /// The output is stored; or the job is cancelled, misses its deadline or cannot run while no handler runs.
    end: Queued | Fetching | Pausing | Storing => Ended;
});

impl WorkerJobState {
    /// Whether the job occupies one of the worker's slots.
    pub(in crate::cap::worker) const fn has_slot(self) -> bool {
        !matches!(self, WorkerJobState::Queued | WorkerJobState::Ended)
    }
}

#[cfg(test)]
mod tests {
    use super::WorkerJobState;
    use crate::state::{Table as _, table};

    #[test]
    fn worker_job() {
        use WorkerJobState::{Ended, Fetching, Pausing, Queued, Running, Stopping, Storing};
        insta::assert_snapshot!(table(&[Queued, Fetching, Running, Pausing, Storing, Stopping, Ended]));
    }

    #[test]
    fn an_ended_job_stays_ended() {
        for (name, transition) in WorkerJobState::TRANSITIONS {
            let mut state = WorkerJobState::Ended;
            assert!(!transition(&mut state), "{name}");
        }
    }
}
