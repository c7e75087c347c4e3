//! Numbers for metrics: what a runtime holds, and what it has counted.

use crate::arcp::wire::error::ErrorCode;
use crate::arcp::wire::job::FinalStatus;

/// What a runtime holds now, and what it has counted since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Connections, welcomed or not.
    pub connections: usize,
    /// Sessions with a connection.
    pub sessions_live: usize,
    /// Sessions without a connection, which can be resumed.
    pub sessions_detached: usize,
    /// Jobs that wait for the host's answer or for a slot of their agent.
    pub jobs_pending: usize,
    /// Jobs whose agent runs.
    pub jobs_running: usize,
    /// Jobs whose agent runs and was asked to stop.
    pub jobs_cancelling: usize,
    /// Ended jobs that are still kept.
    pub jobs_kept: usize,
    /// Questions to people that are open (ours).
    pub questions_open: usize,
    /// Bytes held: [`Runtime::bytes_held`](crate::arcp::Runtime::bytes_held).
    pub bytes_held: usize,
    /// The counters.
    pub totals: Totals,
}

/// Counters since the runtime was made, which only grow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Sessions opened.
    pub sessions: u64,
    /// Sessions resumed (§6.3).
    pub resumes: u64,
    /// Jobs accepted, delegated ones included.
    pub jobs: u64,
    /// Events of jobs. Each is counted once, regardless of the number of sessions that watch the job (§8).
    pub events: u64,
    /// Times that an agent had to wait for space in a log.
    pub blocked: u64,
    /// Back-pressure events (§6.5).
    pub back_pressure: u64,
    /// Ended jobs, in the order of [`Totals::ended`].
    pub(super) ended: [u64; 4],
    /// Refused frames, in the order of [`ErrorCode::ALL`].
    pub(super) refused: [u64; 15],
}

impl Totals {
    /// Returns the number of jobs that ended with a status (§7.3).
    pub fn ended(&self, status: FinalStatus) -> u64 {
        let [success, error, cancelled, timed_out] = self.ended;
        match status {
            FinalStatus::Success => success,
            FinalStatus::Error => error,
            FinalStatus::Cancelled => cancelled,
            FinalStatus::TimedOut => timed_out,
        }
    }

    /// Returns the number of frames refused with a code (§12), hellos included.
    pub fn refused(&self, code: ErrorCode) -> u64 {
        ErrorCode::ALL.into_iter().zip(self.refused).find(|(known, _)| *known == code).map_or(0, |(_, count)| count)
    }

    pub(super) fn count_ended(&mut self, status: FinalStatus) {
        let [success, error, cancelled, timed_out] = &mut self.ended;
        *match status {
            FinalStatus::Success => success,
            FinalStatus::Error => error,
            FinalStatus::Cancelled => cancelled,
            FinalStatus::TimedOut => timed_out,
        } += 1;
    }

    pub(super) fn count_refused(&mut self, code: ErrorCode) {
        let known = ErrorCode::ALL.into_iter().zip(&mut self.refused).find(|(known, _)| *known == code);
        if let Some((_, count)) = known {
            *count += 1;
        }
    }
}
