//! Leases of services, and their fencing (§2.2).

use nuncio_core::caracal::Generation;
use serde_json::{Value, json};

use super::support::{Server, principal, refused};

fn service() -> (Server, String) {
    let mut server = Server::new(Generation::Head);
    let service = server.spawn("app-a", &json!({"lifecycle": "service"})).unwrap();
    (server, service)
}

fn beat(server: &mut Server, session: &str, generation: u64) -> (u16, Value) {
    let body = json!({"status": "healthy", "lease_generation": generation});
    server.ask(&principal("app-a", &[]), "POST", &format!("/agents/{session}/heartbeat"), &body)
}

fn acquire(server: &mut Server, session: &str) -> (u16, Value) {
    server.ask(&principal("app-a", &[]), "POST", &format!("/agents/{session}/lease"), &Value::Null)
}

fn error(status: u16, code: &str) -> (u16, Value) {
    (status, json!({ "error": code }))
}

#[test]
fn s2_2_a_heartbeat_renews_the_lease() {
    let (mut server, service) = service();
    for _ in 0..5 {
        server.wait(119);
        let (status, body) = beat(&mut server, &service, 1);
        let at = server.now;
        let agent = json!({
            "id": service, "zone_id": "z1", "application_id": "app-a", "status": "active",
            "last_active_at": at.to_rfc3339(), "last_heartbeat_at": at.to_rfc3339(),
            "heartbeat_deadline_at": at.plus_secs(120).to_rfc3339(), "lease_generation": 1,
        });
        assert_eq!((status, body), (200, json!({"agent": agent, "service": null, "active_invocations": 0})));
    }
}

#[test]
fn s2_2_a_lease_that_lapses_suspends_the_service_and_those_below_it() {
    let (mut server, service) = service();
    let child = server.session(Some(&service));
    server.wait(120);
    assert_eq!((server.status(&service), server.status(&child)), ("suspended".into(), "suspended".into()));
    assert_eq!(beat(&mut server, &service, 1), error(409, "session_lease_expired"));
    assert_eq!(acquire(&mut server, &service), error(409, "session_lease_expired"));
    // A resume arms the lease again, for the same holder.
    assert_eq!(server.patch(&format!("/agents/{service}/resume")), (200, json!({"resumed": 2})));
    server.wait(119);
    assert_eq!(beat(&mut server, &service, 1).0, 200);
    server.wait(120);
    assert_eq!(server.status(&service), "suspended");
}

#[test]
fn s2_2_a_suspended_service_keeps_its_lease_in_suspense() {
    let (mut server, service) = service();
    server.patch(&format!("/agents/{service}/suspend"));
    server.wait(1_000);
    let (status, body) = beat(&mut server, &service, 1);
    assert_eq!((status, &body["agent"]["status"]), (200, &json!("suspended")));
    assert_eq!(acquire(&mut server, &service), error(409, "session_suspended"));
}

#[test]
fn s2_2_a_former_holder_is_fenced_off() {
    let (mut server, service) = service();
    let (status, body) = acquire(&mut server, &service);
    let until = server.now.plus_secs(120).to_rfc3339();
    let expected = json!({"status": "active", "heartbeat_deadline_at": until, "lease_generation": 2});
    assert_eq!((status, body), (200, expected));
    assert_eq!(beat(&mut server, &service, 1), error(409, "session_lease_fenced"));
    let target = format!("/agents/{service}");
    let caller = principal("app-a", &[]);
    assert_eq!(server.ask(&caller, "DELETE", &target, &Value::Null), error(400, "lease_generation_required"));
    let old = server.ask(&caller, "DELETE", &target, &json!({"lease_generation": 1}));
    assert_eq!(old, error(409, "session_lease_fenced"));
    assert_eq!(server.status(&service), "active");
    assert_eq!(server.ask(&caller, "DELETE", &target, &json!({"lease_generation": 2})), (204, Value::Null));
    assert_eq!(beat(&mut server, &service, 2), error(409, "session_not_live"));
    assert_eq!(acquire(&mut server, &service), error(409, "session_not_live"));
}

#[test]
fn s2_2_a_service_that_has_ended_is_not_there_for_any_holder() {
    let (mut server, service) = service();
    let (target, caller) = (format!("/agents/{service}"), principal("app-a", &[]));
    assert_eq!(server.ask(&caller, "DELETE", &target, &json!({"lease_generation": 1})), (204, Value::Null));
    for lease in [Value::Null, json!({"lease_generation": 1}), json!({"lease_generation": 2})] {
        assert_eq!(server.ask(&caller, "DELETE", &target, &lease), error(404, "session_not_found"));
    }
}

#[test]
fn s2_2_only_a_service_has_a_lease() {
    let (mut server, service) = service();
    let task = server.session(Some(&service));
    assert_eq!(beat(&mut server, &task, 1), error(409, "session_not_service"));
    assert_eq!(acquire(&mut server, &task), error(409, "session_not_service"));
    let below = server.spawn("app-a", &json!({"parent_id": task, "lifecycle": "service"}));
    assert_eq!(below, refused(409, "task_session_cannot_start_service"));
    let lasting = server.spawn("app-a", &json!({"lifecycle": "service", "ttl_seconds": 60}));
    assert_eq!(lasting, refused(400, "invalid_body"));
    let caller = nuncio_core::caracal::Principal { authority: None, ..principal("app-a", &[]) };
    let unbound = server.ask(&caller, "POST", &format!("/agents/{service}/lease"), &Value::Null);
    assert_eq!(unbound, error(401, "authority_record_required"));
}

#[test]
fn s2_2_a_heartbeat_of_0_1_does_not_extend_the_lifetime() {
    let mut server = Server::new(Generation::May);
    let session = server.spawn("app-a", &json!({"ttl_seconds": 60})).unwrap();
    server.wait(59);
    let body = json!({"status": "healthy"});
    let (status, body) = server.ask(&principal("app-a", &[]), "POST", &format!("/agents/{session}/heartbeat"), &body);
    let at = server.now.to_rfc3339();
    let agent = json!({"id": session, "zone_id": "z1", "application_id": "app-a", "last_active_at": at});
    assert_eq!((status, body), (200, json!({"agent": agent, "service": null, "active_invocations": 0})));
    server.wait(1);
    assert_eq!(server.status(&session), "terminated");
    let unknown = server.ask(&principal("app-a", &[]), "POST", &format!("/agents/{session}/lease"), &Value::Null);
    assert_eq!(unknown.0, 404, "0.1 has no leases");
}
