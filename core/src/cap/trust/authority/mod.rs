//! The scheduler's side of trust sessions.
//!
//! ```text
//!  handle_request:  reply.rs  ->  challenge.rs | authenticate.rs  ->  reply.rs
//!                                     |               |
//!  record.rs                      enrolled workers, each with its requests, challenges and session
//! ```

mod authenticate;
mod challenge;
pub(crate) mod config;
pub(crate) mod output;
pub(crate) mod record;
mod reply;
mod wall;

use alloc::collections::{BTreeMap, VecDeque};
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use self::config::{AuthorityConfig, Enrollment};
use self::output::{AuthorityEvent, AuthorityRefused};
use self::record::{KeptSession, Record};
use super::settings::is_name;
use crate::cap::wire::handshake::Handshake;
use crate::cap::wire::subject::Topic;
use crate::clock::Clock;
use crate::random::Random;
use crate::secret::Secret;
use crate::time::Time;

/// The scheduler's side of trust sessions: it challenges enrolled workers, checks their proofs, and issues random
/// tokens. It keeps only the digest of a token.
///
/// All of its state belongs to an enrolled worker, and is bounded for each worker. Sessions live in memory; a
/// [`Router`](crate::cap::Router) records them.
#[derive(Clone, Debug)]
pub struct TrustAuthority {
    config: Arc<AuthorityConfig>,
    random: Random,
    clock: Clock,
    workers: BTreeMap<String, Record>,
    events: VecDeque<AuthorityEvent>,
}

/// A worker with a session.
#[derive(Clone, Copy, Debug)]
pub struct TrustedWorker<'a> {
    /// The agent and the tenant that it belongs to, its keys and the topics that it may serve.
    pub enrollment: &'a Enrollment,
    /// What it said about itself when it proved who it is.
    pub handshake: &'a Handshake,
    /// When its token expires by the wall clock.
    pub expires_at: Time,
}

impl<'a> TrustedWorker<'a> {
    /// Returns whether it serves a topic: it has named it and may serve it.
    pub fn serves(&self, topic: &Topic) -> bool {
        let is_allowed = self.enrollment.topics.as_ref().is_none_or(|allowed| allowed.contains(topic));
        is_allowed && self.handshake.ready_topics.iter().any(|named| named == topic.as_str())
    }

    /// Returns the topics that it serves: those that it named and may serve.
    pub fn topics(&self) -> Vec<&'a str> {
        let may_serve = |topic: &&str| {
            let allowed = self.enrollment.topics.as_ref();
            allowed.is_none_or(|allowed| allowed.iter().any(|own| own.as_str() == *topic))
        };
        self.handshake.ready_topics.iter().map(String::as_str).filter(may_serve).collect()
    }
}

impl TrustAuthority {
    /// Returns an authority that knows no workers.
    pub fn new(config: AuthorityConfig, seed: [u8; 32], now: Time) -> TrustAuthority {
        TrustAuthority {
            config: Arc::new(config),
            random: Random::new(seed),
            clock: Clock::new(now),
            workers: BTreeMap::new(),
            events: VecDeque::new(),
        }
    }

    /// Enrolls a worker, or changes its enrollment. Its session continues if its agent, its tenant and its key stay the
    /// same.
    ///
    /// Errors: too many workers are enrolled, or a name is not valid.
    pub fn enroll(&mut self, worker: &str, enrollment: Enrollment) -> Result<(), AuthorityRefused> {
        let names = [("the worker", worker), ("agent_id", &enrollment.agent_id), ("tenant_id", &enrollment.tenant_id)];
        if let Some((field, _)) = names.into_iter().find(|(_, name)| !is_name(name)) {
            return Err(AuthorityRefused::Name(field));
        }
        if !enrollment.keys.names().all(is_name) {
            return Err(AuthorityRefused::Name("the id of a key"));
        }
        if let Some(record) = self.workers.get_mut(worker) {
            record.enroll(enrollment);
            return Ok(());
        }
        if self.workers.len() >= self.config.limits.workers {
            return Err(AuthorityRefused::Limit(self.config.limits.workers));
        }
        self.workers.insert(worker.into(), Record::new(enrollment));
        Ok(())
    }

    /// Forgets a worker with its session. Returns false if it is not enrolled.
    pub fn revoke(&mut self, worker: &str) -> bool {
        self.workers.remove(worker).is_some()
    }

    /// Ends the session of a worker, which may prove itself again. Returns false if it has none.
    pub fn revoke_session(&mut self, worker: &str) -> bool {
        self.workers.get_mut(worker).is_some_and(Record::revoke_session)
    }

    /// Returns whether a token is the valid one of a worker.
    pub fn admits(&self, now: Time, worker: &str, token: &Secret) -> bool {
        self.workers.get(worker).is_some_and(|record| record.is_token(token, now.max(self.clock.now())))
    }

    /// Returns a worker that has a session.
    pub fn session(&self, now: Time, worker: &str) -> Option<TrustedWorker<'_>> {
        let record = self.workers.get(worker)?;
        let session = record.session(now.max(self.clock.now()))?;
        Some(TrustedWorker {
            enrollment: record.enrollment(),
            handshake: &session.handshake,
            expires_at: session.expiry.at(),
        })
    }

    /// Returns whether there is a session of a worker, even if it has expired.
    pub(crate) fn keeps_session(&self, worker: &str) -> bool {
        self.workers.get(worker).is_some_and(Record::keeps_session)
    }

    /// Returns what has to be kept of a worker's session, so that it outlives the authority.
    pub(crate) fn kept(&self, worker: &str) -> Option<KeptSession> {
        self.workers.get(worker)?.kept()
    }

    /// Goes on with a session that was kept. Returns false if it has expired, or the worker is not enrolled with its agent,
    /// tenant and key any more.
    pub(crate) fn resume(&mut self, now: Time, worker: &str, session: KeptSession) -> bool {
        self.clock.advance(now);
        let lifetime = self.config.session_lifetime;
        self.workers.get_mut(worker).is_some_and(|record| record.resume(session, lifetime, &self.clock))
    }

    /// Returns the approximate number of bytes that the authority holds. It walks over all workers.
    pub fn bytes_held(&self) -> usize {
        let workers = self.workers.iter().map(|(id, record)| id.len() + record.bytes());
        size_of::<TrustAuthority>() + workers.sum::<usize>() + self.events.len() * size_of::<AuthorityEvent>()
    }

    /// Returns the next event, if there is one.
    pub fn poll_event(&mut self) -> Option<AuthorityEvent> {
        self.events.pop_front()
    }

    /// Returns the settings that the authority was made with.
    pub fn config(&self) -> &AuthorityConfig {
        &self.config
    }
}
