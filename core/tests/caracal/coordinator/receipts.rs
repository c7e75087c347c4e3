//! Idempotency keys (§2.2, and B1 of §5).

use nuncio_core::caracal::{Generation, Reply};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::support::{Server, answer, created, principal, refused};

fn keyed(server: &mut Server, key: &str, body: &Value) -> Reply {
    let headers = [("idempotency-key", key)];
    server.send(Ok(&principal("app-a", &[])), "POST", "/agents", &headers, &body.to_string())
}

fn is_replayed(reply: &Reply) -> bool {
    reply.headers().iter().any(|field| field.name() == "idempotency-replayed" && field.value().expose() == "true")
}

#[test]
fn s2_2_a_repeated_key_gets_the_first_answer() {
    let mut server = Server::new(Generation::Head);
    let body = json!({"application_id": "app-a", "metadata": {"a": 1, "b": 2}});
    let first = keyed(&mut server, "k", &body);
    assert_eq!((first.status(), is_replayed(&first)), (201, false));
    server.wait(10);
    let same = json!({"metadata": {"b": 2.0, "a": 1}, "ttl_seconds": 3600, "application_id": "app-a", "kind": "x"});
    let again = keyed(&mut server, "k", &same);
    assert_eq!((again.status(), is_replayed(&again), again.body()), (201, true, first.body()));
    assert_eq!(server.coordinator.live_sessions(), 1);

    let other = keyed(&mut server, "k", &json!({"application_id": "app-a"}));
    let (status, body) = answer(&other);
    assert_eq!((status, &body["error"]), (409, &json!("idempotency_key_conflict")));
    assert!(body["message"].is_string());
    // The keys of two applications do not meet.
    let headers = [("idempotency-key", "k")];
    let foreign = json!({"application_id": "app-b"}).to_string();
    assert_eq!(server.send(Ok(&principal("app-b", &[])), "POST", "/agents", &headers, &foreign).status(), 201);
}

#[test]
fn s2_2_the_key_of_a_session_that_has_ended_is_spent() {
    let mut server = Server::new(Generation::Head);
    let body = json!({"application_id": "app-a"});
    let session = created(answer(&keyed(&mut server, "k", &body))).unwrap();
    server.terminate(&session);
    let again = created(answer(&keyed(&mut server, "k", &body)));
    assert_eq!(again, refused(409, "idempotency_result_inactive"));
}

#[test]
fn s2_2_receipts_are_kept_for_7_days_and_those_of_generated_keys_for_one() {
    const DAY: u64 = 86_400;
    for (headers, days) in [
        (vec![("idempotency-key", "k")], 7),
        (vec![("idempotency-key", "k"), ("idempotency-key-kind", "generated")], 1),
    ] {
        let mut server = Server::new(Generation::Head);
        let body = json!({"application_id": "app-a", "lifecycle": "service"}).to_string();
        let caller = principal("app-a", &[]);
        let spawn = |server: &mut Server| server.send(Ok(&caller), "POST", "/agents", &headers, &body);
        let first = spawn(&mut server);
        server.wait(days * DAY - 1);
        assert_eq!(spawn(&mut server).body(), first.body());
        server.wait(1);
        assert_ne!(spawn(&mut server).body(), first.body());
    }
}

#[test]
fn s2_2_keys_have_a_form() {
    let mut server = Server::new(Generation::Head);
    let body = json!({"application_id": "app-a"}).to_string();
    let long = "k".repeat(256);
    for (headers, code) in [
        (vec![("Idempotency-Key", "a"), ("idempotency-key", "a")], "idempotency_key_multiple"),
        (vec![("idempotency-key", "")], "idempotency_key_invalid"),
        (vec![("idempotency-key", " a")], "idempotency_key_invalid"),
        (vec![("idempotency-key", "a\u{7f}")], "idempotency_key_invalid"),
        (vec![("idempotency-key", long.as_str())], "idempotency_key_invalid"),
    ] {
        let (status, body) = answer(&server.send(Ok(&principal("app-a", &[])), "POST", "/agents", &headers, &body));
        assert_eq!((status, &body["error"]), (400, &json!(code)));
        assert!(body["message"].is_string() && body["request_id"].is_string());
    }
    assert_eq!(keyed(&mut server, &"k".repeat(255), &json!({"application_id": "app-a"})).status(), 201);
}

#[test]
fn s2_3_delegations_of_1_0_have_receipts_too() {
    let mut server = Server::new(Generation::Head);
    let [x, y] = [(); 2].map(|()| server.session(None));
    let caller = principal("app-a", &[]);
    let body = |scopes: Value| {
        json!({"issuer_application_id": "app-a", "source_session_id": x, "target_session_id": y,
            "receiver_application_id": "app-a", "scopes": scopes, "constraints": {"resources": ["r"]},
            "ttl_seconds": 60})
        .to_string()
    };
    let headers = [("idempotency-key", "k")];
    let mut send = |body: &str| server.send(Ok(&caller), "POST", "/delegations", &headers, body);
    let first = send(&body(json!(["a", "b"])));
    let again = send(&body(json!(["b", "a"])));
    assert_eq!((again.body(), is_replayed(&again)), (first.body(), true));
    assert_eq!(created(answer(&send(&body(json!(["a"]))))), refused(409, "idempotency_key_conflict"));
    assert_eq!(server.coordinator.active_edges(), 1);
    server.wait(60);
    let spent = server.send(Ok(&caller), "POST", "/delegations", &headers, &body(json!(["a", "b"])));
    assert_eq!(created(answer(&spent)), refused(409, "idempotency_result_inactive"));
}

/// The SDK 0.1.1 sends the same key for all children of a parent.
#[test]
fn s5_b1_the_children_of_a_parent_are_not_merged() {
    let mut server = Server::new(Generation::May);
    let parent = server.session(None);
    let text = format!("app-a||{parent}|instance");
    let digest = Sha256::digest(text);
    let key = digest.iter().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"));
    let body = json!({"application_id": "app-a", "kind": "instance", "parent_id": parent});
    let children = [(); 3].map(|()| created(answer(&keyed(&mut server, &key, &body))).unwrap());
    assert!(children[0] != children[1] && children[1] != children[2]);
    assert_eq!(server.terminate(&children[0]).0, 204);
    assert_eq!(server.terminate(&children[1]).0, 204);
    // A key that identifies one spawn is answered once.
    let one = created(answer(&keyed(&mut server, "one", &body)));
    assert_eq!(created(answer(&keyed(&mut server, "one", &body))), one);
}
