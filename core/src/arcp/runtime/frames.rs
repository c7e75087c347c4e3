//! What comes from the wire: opening, frames, their dispatch and their refusal.

use alloc::borrow::Cow;
use alloc::boxed::Box;
use alloc::string::ToString;

use slotmap::Key;

use super::Runtime;
use crate::arcp::runtime::conn::{Conn, Reply};
use crate::arcp::runtime::event::{Event, Output, Timer};
use crate::arcp::runtime::host::{ConnId, JobId, SessionKey, Via};
use crate::arcp::runtime::session;
use crate::arcp::runtime::session::{ConnEvent, ConnState};
use crate::arcp::wire::envelope::{self, Envelope};
use crate::arcp::wire::error::{ErrorCode, Fault};
use crate::arcp::wire::ids::EnvelopeId;
use crate::arcp::wire::ids::SessionId;
use crate::arcp::wire::reply;
use crate::arcp::wire::request;
use crate::time::Time;

/// An envelope id is echoed and remembered, so it may not be a novel.
const MAX_ID: usize = 512;
/// Bytes of the sentence of a refusal.
const MAX_REFUSAL: usize = 4 << 10;
/// Malformed frames are counted per minute.
const BAD_FRAMES_PERIOD: u64 = 60_000_000;
/// How many times its limit a reply queue may hold before a host that reads on regardless loses the connection.
const REPLY_OVERRUN: usize = 8;

/// A frame whose head is in order.
pub(super) struct Request<'a> {
    pub(super) conn: ConnId,
    pub(super) id: &'a str,
    pub(super) kind: &'a str,
    pub(super) envelope: &'a Envelope<'a>,
}

impl Runtime {
    /// A transport is up. It has until [`Config::hello_timeout`](crate::arcp::Config) to say hello.
    pub fn handle_open(&mut self, now: Time, via: Via) -> ConnId {
        self.input(now, |this| {
            let now = this.now;
            let conn = this.conns.insert(Conn::new(via, now));
            this.ungreeted += 1;
            let limit = if this.conns.len() > this.config.limits.connections {
                Some(("connections", this.config.limits.connections))
            } else if this.ungreeted > this.config.limits.ungreeted {
                Some(("ungreeted", this.config.limits.ungreeted))
            } else {
                None
            };
            match limit {
                Some((limit, max)) => {
                    this.refuse(conn, None, &Fault::limit(limit, max as u64));
                    // Nothing was queued before, so the frame had credit: the connection takes no place in the table.
                    this.end(conn, 1013, "too many connections");
                }
                None => {
                    let at = now.plus(this.config.hello_timeout);
                    if let Some(open) = this.conns.get_mut(conn) {
                        open.greeting_at = Some(at);
                    }
                    this.arm(at, Timer::Greeting, conn);
                }
            }
            conn
        })
    }

    /// One whole frame of a peer. Frames of a connection that is gone or going are ignored.
    pub fn handle_frame(&mut self, now: Time, conn: ConnId, frame: &[u8]) {
        self.input(now, |this| {
            let now = this.now;
            let Some(open) = this.conns.get_mut(conn) else { return };
            let early = match open.state {
                ConnState::Greeting | ConnState::Authenticating => true,
                ConnState::Bound => false,
                ConnState::Closing | ConnState::Gone => return,
            };
            open.last_received = now;
            if !early {
                this.prove(conn);
            }
            if frame.len() > this.config.limits.frame_bytes {
                this.refuse_oversized(conn);
                return;
            }
            if let Err((id, fault, malformed)) = this.read(conn, frame) {
                this.refuse(conn, id.as_deref(), &fault);
                if early {
                    this.end(conn, 1008, "the session was refused");
                } else if malformed {
                    this.count_bad_frame(conn);
                }
            }
            this.touch(conn);
        })
    }

    /// The link could not hand a frame in and reads no more: it was too large (`code` 1009), or no text (any other close
    /// code). It is answered as if it had come here, and the connection ends.
    pub fn handle_unreadable(&mut self, now: Time, conn: ConnId, code: u16) {
        self.input(now, |this| {
            let state = this.conns.get(conn).map_or(ConnState::Gone, |open| open.state);
            if matches!(state, ConnState::Closing | ConnState::Gone) {
                return;
            }
            if code == 1009 {
                this.refuse_oversized(conn);
            } else {
                this.refuse(conn, None, &Fault::invalid("the frame is not UTF-8"));
                this.end(conn, code, "the frame is no text");
            }
            this.touch(conn);
        })
    }

    fn refuse_oversized(&mut self, conn: ConnId) {
        self.refuse(conn, None, &Fault::limit("frame_bytes", self.config.limits.frame_bytes as u64));
        self.end(conn, 1009, "the frame is larger than the limit");
    }

    /// Reads and carries out one frame. The flag of an error says that it was no frame at all.
    fn read(&mut self, conn: ConnId, frame: &[u8]) -> Result<(), (Option<Box<str>>, Fault, bool)> {
        let malformed = |sentence: Cow<'static, str>| (None, Fault::invalid(sentence), true);
        let text = core::str::from_utf8(frame).map_err(|_| malformed("the frame is not UTF-8".into()))?;
        let salvaged = |fault: Fault| (envelope::salvage_id(text).map(Into::into), fault, true);
        if crate::json::too_deep(text) {
            return Err(salvaged(Fault::invalid(alloc::format!(
                "the frame nests deeper than {} levels",
                crate::json::MAX_DEPTH
            ))));
        }
        let envelope = Envelope::parse(text).map_err(|error| {
            salvaged(Fault::invalid(alloc::format!("the frame is no ARCP envelope: {}", request::blame(&error))))
        })?;
        let id = envelope.id.as_ref().map_or("", |id| id.as_str());
        let named = |fault: Fault| ((!id.is_empty()).then(|| id.into()), fault, false);
        if !matches!(envelope.arcp.as_ref().map(crate::json::Text::as_str), Some("1.1" | "1")) {
            return Err(named(Fault::invalid("the member arcp must be \"1.1\" or \"1\"")));
        }
        if id.is_empty() || id.len() > MAX_ID {
            return Err((None, Fault::invalid("the member id must be a string of 1 to 512 bytes"), false));
        }
        let kind = envelope.kind.as_ref().map_or("", |kind| kind.as_str());
        if kind.is_empty() {
            return Err(named(Fault::invalid("the member type is missing")));
        }
        self.dispatch(&Request { conn, id, kind, envelope: &envelope }).map_err(named)
    }

    fn dispatch(&mut self, request: &Request<'_>) -> Result<(), Fault> {
        let state = self.conns.get(request.conn).map_or(ConnState::Gone, |conn| conn.state);
        match state {
            ConnState::Greeting => match request.kind {
                "session.hello" => self.on_hello(request),
                "session.resume" => self.on_resume(request),
                _ => Err(Fault::invalid("the first frame must be session.hello or session.resume")),
            },
            ConnState::Authenticating => {
                Err(Fault::invalid("no frame may be sent between session.hello and session.welcome"))
            }
            ConnState::Bound => self.dispatch_bound(request),
            ConnState::Closing | ConnState::Gone => Ok(()),
        }
    }

    fn dispatch_bound(&mut self, request: &Request<'_>) -> Result<(), Fault> {
        let Some(key) = self.conns.get(request.conn).and_then(|conn| conn.session) else { return Ok(()) };
        let Some(session) = self.sessions.get(key) else { return Ok(()) };
        let named = request.envelope.session_id.as_ref().map_or("", |id| id.as_str());
        if !named.is_empty() && SessionId::parse(named) != Some(session.id) {
            return Err(Fault::invalid("the frame names another session than this connection's"));
        }
        match request.kind {
            "job.submit" => self.on_submit(key, request),
            "job.cancel" => self.on_cancel(key, request),
            "job.subscribe" => self.on_subscribe(key, request),
            "job.unsubscribe" => self.on_unsubscribe(key, request),
            "session.ping" => self.on_ping(key, request),
            "session.ack" => self.on_ack(key, request),
            "session.list_jobs" => self.on_list(key, request),
            "session.close" | "session.bye" => self.on_close(key, request),
            "session.pong" | "session.error" | "session.closed" => Ok(()),
            "session.hello" | "session.resume" => Err(Fault::invalid("this connection has a session already")),
            "session.welcome" | "session.jobs" | "job.accepted" | "job.cancelled" | "job.event" | "job.result"
            | "job.error" | "job.subscribed" => {
                Err(Fault::invalid(alloc::format!("only a runtime sends {}", request.kind)))
            }
            vendor if vendor.starts_with("x-vendor.") && is_optional(request.envelope) => Ok(()),
            other => Err(Fault::invalid(alloc::format!("the message type {other:?} is unknown"))),
        }
    }

    fn count_bad_frame(&mut self, conn: ConnId) {
        let (now, limit) = (self.now, self.config.limits.bad_frames);
        let Some(open) = self.conns.get_mut(conn) else { return };
        if now.since(open.bad_since) >= BAD_FRAMES_PERIOD {
            open.bad_since = now;
            open.bad_frames = 0;
        }
        open.bad_frames += 1;
        if open.bad_frames > limit {
            self.end(conn, 1008, "too many malformed frames");
        }
    }

    /// Answers a frame with `session.error`. The session goes on.
    pub(super) fn refuse(&mut self, conn: ConnId, request_id: Option<&str>, fault: &Fault) {
        self.totals.count_refused(fault.code);
        // What is repeated of the peer's own words must not make the answer larger than a frame.
        let message = fault.message.get(..fault.message.floor_char_boundary(MAX_REFUSAL));
        let fault = &match message {
            Some(start) if start.len() < fault.message.len() => {
                Fault { message: alloc::format!("{start}…").into(), ..fault.clone() }
            }
            _ => fault.clone(),
        };
        let session = self.conns.get(conn).and_then(|conn| conn.session);
        let head = match session.and_then(|key| self.sessions.get(key)) {
            Some(session) => session.head.to_string(),
            // TypeScript drops a frame without session_id, so a refusal before the welcome has one of its own.
            None => envelope::head(&SessionId(self.random.random_u128()), None, None),
        };
        let payload = reply::error(fault, request_id);
        let frame =
            envelope::frame(EnvelopeId::next(&mut self.random, self.now), "session.error", &head, None, &[&payload]);
        self.queue(conn, Reply { frame, after: 0, hold: false, subscribed: None, free: true });
        self.event(Event::RefusedFrame { conn, code: fault.code, message: fault.message.clone() });
    }

    /// Queues a reply of a session, if it has a connection.
    pub(super) fn reply(&mut self, key: SessionKey, kind: &str, job: Option<JobId>, payload: &str) {
        self.reply_marked(key, kind, job, payload, false);
    }

    /// Queues a reply that tells of nothing that was stored.
    pub(super) fn reply_free(&mut self, key: SessionKey, kind: &str, payload: &str) {
        let Some(session) = self.sessions.get(key) else { return };
        let Some(conn) = session.conn else { return };
        let head = session.head.clone();
        let frame = envelope::frame(EnvelopeId::next(&mut self.random, self.now), kind, &head, None, &[payload]);
        self.queue(conn, Reply { frame, after: 0, hold: false, subscribed: None, free: true });
    }

    pub(super) fn reply_marked(
        &mut self,
        key: SessionKey,
        kind: &str,
        job: Option<JobId>,
        payload: &str,
        subscribed: bool,
    ) {
        let Some(session) = self.sessions.get(key) else { return };
        let Some(conn) = session.conn else { return };
        let head = match job.and_then(|id| self.jobs.get(id)) {
            Some(job) => session::job_head(session.id, &job.accepted).into(),
            None => session.head.clone(),
        };
        let frame = envelope::frame(EnvelopeId::next(&mut self.random, self.now), kind, &head, None, &[payload]);
        let subscribed = job.filter(|_| subscribed);
        self.queue(conn, Reply { frame, after: 0, hold: false, subscribed, free: false });
    }

    pub(super) fn queue(&mut self, conn: ConnId, reply: Reply) {
        let (max_frames, max_bytes) = (self.config.limits.reply_frames, self.config.limits.reply_bytes);
        self.touch(conn);
        let Some(open) = self.conns.get_mut(conn) else { return };
        open.queue(reply);
        if open.replies.len() >= max_frames || open.reply_bytes >= max_bytes {
            if !open.paused {
                // What was to be told is over before it was told.
                self.outputs.retain(|output| !matches!(output, Output::Reading { conn: other } if *other == conn));
            }
            open.paused = true;
        }
        let overrun = open.replies.len() > max_frames.saturating_mul(REPLY_OVERRUN)
            || open.reply_bytes > max_bytes.saturating_mul(REPLY_OVERRUN);
        if overrun {
            self.cut(conn, 1008, "the peer asks faster than it reads");
        }
    }

    /// Whether the next frame of this connection may be handed in. Asked before every frame.
    pub fn reading(&self, conn: ConnId) -> bool {
        self.conns.get(conn).is_some_and(|open| match open.state {
            ConnState::Greeting | ConnState::Closing => true,
            ConnState::Authenticating | ConnState::Gone => false,
            ConnState::Bound => !open.paused,
        })
    }

    /// No frame follows but what is queued: the connection closes when that is written, or when it had its time.
    pub(super) fn end(&mut self, conn: ConnId, code: u16, reason: &'static str) {
        let at = self.now.plus(self.config.linger);
        let Some(open) = self.conns.get_mut(conn) else { return };
        let Some(state) = open.state.next(ConnEvent::End) else { return };
        let early = matches!(open.state, ConnState::Greeting | ConnState::Authenticating);
        open.state = state;
        open.ending = Some(crate::arcp::runtime::conn::Ending { code, reason });
        open.linger_at = Some(at);
        open.ping = None;
        open.drop_late_replies();
        let greeting_at = open.greeting_at.take();
        let heartbeat_at = open.heartbeat_at.take();
        let session = open.session.take();
        if early {
            self.ungreeted -= 1;
        }
        self.disarm(greeting_at, Timer::Greeting, conn);
        self.disarm(heartbeat_at, Timer::Heartbeat, conn);
        self.arm(at, Timer::Linger, conn);
        if let Some(key) = session {
            self.detach(key);
        }
        self.touch(conn);
    }

    /// The connection is closed at once; what is queued for it is dropped.
    pub(super) fn cut(&mut self, conn: ConnId, code: u16, reason: &'static str) {
        if self.forget(conn) {
            self.outputs.push_back(crate::arcp::Output::Close { conn, code, reason });
        }
    }

    /// The transport is gone. Late or repeated calls are ignored.
    pub fn handle_close(&mut self, now: Time, conn: ConnId) {
        self.input(now, |this| {
            this.forget(conn);
        })
    }

    /// Takes a connection out of the table; its session waits for a resume.
    pub(super) fn forget(&mut self, conn: ConnId) -> bool {
        let Some(open) = self.conns.remove(conn) else { return false };
        if matches!(open.state, ConnState::Greeting | ConnState::Authenticating) {
            self.ungreeted -= 1;
        }
        let key = conn.data().as_ffi();
        self.timers.disarm(open.greeting_at, Timer::Greeting, key);
        self.timers.disarm(open.heartbeat_at, Timer::Heartbeat, key);
        self.timers.disarm(open.stall_at, Timer::Stall, key);
        self.timers.disarm(open.linger_at, Timer::Linger, key);
        if let Some(session) = open.session {
            self.detach(session);
        }
        true
    }

    /// `UNAUTHENTICATED` and friends: a refusal after which the connection closes.
    pub(super) fn turn_away(&mut self, conn: ConnId, request_id: Option<&str>, fault: &Fault) {
        self.refuse(conn, request_id, fault);
        let reason = if fault.code == ErrorCode::Unauthenticated {
            "the token is not good"
        } else if fault.code == ErrorCode::ResumeWindowExpired {
            "the session cannot be resumed"
        } else {
            "the session was refused"
        };
        self.end(conn, 1008, reason);
    }
}

fn is_optional(envelope: &Envelope<'_>) -> bool {
    envelope
        .extensions
        .and_then(|extensions| serde_json::from_str::<request::Optional>(extensions.get()).ok())
        .is_some_and(|extensions| extensions.optional)
}
