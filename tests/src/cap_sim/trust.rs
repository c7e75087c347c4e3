//! Trust sessions and the production profile: who belongs to whom, requests for a session, and the rules about tokens.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use nuncio_core::cap::{
    AuthorityConfig, BusPacket, ClientProduction, ComponentId, DecodeLimits, Enrollment, Freshness, IdentityBinding,
    Keyring, Payload, Peers, Production, RecordKind, RouterProduction, RouterRecord, RouterTrust, Subject,
    TrustAuthority, TrustNames, TrustPace, TrustRequest, TrustSettings, WorkerHandshakePurpose, WorkerTrust,
};
use nuncio_core::time::Time;

use super::bus::{Flight, Who};
use super::params::{Mode, Trust};
use super::signing::HashVerifier;
use super::{Sim, key_of};
use crate::seeded::{Draw, note};
use crate::world::SECOND;

/// The tenants: client 1 and worker 1 belong to the second, everybody else to the first.
const TENANTS: [&str; 2] = ["tenant-a", "tenant-b"];

/// The agent that all workers say they belong to.
pub(super) const AGENT: &str = "agent";

/// A token that the router has sent.
#[derive(Clone, Debug)]
pub(super) struct Grant {
    token: String,
    /// When it expires by the wall clock of the router.
    until: Time,
    /// When it is over, by the clock of the world: the wall clock has shown its expiry, or would have shown it if it had not been
    /// set back.
    over: Time,
    pub(super) is_revoked: bool,
}

/// What is known of the sessions from outside of the machines.
#[derive(Debug, Default)]
pub(super) struct Sessions {
    /// What the router has sent to each worker.
    pub(super) granted: BTreeMap<String, Vec<Grant>>,
    /// The agent that each worker is enrolled with at the router.
    pub(super) enrolled: BTreeMap<usize, &'static str>,
    /// The requests that were made, by reply subject: the worker, its life, and its name for the request.
    asked: BTreeMap<String, (usize, u32, TrustRequest)>,
    /// Results that reached the router with a token that was valid then.
    trusted: BTreeSet<Bytes>,
    next: u64,
}

/// Returns the name of a worker, and its enrollment with an agent.
pub(super) fn enrollment(who: usize, agent: &str) -> (String, Enrollment) {
    let worker = format!("worker-{who}");
    let (tenant_id, keys) = (tenant_of(&worker).to_owned(), ring(&worker));
    (worker, Enrollment { agent_id: agent.into(), tenant_id, keys, topics: None })
}

/// Returns the tenant that a component belongs to.
pub(super) fn tenant_of(sender: &str) -> &'static str {
    TENANTS[usize::from(sender.ends_with("-1"))]
}

/// Returns the keys of a component by key id.
pub(super) fn ring(sender: &str) -> Keyring {
    let mut keys = Keyring::default();
    keys.add(key_id(sender), key_of(sender).public_key()).expect("one key");
    keys
}

pub(super) fn key_id(sender: &str) -> String {
    format!("key of {sender}").replace(' ', "-")
}

impl Sim {
    pub(super) fn trust(&self) -> Trust {
        self.params.router.as_ref().map_or(Trust::Off, |router| router.trust)
    }

    pub(super) fn terms(&self) -> Production {
        let lifetime = Duration::from_secs(self.params.lifetime);
        let freshness = Freshness::new(lifetime, Duration::from_secs(self.params.skew.min(60)).min(lifetime))
            .expect("a good lifetime");
        Production { freshness, ..Production::default() }
    }

    /// Returns whether the router of this run asks for sessions, and gives them to all workers.
    pub(super) fn router_trust(&self, lifetime: u64) -> RouterTrust {
        let life = self.router.as_ref().map_or(0, |host| host.life + 1);
        let id = ComponentId::new("router").expect("a good id");
        let signer = Arc::new(key_of("router"));
        let config = AuthorityConfig::new(id, key_id("router"), signer, Arc::new(HashVerifier));
        let config = config.with(|config| config.session_lifetime = Duration::from_secs(lifetime));
        let mut seed = [0x99; 32];
        seed[..4].copy_from_slice(&life.to_be_bytes());
        let mut authority = TrustAuthority::new(config, seed, self.at(Who::Router));
        for (who, agent) in &self.sessions.enrolled {
            let (worker, enrollment) = enrollment(*who, agent);
            authority.enroll(&worker, enrollment).expect("a good enrollment");
        }
        let mut submitters = Peers::default();
        let clients = (0..self.params.clients).map(|who| format!("client-{who}"));
        for sender in clients.chain(["operator".to_owned()]) {
            submitters.add(sender.as_str(), tenant_of(&sender), ring(&sender));
        }
        match self.trust() {
            Trust::Off => RouterTrust::Off,
            Trust::Offer => RouterTrust::Offer(Box::new(authority)),
            Trust::Require => RouterTrust::Require(Box::new(authority)),
            Trust::Production => {
                RouterTrust::Production(Box::new(authority), RouterProduction { terms: self.terms(), submitters })
            }
        }
    }

    pub(super) fn worker_trust(&self, who: usize) -> WorkerTrust {
        let worker = &*format!("worker-{who}");
        let names = TrustNames {
            agent_id: AGENT.into(),
            tenant_id: tenant_of(worker).into(),
            proof_key_id: key_id(worker),
            scheduler_id: "router".into(),
        };
        let pace = TrustPace { timeout: Duration::from_secs(3), attempts: 2, renew_interval: Duration::from_secs(5) };
        let settings = TrustSettings::new(names, Arc::new(key_of(worker)), ring("router"));
        let settings = settings.and_then(|settings| settings.with_pace(pace)).expect("good settings");
        match self.params.modes[who] {
            Mode::Off => WorkerTrust::Off,
            Mode::Warn => WorkerTrust::Warn(Arc::new(settings)),
            Mode::Enforce if self.trust() == Trust::Production => {
                WorkerTrust::Production(Arc::new(settings), self.terms())
            }
            Mode::Enforce => WorkerTrust::Enforce(Arc::new(settings)),
        }
    }

    pub(super) fn client_production(&self, client: &str) -> Option<ClientProduction> {
        let tenant = tenant_of(client);
        let mut peers = Peers::default();
        peers.add("router", tenant, ring("router"));
        for worker in (0..self.params.workers).map(|who| format!("worker-{who}")) {
            peers.add(worker.as_str(), tenant_of(&worker), ring(&worker));
        }
        let identity = IdentityBinding { tenant_id: tenant.into(), principal_id: "me".into(), ..Default::default() };
        let production = ClientProduction { key_id: key_id(client), identity, terms: self.terms(), peers };
        Some(production).filter(|_| self.trust() == Trust::Production)
    }

    /// Brings a worker's request for a session to the router.
    pub(super) fn ask_router(
        &mut self,
        who: usize,
        id: TrustRequest,
        (subject, bytes): (&Subject, &Bytes),
        draw: &mut Draw<'_, '_>,
    ) {
        self.count("session asked for");
        self.sessions.next += 1;
        let reply = format!("_INBOX.{}", self.sessions.next);
        self.sessions.asked.insert(reply.clone(), (who, self.workers[who].life, id));
        self.capture(subject, bytes);
        let is_up = self.bus.is_up(Who::Worker(who));
        let faults = self.faults();
        let count = if is_up { self.bus.request(self.now, subject, bytes, &reply, faults, draw) } else { 0 };
        // The bus may tell that nobody has subscribed to the subject.
        if count == 0 && is_up && draw.chance(50) {
            let now = self.at(Who::Worker(who));
            let told = self.workers[who].worker.replied(now, id, Err("nobody is there".into()));
            assert_eq!(told, Ok(()), "spec/14 a_request_is_awaited");
        }
    }

    /// Brings an answer of the router to the worker that has asked.
    pub(super) fn answer_request(&mut self, to: &str, bytes: &Bytes, draw: &mut Draw<'_, '_>) {
        self.granted(bytes);
        let is_up = self.bus.is_up(Who::Router);
        let asked = self.sessions.asked.get(to).copied();
        if let Some((who, _, _)) = asked.filter(|_| is_up) {
            let faults = self.faults();
            self.bus.answer(self.now, Who::Worker(who), to, bytes, faults, draw);
        }
    }

    /// A worker receives an answer.
    pub(super) fn deliver_answer(&mut self, who: usize, flight: &Flight, draw: &mut Draw<'_, '_>) {
        let asked = flight.reply.as_ref().and_then(|reply| self.sessions.asked.get(reply)).copied();
        let Some((_, life, id)) = asked.filter(|(_, life, _)| *life == self.workers[who].life) else { return };
        note(|| format!("  worker {who} in life {life} is answered"));
        // An answer that comes twice or too late is not awaited.
        let now = self.at(Who::Worker(who));
        let is_awaited = self.workers[who].worker.replied(now, id, Ok(flight.bytes.clone())).is_ok();
        if !is_awaited {
            self.count("answer not awaited");
        }
        self.drain_worker(who, None, draw);
    }

    /// Notes the token of an answer. Ours: its session is stored before.
    fn granted(&mut self, bytes: &Bytes) {
        let packet = BusPacket::decode(bytes, &DecodeLimits::default()).expect("an answer can be decoded");
        let Some(Payload::WorkerHandshakeResult(result)) = packet.payload else { return };
        let Some(challenge) = result.challenge.filter(|_| result.accepted) else {
            return self.count("session refused");
        };
        let worker = challenge.worker_id;
        let until = result.token_expires_at.and_then(|at| at.to_time()).expect("a token expires");
        let over = self.now.plus_micros(until.since(self.wall(Who::Router)));
        let is_revoked = self.is_revoked_in_the_records(&worker);
        let before = self.sessions.granted.entry(worker.clone()).or_default();
        before.push(Grant { token: packet.auth_token.expose().to_owned(), until, over, is_revoked });
        let count = before.len();
        let is_renewal = challenge.purpose == WorkerHandshakePurpose::RENEW;
        self.count(if is_renewal { "session renewed" } else { "session granted" });
        let Some(host) = self.router.as_ref().filter(|host| host.params.records) else { return };
        let stored = host.stored().filter(|record| record.kind() == RecordKind::Trusted && record.job_id() == worker);
        assert!(stored.count() >= count, "ours no_token_is_sent_before_its_session_is_stored: {worker}");
    }

    /// The wall clock of the router was set: tokens are over earlier, but never later.
    pub(super) fn sessions_follow_the_wall(&mut self) {
        let (now, wall) = (self.now, self.wall(Who::Router));
        for grant in self.sessions.granted.values_mut().flatten() {
            grant.over = grant.over.min(now.plus_micros(grant.until.since(wall)));
        }
    }

    /// The router was started again: it judges the sessions of its records by the wall clock, and gives them no more than their
    /// lifetime.
    pub(super) fn sessions_begin_anew(&mut self) {
        let (now, wall) = (self.now, self.wall(Who::Router));
        let lifetime = self.params.router.as_ref().map_or(0, |router| router.session_lifetime);
        for grant in self.sessions.granted.values_mut().flatten() {
            grant.over = now.plus_micros(grant.until.since(wall).min(lifetime * SECOND));
        }
    }

    /// Returns the token that a worker has, if it is valid.
    fn valid_token(&self, worker: &str) -> Option<&str> {
        let last = self.sessions.granted.get(worker)?.last()?;
        (last.over > self.now && !last.is_revoked).then_some(&last.token)
    }

    /// Notes whether a result reaches the router with a token that is valid now.
    pub(super) fn note_token(&mut self, subject: &Subject, bytes: &Bytes) {
        if self.trust() != Trust::Require || *subject != Subject::JobResult {
            return;
        }
        let Ok(packet) = BusPacket::decode(bytes, &DecodeLimits::default()) else { return };
        if self.valid_token(&packet.sender_id) == Some(packet.auth_token.expose()) {
            self.sessions.trusted.insert(bytes.clone());
        }
    }

    /// spec/14: a result of a worker counts if it has come with the token of its session, before that has expired. In the
    /// production profile its seal shows who has sent it.
    pub(super) fn only_results_with_a_token_count(&mut self, packet: &Bytes) {
        let decoded = BusPacket::decode(packet, &DecodeLimits::default()).unwrap_or_default();
        if self.trust() != Trust::Require || !decoded.sender_id.starts_with("worker-") {
            return;
        }
        let is_trusted = self.sessions.trusted.contains(packet);
        assert!(is_trusted, "spec/14 only_results_with_a_token_count: {:?}", decoded.payload);
        self.count("trusted result");
    }

    /// spec/14: a job is sent to a worker that has a session.
    pub(super) fn only_workers_with_a_session_get_jobs(&self, worker: &ComponentId) {
        let granted = self.sessions.granted.get(worker.as_str()).and_then(|granted| granted.last());
        let has_session = granted.is_some_and(|last| !last.is_revoked) || !self.trust().is_required();
        assert!(has_session, "spec/14 only_workers_with_a_session_get_jobs: {worker:?} has none");
    }

    /// spec/14: a session is over with its token, once the wall clock of the router has shown its expiry.
    pub(super) fn no_session_outlives_its_token(&self) {
        let Some(authority) = self.router.as_ref().and_then(|host| host.router.authority()) else { return };
        for (worker, granted) in &self.sessions.granted {
            let Some(last) = granted.last().filter(|last| last.over < self.now) else { continue };
            let session = authority.session(self.at(Who::Router), worker);
            // It may have a newer one, whose token was not sent yet.
            let is_over = session.is_none_or(|session| session.expires_at != last.until);
            assert!(is_over, "spec/14 no_session_outlives_its_token: {worker} until {:?}", last.until);
        }
    }

    /// Ours: a restarted router goes on with the sessions whose tokens it has sent.
    pub(super) fn sessions_outlive_the_router(&self) {
        let Some(host) = &self.router else { return };
        let Some(authority) = host.router.authority() else { return };
        for (worker, granted) in &self.sessions.granted {
            let (now, wall) = (self.at(Who::Router), self.wall(Who::Router));
            let Some(last) = granted.last().filter(|last| last.until > wall && !last.is_revoked) else { continue };
            let session = authority.session(now, worker);
            // A newer one, whose token was not sent, may end earlier: the clock may have been set back since the last one.
            let of_worker = |record: &&RouterRecord| record.kind() == RecordKind::Trusted && record.job_id() == worker;
            let is_newer = host.stored().filter(of_worker).count() > granted.len();
            let is_there = session.is_some_and(|session| session.expires_at >= last.until || is_newer);
            assert!(is_there, "ours sessions_outlive_the_router: {worker}");
        }
    }
}
