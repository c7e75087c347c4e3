//! What a record says about its job, and the frame that a session was sent for it.

use bytes::Bytes;

use super::{Record, Target, Watching};
use crate::arcp::runtime::sessions::watches::Role;
use crate::arcp::wire::envelope;
use crate::arcp::wire::feature::Feature;
use crate::arcp::wire::ids::{JobUlid, SessionUlid};
use crate::arcp::wire::job::FinalStatus;
use crate::trace::TraceId;

impl Record {
    /// Returns the job that the record is about.
    pub fn job(&self) -> Option<JobUlid> {
        match self {
            Record::JobAccepted(record) => Some(record.accepted.id),
            Record::JobInput(record) => Some(record.job),
            Record::Watching(record) => Some(record.job),
            Record::JobEvent(record) => Some(record.job),
            Record::SessionEvent(record) => Some(record.job),
            Record::JobEnded(record) => Some(record.job),
            Record::JobNoted { job, .. }
            | Record::Unwatched { job, .. }
            | Record::JobDoomed { job, .. }
            | Record::JobForgotten { job }
            | Record::KeyForgotten { job }
            | Record::CredentialsAsked { job }
            | Record::CredentialsAnswered { job }
            | Record::CredentialIssued { job, .. }
            | Record::CredentialRevoked { job, .. } => Some(*job),
            Record::SessionOpened(_)
            | Record::SessionToken(_)
            | Record::SessionDetached { .. }
            | Record::SessionClosed { .. }
            | Record::WatchingElsewhere { .. }
            | Record::Acknowledged { .. } => None,
        }
    }

    /// Returns how the job ended, for a `job_ended`.
    pub fn final_status(&self) -> Option<FinalStatus> {
        if let Record::JobEnded(record) = self { Some(record.status) } else { None }
    }

    /// Returns the job that delegated the job of a `job_accepted`.
    pub fn parent(&self) -> Option<JobUlid> {
        if let Record::JobAccepted(record) = self { record.accepted.parent } else { None }
    }

    /// Returns the session that has submitted the job of a `job_accepted`, or that owns the job that has delegated it.
    pub fn owner(&self) -> Option<SessionUlid> {
        if let Record::JobAccepted(record) = self { record.owner } else { None }
    }

    /// Whether a run begins with this event that may be repeated after a restart.
    pub fn begins_run(&self) -> bool {
        if let Record::JobEvent(record) = self { record.begun.is_some() } else { false }
    }

    /// Whether this event took something from a budget.
    pub fn has_cost(&self) -> bool {
        if let Record::JobEvent(record) = self { record.cost.is_some() } else { false }
    }

    /// Whether this event is a chunk of a streamed result, after which its job is not run again.
    pub fn is_chunk(&self) -> bool {
        if let Record::JobEvent(record) = self { record.needs.has(Feature::ResultChunk) } else { false }
    }

    /// Whether this event asks a question or says how one has ended.
    pub fn is_question(&self) -> bool {
        if let Record::JobEvent(record) = self { record.question.is_some() } else { false }
    }

    /// Whether this is a job that was accepted with an idempotency key, for which a `key_forgotten` will follow.
    pub fn is_keyed(&self) -> bool {
        if let Record::JobAccepted(record) = self { record.key.is_some() } else { false }
    }

    /// Returns the frame that a session was sent for this event or terminal, with its number; `None` if it was sent none.
    pub fn frame(&self, session: SessionUlid) -> Option<(u64, Bytes)> {
        let target = self.targets().iter().find(|target| target.session == session)?;
        let entry = self.entry(target)?;
        let head = envelope::head(&session, Some(&entry.trace_id), Some(&entry.job));
        let payload = core::str::from_utf8(&entry.payload).ok()?;
        Some((target.seq, envelope::frame(target.id, entry.kind, &head, Some(target.seq), &[payload])))
    }

    pub(crate) fn entry(&self, target: &Target) -> Option<Numbered> {
        if let Record::JobEvent(event) = self {
            let (kind, payload) = target.dialect.numbered(event.job, "job.event", &event.payload);
            Some(Numbered { job: event.job, trace_id: event.trace_id, kind, payload })
        } else if let Record::SessionEvent(event) = self {
            // Its payload is what the session was shown.
            let payload = event.payload.clone();
            Some(Numbered { job: event.job, trace_id: event.trace_id, kind: event.kind, payload })
        } else if let Record::JobEnded(ended) = self {
            let (kind, payload) = target.dialect.numbered(ended.job, ended.kind, &ended.payload);
            Some(Numbered { job: ended.job, trace_id: ended.trace_id, kind, payload })
        } else {
            None
        }
    }
}

impl Watching {
    /// Whether the session is shown the job.
    pub fn is_shown(&self) -> bool {
        self.role.is_some()
    }

    /// Whether the job is the session's own.
    pub fn is_owner(&self) -> bool {
        self.role == Some(Role::Owner)
    }

    /// Whether the session is shown the job's history first.
    pub fn begins_history(&self) -> bool {
        self.from.is_some()
    }

    /// Whether this records the answer to a submit.
    pub fn answers_submit(&self) -> bool {
        self.request_id.is_some()
    }
}

/// The parts of a session's frame besides its id and number.
pub(crate) struct Numbered {
    pub(crate) job: JobUlid,
    pub(crate) trace_id: TraceId,
    pub(crate) kind: &'static str,
    pub(crate) payload: Bytes,
}
