//! A session (§6) and the connection it is reached by.
//!
//! ```text
//! connection: Greeting --hello--> Authenticating --admit--> Bound --close, takeover, fault--> Closing --> Gone
//!                |  deadline, fault      |  reject, deadline                                   ^
//!                +-----------------------+-----------------------------------------------------+
//!
//! session:    Live <--resume--  Detached --window lapses--> Closed
//!              |  ^ resume on a new connection takes over     ^
//!              |  +-- the old one is closed                    |
//!              +--connection lost, close, bye, silence--> Detached
//! ```

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::string::String;
use alloc::sync::Arc;

use crate::arcp::runtime::host::{ConnId, JobId};
use crate::arcp::runtime::log::{Announcement, Log};
use crate::arcp::wire::envelope;
use crate::arcp::wire::feature::Features;
use crate::arcp::wire::ids::{JobUlid, SessionId};
use crate::arcp::wire::job::Accepted;
use crate::time::Time;

/// Where a session stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SessionState {
    /// It has a connection.
    Live,
    /// It has none and waits for a resume.
    Detached,
    /// It is gone for good.
    Closed,
}

/// What can happen to a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SessionEvent {
    /// A connection proved to be its client's.
    Resume,
    /// Its connection is gone: cut, closed by either side, or silent.
    Lost,
    /// The resume window is over.
    Lapse,
}

impl SessionEvent {
    /// Every event, for tables.
    pub const ALL: [SessionEvent; 3] = [SessionEvent::Resume, SessionEvent::Lost, SessionEvent::Lapse];
}

impl SessionState {
    /// Every state, for tables.
    pub const ALL: [SessionState; 3] = [SessionState::Live, SessionState::Detached, SessionState::Closed];

    /// Where `event` leads from here; `None` if it changes nothing here.
    pub const fn next(self, event: SessionEvent) -> Option<SessionState> {
        match (self, event) {
            (SessionState::Live | SessionState::Detached, SessionEvent::Resume) => Some(SessionState::Live),
            (SessionState::Live, SessionEvent::Lost) => Some(SessionState::Detached),
            (SessionState::Detached, SessionEvent::Lapse) => Some(SessionState::Closed),
            (SessionState::Live, SessionEvent::Lapse)
            | (SessionState::Detached, SessionEvent::Lost)
            | (SessionState::Closed, SessionEvent::Resume | SessionEvent::Lost | SessionEvent::Lapse) => None,
        }
    }
}

/// Where a connection stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ConnState {
    /// Nothing was said yet.
    Greeting,
    /// The host was asked whose token it is.
    Authenticating,
    /// It carries a session.
    Bound,
    /// It takes what is queued for it and goes.
    Closing,
    /// It is gone.
    Gone,
}

/// What can happen to a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ConnEvent {
    /// A hello, or a session.resume, that can be checked.
    Hello,
    /// The host admits the principal, and the session can be opened or resumed.
    Admit,
    /// Its last frame is queued: it was refused, it closes its session, or it broke the rules.
    End,
    /// The queue is empty, or it had its time.
    Flushed,
    /// The transport is gone, or another connection took the session over.
    Lost,
}

impl ConnEvent {
    /// Every event, for tables.
    pub const ALL: [ConnEvent; 5] =
        [ConnEvent::Hello, ConnEvent::Admit, ConnEvent::End, ConnEvent::Flushed, ConnEvent::Lost];
}

impl ConnState {
    /// Every state, for tables.
    pub const ALL: [ConnState; 5] =
        [ConnState::Greeting, ConnState::Authenticating, ConnState::Bound, ConnState::Closing, ConnState::Gone];

    /// Where `event` leads from here; `None` if it changes nothing here.
    pub const fn next(self, event: ConnEvent) -> Option<ConnState> {
        match (self, event) {
            (ConnState::Greeting, ConnEvent::Hello) => Some(ConnState::Authenticating),
            (ConnState::Authenticating, ConnEvent::Admit) => Some(ConnState::Bound),
            (ConnState::Greeting | ConnState::Authenticating | ConnState::Bound, ConnEvent::End) => {
                Some(ConnState::Closing)
            }
            (ConnState::Closing, ConnEvent::Flushed)
            | (
                ConnState::Greeting | ConnState::Authenticating | ConnState::Bound | ConnState::Closing,
                ConnEvent::Lost,
            ) => Some(ConnState::Gone),
            _ => None,
        }
    }
}

/// Why a session is shown a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// It submitted the job: it may cancel it, and it numbers its events.
    Owner,
    /// It repeated an idempotent submit of another session.
    Attached,
    /// It subscribed.
    Subscriber,
}

impl Role {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Role::Owner => "owner",
            Role::Attached => "attached",
            Role::Subscriber => "subscriber",
        }
    }

    pub(crate) fn parse(text: &str) -> Option<Role> {
        [Role::Owner, Role::Attached, Role::Subscriber].into_iter().find(|role| role.as_str() == text)
    }
}

/// Where in a job's history a session stands that is not shown its events as they come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cursor {
    /// The next position.
    pub(crate) at: u64,
    /// Nothing is shown before this time (`python-1.1`); `Time::MAX` until `job.subscribed` was written.
    pub(crate) not_before: Time,
    /// Of the journal only events with an owner's number after this are wanted.
    pub(crate) after: u64,
    /// The journal was asked for what comes next.
    pub(crate) asked: bool,
}

/// A job in a session's stream.
#[derive(Clone, Debug)]
pub(crate) struct Watch {
    pub(crate) role: Role,
    pub(crate) head: Arc<str>,
    /// `None`: its events are shown as they come.
    pub(crate) cursor: Option<Cursor>,
    /// Handed to the first entry of the job.
    pub(crate) announcement: Option<Box<Announcement>>,
}

/// A submit that this session has sent before.
#[derive(Clone, Debug)]
pub(crate) struct Sent {
    pub(crate) id: Box<str>,
    pub(crate) job: JobId,
    pub(crate) ulid: JobUlid,
}

#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "independent facts, each with its rule; none is a state")]
pub(crate) struct Session {
    pub(crate) id: SessionId,
    pub(crate) principal: Arc<str>,
    pub(crate) state: SessionState,
    pub(crate) features: Features,
    pub(crate) python: bool,
    pub(crate) stdio: bool,
    pub(crate) conn: Option<ConnId>,
    /// Counts its connections.
    pub(crate) epoch: u32,
    /// The hello that its last connection began with.
    pub(crate) hello: u64,
    /// SHA-256 of the newest resume token, and of the last one the client has proved to hold.
    pub(crate) newest: [u8; 32],
    pub(crate) proved: Option<[u8; 32]>,
    pub(crate) log: Log,
    /// The last ack that is on record.
    pub(crate) recorded_ack: Option<u64>,
    /// A question to the journal for this session's own events is not answered yet.
    pub(crate) fetching: bool,
    pub(crate) watches: BTreeMap<JobId, Watch>,
    /// The watches that have a cursor.
    pub(crate) replaying: BTreeSet<JobId>,
    /// Jobs whose agents wait for room in this log.
    pub(crate) blocked: BTreeSet<JobId>,
    /// Jobs of this session that have not ended.
    pub(crate) jobs: usize,
    /// Submits the host has not answered.
    pub(crate) unanswered: usize,
    pub(crate) submits: VecDeque<Sent>,
    /// Head of frames that are about no job.
    pub(crate) head: Arc<str>,
    pub(crate) lapses: Option<Time>,
    /// It said goodbye: it may be resumed, and is the first to go where there is no room.
    pub(crate) goodbye: bool,
}

impl Session {
    pub(crate) fn held(&self) -> usize {
        let submits: usize = self.submits.iter().map(|sent| sent.id.len() + 48).sum();
        self.log.bytes_held() + submits + self.watches.len() * 256 + 512
    }

    /// The connection is gone, and every `job.subscribed` that was not written with it: no replay has to wait for that.
    pub(crate) fn hurry(&mut self) {
        for cursor in self.watches.values_mut().filter_map(|watch| watch.cursor.as_mut()) {
            cursor.not_before = Time(0);
        }
    }

    /// Jobs it is shown that are not its own.
    pub(crate) fn others(&self) -> usize {
        self.watches.values().filter(|watch| watch.role != Role::Owner).count()
    }

    /// Events the log may hold unwritten before an agent waits: every watched job keeps room for its first and last.
    pub(crate) fn emit_room(&self, max_events: usize) -> usize {
        max_events.saturating_sub(2 * self.watches.len()).max(1)
    }
}

/// The head of a job's frames in a session.
pub(crate) fn job_head(session: SessionId, job: &Accepted) -> String {
    envelope::head(&session, Some(&job.trace_id), Some(&job.id))
}
