//! Records for the host to store, and the reports of what is durable.

use bytes::Bytes;

use super::Runtime;
use super::conns::conn::Ending;
use super::host::{JobKey, SessionKey};
use super::record::{Record, SessionEventRecord, SessionToken, Target, Watching};
use crate::arcp::wire::error::{ErrorCode, Fault};
use crate::arcp::wire::ids::EnvelopeId;
use crate::arcp::wire::job::About;
use crate::time::Time;

impl Runtime {
    /// Reports that all stores up to this one are durable. Late, repeated or early reports are harmless. Without
    /// [`Config::journal`](crate::arcp::Config::journal) the report has no effect.
    pub fn handle_stored(&mut self, now: Time, seq: u64) {
        self.input(now, |this| {
            let ready = this.durability.reached(seq, this.outputs.stored());
            this.jobs.wake(ready);
            this.take_all_arrivals();
        });
    }

    /// Reports that the journal cannot be written. Until it can, hellos, resumes, submits and delegations are refused
    /// with `INTERNAL_ERROR`, and refusals and pongs wait for no store. Existing sessions and jobs go on as far as
    /// nothing has to be stored.
    pub fn pause(&mut self, now: Time) {
        self.input(now, |this| this.durability.pause());
    }

    /// Reports that the journal can be written again.
    pub fn proceed(&mut self, now: Time) {
        self.input(now, |this| {
            this.durability.proceed();
            this.take_all_arrivals();
        });
    }

    /// Reports that the journal is lost for good: it was deleted, damaged, or written by another program. Every connection is
    /// told so with a `session.error` and closed (1011), and new work is refused. Nothing ends on record, so the next runtime
    /// of the journal goes on from what it has. What waits for the journal is never sent.
    pub fn lose_journal(&mut self, now: Time) {
        self.input(now, |this| {
            this.durability.pause();
            let why = "the runtime has lost its journal and ends; what it has not confirmed may be lost";
            let fault = Fault::new(ErrorCode::InternalError, why);
            for conn in this.conns.ids() {
                if this.conns.session(conn).is_some() {
                    this.announce_fault(conn, &fault);
                }
                this.conns.leave(conn, Ending { code: 1011, reason: "the journal of the runtime is lost" });
            }
        });
    }

    /// Returns whether requests that have to be stored are refused, because the journal cannot be written or is too far
    /// behind.
    pub(super) fn is_stuck(&self) -> bool {
        self.durability.is_stuck(self.outputs.stored())
    }

    /// Refuses a request that has to be stored while the runtime cannot store anything.
    pub(super) fn can_store(&self) -> Result<(), Fault> {
        if self.is_stuck() {
            let why = "the runtime cannot store anything at the moment; try again later";
            return Err(Fault::new(ErrorCode::InternalError, why));
        }
        Ok(())
    }

    /// Stores a record if there is a journal. Otherwise the record is not made.
    pub(super) fn record(&mut self, record: impl FnOnce(&Runtime) -> Option<Record>) {
        if self.durability.is_kept()
            && let Some(record) = record(self)
        {
            self.store(record);
        }
    }

    /// Records the tokens of a session that are valid now.
    pub(super) fn record_tokens(&mut self, key: SessionKey) {
        self.record(|this| {
            let session = this.sessions.get(key)?;
            let (newest, proved) = session.tokens();
            Some(Record::SessionToken(SessionToken { session: session.id(), newest, proved }.into()))
        });
    }

    /// Records what a client has processed, if it is at least `stride` events beyond what is on record.
    pub(super) fn record_ack(&mut self, key: SessionKey, stride: u64) {
        if !self.durability.is_kept() {
            return;
        }
        if let Some(session) = self.sessions.get_mut(key)
            && let Some(seq) = session.record_ack(stride)
        {
            let session = session.id();
            self.store(Record::Acknowledged { session, seq });
        }
    }

    /// Records that a session watches a job from now on, or that its submit was answered with the job.
    pub(super) fn record_watching(
        &mut self,
        key: SessionKey,
        id: JobKey,
        request_id: Option<&str>,
        from: Option<u64>,
        announced: Option<EnvelopeId>,
    ) {
        self.record(|this| {
            let (session, job) =
                (this.sessions.get(key).filter(|session| !session.is_guest())?, this.jobs.get(id)?.ulid());
            let (role, request_id) = (session.role(id), request_id.map(Into::into));
            Some(Record::Watching(Watching { session: session.id(), job, role, from, request_id, announced }.into()))
        });
    }

    /// Records that a session no longer watches a job.
    pub(super) fn record_unwatched(&mut self, key: SessionKey, id: JobKey) {
        self.record(|this| {
            let session = this.sessions.get(key).filter(|session| !session.is_guest())?;
            Some(Record::Unwatched { session: session.id(), job: this.jobs.get(id)?.ulid() })
        });
    }

    /// Records a frame that was numbered for one session alone.
    pub(super) fn record_shown(
        &mut self,
        about: About,
        kind: &'static str,
        payload: &Bytes,
        position: Option<u64>,
        to: Target,
    ) {
        self.record(|_| {
            let (About { job, trace_id }, payload) = (about, payload.clone());
            Some(Record::SessionEvent(SessionEventRecord { job, trace_id, kind, payload, position, to }.into()))
        });
    }

    /// Records that a job can no longer succeed.
    pub(super) fn record_doom(&mut self, id: JobKey, cancelled: bool) {
        self.record(|this| Some(Record::JobDoomed { job: this.jobs.get(id)?.ulid(), cancelled }));
    }
}
