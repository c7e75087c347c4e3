//! The lines that a server logs about jobs and refusals.

use std::sync::Arc;

use nuncio_core::arcp::{ErrorCode, Fault, JobUlid, JobView, SessionUlid};
use nuncio_core::time::Time;
use nuncio_core::trace::TraceId;
use tracing::field::display;
use tracing::{Level, debug, enabled, info, warn};

use super::peers::{Peer, RefusedClaim};
use crate::arcp::agent::job::Ended;
use crate::io::Sanitized;

/// What is logged of a job, as long as the machine knows it.
pub(super) struct LoggedJob {
    id: JobUlid,
    agent: String,
    principal: Arc<str>,
    session: Option<SessionUlid>,
    parent: Option<JobUlid>,
    trace_id: TraceId,
    created_at: Time,
    peer: Option<Peer>,
}

impl LoggedJob {
    /// Returns whether lines about jobs are logged.
    pub(super) fn is_wanted() -> bool {
        enabled!(Level::INFO)
    }

    /// `peer` is that of the session that has submitted the job, if it is connected.
    pub(super) fn new(view: &JobView<'_>, parent: Option<JobUlid>, peer: Option<Peer>) -> LoggedJob {
        LoggedJob {
            id: view.id,
            agent: view.agent.to_owned(),
            principal: Arc::clone(view.principal),
            session: view.session,
            parent,
            trace_id: view.trace_id,
            created_at: view.created_at,
            peer,
        }
    }

    /// Logs that the job was submitted, or delegated by another one.
    pub(super) fn submitted(&self) {
        info!(
            parent: None,
            job = display(self.id),
            agent = self.agent,
            principal = &*self.principal,
            session = self.session.map(display),
            parent = self.parent.map(display),
            trace = display(self.trace_id),
            peer = self.peer.map(display),
            "a job was submitted"
        );
    }

    /// Logs how the job has ended. `now` is what the wall clock shows.
    pub(super) fn ended(&self, ended: &Ended, now: Time) {
        info!(
            parent: None,
            job = display(self.id),
            agent = self.agent,
            status = ended.status.as_str(),
            code = ended.fault.as_ref().map(|fault| fault.code.as_str()),
            took_ms = now.since(self.created_at) / 1_000,
            principal = &*self.principal,
            session = self.session.map(display),
            trace = display(self.trace_id),
            peer = self.peer.map(display),
            "the job has ended"
        );
    }
}

/// Logs what has become of a session that can be resumed, and whose connection it was.
pub(super) fn detached(session: SessionUlid, peer: Option<Peer>, goodbye: bool) {
    let what = if goodbye { "the client has closed the session" } else { "the session has no connection" };
    info!(%session, peer = peer.map(display), "{what}; it can be resumed");
}

/// A refusal of what a connection has sent.
pub(super) struct Refusal {
    pub(super) peer: Option<Peer>,
    pub(super) principal: Option<Arc<str>>,
    pub(super) fault: Fault,
    pub(super) claim: RefusedClaim,
    /// How many lines were left out since the last one; `None` if this one is left out, too.
    pub(super) missed: Option<u64>,
}

impl Refusal {
    pub(super) fn log(&self) {
        let Refusal { peer, principal, fault, claim, missed } = self;
        let (peer, principal, code) = (peer.map(display), principal.as_deref(), fault.code.as_str());
        let error = display(Sanitized(&fault.message));
        let Some(missed) = *missed else {
            debug!(peer, principal, code, error, "a request was refused");
            return;
        };
        let missed = (missed > 0).then_some(missed);
        if fault.code == ErrorCode::Unauthenticated {
            let (client, reason) = (claim.client.as_deref(), claim.reason.as_deref());
            warn!(peer, client, code, error, reason, missed, "a client was refused");
        } else {
            info!(peer, principal, code, error, missed, "a request was refused");
        }
    }
}
