//! The clients: what each application asks for, what it holds, and what it is told.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::Hash as _;

use nuncio_core::caracal::{
    ApplicationId, BearerToken, CallId, Client, ClientConfig, ClientOutput, ClientRefused, Constraints, Delegate,
    EdgeId, Generation, Kind, Metadata, NewEdge, Response, SessionId, Spawn, TransportFailure, Ttl, ZoneId,
};
use nuncio_core::time::Time;

use super::clocks::Clocks;
use super::link::{Answer, Attempt};
use super::{APPLICATIONS, Sim, ZONE};
use crate::seeded::{Draw, note};
use crate::world::SECOND;

/// The most that a client holds.
const MAX_BYTES: usize = 1 << 20;

/// What a call was made for.
#[derive(Clone, Debug)]
pub(super) enum Asked {
    Spawn(u64),
    Terminate(SessionId),
    Revoke(EdgeId),
    Other,
}

/// A session that an application holds.
#[derive(Clone, Debug)]
pub(super) struct Held {
    pub(super) session: SessionId,
    pub(super) spawn: u64,
    pub(super) is_service: bool,
    pub(super) is_ending: bool,
}

pub(super) struct ClientHost {
    pub(super) client: Client,
    life: u32,
    application: ApplicationId,
    pub(super) calls: BTreeMap<CallId, Asked>,
    pub(super) held: Vec<Held>,
    pub(super) edges: Vec<EdgeId>,
    /// When the token that was asked for is there.
    token_at: Option<Time>,
    /// When the latest token expires: by the wall clock, and in the time of the client, in which it may be over earlier.
    token: Option<(Time, Time)>,
    pub(super) clocks: Clocks,
    pub(super) is_closed: bool,
}

impl ClientHost {
    pub(super) fn new(sim: &Sim, who: usize, life: u32, clocks: Clocks) -> ClientHost {
        let config = ClientConfig::new(ZoneId::new(ZONE).expect("a valid id"));
        let config = config.with(|config| config.generation = sim.params.generation);
        let seed = [u8::try_from(life % 200).unwrap_or(0), u8::try_from(who).unwrap_or(0)];
        let mut bytes = [0; 32];
        bytes[..2].copy_from_slice(&seed);
        ClientHost {
            client: Client::new(config, bytes, clocks.at(sim.now)),
            life,
            application: ApplicationId::new(APPLICATIONS[who % APPLICATIONS.len()]).expect("a valid id"),
            calls: BTreeMap::new(),
            held: Vec::new(),
            edges: Vec::new(),
            token_at: None,
            token: None,
            clocks,
            is_closed: false,
        }
    }

    /// Returns when the client has something to do, by the world's clock.
    pub(super) fn next_at(&self) -> Option<Time> {
        let timer = self.client.poll_timeout().map(|(at, _)| self.clocks.due(at));
        timer.into_iter().chain(self.token_at).min()
    }

    /// The wall clock was set: the token may be over earlier, but never later.
    pub(super) fn token_follows(&mut self, now: Time, wall: Time) {
        if let Some((at, over)) = &mut self.token {
            *over = (*over).min(now.plus_micros(at.since(wall)));
        }
    }

    /// Returns the sessions that are not being terminated.
    fn open(&self) -> Vec<SessionId> {
        self.held.iter().filter(|held| !held.is_ending).map(|held| held.session.clone()).collect()
    }

    pub(super) fn is_at_rest(&self) -> bool {
        self.calls.is_empty() && self.is_closed
    }

    pub(super) fn awaited(&self) -> String {
        format!("{:?}", self.calls)
    }

    fn remember(&mut self, call: Result<CallId, ClientRefused>, asked: Asked) {
        if let Ok(call) = call {
            let before = self.calls.insert(call, asked);
            assert!(before.is_none(), "ours calls_have_numbers_of_their_own: {before:?}");
        }
    }
}

impl Sim {
    pub(super) fn client_now(&self, who: usize) -> Time {
        self.clients[who].clocks.at(self.now)
    }

    pub(super) fn spawn(&mut self, who: usize, draw: &mut Draw<'_, '_>) {
        let spawn = self.new_spawn(who, draw);
        let (now, number) = (self.client_now(who), self.spawns);
        let host = &mut self.clients[who];
        let call = host.client.spawn(now, spawn);
        host.remember(call, Asked::Spawn(number));
        self.drain_client(who, draw);
    }

    /// Makes a session to open, with the number of its logical spawn as its metadata.
    fn new_spawn(&mut self, who: usize, draw: &mut Draw<'_, '_>) -> Spawn {
        self.spawns += 1;
        let host = &self.clients[who];
        let is_service = self.params.generation == Generation::Head && draw.chance(20);
        let parent = if draw.chance(60) { draw.pick(&host.open()).cloned() } else { None };
        let ttl = if is_service { None } else { Ttl::from_secs(draw.one(&[0, 0, 5, 60, 600, 7_200])) };
        let metadata = format!(r#"{{"spawn":{}}}"#, self.spawns);
        Spawn {
            kind: if is_service { Kind::Service } else { Kind::Instance },
            parent,
            ttl,
            metadata: Metadata::new(&metadata).ok(),
            ..Spawn::new(host.application.clone())
        }
    }

    pub(super) fn terminate(&mut self, who: usize, draw: &mut Draw<'_, '_>) {
        if let Some(session) = draw.pick(&self.clients[who].open()).cloned() {
            self.end_scope(who, &session, draw);
        }
    }

    fn end_scope(&mut self, who: usize, session: &SessionId, draw: &mut Draw<'_, '_>) {
        let now = self.client_now(who);
        let host = &mut self.clients[who];
        let call = host.client.terminate(now, session.clone());
        let is_asked = call.is_ok();
        host.remember(call, Asked::Terminate(session.clone()));
        if let Some(held) = host.held.iter_mut().find(|held| held.session == *session) {
            held.is_ending = is_asked;
        }
        self.drain_client(who, draw);
    }

    fn constraints(draw: &mut Draw<'_, '_>) -> Option<Constraints> {
        let resources: &[&str] = draw.one(&[&["resource://a"][..], &["resource://a", "resource://b"], &[]]);
        let resources = resources.iter().map(|resource| (*resource).into()).collect();
        let max_depth = draw.one(&[None, Some(1), Some(2), Some(4)]);
        Some(Constraints { resources, max_depth, ..Constraints::default() }).filter(|_| draw.chance(90))
    }

    fn scopes(draw: &mut Draw<'_, '_>) -> Vec<Box<str>> {
        let scopes: &[&str] = draw.one(&[&["read"][..], &["read", "write"], &["write"], &["read", "write", "admin"]]);
        scopes.iter().map(|scope| (*scope).into()).collect()
    }

    fn some_edge(&self, who: usize, draw: &mut Draw<'_, '_>) -> Option<EdgeId> {
        if draw.chance(30) { draw.pick(&self.clients[who].edges).cloned() } else { None }
    }

    pub(super) fn delegate(&mut self, who: usize, draw: &mut Draw<'_, '_>) {
        let receiver = draw.below(self.clients.len());
        let Some(source) = draw.pick(&self.clients[who].open()).cloned() else { return };
        let Some(target) = draw.pick(&self.clients[receiver].open()).cloned() else { return };
        let (now, parent_edge) = (self.client_now(who), self.some_edge(who, draw));
        let delegate = Delegate {
            issuer: self.clients[who].application.clone(),
            source,
            target,
            receiver: self.clients[receiver].application.clone(),
            scopes: Self::scopes(draw),
            parent_edge,
            constraints: Self::constraints(draw),
            ttl: Ttl::from_secs(draw.one(&[30, 60, 600])),
        };
        let host = &mut self.clients[who];
        let call = host.client.delegate(now, delegate);
        host.remember(call, Asked::Other);
        self.drain_client(who, draw);
    }

    pub(super) fn spawn_with_edge(&mut self, who: usize, draw: &mut Draw<'_, '_>) {
        let mut spawn = self.new_spawn(who, draw);
        let Some(parent) = draw.pick(&self.clients[who].open()).cloned() else { return };
        spawn.parent = Some(parent);
        let (now, number) = (self.client_now(who), self.spawns);
        let edge = NewEdge {
            scopes: Self::scopes(draw),
            parent_edge: self.some_edge(who, draw),
            constraints: Self::constraints(draw),
            ttl: Ttl::from_secs(draw.one(&[30, 60, 600])),
        };
        let host = &mut self.clients[who];
        let call = host.client.delegate_to_spawn(now, spawn, edge);
        self.edged.insert(number);
        host.remember(call, Asked::Spawn(number));
        self.drain_client(who, draw);
    }

    pub(super) fn revoke(&mut self, who: usize, draw: &mut Draw<'_, '_>) {
        let now = self.client_now(who);
        let host = &mut self.clients[who];
        let Some(edge) = draw.pick(&host.edges).cloned() else { return };
        let call = host.client.revoke(now, edge.clone());
        host.remember(call, Asked::Revoke(edge));
        self.drain_client(who, draw);
    }

    pub(super) fn list(&mut self, who: usize, draw: &mut Draw<'_, '_>) {
        let now = self.client_now(who);
        let host = &mut self.clients[who];
        let Some(session) = draw.pick(&host.open()).cloned() else { return };
        let call = host.client.inbound(now, session);
        host.remember(call, Asked::Other);
        self.drain_client(who, draw);
    }

    /// Takes a service of the same application over.
    pub(super) fn take_over(&mut self, who: usize, draw: &mut Draw<'_, '_>) {
        let application = &self.clients[who].application;
        let others = self.clients.iter().filter(|host| host.application == *application);
        let services: Vec<Held> = others.flat_map(|host| &host.held).filter(|held| held.is_service).cloned().collect();
        let Some(held) = draw.pick(&services).cloned() else { return };
        // If the answer is lost, no client holds the lease that the coordinator has given.
        self.model.excused.insert(held.spawn);
        let now = self.client_now(who);
        let host = &mut self.clients[who];
        let call = host.client.acquire_lease(now, held.session.clone());
        host.remember(call, Asked::Other);
        if host.held.iter().all(|own| own.session != held.session) {
            host.held.push(Held { is_ending: false, ..held });
        }
        self.drain_client(who, draw);
    }

    pub(super) fn answered(&mut self, attempt: Attempt, answer: &Answer, draw: &mut Draw<'_, '_>) {
        let now = self.client_now(attempt.client);
        let host = &mut self.clients[attempt.client];
        if host.life == attempt.life {
            let Answer { status, retry_after, body } = answer;
            let response = Response { status: *status, retry_after: *retry_after, body: body.as_bytes() };
            host.client.handle_response(now, attempt.id, &response);
            self.drain_client(attempt.client, draw);
        }
    }

    pub(super) fn failed(&mut self, attempt: Attempt, failure: TransportFailure, draw: &mut Draw<'_, '_>) {
        let now = self.client_now(attempt.client);
        let host = &mut self.clients[attempt.client];
        if host.life == attempt.life {
            host.client.handle_failure(now, attempt.id, failure);
            self.drain_client(attempt.client, draw);
        }
    }

    /// Does what is due at a client. Returns whether there was something.
    pub(super) fn act_client(&mut self, who: usize, draw: &mut Draw<'_, '_>) -> bool {
        let now = self.client_now(who);
        let is_tokenless = self.clients[who].token_at.is_some_and(|at| at <= self.now) && {
            !self.converging && draw.chance(self.params.tokenless)
        };
        let number = self.coordinator.first_token;
        let host = &mut self.clients[who];
        if host.token_at.is_some_and(|at| at <= self.now) {
            host.token_at = None;
            if is_tokenless {
                host.client.token_failed(now);
            } else {
                let token = BearerToken::new(&format!("{}.{number}", host.application)).expect("a printable token");
                let wall = host.clocks.wall(self.now);
                let expires_at = draw.one(&[None, Some(wall.plus_secs(300))]);
                host.token = expires_at.map(|at| (at, now.plus_micros(at.since(wall))));
                host.client.token(now, token, expires_at);
            }
        } else if host.client.poll_timeout().is_some_and(|(at, _)| at <= now) {
            host.client.handle_timeout(now);
        } else {
            return false;
        }
        self.drain_client(who, draw);
        true
    }

    pub(super) fn drain_client(&mut self, who: usize, draw: &mut Draw<'_, '_>) {
        while let Some(output) = self.clients[who].client.poll_output() {
            let life = self.clients[who].life;
            match output {
                ClientOutput::Request { id, request } => {
                    (who, request.path(), request.body()).hash(&mut self.digest);
                    self.no_token_is_used_after_its_expiry(who);
                    self.send(Attempt { client: who, life, id }, request, draw);
                }
                ClientOutput::Abort(id) => {
                    self.count("given up");
                    self.link.abort(Attempt { client: who, life, id });
                }
                ClientOutput::TokenNeeded { rejected } => {
                    self.count(if rejected { "token refused" } else { "token needed" });
                    let delay = draw.one(&[0, SECOND]);
                    self.clients[who].token_at = Some(self.now.plus_micros(delay));
                }
                ClientOutput::Event(event) => {
                    note(|| format!("  client {who} is told {event:?}"));
                    self.told(who, &event);
                }
            }
        }
    }

    /// §1.7: a token is replaced before its expiry, by the wall clock and as if that had not been set back.
    fn no_token_is_used_after_its_expiry(&self, who: usize) {
        let (now, token) = (self.client_now(who), self.clients[who].token);
        let is_valid = token.is_none_or(|(_, over)| now < over);
        assert!(is_valid, "§1.7 no_token_is_used_after_its_expiry: client {who} at {}", now.to_rfc3339());
    }

    /// The process of a client ends at once, and is started again.
    pub(super) fn crash_client(&mut self, who: usize) {
        self.count("client crashed");
        let host = &self.clients[who];
        let spawns = host.calls.values().filter_map(|asked| match asked {
            Asked::Spawn(spawn) => Some(*spawn),
            Asked::Terminate(_) | Asked::Revoke(_) | Asked::Other => None,
        });
        let lost: BTreeSet<u64> = spawns.chain(host.held.iter().map(|held| held.spawn)).collect();
        let life = host.life + 1;
        self.model.excused.extend(lost);
        let clocks = host.clocks.started();
        self.clients[who] = ClientHost::new(self, who, life, clocks);
    }

    /// Ends all scopes of a client, and closes it.
    pub(super) fn close_client(&mut self, who: usize, draw: &mut Draw<'_, '_>) {
        for session in self.clients[who].open() {
            self.end_scope(who, &session, draw);
        }
        let now = self.client_now(who);
        self.clients[who].client.close(now);
        self.drain_client(who, draw);
    }

    pub(super) fn check_client(&mut self, who: usize) {
        let now = self.client_now(who);
        let client = &mut self.clients[who].client;
        assert!(client.bytes_held() < MAX_BYTES, "ours memory_is_bounded: {}", client.bytes_held());
        client.handle_timeout(now);
        let more = client.poll_output();
        assert!(more.is_none(), "ours nothing_is_overdue: another timeout led to {more:?}");
    }
}
