//! Inputs from the wire: connections, and their frames, each of which is read and dispatched once.

use alloc::borrow::Cow;
use alloc::boxed::Box;
use alloc::sync::Arc;
use core::net::IpAddr;

use super::Runtime;
use super::asked::Asked;
use super::conns::conn::Conn;
use super::conns::state::ConnState;
use super::conns::ungreeted::Surplus;
use super::host::{ConnId, SessionKey, Via};
use super::sessions::session::Session;
use super::work;
use crate::arcp::wire::close;
use crate::arcp::wire::dialect::Dialect;
use crate::arcp::wire::envelope::Envelope;
use crate::arcp::wire::error::Fault;
use crate::arcp::wire::ids::SessionUlid;
use crate::arcp::wire::request;
use crate::arcp::wire::salvage::salvage;
use crate::json::{self, Text};
use crate::time::Time;

/// The maximum length of an envelope id in bytes. It is repeated in answers, and remembered.
const MAX_ID: usize = 512;

/// A frame whose envelope is valid.
pub(super) struct Request<'a> {
    pub(super) conn: ConnId,
    /// The whole frame.
    pub(super) text: &'a str,
    pub(super) id: &'a str,
    pub(super) kind: &'a str,
    pub(super) envelope: &'a Envelope<'a>,
}

/// Why a frame is refused.
struct Refusal {
    request_id: Option<Box<str>>,
    asked: Asked,
    fault: Fault,
    /// Whether it was not a frame at all.
    malformed: bool,
}

impl Runtime {
    /// Reports a new transport whose peer has no address. Its hello must arrive within
    /// [`Config::hello_timeout`](crate::arcp::Config::hello_timeout).
    pub fn handle_open(&mut self, now: Time, via: Via) -> ConnId {
        self.opened(now, via, None)
    }

    /// As [`Runtime::handle_open`], with the address of the peer, whose connections without a session are limited by
    /// [`Limits::ungreeted_per_address`](crate::arcp::Limits::ungreeted_per_address).
    pub fn handle_open_from(&mut self, now: Time, via: Via, address: IpAddr) -> ConnId {
        self.opened(now, via, Some(address))
    }

    fn opened(&mut self, now: Time, via: Via, address: Option<IpAddr>) -> ConnId {
        self.input(now, |this| {
            let now = this.clock.now();
            let conn = this.conns.open(via, address, now);
            this.conns.await_hello(conn, now.plus(this.config.hello_timeout), &mut this.timers);
            if let Some(times) = this.conns.too_many_failed(conn, now, &this.config.limits) {
                this.refuse(conn, None, &Fault::limit("failed_logins_per_minute", u64::from(times)));
                this.end_connection(conn, close::TOO_MANY_LOGINS, "too many tokens were refused");
            } else if let Some(surplus) = this.conns.surplus(conn, &this.config.limits) {
                this.displace(surplus);
            }
            conn
        })
    }

    /// Reports how many bytes of incomplete frames the host holds of a connection. If it holds more than
    /// [`Limits::ungreeted_bytes`](crate::arcp::Limits::ungreeted_bytes) of all connections that were not welcomed yet, the
    /// oldest of them are refused. After the welcome, the bytes are charged to the principal, beside what the runtime itself
    /// holds for the connection; less than 64 KiB need not be reported then.
    pub fn handle_buffered(&mut self, now: Time, conn: ConnId, bytes: usize) {
        self.input(now, |this| {
            this.conns.buffered(conn, bytes);
            this.charge_connection(conn);
            while let Some(surplus) = this.conns.hoarder(&this.config.limits) {
                this.displace(surplus);
            }
        });
    }

    /// Refuses a connection without a session, because there are too many.
    pub(super) fn displace(&mut self, surplus: Surplus) {
        let Surplus { conn, limit, max } = surplus;
        let request_id = self.conns.get(conn).and_then(Conn::hello_id);
        self.refuse(conn, request_id.as_deref(), &Fault::limit(limit, max as u64));
        // Nothing was queued before, so the frame has credit: the connection keeps no place in the table.
        self.end_connection(conn, 1013, "too many connections");
    }

    /// Takes who could listen to a connection, if its request says more of that than its socket: that it came by a proxy.
    /// After the hello the call is ignored.
    pub fn handle_via(&mut self, now: Time, conn: ConnId, via: Via) {
        self.input(now, |this| {
            if let Some(open) = this.conns.get_mut(conn) {
                open.carried(via);
            }
        });
    }

    /// Takes the dialect that the peer has asked for in the URL it connected to. It takes precedence over the hello and over
    /// every setting. A session that is resumed keeps its own dialect. After the hello the call is ignored.
    pub fn handle_dialect(&mut self, now: Time, conn: ConnId, dialect: Dialect) {
        self.input(now, |this| {
            if let Some(open) = this.conns.get_mut(conn) {
                open.want(dialect);
            }
        });
    }

    /// Handles one complete frame of a peer. Frames of a closed or closing connection are ignored.
    pub fn handle_frame(&mut self, now: Time, conn: ConnId, frame: &[u8]) {
        self.input(now, |this| {
            let now = this.clock.now();
            let Some(open) = this.conns.get_mut(conn) else { return };
            let greeted = match open.state() {
                ConnState::Greeting | ConnState::Authenticating => false,
                ConnState::Bound => true,
                ConnState::Closing | ConnState::Gone => return,
            };
            open.receive(now);
            this.work.charge(work::FRAME + frame.len() as u64 / work::FRAME_BYTES);
            if greeted && let Some(key) = open.prove() {
                this.prove(key);
            }
            if frame.len() > this.config.limits.frame_of(greeted).1 {
                this.refuse_oversized(conn);
            } else if let Err(refusal) = this.read(conn, frame) {
                this.refuse_request(conn, refusal.request_id.as_deref(), &refusal.asked, &refusal.fault);
                if !greeted {
                    this.end_connection(conn, 1008, "the session was refused");
                } else if refusal.malformed {
                    this.count_bad_frame(conn);
                }
            }
            this.conns.touch(conn);
        });
    }

    /// Reports that the link has received a faulty frame and reads no further: the frame was too large (`code` 1009),
    /// or not text (any other code). The peer gets the same error as for a faulty frame that is handed in, and the
    /// connection closes.
    pub fn handle_unreadable(&mut self, now: Time, conn: ConnId, code: u16) {
        self.input(now, |this| {
            let state = this.conns.get(conn).map_or(ConnState::Gone, Conn::state);
            if matches!(state, ConnState::Closing | ConnState::Gone) {
                return;
            }
            if code == 1009 {
                this.refuse_oversized(conn);
            } else {
                this.refuse(conn, None, &Fault::invalid("the frame is not UTF-8"));
                this.end_connection(conn, code, "the frame is not text");
            }
        });
    }

    fn refuse_oversized(&mut self, conn: ConnId) {
        let (limit, max) = self.config.limits.frame_of(self.is_greeted(conn));
        self.refuse(conn, None, &Fault::limit(limit, max as u64));
        self.end_connection(conn, 1009, "the frame is larger than the limit");
    }

    /// Reads and carries out one frame.
    fn read(&mut self, conn: ConnId, frame: &[u8]) -> Result<(), Refusal> {
        let malformed = |sentence: Cow<'static, str>| {
            let read = salvage(frame);
            Refusal {
                request_id: read.id.filter(|id| id.len() <= MAX_ID).map(Into::into),
                asked: Asked::of_kind(read.kind.as_deref().unwrap_or_default()),
                fault: Fault::invalid(sentence),
                malformed: true,
            }
        };
        let text = core::str::from_utf8(frame).map_err(|_| malformed("the frame is not UTF-8".into()))?;
        if json::too_deep(text) {
            return Err(malformed(alloc::format!("the frame nests deeper than {} levels", json::MAX_DEPTH).into()));
        }
        let envelope = Envelope::parse(text).map_err(|error| {
            malformed(alloc::format!("the frame is not an ARCP envelope: {}", request::blame(&error)).into())
        })?;
        let id = envelope.id.as_ref().map_or("", Text::as_str);
        let named = |fault: Fault| Refusal {
            request_id: (!id.is_empty() && id.len() <= MAX_ID).then(|| id.into()),
            asked: Asked::of(&envelope),
            fault,
            malformed: false,
        };
        if !matches!(envelope.arcp.as_ref().map(Text::as_str), Some("1.1" | "1")) {
            return Err(named(Fault::invalid("the member arcp must be \"1.1\" or \"1\"")));
        }
        if id.is_empty() || id.len() > MAX_ID {
            let fault = Fault::invalid("the member id must be a string of 1 to 512 bytes");
            return Err(Refusal { request_id: None, asked: Asked::of(&envelope), fault, malformed: false });
        }
        let kind = envelope.kind.as_ref().map_or("", Text::as_str);
        if kind.is_empty() {
            return Err(named(Fault::invalid("the member type is missing")));
        }
        self.dispatch(&Request { conn, text, id, kind, envelope: &envelope }).map_err(named)
    }

    fn dispatch(&mut self, request: &Request<'_>) -> Result<(), Fault> {
        let Some(open) = self.conns.get(request.conn) else { return Ok(()) };
        match (open.state(), open.session()) {
            (ConnState::Greeting, _) => match request.kind {
                "session.hello" => self.on_hello(request),
                "session.resume" => self.on_resume(request),
                _ => Err(Fault::invalid("the first frame must be session.hello or session.resume")),
            },
            (ConnState::Authenticating, _) => {
                Err(Fault::invalid("no frame may be sent between session.hello and session.welcome"))
            }
            (ConnState::Bound, Some(key)) => self.dispatch_bound(key, request),
            (ConnState::Bound, None) | (ConnState::Closing | ConnState::Gone, _) => Ok(()),
        }
    }

    fn dispatch_bound(&mut self, key: SessionKey, request: &Request<'_>) -> Result<(), Fault> {
        let named = request.envelope.session_id.as_ref().map_or("", Text::as_str);
        let own = self.sessions.get(key).map(Session::id);
        if !named.is_empty() && SessionUlid::parse(named) != own {
            return Err(Fault::invalid("the frame names another session than this connection's"));
        }
        match request.kind {
            "job.submit" => self.on_submit(key, request),
            "job.cancel" => self.on_cancel(key, request),
            "job.subscribe" => self.on_subscribe(key, request),
            "job.unsubscribe" => self.on_unsubscribe(key, request),
            "x-vendor.nuncio.answer" => self.on_question_answer(key, request),
            "x-vendor.nuncio.list_questions" => self.on_list_questions(key, request),
            "x-vendor.nuncio.list_sessions" => self.on_list_sessions(key, request),
            "x-vendor.nuncio.read_status" => self.on_read_status(key, request),
            "session.ping" => self.on_ping(key, request),
            "session.ack" => self.on_ack(key, request),
            "session.list_jobs" => self.on_list(key, request),
            "session.close" | "session.bye" => self.on_close(key, request),
            "session.pong" | "session.error" | "session.closed" => Ok(()),
            "session.hello" | "session.resume" => Err(Fault::invalid("this connection has a session already")),
            "session.welcome"
            | "session.jobs"
            | "job.accepted"
            | "job.cancelled"
            | "job.event"
            | "job.result"
            | "job.error"
            | "job.subscribed"
            | "x-vendor.nuncio.answered"
            | "x-vendor.nuncio.questions"
            | "x-vendor.nuncio.sessions"
            | "x-vendor.nuncio.status" => Err(Fault::invalid(alloc::format!("only a runtime sends {}", request.kind))),
            vendor if vendor.starts_with("x-vendor.") && is_optional(request.envelope) => Ok(()),
            other => Err(Fault::invalid(alloc::format!("the message type {other:?} is unknown"))),
        }
    }

    fn count_bad_frame(&mut self, conn: ConnId) {
        let (now, limits) = (self.clock.now(), &self.config.limits);
        if self.conns.get_mut(conn).is_some_and(|open| open.count_bad_frame(now, limits)) {
            self.end_connection(conn, 1008, "too many malformed frames");
        }
    }

    /// Returns whether this connection carries a session. Until then its frames have at most
    /// [`Limits::hello_bytes`](crate::arcp::Limits::hello_bytes).
    pub fn is_greeted(&self, conn: ConnId) -> bool {
        self.conns.get(conn).is_some_and(|open| open.state() == ConnState::Bound)
    }

    /// Returns the principal of the session that this connection carries, if it carries one.
    pub fn principal_of(&self, conn: ConnId) -> Option<&Arc<str>> {
        self.conns.session(conn).and_then(|key| self.sessions.get(key)).map(Session::principal)
    }

    /// Returns whether the next frame of this connection may be handed in. A driver asks before every frame.
    pub fn reading(&self, conn: ConnId) -> bool {
        self.conns.get(conn).is_some_and(Conn::is_reading)
    }
}

fn is_optional(envelope: &Envelope<'_>) -> bool {
    envelope
        .extensions
        .and_then(|extensions| serde_json::from_str::<request::Optional>(extensions.get()).ok())
        .is_some_and(|extensions| extensions.optional)
}
