//! Unnumbered frames: replies and refusals.

use alloc::string::ToString;

use super::Runtime;
use super::conns::Queued;
use super::conns::replies::Reply;
use super::event::Event;
use super::host::{ConnId, JobId, SessionKey};
use crate::arcp::wire::envelope;
use crate::arcp::wire::error::Fault;
use crate::arcp::wire::ids::{EnvelopeId, SessionId};
use crate::arcp::wire::reply;

/// The maximum length of the message of a refusal, in bytes.
const MAX_REFUSAL: usize = 4 << 10;

impl Runtime {
    /// Answers a frame with `session.error`. The session goes on.
    pub(super) fn refuse(&mut self, conn: ConnId, request_id: Option<&str>, fault: &Fault) {
        self.totals.count_refused(fault.code);
        // A refusal may repeat the peer's text, which must not make the answer larger than a frame.
        let message = fault.message.get(..fault.message.floor_char_boundary(MAX_REFUSAL));
        let fault = &match message {
            Some(start) if start.len() < fault.message.len() => {
                Fault { message: alloc::format!("{start}…").into(), ..fault.clone() }
            }
            _ => fault.clone(),
        };
        let head = match self.conns.session(conn).and_then(|key| self.sessions.get(key)) {
            Some(session) => session.head().to_string(),
            // The TypeScript SDK drops a frame without session_id, so a refusal before the welcome has a fresh one.
            None => envelope::head(&SessionId(self.random.random_u128()), None, None),
        };
        let payload = reply::error(fault, request_id);
        let id = EnvelopeId::next(&mut self.random, self.clock.now());
        let frame = envelope::frame(id, "session.error", &head, None, &[&payload]);
        self.queue(conn, Reply::free(frame));
        self.event(Event::RefusedFrame { conn, code: fault.code, message: fault.message.clone() });
    }

    /// Queues a reply of a session, if it has a connection.
    pub(super) fn reply(&mut self, key: SessionKey, kind: &str, job: Option<JobId>, payload: &str) {
        self.reply_as(key, kind, job, payload, Reply::new);
    }

    /// Queues a reply that does not depend on stored records.
    pub(super) fn reply_free(&mut self, key: SessionKey, kind: &str, payload: &str) {
        self.reply_as(key, kind, None, payload, Reply::free);
    }

    /// Queues a `job.subscribed`; `timed` says that the job's events are timed from its sending.
    pub(super) fn reply_subscribed(&mut self, key: SessionKey, job: JobId, payload: &str, timed: bool) {
        self.reply_as(key, "job.subscribed", Some(job), payload, |frame| {
            Reply::subscribed(frame, timed.then_some(job))
        });
    }

    fn reply_as(
        &mut self,
        key: SessionKey,
        kind: &str,
        job: Option<JobId>,
        payload: &str,
        reply: impl FnOnce(bytes::Bytes) -> Reply,
    ) {
        let Some(session) = self.sessions.get(key) else { return };
        let Some(conn) = session.conn() else { return };
        let head = match job.and_then(|id| self.jobs.get(id)) {
            Some(job) => session.job_head(job.accepted()).into(),
            None => session.head().clone(),
        };
        let id = EnvelopeId::next(&mut self.random, self.clock.now());
        self.queue(conn, reply(envelope::frame(id, kind, &head, None, &[payload])));
    }

    /// Queues an unnumbered frame. If a peer sends requests faster than it reads the replies, its frames are no longer
    /// read. If the host reads on nevertheless, the connection is closed.
    pub(super) fn queue(&mut self, conn: ConnId, reply: Reply) {
        match self.conns.queue(conn, reply, &self.config.limits) {
            Queued::AsBefore => {}
            Queued::Paused => self.outputs.not_reading(conn),
            Queued::Overrun => self.cut(conn, 1008, "the peer asks faster than it reads"),
        }
    }
}
