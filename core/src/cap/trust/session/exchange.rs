//! One exchange with a scheduler: makes the requests, and handles their replies.

use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use bytes::Bytes;

use super::TrustSession;
use super::output::{NotAwaited, TrustFailure, TrustOutput, TrustRequest};
use super::request::Exchange;
use super::state::TrustState;
use super::verify::{Session, check_challenge, check_session};
use crate::cap::signature::rejection::Unsignable;
use crate::cap::signature::trust::seal_trust;
use crate::cap::trust::settings::{AUDIENCE, TrustMode};
use crate::cap::wire::known::Timestamp;
use crate::cap::wire::packet::{BusPacket, PROTOCOL_VERSION, Payload};
use crate::cap::wire::subject::Subject;
use crate::cap::wire::trust::{
    WorkerHandshakeAuthenticate, WorkerHandshakeChallenge, WorkerHandshakeChallengeRequest,
    WorkerHandshakeProofAlgorithm, WorkerHandshakePurpose,
};
use crate::secret::Secret;
use crate::time::{Time, micros};

/// The pause after the first attempt, which grows threefold with every further one.
const PAUSE: Duration = Duration::from_millis(100);
/// The longest pause.
const MAX_PAUSE: Duration = Duration::from_secs(5);
/// A session is renewed this long before it expires at the latest, if it lives for long enough.
const MARGIN: u64 = 60_000_000;

impl TrustSession {
    /// Notes that the bus is connected. An existing session is renewed; otherwise a new one is requested.
    pub fn connect(&mut self, now: Time) {
        self.advance(now);
        if self.state == TrustState::Idle {
            self.failures = 0;
            self.ask();
        }
    }

    /// Notes that the bus is away: no jobs are taken until an exchange on the next connection has succeeded.
    pub fn disconnect(&mut self, now: Time) {
        self.advance(now);
        _ = self.state.lose();
        (self.exchange, self.due, self.is_open) = (None, None, false);
        self.outputs.retain(|output| matches!(output, TrustOutput::Trusted { .. } | TrustOutput::Failed { .. }));
    }

    /// Ends the session and forgets its token.
    pub fn stop(&mut self, now: Time) {
        self.disconnect(now);
        self.session = None;
    }

    /// Takes in the reply to a request, or why there is none, as a sentence for people.
    ///
    /// Errors: [`NotAwaited`] if the request took too long or the bus was away.
    pub fn replied(&mut self, now: Time, id: TrustRequest, reply: Result<Bytes, String>) -> Result<(), NotAwaited> {
        self.advance(now);
        let exchange = self.exchange.take_if(|_| id == self.last).ok_or(NotAwaited)?;
        let went_on = match reply {
            Err(message) => Err(TrustFailure::Transport(message)),
            Ok(bytes) => match exchange {
                Exchange::Asked(request) => self.challenged(&bytes, &request),
                Exchange::Answered(challenge) => self.authenticated(&bytes, &challenge),
            },
        };
        if let Err(reason) = went_on {
            self.fail(reason);
        }
        Ok(())
    }

    /// Does what is due: a late reply is given up, a session is renewed or has expired.
    pub fn handle_timeout(&mut self, now: Time) {
        self.advance(now);
        if self.session.as_ref().is_some_and(|session| session.expiry.is_over(self.clock.now())) {
            self.session = None;
            self.outputs.push_back(TrustOutput::Expired);
            if self.mode == TrustMode::Enforce {
                self.close();
            }
        }
        if self.due.take_if(|at| *at <= self.clock.now()).is_some() {
            match self.state {
                TrustState::Challenging | TrustState::Authenticating => {
                    self.exchange = None;
                    self.fail(TrustFailure::Transport(String::from("no reply has come in time")));
                }
                TrustState::Pausing | TrustState::Trusted => self.ask(),
                TrustState::Idle => {}
            }
        }
    }

    /// Asks for a challenge.
    fn ask(&mut self) {
        if !self.state.ask() {
            return;
        }
        let is_renewal = self.token(self.clock.now()).is_some();
        let purpose = if is_renewal { WorkerHandshakePurpose::RENEW } else { WorkerHandshakePurpose::ISSUE };
        let nonce = [self.random.random_u128(), self.random.random_u128()].map(u128::to_be_bytes).concat();
        let request = WorkerHandshakeChallengeRequest {
            request_id: self.name(),
            trace_id: self.name(),
            worker_id: self.worker.as_str().into(),
            proof_key_id: self.settings.names().proof_key_id.clone(),
            proof_algorithm: WorkerHandshakeProofAlgorithm::ECDSA_P256_SHA256,
            audience: String::from(AUDIENCE),
            purpose,
            client_nonce: nonce,
            protocol_version: PROTOCOL_VERSION,
            sdk_version: self.settings.sdk_version().into(),
            ..WorkerHandshakeChallengeRequest::default()
        };
        let sealed = self.seal(&request.trace_id, Secret::default(), request.clone());
        match sealed {
            Ok(bytes) => self.send(Subject::TrustChallenge, bytes, Exchange::Asked(request)),
            Err(reason) => self.fail(reason.into()),
        }
    }

    /// Answers a challenge.
    fn challenged(&mut self, bytes: &[u8], request: &WorkerHandshakeChallengeRequest) -> Result<(), TrustFailure> {
        let challenge = check_challenge(bytes, request, &self.settings, &*self.verifier, self.clock.wall())?;
        let token = match challenge.purpose {
            WorkerHandshakePurpose::RENEW => self
                .token(self.clock.now())
                .cloned()
                .ok_or(TrustFailure::Mismatch("the purpose, since the token has expired,"))?,
            _ => Secret::default(),
        };
        let answer = WorkerHandshakeAuthenticate {
            challenge: Some(challenge.clone()),
            capability_handshake: Some(self.capability.clone()),
            ..WorkerHandshakeAuthenticate::default()
        };
        let bytes = self.seal(&challenge.trace_id, token, answer)?;
        if self.state.answer() {
            self.send(Subject::TrustAuthenticate, bytes, Exchange::Answered(challenge));
        }
        Ok(())
    }

    /// Takes the session that a challenge was answered for.
    fn authenticated(&mut self, bytes: &[u8], challenge: &WorkerHandshakeChallenge) -> Result<(), TrustFailure> {
        let before = self.session.as_ref().map(|session| &session.token);
        let session = check_session(bytes, challenge, before, &self.settings, &*self.verifier, &self.clock)?;
        if self.state.trust() {
            let expires_at = session.expiry.at();
            self.due = Some(self.clock.now().plus_micros(self.renewed_after(&session)));
            self.failures = 0;
            self.session = Some(session);
            let is_renewal = challenge.purpose == WorkerHandshakePurpose::RENEW;
            self.outputs.push_back(TrustOutput::Trusted { expires_at, is_renewal });
            self.open();
        }
        Ok(())
    }

    /// Returns after how many microseconds a session is renewed: half-way or a minute before its end, whichever is
    /// earlier, but not too soon and not in its last tenth.
    pub(super) fn renewed_after(&self, session: &Session) -> u64 {
        let lifetime = session.expiry.over().since(self.clock.now());
        let target = (lifetime / 2).min(lifetime.saturating_sub(MARGIN));
        target.max(micros(self.settings.pace().renew_interval)).min((lifetime / 10 * 9).max(1_000))
    }

    /// Ends an attempt. If the scheduler cannot be reached, another one follows soon, as often as the settings say;
    /// otherwise the exchange has failed, and another exchange follows later.
    fn fail(&mut self, reason: TrustFailure) {
        if !self.state.pause() {
            return;
        }
        self.failures = self.failures.saturating_add(1);
        let pace = self.settings.pace();
        if reason.is_transport() && self.failures < pace.attempts {
            let factor = 3_u32.saturating_pow(self.failures.saturating_sub(1));
            self.due = Some(self.clock.now().plus(PAUSE.saturating_mul(factor).min(MAX_PAUSE)));
            return;
        }
        self.failures = 0;
        self.due = Some(self.clock.now().plus(pace.renew_interval));
        let goes_on = reason.is_transport() && self.mode == TrustMode::Warn;
        self.outputs.push_back(TrustOutput::Failed { reason });
        if goes_on {
            self.open();
        } else {
            self.session = None;
            self.close();
        }
    }

    fn open(&mut self) {
        if !core::mem::replace(&mut self.is_open, true) {
            self.outputs.push_back(TrustOutput::Opened);
        }
    }

    fn close(&mut self) {
        if core::mem::replace(&mut self.is_open, false) {
            self.outputs.push_back(TrustOutput::Closed);
        }
    }

    fn seal(&self, trace_id: &str, token: Secret, payload: impl Into<Payload>) -> Result<Vec<u8>, Unsignable> {
        let packet = BusPacket {
            trace_id: trace_id.into(),
            sender_id: self.worker.as_str().into(),
            created_at: Some(Timestamp::from_time(self.clock.wall())),
            protocol_version: PROTOCOL_VERSION,
            auth_token: token,
            payload: Some(payload.into()),
            ..BusPacket::default()
        };
        seal_trust(packet, self.map_order, self.settings.proof())
    }

    fn send(&mut self, subject: Subject, bytes: Vec<u8>, exchange: Exchange) {
        self.last = TrustRequest(self.last.0.saturating_add(1));
        self.due = Some(self.clock.now().plus(self.settings.pace().timeout));
        self.exchange = Some(exchange);
        self.outputs.push_back(TrustOutput::Request { id: self.last, subject, bytes: Bytes::from(bytes) });
    }

    /// Returns 128 random bits in hexadecimal digits.
    fn name(&mut self) -> String {
        alloc::format!("{:032x}", self.random.random_u128())
    }
}
