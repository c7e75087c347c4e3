//! Numbers for metrics: what a runtime holds, and what it has counted.

use alloc::string::String;
use core::ops::AddAssign;
use core::time::Duration;

use crate::arcp::wire::error::ErrorCode;
use crate::arcp::wire::job::FinalStatus;
use crate::histogram::Histogram;

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
    ended: Ends,
    /// Refused frames, in the order of [`ErrorCode::ALL`].
    pub(super) refused: [u64; 15],
}

impl Totals {
    /// Returns the number of jobs that ended with a status (§7.3).
    pub fn ended(&self, status: FinalStatus) -> u64 {
        self.ended.of(status)
    }

    /// Returns the number of frames refused with a code (§12), hellos included.
    pub fn refused(&self, code: ErrorCode) -> u64 {
        ErrorCode::ALL.into_iter().zip(self.refused).find(|(known, _)| *known == code).map_or(0, |(_, count)| count)
    }

    pub(super) fn count_ended(&mut self, status: FinalStatus) {
        self.ended.count(status);
    }

    pub(super) fn count_refused(&mut self, code: ErrorCode) {
        let known = ErrorCode::ALL.into_iter().zip(&mut self.refused).find(|(known, _)| *known == code);
        if let Some((_, count)) = known {
            *count += 1;
        }
    }
}

/// What a runtime holds for one agent, all its versions together, and what it has counted since it was made.
///
/// Jobs that a restart has restored are not accepted again, but are counted when they run and when they end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentStats {
    /// The name of the agent, without a version.
    pub name: String,
    /// Jobs that wait for a slot of the agent.
    pub jobs_waiting: usize,
    /// Jobs that have a slot, those that were asked to stop included.
    pub jobs_running: usize,
    /// The counters.
    pub counts: AgentCounts,
}

/// Counters of one agent, which only grow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AgentCounts {
    /// Jobs accepted, delegated ones included.
    pub jobs: u64,
    /// How long jobs have waited for a slot, each counted when it runs. Those that have ended before are not counted.
    pub waits: Histogram,
    /// How long jobs have run, each counted when it ends. Those that have never run are not counted.
    pub runs: Histogram,
    ended: Ends,
}

impl AgentCounts {
    /// Returns the number of jobs that ended with a status (§7.3).
    pub fn ended(&self, status: FinalStatus) -> u64 {
        self.ended.of(status)
    }

    pub(super) fn count_ended(&mut self, status: FinalStatus, ran: Option<Duration>) {
        self.ended.count(status);
        if let Some(ran) = ran {
            self.runs.observe(ran);
        }
    }
}

impl Default for AgentCounts {
    fn default() -> AgentCounts {
        AgentCounts { jobs: 0, waits: Histogram::of_jobs(), runs: Histogram::of_jobs(), ended: Ends::default() }
    }
}

/// Ended jobs by their final statuses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Ends {
    success: u64,
    error: u64,
    cancelled: u64,
    timed_out: u64,
}

impl Ends {
    fn of(&self, status: FinalStatus) -> u64 {
        match status {
            FinalStatus::Success => self.success,
            FinalStatus::Error => self.error,
            FinalStatus::Cancelled => self.cancelled,
            FinalStatus::TimedOut => self.timed_out,
        }
    }

    fn count(&mut self, status: FinalStatus) {
        *match status {
            FinalStatus::Success => &mut self.success,
            FinalStatus::Error => &mut self.error,
            FinalStatus::Cancelled => &mut self.cancelled,
            FinalStatus::TimedOut => &mut self.timed_out,
        } += 1;
    }
}

// The numbers of several runtimes of one host.

impl AddAssign for Stats {
    fn add_assign(&mut self, other: Stats) {
        let Stats {
            connections,
            sessions_live,
            sessions_detached,
            jobs_pending,
            jobs_running,
            jobs_cancelling,
            jobs_kept,
            questions_open,
            bytes_held,
            totals,
        } = other;
        self.connections += connections;
        self.sessions_live += sessions_live;
        self.sessions_detached += sessions_detached;
        self.jobs_pending += jobs_pending;
        self.jobs_running += jobs_running;
        self.jobs_cancelling += jobs_cancelling;
        self.jobs_kept += jobs_kept;
        self.questions_open += questions_open;
        self.bytes_held += bytes_held;
        self.totals += totals;
    }
}

impl AddAssign for Totals {
    fn add_assign(&mut self, other: Totals) {
        let Totals { sessions, resumes, jobs, events, blocked, back_pressure, ended, refused } = other;
        self.sessions += sessions;
        self.resumes += resumes;
        self.jobs += jobs;
        self.events += events;
        self.blocked += blocked;
        self.back_pressure += back_pressure;
        self.ended += ended;
        self.refused.iter_mut().zip(refused).for_each(|(count, more)| *count += more);
    }
}

/// Adds the numbers of the same agent in another runtime.
impl AddAssign for AgentStats {
    fn add_assign(&mut self, other: AgentStats) {
        let AgentStats { name, jobs_waiting, jobs_running, counts } = other;
        debug_assert_eq!(self.name, name, "the agent is the same");
        self.jobs_waiting += jobs_waiting;
        self.jobs_running += jobs_running;
        self.counts += counts;
    }
}

impl AddAssign for AgentCounts {
    fn add_assign(&mut self, other: AgentCounts) {
        let AgentCounts { jobs, waits, runs, ended } = other;
        self.jobs += jobs;
        self.waits += waits;
        self.runs += runs;
        self.ended += ended;
    }
}

impl AddAssign for Ends {
    fn add_assign(&mut self, other: Ends) {
        let Ends { success, error, cancelled, timed_out } = other;
        self.success += success;
        self.error += error;
        self.cancelled += cancelled;
        self.timed_out += timed_out;
    }
}
