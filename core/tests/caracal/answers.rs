//! Answers of coordinators of both generations, and of a token service.

use nuncio_core::caracal::{
    Answer, ApplicationId, Call, CallError, CreatedEdge, Delegate, EdgeId, IssuedToken, Lease, LeaseGeneration,
    Revoked, SessionId, SessionStatus, Spawn, TokenError,
};
use nuncio_core::time::Time;

use super::fixtures::exchange;

fn session() -> SessionId {
    SessionId::new("s").unwrap()
}

fn application() -> ApplicationId {
    ApplicationId::new("app-a").unwrap()
}

fn spawn() -> Call {
    Call::Spawn(Spawn::new(application()))
}

fn terminate() -> Call {
    Call::Terminate { session: session(), lease: None }
}

fn delegate() -> Call {
    Call::Delegate(Delegate {
        issuer: application(),
        source: session(),
        target: SessionId::new("t").unwrap(),
        receiver: application(),
        scopes: Vec::new(),
        parent_edge: None,
        constraints: None,
        ttl: None,
    })
}

fn lease(generation: u64, deadline: Option<&str>) -> Lease {
    let deadline = deadline.map(|at| Time::parse_rfc3339(at).unwrap());
    Lease { generation: LeaseGeneration::new(generation).unwrap(), deadline }
}

#[test]
fn s1_1_answers_of_the_coordinator_of_0_1_are_read() {
    let (_, response) = exchange("01");
    let answer = spawn().read(response.status(), response.body.as_bytes()).unwrap();
    let id = SessionId::new("01a1fbd0-492c-722d-8ce2-f7cfa228fe66").unwrap();
    assert_eq!(answer, Answer::Spawned { session: id, lease: None });

    let (_, response) = exchange("02");
    let answer = terminate().read(response.status(), response.body.as_bytes()).unwrap();
    assert_eq!(answer, Answer::Terminated { before: false });

    let (_, response) = exchange("26");
    let answer = delegate().read(response.status(), response.body.as_bytes()).unwrap();
    let expected = CreatedEdge {
        edge: EdgeId::new("01a1fbd0-4cd1-730b-b268-f01eb6e3fa2d").unwrap(),
        scopes: vec!["payment:submit".into(), "payment:read".into()],
        expires_at: Time::parse_rfc3339("2026-11-21T01:59:54.800Z"),
    };
    assert_eq!(answer, Answer::Delegated(expected));

    let (_, response) = exchange("41");
    let revoke = Call::Revoke { edge: EdgeId::new("e").unwrap() };
    let answer = revoke.read(response.status(), response.body.as_bytes()).unwrap();
    assert_eq!(answer, Answer::Revoked(Revoked { edges: 1, sessions: 1, terminated: 1 }));
}

#[test]
fn s7_answers_of_the_coordinator_of_1_0_are_read() {
    let at = "2026-11-28T10:00:00.000Z";
    let body = format!(r#"{{"agent_session_id":"s","id":"x","lease_generation":1,"heartbeat_deadline_at":"{at}"}}"#);
    let answer = spawn().read(201, body.as_bytes()).unwrap();
    assert_eq!(answer, Answer::Spawned { session: session(), lease: Some(lease(1, Some(at))) });

    let answer = delegate().read(201, br#"{"delegation_edge_id":"e"}"#).unwrap();
    let edge = EdgeId::new("e").unwrap();
    assert_eq!(answer, Answer::Delegated(CreatedEdge { edge, scopes: Vec::new(), expires_at: None }));

    let heartbeat = Call::Heartbeat { session: session(), lease: LeaseGeneration::new(2).unwrap() };
    let body = format!(r#"{{"agent":{{"status":"suspended","lease_generation":2,"heartbeat_deadline_at":"{at}"}}}}"#);
    let renewed = Answer::Renewed { status: SessionStatus::Suspended, lease: Some(lease(2, Some(at))) };
    assert_eq!(heartbeat.read(200, body.as_bytes()).unwrap(), renewed);
    let renewed = Answer::Renewed { status: SessionStatus::Unknown, lease: None };
    assert_eq!(heartbeat.read(204, b"").unwrap(), renewed);

    let acquire = Call::AcquireLease { session: session() };
    assert_eq!(acquire.read(200, br#"{"lease_generation":3}"#).unwrap(), Answer::Acquired(lease(3, None)));
    assert!(matches!(acquire.read(200, br#"{"lease_generation":0}"#), Err(CallError::Malformed(_))));

    let inbound = Call::Inbound { session: session() };
    for body in [r#"{"items":[{"id":"e","status":"active"}]}"#, r#"[{"id":"e","status":"active"}]"#] {
        let Answer::Inbound(edges) = inbound.read(200, body.as_bytes()).unwrap() else { panic!("{body}") };
        assert_eq!((edges.len(), edges[0].edge.as_str(), &*edges[0].status), (1, "e", "active"));
    }
}

#[test]
fn s1_1_both_shapes_of_refusals_are_read() {
    let fault = |status, body: &str| match spawn().read(status, body.as_bytes()) {
        Err(CallError::Refused(fault)) => fault,
        other => panic!("{other:?}"),
    };
    let (_, response) = exchange("66");
    let old = fault(response.status(), &response.body);
    assert!(old.is("parent_not_found"));
    assert_eq!(old.to_string(), "the coordinator answered 404 parent_not_found");
    let (_, response) = exchange("67");
    let zod = fault(response.status(), &response.body);
    assert!(zod.status == 500 && zod.message.unwrap().contains("ttl_seconds"));
    let described = fault(400, r#"{"error":"invalid_body","error_description":"no\nkind","requestId":"r"}"#);
    assert_eq!(described.to_string(), r"the coordinator answered 400 invalid_body: no\nkind");
    assert_eq!(described.request_id.as_deref(), Some("r"));
    let named = fault(409, r#"{"error":"idempotency_key_conflict","message":"m","request_id":"r"}"#);
    assert_eq!((named.message.as_deref(), named.request_id.as_deref()), (Some("m"), Some("r")));
    for body in ["", "<html>", "[]", r#"{"error":7}"#] {
        assert_eq!(fault(502, body).to_string(), "the coordinator answered 502", "{body}");
    }
    let long = fault(400, &format!(r#"{{"error":"{}"}}"#, "é".repeat(4_000)));
    assert_eq!(long.code.unwrap().len(), 512);
}

#[test]
fn s1_1_a_redirect_is_a_refusal() {
    assert!(matches!(spawn().read(307, b""), Err(CallError::Refused(fault)) if fault.status == 307));
}

#[test]
fn s1_7_a_termination_that_finds_no_live_session_has_succeeded() {
    let (_, response) = exchange("15");
    let ended = Ok(Answer::Terminated { before: true });
    assert_eq!(terminate().read(response.status(), response.body.as_bytes()), ended);
    for code in [
        "already_terminated",
        "session_not_live",
        "session_not_found_or_not_active",
        "session_lease_fenced",
        "session_subject_inactive",
    ] {
        let body = format!(r#"{{"error":"{code}"}}"#);
        assert_eq!(terminate().read(409, body.as_bytes()), ended, "{code}");
        assert!(spawn().read(409, body.as_bytes()).is_err(), "{code}");
    }
    assert!(terminate().read(409, br#"{"error":"session_suspended"}"#).is_err());
    assert!(terminate().read(403, br#"{"error":"already_terminated"}"#).is_err());
}

#[test]
fn answers_without_an_id_or_too_large_are_malformed() {
    let huge = format!(r#"{{"id":"s","x":"{}"}}"#, "x".repeat(1 << 20));
    let deep = format!(r#"{{"id":"s","x":{}{}}}"#, "[".repeat(65), "]".repeat(65));
    for body in ["", "{}", "[]", r#"{"id":7}"#, r#"{"id":""}"#, r#"{"id":".."}"#, &huge, &deep] {
        assert!(matches!(spawn().read(201, body.as_bytes()), Err(CallError::Malformed(_))), "{body:.40}");
    }
    assert!(matches!(spawn().read(201, b"\xff"), Err(CallError::Malformed(_))));
}

#[test]
fn s1_2_a_token_expires_by_its_claim_else_as_stated_else_in_ten_minutes() {
    let now = Time(1_779_000_000_000_000);
    let read = |token: &str, rest: &str| {
        let body = format!(r#"{{"access_token":"{token}"{rest}}}"#);
        IssuedToken::read(200, body.as_bytes(), now).map(|issued| issued.expires_at)
    };
    // {"exp":1779000123}
    let jwt = "e30.eyJleHAiOjE3NzkwMDAxMjN9.c2ln";
    assert_eq!(read(jwt, r#","expires_in":5"#), Ok(now.plus_secs(123)));
    assert_eq!(read("opaque", r#","expires_in":5"#), Ok(now.plus_secs(5)));
    assert_eq!(read("opaque", ""), Ok(now.plus_secs(600)));
    assert!(matches!(read("two\\nlines", ""), Err(TokenError::Malformed(_))));
    let refused = IssuedToken::read(401, br#"{"error":"invalid_client"}"#, now).unwrap_err();
    assert_eq!(refused.to_string(), "the token service refused the exchange: it answered 401 invalid_client");
}
