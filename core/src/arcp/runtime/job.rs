//! A job (§7.3).
//!
//! ```text
//! Asked --accept--> Pending --run--> Running --finish--> Success
//!   |                 |                |  \--fail, expire, abort--> Error
//!   decline           |                |  \--timeout--> TimedOut
//!   v                 |              cancel
//! Gone                |                v
//!                     |            Cancelling --finish, fail, grace over--> Cancelled
//!                     +--cancel, parent ended--> Cancelled
//! ```
//!
//! A job belongs to the runtime, not to a connection: a session's end never ends a job. Terminal states have no exit, and
//! the first cause wins: in `Cancelling` neither a timeout nor an expiry changes anything.

use alloc::boxed::Box;
use alloc::collections::{BTreeSet, VecDeque};
use alloc::sync::Arc;
use alloc::vec::Vec;

use bytes::Bytes;
use serde_json::value::RawValue;

use crate::arcp::runtime::host::{JobId, SessionKey};
use crate::arcp::wire::credential::Credential;
use crate::arcp::wire::feature::Features;
use crate::arcp::wire::ids::ResultId;
use crate::arcp::wire::job::FinalStatus;
use crate::arcp::wire::job::{Accepted, Terminal};
use crate::budget::{Amounts, Budget};
use crate::digest::Digest;
use crate::time::Time;

/// Where a job stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum JobState {
    /// The host was asked whether the job may start; nobody has been told of it.
    Asked,
    /// Accepted, waiting for a free slot of its agent.
    Pending,
    /// Its agent runs.
    Running,
    /// Its agent was asked to stop and has a grace.
    Cancelling,
    /// Ended well.
    Success,
    /// Ended with an error.
    Error,
    /// Ended because it, or the job it was delegated by, was cancelled or ended.
    Cancelled,
    /// Ended because it ran too long.
    TimedOut,
    /// Was never accepted.
    Gone,
}

/// What can happen to a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum JobEvent {
    /// The host answered with `start`.
    Accept,
    /// The host answered with `decline`, or not in time.
    Decline,
    /// A slot is free.
    Run,
    /// The client, or the parent's cancellation, asks it to stop.
    Cancel,
    /// The agent returned a result.
    Finish,
    /// The agent failed.
    Fail,
    /// `max_runtime_sec` is over.
    Timeout,
    /// The lease has expired and the job may not go on.
    Expire,
    /// The grace of a cancelled agent is over.
    GraceOver,
    /// The job it was delegated by ends.
    ParentEnded,
    /// The runtime is going down.
    Abort,
}

impl JobEvent {
    /// Every event, for tables.
    pub const ALL: [JobEvent; 11] = [
        JobEvent::Accept,
        JobEvent::Decline,
        JobEvent::Run,
        JobEvent::Cancel,
        JobEvent::Finish,
        JobEvent::Fail,
        JobEvent::Timeout,
        JobEvent::Expire,
        JobEvent::GraceOver,
        JobEvent::ParentEnded,
        JobEvent::Abort,
    ];
}

impl JobState {
    /// Every state, for tables.
    pub const ALL: [JobState; 9] = [
        JobState::Asked,
        JobState::Pending,
        JobState::Running,
        JobState::Cancelling,
        JobState::Success,
        JobState::Error,
        JobState::Cancelled,
        JobState::TimedOut,
        JobState::Gone,
    ];

    /// Where `event` leads from here; `None` if it changes nothing here.
    pub const fn next(self, event: JobEvent) -> Option<JobState> {
        match (self, event) {
            (JobState::Asked, JobEvent::Accept) => Some(JobState::Pending),
            (JobState::Asked, JobEvent::Decline | JobEvent::ParentEnded | JobEvent::Abort) => Some(JobState::Gone),
            (JobState::Pending, JobEvent::Run) => Some(JobState::Running),
            (JobState::Running, JobEvent::Cancel) => Some(JobState::Cancelling),
            (JobState::Running, JobEvent::Finish) => Some(JobState::Success),
            (JobState::Running, JobEvent::Timeout) => Some(JobState::TimedOut),
            (JobState::Running, JobEvent::Fail)
            | (JobState::Pending | JobState::Running, JobEvent::Expire | JobEvent::Abort) => Some(JobState::Error),
            (JobState::Pending, JobEvent::Cancel | JobEvent::ParentEnded)
            | (JobState::Running, JobEvent::ParentEnded)
            | (
                JobState::Cancelling,
                JobEvent::Finish | JobEvent::Fail | JobEvent::GraceOver | JobEvent::ParentEnded | JobEvent::Abort,
            ) => Some(JobState::Cancelled),
            _ => None,
        }
    }

    /// The status on the wire (§7.3): a cancelled job runs until its agent has ended.
    pub const fn as_str(self) -> &'static str {
        match self {
            JobState::Asked | JobState::Pending => "pending",
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
            JobState::Asked | JobState::Pending | JobState::Running | JobState::Cancelling | JobState::Gone => None,
        }
    }
}

/// An event of a job as its subscribers may still read it, numbered by its owner.
#[derive(Clone, Debug)]
pub(crate) struct Past {
    pub(crate) seq: u64,
    pub(crate) needs: Features,
    pub(crate) payload: Bytes,
}

/// The last events of a job; positions count from the first event ever.
#[derive(Clone, Debug, Default)]
pub(crate) struct History {
    events: VecDeque<Past>,
    first: u64,
    bytes: usize,
    /// The owner's number of the last event that was dropped.
    dropped_to: u64,
}

impl History {
    pub(crate) fn push(&mut self, past: Past, max_events: usize, max_bytes: usize) {
        self.bytes += past.payload.len() + 64;
        self.events.push_back(past);
        while self.events.len() > max_events || self.bytes > max_bytes {
            self.drop_first();
        }
    }

    fn drop_first(&mut self) {
        if let Some(past) = self.events.pop_front() {
            self.bytes -= past.payload.len() + 64;
            self.dropped_to = past.seq;
            self.first += 1;
        }
    }

    /// The position of the first event that is kept.
    pub(crate) fn begin(&self) -> u64 {
        self.first
    }

    /// The next event has this position and this owner's number: where that is not the one after the last, everything before is dropped.
    pub(crate) fn skip_to(&mut self, position: u64, seq: u64) {
        if position != self.end() {
            while !self.events.is_empty() {
                self.drop_first();
            }
            self.first = position;
            self.dropped_to = seq.saturating_sub(1);
        }
    }

    /// The position after the last event.
    pub(crate) fn end(&self) -> u64 {
        self.first + self.events.len() as u64
    }

    /// The position of the first event after the owner's number `seq`, and whether events in between were dropped.
    pub(crate) fn after(&self, seq: u64) -> (u64, bool) {
        let skipped = self.events.partition_point(|past| past.seq <= seq) as u64;
        (self.first + skipped, self.first > 0 && seq < self.dropped_to)
    }

    /// The event at a position; `Err` if it was dropped.
    pub(crate) fn at(&self, position: u64) -> Result<Option<&Past>, ()> {
        let index = position.checked_sub(self.first).ok_or(())?;
        Ok(usize::try_from(index).ok().and_then(|index| self.events.get(index)))
    }

    pub(crate) fn held(&self) -> usize {
        self.bytes
    }
}

/// The streamed result of a job (§8.4).
#[derive(Clone, Debug)]
pub(crate) struct Stream {
    pub(crate) result_id: Box<str>,
    pub(crate) next: u64,
    pub(crate) bytes: u64,
    pub(crate) open: bool,
}

/// What the writer was given for a session that cannot take chunks: it is delivered inline.
#[derive(Clone, Debug, Default)]
pub(crate) struct Gathered {
    pub(crate) data: Vec<u8>,
    pub(crate) binary: bool,
}

/// An inline result that is too large for a frame: it leaves as chunks while the log has room.
#[derive(Clone, Debug)]
pub(crate) struct Tail {
    pub(crate) result: Bytes,
    pub(crate) at: usize,
    pub(crate) result_id: ResultId,
}

/// Who waits for the answer to a submit that the host has not answered yet.
#[derive(Clone, Debug)]
pub(crate) struct Waiter {
    pub(crate) session: SessionKey,
    pub(crate) request_id: Box<str>,
}

/// The deadlines of a job, as they stand in the timers.
#[derive(Clone, Debug, Default)]
pub(crate) struct Deadlines {
    pub(crate) submit: Option<Time>,
    pub(crate) runtime: Option<Time>,
    pub(crate) expiry: Option<Time>,
    pub(crate) grace: Option<Time>,
}

/// A job and everything that is known of it.
#[derive(Clone, Debug)]
pub(crate) struct Job {
    pub(crate) state: JobState,
    pub(crate) accepted: Arc<Accepted>,
    /// The session that may cancel it and numbers its events; `None` once that is closed.
    pub(crate) owner: Option<SessionKey>,
    /// What the owner negotiated, kept beyond it.
    pub(crate) features: Features,
    pub(crate) small_chunks: bool,
    pub(crate) input: Option<Box<RawValue>>,
    pub(crate) extensions: Option<Box<RawValue>>,
    pub(crate) max_runtime_secs: Option<u64>,
    /// Its own amounts; `None` if it draws on its parent or has no budget.
    pub(crate) granted: Option<Amounts>,
    pub(crate) budget: Option<Budget>,
    pub(crate) parent: Option<JobId>,
    pub(crate) children: Vec<JobId>,
    pub(crate) delegate_ids: BTreeSet<Box<str>>,
    pub(crate) depth: u32,
    /// The number of the parent's `delegate` event: the child's `job.accepted` stands behind it.
    pub(crate) delegated_at: u64,
    pub(crate) credentials: Vec<Credential>,
    /// The owner's number of its last event.
    pub(crate) last_seq: u64,
    pub(crate) history: History,
    /// The sessions it is shown in.
    pub(crate) watchers: Vec<SessionKey>,
    pub(crate) stream: Option<Stream>,
    pub(crate) gathered: Option<Gathered>,
    pub(crate) tail: Option<Tail>,
    pub(crate) waiters: Vec<Waiter>,
    pub(crate) key: Option<(Arc<str>, Digest)>,
    /// An operation was refused because the lease had expired: the job can only end so (§9.5).
    pub(crate) expired: bool,
    /// Its agent waits for room in a log.
    pub(crate) blocked: bool,
    pub(crate) deadlines: Deadlines,
    pub(crate) terminal: Option<Arc<Terminal>>,
}

impl Job {
    /// Where an end of the job leads. A refused lease comes before its own time and its parent's end (§9.5).
    pub(crate) fn ending(&self, event: JobEvent) -> Option<JobState> {
        let refused = self.expired && self.state == JobState::Running;
        self.state.next(if refused { JobEvent::Expire } else { event })
    }

    pub(crate) fn held(&self) -> usize {
        let text = |raw: &Option<Box<RawValue>>| raw.as_ref().map_or(0, |raw| raw.get().len());
        self.accepted.held()
            + self.history.held()
            + text(&self.input)
            + text(&self.extensions)
            + self.delegate_ids.iter().map(|id| id.len() + 48).sum::<usize>()
            + self.waiters.iter().map(|waiter| waiter.request_id.len() + 48).sum::<usize>()
            + self.gathered.as_ref().map_or(0, |gathered| gathered.data.len())
            + self.tail.as_ref().map_or(0, |tail| tail.result.len())
            + self.terminal.as_ref().map_or(0, |terminal| terminal.held())
            + 512
    }
}
