//! Resume: a session continues on a new connection (§6.3).

use alloc::collections::VecDeque;
use alloc::string::String;

use super::Runtime;
use super::conns::claim::Claim;
use super::conns::conn::{Conn, Greeting};
use super::dispatch::Request;
use super::hello::{bearer, claim};
use super::host::{ConnId, SessionKey, Via};
use super::sessions::log::{Entry, ResumeError};
use crate::arcp::wire::close;
use crate::arcp::wire::error::{ErrorCode, Fault};
use crate::arcp::wire::feature::{Feature, Features};
use crate::arcp::wire::request;

impl Runtime {
    /// `session.resume` as the first frame: the form of the specification, of C# and F#.
    pub(super) fn on_resume(&mut self, request: &Request<'_>) -> Result<(), Fault> {
        let resume: request::Resume<'_> = request::decode(request.kind, request.envelope.payload)?;
        let session = resume.session_id.as_ref().or(request.envelope.session_id.as_ref());
        let claim = claim(session, resume.token()?, resume.last_event_seq.0);
        if resume.auth.is_some() || !self.config.resume_by_token {
            let token = bearer(resume.auth.as_ref())?;
            let greeting =
                Greeting { request_id: Some(request.id.into()), features: Features::NONE, resume: Some(claim) };
            self.authenticate(request.conn, greeting, token, String::new());
            return Ok(());
        }
        let principal = self.owner_of_claim(&claim);
        if principal.is_none() && self.config.shards > 1 {
            self.locate(request.conn, request.id, claim);
            return Ok(());
        }
        self.conns.hello_by_token(request.conn);
        let principal = principal.ok_or_else(gone)?;
        self.resume(request.conn, &claim, &principal, Some(request.id), None)
    }

    /// Resumes a session on a new connection, which replaces one that is still up. If events are only in the journal,
    /// they are asked for first; `past` is the answer.
    pub(super) fn resume(
        &mut self,
        conn: ConnId,
        claim: &Claim,
        principal: &str,
        request_id: Option<&str>,
        past: Option<VecDeque<Entry>>,
    ) -> Result<(), Fault> {
        self.can_store()?;
        let key = self.claimed_by(conn, claim, principal)?;
        let Some(session) = self.sessions.get(key) else { return Err(gone()) };
        match session.can_resume(claim.last) {
            Err(ResumeError::BeyondSent) => {
                return Err(Fault::invalid("last_event_seq is beyond what was sent in this session"));
            }
            Err(ResumeError::Freed) if past.as_ref().is_some_and(|past| !past.is_empty()) => {}
            Err(ResumeError::Freed) if self.durability.is_readable() && past.is_none() => {
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
        self.check_transport(conn, key)?;
        let replaced = self.sessions.resume(key, claim, past.unwrap_or_default(), &mut self.timers);
        if let Some(old) = replaced {
            // Only the connection is closed; the session goes on.
            self.conns.unbind(old);
            self.cut(old, close::REPLACED, "the session was resumed on another connection");
        }
        let hello = self.conns.get(conn).map_or(0, Conn::hello_order);
        let (token, hash) = self.mint_token();
        self.sessions.bind(key, conn, hello, hash);
        self.record_tokens(key);
        self.totals.resumes += 1;
        self.welcome(conn, key, &token, request_id, true);
        // Events that the client has received are not written again, so the log may have space now without any report
        // of the driver.
        self.unblock(key);
        Ok(())
    }

    /// Returns the session that a connection claims, if it belongs to the principal and the token is valid.
    fn claimed_by(&self, conn: ConnId, claim: &Claim, principal: &str) -> Result<SessionKey, Fault> {
        let key = self.sessions.claimed(claim).ok_or_else(gone)?;
        let session = self.sessions.get(key).ok_or_else(gone)?;
        // A client that has sent a later hello no longer uses this connection, and receives the token of the later one.
        let hello = self.conns.get(conn).map_or(0, Conn::hello_order);
        if **session.principal() != *principal || !session.holds(&claim.token) || hello < session.hello_order() {
            return Err(gone());
        }
        Ok(key)
    }

    /// Refuses a connection that must not carry a session: a session with credentials needs a confidential connection,
    /// and one with large frames must not be on stdio.
    fn check_transport(&self, conn: ConnId, key: SessionKey) -> Result<(), Fault> {
        let via = self.conns.get(conn).map_or(Via::Plain, Conn::via);
        let Some(session) = self.sessions.get(key) else { return Err(gone()) };
        let credentials = Feature::ProvisionedCredentials;
        if session.has(credentials) && !self.offered(via).has(credentials) {
            return Err(Fault::invalid("a session that carries credentials is not resumed on an open connection"));
        }
        if via == Via::Stdio && !session.is_stdio() {
            return Err(Fault::invalid("a session with large frames is not resumed on stdio"));
        }
        Ok(())
    }
}

/// The error for every resume that is refused, whatever the reason.
pub(super) fn gone() -> Fault {
    Fault::new(
        ErrorCode::ResumeWindowExpired,
        "there is no session to resume with this id and token; open a new session",
    )
}
