//! Hello, authentication, welcome and resume (§6.1–§6.3).

use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::string::{String, ToString};
use alloc::sync::Arc;

use subtle::ConstantTimeEq as _;

use super::Runtime;
use super::frames::Request;
use crate::arcp::runtime::config::Compat;
use crate::arcp::runtime::conn::{Claim, Greeting, Reply};
use crate::arcp::runtime::event::Output;
use crate::arcp::runtime::event::{Event, Timer};
use crate::arcp::runtime::host::{ConnId, Refused, SessionKey, Via};
use crate::arcp::runtime::log::{Entry, Log, ResumeError};
use crate::arcp::runtime::record::{Record, SessionOpened};
use crate::arcp::runtime::session::{ConnEvent, ConnState, Session, SessionEvent, SessionState};
use crate::arcp::wire::envelope;
use crate::arcp::wire::error::{ErrorCode, Fault};
use crate::arcp::wire::feature::{Feature, Features};
use crate::arcp::wire::ids::EnvelopeId;
use crate::arcp::wire::ids::SessionId;
use crate::arcp::wire::reply;
use crate::arcp::wire::request::{self, Auth, Capabilities};
use crate::digest::sha256;
use crate::json::Object;
use crate::json::Text;
use crate::secret::Secret;
use crate::time::Time;

/// A bearer token is at most this long.
const MAX_TOKEN: usize = 16 << 10;

impl Runtime {
    pub(super) fn on_hello(&mut self, request: &Request<'_>) -> Result<(), Fault> {
        let hello: request::Hello<'_> = request::decode(request.kind, request.envelope.payload)?;
        let token = bearer(hello.auth.as_ref())?;
        let resume = match (hello.resume, hello.resume_token, hello.last_event_seq) {
            (Some(resume), _, _) => {
                let session = resume.session_id.as_ref().or(request.envelope.session_id.as_ref());
                Some(claim(session, &resume.resume_token, resume.last_event_seq.0))
            }
            (None, Some(token), Some(last)) => {
                let session = hello.session_id.as_ref().or(request.envelope.session_id.as_ref());
                Some(claim(session, &token, last.0))
            }
            (None, Some(_), None) => return Err(Fault::invalid("a resume needs last_event_seq")),
            (None, None, _) => None,
        };
        let asked = hello.capabilities.as_ref().map_or(Features::NONE, Capabilities::features);
        let python = match self.config.compat {
            Compat::Auto => hello.capabilities.as_ref().is_some_and(Capabilities::is_python11),
            Compat::Spec => false,
            Compat::Python11 => true,
        };
        let client = hello.client.and_then(|client| client.name).map_or_else(Default::default, |name| name.0);
        let via = self.conns.get(request.conn).map_or(Via::Plain, |conn| conn.via);
        let greeting = Greeting {
            request_id: Some(request.id.into()),
            features: asked.intersection(self.offered(via)),
            python,
            resume,
        };
        self.ask(request.conn, greeting, token, client.chars().take(128).collect());
        Ok(())
    }

    /// `session.resume` as the first frame (the form of the specification, C# and F#).
    pub(super) fn on_resume(&mut self, request: &Request<'_>) -> Result<(), Fault> {
        let resume: request::Resume<'_> = request::decode(request.kind, request.envelope.payload)?;
        let session = resume.session_id.as_ref().or(request.envelope.session_id.as_ref());
        let claim = claim(session, &resume.resume_token, resume.last_event_seq.0);
        let greeting = Greeting {
            request_id: Some(request.id.into()),
            features: Features::NONE,
            python: false,
            resume: Some(claim.clone()),
        };
        if resume.auth.is_some() || !self.config.resume_by_token {
            let token = bearer(resume.auth.as_ref())?;
            self.ask(request.conn, greeting, token, String::new());
            return Ok(());
        }
        if let Some(conn) = self.conns.get_mut(request.conn) {
            conn.state = ConnState::Authenticating;
            self.hellos += 1;
            conn.hello = self.hellos;
        }
        let principal = self.claimed(&claim).and_then(|key| self.sessions.get(key)).map(|s| Arc::clone(&s.principal));
        match principal {
            Some(principal) => self.resume(request.conn, &claim, &principal, Some(request.id), None),
            None => Err(gone()),
        }
    }

    /// The features this runtime has for such a connection (§6.2, §14).
    fn offered(&self, via: Via) -> Features {
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

    fn ask(&mut self, conn: ConnId, greeting: Greeting, token: Secret, client: String) {
        let at = self.now.plus(self.config.auth_timeout);
        let Some(open) = self.conns.get_mut(conn) else { return };
        let Some(state) = open.state.next(ConnEvent::Hello) else { return };
        self.hellos += 1;
        open.hello = self.hellos;
        open.state = state;
        open.greeting = Some(greeting.into());
        let before = open.greeting_at.replace(at);
        self.disarm(before, Timer::Greeting, conn);
        self.arm(at, Timer::Greeting, conn);
        self.event(Event::Authenticate { conn, token, client });
    }

    /// Answers [`Event::Authenticate`]: the token is this principal's.
    ///
    /// Errors: [`Refused::Stale`] if the connection is gone or does not wait for an answer. That the session cannot be
    /// opened or resumed is the peer's fault, not the host's: it is told so.
    pub fn admit(&mut self, now: Time, conn: ConnId, principal: &str) -> Result<(), Refused> {
        self.input(now, |this| {
            let greeting = this.answered(conn)?;
            let principal = match this.principals.get_key_value(principal) {
                Some((known, _)) => Arc::clone(known),
                None => Arc::from(principal),
            };
            let outcome = match &greeting.resume {
                Some(claim) => this.resume(conn, claim, &principal, greeting.request_id.as_deref(), None),
                None => this.open(conn, &greeting, principal),
            };
            if let Err(fault) = outcome {
                this.turn_away(conn, greeting.request_id.as_deref(), &fault);
            }
            Ok(())
        })
    }

    /// Answers [`Event::Authenticate`]: `UNAUTHENTICATED` for a bad token, `INTERNAL_ERROR` if the verifier cannot tell.
    /// The connection is closed.
    ///
    /// Errors: [`Refused::Stale`] if the connection is gone or does not wait for an answer.
    #[expect(clippy::needless_pass_by_value, reason = "an answer is given away")]
    pub fn reject(&mut self, now: Time, conn: ConnId, fault: Fault) -> Result<(), Refused> {
        self.input(now, |this| {
            let greeting = this.answered(conn)?;
            this.turn_away(conn, greeting.request_id.as_deref(), &fault);
            Ok(())
        })
    }

    fn answered(&mut self, conn: ConnId) -> Result<Greeting, Refused> {
        let open = self.conns.get_mut(conn).filter(|open| open.state == ConnState::Authenticating);
        let greeting = open.and_then(|open| open.greeting.take()).ok_or(Refused::Stale)?;
        Ok(*greeting)
    }

    fn open(&mut self, conn: ConnId, greeting: &Greeting, principal: Arc<str>) -> Result<(), Fault> {
        self.closed_for_work()?;
        if self.sessions.len() >= self.config.limits.sessions && !self.make_session_room(None) {
            return Err(Fault::limit("sessions", self.config.limits.sessions as u64));
        }
        if self.sessions_of(&principal) >= self.config.limits.sessions_per_principal
            && !self.make_session_room(Some(&principal))
        {
            return Err(Fault::limit("sessions_per_principal", self.config.limits.sessions_per_principal as u64));
        }
        let id = SessionId(self.random.random_u128());
        let via = self.conns.get(conn).map_or(Via::Plain, |open| open.via);
        *self.principals.entry(Arc::clone(&principal)).or_default() += 1;
        let key = self.sessions.insert(Session {
            id,
            principal,
            state: SessionState::Live,
            features: greeting.features,
            python: greeting.python,
            stdio: via == Via::Stdio,
            conn: None,
            epoch: 0,
            hello: 0,
            newest: [0; 32],
            proved: None,
            log: Log::new(),
            recorded_ack: None,
            fetching: false,
            watches: BTreeMap::new(),
            replaying: BTreeSet::new(),
            blocked: BTreeSet::new(),
            jobs: 0,
            unanswered: 0,
            submits: VecDeque::new(),
            head: envelope::head(&id, None, None).into(),
            lapses: None,
            goodbye: false,
        });
        self.session_ids.insert(id, key);
        self.bind(conn, key, false);
        Ok(())
    }

    fn sessions_of(&self, principal: &str) -> usize {
        self.principals.get(principal).copied().unwrap_or(0)
    }

    /// Closes the session that said goodbye the longest ago and has no live jobs, of a principal or of anybody: whoever
    /// opens a session for every command would be locked out by sessions nobody will resume.
    fn make_session_room(&mut self, principal: Option<&str>) -> bool {
        let idle = self.sessions.iter().filter(|(_, session)| {
            session.goodbye
                && session.conn.is_none()
                && session.jobs == 0
                && session.unanswered == 0
                && principal.is_none_or(|principal| *session.principal == *principal)
        });
        let Some((lapses, key)) = idle.filter_map(|(key, session)| Some((session.lapses?, key))).min() else {
            return false;
        };
        self.disarm(Some(lapses), Timer::ResumeWindow, key);
        self.lapse(key);
        true
    }

    pub(super) fn claimed(&self, claim: &Claim) -> Option<SessionKey> {
        match claim.session {
            Some(id) => self.session_ids.get(&id).copied(),
            None if claim.foreign => None,
            None => self.tokens.get(&claim.token).copied(),
        }
    }

    /// Resumes a session on a new connection, taking it over from one that may still be up (§6.3). Events that are only
    /// in the journal are asked for first; `past` is the answer.
    pub(super) fn resume(
        &mut self,
        conn: ConnId,
        claim: &Claim,
        principal: &str,
        request_id: Option<&str>,
        past: Option<VecDeque<Entry>>,
    ) -> Result<(), Fault> {
        if self.stuck() {
            self.closed_for_work()?;
        }
        let replays = self.replays();
        let key = self.claimed(claim).ok_or_else(gone)?;
        let (via, hello) = self.conns.get(conn).map_or((Via::Plain, 0), |open| (open.via, open.hello));
        let offered = self.offered(via);
        let session = self.sessions.get_mut(key).ok_or_else(gone)?;
        let newest = bool::from(session.newest.ct_eq(&claim.token));
        let proved = session.proved.is_some_and(|token| bool::from(token.ct_eq(&claim.token)));
        if &*session.principal != principal || !(newest || proved) {
            return Err(gone());
        }
        // Whoever sent a later one has given up on this connection, and has, or will have, the token of that one.
        if hello < session.hello {
            return Err(gone());
        }
        match session.log.resume(claim.last) {
            Err(ResumeError::BeyondSent) => {
                return Err(Fault::invalid("last_event_seq is beyond what was sent in this session"));
            }
            Err(ResumeError::Freed) if past.as_ref().is_some_and(|past| !past.is_empty()) => {}
            Err(ResumeError::Freed) if replays && past.is_none() => {
                return self.fetch_resume(conn, key, claim, principal, request_id);
            }
            Err(ResumeError::Freed) => {
                return Err(Fault::new(
                    ErrorCode::ResumeWindowExpired,
                    "the events after last_event_seq are no longer kept; open a new session and subscribe to its jobs",
                ));
            }
            Ok(()) => {}
        }
        if session.features.has(Feature::ProvisionedCredentials) && !offered.has(Feature::ProvisionedCredentials) {
            return Err(Fault::invalid("a session that carries credentials is not resumed on an open connection"));
        }
        if via == Via::Stdio && !session.stdio {
            return Err(Fault::invalid("a session with large frames is not resumed on stdio"));
        }
        let before = session.conn.take();
        let other = if newest { session.proved } else { Some(session.newest) };
        session.proved = Some(claim.token);
        session.log.rewind(claim.last);
        session.log.fill(past.unwrap_or_default());
        session.fetching = false;
        let lapses = session.lapses.take();
        if let Some(state) = session.state.next(SessionEvent::Resume) {
            session.state = state;
        }
        session.hurry();
        // The token that was used may be both: it is good until the client has proved to hold the next one.
        if let Some(other) = other.filter(|other| *other != claim.token) {
            self.tokens.remove(&other);
        }
        self.disarm(lapses, Timer::ResumeWindow, key);
        if let Some(old) = before {
            // The session goes on: only the connection is forgotten.
            if let Some(open) = self.conns.get_mut(old) {
                open.session = None;
            }
            self.cut(old, 1008, "the session was resumed on another connection");
        }
        self.bind(conn, key, true);
        // What the client has got needs not be written again: there may be room now, and no report of it will come.
        self.unblock(key);
        Ok(())
    }

    /// Ties a session to a connection and welcomes it; the resume token rotates.
    fn bind(&mut self, conn: ConnId, key: SessionKey, resumed: bool) {
        let token = self.random.token("rt_");
        let hash = sha256(token.as_bytes());
        let now = self.now;
        let interval = self.config.heartbeat_secs();
        let hello = self.conns.get(conn).map_or(0, |open| open.hello);
        let Some(session) = self.sessions.get_mut(key) else { return };
        session.hello = hello;
        session.newest = hash;
        session.goodbye = false;
        session.conn = Some(conn);
        session.epoch += 1;
        let (id, features) = (session.id, session.features);
        let principal = Arc::clone(&session.principal);
        let heartbeat = features.has(Feature::Heartbeat);
        self.tokens.insert(hash, key);
        if resumed {
            self.journal_token(key);
        } else {
            self.journal(|this| {
                let session = this.sessions.get(key)?;
                let record = SessionOpened {
                    session: session.id,
                    principal: Arc::clone(&session.principal),
                    features: session.features,
                    python: session.python,
                    stdio: session.stdio,
                    token: hash,
                    at: now,
                };
                Some(Record::SessionOpened(record.into()))
            });
        }
        let mut payload = Object::with_capacity(1024)
            .plain("session_id", id)
            .json("runtime", &self.runtime_info())
            .plain("resume_token", token)
            .value("resume_window_sec", self.config.resume_window_secs());
        if heartbeat {
            payload = payload.value("heartbeat_interval_sec", interval);
        }
        let payload = payload
            .plain("accepted_at", now.to_rfc3339())
            .json("capabilities", &reply::capabilities(features, self.agents.values().map(|agent| &agent.spec)))
            .close();
        let head = envelope::head(&id, None, None);
        let frame =
            envelope::frame(EnvelopeId::next(&mut self.random, now), "session.welcome", &head, None, &[&payload]);
        let Some(open) = self.conns.get_mut(conn) else { return };
        open.state = ConnState::Bound;
        open.session = Some(key);
        open.last_ping = now;
        open.last_sent = now;
        let greeting_at = open.greeting_at.take();
        let heartbeat_at = heartbeat.then(|| now.plus_secs(interval));
        open.heartbeat_at = heartbeat_at;
        self.ungreeted -= 1;
        self.disarm(greeting_at, Timer::Greeting, conn);
        if let Some(at) = heartbeat_at {
            self.arm(at, Timer::Heartbeat, conn);
        }
        self.queue(conn, Reply { frame, after: 0, hold: false, subscribed: None, free: false });
        *if resumed { &mut self.totals.resumes } else { &mut self.totals.sessions } += 1;
        self.event(Event::SessionLive { session: id, conn, principal, resumed });
        self.outputs.push_back(Output::Reading { conn });
    }

    fn runtime_info(&self) -> String {
        Object::new().text("name", &self.config.name).text("version", &self.config.version).close()
    }

    /// The first frame on a connection proves that its client holds the newest token: every other one is dead.
    pub(super) fn prove(&mut self, conn: ConnId) {
        let Some(open) = self.conns.get_mut(conn).filter(|open| !open.proved) else { return };
        open.proved = true;
        let Some(key) = open.session else { return };
        let Some(session) = self.sessions.get_mut(key) else { return };
        if let Some(old) = session.proved.replace(session.newest)
            && old != session.newest
        {
            self.tokens.remove(&old);
            self.journal_token(key);
        }
    }
}

/// The one answer to a resume that does not fit, whatever is wrong with it.
fn gone() -> Fault {
    Fault::new(
        ErrorCode::ResumeWindowExpired,
        "there is no session to resume with this id and token; open a new session",
    )
}

fn bearer(auth: Option<&Auth<'_>>) -> Result<Secret, Fault> {
    let token = auth
        .filter(|auth| auth.scheme.as_ref().map_or("bearer", Text::as_str) == "bearer")
        .and_then(|auth| auth.token.as_ref())
        .map_or("", Text::as_str);
    if token.is_empty() || token.len() > MAX_TOKEN {
        return Err(Fault::new(ErrorCode::Unauthenticated, "a bearer token is needed in auth.token"));
    }
    Ok(Secret::new(token.to_string()))
}

fn claim(session: Option<&Text<'_>>, token: &Text<'_>, last: u64) -> Claim {
    let named = session.map_or("", Text::as_str);
    let id = SessionId::parse(named);
    Claim { session: id, foreign: !named.is_empty() && id.is_none(), token: sha256(token.as_str().as_bytes()), last }
}
