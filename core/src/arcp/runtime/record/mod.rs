//! The records of a journal: the values of [`Output::Store`](crate::arcp::Output::Store), and their bytes.
//!
//! A journal keeps [encoded](Record::encode) records under the numbers of their stores. It returns them in that order to
//! [`Runtime::restore`](crate::arcp::Runtime::restore) and in answer to [`Event::Replay`](crate::arcp::Event::Replay).
//!
//! A journal may drop these records:
//!
//! - all records of a session after its `session_closed`, and all records of a job after its `job_forgotten` and, if it
//!   has a key, its `key_forgotten`;
//! - events, the oldest of a session first. These stay: the last record that holds a number of an open session, because
//!   the numbers continue from it; the last event of a job that is not forgotten; and the last record of such a job that
//!   an open session was shown, because how much of the history was shown is known from it;
//! - a `watching` that is followed by another one for the same session and job. These stay: the last one that makes the
//!   session the owner, the last one that begins a history, and those that answered the last thousand submits of the
//!   session. If none of these, a `watching` that is followed by an `unwatched` may go, and so may an `unwatched` that is
//!   followed by another one;
//! - a `watching_elsewhere` that is followed by another one for the same session;
//! - the `job_input` of a job that has ended, has streamed a part of its result, or has an event and none that
//!   [begins a run](Record::begins_run); and all `job_noted` of a job but the last one, which goes once the job has ended.
//!   Until the job ends, its last event that begins a run stays, and so does its last chunk;
//! - the events [about questions](Record::is_question) of a job go as all others once it has ended; until then they stay;
//! - the events with a [cost](Record::has_cost) go as all others, except for those of a job with an event that begins a run,
//!   and of the jobs below it: until that one ends, these events stay, and the `job_accepted` and `job_ended` of the jobs
//!   below it, because its budget is known from them;
//! - credential records, once as many values were revoked as issued under one job and id, and once the host's answer is
//!   there.
//!
//! A record that begins something (a session, a job, a request for credentials, a credential) is dropped before the
//! record that ends it; otherwise a restored runtime would treat it as not ended. The other records of a session or job are
//! dropped before the one that begins it; otherwise they would be about nothing, and the events of the job would be sent
//! without its `job.accepted`. So the `job_accepted` is followed by the `job_ended`, and this one by `job_forgotten` and
//! `key_forgotten`.

pub(crate) mod charge;
mod decode;
mod encode;
mod error;
mod facts;
mod transcript;

use alloc::boxed::Box;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use bytes::Bytes;

pub use self::error::RecordError;
pub use self::transcript::{Transcribed, Transcript};
use crate::arcp::runtime::sessions::watches::Role;
use crate::arcp::wire::dialect::Dialect;
use crate::arcp::wire::feature::Features;
use crate::arcp::wire::ids::{EnvelopeId, JobUlid, SessionUlid};
use crate::arcp::wire::job::{Accepted, FinalStatus};
use crate::budget::Amount;
use crate::digest::Digest;
use crate::time::Time;
use crate::trace::TraceId;

/// One fact that a restarted runtime has to know. It holds no secrets: a resume token is recorded as a hash, a credential
/// as its id.
///
/// Except for credentials, records are made only if [`Config::journal`](crate::arcp::Config) is set.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Record {
    /// A session was welcomed for the first time.
    SessionOpened(Box<SessionOpened>),
    /// A session was resumed, or its client proved to hold the newest token: these are the tokens that are valid now.
    SessionToken(Box<SessionToken>),
    /// A session has lost its connection, or the runtime was restarted.
    SessionDetached {
        /// The session.
        session: SessionUlid,
        /// The time from which the resume window counts.
        at: Time,
        /// Whether its client had closed it.
        goodbye: bool,
    },
    /// A session can no longer be resumed.
    SessionClosed {
        /// The session.
        session: SessionUlid,
    },
    /// A client has acknowledged its session's events up to a number. Not every acknowledgement is recorded, only those
    /// that free many events.
    Acknowledged {
        /// The session.
        session: SessionUlid,
        /// The number of the last event.
        seq: u64,
    },
    /// A job was accepted.
    JobAccepted(Box<JobAccepted>),
    /// The request of an accepted job that may have to be run after a restart: it waits for a slot, or its agent is run
    /// again.
    JobInput(Box<JobInput>),
    /// An agent has left a note with its job.
    JobNoted {
        /// The job.
        job: JobUlid,
        /// The note, which replaces an earlier one.
        note: Bytes,
    },
    /// A session watches a job from now on, or a submit of the session was answered with it.
    Watching(Box<Watching>),
    /// A session no longer watches a job.
    Unwatched {
        /// The session.
        session: SessionUlid,
        /// The job.
        job: JobUlid,
    },
    /// The jobs of other runtimes of the host that a session watches from now on, in place of those of an earlier such record.
    WatchingElsewhere {
        /// The session.
        session: SessionUlid,
        /// The jobs, with their traces.
        jobs: Vec<(JobUlid, TraceId)>,
    },
    /// An event of a job, and its number in every session that watches the job.
    JobEvent(Box<JobEventRecord>),
    /// A numbered frame for one session alone: history it asked for, or a message of the runtime itself.
    SessionEvent(Box<SessionEventRecord>),
    /// A job can no longer succeed: it was cancelled, or an operation was refused because its lease had expired.
    JobDoomed {
        /// The job.
        job: JobUlid,
        /// Whether it was cancelled; otherwise its lease has expired.
        cancelled: bool,
    },
    /// A job has ended.
    JobEnded(Box<JobEnded>),
    /// A job that has ended is no longer kept.
    JobForgotten {
        /// The job.
        job: JobUlid,
    },
    /// The idempotency key of a job may be used again.
    KeyForgotten {
        /// The job.
        job: JobUlid,
    },
    /// The host is about to be asked for a job's credentials. Until it has answered, credentials may be valid that are not
    /// on record.
    CredentialsAsked {
        /// The job.
        job: JobUlid,
    },
    /// The host has answered with the credentials it has minted for a job, or has revoked all of them.
    CredentialsAnswered {
        /// The job.
        job: JobUlid,
    },
    /// A credential was minted or got another value. It is stored before a client sees it (§14).
    CredentialIssued {
        /// The job it is for.
        job: JobUlid,
        /// The credential's id.
        id: String,
    },
    /// A credential's value was revoked upstream.
    CredentialRevoked {
        /// The job it was for.
        job: JobUlid,
        /// The credential's id.
        id: String,
    },
}

/// See [`Record::SessionOpened`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionOpened {
    pub(crate) session: SessionUlid,
    /// The principal of the session.
    pub principal: Arc<str>,
    pub(crate) features: Features,
    /// The dialect of the session.
    pub dialect: Dialect,
    pub(crate) stdio: bool,
    pub(crate) token: Digest,
    pub(crate) at: Time,
}

/// See [`Record::SessionToken`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionToken {
    pub(crate) session: SessionUlid,
    pub(crate) newest: Digest,
    pub(crate) proved: Option<Digest>,
}

/// See [`Record::JobAccepted`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobAccepted {
    pub(crate) accepted: Arc<Accepted>,
    pub(crate) owner: Option<SessionUlid>,
    pub(crate) features: Features,
    pub(crate) small_chunks: bool,
    /// SHA-256 of the idempotency key, and the digest of the request.
    pub(crate) key: Option<(Digest, Digest)>,
}

/// See [`Record::JobInput`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobInput {
    pub(crate) job: JobUlid,
    /// The input as JSON text on one line.
    pub(crate) input: Option<Box<str>>,
    /// The `extensions` of the submit, as the input.
    pub(crate) extensions: Option<Box<str>>,
    pub(crate) max_runtime_secs: Option<u64>,
}

/// The beginning of a run that may be repeated after a restart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Begun {
    /// When the job ran for the first time.
    pub(crate) since: Time,
    /// The number of runs before this one.
    pub(crate) restarts: u32,
}

/// What a job event says about a question of the job. The rest is in its payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum QuestionFact {
    /// It was asked.
    Asked {
        /// Its name within the job.
        name: Box<str>,
        /// When it expires, in the time of the machine.
        until: Option<Time>,
    },
    /// It has ended.
    Settled,
}

/// See [`Record::Watching`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Watching {
    pub(crate) session: SessionUlid,
    pub(crate) job: JobUlid,
    /// The role of the session; `None` if the job is not shown and only a submit was answered.
    pub(crate) role: Option<Role>,
    /// The position in the job's history where a subscription begins; `None` if it begins with new events.
    pub(crate) from: Option<u64>,
    /// The submit that was answered.
    pub(crate) request_id: Option<Box<str>>,
    /// The `job.accepted` that goes before the job's first event.
    pub(crate) announced: Option<EnvelopeId>,
}

/// A session that receives a frame, and the frame's number in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The session.
    pub session: SessionUlid,
    /// The number of the frame in the session.
    pub seq: u64,
    pub(crate) id: EnvelopeId,
    /// The `job.accepted` that goes directly before it.
    pub(crate) first: Option<First>,
    /// The dialect of the session.
    pub(crate) dialect: Dialect,
}

/// A `job.accepted` that can be sent again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct First {
    pub(crate) id: EnvelopeId,
    pub(crate) request_id: Option<Box<str>>,
}

/// See [`Record::JobEvent`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobEventRecord {
    pub(crate) job: JobUlid,
    pub(crate) trace_id: TraceId,
    /// The position in the job's history, counted from 0.
    pub(crate) position: u64,
    /// The number of the event in the owner's session.
    pub(crate) seq: u64,
    pub(crate) needs: Features,
    pub(crate) payload: Bytes,
    /// What the event took from the budget.
    pub(crate) cost: Option<(Box<str>, Amount)>,
    /// The run that begins with the event, if it may be repeated after a restart.
    pub(crate) begun: Option<Begun>,
    /// What the event says about a question.
    pub(crate) question: Option<QuestionFact>,
    pub(crate) to: Vec<Target>,
}

/// See [`Record::SessionEvent`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionEventRecord {
    pub(crate) job: JobUlid,
    pub(crate) trace_id: TraceId,
    pub(crate) kind: &'static str,
    pub(crate) payload: Bytes,
    /// The position in the job's history that was shown.
    pub(crate) position: Option<u64>,
    pub(crate) to: Target,
}

/// See [`Record::JobEnded`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobEnded {
    pub(crate) job: JobUlid,
    pub(crate) trace_id: TraceId,
    pub(crate) at: Time,
    pub(crate) status: FinalStatus,
    pub(crate) kind: &'static str,
    pub(crate) payload: Bytes,
    /// The owner's number.
    pub(crate) seq: u64,
    pub(crate) to: Vec<Target>,
}

impl Record {
    /// The version of the form that [`Record::encode`] writes.
    pub const VERSION: u32 = 1;

    /// Returns the name of the record's kind, such as `job_event`.
    pub fn kind(&self) -> &'static str {
        match self {
            Record::SessionOpened(_) => "session_opened",
            Record::SessionToken(_) => "session_token",
            Record::SessionDetached { .. } => "session_detached",
            Record::SessionClosed { .. } => "session_closed",
            Record::Acknowledged { .. } => "acknowledged",
            Record::JobAccepted(_) => "job_accepted",
            Record::JobInput(_) => "job_input",
            Record::JobNoted { .. } => "job_noted",
            Record::Watching(_) => "watching",
            Record::Unwatched { .. } => "unwatched",
            Record::WatchingElsewhere { .. } => "watching_elsewhere",
            Record::JobEvent(_) => "job_event",
            Record::SessionEvent(_) => "session_event",
            Record::JobDoomed { .. } => "job_doomed",
            Record::JobEnded(_) => "job_ended",
            Record::JobForgotten { .. } => "job_forgotten",
            Record::KeyForgotten { .. } => "key_forgotten",
            Record::CredentialsAsked { .. } => "credentials_asked",
            Record::CredentialsAnswered { .. } => "credentials_answered",
            Record::CredentialIssued { .. } => "credential_issued",
            Record::CredentialRevoked { .. } => "credential_revoked",
        }
    }

    /// Returns the session that the record is about; the sessions that an event is shown in are its
    /// [`targets`](Record::targets).
    pub fn session(&self) -> Option<SessionUlid> {
        match self {
            Record::SessionOpened(record) => Some(record.session),
            Record::SessionToken(record) => Some(record.session),
            Record::Watching(record) => Some(record.session),
            Record::SessionDetached { session, .. }
            | Record::SessionClosed { session }
            | Record::Acknowledged { session, .. }
            | Record::WatchingElsewhere { session, .. }
            | Record::Unwatched { session, .. } => Some(*session),
            Record::JobAccepted(_)
            | Record::JobInput(_)
            | Record::JobNoted { .. }
            | Record::JobEvent(_)
            | Record::SessionEvent(_)
            | Record::JobDoomed { .. }
            | Record::JobEnded(_)
            | Record::JobForgotten { .. }
            | Record::KeyForgotten { .. }
            | Record::CredentialsAsked { .. }
            | Record::CredentialsAnswered { .. }
            | Record::CredentialIssued { .. }
            | Record::CredentialRevoked { .. } => None,
        }
    }

    /// Returns the sessions that are shown an event or a terminal, with its numbers in them; empty for all other records.
    pub fn targets(&self) -> &[Target] {
        match self {
            Record::JobEvent(record) => &record.to,
            Record::JobEnded(record) => &record.to,
            Record::SessionEvent(record) => core::slice::from_ref(&record.to),
            Record::SessionOpened(_)
            | Record::SessionToken(_)
            | Record::SessionDetached { .. }
            | Record::SessionClosed { .. }
            | Record::Acknowledged { .. }
            | Record::JobAccepted(_)
            | Record::JobInput(_)
            | Record::JobNoted { .. }
            | Record::Watching(_)
            | Record::Unwatched { .. }
            | Record::WatchingElsewhere { .. }
            | Record::JobDoomed { .. }
            | Record::JobForgotten { .. }
            | Record::KeyForgotten { .. }
            | Record::CredentialsAsked { .. }
            | Record::CredentialsAnswered { .. }
            | Record::CredentialIssued { .. }
            | Record::CredentialRevoked { .. } => &[],
        }
    }

    /// Returns the position of an event in its job's history, counted from 0, and its number in the owner's session, by
    /// which subscribers name it.
    pub fn position(&self) -> Option<(u64, u64)> {
        if let Record::JobEvent(record) = self { Some((record.position, record.seq)) } else { None }
    }

    /// Returns the bytes of the payload of an event or a terminal, and 0 for all other records.
    pub fn payload_len(&self) -> usize {
        if let Record::JobEvent(record) = self {
            record.payload.len()
        } else {
            self.targets().first().and_then(|target| self.entry(target)).map_or(0, |entry| entry.payload.len())
        }
    }
}
