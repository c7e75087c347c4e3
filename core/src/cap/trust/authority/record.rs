//! One enrolled worker: its enrollment, its requests, its open challenges and its session.

use alloc::collections::VecDeque;
use alloc::string::String;
use core::time::Duration;

use subtle::ConstantTimeEq as _;

use super::config::{AuthorityLimits, Enrollment};
use crate::cap::trust::clock::SKEW;
use crate::cap::wire::handshake::Handshake;
use crate::cap::wire::known::Timestamp;
use crate::cap::wire::trust::{
    WorkerHandshakeChallenge, WorkerHandshakeChallengeRequest, WorkerHandshakeRejectionReason,
};
use crate::clock::{Clock, Expiry};
use crate::digest::{Digest, sha256};
use crate::secret::Secret;
use crate::time::Time;

type Reason = WorkerHandshakeRejectionReason;

/// A request that was answered with a challenge. It is remembered until it is refused for its time and its place is needed:
/// the wall clock may be set back.
#[derive(Clone, Debug)]
struct Answered {
    request_id: Digest,
    nonce: Digest,
    /// Whether its challenge was used.
    used: Option<Digest>,
    expiry: Expiry,
}

/// A session, of which only the digest of the token is kept.
#[derive(Clone, Debug)]
pub(super) struct Session {
    token: Digest,
    key_id: String,
    pub(super) expiry: Expiry,
    pub(super) handshake: Handshake,
}

/// A session as it is kept for an authority that is started again.
#[derive(Clone, Debug)]
pub(crate) struct KeptSession {
    pub(crate) token: Digest,
    pub(crate) key_id: String,
    pub(crate) agent_id: String,
    pub(crate) tenant_id: String,
    pub(crate) expires_at: Time,
    pub(crate) handshake: Handshake,
}

/// One enrolled worker.
#[derive(Clone, Debug)]
pub(super) struct Record {
    enrollment: Enrollment,
    answered: VecDeque<Answered>,
    open: VecDeque<(WorkerHandshakeChallenge, Expiry)>,
    session: Option<Session>,
}

impl Record {
    pub(super) fn new(enrollment: Enrollment) -> Record {
        Record { enrollment, answered: VecDeque::new(), open: VecDeque::new(), session: None }
    }

    pub(super) fn enrollment(&self) -> &Enrollment {
        &self.enrollment
    }

    /// Replaces the enrollment. A session goes on if its agent, tenant and key are still those of the worker.
    pub(super) fn enroll(&mut self, enrollment: Enrollment) {
        let same = self.enrollment.agent_id == enrollment.agent_id && self.enrollment.tenant_id == enrollment.tenant_id;
        self.session = self.session.take().filter(|session| same && !enrollment.keys.of(&session.key_id).is_empty());
        self.open.clear();
        self.enrollment = enrollment;
    }

    /// Returns the session, if there is one that has not expired.
    pub(super) fn session(&self, now: Time) -> Option<&Session> {
        self.session.as_ref().filter(|session| !session.expiry.is_over(now))
    }

    /// Returns whether there is a session, even if it has expired.
    pub(super) fn keeps_session(&self) -> bool {
        self.session.is_some()
    }

    /// Returns what has to be kept of the session.
    pub(super) fn kept(&self) -> Option<KeptSession> {
        let session = self.session.as_ref()?;
        Some(KeptSession {
            token: session.token,
            key_id: session.key_id.clone(),
            agent_id: self.enrollment.agent_id.clone(),
            tenant_id: self.enrollment.tenant_id.clone(),
            expires_at: session.expiry.at(),
            handshake: session.handshake.clone(),
        })
    }

    /// Goes on with a session that was kept. Returns false if it has expired, or is of another agent, tenant or key. It is over
    /// after `lifetime` at the latest, because the clock may have been set back since.
    pub(super) fn resume(&mut self, kept: KeptSession, lifetime: Duration, clock: &Clock) -> bool {
        let KeptSession { token, key_id, agent_id, tenant_id, expires_at, handshake } = kept;
        let enrolled = &self.enrollment;
        let is_same = enrolled.agent_id == agent_id && enrolled.tenant_id == tenant_id;
        if expires_at <= clock.wall() || !is_same || enrolled.keys.of(&key_id).is_empty() {
            return false;
        }
        let mut expiry = Expiry::new(expires_at, clock);
        expiry.limit(clock.now().plus(lifetime));
        self.session = Some(Session { token, key_id, expiry, handshake });
        true
    }

    /// Notes that the wall clock was set.
    pub(super) fn follow_wall(&mut self, clock: &Clock) {
        let answered = self.answered.iter_mut().map(|answered| &mut answered.expiry);
        let open = self.open.iter_mut().map(|(_, expiry)| expiry);
        let session = self.session.iter_mut().map(|session| &mut session.expiry);
        answered.chain(open).chain(session).for_each(|expiry| expiry.follow(clock));
    }

    /// Returns the approximate bytes of the worker.
    pub(super) fn bytes(&self) -> usize {
        let topics = |topics: &[String]| topics.iter().map(|topic| size_of::<String>() + topic.len()).sum::<usize>();
        let session = self.session.as_ref().map_or(0, |session| topics(&session.handshake.ready_topics));
        size_of::<Record>()
            + self.answered.len() * size_of::<Answered>()
            + self.open.len() * size_of::<(WorkerHandshakeChallenge, Expiry)>()
            + session
    }

    /// Ends the session. Returns false if there is none.
    pub(super) fn revoke_session(&mut self) -> bool {
        self.open.clear();
        self.session.take().is_some()
    }

    /// Returns whether a token is the one of the session.
    pub(super) fn is_token(&self, token: &Secret, now: Time) -> bool {
        self.session(now).is_some_and(|session| bool::from(session.token.ct_eq(&token.digest())))
    }

    /// Notes a request that gets a challenge, unless it or its nonce came before.
    pub(super) fn admit(
        &mut self,
        request: &WorkerHandshakeChallengeRequest,
        made_at: Time,
        clock: &Clock,
        limits: &AuthorityLimits,
    ) -> Result<(), Reason> {
        let (request_id, nonce) = (sha256(request.request_id.as_bytes()), sha256(&request.client_nonce));
        if self.answered.iter().any(|before| before.request_id == request_id || before.nonce == nonce) {
            return Err(Reason::REPLAY_DETECTED);
        }
        if self.answered.len() >= limits.requests {
            let expired = self.answered.iter().position(|before| before.expiry.is_over(clock.now()));
            self.answered.remove(expired.ok_or(Reason::INTERNAL_ERROR)?);
        }
        // Its time is accepted for that long, and its challenge lives for no longer than a minute.
        let expiry = Expiry::new(made_at.max(clock.wall()).plus_micros(SKEW).plus_micros(1), clock);
        self.answered.push_back(Answered { request_id, nonce, used: None, expiry });
        Ok(())
    }

    /// Keeps a challenge until it is answered. The oldest one gives way.
    pub(super) fn keep(&mut self, challenge: WorkerHandshakeChallenge, clock: &Clock, limits: &AuthorityLimits) {
        while self.open.len() >= limits.challenges.max(1) {
            self.open.pop_front();
        }
        let expires_at = challenge.expires_at.as_ref().and_then(Timestamp::to_time).unwrap_or_default();
        self.open.push_back((challenge, Expiry::new(expires_at, clock)));
    }

    /// Checks that an answered challenge is an open one.
    pub(super) fn check(&self, answered: &WorkerHandshakeChallenge, now: Time) -> Result<(), Reason> {
        let Some((own, expiry)) = self.open.iter().find(|(own, _)| own.challenge_id == answered.challenge_id) else {
            let id = sha256(answered.challenge_id.as_bytes());
            let was_used = self.answered.iter().any(|answered| answered.used == Some(id));
            return Err(if was_used { Reason::REPLAY_DETECTED } else { Reason::CHALLENGE_EXPIRED });
        };
        if expiry.is_over(now) {
            return Err(Reason::CHALLENGE_EXPIRED);
        }
        // Packets of the handshake have no unknown fields, so equal messages have equal bytes.
        if own == answered { Ok(()) } else { Err(Reason::AUTHENTICATION_FAILED) }
    }

    /// Uses up a challenge, which comes before its token is made, and begins the session.
    pub(super) fn trust(
        &mut self,
        challenge: &WorkerHandshakeChallenge,
        token: &Secret,
        expiry: Expiry,
        handshake: Handshake,
    ) {
        self.open.retain(|(own, _)| own.challenge_id != challenge.challenge_id);
        let request_id = sha256(challenge.request_id.as_bytes());
        if let Some(answered) = self.answered.iter_mut().find(|answered| answered.request_id == request_id) {
            answered.used = Some(sha256(challenge.challenge_id.as_bytes()));
        }
        let key_id = challenge.proof_key_id.clone();
        self.session = Some(Session { token: token.digest(), key_id, expiry, handshake });
    }
}
