//! Requests that are malformed (§1.1), and any bytes.

use nuncio_core::caracal::{Answer, Call, CallError, EdgeId, Generation, IncomingId, IncomingRequest, Revoked};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::support::{Server, answer, principal};

/// The status and the issues of a body, as the generation prints them.
fn issues(generation: Generation, target: &str, body: &str) -> (u16, Value) {
    let mut server = Server::new(generation);
    let (status, body) = answer(&server.send(Ok(&principal("app-a", &[])), "POST", target, &[], body));
    let issues = match generation {
        Generation::May => serde_json::from_str(body["message"].as_str().unwrap()).unwrap(),
        Generation::Head => {
            assert_eq!(body["error"], "invalid_body");
            assert!(body["error_description"].is_string() && body["requestId"] == "req-1");
            body["details"]["issues"].clone()
        }
    };
    (status, issues)
}

#[test]
fn s1_1_a_malformed_body_is_500_in_0_1_and_400_in_1_0() {
    let may = issues(Generation::May, "/agents", r#"{"kind":"odd","ttl_seconds":0,"parent_id":7}"#);
    let expected = json!([
        {"expected": "string", "code": "invalid_type", "path": ["application_id"],
            "message": "Invalid input: expected string, received undefined"},
        {"expected": "string", "code": "invalid_type", "path": ["parent_id"],
            "message": "Invalid input: expected string, received number"},
        {"code": "invalid_value", "values": ["service", "instance", "ephemeral"], "path": ["kind"],
            "message": "Invalid option: expected one of \"service\"|\"instance\"|\"ephemeral\""},
        {"origin": "number", "code": "too_small", "minimum": 1, "inclusive": true, "path": ["ttl_seconds"],
            "message": "Too small: expected number to be >=1"},
    ]);
    assert_eq!(may, (500, expected));
    let head = issues(Generation::Head, "/agents", r#"{"application_id":"","ttl_seconds":1.5,"labels":["ok",1]}"#);
    let expected = json!([
        {"path": ["application_id"], "message": "Too small: expected string to have >=1 characters"},
        {"path": ["labels", "1"], "message": "Invalid input: expected string, received number"},
        {"path": ["ttl_seconds"], "message": "Invalid input: expected int, received number"},
    ]);
    assert_eq!(head, (400, expected));
    let edge = issues(Generation::Head, "/delegations", "[]");
    assert_eq!(edge.1[0]["message"], "Invalid input: expected object, received array");
}

#[test]
fn s1_1_numbers_have_any_spelling_and_the_last_of_two_members_counts() {
    let mut server = Server::new(Generation::Head);
    for (ttl, secs) in [("60", 60), ("6e1", 60), ("60.0", 60), ("1,\"ttl_seconds\":7", 7)] {
        let body = format!(r#"{{"application_id":"app-a","ttl_seconds":{ttl}}}"#);
        let reply = server.send(Ok(&principal("app-a", &[])), "POST", "/agents", &[], &body);
        assert_eq!(answer(&reply).1["ttl_seconds"], secs, "{ttl}");
    }
}

#[test]
fn s1_1_what_is_no_json_is_400() {
    for generation in [Generation::May, Generation::Head] {
        let mut server = Server::new(generation);
        let deep = "[".repeat(80);
        for body in ["", "{", "{\"a\":1} x", "\u{0}", deep.as_str()] {
            let reply = server.send(Ok(&principal("app-a", &[])), "POST", "/agents", &[], body);
            assert_eq!(reply.status(), 400, "{body:?}");
        }
    }
}

#[test]
fn s1_1_unknown_paths_are_404_and_odd_ids_are_refused() {
    let mut server = Server::new(Generation::Head);
    for target in ["", "/agents/", "/agents/a/b/c", "/v1/agents", "/delegations/a", "/agents/%ff"] {
        let (status, body) = answer(&server.send(Ok(&principal("app-a", &[])), "GET", target, &[], ""));
        assert_eq!((status, &body["error"]), (404, &json!("Not Found")), "{target}");
    }
    assert_eq!(server.get("/agents/a%2Fb"), (400, json!({"error": "invalid_params"})));
    assert_eq!(server.get("/agents/..%2F..").0, 400);
    assert_eq!(
        server.get("/agents/01A1FBD0-492C-722D-8CE2-F7CFA228FE66"),
        (404, json!({"error": "session_not_found"}))
    );
    let mut may = Server::new(Generation::May);
    assert_eq!(may.get("/agents/a%2Fb"), (404, json!({"error": "agent_not_found"})));
    assert_eq!(may.get("/delegations/active").0, 404, "0.1 has no such call");
}

#[test]
fn s1_1_the_client_reads_the_revocations_of_both_generations() {
    let call = Call::Revoke { edge: EdgeId::new("e").unwrap() };
    for name in ["terminated_agents", "terminated_sessions"] {
        let body = format!(r#"{{"revoked_edges":1,"affected_sessions":2,"{name}":3}}"#);
        let revoked = Revoked { edges: 1, sessions: 2, terminated: 3 };
        assert_eq!(call.read(200, body.as_bytes()), Ok::<_, CallError>(Answer::Revoked(revoked)));
    }
}

proptest! {
    #[test]
    fn any_request_has_one_answer(
        head in any::<bool>(),
        method in prop_oneof![Just("GET"), Just("POST"), Just("PATCH"), Just("DELETE"), Just("PUT")],
        target in "(/zones/z1)?(/agents|/delegations|/inbound|/\\PC{0,5}){0,4}(\\?\\PC{0,12})?",
        body in prop_oneof![
            prop::collection::vec(any::<u8>(), 0..60),
            r#"\{"application_id":"app-a","(ttl_seconds|metadata|kind|lifecycle|labels|parent_id)":[\[\]{}0-9a-z"]{0,6}\}"#
                .prop_map(String::into_bytes),
        ],
    ) {
        let generation = if head { Generation::Head } else { Generation::May };
        let mut server = Server::new(generation);
        let caller = principal("app-a", &["coordinator.admin"]);
        let request =
            IncomingRequest { method, target: &target, headers: &[], body: &body, caller: Ok(&caller) };
        server.coordinator.handle_request(server.now, IncomingId(1), &request);
        let replies = server.drain();
        prop_assert_eq!(replies.len(), 1);
        let (_, reply) = &replies[0];
        prop_assert!((200..=500).contains(&reply.status()));
        if let Some(body) = reply.body() {
            prop_assert!(serde_json::from_str::<Value>(body).is_ok(), "{}", body);
        }
    }
}
