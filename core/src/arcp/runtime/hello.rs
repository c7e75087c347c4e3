//! Hello, authentication and welcome (§6.1, §6.2).

use alloc::boxed::Box;
use alloc::string::{String, ToString};
use alloc::sync::Arc;

use super::Runtime;
use super::conns::claim::Claim;
use super::conns::conn::{Conn, Greeting};
use super::conns::replies::Reply;
use super::dispatch::Request;
use super::event::Event;
use super::host::{ConnId, Refused, SessionKey, Via};
use super::record::{Record, SessionOpened};
use super::sessions::session::Opening;
use super::shutdown::shutting_down;
use crate::arcp::wire::dialect::{Dialect, Fingerprint};
use crate::arcp::wire::envelope;
use crate::arcp::wire::error::{ErrorCode, Fault};
use crate::arcp::wire::feature::{Feature, Features};
use crate::arcp::wire::ids::{EnvelopeId, SessionUlid};
use crate::arcp::wire::reply;
use crate::arcp::wire::request::{self, Auth, Capabilities};
use crate::digest::{Digest, sha256};
use crate::json::{Object, Text};
use crate::secret::Secret;
use crate::time::Time;

/// The maximum length of a bearer token in bytes.
const MAX_TOKEN: usize = 16 << 10;

impl Runtime {
    pub(super) fn on_hello(&mut self, request: &Request<'_>) -> Result<(), Fault> {
        let hello: request::Hello<'_> = request::decode(request.kind, request.envelope.payload)?;
        let recognised = Dialect::recognise(Fingerprint::of(request.id, request.text, &hello));
        if let Some(open) = self.conns.get_mut(request.conn) {
            open.recognise(recognised);
        }
        let token = bearer(hello.auth.as_ref())?;
        // The Ruby SDK puts an id of its own on its hello.
        let on_envelope = request.envelope.session_id.as_ref().filter(|id| SessionUlid::parse(id.as_str()).is_some());
        let resume = match (hello.resume, hello.resume_token, hello.last_event_seq) {
            (Some(resume), _, _) => {
                Some(claim(resume.session_id.as_ref().or(on_envelope), resume.token()?, resume.last_event_seq.0))
            }
            (None, Some(token), Some(last)) => Some(claim(hello.session_id.as_ref().or(on_envelope), &token, last.0)),
            (None, Some(_), None) => return Err(Fault::invalid("a resume needs last_event_seq")),
            (None, None, _) => None,
        };
        let asked = hello.capabilities.as_ref().map_or(Features::NONE, Capabilities::features);
        let client = hello.client.and_then(|client| client.name).map_or_else(Default::default, |name| name.0);
        let via = self.conns.get(request.conn).map_or(Via::Plain, Conn::via);
        let greeting =
            Greeting { request_id: Some(request.id.into()), features: asked.intersection(self.offered(via)), resume };
        self.authenticate(request.conn, greeting, token, client.chars().take(128).collect());
        Ok(())
    }

    /// Returns the features that this runtime offers on such a connection (§6.2, §14).
    pub(super) fn offered(&self, via: Via) -> Features {
        let confidential = match via {
            Via::Tls | Via::Loopback | Via::Stdio | Via::Memory => true,
            Via::Plain => false,
        };
        if self.config.provisioner && confidential {
            self.config.features
        } else {
            self.config.features.without(Feature::ProvisionedCredentials)
        }
    }

    /// Asks the host for the principal of the token.
    pub(super) fn authenticate(&mut self, conn: ConnId, greeting: Greeting, token: Secret, client: String) {
        if self.await_host(conn, greeting) {
            self.event(Event::Authenticate { conn, token, client });
        }
    }

    /// Lets a hello wait for the host's answer. Returns false if the connection has sent one before.
    pub(super) fn await_host(&mut self, conn: ConnId, greeting: Greeting) -> bool {
        let at = self.clock.now().plus(self.config.auth_timeout);
        self.conns.hello(conn, greeting.into(), at, &mut self.timers)
    }

    /// Answers [`Event::Authenticate`]: the token belongs to this principal.
    ///
    /// If the session cannot be opened or resumed, the peer gets the error, and the command succeeds.
    ///
    /// Errors: [`Refused::Stale`] if the connection is gone or does not wait for an answer.
    pub fn admit(&mut self, now: Time, conn: ConnId, principal: &str) -> Result<(), Refused> {
        self.admit_in(now, conn, principal, None)
    }

    /// As [`Runtime::admit`], and names the dialect of the principal's sessions. It counts unless the peer has asked for another one
    /// ([`Runtime::handle_dialect`]), and not for a session that is resumed.
    ///
    /// Errors: as [`Runtime::admit`].
    pub fn admit_in(
        &mut self,
        now: Time,
        conn: ConnId,
        principal: &str,
        dialect: Option<Dialect>,
    ) -> Result<(), Refused> {
        self.input(now, |this| {
            let greeting = this.answered_hello(conn)?;
            this.answer_hello(conn, &greeting, principal, dialect);
            Ok(())
        })
    }

    /// Opens or resumes the session that a hello asks for, or turns the connection away.
    pub(super) fn answer_hello(
        &mut self,
        conn: ConnId,
        greeting: &Greeting,
        principal: &str,
        dialect: Option<Dialect>,
    ) {
        let principal = self.sessions.principal(principal);
        let outcome = match &greeting.resume {
            Some(claim) => self.resume(conn, claim, &principal, greeting.request_id.as_deref(), None),
            None => self.open(conn, greeting, principal, dialect),
        };
        if let Err(fault) = outcome {
            self.turn_away(conn, greeting.request_id.as_deref(), &fault);
        }
    }

    /// Answers [`Event::Authenticate`]: `UNAUTHENTICATED` for a token that is not valid, `INTERNAL_ERROR` if it could
    /// not be checked. The connection is closed.
    ///
    /// Errors: [`Refused::Stale`] if the connection is gone or does not wait for an answer.
    #[expect(clippy::needless_pass_by_value, reason = "an answer is given away")]
    pub fn reject(&mut self, now: Time, conn: ConnId, fault: Fault) -> Result<(), Refused> {
        self.input(now, |this| {
            let greeting = this.answered_hello(conn)?;
            if fault.code == ErrorCode::Unauthenticated {
                this.conns.login_failed(conn, this.clock.now(), &this.config.limits);
            }
            this.turn_away(conn, greeting.request_id.as_deref(), &fault);
            Ok(())
        })
    }

    pub(super) fn answered_hello(&mut self, conn: ConnId) -> Result<Box<Greeting>, Refused> {
        self.conns.get_mut(conn).and_then(Conn::take_greeting).ok_or(Refused::Stale)
    }

    fn open(
        &mut self,
        conn: ConnId,
        greeting: &Greeting,
        principal: Arc<str>,
        dialect: Option<Dialect>,
    ) -> Result<(), Fault> {
        if self.drain.is_drained() {
            return Err(shutting_down());
        }
        self.can_store()?;
        let limits = &self.config.limits;
        let (sessions, per_principal) = (limits.sessions, limits.sessions_per_principal);
        if self.sessions.len() >= sessions && !self.make_room(None) {
            return Err(Fault::limit("sessions", sessions as u64));
        }
        if self.sessions.of_principal(&principal) >= per_principal && !self.make_room(Some(&principal)) {
            return Err(Fault::limit("sessions_per_principal", per_principal as u64));
        }
        let Some(open) = self.conns.get(conn) else { return Ok(()) };
        let named = dialect.or_else(|| self.config.dialects.get(&*principal).copied()).or(self.config.dialect);
        let (via, hello, dialect) = (open.via(), open.hello_order(), open.dialect(named));
        let opening = Opening {
            id: SessionUlid(self.random.random_u128()),
            principal,
            features: greeting.features,
            dialect,
            stdio: via == Via::Stdio,
        };
        let (token, hash) = self.mint_token();
        let record = SessionOpened {
            session: opening.id,
            principal: Arc::clone(&opening.principal),
            features: opening.features,
            dialect: opening.dialect,
            stdio: opening.stdio,
            token: hash,
            at: self.clock.now(),
        };
        let key = self.sessions.open(opening, conn, hello, hash);
        self.record(|_| Some(Record::SessionOpened(record.into())));
        self.totals.sessions += 1;
        self.welcome(conn, key, &token, greeting.request_id.as_deref(), false);
        Ok(())
    }

    /// Removes a session that its client has closed, for a new one that would exceed a limit. Returns whether there was one.
    fn make_room(&mut self, principal: Option<&str>) -> bool {
        let displaced = self.sessions.displaced(principal);
        if let Some(key) = displaced {
            self.lapse(key);
        }
        displaced.is_some()
    }

    /// A new resume token and its hash.
    pub(super) fn mint_token(&mut self) -> (String, Digest) {
        let token = self.random.token("rt_");
        let hash = sha256(token.as_bytes());
        (token, hash)
    }

    /// Sends the welcome of a session that was bound to a connection, with its new resume token.
    pub(super) fn welcome(
        &mut self,
        conn: ConnId,
        key: SessionKey,
        token: &str,
        request_id: Option<&str>,
        resumed: bool,
    ) {
        let now = self.clock.now();
        let Some(session) = self.sessions.get(key) else { return };
        let (id, features, principal) = (session.id(), session.features(), Arc::clone(session.principal()));
        let dialect = session.dialect();
        let interval = self.config.heartbeat_secs();
        let heartbeat = features.has(Feature::Heartbeat);
        let runtime = Object::new().text("name", &self.config.name).text("version", &self.config.version).close();
        let mut payload = Object::with_capacity(1024)
            .plain("session_id", id)
            .json("runtime", &runtime)
            .plain("resume_token", token)
            .value("resume_window_sec", self.config.resume_window_secs());
        if heartbeat {
            payload = payload.value("heartbeat_interval_sec", interval);
        }
        let payload = payload
            .plain("accepted_at", self.clock.wall().to_rfc3339())
            .json("capabilities", &reply::capabilities(features, self.agents.specs()))
            .opt_text("reply_to", request_id.filter(|_| dialect.row().reply_to))
            .close();
        let envelope_id = dialect.reply_id(EnvelopeId::next(&mut self.random, now), request_id);
        let frame = envelope::reply(envelope_id, "session.welcome", session.head(), &payload);
        let silence = heartbeat.then(|| now.plus_secs(interval));
        self.conns.admit(conn, key, silence, now, &mut self.timers);
        self.queue(conn, Reply::welcome(frame));
        self.sessions.look_at_arrivals(key);
        self.event(Event::SessionLive { session: id, conn, principal, dialect, resumed });
        self.outputs.reading(conn);
    }

    /// Handles the first frame after a welcome, which proves that the client holds the newest token. Every other token
    /// becomes invalid.
    pub(super) fn prove(&mut self, key: SessionKey) {
        if self.sessions.prove(key) {
            self.record_tokens(key);
        }
    }
}

/// The bearer token of an `auth` member.
pub(super) fn bearer(auth: Option<&Auth<'_>>) -> Result<Secret, Fault> {
    let token = auth
        .filter(|auth| auth.scheme.as_ref().map_or("bearer", Text::as_str) == "bearer")
        .and_then(|auth| auth.token.as_ref())
        .map_or("", Text::as_str);
    if token.is_empty() || token.len() > MAX_TOKEN {
        return Err(Fault::new(ErrorCode::Unauthenticated, "a bearer token is needed in auth.token"));
    }
    Ok(Secret::new(token.to_string()))
}

/// Returns the claims of a resume.
pub(super) fn claim(session: Option<&Text<'_>>, token: &Text<'_>, last: u64) -> Claim {
    let named = session.map_or("", Text::as_str);
    let id = SessionUlid::parse(named);
    Claim { session: id, foreign: !named.is_empty() && id.is_none(), token: sha256(token.as_str().as_bytes()), last }
}
