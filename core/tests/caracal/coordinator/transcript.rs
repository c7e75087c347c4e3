//! `state-machine-may.txt`: the transitions of the coordinator of 0.1, line by line.

use nuncio_core::caracal::{Enforcement, Generation};
use serde_json::{Value, json};

use super::support::{Server, config, created, principal, refused};

fn deployed() -> Server {
    Server::of(config(Generation::May, Enforcement::Deployed))
}

fn statuses(server: &mut Server, sessions: &[&String]) -> Vec<String> {
    sessions.iter().map(|session| server.status(session)).collect()
}

#[test]
fn s2_2_lines_1_to_3_suspension_and_termination_take_the_subtree_along() {
    let mut server = deployed();
    let a = server.session(None);
    let b = server.session(Some(&a));
    let c = server.session(Some(&b));
    assert_eq!(statuses(&mut server, &[&a, &b, &c]), ["active"; 3]);
    assert_eq!(server.patch(&format!("/agents/{b}/suspend")), (200, json!({"suspended": 2})));
    assert_eq!(statuses(&mut server, &[&a, &b, &c]), ["active", "suspended", "suspended"]);
    let again = server.patch(&format!("/agents/{b}/suspend"));
    assert_eq!(again, (409, json!({"error": "agent_not_found_or_not_active"})));
    assert_eq!(server.spawn("app-a", &json!({"parent_id": b})), refused(404, "parent_not_found"));
    assert_eq!(server.patch(&format!("/agents/{b}/resume")), (200, json!({"resumed": 2})));
    assert_eq!(statuses(&mut server, &[&a, &b, &c]), ["active"; 3]);

    let foreign = server.ask(&principal("app-b", &[]), "DELETE", &format!("/agents/{a}"), &Value::Null);
    assert_eq!(foreign, (403, json!({"error": "application_ownership_required"})));
    assert_eq!(server.terminate(&a), (204, Value::Null));
    assert_eq!(statuses(&mut server, &[&a, &b, &c]), ["terminated"; 3]);
    assert_eq!(server.terminate(&a), (404, json!({"error": "agent_not_found"})));
    let resumed = server.patch(&format!("/agents/{a}/resume"));
    assert_eq!(resumed, (409, json!({"error": "agent_not_found_or_not_suspended"})));
}

#[test]
fn s2_2_line_4_the_end_of_a_lifetime_takes_the_subtree_along() {
    let mut server = deployed();
    let parent = server.spawn("app-a", &json!({"ttl_seconds": 1})).unwrap();
    let child = server.session(Some(&parent));
    server.wait(1);
    assert_eq!(statuses(&mut server, &[&parent, &child]), ["terminated"; 2]);
}

#[test]
fn s2_2_lines_5_and_6_depth_and_children_are_limited() {
    let mut server = deployed();
    let mut chain = vec![server.session(None)];
    for _ in 0..10 {
        let below = server.session(chain.last().map(String::as_str));
        chain.push(below);
    }
    let last = chain.last().unwrap();
    assert_eq!(server.spawn("app-a", &json!({"parent_id": last})), refused(429, "agent_depth_limit_exceeded"));
    for _ in 0..9 {
        server.session(Some(&chain[0]));
    }
    assert_eq!(server.spawn("app-a", &json!({"parent_id": chain[0]})), refused(429, "agent_children_limit_exceeded"));
}

/// The transcript counts six edges where it prints five that do not end in x→y; the sixth is a further y→z edge.
#[test]
fn s2_3_lines_7_and_8_edges_are_not_compared_and_a_revocation_takes_their_targets_along() {
    let mut server = deployed();
    let [x, y, z] = [(); 3].map(|()| server.session(None));
    let constraints = json!({"resources": ["resource://payments"], "max_depth": 3});
    let first = server.edge(&x, &y, &json!({"constraints": constraints})).unwrap();
    let body = server.get(&format!("/delegations/outbound/{x}")).1;
    let stated = json!({"max_hops": 3, "max_depth": 3, "resources": ["resource://payments"], "ttl_seconds": 60});
    assert_eq!(body["items"][0]["constraints_json"], stated);
    for more in [
        json!({"scopes": ["x", "broader"]}),
        json!({"ttl_seconds": 600}),
        json!({"constraints": {"max_depth": 3}}),
        json!({"constraints": {"resources": ["resource://payments"], "max_depth": 1}}),
        json!({}),
    ] {
        server.edge(&y, &z, &more).unwrap();
    }
    assert_eq!(server.edge(&z, &x, &json!({})), refused(409, "delegation_cycle_denied"));
    server.edge(&x, &y, &json!({})).unwrap();
    let (status, steps) = server.get(&format!("/delegations/{first}/traverse"));
    assert_eq!((status, steps.as_array().unwrap().len()), (200, 6));
    let inbound = server.get(&format!("/delegations/inbound/{y}")).1;
    let all: Vec<&str> =
        inbound["items"].as_array().unwrap().iter().map(|edge| edge["status"].as_str().unwrap()).collect();
    assert_eq!(all, ["active"; 2]);

    let revoked = server.patch(&format!("/delegations/{first}/revoke"));
    assert_eq!(revoked, (200, json!({"revoked_edges": 6, "affected_sessions": 1, "terminated_agents": 2})));
    assert_eq!(statuses(&mut server, &[&x, &y, &z]), ["active", "terminated", "terminated"]);
    let again = server.patch(&format!("/delegations/{first}/revoke"));
    assert_eq!(again, (404, json!({"error": "delegation_not_found"})));
}

#[test]
fn s2_3_lines_9_to_11_the_ends_of_edges() {
    let mut server = deployed();
    let [source, target] = [(); 2].map(|()| server.session(None));
    let edge = server.edge(&source, &target, &json!({})).unwrap();
    assert_eq!(server.terminate(&source).0, 204);
    assert_eq!(server.edge_status(&target, &edge), "active");
    assert_eq!(server.status(&target), "active");

    let other = server.session(None);
    let edge = server.edge(&other, &target, &json!({"ttl_seconds": 1})).unwrap();
    server.wait(1);
    let revoked = server.patch(&format!("/delegations/{edge}/revoke"));
    assert_eq!(revoked, (200, json!({"revoked_edges": 1, "affected_sessions": 1, "terminated_agents": 1})));
    assert_eq!(server.status(&target), "terminated");

    let next = server.session(None);
    let past = json!({"expires_at": "2020-01-01T00:00:00Z"});
    assert_eq!(server.edge(&other, &next, &past), refused(400, "delegation_expired"));
}

#[test]
fn s2_2_line_12_any_key_finds_the_live_session_of_the_same_parent() {
    let mut server = deployed();
    let first = server.session(None);
    for body in [json!({"application_id": "app-a"}), json!({"application_id": "app-a", "metadata": {"n": 1}})] {
        let keyed = [("Idempotency-Key", "k")];
        let reply = server.send(Ok(&principal("app-a", &[])), "POST", "/agents", &keyed, &body.to_string());
        assert_eq!((reply.status(), created(super::support::answer(&reply))), (200, Ok(first.clone())));
    }
}
