//! What goes to the journal, and what waits for it.

use super::Runtime;
use crate::arcp::runtime::event::Output;
use crate::arcp::runtime::host::{JobId, SessionKey};
use crate::arcp::runtime::record::{Record, SessionEventRecord, SessionToken, Target};
use crate::arcp::runtime::session::Role;
use crate::arcp::wire::error::{ErrorCode, Fault};
use crate::arcp::wire::ids::SessionId;
use crate::time::Time;

/// So many stores have to wait at least before the journal is held to be stuck.
const FAR_BEHIND: u64 = 1_024;

impl Runtime {
    /// Everything up to this store is durable. Late, repeated or early reports are harmless. Without
    /// [`Config::journal`](crate::arcp::Config) it means nothing.
    pub fn handle_stored(&mut self, now: Time, seq: u64) {
        self.input(now, |this| {
            this.durable = this.durable.max(seq.min(this.stored));
            // Half of the window is free before agents wake, so that they do not wake for every commit.
            if this.stored - this.durable <= this.config.limits.store_window / 2 {
                for job in core::mem::take(&mut this.unstored) {
                    this.wake(job);
                }
            }
        })
    }

    /// The journal cannot be written for now: hellos, resumes, submits and delegations are refused with
    /// `INTERNAL_ERROR`, and refusals and pongs wait for no store. What was taken on before goes on, as far as nothing of
    /// it has to be stored.
    pub fn pause(&mut self, now: Time) {
        self.input(now, |this| {
            this.paused = true;
        })
    }

    /// The journal can be written again.
    pub fn proceed(&mut self, now: Time) {
        self.input(now, |this| {
            this.paused = false;
        })
    }

    /// Why no new work is taken, if it is not.
    pub(super) fn closed_for_work(&self) -> Result<(), Fault> {
        let why = if self.draining {
            "the runtime is shutting down; try again later"
        } else if self.stuck() {
            "the runtime cannot store anything at the moment; try again later"
        } else {
            return Ok(());
        };
        Err(Fault::new(ErrorCode::InternalError, why))
    }

    /// Whether nothing more is taken on that has to be stored: the journal cannot be written, or is so far behind that it is
    /// not what agents alone can bring about. Else whoever resumes again and again makes what waits grow without end.
    pub(super) fn stuck(&self) -> bool {
        let far = self.config.limits.store_window.saturating_mul(2).max(FAR_BEHIND);
        self.paused || (self.config.journal.is_kept() && self.stored - self.durable >= far)
    }

    pub(super) fn store(&mut self, record: Record) {
        self.stored += 1;
        self.outputs.push_back(Output::Store { seq: self.stored, record });
    }

    /// Stores what only a journal is told.
    pub(super) fn journal(&mut self, record: impl FnOnce(&Runtime) -> Option<Record>) {
        if self.config.journal.is_kept()
            && let Some(record) = record(self)
        {
            self.store(record);
        }
    }

    /// Whether so much is not durable yet that agents have to wait.
    pub(super) fn behind(&self) -> bool {
        self.config.journal.is_kept() && self.stored - self.durable >= self.config.limits.store_window.max(1)
    }

    pub(super) fn session_id(&self, key: Option<SessionKey>) -> Option<SessionId> {
        self.sessions.get(key?).map(|session| session.id)
    }

    /// The tokens of a session that are good now.
    pub(super) fn journal_token(&mut self, key: SessionKey) {
        self.journal(|this| {
            let session = this.sessions.get(key)?;
            let (session, newest, proved) = (session.id, session.newest, session.proved);
            Some(Record::SessionToken(SessionToken { session, newest, proved }.into()))
        });
    }

    /// A frame that was numbered for one session alone.
    pub(super) fn journal_shown(
        &mut self,
        accepted: &crate::arcp::wire::job::Accepted,
        kind: &'static str,
        payload: &bytes::Bytes,
        position: Option<u64>,
        to: Target,
    ) {
        self.journal(|_| {
            let (job, trace_id, payload) = (accepted.id, accepted.trace_id, payload.clone());
            Some(Record::SessionEvent(SessionEventRecord { job, trace_id, kind, payload, position, to }.into()))
        });
    }

    pub(super) fn journal_unwatched(&mut self, key: SessionKey, id: JobId) {
        self.journal(|this| {
            let (session, job) = (this.session_id(Some(key))?, this.jobs.get(id)?.accepted.id);
            Some(Record::Unwatched { session, job })
        });
    }

    /// What a session's client has processed, if it has not been recorded for long, or at all costs.
    pub(super) fn journal_ack(&mut self, key: SessionKey, now: bool) {
        if !self.config.journal.is_kept() {
            return;
        }
        let stride = if now { 1 } else { (self.config.limits.log_events as u64 / 16).clamp(1, 256) };
        let Some(session) = self.sessions.get_mut(key) else { return };
        let Some(acked) = session.log.acked() else { return };
        if session.recorded_ack.is_none_or(|recorded| acked >= recorded.saturating_add(stride)) {
            session.recorded_ack = Some(acked);
            let session = session.id;
            self.store(Record::Acknowledged { session, seq: acked });
        }
    }

    /// How a session is shown a job, for the journal.
    pub(super) fn role_in(&self, key: SessionKey, id: JobId) -> Option<Role> {
        self.sessions.get(key)?.watches.get(&id).map(|watch| watch.role)
    }
}
