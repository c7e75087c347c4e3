//! Requests to a coordinator, with restarts.

use std::collections::BTreeSet;

use nuncio_core::caracal::{
    ApplicationId, AuthorityId, Coordinator, CoordinatorConfig, CoordinatorOutput, CoordinatorRecord, EdgeAuthority,
    EdgeId, Enforcement, Generation, IncomingId, IncomingRequest, LIFECYCLE_SCOPE, Principal, Reply, SessionId,
    ZoneConfig, ZoneId,
};
use serde_json::Value;

use crate::world::START;

/// Requests have one answer each, memory is bounded, no edge is wider than the one that it follows, and what has ended
/// or was revoked stays so, over restarts too.
///
/// In the first byte, bit 0 selects the generation and bit 1 what is enforced. A line `METHOD target body` is a request
/// of app-a, and with `b` in front of app-b; `+` and digits let seconds pass; `!` restarts. `$` and a digit is an id
/// that was made, counted from the latest.
pub fn caracal_coordinator(data: &[u8]) {
    let Some((first, text)) = data.split_first() else { return };
    let Ok(text) = std::str::from_utf8(text) else { return };
    let mut served = Served::new(*first);
    for line in text.lines().take(200) {
        match line.as_bytes().first() {
            Some(b'!') => served.restart(),
            Some(b'+') => served.wait(line[1..].parse().unwrap_or(1)),
            Some(b'b') => served.request("app-b", &line[1..]),
            _ => served.request("app-a", line),
        }
        served.check();
    }
}

fn id<T, E: std::fmt::Debug>(made: Result<T, E>) -> T {
    made.expect("a valid id")
}

struct Edge {
    id: String,
    presenter: String,
}

struct Served {
    config: CoordinatorConfig,
    coordinator: Coordinator,
    now: nuncio_core::time::Time,
    stored: Vec<(u64, CoordinatorRecord)>,
    ids: Vec<String>,
    edges: Vec<Edge>,
    ended: BTreeSet<String>,
    revoked: BTreeSet<String>,
}

impl Served {
    fn new(flags: u8) -> Served {
        let config = CoordinatorConfig::default().with(|config| {
            let applications = ["app-a", "app-b"].map(|name| id(ApplicationId::new(name))).into();
            config.zones.push(ZoneConfig { id: id(ZoneId::new("z")), applications, resources: None });
            config.generation = if flags & 1 == 0 { Generation::May } else { Generation::Head };
            config.enforcement = if flags & 2 == 0 { Enforcement::Strict } else { Enforcement::Deployed };
            config.journal = true;
            config.limits.ended_sessions = 5;
            config.limits.ended_edges = 5;
            config.limits.receipt_bytes = 8 << 10;
        });
        Served {
            coordinator: Coordinator::new(config.clone(), [3; 32], START),
            config,
            now: START,
            stored: Vec::new(),
            ids: Vec::new(),
            edges: Vec::new(),
            ended: BTreeSet::new(),
            revoked: BTreeSet::new(),
        }
    }

    fn restart(&mut self) {
        let records = self.stored.iter().cloned();
        let (coordinator, restored) = Coordinator::restore(self.config.clone(), [3; 32], self.now, records);
        assert_eq!((restored.repeated, restored.ignored), (0, 0), "{restored:?}");
        let live = (self.coordinator.live_sessions(), self.coordinator.active_edges());
        self.coordinator = coordinator;
        assert_eq!((self.coordinator.live_sessions(), self.coordinator.active_edges()), live);
        self.drain();
    }

    fn wait(&mut self, secs: u64) {
        self.now = self.now.plus_secs(secs % 1_000_000);
        self.coordinator.handle_timeout(self.now);
        assert!(self.drain().is_none());
    }

    fn drain(&mut self) -> Option<Reply> {
        let mut reply = None;
        while let Some(output) = self.coordinator.poll_output() {
            match output {
                CoordinatorOutput::Store { seq, record } => {
                    assert_eq!(seq, self.stored.len() as u64 + 1);
                    let again = CoordinatorRecord::decode(&record.encode()).expect("a record is read back");
                    self.stored.push((seq, again));
                }
                CoordinatorOutput::Respond { reply: one, after, .. } => {
                    assert_eq!(after, self.stored.len() as u64);
                    assert!(reply.replace(one).is_none(), "one answer");
                }
                CoordinatorOutput::Event { .. } => {}
            }
        }
        reply
    }

    fn send(&mut self, application: &str, method: &str, target: &str, body: &str) -> (u16, Value) {
        let caller = Principal {
            zone: id(ZoneId::new("z")),
            application: id(ApplicationId::new(application)),
            subject: application.into(),
            scopes: [LIFECYCLE_SCOPE, "coordinator.delegate_to:app-b"].map(Into::into).into(),
            authority: Some(id(AuthorityId::new(application))),
        };
        let headers = [("idempotency-key", "k")];
        let keyed = body.contains("\"keyed\"");
        let request = IncomingRequest {
            method,
            target,
            headers: if keyed { &headers } else { &[] },
            body: body.as_bytes(),
            caller: Ok(&caller),
        };
        self.coordinator.handle_request(self.now, IncomingId(1), &request);
        let reply = self.drain().expect("an answer");
        let body = reply.body().map_or(Value::Null, |body| serde_json::from_str(body).expect("a body is JSON"));
        (reply.status(), body)
    }

    fn request(&mut self, application: &str, line: &str) {
        let mut text = line.to_owned();
        for (at, id) in self.ids.iter().rev().take(10).enumerate() {
            text = text.replace(&format!("${at}"), id);
        }
        let mut words = text.splitn(3, ' ');
        let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let body = words.next().unwrap_or_default();
        let (status, answer) = self.send(application, method, &format!("/zones/z{target}"), body);
        let text = |name: &str| answer[name].as_str().map(str::to_owned);
        if status == 201 {
            self.ids.extend(text("agent_session_id").or(text("id")).or(text("delegation_edge_id")));
            let is_head = self.config.generation == Generation::Head;
            let presenter = text(if is_head { "target_session_id" } else { "source_session_id" });
            if let (Some(edge), Some(presenter)) = (text("delegation_edge_id").or(text("id")), presenter) {
                self.edges.push(Edge { id: edge, presenter });
            }
        }
        let named =
            |end: &str| target.strip_suffix(end).and_then(|target| target.rsplit('/').next()).map(str::to_owned);
        match (method, status) {
            ("DELETE", 204) => {
                self.ended.extend(named("").map(|id| id.split('?').next().unwrap_or_default().to_owned()));
            }
            ("PATCH", 200) => self.revoked.extend(named("/revoke")),
            _ => {}
        }
    }

    fn authority(&mut self, at: usize) -> Option<EdgeAuthority> {
        let edge = &self.edges[at];
        let (session, edge) = (id(SessionId::new(&edge.presenter)), id(EdgeId::new(&edge.id)));
        self.coordinator.authority(self.now, &id(ZoneId::new("z")), &session, &edge).ok()
    }

    fn check(&mut self) {
        assert!(self.coordinator.bytes_held() < 12 << 20);
        for at in 0..self.edges.len() {
            let Some(authority) = self.authority(at) else { continue };
            assert!(!self.revoked.contains(&self.edges[at].id), "an edge is usable after its revocation");
            assert!(!self.ended.contains(&self.edges[at].presenter), "an ended session has authority");
            assert!(authority.expires_at > self.now);
            let Some(parent) = authority.path.iter().rev().nth(1) else { continue };
            let parent = self.edges.iter().position(|edge| edge.id == parent.as_str());
            let Some(parent) = parent.and_then(|parent| self.authority(parent)) else { continue };
            assert!(authority.scopes.iter().all(|scope| parent.scopes.contains(scope)), "wider scopes");
            assert!(
                authority.resources.iter().all(|item| parent.resources.is_empty() || parent.resources.contains(item))
            );
            assert!(parent.resources.is_empty() || !authority.resources.is_empty(), "wider resources");
            assert!(authority.expires_at <= parent.expires_at && authority.hops < parent.hops, "wider edge");
        }
        self.drain();
        let ended: Vec<String> = self.ended.iter().rev().take(3).cloned().collect();
        for session in ended {
            let (status, body) = self.send("app-a", "GET", &format!("/zones/z/agents/{session}"), "");
            let is_over = status != 200 || matches!(body["status"].as_str(), Some("terminated" | "expired"));
            assert!(is_over, "{session}: {body}");
        }
    }
}
