//! What a store may delete: a restart without it is a restart with it.

use nuncio_core::caracal::{Coordinator, CoordinatorRecord, Generation};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::support::{Server, principal};

const DAY: u64 = 24 * 60 * 60;

/// A coordinator that forgets soon.
fn forgetful() -> Server {
    Server::with(Generation::Head, |config| {
        config.limits.ended_sessions = 3;
        config.limits.ended_edges = 3;
    })
}

/// Deletes what is not needed.
fn compact(server: &mut Server) {
    let needed = CoordinatorRecord::needed(&server.stored);
    server.stored.retain(|(number, _)| needed.binary_search(number).is_ok());
}

/// All that clients see, and what the machine holds.
fn seen(server: &mut Server) -> (Vec<Value>, usize, Option<nuncio_core::time::Time>) {
    let mut all = vec![server.get("/agents").1, server.get("/delegations/active").1];
    for item in all[0]["items"].as_array().unwrap().clone() {
        let id = item["agent_session_id"].as_str().unwrap();
        all.push(server.get(&format!("/delegations/inbound/{id}")).1);
    }
    (all, server.coordinator.bytes_held(), server.coordinator.poll_timeout().map(|(at, _)| at))
}

fn restored(server: &Server) -> Server {
    let config = server.coordinator.config().clone();
    let (coordinator, restored) = Coordinator::restore(config, [7; 32], server.now, server.stored.iter().cloned());
    assert_eq!((restored.repeated, restored.ignored), (0, 0), "{restored:?}");
    let mut copy = forgetful();
    (copy.coordinator, copy.now, copy.stored) = (coordinator, server.now, server.stored.clone());
    copy.drain();
    copy
}

fn act(server: &mut Server, known: &mut Vec<String>, (action, one, two): (u8, u8, u8)) {
    let pick = |at: u8| known.get(usize::from(at) % known.len().max(1)).cloned().unwrap_or_default();
    let (first, second) = (pick(one), pick(two));
    let caller = principal("app-a", &["coordinator.delegate_broad"]);
    match action % 11 {
        0 | 1 => known.extend(server.spawn("app-a", &json!({"ttl_seconds": u32::from(one) + 1}))),
        2 | 3 => known.extend(server.spawn("app-a", &json!({"parent_id": first}))),
        4 => known.extend(server.spawn("app-a", &json!({"lifecycle": "service"}))),
        5 => drop(server.terminate(&first)),
        6 => drop(server.edge(&first, &second, &json!({"ttl_seconds": u32::from(two) + 1}))),
        7 => drop(server.patch(&format!("/agents/{first}/{}", if two % 2 == 0 { "suspend" } else { "resume" }))),
        8 => {
            let target = format!("/agents/{first}/{}", if two % 4 == 0 { "lease" } else { "heartbeat" });
            server.ask(&caller, "POST", &target, &json!({"lease_generation": 1 + two % 3}));
        }
        9 => {
            let (key, body) = (format!("key-{}", one % 4), json!({"application_id": "app-a"}).to_string());
            server.send(Ok(&caller), "POST", "/agents", &[("idempotency-key", &key)], &body);
        }
        _ => server.wait(if two % 8 == 0 { 4 * DAY } else { u64::from(one) * 4 }),
    }
}

#[test]
fn what_was_forgotten_and_leases_that_were_renewed_need_no_records() {
    let mut server = forgetful();
    let service = server.spawn("app-a", &json!({"lifecycle": "service"})).unwrap();
    for _ in 0..100 {
        let target = format!("/agents/{service}/heartbeat");
        assert_eq!(server.ask(&principal("app-a", &[]), "POST", &target, &json!({"lease_generation": 1})).0, 200);
        let session = server.session(None);
        server.terminate(&session);
    }
    assert!(server.stored.len() > 300);
    compact(&mut server);
    // The service with its lease, three sessions that have ended, and what was forgotten last.
    assert_eq!(server.stored.len(), 2 + 3 * 2 + 1);
    assert_eq!(restored(&server).status(&service), "active");
}

#[test]
fn a_key_that_is_still_valid_is_known_after_its_session_was_forgotten() {
    let mut server = forgetful();
    let send = |server: &mut Server| {
        let body = json!({"application_id": "app-a"}).to_string();
        server.send(Ok(&principal("app-a", &[])), "POST", "/agents", &[("idempotency-key", "k")], &body)
    };
    let session = serde_json::from_str::<Value>(send(&mut server).body().unwrap()).unwrap();
    let session = session["agent_session_id"].as_str().unwrap().to_owned();
    server.terminate(&session);
    for _ in 0..5 {
        let other = server.session(None);
        server.terminate(&other);
    }
    assert_eq!(server.get(&format!("/agents/{session}")).0, 404, "it is forgotten");
    compact(&mut server);
    assert_eq!(send(&mut restored(&server)).status(), 409, "the key belongs to a session that has ended");
}

#[test]
fn an_inherited_edge_that_was_forgotten_before_its_session_stays_forgotten() {
    let mut server = forgetful();
    let (source, target) = (server.session(None), server.session(None));
    server.edge(&source, &target, &json!({"ttl_seconds": 60})).unwrap();
    let child = server.session(Some(&target));
    let inbound = format!("/delegations/inbound/{child}");
    assert_eq!(server.get(&inbound).1["items"].as_array().unwrap().len(), 1, "the child inherits the edge");
    server.wait(60);
    for _ in 0..3 {
        server.edge(&source, &target, &json!({"ttl_seconds": 60})).unwrap();
        server.wait(60);
    }
    assert_eq!(server.get(&inbound).1["items"], json!([]), "three edges that have ended are kept");
    server.terminate(&source);
    for _ in 0..3 {
        let other = server.session(None);
        server.terminate(&other);
    }
    assert_eq!(server.get(&format!("/agents/{source}")).0, 404, "it is forgotten with its edges");
    compact(&mut server);
    assert_eq!(restored(&server).get(&inbound).1["items"], json!([]));
}

#[test]
fn a_lease_that_was_valid_when_its_service_was_suspended_has_not_lapsed() {
    let mut server = forgetful();
    let service = server.spawn("app-a", &json!({"lifecycle": "service"})).unwrap();
    let target = format!("/agents/{service}/heartbeat");
    let beat =
        |server: &mut Server| server.ask(&principal("app-a", &[]), "POST", &target, &json!({"lease_generation": 1})).0;
    server.wait(60);
    assert_eq!(beat(&mut server), 200);
    server.wait(90);
    server.patch(&format!("/agents/{service}/suspend"));
    assert_eq!(beat(&mut server), 200, "the lease is valid until 180 s");
    compact(&mut server);
    assert_eq!(beat(&mut restored(&server)), 200);
}

#[test]
fn an_expired_edge_is_forgotten_at_the_same_time_after_a_compaction() {
    let mut server = forgetful();
    // Services, which do not end by themselves.
    let [source, target, service] = [(); 3].map(|()| server.spawn("app-a", &json!({"lifecycle": "service"})).unwrap());
    server.edge(&source, &target, &json!({"ttl_seconds": 60})).unwrap();
    let beat = format!("/agents/{service}/heartbeat");
    // A restart notices with the first renewal that the edge has expired, and that renewal is deleted.
    for _ in 0..2 {
        server.wait(100);
        assert_eq!(server.ask(&principal("app-a", &[]), "POST", &beat, &json!({"lease_generation": 1})).0, 200);
    }
    // The lease and the receipts are over by then, and nothing else is due before the edge is forgotten.
    server.wait(2 * DAY);
    let mut whole = restored(&server);
    compact(&mut server);
    let mut compacted = restored(&server);
    assert_eq!(seen(&mut compacted), seen(&mut whole));
    assert_eq!(seen(&mut whole), seen(&mut server));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn a_restart_after_a_compaction_is_a_restart_without_it(
        actions in prop::collection::vec(any::<(u8, u8, u8)>(), 0..120),
        at in any::<prop::sample::Index>(),
    ) {
        let (mut server, mut known) = (forgetful(), Vec::new());
        let compacted_at = at.index(actions.len().max(1));
        let mut whole = Vec::new();
        for (number, action) in actions.into_iter().enumerate() {
            let before = server.stored.len();
            act(&mut server, &mut known, action);
            whole.extend_from_slice(&server.stored[before..]);
            if number == compacted_at {
                compact(&mut server);
            }
        }
        compact(&mut server);
        let mut after = restored(&server);
        server.stored = whole;
        let mut before = restored(&server);
        prop_assert_eq!(seen(&mut after), seen(&mut before));
        prop_assert_eq!(after.coordinator.live_sessions(), before.coordinator.live_sessions());
    }
}
