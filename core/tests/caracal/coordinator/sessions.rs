//! Sessions: who may open, see, suspend and end them, and what ends with them (§2.1, §2.2).

use nuncio_core::caracal::{
    ApplicationId, AuthorityId, CoordinatorEvent, CredentialFault, Generation, LIFECYCLE_SCOPE, ZoneId,
};
use serde_json::{Value, json};

use super::support::{Server, answer, created, principal, refused, zone};

const BOTH: [Generation; 2] = [Generation::May, Generation::Head];

#[test]
fn s2_1_a_request_needs_a_token_a_scope_and_its_own_zone() {
    for generation in BOTH {
        let mut server = Server::new(generation);
        let mut code = |caller: Result<&_, CredentialFault>| {
            let (status, body) = answer(&server.send(caller, "GET", "/agents", &[], ""));
            (status, body["error"].as_str().unwrap_or_default().to_owned())
        };
        assert_eq!(code(Err(CredentialFault::Missing)), (401, "missing_token".into()));
        assert_eq!(code(Err(CredentialFault::Invalid)), (401, "invalid_token".into()));
        let revoked = if generation == Generation::Head { "identity_revoked" } else { "invalid_token" };
        assert_eq!(code(Err(CredentialFault::Revoked)), (401, revoked.into()));
        let mut caller = principal("app-a", &[]);
        caller.scopes.retain(|scope| **scope != *LIFECYCLE_SCOPE);
        assert_eq!(code(Ok(&caller)), (403, "missing_scope".into()));
        let elsewhere = ZoneId::new("z2").unwrap();
        let caller = nuncio_core::caracal::Principal { zone: elsewhere, ..principal("app-a", &[]) };
        assert_eq!(code(Ok(&caller)), (403, "zone_mismatch".into()));
        assert_eq!(code(Ok(&principal("app-a", &[]))).0, 200);
    }
}

#[test]
fn s2_1_sessions_belong_to_the_application_of_the_token() {
    let mut server = Server::new(Generation::Head);
    let body = json!({"application_id": "app-b"});
    let foreign = created(server.ask(&principal("app-a", &[]), "POST", "/agents", &body));
    assert_eq!(foreign, refused(403, "application_ownership_required"));
    let allowed = principal("app-a", &["coordinator.spawn_for:app-b"]);
    let session = created(server.ask(&allowed, "POST", "/agents", &body)).unwrap();
    for (method, end) in [("PATCH", "/suspend"), ("PATCH", "/resume"), ("DELETE", "")] {
        let target = format!("/agents/{session}{end}");
        let reply = server.ask(&principal("app-a", &[]), method, &target, &Value::Null);
        assert_eq!(reply, (403, json!({"error": "application_ownership_required"})));
    }
    assert_eq!(server.ask(&allowed, "DELETE", &format!("/agents/{session}"), &Value::Null).0, 204);
    assert_eq!(server.spawn("app-c", &json!({})), refused(404, "application_not_found"));
}

#[test]
fn s2_1_a_child_belongs_to_the_application_of_its_parent_or_needs_a_scope() {
    let mut server = Server::new(Generation::May);
    let parent = server.spawn("app-b", &json!({})).unwrap();
    assert_eq!(server.spawn("app-a", &json!({"parent_id": parent})), refused(403, "parent_ownership_required"));
    let caller = principal("app-a", &["coordinator.spawn_under:app-b"]);
    let body = json!({"application_id": "app-a", "parent_id": parent});
    assert_eq!(server.ask(&caller, "POST", "/agents", &body).0, 201);
}

#[test]
fn s2_1_a_session_acts_for_the_authority_record_of_its_token_or_of_its_parent() {
    for (generation, member, missing) in [
        (Generation::May, "session_sid", "session_sid_required"),
        (Generation::Head, "subject_session_id", "subject_session_id_required"),
    ] {
        let mut server = Server::new(generation);
        let body = |sid: &str| json!({"application_id": "app-a", member: sid});
        let caller = nuncio_core::caracal::Principal { authority: None, ..principal("app-a", &[]) };
        let none = created(server.ask(&caller, "POST", "/agents", &json!({"application_id": "app-a"})));
        assert_eq!(none, refused(400, missing));
        let own = created(server.ask(&principal("app-a", &[]), "POST", "/agents", &body("sid-app-a")));
        assert!(own.is_ok());
        let foreign = created(server.ask(&principal("app-a", &[]), "POST", "/agents", &body("sid-user")));
        assert_eq!(foreign, refused(404, "session_not_found"));
        let admin = principal("app-a", &["coordinator.admin"]);
        let parent = created(server.ask(&admin, "POST", "/agents", &body("sid-user"))).unwrap();
        let mut child = body("sid-user");
        child["parent_id"] = json!(parent);
        assert!(created(server.ask(&principal("app-a", &[]), "POST", "/agents", &child)).is_ok());
    }
}

#[test]
fn s2_2_a_session_of_1_0_is_answered_with_all_its_members() {
    let mut server = Server::new(Generation::Head);
    let body = json!({"application_id": "app-a", "ttl_seconds": 900, "labels": ["one"], "metadata": {"n": 1}});
    let (status, made) = server.ask(&principal("app-a", &[]), "POST", "/agents", &body);
    assert_eq!(status, 201);
    let id = made["agent_session_id"].as_str().unwrap().to_owned();
    let mut expected = json!({
        "agent_session_id": id, "zone_id": "z1", "application_id": "app-a", "parent_id": null,
        "subject_authority_record_id": "sid-app-a", "lifecycle": "task", "labels": ["one"], "status": "active",
        "depth": 0, "ttl_seconds": 900, "started_at": server.now.to_rfc3339(), "last_heartbeat_at": null,
        "heartbeat_deadline_at": null, "lease_generation": 0, "delegation_edge_id": null,
    });
    assert_eq!(made, expected);
    expected.as_object_mut().unwrap().remove("delegation_edge_id");
    expected["metadata"] = json!({"n": 1});
    expected["terminated_at"] = Value::Null;
    expected["termination_reason"] = Value::Null;
    assert_eq!(server.get(&format!("/agents/{id}")), (200, expected.clone()));
    let reply =
        server.ask(&principal("app-a", &[]), "DELETE", &format!("/agents/{id}?reason=all%20done"), &Value::Null);
    assert_eq!(reply, (204, Value::Null));
    expected["status"] = json!("terminated");
    expected["terminated_at"] = json!(server.now.to_rfc3339());
    expected["termination_reason"] = json!("all done");
    assert_eq!(server.get(&format!("/agents/{id}")), (200, expected));
}

#[test]
fn s2_2_the_end_of_a_lifetime_is_expired_in_1_0_and_takes_the_subtree_along() {
    let mut server = Server::new(Generation::Head);
    let root = server.spawn("app-a", &json!({"ttl_seconds": 5})).unwrap();
    let child = server.session(Some(&root));
    server.patch(&format!("/agents/{child}/suspend"));
    server.wait(5);
    let ends = [&root, &child].map(|id| {
        let body = server.get(&format!("/agents/{id}")).1;
        [body["status"].clone(), body["termination_reason"].clone()]
    });
    assert_eq!(ends, [[json!("expired"), json!("ttl")], [json!("terminated"), json!("parent_terminated")]]);
}

#[test]
fn s2_2_a_lifetime_that_is_over_is_over_for_a_request_without_a_timer() {
    let mut server = Server::new(Generation::Head);
    let root = server.spawn("app-a", &json!({"ttl_seconds": 5})).unwrap();
    server.now = server.now.plus_secs(5);
    assert_eq!(server.spawn("app-a", &json!({"parent_id": root})), refused(404, "parent_not_found"));
    assert_eq!(server.terminate(&root), (404, json!({"error": "session_not_found"})));
}

#[test]
fn ours_a_session_cannot_be_active_below_a_suspended_one() {
    let mut server = Server::new(Generation::Head);
    let root = server.session(None);
    let child = server.session(Some(&root));
    server.patch(&format!("/agents/{root}/suspend"));
    let alone = server.patch(&format!("/agents/{child}/resume"));
    assert_eq!(alone, (409, json!({"error": "session_not_found_or_not_suspended"})));
    assert_eq!(server.patch(&format!("/agents/{root}/resume")), (200, json!({"resumed": 2})));
}

#[test]
fn s2_4_changes_are_events_with_their_reasons() {
    let mut server = Server::new(Generation::Head);
    let root = server.session(None);
    let child = server.session(Some(&root));
    let edge = server.edge(&root, &child, &json!({})).unwrap();
    server.events.clear();
    server.patch(&format!("/agents/{child}/suspend"));
    server.patch(&format!("/agents/{child}/resume"));
    server.terminate(&root);
    let id = |text: &String| nuncio_core::caracal::SessionId::new(text).unwrap();
    let ended = |session, reason: &str| CoordinatorEvent::Ended { zone: zone(), session, reason: reason.into() };
    let edge = nuncio_core::caracal::EdgeId::new(&edge).unwrap();
    let expected = [
        CoordinatorEvent::Suspended { zone: zone(), session: id(&child), reason: "requested".into() },
        CoordinatorEvent::Resumed { zone: zone(), session: id(&child) },
        CoordinatorEvent::EdgeRevoked { zone: zone(), edge, epoch: 2 },
        ended(id(&root), "requested"),
        ended(id(&child), "parent_terminated"),
        CoordinatorEvent::AuthorityUnused { zone: zone(), authority: AuthorityId::new("sid-app-a").unwrap() },
    ];
    assert_eq!(server.events, expected);
}

#[test]
fn s2_4_an_authority_record_that_has_another_session_is_in_use() {
    let mut server = Server::new(Generation::Head);
    let one = server.session(None);
    let _other = server.session(None);
    server.events.clear();
    server.terminate(&one);
    assert!(matches!(&server.events[..], [CoordinatorEvent::Ended { .. }]), "{:?}", server.events);
}

#[test]
fn s2_2_the_end_of_an_authority_record_ends_its_sessions() {
    let mut server = Server::new(Generation::Head);
    let service = server.spawn("app-a", &json!({"lifecycle": "service"})).unwrap();
    let other = server.spawn("app-b", &json!({})).unwrap();
    let authority = AuthorityId::new("sid-app-a").unwrap();
    server.coordinator.authority_ended(server.now, &zone(), &authority).unwrap();
    server.drain();
    assert_eq!((server.status(&service), server.status(&other)), ("terminated".into(), "active".into()));
    let beat = json!({"status": "healthy", "lease_generation": 1});
    let reply = server.ask(&principal("app-a", &[]), "POST", &format!("/agents/{service}/heartbeat"), &beat);
    assert_eq!(reply, (409, json!({"error": "session_subject_inactive"})));
    let unknown = ZoneId::new("z9").unwrap();
    assert!(server.coordinator.authority_ended(server.now, &unknown, &authority).is_err());
}

#[test]
fn s1_1_sessions_are_listed_the_latest_first_with_a_cursor() {
    for (generation, name) in [(Generation::May, "id"), (Generation::Head, "agent_session_id")] {
        let mut server = Server::new(generation);
        let sessions: Vec<String> = (0..5).map(|_| server.session(None)).collect();
        let (mut seen, mut cursor) = (Vec::new(), String::new());
        loop {
            let (status, page) = server.get(&format!("/agents?limit=2{cursor}"));
            assert_eq!(status, 200);
            seen.extend(page["items"].as_array().unwrap().iter().map(|item| item[name].as_str().unwrap().to_owned()));
            // A session that is added does not disturb the cursor.
            server.session(None);
            match page["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => break,
            }
        }
        seen.reverse();
        assert_eq!(seen, sessions);
        for query in ["limit=0", "limit=501", "limit=x", "cursor="] {
            assert_eq!(server.get(&format!("/agents?{query}")), (400, json!({"error": "invalid_query"})), "{query}");
        }
        assert_eq!(server.get("/agents?cursor=nope"), (400, json!({"error": "invalid_cursor"})));
    }
}

#[test]
fn s1_1_sessions_of_1_0_are_filtered() {
    let mut server = Server::new(Generation::Head);
    let task = server.spawn("app-a", &json!({"labels": ["x"]})).unwrap();
    let service = server.spawn("app-b", &json!({"lifecycle": "service"})).unwrap();
    server.terminate(&task);
    let mut found = |query: &str| -> Vec<String> {
        let page = server.get(&format!("/agents?{query}")).1;
        let items = page["items"].as_array().unwrap_or_else(|| panic!("{query}: {page}"));
        items.iter().map(|item| item["agent_session_id"].as_str().unwrap().to_owned()).collect()
    };
    for query in ["status=terminated", "lifecycle=task", "application_id=app-a", "label=x"] {
        assert_eq!(found(query), std::slice::from_ref(&task), "{query}");
    }
    for query in ["status=active", "lifecycle=service", "application_id=app-b"] {
        assert_eq!(found(query), std::slice::from_ref(&service), "{query}");
    }
    assert_eq!(server.get("/agents?status=odd").0, 400);
}

#[test]
fn s1_1_the_children_of_a_session_are_listed() {
    for generation in BOTH {
        let mut server = Server::new(generation);
        let root = server.session(None);
        let children = [(); 2].map(|()| server.session(Some(&root)));
        let body = server.get(&format!("/agents/{root}/children")).1;
        let (items, name) = match generation {
            Generation::May => (body.as_array().cloned().unwrap(), "id"),
            Generation::Head => {
                let mut items = body["items"].as_array().cloned().unwrap();
                items.reverse();
                (items, "agent_session_id")
            }
        };
        let ids: Vec<&str> = items.iter().map(|item| item[name].as_str().unwrap()).collect();
        assert_eq!(ids, children);
    }
}

#[test]
fn zones_do_not_see_each_other() {
    let other = ZoneId::new("z2").unwrap();
    let mut server = Server::with(Generation::Head, |config| {
        let applications = vec![ApplicationId::new("app-a").unwrap()];
        config.zones.push(nuncio_core::caracal::ZoneConfig { id: other.clone(), applications, resources: None });
    });
    let session = server.session(None);
    let caller = nuncio_core::caracal::Principal { zone: other, ..principal("app-a", &["coordinator.admin"]) };
    let target = format!("/zones/z2/agents/{session}");
    let request = nuncio_core::caracal::IncomingRequest {
        method: "DELETE",
        target: &target,
        headers: &[],
        body: b"",
        caller: Ok(&caller),
    };
    server.coordinator.handle_request(server.now, nuncio_core::caracal::IncomingId(99), &request);
    let (_, reply) = server.drain().pop().unwrap();
    assert_eq!(answer(&reply), (404, json!({"error": "session_not_found"})));
}

/// The deployed coordinator of 0.1 publishes only the first one while that is retained.
#[test]
fn s5_every_suspension_is_an_event() {
    let mut server = Server::new(Generation::May);
    let session = server.session(None);
    server.events.clear();
    for _ in 0..3 {
        assert_eq!(server.patch(&format!("/agents/{session}/suspend")).0, 200);
        assert_eq!(server.patch(&format!("/agents/{session}/resume")).0, 200);
    }
    let count = |wanted: fn(&CoordinatorEvent) -> bool| server.events.iter().filter(|event| wanted(event)).count();
    assert_eq!(count(|event| matches!(event, CoordinatorEvent::Suspended { .. })), 3);
    assert_eq!(count(|event| matches!(event, CoordinatorEvent::Resumed { .. })), 3);
}

/// The deployed coordinator of 1.0 revokes the authority record of the target, whoever else uses it.
#[test]
fn s5_a_revocation_leaves_an_authority_record_that_another_session_uses() {
    let mut server = Server::new(Generation::Head);
    let [source, target] = [(); 2].map(|()| server.session(None));
    let edge = server.edge(&source, &target, &json!({})).unwrap();
    server.events.clear();
    assert_eq!(server.patch(&format!("/delegations/{edge}/revoke")).0, 200);
    assert_eq!(server.status(&target), "terminated");
    let is_unused = |event: &CoordinatorEvent| matches!(event, CoordinatorEvent::AuthorityUnused { .. });
    assert!(!server.events.iter().any(is_unused), "{:?}", server.events);
    server.terminate(&source);
    assert!(server.events.iter().any(is_unused), "{:?}", server.events);
}

#[test]
fn ours_a_session_of_a_federated_user_is_not_opened_for_the_application() {
    let mut server = Server::new(Generation::Head);
    assert_eq!(server.spawn("app-a", &json!({"subject_token": "eyJ"})), refused(400, "invalid_body"));
    assert_eq!(server.coordinator.live_sessions(), 0);
}
