//! Clients and a coordinator together, over a transport that loses requests and answers, while the coordinator restarts
//! with what is durable.

use std::collections::{BTreeMap, BTreeSet};

use nuncio_core::caracal::{
    ApplicationId, BearerToken, CallId, Client, ClientConfig, ClientEvent, ClientOutput, Delegate, Generation,
    IncomingId, IncomingRequest, Kind, NewEdge, Request, RequestId, Response, SessionId, Spawn, TransportFailure, Ttl,
};
use nuncio_core::time::Time;
use proptest::prelude::*;

use super::support::{START, Server, principal, zone};

/// What becomes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Served,
    /// It never arrives, and the client knows.
    Refused,
    /// It never arrives, and the client does not know.
    RequestLost,
    AnswerLost,
    /// The coordinator stops before it has stored the change.
    Crashed,
    Limited,
}

fn fate(number: u8) -> Fate {
    match number % 12 {
        0 => Fate::Refused,
        1 => Fate::RequestLost,
        2 | 3 => Fate::AnswerLost,
        4 => Fate::Crashed,
        5 => Fate::Limited,
        _ => Fate::Served,
    }
}

struct World {
    client: Client,
    server: Server,
    requests: Vec<(RequestId, Request)>,
    spawning: BTreeSet<CallId>,
    /// The sessions that the client knows, by the call that has opened them.
    opened: BTreeMap<CallId, SessionId>,
    /// The terminations that are under way.
    ending: BTreeMap<CallId, SessionId>,
    /// The sessions of which the client was told that they have ended.
    terminated: BTreeSet<SessionId>,
    /// Spawns of which the client knows that it does not know their outcome.
    uncertain: usize,
    /// Spawns with an edge that could not be created, whose session the client terminates again.
    taken_back: usize,
    with_edge: BTreeSet<CallId>,
}

impl World {
    fn new(generation: Generation) -> World {
        let config = ClientConfig::new(zone()).with(|config| config.generation = generation);
        let mut client = Client::new(config, [9; 32], START);
        client.token(START, BearerToken::new("token").unwrap(), None);
        World {
            client,
            server: Server::new(generation),
            requests: Vec::new(),
            spawning: BTreeSet::new(),
            opened: BTreeMap::new(),
            ending: BTreeMap::new(),
            terminated: BTreeSet::new(),
            uncertain: 0,
            taken_back: 0,
            with_edge: BTreeSet::new(),
        }
    }

    fn now(&self) -> Time {
        self.server.now
    }

    fn drain(&mut self) {
        while let Some(output) = self.client.poll_output() {
            match output {
                ClientOutput::Request { id, request } => self.requests.push((id, request)),
                ClientOutput::Abort(id) => self.requests.retain(|(held, _)| *held != id),
                ClientOutput::TokenNeeded { .. } => {
                    self.client.token(self.server.now, BearerToken::new("token").unwrap(), None);
                }
                ClientOutput::Event(event) => self.note(event),
            }
        }
    }

    fn note(&mut self, event: ClientEvent) {
        match event {
            ClientEvent::Spawned { call, session, .. } | ClientEvent::SpawnedWithEdge { call, session, .. } => {
                assert!(self.spawning.remove(&call));
                assert!(!self.opened.values().any(|held| *held == session), "two spawns have one session");
                self.opened.insert(call, session);
            }
            ClientEvent::Terminated { call, .. } => self.terminated.extend(self.ending.remove(&call)),
            ClientEvent::Failed { call, why, .. } if self.spawning.remove(&call) => {
                let is_uncertain = matches!(why, nuncio_core::caracal::CallFailure::Uncertain);
                self.uncertain += usize::from(is_uncertain);
                self.taken_back += usize::from(!is_uncertain && self.with_edge.contains(&call));
            }
            _ => {}
        }
    }

    /// Carries a request out at the coordinator. Returns the status and the body of its answer.
    fn serve(&mut self, request: &Request) -> (u16, String) {
        let caller = principal("app-a", &["coordinator.delegate_broad"]);
        let headers: Vec<(&str, &str)> =
            request.headers().iter().map(|field| (field.name(), field.value().expose())).collect();
        let body = request.body().unwrap_or_default();
        let incoming = IncomingRequest {
            method: request.method().as_str(),
            target: request.path(),
            headers: &headers,
            body: body.as_bytes(),
            caller: Ok(&caller),
        };
        self.server.coordinator.handle_request(self.server.now, IncomingId(0), &incoming);
        let (_, reply) = self.server.drain().pop().unwrap();
        (reply.status(), reply.body().unwrap_or_default().to_owned())
    }

    fn deliver(&mut self, at: usize, fate: Fate) {
        let (id, request) = self.requests.swap_remove(at);
        let now = self.now();
        match fate {
            Fate::Served => {
                let (status, body) = self.serve(&request);
                self.client.handle_response(now, id, &Response { status, retry_after: None, body: body.as_bytes() });
            }
            Fate::Refused => self.client.handle_failure(now, id, TransportFailure::NotSent),
            Fate::RequestLost => self.client.handle_failure(now, id, TransportFailure::Lost),
            Fate::AnswerLost => {
                self.serve(&request);
                self.client.handle_failure(now, id, TransportFailure::Lost);
            }
            Fate::Crashed => {
                let durable = self.server.stored.len();
                self.serve(&request);
                self.server.stored.truncate(durable);
                self.server = self.server.restart();
                self.client.handle_failure(now, id, TransportFailure::Lost);
            }
            Fate::Limited => {
                let body = br#"{"error":"rate_limited"}"#;
                self.client.handle_response(now, id, &Response { status: 429, retry_after: Some("1"), body });
            }
        }
        self.drain();
    }

    fn wait(&mut self, secs: u64) {
        self.server.wait(secs);
        self.client.handle_timeout(self.server.now);
        self.drain();
    }

    fn act(&mut self, what: u8, which: u8) {
        let now = self.now();
        let known: Vec<SessionId> = self.opened.values().cloned().collect();
        let some = if known.is_empty() { None } else { known.get(usize::from(which) % known.len()).cloned() };
        let application = ApplicationId::new("app-a").unwrap();
        let ttl = Ttl::from_secs(30 + u32::from(which));
        let spawn = Spawn { ttl, ..Spawn::new(application.clone()) };
        match what {
            0 => self.spawning.extend(self.client.spawn(now, spawn)),
            1 => self.spawning.extend(self.client.spawn(now, Spawn { kind: Kind::Service, ttl: None, ..spawn })),
            2 => {
                let parent = some.clone();
                let edge = NewEdge { scopes: vec!["x".into()], ttl: Ttl::from_secs(20), ..NewEdge::default() };
                if parent.is_some() {
                    let call = self.client.delegate_to_spawn(now, Spawn { parent, ..spawn }, edge);
                    self.with_edge.extend(call);
                    self.spawning.extend(call);
                }
            }
            3 => {
                if let Some(session) = some
                    && let Ok(call) = self.client.terminate(now, session.clone())
                {
                    self.ending.insert(call, session);
                }
            }
            _ => {
                if let (Some(source), Some(target)) = (some, known.last().cloned()) {
                    let delegate = Delegate {
                        issuer: application.clone(),
                        source,
                        target,
                        receiver: application,
                        scopes: vec!["x".into()],
                        parent_edge: None,
                        constraints: None,
                        ttl: Ttl::from_secs(20),
                    };
                    let _ = self.client.delegate(now, delegate);
                }
            }
        }
        self.drain();
    }

    fn started(&self) -> usize {
        self.server.stored.iter().filter(|(_, record)| record.kind() == "session_opened").count()
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, ..ProptestConfig::default() })]
    #[test]
    fn one_session_for_each_spawn_and_none_left_over(
        head in any::<bool>(), steps in prop::collection::vec((0_u8..10, any::<u8>(), any::<u8>()), 1..80)
    ) {
        let mut world = World::new(if head { Generation::Head } else { Generation::May });
        for (what, which, more) in steps {
            match what {
                0..=4 => world.act(what, which),
                5..=8 if !world.requests.is_empty() => {
                    let at = usize::from(which) % world.requests.len();
                    world.deliver(at, fate(more));
                }
                _ => world.wait(u64::from(which % 8)),
            }
        }
        // The transport heals: every call gets its answer.
        for _ in 0..400 {
            match world.requests.len() {
                0 => world.wait(1),
                _ => world.deliver(0, Fate::Served),
            }
        }
        prop_assert!(world.spawning.is_empty(), "every spawn has an outcome");
        // A session that was opened is that of one spawn, or of one whose outcome is reported as uncertain.
        prop_assert!(world.started() <= world.opened.len() + world.uncertain + world.taken_back, "a spawn has two sessions");
        for session in &world.terminated {
            let status = world.server.status(session.as_str());
            prop_assert!(["terminated", "expired"].contains(&status.as_str()), "{session} is {status}");
        }
        // Without its client, no session outlives its lifetime, and no service its lease.
        world.server.wait(100_000);
        let active = world.server.get("/agents").1;
        for item in active["items"].as_array().unwrap() {
            prop_assert!(item["status"] != "active", "{item}");
        }
        prop_assert_eq!(world.server.coordinator.active_edges(), 0);
    }
}

#[test]
fn a_lost_answer_to_a_spawn_of_1_0_is_answered_again() {
    let mut world = World::new(Generation::Head);
    world.act(0, 0);
    world.deliver(0, Fate::AnswerLost);
    for _ in 0..5 {
        world.wait(1);
    }
    world.deliver(0, Fate::Served);
    assert_eq!((world.opened.len(), world.started()), (1, 1));
}

#[test]
fn a_spawn_that_was_not_stored_is_carried_out_by_the_restarted_coordinator() {
    let mut world = World::new(Generation::Head);
    world.act(0, 0);
    world.deliver(0, Fate::Crashed);
    for _ in 0..5 {
        world.wait(1);
    }
    world.deliver(0, Fate::Served);
    assert_eq!((world.opened.len(), world.started()), (1, 1));
}

#[test]
fn a_service_lives_as_long_as_its_client_renews_its_lease() {
    let mut world = World::new(Generation::Head);
    world.act(1, 0);
    world.deliver(0, Fate::Served);
    let service = world.opened.values().next().unwrap().clone();
    for _ in 0..600 {
        world.wait(1);
        while !world.requests.is_empty() {
            world.deliver(0, Fate::Served);
        }
    }
    assert_eq!(world.server.status(service.as_str()), "active");
    world.server.wait(121);
    assert_eq!(world.server.status(service.as_str()), "suspended");
}
