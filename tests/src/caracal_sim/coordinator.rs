//! The coordinator, its records on a disk, and who may ask it.

use std::collections::{BTreeMap, VecDeque};
use std::hash::Hash as _;

use nuncio_core::caracal::{
    ApplicationId, AuthorityId, Coordinator, CoordinatorConfig, CoordinatorEvent, CoordinatorOutput, CoordinatorRecord,
    CredentialFault, EdgeAuthority, EdgeId, Generation, IncomingId, IncomingRequest, LIFECYCLE_SCOPE, Principal, Reply,
    Request, SessionId, TransportFailure, ZoneConfig, ZoneId,
};
use nuncio_core::time::Time;

use super::clocks::Clocks;
use super::link::{Answer, Attempt, Fate, Packet};
use super::params::Params;
use super::{APPLICATIONS, Sim, ZONE};
use crate::seeded::{Draw, note};
use crate::world::START;

/// The most that a coordinator with these limits holds.
const MAX_BYTES: usize = 4 << 20;

/// A request that is being answered.
struct Waiting {
    attempt: Attempt,
    request: Request,
    fate: Fate,
}

enum Effect {
    Respond(IncomingId, Reply),
    Tell(CoordinatorEvent),
}

pub(super) struct CoordinatorHost {
    config: CoordinatorConfig,
    pub(super) machine: Coordinator,
    /// The records that a crash leaves, with their numbers.
    durable: Vec<(u64, CoordinatorRecord)>,
    unsynced: VecDeque<(u64, CoordinatorRecord)>,
    /// The number of the last durable record.
    stored: u64,
    gate: VecDeque<(u64, Effect)>,
    waiting: BTreeMap<IncomingId, Waiting>,
    pub(super) clocks: Clocks,
    /// The coordinator's time, which never steps back.
    pub(super) now: Time,
    next: u64,
    /// Tokens with a smaller number are refused.
    pub(super) first_token: u64,
    restarts: u8,
    /// Whether something has changed since the edges were checked.
    is_changed: bool,
}

fn zone() -> ZoneId {
    ZoneId::new(ZONE).expect("a valid id")
}

impl CoordinatorHost {
    pub(super) fn new(params: &Params) -> CoordinatorHost {
        let config = CoordinatorConfig::default().with(|config| {
            let applications = APPLICATIONS.map(|name| ApplicationId::new(name).expect("a valid id")).into();
            config.zones.push(ZoneConfig { id: zone(), applications, resources: None });
            config.generation = params.generation;
            config.journal = true;
            config.retention = std::time::Duration::from_secs(params.retention);
            config.limits.sessions_per_zone = 20;
            config.limits.children = 4;
            config.limits.depth = 3;
            config.limits.edges_per_zone = 16;
            config.limits.ended_sessions = 8;
            config.limits.ended_edges = 8;
        });
        CoordinatorHost {
            machine: Coordinator::new(config.clone(), [7; 32], START),
            config,
            durable: Vec::new(),
            unsynced: VecDeque::new(),
            stored: 0,
            gate: VecDeque::new(),
            waiting: BTreeMap::new(),
            clocks: Clocks::default(),
            now: START,
            next: 0,
            first_token: 1,
            restarts: 0,
            is_changed: false,
        }
    }

    fn is_head(&self) -> bool {
        self.config.generation == Generation::Head
    }

    fn next_id(&mut self) -> IncomingId {
        self.next += 1;
        IncomingId(self.next)
    }

    /// Returns the principal of a token, which is `application.number`.
    fn principal(&self, request: &Request) -> Result<Principal, CredentialFault> {
        let header = request.headers().iter().find(|header| header.name() == "authorization");
        let token = header.and_then(|header| header.value().expose().strip_prefix("Bearer "));
        let (application, number) = token.and_then(|token| token.split_once('.')).ok_or(CredentialFault::Missing)?;
        let number: u64 = number.parse().map_err(|_| CredentialFault::Invalid)?;
        if number < self.first_token {
            return Err(CredentialFault::Invalid);
        }
        Ok(principal(application, &["coordinator.delegate_to:app-a", "coordinator.delegate_to:app-b"]))
    }

    /// Returns when the coordinator has something to do, by the world's clock.
    pub(super) fn next_at(&self) -> Option<Time> {
        self.machine.poll_timeout().map(|(at, _)| self.clocks.due(at))
    }

    fn take_outputs(&mut self) {
        while let Some(output) = self.machine.poll_output() {
            match output {
                CoordinatorOutput::Store { seq, record } => {
                    let again = CoordinatorRecord::decode(&record.encode());
                    assert_eq!(again.as_ref(), Ok(&record), "ours a_record_is_read_back_unchanged");
                    self.is_changed = true;
                    self.unsynced.push_back((seq, record));
                }
                CoordinatorOutput::Respond { id, reply, after } => {
                    self.gate.push_back((after, Effect::Respond(id, reply)));
                }
                CoordinatorOutput::Event { event, after } => self.gate.push_back((after, Effect::Tell(event))),
            }
        }
    }
}

fn principal(application: &str, scopes: &[&str]) -> Principal {
    Principal {
        zone: zone(),
        application: ApplicationId::new(application).expect("a valid id"),
        subject: application.into(),
        scopes: [LIFECYCLE_SCOPE].iter().chain(scopes).map(|scope| (*scope).into()).collect(),
        authority: AuthorityId::new(application).ok(),
    }
}

impl Sim {
    /// The time on the coordinator's machine.
    pub(super) fn coordinator_now(&mut self) -> Time {
        let host = &mut self.coordinator;
        host.now = host.now.max(host.clocks.at(self.now));
        host.now
    }

    /// What the wall clock of the coordinator's machine shows.
    pub(super) fn coordinator_wall(&self) -> Time {
        self.coordinator.clocks.wall(self.now)
    }

    pub(super) fn serve(&mut self, attempt: Attempt, request: &Request, fate: Fate, draw: &mut Draw<'_, '_>) {
        let now = self.coordinator_now();
        let host = &mut self.coordinator;
        let (id, caller) = (host.next_id(), host.principal(request));
        let headers: Vec<(&str, &str)> =
            request.headers().iter().map(|header| (header.name(), header.value().expose())).collect();
        let incoming = IncomingRequest {
            method: request.method().as_str(),
            target: request.path(),
            headers: &headers,
            body: request.body().unwrap_or_default().as_bytes(),
            caller: caller.as_ref().map_err(|fault| *fault),
        };
        host.machine.handle_request(now, id, &incoming);
        host.waiting.insert(id, Waiting { attempt, request: request.clone(), fate });
        self.drain_coordinator(draw);
    }

    /// Acts on deadlines of the coordinator that have passed. Returns whether there was one.
    pub(super) fn act_coordinator(&mut self, draw: &mut Draw<'_, '_>) -> bool {
        let now = self.coordinator_now();
        let is_due = self.coordinator.machine.poll_timeout().is_some_and(|(at, _)| at <= now);
        if is_due {
            self.coordinator.machine.handle_timeout(now);
            self.drain_coordinator(draw);
        }
        is_due
    }

    pub(super) fn drain_coordinator(&mut self, draw: &mut Draw<'_, '_>) {
        self.coordinator.take_outputs();
        if self.converging || !draw.chance(self.params.slow_store) {
            self.sync();
        } else {
            self.release();
        }
    }

    /// Makes all records durable.
    pub(super) fn sync(&mut self) {
        let host = &mut self.coordinator;
        while let Some((seq, record)) = host.unsynced.pop_front() {
            assert!(seq > host.stored, "ours records_are_numbered: {seq} after {}", host.stored);
            host.stored = seq;
            host.durable.push((seq, record));
        }
        self.release();
    }

    /// Sends the answers, and tells of the events, that wait for no record any more.
    fn release(&mut self) {
        while let Some((after, _)) = self.coordinator.gate.front() {
            if *after > self.coordinator.stored {
                return;
            }
            match self.coordinator.gate.pop_front() {
                Some((_, Effect::Tell(event))) => {
                    note(|| format!("  {event:?}"));
                    let is_prompt = self.params.slow_store == 0;
                    self.model.event(&event, Some(self.coordinator.now).filter(|_| is_prompt));
                }
                Some((_, Effect::Respond(id, reply))) => self.respond(id, &reply),
                None => {}
            }
        }
    }

    fn respond(&mut self, id: IncomingId, reply: &Reply) {
        let (status, body) = (reply.status(), reply.body().unwrap_or_default());
        (id.0, status, body).hash(&mut self.digest);
        let host = &mut self.coordinator;
        let Some(Waiting { attempt, request, fate }) = host.waiting.remove(&id) else {
            panic!("ours a_request_is_answered_once: {id:?}");
        };
        self.model.answered(host.now, host.is_head(), &request, status, body);
        let is_replay = reply.headers().iter().any(|header| header.name() == "idempotency-replayed");
        if is_replay {
            self.count("answered again");
        }
        self.reply(attempt, fate, Answer { status, retry_after: None, body: body.to_owned() });
    }

    /// Lets the store delete what it does not need.
    pub(super) fn compact(&mut self) {
        let host = &mut self.coordinator;
        let needed = CoordinatorRecord::needed(&host.durable);
        let before = host.durable.len();
        host.durable.retain(|(seq, _)| needed.binary_search(seq).is_ok());
        let deleted = before - host.durable.len();
        note(|| format!("  {deleted} of {before} records are deleted"));
        if deleted > 0 {
            self.count("records deleted");
        }
    }

    /// The coordinator ends, in order or by a crash that loses what is not durable, and goes on from its records.
    pub(super) fn restart(&mut self, is_crash: bool, draw: &mut Draw<'_, '_>) {
        if !is_crash {
            self.sync();
        }
        let is_whole = self.coordinator.unsynced.is_empty();
        // The clock may have been set back meanwhile.
        let is_set_back = self.coordinator.clocks.is_ahead() && draw.chance(30);
        let before = (is_whole && !is_set_back).then(|| self.shown());
        let told = self.coordinator_now();
        self.count(if is_whole { "restarted" } else { "records lost" });
        let host = &mut self.coordinator;
        host.unsynced.clear();
        host.gate.clear();
        let unanswered: Vec<Attempt> = std::mem::take(&mut host.waiting).into_values().map(|one| one.attempt).collect();
        if is_set_back {
            host.clocks.set(0);
        }
        host.restarts = host.restarts.wrapping_add(1);
        let (clock, records) = (host.clocks.wall(self.now), host.durable.iter().cloned());
        let (machine, restored) = Coordinator::restore(host.config.clone(), [host.restarts; 32], clock, records);
        assert_eq!((restored.repeated, restored.ignored), (0, 0), "ours every_record_can_be_used: {restored:?}");
        assert_eq!(restored.last_store, host.stored, "ours records_are_numbered");
        host.machine = machine;
        // As the drivers do: time goes on from the latest record, even if the clock says less.
        host.now = restored.now;
        host.clocks.go_on(self.now, restored.now);
        self.model.forget_expiries();
        for attempt in unanswered {
            self.link.push(self.now, attempt, Packet::Failure(TransportFailure::Lost));
        }
        self.drain_coordinator(draw);
        // If the clock was set since the last record, another time has passed by it.
        if let Some(before) = before.filter(|_| restored.now == told) {
            let after = self.shown();
            for (before, after) in before.iter().zip(&after) {
                assert_eq!(before, after, "ours a_restart_changes_nothing");
            }
        }
    }

    /// Returns what the coordinator shows of all sessions and edges.
    fn shown(&mut self) -> Vec<String> {
        let sessions: Vec<String> = self.model.sessions.keys().cloned().collect();
        let mut shown: Vec<String> = sessions
            .iter()
            .flat_map(|id| [format!("/zones/{ZONE}/agents/{id}"), format!("/zones/{ZONE}/delegations/inbound/{id}")])
            .map(|target| self.show(&target))
            .collect();
        shown
            .push(format!("{:?}", (self.coordinator.machine.live_sessions(), self.coordinator.machine.active_edges())));
        let edges: Vec<String> = self.model.edges.keys().cloned().collect();
        shown.extend(edges.iter().map(|edge| format!("{:?}", self.authority(edge))));
        shown
    }

    /// Asks the coordinator for something that changes nothing, and returns the answer.
    fn show(&mut self, target: &str) -> String {
        let (now, caller) = (self.coordinator_now(), principal("app-a", &["coordinator.admin"]));
        let host = &mut self.coordinator;
        host.take_outputs();
        let id = host.next_id();
        let caller = Ok(&caller);
        let request = IncomingRequest { method: "GET", target, headers: &[], body: b"", caller };
        host.machine.handle_request(now, id, &request);
        host.take_outputs();
        let at = host.gate.iter().position(|(_, effect)| matches!(effect, Effect::Respond(of, _) if *of == id));
        match at.and_then(|at| host.gate.remove(at)) {
            Some((_, Effect::Respond(_, reply))) => {
                format!("{target} {} {}", reply.status(), reply.body().unwrap_or_default())
            }
            _ => panic!("ours a_request_is_answered_once: {target}"),
        }
    }

    /// Returns what an edge allows, if it is active.
    pub(super) fn authority(&mut self, edge: &str) -> Option<EdgeAuthority> {
        let now = self.coordinator_now();
        let presenter = SessionId::new(&self.model.edges.get(edge)?.presenter).ok()?;
        let authority = self.coordinator.machine.authority(now, &zone(), &presenter, &EdgeId::new(edge).ok()?).ok();
        self.coordinator.take_outputs();
        authority
    }

    /// §2.3: an edge is over once the wall clock has shown its expiry, and no later than if it had not been set back.
    fn no_edge_outlives_its_expiry(&mut self) {
        let now = self.coordinator_now();
        for edge in self.model.edges_that_are_over(now) {
            let authority = self.authority(&edge);
            assert_eq!(authority, None, "§2.3 no_edge_outlives_its_expiry: {edge} at {}", now.to_rfc3339());
        }
    }

    pub(super) fn check_coordinator(&mut self) {
        self.no_edge_outlives_its_expiry();
        let (now, wall) = (self.coordinator_now(), self.coordinator_wall());
        let host = &mut self.coordinator;
        assert!(host.machine.bytes_held() < MAX_BYTES, "ours memory_is_bounded: {}", host.machine.bytes_held());
        host.machine.handle_timeout(now);
        let more = host.machine.poll_output();
        assert!(more.is_none(), "ours nothing_is_overdue: another timeout led to {more:?}");
        if host.unsynced.is_empty() {
            assert_eq!(host.machine.live_sessions(), self.model.live(), "§2.4 every_change_is_told");
            self.model.sessions_end_in_time(now);
        }
        if !std::mem::take(&mut host.is_changed) {
            return;
        }
        let edges: Vec<String> = self.model.edges.keys().cloned().collect();
        for edge in edges {
            let Some(authority) = self.authority(&edge) else { continue };
            let held = &self.model.edges[&edge];
            assert!(!held.is_revoked, "§2.3 a_revocation_is_final: {edge}");
            assert!(
                !self.model.has_ended(&held.presenter),
                "§2.3 no_session_acts_after_its_end: {edge} by {}",
                held.presenter
            );
            let is_inherited = held.is_inherited;
            assert!(authority.expires_at > wall, "§2.3 no_edge_outlives_its_lifetime: {edge}");
            self.model.expires(&edge, authority.expires_at, now, wall);
            let above = authority.path.iter().rev().nth(1).and_then(|above| self.authority(above.as_str()));
            if let Some(above) = above {
                no_edge_is_wider_than_its_parent(&authority, &above, is_inherited);
            }
        }
    }
}

/// §2.3: scopes, resources, expiry and hops of an edge are within those of the edge that it follows. A session that has
/// inherited its edge has all hops of its parent.
fn no_edge_is_wider_than_its_parent(edge: &EdgeAuthority, above: &EdgeAuthority, is_inherited: bool) {
    let is_within = |own: &[Box<str>], above: &[Box<str>]| own.iter().all(|item| above.contains(item));
    let has_resources =
        above.resources.is_empty() || (!edge.resources.is_empty() && is_within(&edge.resources, &above.resources));
    let is_narrow = is_within(&edge.scopes, &above.scopes)
        && has_resources
        && edge.expires_at <= above.expires_at
        && edge.hops < above.hops + u32::from(is_inherited);
    assert!(is_narrow, "§2.3 no_edge_is_wider_than_its_parent: {edge:?} follows {above:?}");
}
