//! Unnumbered frames: replies. `refuse.rs` has the refusals.

use super::Runtime;
use super::conns::Queued;
use super::conns::replies::Reply;
use super::host::{ConnId, JobKey, SessionKey};
use crate::arcp::wire::envelope;
use crate::arcp::wire::ids::{EnvelopeId, ReplyId};

/// What a reply answers, and the job it is about.
#[derive(Clone, Copy, Default)]
pub(super) struct To<'a> {
    pub(super) request_id: Option<&'a str>,
    pub(super) job: Option<JobKey>,
}

impl Runtime {
    /// Queues a reply of a session, if it has a connection.
    pub(super) fn reply(&mut self, key: SessionKey, to: To<'_>, kind: &str, payload: &str) {
        self.reply_as(key, to, kind, payload, Reply::new);
    }

    /// Queues an answer that does not depend on stored records.
    pub(super) fn answer(&mut self, key: SessionKey, to: To<'_>, kind: &str, payload: &str) {
        self.reply_as(key, to, kind, payload, Reply::answer);
    }

    /// Queues a reply of a session, which waits for nothing while nothing can be stored.
    pub(super) fn reply_even_if_stuck(&mut self, key: SessionKey, to: To<'_>, kind: &str, payload: &str) {
        if self.is_stuck() {
            self.answer(key, to, kind, payload);
        } else {
            self.reply(key, to, kind, payload);
        }
    }

    /// Queues a frame that does not depend on stored records and answers no request.
    pub(super) fn reply_free(&mut self, key: SessionKey, kind: &str, payload: &str) {
        self.reply_as(key, To::default(), kind, payload, Reply::free);
    }

    /// Queues a `job.subscribed`; `timed` says that the job's events are timed from its sending. It follows the event `after`: the
    /// client takes what comes then for events of this subscription, and not of an earlier one. Returns its id if the session has
    /// a connection.
    pub(super) fn reply_subscribed(
        &mut self,
        key: SessionKey,
        request_id: &str,
        job: JobKey,
        payload: &str,
        timed: bool,
        after: u64,
    ) -> Option<EnvelopeId> {
        let to = To { request_id: Some(request_id), job: Some(job) };
        self.reply_as(key, to, "job.subscribed", payload, |frame| {
            Reply::subscribed(frame, timed.then_some(job)).following(after)
        })
    }

    fn reply_as(
        &mut self,
        key: SessionKey,
        to: To<'_>,
        kind: &str,
        payload: &str,
        reply: impl FnOnce(bytes::Bytes) -> Reply,
    ) -> Option<EnvelopeId> {
        let session = self.sessions.get(key)?;
        let conn = session.conn()?;
        let dialect = session.dialect();
        let head = match to.job.and_then(|id| self.jobs.get(id)) {
            Some(job) => session.job_head(job.accepted()).into(),
            None => session.head().clone(),
        };
        let own = EnvelopeId::next(&mut self.random, self.clock.now());
        let id = match to.request_id {
            Some(request_id) if session.is_guest() => ReplyId::Request(request_id),
            _ => dialect.reply_id(own, to.request_id),
        };
        self.queue(conn, reply(envelope::reply(id, kind, &head, payload)));
        Some(own)
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
