//! Restarts: the restored coordinator is the one before, and continues (§2.7).

use nuncio_core::caracal::{Coordinator, CoordinatorRecord, CoordinatorRecordError, Enforcement, Generation};
use serde_json::{Value, json};

use super::support::{START, Server, answer, config, principal};

/// A coordinator with sessions, services and edges in all their states.
fn busy(generation: Generation) -> Server {
    let mut server = Server::new(generation);
    let root = server.spawn("app-a", &json!({"metadata": {"n": 1}, "labels": ["l"]})).unwrap();
    let child = server.session(Some(&root));
    let peer = server.session(None);
    let limits = json!({"constraints": {"resources": ["r"], "max_depth": 3}});
    let edge = server.edge(&root, &peer, &limits).unwrap();
    server.edge(&peer, &child, &json!({"constraints": {"resources": ["r"], "max_depth": 2}})).unwrap();
    let gone = server.session(None);
    server.edge(&root, &gone, &json!({"ttl_seconds": 5})).unwrap();
    server.wait(5);
    let other = server.session(None);
    let revoked = server.edge(&root, &other, &json!({})).unwrap();
    server.patch(&format!("/delegations/{revoked}/revoke"));
    server.terminate(&gone);
    server.patch(&format!("/agents/{child}/suspend"));
    if generation == Generation::Head {
        let service = server.spawn("app-a", &json!({"lifecycle": "service"})).unwrap();
        server.ask(&principal("app-a", &[]), "POST", &format!("/agents/{service}/lease"), &Value::Null);
    }
    let headers = [("idempotency-key", "k")];
    let body = json!({"application_id": "app-a"}).to_string();
    server.send(Ok(&principal("app-a", &[])), "POST", "/agents", &headers, &body);
    assert_eq!(server.edge_status(&peer, &edge), "active");
    server
}

/// All that a client can see.
fn seen(server: &mut Server) -> Vec<Value> {
    let sessions = server.get("/agents").1;
    let mut seen = vec![sessions.clone()];
    for item in sessions["items"].as_array().unwrap() {
        let id = item["id"].as_str().or(item["agent_session_id"].as_str()).unwrap();
        seen.push(server.get(&format!("/agents/{id}")).1);
        seen.push(server.get(&format!("/delegations/inbound/{id}")).1);
    }
    seen
}

#[test]
fn a_restart_shows_the_same_sessions_and_edges() {
    for generation in [Generation::May, Generation::Head] {
        let mut before = busy(generation);
        let mut after = before.restart();
        assert_eq!(seen(&mut after), seen(&mut before));
        let held =
            (after.coordinator.live_sessions(), after.coordinator.active_edges(), after.coordinator.bytes_held());
        let same = &before.coordinator;
        assert_eq!(held, (same.live_sessions(), same.active_edges(), same.bytes_held()));
        assert_eq!(after.coordinator.poll_timeout(), before.coordinator.poll_timeout());
    }
}

#[test]
fn a_restart_goes_on_with_ids_receipts_and_leases() {
    let before = busy(Generation::Head);
    let mut after = before.restart();
    let headers = [("idempotency-key", "k")];
    let body = json!({"application_id": "app-a"}).to_string();
    let again = after.send(Ok(&principal("app-a", &[])), "POST", "/agents", &headers, &body);
    assert!(again.headers().iter().any(|field| field.name() == "idempotency-replayed"));
    let listed = after.get("/agents?limit=1").1;
    let newest = listed["items"][0]["agent_session_id"].as_str().unwrap().to_owned();
    let next = after.session(None);
    assert!(next > newest);
    assert_ne!(Some(&next), busy(Generation::Head).spawn("app-a", &json!({})).as_ref().ok(), "the seed is the same");
    let service = after.get("/agents?lifecycle=service").1["items"][0]["agent_session_id"].as_str().unwrap().to_owned();
    let target = format!("/agents/{service}/heartbeat");
    let beat = |generation: u64| json!({ "lease_generation": generation });
    assert_eq!(after.ask(&principal("app-a", &[]), "POST", &target, &beat(1)).0, 409);
    assert_eq!(after.ask(&principal("app-a", &[]), "POST", &target, &beat(2)).0, 200);
}

#[test]
fn what_was_over_while_no_coordinator_ran_is_over() {
    let mut before = Server::new(Generation::Head);
    let task = before.spawn("app-a", &json!({"ttl_seconds": 60})).unwrap();
    let child = before.session(Some(&task));
    let service = before.spawn("app-a", &json!({"lifecycle": "service"})).unwrap();
    before.now = before.now.plus_secs(500);
    let stores = before.stored.len();
    let mut after = before.restart();
    assert!(after.stored.len() > stores, "the ends are stored");
    assert_eq!([after.status(&task), after.status(&child)], ["expired", "terminated"]);
    assert_eq!(after.status(&service), "suspended");
}

#[test]
fn a_coordinator_that_was_cut_off_has_what_was_durable() {
    let before = busy(Generation::Head);
    for kept in 0..=before.stored.len() {
        let config = before.coordinator.config().clone();
        let records = before.stored[..kept].iter().cloned();
        let (coordinator, restored) = Coordinator::restore(config, [7; 32], before.now, records);
        assert_eq!((restored.applied, restored.ignored), (kept as u64, 0), "{restored:?}");
        assert_eq!(restored.last_store, kept as u64);
        assert!(coordinator.bytes_held() <= before.coordinator.bytes_held() + (8 << 10));
    }
}

#[test]
fn records_that_do_not_fit_are_skipped_and_counted() {
    let before = busy(Generation::Head);
    let twice: Vec<_> = before.stored.iter().flat_map(|record| [record.clone(), record.clone()]).collect();
    let count = before.stored.len() as u64;
    let restore =
        |config, records: Vec<(u64, CoordinatorRecord)>| Coordinator::restore(config, [7; 32], START, records).1;
    let restored = restore(before.coordinator.config().clone(), twice);
    assert_eq!((restored.applied, restored.repeated, restored.ignored), (count, count, 0));
    // The records of one half, under new numbers: nothing that they name exists.
    let late = before.stored.iter().skip(1).cloned().collect();
    assert!(restore(before.coordinator.config().clone(), late).ignored > 0);
    let none = config(Generation::Head, Enforcement::Strict).with(|config| config.zones.clear());
    assert_eq!(restore(none, before.stored.clone()).ignored, count);
    let few = before.coordinator.config().clone().with(|config| config.limits.sessions_per_zone = 1);
    let (coordinator, _) = Coordinator::restore(few, [7; 32], START, before.stored.iter().cloned());
    assert!(coordinator.live_sessions() <= 1);
}

#[test]
fn the_clock_does_not_step_back_over_a_restart() {
    let before = busy(Generation::Head);
    let config = before.coordinator.config().clone();
    let (_, restored) = Coordinator::restore(config, [7; 32], START, before.stored.iter().cloned());
    assert_eq!(restored.now, before.now);
}

#[test]
fn bytes_that_are_no_record_say_why() {
    let before = busy(Generation::Head);
    let line = before.stored[0].1.encode();
    let text = String::from_utf8(line.clone()).unwrap();
    let decode = |text: &str| CoordinatorRecord::decode(text.as_bytes()).unwrap_err();
    assert_eq!(decode(&text.replace("\"v\":1", "\"v\":2")), CoordinatorRecordError::Version(2));
    let unknown = decode(&text.replace("session_opened", "session_moved"));
    assert_eq!(unknown, CoordinatorRecordError::Unknown("session_moved".into()));
    for cut in 0..line.len() {
        assert!(matches!(CoordinatorRecord::decode(&line[..cut]), Err(CoordinatorRecordError::Damaged(_))), "{cut}");
    }
    for (from, to) in [("\"ttl\":3600", "\"ttl\":0"), ("\"ttl\":3600,", ""), ("{\"n\":1}", "[]")] {
        let changed = text.replace(from, to);
        assert_ne!(changed, text);
        assert!(matches!(decode(&changed), CoordinatorRecordError::Damaged(_)), "{to}");
    }
}

#[test]
fn a_record_holds_no_token_and_no_key() {
    let before = busy(Generation::Head);
    for (_, record) in &before.stored {
        let text = String::from_utf8(record.encode()).unwrap();
        assert!(!text.contains("\"k\"") && !text.contains('\n'), "{text}");
        assert_eq!(record.zone().as_str(), "z1");
    }
    let kinds: std::collections::BTreeSet<&str> = before.stored.iter().map(|(_, record)| record.kind()).collect();
    assert_eq!(kinds, ["delegated", "ended", "leased", "session_opened", "suspended"].into());
}

#[test]
fn without_a_journal_nothing_is_stored() {
    let mut server = Server::with(Generation::Head, |config| config.journal = false);
    let session = server.session(None);
    assert_eq!(answer(&server.send(Ok(&principal("app-a", &[])), "GET", "/agents", &[], "")).0, 200);
    server.terminate(&session);
    assert!(server.stored.is_empty() && !server.events.is_empty());
}
