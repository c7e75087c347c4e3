//! The outputs of a runtime, the events among them, and the names of its deadlines.

use alloc::borrow::Cow;
use alloc::boxed::Box;
use alloc::string::String;
use alloc::sync::Arc;

use bytes::Bytes;

use crate::arcp::runtime::host::{ConnId, Guest, JobKey, QuestionId, ReplayId, Resumed, RevocationId, StatusId};
use crate::arcp::runtime::record::Record;
use crate::arcp::wire::dialect::Dialect;
use crate::arcp::wire::error::{ErrorCode, Fault};
use crate::arcp::wire::ids::{JobUlid, SessionUlid};
use crate::arcp::wire::job::FinalStatus;
use crate::arcp::wire::question::Answer;
use crate::secret::Secret;
use crate::time::Time;

/// An output of a runtime. A driver acts on outputs in the order in which it polls them.
#[derive(Clone, Debug)]
pub enum Output {
    /// A record to store. It must be durable before the driver acts on any `Send` or `Event` whose `after` is this
    /// number or a greater one.
    Store {
        /// The number of the record: they count from 1 without gaps, over restarts too.
        seq: u64,
        /// The record.
        record: Record,
    },
    /// A frame for a connection; [`Runtime::handle_sent`](crate::arcp::Runtime::handle_sent) reports that it was written.
    Send {
        /// The connection.
        conn: ConnId,
        /// One UTF-8 JSON text without line breaks.
        frame: Bytes,
        /// The number of the `Store` that must be durable first; 0 if the frame waits for none. It is an earlier store,
        /// not always the last.
        after: u64,
        /// What it may overtake while the host cannot store.
        order: SendOrder,
    },
    /// [`Runtime::reading`](crate::arcp::Runtime::reading) is true again for a connection.
    Reading {
        /// The connection.
        conn: ConnId,
    },
    /// The transport of a connection must be closed once the frames that were sent before are written. The runtime has
    /// already removed the connection.
    Close {
        /// The connection.
        conn: ConnId,
        /// The WebSocket close code.
        code: u16,
        /// The reason, as a sentence for people.
        reason: &'static str,
    },
    /// An event for the host.
    Event {
        /// The event.
        event: Event,
        /// The number of the last `Store` before it, which has to be durable first.
        after: u64,
    },
}

/// What a frame may overtake on its connection. Frames are sent in the order of the outputs, except while the host cannot store
/// what some of them wait for: then it sends those that depend on no record before those that wait, as far as
/// [`SendOrder::overtakes`] allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SendOrder {
    /// The welcome. No frame overtakes it.
    Welcome,
    /// An answer that depends on records.
    Reply,
    /// A numbered event.
    Event,
    /// An answer that depends on no record, for a client that takes answers in the order in which they arrive. It overtakes
    /// events.
    Answer,
    /// A frame that depends on no record. It overtakes all but the welcome.
    Free,
}

impl SendOrder {
    /// Returns whether the frame depends on no record.
    pub const fn is_free(self) -> bool {
        matches!(self, SendOrder::Answer | SendOrder::Free)
    }

    /// Returns whether the frame may be sent before one of another order that waits on its connection.
    pub const fn overtakes(self, waiting: SendOrder) -> bool {
        match (self, waiting) {
            (SendOrder::Free, SendOrder::Welcome) => false,
            (SendOrder::Free, _) | (SendOrder::Answer, SendOrder::Event) => true,
            (SendOrder::Answer | SendOrder::Welcome | SendOrder::Reply | SendOrder::Event, _) => false,
        }
    }
}

/// An event for the host, or a question that the host answers with a command.
#[derive(Clone, Debug)]
pub enum Event {
    /// A question: which principal does this token belong to? [`Runtime::admit`](crate::arcp::Runtime::admit) or
    /// [`Runtime::reject`](crate::arcp::Runtime::reject) answers it. It may be acted on at once, regardless of its
    /// `after`, so that hellos are answered while the journal is slow or stalled.
    Authenticate {
        /// The connection that waits.
        conn: ConnId,
        /// The bearer token (§6.1).
        token: Secret,
        /// The `client.name` of the hello, for logs only: it is not authenticated.
        client: String,
    },
    /// A request of a session that other runtimes of the host may have to answer, because it is about a job that is not here, or
    /// about all jobs that the session may see. The host hands the frame to every other runtime, on the connection of the
    /// session's guest there ([`Runtime::open_guest`]). It may be acted on at once, like [`Event::Authenticate`]. Only with more
    /// than one of [`Config::shards`](crate::arcp::Config::shards).
    ///
    /// [`Runtime::open_guest`]: crate::arcp::Runtime::open_guest
    Relay {
        /// The session.
        guest: Guest,
        /// The frame.
        frame: Bytes,
    },
    /// A frame was taken that [`Runtime::handle_relayed`](crate::arcp::Runtime::handle_relayed) has handed in. The host reports
    /// it as sent ([`Runtime::handle_sent`](crate::arcp::Runtime::handle_sent)) to the runtime that it came from.
    RelayTaken {
        /// The session.
        session: SessionUlid,
        /// The number of the runtime that the frame came from.
        from: u32,
    },
    /// A session is gone that may have guests in other runtimes. The host closes their connections.
    GuestLeft {
        /// The session.
        session: SessionUlid,
    },
    /// A question: which of the host's runtimes has the session that this connection resumes? [`Runtime::hand_over`] or
    /// [`Runtime::not_located`] answers it. It may be acted on at once, like [`Event::Authenticate`]. Only with more than one of
    /// [`Config::shards`](crate::arcp::Config::shards), for a session that this runtime does not have.
    ///
    /// [`Runtime::hand_over`]: crate::arcp::Runtime::hand_over
    /// [`Runtime::not_located`]: crate::arcp::Runtime::not_located
    Locate {
        /// The connection that waits.
        conn: ConnId,
        /// What [`Runtime::owner_of`](crate::arcp::Runtime::owner_of) of the other runtimes is asked.
        resumed: Resumed,
    },
    /// A session was opened or resumed.
    SessionLive {
        /// The session.
        session: SessionUlid,
        /// The connection that carries it.
        conn: ConnId,
        /// The principal it belongs to.
        principal: Arc<str>,
        /// Its dialect, which was fixed when it was opened.
        dialect: Dialect,
        /// Whether it was resumed.
        resumed: bool,
    },
    /// A session has lost its connection. It can be resumed until the resume window has passed.
    SessionDetached {
        /// The session.
        session: SessionUlid,
        /// Whether its client has closed it (§6.7).
        goodbye: bool,
    },
    /// A session can no longer be resumed.
    SessionClosed {
        /// The session.
        session: SessionUlid,
    },
    /// A question: may this job be started, and with which credentials?
    /// [`Runtime::start`](crate::arcp::Runtime::start) or [`Runtime::decline`](crate::arcp::Runtime::decline) answers it.
    Submitted {
        /// The job; [`Runtime::job`](crate::arcp::Runtime::job) shows it.
        job: JobKey,
        /// Whether the session negotiated credentials; if not, none may be given.
        credentials: bool,
    },
    /// The agent of a job must be started now.
    Start {
        /// The job.
        job: JobKey,
    },
    /// The agent of a job must stop.
    Cancel {
        /// The job.
        job: JobKey,
        /// The reason that the client gave.
        reason: Option<String>,
        /// When the runtime ends the job if the agent has not.
        deadline: Time,
    },
    /// A job waits for a slot of its agent, which the host lends to its runtimes: [`Runtime::lend_slot`] gives one, once no more
    /// than [`max_concurrent`](crate::arcp::AgentSpec::max_concurrent) are lent. Only with more than one of
    /// [`Config::shards`](crate::arcp::Config::shards), for agents that have such a limit.
    ///
    /// [`Runtime::lend_slot`]: crate::arcp::Runtime::lend_slot
    SlotWanted {
        /// The agent's bare name.
        agent: Box<str>,
    },
    /// A slot that the host has lent is free again.
    SlotFreed {
        /// The agent's bare name.
        agent: Box<str>,
    },
    /// A job that was refused with [`Refused::Blocked`](crate::arcp::Refused::Blocked) or
    /// [`Denied::Blocked`](crate::arcp::Denied::Blocked) may try again.
    Unblocked {
        /// The job.
        job: JobKey,
    },
    /// A question of [`Runtime::ask`](crate::arcp::Runtime::ask) has an answer, or has expired.
    Answered {
        /// The job.
        job: JobKey,
        /// The question. It may have been asked more than once under its key; this answers all of them.
        question: QuestionId,
        /// The answer.
        answer: Answer,
    },
    /// A note of [`Runtime::note`](crate::arcp::Runtime::note) is durable, and all notes of the job before it.
    Noted {
        /// The job.
        job: JobKey,
        /// The number of the note within the job.
        number: u64,
    },
    /// A job has ended or was declined. If its agent still runs, it must be dropped. This is the last event of a job.
    Ended {
        /// The job. The key is invalid once the job is no longer kept.
        job: JobKey,
        /// How it ended.
        status: FinalStatus,
        /// The fault, unless it succeeded.
        fault: Option<Fault>,
        /// The inline result as JSON text; absent for a streamed one.
        result: Option<Bytes>,
    },
    /// A job is left to the next start of the runtime: it has not ended, and
    /// [`Runtime::restore`](crate::arcp::Runtime::restore) lets it go on. If its agent runs, it must be dropped. This is the
    /// last event of a job.
    Left {
        /// The job.
        job: JobKey,
    },
    /// A request: this credential has to be revoked upstream. [`Runtime::revoked`](crate::arcp::Runtime::revoked) or
    /// [`Runtime::revoke_failed`](crate::arcp::Runtime::revoke_failed) answers it; after a failure it comes again.
    Revoke {
        /// The id of the request, for the answer.
        revocation: RevocationId,
        /// The job it was minted for.
        job: JobUlid,
        /// The id of the credential. `None` if the runtime was restarted before the host had answered with the credentials:
        /// then everything that was minted for the job has to be revoked, if anything was.
        id: Option<String>,
        /// The value to revoke; a rotated credential has had several. `None` after a restart, since values are not
        /// recorded: then every value that the credential has ever had has to be revoked.
        value: Option<Secret>,
        /// The number of earlier requests to revoke the same value.
        attempt: u32,
    },
    /// A question to the journal: events that are no longer in memory. [`Runtime::replay`](crate::arcp::Runtime::replay) or
    /// [`Runtime::replay_failed`](crate::arcp::Runtime::replay_failed) answers it. Only with
    /// [`Journaling::Readable`](crate::arcp::Journaling::Readable).
    Replay {
        /// The id of the question, for the answer.
        replay: ReplayId,
        /// The events that are wanted.
        range: ReplayRange,
        /// The most events that the answer may have, at least 1.
        max_events: usize,
        /// The bytes of payload after which the answer may stop. The first event is always in it.
        max_bytes: usize,
    },
    /// A subscription was granted or refused (§14: every one is logged).
    Subscription {
        /// The principal that asked for it.
        principal: Arc<str>,
        /// The job.
        job: JobUlid,
        /// The principal that the job belongs to.
        owner: Arc<str>,
        /// Whether it was granted.
        granted: bool,
    },
    /// A frame was refused with `session.error`; for counters and logs.
    RefusedFrame {
        /// The connection it came from.
        conn: ConnId,
        /// The code of the answer.
        code: ErrorCode,
        /// The sentence of the answer.
        message: Cow<'static, str>,
    },
    /// A question: how does the host do? An operator has asked (ours).
    /// [`Runtime::tell_status`](crate::arcp::Runtime::tell_status) answers it. It may be acted on at once, regardless of its
    /// `after`, so that operators see the state of a journal that is slow or stalled.
    Status {
        /// The id of the question, for the answer.
        request: StatusId,
    },
    /// No job is left after a [`Runtime::shutdown`](crate::arcp::Runtime::shutdown).
    Drained,
}

/// The events that a journal is asked for, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplayRange {
    /// The records that have a [`Target`](crate::arcp::Target) in this session with a number between the two, both exclusive.
    Session {
        /// The session.
        session: SessionUlid,
        /// The number before the first event.
        after: u64,
        /// The number after the last event.
        before: u64,
    },
    /// The records of this job that have a [`position`](Record::position).
    Job {
        /// The job.
        job: JobUlid,
        /// The first position.
        position: u64,
        /// Events whose number in the owner's session is not greater than this are left out.
        after: u64,
    },
}

/// The reason of a deadline, as [`Runtime::poll_timeout`](crate::arcp::Runtime::poll_timeout) names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Timer {
    /// A connection has sent no hello, or the host has not answered [`Event::Authenticate`].
    Greeting,
    /// A silent peer is pinged or given up (§6.4).
    Heartbeat,
    /// A connection takes no frames.
    Stall,
    /// A closing connection is closed, whether its queue is empty or not.
    Linger,
    /// The resume window of a session is over (§6.3).
    ResumeWindow,
    /// The events of a subscription may start, in a dialect that delays them.
    Subscription,
    /// The host has not answered [`Event::Submitted`].
    Submit,
    /// The `max_runtime_sec` of a job is over (§7.1).
    Runtime,
    /// The lease of a job, and the grace after it, is over (§9.5).
    Expiry,
    /// A question of a job has expired (ours).
    Question,
    /// The time that a cancelled agent has to stop is over (§7.4).
    Grace,
    /// A failed revocation is tried again (§9.8.2).
    Revocation,
    /// The journal has not answered [`Event::Replay`].
    Replay,
    /// The other runtimes of the host have not answered [`Event::Relay`].
    Inquiry,
    /// The host has not answered [`Event::Status`].
    Status,
    /// Ended jobs or idempotency records are old enough to be forgotten.
    Eviction,
    /// A listing goes on that was too long for one turn (§6.6).
    Turn,
}
