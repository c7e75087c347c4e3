//! Refusals of frames, as each dialect's clients take them.
//!
//! ```text
//! session.error                      the specification's form (§12), and all that most dialects have
//! silence                            a refused cancel, where a session.error would fail every open handle
//! job.error, not numbered            after it, or in its place, where a client looks for the answer there
//! job.accepted, then its job.error   a submit, where a session.error would fail every open handle
//! ```

use alloc::string::ToString;
use alloc::sync::Arc;

use super::Runtime;
use super::asked::Asked;
use super::conns::conn::Conn;
use super::conns::replies::Reply;
use super::event::Event;
use super::host::{ConnId, JobKey, SessionKey};
use super::retry::Answer;
use super::sessions::session::Session;
use super::validate;
use crate::arcp::wire::dialect::{Dialect, RefusedSubmit};
use crate::arcp::wire::envelope;
use crate::arcp::wire::error::Fault;
use crate::arcp::wire::ids::{EnvelopeId, JobUlid, ReplyId, SessionUlid, is_plain};
use crate::arcp::wire::job::{Accepted, FinalStatus};
use crate::arcp::wire::reply;
use crate::lease::Lease;
use crate::trace::TraceId;

/// The maximum length of the message of a refusal, in bytes.
const MAX_REFUSAL: usize = 4 << 10;

impl Runtime {
    /// Answers a frame that asked for nothing in particular with `session.error`. The session goes on.
    pub(super) fn refuse(&mut self, conn: ConnId, request_id: Option<&str>, fault: &Fault) {
        self.refuse_request(conn, request_id, &Asked::Other, fault);
    }

    /// Refuses what a frame asked for, in the dialect of its session. The session goes on.
    pub(super) fn refuse_request(&mut self, conn: ConnId, request_id: Option<&str>, asked: &Asked, fault: &Fault) {
        let fault = &shortened(fault);
        if self.is_guest(conn) {
            return self.refuse_guest(conn, request_id, fault);
        }
        self.totals.count_refused(fault.code);
        let row = self.dialect_of(conn).row();
        match asked {
            Asked::Cancel if row.silent_cancel => {}
            Asked::Submit { agent, trace_id } => match row.refused_submit {
                RefusedSubmit::Error => self.send_error(conn, request_id, false, fault),
                RefusedSubmit::ErrorThenJobError => {
                    self.send_error(conn, request_id, false, fault);
                    self.send_job_error(conn, request_id, None, fault);
                }
                RefusedSubmit::JobError => self.fail_unborn(conn, *trace_id, fault),
                RefusedSubmit::AcceptedAndFailed => {
                    self.accept_and_fail(conn, request_id, agent.as_deref(), *trace_id, fault);
                }
            },
            Asked::Hello | Asked::List | Asked::Subscribe { .. } => {
                self.send_error(conn, request_id, true, fault);
                if row.refusals_end_by_job_error {
                    let job = if let Asked::Subscribe { job } = asked { job.as_deref() } else { None };
                    self.send_job_error(conn, request_id, job, fault);
                }
            }
            Asked::Cancel | Asked::Other => self.send_error(conn, request_id, true, fault),
        }
        self.event(Event::RefusedFrame { conn, code: fault.code, message: fault.message.clone() });
    }

    /// The dialect in which a connection is answered.
    fn dialect_of(&self, conn: ConnId) -> Dialect {
        let session = self.conns.session(conn).and_then(|key| self.sessions.get(key));
        let greeting = || self.conns.get(conn).map(|open| Conn::dialect(open, self.config.dialect));
        session.map(Session::dialect).or_else(greeting).unwrap_or_default()
    }

    /// Tells the peer of a fault of the runtime, which refuses no request.
    pub(super) fn announce_fault(&mut self, conn: ConnId, fault: &Fault) {
        self.send_error(conn, None, false, fault);
    }

    /// Sends a `session.error`. `as_reply` says that it has the id of the request, in the dialects that want that.
    fn send_error(&mut self, conn: ConnId, request_id: Option<&str>, as_reply: bool, fault: &Fault) {
        let dialect = self.dialect_of(conn);
        let head = match self.conns.session(conn).and_then(|key| self.sessions.get(key)) {
            Some(session) => session.head().to_string(),
            // The TypeScript SDK drops a frame without session_id, so a refusal before the welcome has a fresh one.
            None => envelope::head(&SessionUlid(self.random.random_u128()), None, None),
        };
        let payload = reply::error(fault, dialect, request_id);
        let own = EnvelopeId::next(&mut self.random, self.clock.now());
        let id = dialect.reply_id(own, request_id.filter(|_| as_reply));
        self.queue(conn, Reply::answer(envelope::reply(id, "session.error", &head, &payload)));
    }

    /// Sends an unnumbered `job.error` with the id of a request. It is about the job that the request named, if any.
    fn send_job_error(&mut self, conn: ConnId, request_id: Option<&str>, job: Option<&str>, fault: &Fault) {
        let Some(request_id) = request_id else { return };
        let session = match self.conns.session(conn).and_then(|key| self.sessions.get(key)) {
            Some(session) => session.id(),
            None => SessionUlid(self.random.random_u128()),
        };
        let job = job.filter(|job| is_plain(job));
        let head = envelope::head(&session, None, job.as_ref().map(|job| job as &dyn core::fmt::Display));
        let frame = envelope::reply(ReplyId::Request(request_id), "job.error", &head, &reply::refused(fault));
        self.queue(conn, Reply::answer(frame));
    }

    /// Refuses a submit by the unnumbered `job.error` of a job that never was.
    fn fail_unborn(&mut self, conn: ConnId, trace_id: Option<TraceId>, fault: &Fault) {
        let Some(session) = self.conns.session(conn).and_then(|key| self.sessions.get(key)) else { return };
        let (session, now) = (session.id(), self.clock.now());
        let job = JobUlid(self.random.monotonic(now));
        let trace_id = trace_id.unwrap_or_else(|| TraceId::random(&mut self.random));
        let head = envelope::head(&session, Some(&trace_id), Some(&job));
        let id = ReplyId::Own(EnvelopeId::next(&mut self.random, now));
        self.queue(conn, Reply::answer(envelope::reply(id, "job.error", &head, &reply::refused(fault))));
    }

    /// Refuses a submit whose session would fail everything that is going on in it after a `session.error`: the submit is
    /// accepted, and the job fails at once. Where nothing else is going on, or the log has no room, a `session.error` is
    /// sent.
    fn accept_and_fail(
        &mut self,
        conn: ConnId,
        request_id: Option<&str>,
        agent: Option<&str>,
        trace_id: Option<TraceId>,
        fault: &Fault,
    ) {
        let busy = self.conns.session(conn).filter(|key| {
            let session = self.sessions.get(*key);
            session.is_some_and(|session| session.is_busy() && session.has_room(1, 0, &self.config.limits))
        });
        let (Some(key), Some(request_id)) = (busy, request_id) else {
            return self.send_error(conn, request_id, false, fault);
        };
        let Some(accepted) = self.unborn(key, agent, trace_id) else { return };
        let terminal = reply::failure(FinalStatus::Error, fault, self.clock.text());
        let announcement = self.send_accepted(key, JobKey::default(), &accepted, Answer::now(request_id));
        self.show_past_terminal(key, &accepted, &terminal, announcement);
    }

    /// The facts of a job that fails as it is accepted.
    fn unborn(&mut self, key: SessionKey, agent: Option<&str>, trace_id: Option<TraceId>) -> Option<Arc<Accepted>> {
        let (now, wall) = (self.clock.now(), self.clock.wall());
        let principal = Arc::clone(self.sessions.get(key)?.principal());
        let agent = agent.filter(|agent| validate::agent_ref(agent).is_ok()).unwrap_or("unknown");
        let trace_id = trace_id.unwrap_or_else(|| TraceId::random(&mut self.random));
        Some(Arc::new(Accepted {
            id: JobUlid(self.random.monotonic(now)),
            principal,
            agent: agent.into(),
            version: None,
            lease: Lease::default(),
            expires_at: None,
            budget: None,
            parent: None,
            delegate_id: None,
            trace_id,
            created_at: wall,
            accepted_at: wall,
        }))
    }
}

/// A refusal may repeat the peer's words; that must not make the answer larger than a frame.
fn shortened(fault: &Fault) -> Fault {
    let message = fault.message.get(..fault.message.floor_char_boundary(MAX_REFUSAL));
    match message {
        Some(start) if start.len() < fault.message.len() => {
            Fault { message: alloc::format!("{start}…").into(), ..fault.clone() }
        }
        _ => fault.clone(),
    }
}
