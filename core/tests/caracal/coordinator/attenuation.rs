//! Edges: the order of the checks, what is no wider than what, and what ends with what (§2.3).

use nuncio_core::caracal::{ApplicationId, CoordinatorRefused, EdgeId, Enforcement, Generation, Resource, SessionId};
use serde_json::{Value, json};

use super::support::{Server, config, created, principal, refused, zone};

fn exceeds<T>() -> Result<T, (u16, String)> {
    refused(403, "delegation_exceeds_parent_authority")
}

/// A coordinator with three sessions, and an edge from the first to the second.
fn chain(generation: Generation, constraints: &Value) -> (Server, [String; 3], String) {
    let mut server = Server::new(generation);
    let [x, y, z] = [(); 3].map(|()| server.session(None));
    let more = json!({"scopes": ["a", "b"], "ttl_seconds": 300, "constraints": constraints});
    let edge = server.edge(&x, &y, &more).unwrap();
    (server, [x, y, z], edge)
}

#[test]
fn s2_3_an_edge_of_1_0_is_no_wider_than_the_edge_of_its_source() {
    let outer = json!({"resources": ["r1", "r2"], "max_depth": 3, "budget": 2});
    let inner = json!({"resources": ["r1"], "max_depth": 2});
    let asked = |more: Value| {
        let mut body = json!({"scopes": ["a"], "ttl_seconds": 300, "constraints": inner});
        super::support::merge(&mut body, &more);
        body
    };
    let (mut server, [_, y, z], _) = chain(Generation::Head, &outer);
    assert!(server.edge(&y, &z, &asked(json!({}))).is_ok());
    for wider in [
        json!({"scopes": ["a", "c"]}),
        json!({"scopes": ["*"]}),
        json!({"ttl_seconds": 301}),
        json!({"constraints": {"resources": ["r1", "r3"]}}),
        json!({"constraints": {}}),
        json!({"constraints": {"resources": ["r1"], "max_depth": 3}}),
        json!({"constraints": {"resources": ["r1"], "budget": 3}}),
        json!({"resource_id": "r3", "constraints": {}}),
    ] {
        let (mut server, [_, y, z], _) = chain(Generation::Head, &outer);
        assert_eq!(server.edge(&y, &z, &asked(wider.clone())), exceeds(), "{wider}");
    }
    // A second later the same lifetime ends later.
    server.wait(1);
    assert_eq!(server.edge(&y, &z, &asked(json!({}))), exceeds());
    // An expiry needs a lifetime beside it where the outer edge has one.
    let at = server.now.plus_secs(10).to_rfc3339();
    let stated = json!({"scopes": ["a"], "expires_at": at, "ttl_seconds": 10, "constraints": inner});
    assert!(server.edge(&y, &z, &stated).is_ok());
    let mut unstated = stated.clone();
    unstated["ttl_seconds"] = Value::Null;
    unstated.as_object_mut().unwrap().remove("ttl_seconds");
    let mut body = json!({"issuer_application_id": "app-a", "source_session_id": y, "target_session_id": z,
        "receiver_application_id": "app-a"});
    super::support::merge(&mut body, &unstated);
    assert_eq!(created(server.ask(&principal("app-a", &[]), "POST", "/delegations", &body)), exceeds());
}

#[test]
fn ours_an_edge_of_0_1_is_no_wider_either() {
    let outer = json!({"resources": ["r1"], "actions": ["call", "read"], "max_depth": 2, "region": {"b": 1, "a": [2]}});
    let same = json!({"resources": ["r1"], "actions": ["read"], "region": {"a": [2], "b": 1}});
    let (mut server, [_, y, z], _) = chain(Generation::May, &outer);
    let body = json!({"scopes": ["b"], "ttl_seconds": 300, "constraints": same});
    assert!(server.edge(&y, &z, &body).is_ok());
    for (member, wider) in [
        ("actions", json!(["write"])),
        ("actions", Value::Null),
        ("region", json!({"a": [3], "b": 1})),
        ("region", Value::Null),
        ("resources", Value::Null),
        ("max_depth", json!(2)),
    ] {
        let mut constraints = same.clone();
        constraints[member] = wider;
        if constraints[member].is_null() {
            constraints.as_object_mut().unwrap().remove(member);
        }
        let body = json!({"scopes": ["b"], "ttl_seconds": 300, "constraints": constraints});
        assert_eq!(server.edge(&y, &z, &body), exceeds(), "{body}");
    }
    // The one hop that was left is used up.
    let w = server.session(None);
    assert_eq!(server.edge(&z, &w, &body), exceeds());
}

#[test]
fn ours_an_edge_of_0_1_follows_the_oldest_edge_that_is_wide_enough() {
    let (mut server, [x, y, z], first) = chain(Generation::May, &json!({}));
    let second = server.edge(&x, &y, &json!({"scopes": ["c"], "ttl_seconds": 300})).unwrap();
    let edge = server.edge(&y, &z, &json!({"scopes": ["c"]})).unwrap();
    // No single edge has both scopes.
    assert_eq!(server.edge(&y, &z, &json!({"scopes": ["a", "c"]})), exceeds());
    let [session, id] = [&y, &edge].map(String::as_str);
    let authority = server
        .coordinator
        .authority(server.now, &zone(), &SessionId::new(session).unwrap(), &EdgeId::new(id).unwrap())
        .unwrap();
    let path: Vec<&str> = authority.path.iter().map(EdgeId::as_str).collect();
    assert_eq!(path, [&*second, id], "not {first}");
}

#[test]
fn s2_3_an_edge_of_1_0_names_its_parent_if_there_are_several() {
    let more = json!({"constraints": {"resources": ["r"], "max_hops": 3}});
    let (mut server, [x, y, z], first) = chain(Generation::Head, &more["constraints"]);
    let second = server.edge(&x, &y, &more).unwrap();
    let inner = json!({"scopes": [], "constraints": {"resources": ["r"]}});
    assert_eq!(server.edge(&y, &z, &inner), refused(409, "parent_delegation_ambiguous"));
    let named = |edge: &str| json!({"scopes": [], "constraints": {"resources": ["r"]}, "parent_edge_id": edge});
    assert!(server.edge(&y, &z, &named(&first)).is_ok());
    assert!(server.edge(&y, &z, &named(&second)).is_ok());
    assert_eq!(server.edge(&y, &z, &named("nope")), refused(403, "parent_delegation_not_active"));
    // Ours: an edge that is named and has expired does not leave its source unlimited.
    server.wait(300);
    assert_eq!(server.edge(&y, &z, &named(&first)), refused(403, "parent_delegation_not_active"));
}

#[test]
fn s2_3_the_order_of_the_checks() {
    let mut server = Server::new(Generation::Head);
    let [x, y] = [(); 2].map(|()| server.session(None));
    let bounded = json!({"resources": ["r"]});
    let mut edge = |from: &str, to: &str, more: Value| server.edge(from, to, &more);
    let no_expiry = json!({"ttl_seconds": 60, "constraints": {"actions": ["call"]}});
    assert_eq!(edge(&x, &y, no_expiry), refused(400, "invalid_delegation_constraint"));
    for (name, value) in [
        ("max_hops", json!(11)),
        ("max_depth", json!(0)),
        ("budget", json!(65)),
        ("resources", json!("r")),
        ("ttl_seconds", json!(86_401)),
        ("expires_at", json!("soon")),
        ("broad_reason", json!("")),
    ] {
        let body = json!({"constraints": {name: value}});
        assert_eq!(edge(&x, &y, body), refused(400, &format!("invalid_{name}")));
    }
    let both = json!({"constraints": {"max_hops": 2, "max_depth": 3}});
    assert_eq!(edge(&x, &y, both), refused(400, "invalid_max_hops"));
    assert_eq!(edge(&x, &x, json!({})), refused(400, "self_delegation_denied"));
    assert_eq!(edge(&x, "nope", json!({})), refused(404, "delegation_endpoint_not_found"));
    let mismatch = json!({"receiver_application_id": "app-b", "constraints": bounded});
    assert_eq!(edge(&x, &y, mismatch), refused(409, "delegation_application_mismatch"));
    let past = json!({"expires_at": "2020-01-01T00:00:00Z"});
    assert_eq!(edge(&x, &y, past), refused(400, "delegation_expired"));

    let caller = principal("app-a", &[]);
    let body = |more: Value| {
        let mut body = json!({"issuer_application_id": "app-a", "source_session_id": x, "target_session_id": y,
            "receiver_application_id": "app-a", "scopes": ["x"]});
        super::support::merge(&mut body, &more);
        body
    };
    let none = created(server.ask(&caller, "POST", "/delegations", &body(json!({}))));
    assert_eq!(none, refused(400, "delegation_expiry_required"));
    let broad = created(server.ask(&caller, "POST", "/delegations", &body(json!({"ttl_seconds": 60}))));
    assert_eq!(broad, refused(403, "broad_delegation_permission_required"));
    let foreign =
        created(server.ask(&principal("app-b", &[]), "POST", "/delegations", &body(json!({"ttl_seconds": 9}))));
    assert_eq!(foreign, refused(403, "issuer_ownership_required"));
    server.patch(&format!("/agents/{y}/suspend"));
    assert_eq!(server.edge(&x, &y, &json!({})), refused(404, "delegation_endpoint_not_found"));
}

#[test]
fn s2_3_an_edge_of_1_0_is_answered_with_all_its_members() {
    let mut server = Server::new(Generation::Head);
    let [x, y] = [(); 2].map(|()| server.session(None));
    let caller = principal("app-a", &[]);
    let body = json!({"issuer_application_id": "app-a", "source_session_id": x, "target_session_id": y,
        "receiver_application_id": "app-a", "scopes": ["s"], "constraints": {"resources": ["r"]}, "ttl_seconds": 60});
    let (status, made) = server.ask(&caller, "POST", "/delegations", &body);
    let expires = server.now.plus_secs(60).to_rfc3339();
    let expected = json!({
        "delegation_edge_id": made["delegation_edge_id"], "zone_id": "z1", "source_session_id": x,
        "target_session_id": y, "issuer_application_id": "app-a", "receiver_application_id": "app-a",
        "parent_edge_id": null, "resource_id": null, "scopes": ["s"],
        "constraints_json": {"resources": ["r"], "ttl_seconds": 60}, "status": "active", "expires_at": expires,
        "edge_version": 0, "revoked_at": null, "created_at": server.now.to_rfc3339(), "warnings": [],
        "allow_reason": ["same_zone_endpoints_active", "resource_scope_checked", "source_authority_root",
            "typed_constraints_validated"],
        "effective_authority": {"source_session_id": x, "target_session_id": y, "parent_edge_id": null,
            "resource_id": null, "resources": ["r"], "scopes": ["s"], "expires_at": expires, "max_hops": 1,
            "ttl_seconds": 60, "broad": false, "parent_edges_considered": []},
    });
    assert_eq!((status, &made), (201, &expected));
    let edge = made["delegation_edge_id"].as_str().unwrap();
    let shown = server.get(&format!("/delegations/inbound/{y}/{edge}"));
    assert_eq!(shown, (200, json!({"id": edge, "status": "active"})));
    let active = server.get("/delegations/active").1;
    assert_eq!(active["items"][0]["id"], edge);
    let broad = server.edge(&x, &y, &json!({})).unwrap();
    let listed = server.get(&format!("/delegations/outbound/{x}?limit=1")).1;
    let stated = json!({"broad_reason": "resource_null_delegation", "policy_approved": true, "ttl_seconds": 60});
    assert_eq!((&listed["items"][0]["id"], &listed["items"][0]["constraints_json"]), (&json!(broad), &stated));
    assert_eq!(server.patch(&format!("/delegations/{edge}/revoke")).1["terminated_sessions"], 1);
}

#[test]
fn s2_3_resources_exist_and_have_the_scopes() {
    for generation in [Generation::May, Generation::Head] {
        let mut server = Server::with(generation, |config| {
            let application = |id| ApplicationId::new(id).unwrap();
            let resource =
                |id: &str, owner| Resource { id: id.into(), application: application(owner), scopes: vec!["s".into()] };
            config.zones[0].resources = Some(vec![resource("r1", "app-a"), resource("r2", "app-b")]);
        });
        let [x, y] = [(); 2].map(|()| server.session(None));
        let mut edge = |more: Value| server.edge(&x, &y, &more);
        assert!(edge(json!({"scopes": ["s"], "resource_id": "r1"})).is_ok());
        assert_eq!(edge(json!({"resource_id": "r1"})), refused(403, "delegation_scopes_exceed_resource"));
        assert_eq!(edge(json!({"resource_id": "r9"})), refused(404, "resource_not_found"));
        if generation == Generation::May {
            let foreign = edge(json!({"scopes": ["s"], "resource_id": "r2"}));
            assert_eq!(foreign, refused(403, "resource_ownership_required"));
        } else {
            let listed = json!({"constraints": {"resources": ["r9"]}});
            assert_eq!(edge(listed), refused(404, "resource_not_found"));
            let other = json!({"scopes": ["s"], "resource_id": "r1", "constraints": {"resources": ["r2"]}});
            assert_eq!(edge(other), refused(400, "delegation_resource_scope_mismatch"));
        }
    }
}

#[test]
fn s2_3_a_cycle_is_refused_however_long_it_is() {
    let mut may = Server::new(Generation::May);
    let sessions: Vec<String> = (0..10).map(|_| may.session(None)).collect();
    for pair in sessions.windows(2) {
        may.edge(&pair[0], &pair[1], &json!({})).unwrap();
    }
    assert_eq!(may.edge(&sessions[9], &sessions[0], &json!({})), refused(409, "delegation_cycle_denied"));
}

#[test]
fn s2_3_a_revocation_ends_what_begins_where_the_edge_ends() {
    let (mut server, [x, y, z], edge) = chain(Generation::May, &json!({}));
    let next = server.edge(&y, &z, &json!({"scopes": ["a"]})).unwrap();
    let child = server.session(Some(&z));
    let peer = server.session(None);
    let last = server.edge(&child, &peer, &json!({})).unwrap();
    let revoked = server.patch(&format!("/delegations/{edge}/revoke"));
    assert_eq!(revoked, (200, json!({"revoked_edges": 3, "affected_sessions": 1, "terminated_agents": 3})));
    let statuses = [&x, &y, &z, &child, &peer].map(|session| server.status(session));
    assert_eq!(statuses, ["active", "terminated", "terminated", "terminated", "active"]);
    for (into, edge) in [(&y, &edge), (&z, &next), (&peer, &last)] {
        assert_eq!(server.edge_status(into, edge), "revoked");
    }
}

#[test]
fn s2_3_the_end_of_a_session_revokes_its_edges_and_those_that_follow_them() {
    for generation in [Generation::May, Generation::Head] {
        let constraints = json!({"max_depth": 3, "resources": ["r"]});
        let (mut server, [x, y, z], edge) = chain(generation, &constraints);
        let inner = json!({"scopes": ["a"], "constraints": {"max_depth": 2, "resources": ["r"]}});
        let next = server.edge(&y, &z, &inner).unwrap();
        server.terminate(&x);
        assert_eq!([server.edge_status(&y, &edge), server.edge_status(&z, &next)], ["revoked", "revoked"]);
        assert_eq!([server.status(&y), server.status(&z)], ["active", "active"], "peers stay");
    }
}

#[test]
fn s2_3_a_child_of_1_0_inherits_the_edge_of_its_parent() {
    let constraints = json!({"resources": ["r"], "max_hops": 2});
    let (mut server, [x, y, _], edge) = chain(Generation::Head, &constraints);
    let caller = principal("app-a", &[]);
    let spawn = |more: Value| {
        let mut body = json!({"application_id": "app-a", "parent_id": y});
        super::support::merge(&mut body, &more);
        body
    };
    let (status, made) = server.ask(&caller, "POST", "/agents", &spawn(json!({})));
    assert_eq!(status, 201);
    let inherited = made["delegation_edge_id"].as_str().unwrap().to_owned();
    let child = made["agent_session_id"].as_str().unwrap().to_owned();
    let item = server.get(&format!("/delegations/inbound/{child}")).1["items"][0].clone();
    assert_eq!(item["parent_edge_id"], json!(edge));
    assert_eq!([&item["scopes"], &item["source_session_id"]], [&json!(["a", "b"]), &json!(y)]);
    let none = server.ask(&caller, "POST", "/agents", &spawn(json!({"parent_authority": "none"}))).1;
    assert_eq!(none["delegation_edge_id"], Value::Null);

    server.edge(&x, &y, &json!({"constraints": constraints})).unwrap();
    let several = created(server.ask(&caller, "POST", "/agents", &spawn(json!({}))));
    assert_eq!(several, refused(409, "inherit_parent_edge_ambiguous"));
    let named = server.ask(&caller, "POST", "/agents", &spawn(json!({"inherit_parent_edge_id": edge})));
    assert_eq!(named.0, 201);
    // Edges that have lapsed are not replaced by the whole authority of the application.
    server.wait(300);
    let lapsed = created(server.ask(&caller, "POST", "/agents", &spawn(json!({}))));
    assert_eq!(lapsed, refused(409, "inherit_parent_edge_not_active"));
    assert_eq!(server.edge_status(&child, &inherited), "expired");
}

#[test]
fn s2_3_an_edge_is_presented_by_its_source_in_0_1_and_by_its_target_in_1_0() {
    for generation in [Generation::May, Generation::Head] {
        let constraints = json!({"resources": ["r"], "max_depth": 2});
        let (mut server, [x, y, _], edge) = chain(generation, &constraints);
        let id = EdgeId::new(&edge).unwrap();
        let now = server.now;
        let mut ask =
            |session: &str| server.coordinator.authority(now, &zone(), &SessionId::new(session).unwrap(), &id);
        let (presenter, other) = if generation == Generation::May { (&x, &y) } else { (&y, &x) };
        let authority = ask(presenter).unwrap();
        let expected = (vec!["a".into(), "b".into()], vec!["r".into()], 1, now.plus_secs(300), 1);
        let found = (authority.scopes, authority.resources, authority.hops, authority.expires_at, authority.epoch);
        assert_eq!(found, expected);
        assert_eq!(ask(other), Err(CoordinatorRefused::SessionInactive));
        server.patch(&format!("/agents/{x}/suspend"));
        let suspended = server.coordinator.authority(now, &zone(), &SessionId::new(presenter).unwrap(), &id);
        assert_eq!(suspended, Err(CoordinatorRefused::SessionInactive));
        server.patch(&format!("/agents/{x}/resume"));
        let expired =
            server.coordinator.authority(now.plus_secs(300), &zone(), &SessionId::new(presenter).unwrap(), &id);
        assert_eq!(expired, Err(CoordinatorRefused::EdgeInactive));
    }
}

#[test]
fn s2_3_edges_are_listed_for_the_applications_at_their_ends() {
    let mut server = Server::new(Generation::Head);
    let [x, y] = [(); 2].map(|()| server.session(None));
    let edge = server.edge(&x, &y, &json!({})).unwrap();
    let other = principal("app-b", &[]);
    for target in [format!("/delegations/inbound/{y}"), format!("/delegations/outbound/{x}")] {
        let foreign = server.ask(&other, "GET", &target, &Value::Null);
        assert_eq!(foreign, (404, json!({"error": "session_not_found"})));
        assert_eq!(server.ask(&principal("app-a", &[]), "GET", &target, &Value::Null).1["items"][0]["id"], edge);
    }
    assert_eq!(server.ask(&other, "GET", "/delegations/active", &Value::Null).1["items"], json!([]));
    let traversed = server.ask(&other, "GET", &format!("/delegations/{edge}/traverse"), &Value::Null);
    assert_eq!(traversed, (403, json!({"error": "coordinator_admin_required"})));
    let mut deployed = Server::of(config(Generation::May, Enforcement::Deployed));
    let session = deployed.session(None);
    let all = deployed.ask(&other, "GET", &format!("/delegations/inbound/{session}"), &Value::Null);
    assert_eq!(all.0, 200);
}
