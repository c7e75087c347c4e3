//! What a record takes in the journal, and until when.

use super::Record;
use crate::arcp::wire::ids::{JobUlid, SessionUlid};

/// Bytes of a record besides its payload.
const RECORD_BYTES: usize = 300;
/// Bytes for each session that an event is shown in.
const TARGET_BYTES: usize = 130;

/// Whose records a record goes with: a journal may drop it once that session is closed, or that job is forgotten.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Keeper {
    Session(SessionUlid),
    Job(JobUlid),
}

impl Record {
    /// Returns what keeps the record in a journal, and an estimate of its bytes there. `None` for records that soon go by
    /// themselves, or whose bytes are bounded by limits of their own: inputs, notes and credentials.
    pub(crate) fn charge(&self) -> Option<(Keeper, usize)> {
        let (keeper, bytes) = match self {
            Record::SessionOpened(record) => (Keeper::Session(record.session), record.principal.len()),
            Record::SessionToken(record) => (Keeper::Session(record.session), 0),
            Record::Watching(record) => {
                (Keeper::Session(record.session), record.request_id.as_ref().map_or(0, |id| id.len()))
            }
            Record::SessionDetached { session, .. }
            | Record::Acknowledged { session, .. }
            | Record::Unwatched { session, .. } => (Keeper::Session(*session), 0),
            Record::WatchingElsewhere { session, jobs } => (Keeper::Session(*session), jobs.len() * 64),
            Record::SessionEvent(record) => (Keeper::Session(record.to.session), record.payload.len() + TARGET_BYTES),
            Record::JobAccepted(record) => (Keeper::Job(record.accepted.id), record.accepted.held()),
            Record::JobEvent(record) => {
                (Keeper::Job(record.job), record.payload.len() + record.to.len() * TARGET_BYTES)
            }
            Record::JobEnded(record) => {
                (Keeper::Job(record.job), record.payload.len() + record.to.len() * TARGET_BYTES)
            }
            Record::JobDoomed { job, .. } => (Keeper::Job(*job), 0),
            Record::JobInput(_)
            | Record::JobNoted { .. }
            | Record::SessionClosed { .. }
            | Record::JobForgotten { .. }
            | Record::KeyForgotten { .. }
            | Record::CredentialsAsked { .. }
            | Record::CredentialsAnswered { .. }
            | Record::CredentialIssued { .. }
            | Record::CredentialRevoked { .. } => return None,
        };
        Some((keeper, RECORD_BYTES + bytes))
    }
}
