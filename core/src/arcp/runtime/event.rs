//! What a runtime says to its host: outputs in one order, events among them, and the names of its deadlines.

use alloc::borrow::Cow;
use alloc::string::String;
use alloc::sync::Arc;

use bytes::Bytes;

use crate::arcp::runtime::host::{ConnId, JobId, ReplayId, RevocationId};
use crate::arcp::runtime::record::Record;
use crate::arcp::wire::error::{ErrorCode, Fault};
use crate::arcp::wire::ids::{JobUlid, SessionId};
use crate::arcp::wire::job::FinalStatus;
use crate::secret::Secret;
use crate::time::Time;

/// What a runtime puts out, in one order. A driver acts on them in that order.
#[derive(Clone, Debug)]
pub enum Output {
    /// To be made durable before any `Send` or `Event` is acted on whose `after` is this number or a greater one.
    Store {
        /// Counts from 1 without gaps, over restarts too.
        seq: u64,
        /// What to keep.
        record: Record,
    },
    /// A frame for a connection; [`Runtime::handle_sent`](crate::arcp::Runtime::handle_sent) reports that it was written.
    Send {
        /// Where to.
        conn: ConnId,
        /// One UTF-8 JSON text without line breaks.
        frame: Bytes,
        /// The `Store` that has to be durable first: one before it, not always the last.
        after: u64,
    },
    /// `reading(conn)` is true again.
    Reading {
        /// Which.
        conn: ConnId,
    },
    /// The transport is to be closed once what was sent before is written. The connection is gone for the runtime.
    Close {
        /// Which.
        conn: ConnId,
        /// A WebSocket close code.
        code: u16,
        /// For people.
        reason: &'static str,
    },
    /// Something for the host.
    Event {
        /// What.
        event: Event,
        /// The last `Store` before it.
        after: u64,
    },
}

/// What the host is told or asked.
#[derive(Clone, Debug)]
pub enum Event {
    /// Asked: whose token is this? [`Runtime::admit`](crate::arcp::Runtime::admit) or
    /// [`Runtime::reject`](crate::arcp::Runtime::reject) answers. It depends on no store: whoever comes while the journal is slow
    /// or stuck is asked about, and answered, all the same.
    Authenticate {
        /// The connection that waits.
        conn: ConnId,
        /// The bearer token (§6.1).
        token: Secret,
        /// `client.name` of the hello, for logs; it proves nothing.
        client: String,
    },
    /// A session is live: it was opened or resumed.
    SessionLive {
        /// Which.
        session: SessionId,
        /// Its connection.
        conn: ConnId,
        /// Whose.
        principal: Arc<str>,
        /// Whether it existed before.
        resumed: bool,
    },
    /// A session has no connection any more; it is kept for the resume window.
    SessionDetached {
        /// Which.
        session: SessionId,
    },
    /// A session is gone for good.
    SessionClosed {
        /// Which.
        session: SessionId,
    },
    /// Asked: may this job be started, with which credentials? [`Runtime::start`](crate::arcp::Runtime::start) or
    /// [`Runtime::decline`](crate::arcp::Runtime::decline) answers.
    Submitted {
        /// The job; [`Runtime::job`](crate::arcp::Runtime::job) shows it.
        job: JobId,
        /// Whether the session negotiated credentials; without, none may be given.
        credentials: bool,
    },
    /// The agent is to be run now.
    Start {
        /// The job.
        job: JobId,
    },
    /// The agent is asked to stop.
    Cancel {
        /// The job.
        job: JobId,
        /// The client's reason.
        reason: Option<String>,
        /// When the job ends without it.
        deadline: Time,
    },
    /// [`Refused::Blocked`](crate::arcp::Refused::Blocked) or [`Denied::Blocked`](crate::arcp::Denied::Blocked) no longer holds.
    Unblocked {
        /// The job.
        job: JobId,
    },
    /// The job has ended, or was declined: its agent is dropped if it still runs. The last event of a job.
    Ended {
        /// The job; the key is dead once the job is evicted.
        job: JobId,
        /// How it ended.
        status: FinalStatus,
        /// Why, unless it succeeded.
        fault: Option<Fault>,
        /// The inline result as JSON text; absent for a streamed one.
        result: Option<Bytes>,
    },
    /// Asked: this credential is to be revoked upstream. [`Runtime::revoked`](crate::arcp::Runtime::revoked) or
    /// [`Runtime::revoke_failed`](crate::arcp::Runtime::revoke_failed) answers; a failure is asked again.
    Revoke {
        /// Names the ask.
        revocation: RevocationId,
        /// The job it was minted for.
        job: JobUlid,
        /// The credential's id. `None` if the runtime was restarted before it was told what it had asked for: then
        /// everything that was minted for the job is to be revoked, if anything was.
        id: Option<String>,
        /// The very value to revoke: a rotated credential has had several. `None` after a restart, as values are not
        /// recorded: then every value this credential has ever had is to be revoked.
        value: Option<Secret>,
        /// How often it was asked before.
        attempt: u32,
    },
    /// Asked: events that are no longer in memory. [`Runtime::replay`](crate::arcp::Runtime::replay) or
    /// [`Runtime::replay_failed`](crate::arcp::Runtime::replay_failed) answers. Only with
    /// [`Journaling::Readable`](crate::arcp::Journaling::Readable).
    Replay {
        /// Names the ask.
        replay: ReplayId,
        /// Which events.
        range: ReplayRange,
        /// More events than these are not taken. At least 1.
        max_events: usize,
        /// The answer may stop once its payloads are longer than this; the first event is always in it.
        max_bytes: usize,
    },
    /// A subscription was decided (§14: every one is logged).
    Subscription {
        /// Who asked.
        principal: Arc<str>,
        /// For which job.
        job: JobUlid,
        /// Whose job.
        owner: Arc<str>,
        /// Whether it was granted.
        granted: bool,
    },
    /// A frame was refused with `session.error`; for counters and logs.
    RefusedFrame {
        /// Where it came from.
        conn: ConnId,
        /// The code of the answer.
        code: ErrorCode,
        /// The sentence of the answer.
        message: Cow<'static, str>,
    },
    /// After [`Runtime::shutdown`](crate::arcp::Runtime::shutdown): no job is left.
    Drained,
}

/// What is asked of a journal: the first of these events, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplayRange {
    /// The records that have a [`Target`](crate::arcp::Target) in this session with a number between the two, both exclusive.
    Session {
        /// Which.
        session: SessionId,
        /// The number before the first one.
        after: u64,
        /// The number after the last one.
        before: u64,
    },
    /// The records of this job that have a [`position`](Record::position).
    Job {
        /// Which.
        job: JobUlid,
        /// The first position.
        position: u64,
        /// Only those with an owner's number greater than this.
        after: u64,
    },
}

/// The next deadline's reason, as [`Runtime::poll_timeout`](crate::arcp::Runtime::poll_timeout) names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Timer {
    /// No hello, or no answer to `Authenticate`.
    Greeting,
    /// Ping, or give the peer up (§6.4).
    Heartbeat,
    /// Nothing was written for too long.
    Stall,
    /// A closing connection has had its time.
    Linger,
    /// A detached session closes (§6.3).
    ResumeWindow,
    /// The frames of a subscription may start (`python-1.1`).
    Subscription,
    /// No answer to `Submitted`.
    Submit,
    /// `max_runtime_sec` (§7.1).
    Runtime,
    /// The lease's grace after `expires_at` (§9.5).
    Expiry,
    /// A cancelled agent has had its time (§7.4).
    Grace,
    /// A revocation is tried again (§9.8.2).
    Revocation,
    /// No answer to `Replay`.
    Replay,
    /// Ended jobs and idempotency records grow old.
    Eviction,
}
