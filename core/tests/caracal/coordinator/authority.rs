//! Random operations against a naive model of authority: no session lives below one that has ended, no edge is wider
//! than the one that it follows, and nothing is usable after its revocation (§2.2, §2.3).

use std::collections::BTreeMap;

use nuncio_core::caracal::{EdgeAuthority, EdgeId, Generation, SessionId};
use nuncio_core::time::Time;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::support::{Server, zone};

const SCOPES: [&str; 4] = ["a", "b", "c", "d"];
const RESOURCES: [&str; 3] = ["r1", "r2", "r3"];

/// A session of the model.
#[derive(Clone)]
struct Session {
    parent: Option<usize>,
    ends_at: Time,
    suspended: bool,
    ended: bool,
}

/// An edge of the model, as it was asked for.
#[derive(Clone)]
struct Edge {
    from: usize,
    to: usize,
    revoked: bool,
}

/// What was asked for, without any index, cascade or table.
#[derive(Default)]
struct Model {
    sessions: Vec<Session>,
    edges: Vec<Edge>,
}

impl Model {
    /// Whether a session and all above it are there.
    fn lives(&self, at: usize, now: Time) -> bool {
        let session = &self.sessions[at];
        !session.ended && session.ends_at > now && session.parent.is_none_or(|parent| self.lives(parent, now))
    }

    fn is_suspended(&self, at: usize) -> bool {
        let session = &self.sessions[at];
        session.suspended || session.parent.is_some_and(|parent| self.is_suspended(parent))
    }

    /// Ends the targets of all edges that begin where a revoked one ends, over and over until nothing changes.
    fn revoke(&mut self, edge: usize, now: Time) {
        let mut reached = vec![edge];
        loop {
            let next = self.edges.iter().enumerate().position(|(at, edge)| {
                !reached.contains(&at)
                    && !edge.revoked
                    && reached.iter().any(|before| self.edges[*before].to == edge.from)
            });
            match next {
                Some(at) => reached.push(at),
                None => break,
            }
        }
        for at in reached {
            self.edges[at].revoked = true;
            let target = self.edges[at].to;
            if self.lives(target, now) {
                self.sessions[target].ended = true;
            }
        }
        self.settle(now);
    }

    /// The edges of sessions that have ended are revoked for good.
    fn settle(&mut self, now: Time) {
        for at in 0..self.sessions.len() {
            if !self.lives(at, now) {
                self.sessions[at].ended = true;
            }
        }
        for edge in &mut self.edges {
            edge.revoked |= self.sessions[edge.from].ended || self.sessions[edge.to].ended;
        }
    }
}

/// One operation: what it is, and numbers that choose its arguments.
type Step = (u8, u8, u8, u8);

fn subset<'a>(all: &[&'a str], bits: u8) -> Vec<&'a str> {
    all.iter().enumerate().filter(|(at, _)| bits & (1 << at) != 0).map(|(_, item)| *item).collect()
}

struct Run {
    server: Server,
    model: Model,
    sessions: Vec<String>,
    edges: Vec<String>,
    is_head: bool,
}

impl Run {
    fn new(is_head: bool) -> Run {
        let generation = if is_head { Generation::Head } else { Generation::May };
        Run {
            server: Server::new(generation),
            model: Model::default(),
            sessions: Vec::new(),
            edges: Vec::new(),
            is_head,
        }
    }

    fn pick(len: usize, choice: u8) -> Option<usize> {
        if len == 0 { None } else { Some(usize::from(choice) % len) }
    }

    fn step(&mut self, (what, one, other, more): Step) {
        let now = self.server.now;
        let session = Self::pick(self.sessions.len(), one);
        match what {
            0 | 1 => {
                let parent = if other.is_multiple_of(2) { None } else { session };
                let ttl = 20 + u64::from(more);
                let mut body = json!({"ttl_seconds": ttl, "parent_authority": "none"});
                if let Some(parent) = parent {
                    body["parent_id"] = json!(self.sessions[parent]);
                }
                if let Ok(id) = self.server.spawn("app-a", &body) {
                    assert!(parent.is_none_or(|parent| self.model.lives(parent, now)), "a child of an ended session");
                    self.sessions.push(id);
                    let ends_at = now.plus_secs(ttl);
                    self.model.sessions.push(Session { parent, ends_at, suspended: false, ended: false });
                }
            }
            2..=4 => self.delegate(one, other, more),
            5 => {
                let Some(at) = session else { return };
                let status = self.server.terminate(&self.sessions[at]).0;
                assert_eq!(status == 204, self.model.lives(at, now), "only what lives can be ended");
                self.model.sessions[at].ended = true;
                self.model.settle(now);
            }
            6 => {
                let Some(at) = Self::pick(self.edges.len(), one) else { return };
                let (status, _) = self.server.patch(&format!("/delegations/{}/revoke", self.edges[at]));
                assert_eq!(status == 200, !self.model.edges[at].revoked, "a revocation is final");
                if status == 200 {
                    self.model.revoke(at, now);
                }
            }
            7 => {
                let Some(at) = session else { return };
                let (status, body) = self.server.patch(&format!("/agents/{}/suspend", self.sessions[at]));
                if status == 200 {
                    assert!(self.model.lives(at, now) && body["suspended"].as_u64() > Some(0));
                    self.model.sessions[at].suspended = true;
                }
            }
            8 => {
                let Some(at) = session else { return };
                if self.server.patch(&format!("/agents/{}/resume", self.sessions[at])).0 == 200 {
                    // All below it that are suspended are resumed.
                    let below: Vec<usize> =
                        (0..self.sessions.len()).filter(|below| self.is_below(*below, at)).collect();
                    for session in below {
                        self.model.sessions[session].suspended = false;
                    }
                }
            }
            9 => {
                self.server.wait(u64::from(one % 32));
                self.model.settle(self.server.now);
            }
            _ => self.server = self.server.restart(),
        }
    }

    fn is_below(&self, mut at: usize, root: usize) -> bool {
        loop {
            if at == root {
                return true;
            }
            match self.model.sessions[at].parent {
                Some(parent) => at = parent,
                None => return false,
            }
        }
    }

    fn delegate(&mut self, one: u8, other: u8, more: u8) {
        let count = self.sessions.len();
        let (Some(from), Some(to)) = (Self::pick(count, one), Self::pick(count, other)) else { return };
        let now = self.server.now;
        let mut constraints = json!({});
        let resources = subset(&RESOURCES, more >> 4);
        if !resources.is_empty() {
            constraints["resources"] = json!(resources);
        }
        if more & 8 != 0 {
            constraints["max_depth"] = json!(1 + (other / 16) % 10);
        }
        let ttl = 1 + u64::from(one % 64);
        let body = json!({"scopes": subset(&SCOPES, more & 7), "ttl_seconds": ttl, "constraints": constraints});
        let [source, target] = [from, to].map(|at| self.sessions[at].clone());
        if let Ok(id) = self.server.edge(&source, &target, &body) {
            for at in [from, to] {
                assert!(
                    self.model.lives(at, now) && !self.model.is_suspended(at),
                    "an edge of a session that is not active"
                );
            }
            self.edges.push(id);
            self.model.edges.push(Edge { from, to, revoked: false });
        }
    }

    /// What the presenter of an edge may do by it.
    fn authority(&mut self, at: usize) -> Option<EdgeAuthority> {
        let edge = &self.model.edges[at];
        let presenter = if self.is_head { edge.to } else { edge.from };
        let session = SessionId::new(&self.sessions[presenter]).unwrap();
        let id = EdgeId::new(&self.edges[at]).unwrap();
        self.server.coordinator.authority(self.server.now, &zone(), &session, &id).ok()
    }

    fn check(&mut self) {
        let now = self.server.now;
        let mut usable: BTreeMap<String, EdgeAuthority> = BTreeMap::new();
        for at in 0..self.edges.len() {
            let Some(authority) = self.authority(at) else { continue };
            let edge = self.model.edges[at].clone();
            assert!(!edge.revoked, "an edge is usable after its revocation");
            for end in [edge.from, edge.to] {
                assert!(self.model.lives(end, now), "an edge is usable after the end of a session");
                assert!(!self.model.is_suspended(end), "an edge of a suspended session is usable");
            }
            assert!(authority.expires_at > now && authority.path.len() <= 10);
            usable.insert(self.edges[at].clone(), authority);
        }
        for authority in usable.values() {
            let Some(parent) = authority.path.iter().rev().nth(1) else { continue };
            let Some(parent) = usable.get(parent.as_str()) else {
                // The outer edge cannot be presented while its source is suspended, but it has not ended.
                let at = self.edges.iter().position(|edge| edge == parent.as_str()).unwrap();
                assert!(!self.model.edges[at].revoked, "an edge outlives the one that it follows");
                continue;
            };
            assert!(authority.scopes.iter().all(|scope| parent.scopes.contains(scope)), "wider scopes");
            let narrows = parent.resources.is_empty()
                || (!authority.resources.is_empty()
                    && authority.resources.iter().all(|item| parent.resources.contains(item)));
            assert!(narrows, "wider resources");
            assert!(authority.expires_at <= parent.expires_at, "a later end");
            assert!(authority.hops < parent.hops, "more hops");
        }
        for at in 0..self.sessions.len() {
            let (status, body) = self.server.get(&format!("/agents/{}", self.sessions[at]));
            assert_eq!(status, 200);
            let is_live = ["active", "suspended"].contains(&body["status"].as_str().unwrap());
            assert_eq!(is_live, self.model.lives(at, now), "{body}");
            assert_eq!(body["status"] == "suspended", is_live && self.model.is_suspended(at), "{body}");
        }
    }
}

fn step() -> impl Strategy<Value = Step> {
    (0_u8..11, any::<u8>(), any::<u8>(), any::<u8>())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]
    #[test]
    fn no_authority_is_wider_than_its_origin_or_outlives_it(head in any::<bool>(), steps in prop::collection::vec(step(), 1..70)) {
        let mut run = Run::new(head);
        for step in steps {
            run.step(step);
            run.check();
        }
        // What is left ends with its time.
        run.server.wait(100_000);
        prop_assert_eq!((run.server.coordinator.live_sessions(), run.server.coordinator.active_edges()), (0, 0));
    }
}

#[test]
fn the_same_seed_and_requests_give_the_same_outputs() {
    let run = || {
        let mut run = Run::new(true);
        for at in 0..200_u8 {
            run.step((at % 10, at.wrapping_mul(7), at.wrapping_mul(13), at.wrapping_mul(31)));
        }
        let records: Vec<Vec<u8>> = run.server.stored.iter().map(|(_, record)| record.encode()).collect();
        let listed: Value = run.server.get("/agents").1;
        (records, listed, format!("{:?}", run.server.events))
    };
    assert_eq!(run(), run());
}
