//! Every limit and every time of a coordinator is reached.

use core::time::Duration;

use nuncio_core::caracal::{CoordinatorConfig, Generation, Ttl};
use serde_json::{Value, json};

use super::support::{Server, answer, created, principal, refused};

fn head(change: impl FnOnce(&mut CoordinatorConfig)) -> Server {
    Server::with(Generation::Head, change)
}

#[test]
fn bodies_and_metadata_are_bounded() {
    for generation in [Generation::May, Generation::Head] {
        let mut server = Server::with(generation, |config| {
            config.limits.body_bytes = 200;
            config.limits.metadata_bytes = 20;
        });
        let metadata = |bytes: usize| json!({"metadata": {"k": "x".repeat(bytes - 8)}});
        assert!(server.spawn("app-a", &metadata(20)).is_ok());
        assert_eq!(server.spawn("app-a", &metadata(21)).unwrap_err().0, 413);
        let long = "x".repeat(201);
        let reply = server.send(Ok(&principal("app-a", &[])), "POST", "/agents", &[], &long);
        assert_eq!(reply.status(), 413);
        assert_eq!(server.coordinator.live_sessions(), 1);
    }
}

#[test]
fn sessions_of_a_zone_are_bounded() {
    for (generation, code) in
        [(Generation::May, "agent_zone_limit_exceeded"), (Generation::Head, "session_zone_limit_exceeded")]
    {
        let mut server = Server::with(generation, |config| config.limits.sessions_per_zone = 2);
        let first = server.session(None);
        server.spawn("app-b", &json!({})).unwrap();
        assert_eq!(server.spawn("app-a", &json!({})), refused(429, code));
        server.terminate(&first);
        assert!(server.spawn("app-a", &json!({})).is_ok());
    }
}

#[test]
fn sessions_of_an_application_are_bounded() {
    for (generation, code) in [(Generation::May, "agent_limit_exceeded"), (Generation::Head, "session_limit_exceeded")]
    {
        let mut server = Server::with(generation, |config| config.limits.sessions_per_application = 1);
        let first = server.session(None);
        assert_eq!(server.spawn("app-a", &json!({})), refused(429, code));
        assert!(server.spawn("app-b", &json!({})).is_ok());
        server.terminate(&first);
        assert!(server.spawn("app-a", &json!({})).is_ok());
    }
}

#[test]
fn children_and_depth_are_bounded() {
    let mut server = head(|config| {
        config.limits.children = 1;
        config.limits.depth = 1;
    });
    let root = server.session(None);
    let child = server.session(Some(&root));
    let below = |parent: &str| json!({ "parent_id": parent });
    assert_eq!(server.spawn("app-a", &below(&root)), refused(429, "session_children_limit_exceeded"));
    assert_eq!(server.spawn("app-a", &below(&child)), refused(429, "session_depth_limit_exceeded"));
    // A child that has ended makes room.
    server.terminate(&child);
    assert!(server.spawn("app-a", &below(&root)).is_ok());
}

#[test]
fn hops_are_bounded() {
    let mut server = Server::with(Generation::May, |config| config.limits.hops = 2);
    let [x, y, z, w] = [(); 4].map(|()| server.session(None));
    server.edge(&x, &y, &json!({"constraints": {"max_depth": 9}})).unwrap();
    server.edge(&y, &z, &json!({})).unwrap();
    assert_eq!(server.edge(&z, &w, &json!({})), refused(403, "delegation_exceeds_parent_authority"));
}

#[test]
fn edges_of_a_zone_are_bounded() {
    let mut server = head(|config| config.limits.edges_per_zone = 1);
    let [x, y] = [(); 2].map(|()| server.session(None));
    server.edge(&x, &y, &json!({})).unwrap();
    assert_eq!(server.edge(&x, &y, &json!({})), refused(429, "delegation_zone_limit_exceeded"));
    // An edge that is inherited counts, too.
    assert_eq!(server.spawn("app-a", &json!({"parent_id": y})), refused(429, "delegation_zone_limit_exceeded"));
    server.wait(60);
    assert!(server.edge(&x, &y, &json!({})).is_ok());
}

#[test]
fn the_oldest_ended_sessions_and_edges_are_forgotten_first() {
    let mut server = head(|config| {
        config.limits.ended_sessions = 2;
        config.limits.ended_edges = 2;
    });
    let ended: Vec<String> = (0..3)
        .map(|_| {
            let session = server.session(None);
            server.terminate(&session);
            session
        })
        .collect();
    let mut status = |session: &str| server.get(&format!("/agents/{session}")).0;
    assert_eq!([status(&ended[0]), status(&ended[1]), status(&ended[2])], [404, 200, 200]);

    let [x, y] = [(); 2].map(|()| server.session(None));
    let edges: Vec<String> = (0..3)
        .map(|at| {
            let edge = server.edge(&x, &y, &json!({"ttl_seconds": 1})).unwrap();
            server.wait(1 + at);
            edge
        })
        .collect();
    let listed = server.get(&format!("/delegations/inbound/{y}")).1;
    let ids: Vec<&str> = listed["items"].as_array().unwrap().iter().map(|edge| edge["id"].as_str().unwrap()).collect();
    assert_eq!(ids, [&*edges[2], &*edges[1]]);
}

#[test]
fn what_has_ended_is_shown_for_its_retention() {
    let mut server = head(|config| config.retention = Duration::from_mins(1));
    let [x, y] = [(); 2].map(|()| server.session(None));
    server.edge(&x, &y, &json!({"ttl_seconds": 1})).unwrap();
    server.wait(1);
    server.terminate(&x);
    server.wait(59);
    assert_eq!(server.status(&x), "terminated");
    server.wait(1);
    assert_eq!(server.get(&format!("/agents/{x}")).0, 404);
    assert_eq!(server.get(&format!("/delegations/inbound/{y}")).1["items"], json!([]));
}

#[test]
fn receipts_are_bounded_in_number_bytes_and_time() {
    let keyed = |server: &mut Server, key: &str| {
        let headers = [("idempotency-key", key), ("idempotency-key-kind", "generated")];
        let body = json!({"application_id": "app-a"}).to_string();
        created(answer(&server.send(Ok(&principal("app-a", &[])), "POST", "/agents", &headers, &body)))
    };
    let mut few = head(|config| {
        config.limits.receipts_per_application = 1;
        config.receipt_retention = Duration::from_hours(9);
        config.generated_receipt_retention = Duration::from_mins(5);
    });
    assert!(keyed(&mut few, "a").is_ok());
    assert_eq!(keyed(&mut few, "b"), refused(429, "idempotency_receipt_limit_exceeded"));
    few.wait(300);
    assert!(keyed(&mut few, "b").is_ok());
    let mut small = head(|config| config.limits.receipt_bytes = 1_000);
    assert!(keyed(&mut small, "a").is_ok());
    assert_eq!(keyed(&mut small, "b"), refused(429, "idempotency_receipt_limit_exceeded"));
    assert_eq!(small.coordinator.live_sessions(), 1);
}

#[test]
fn pages_are_bounded() {
    let mut server = head(|config| config.limits.list_page = 2);
    for _ in 0..3 {
        server.session(None);
    }
    assert_eq!(server.get("/agents").1["items"].as_array().unwrap().len(), 2);
    assert_eq!(server.get("/agents?limit=3"), (400, json!({"error": "invalid_query"})));
}

#[test]
fn a_session_lives_for_an_hour_and_a_lease_for_two_minutes_unless_told_otherwise() {
    let mut server = head(|config| {
        config.default_ttl = Ttl::from_secs(10).unwrap();
        config.lease = Duration::from_secs(20);
    });
    let task = server.session(None);
    let service = server.spawn("app-a", &json!({"lifecycle": "service"})).unwrap();
    server.wait(10);
    assert_eq!([server.status(&task), server.status(&service)], ["expired", "active"]);
    server.wait(10);
    assert_eq!(server.status(&service), "suspended");
    let mut default = head(|_| {});
    let task = default.session(None);
    default.wait(3_599);
    assert_eq!(default.status(&task), "active");
    default.wait(1);
    assert_eq!(default.status(&task), "expired");
}

#[test]
fn the_memory_of_a_full_coordinator_is_bounded_and_returned() {
    let mut server = head(|config| {
        config.limits.ended_sessions = 3;
        config.limits.ended_edges = 3;
    });
    for round in 0..30 {
        let sessions: Vec<String> = (0..40).map(|_| server.session(None)).collect();
        for pair in sessions.windows(2) {
            let _ = server.edge(&pair[0], &pair[1], &json!({}));
        }
        assert!(server.coordinator.bytes_held() < 500 << 10, "{round}");
        for session in &sessions {
            server.terminate(session);
        }
        assert!(server.coordinator.bytes_held() < 20 << 10, "{}", server.coordinator.bytes_held());
    }
    let (_, body) = server.ask(&principal("app-a", &[]), "GET", "/agents", &Value::Null);
    assert_eq!(body["items"].as_array().unwrap().len(), 3);
}
