//! §6.1, §6.2: hello, authentication and the welcome.

use nuncio_core::arcp::{Config, Event, Features, Via};
use nuncio_tests::world::{FEATURES, World};
use serde_json::{Value, json};
use std::time::Duration;

#[test]
fn s6_2_the_welcome_is_complete() {
    let mut w = World::with(|config| {
        config.provisioner = true;
        config.heartbeat_interval = Duration::from_secs(17);
        config.resume_window = Duration::from_secs(90);
        config.name = "conformance-runtime".into();
        config.version = "9.8.7".into();
    });
    let a = w.open();
    w.hello(a, "tok-alice", &FEATURES);
    let welcome = w.expect(a, "session.welcome");
    let payload = welcome.payload();
    assert_eq!(payload["session_id"], welcome["session_id"]);
    assert_eq!(payload["runtime"], json!({"name": "conformance-runtime", "version": "9.8.7"}));
    assert_eq!(payload["resume_window_sec"], 90);
    assert_eq!(payload["heartbeat_interval_sec"], 17);
    assert_eq!(payload["accepted_at"], "2026-05-13T19:30:00.000Z");
    assert_eq!(payload["capabilities"]["encodings"], json!(["json"]));
    assert_eq!(names(&payload["capabilities"]["features"]), FEATURES);
    w.expect_nothing(a);
}

fn names(value: &Value) -> Vec<&str> {
    value.as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect()
}

#[test]
fn s6_2_the_resume_token_is_rt_and_256_bits_of_hex() {
    let mut w = World::new();
    let a = w.login("tok-alice");
    let token = w.token(a);
    let hex = token.strip_prefix("rt_").unwrap();
    assert!(hex.len() == 64 && hex.bytes().all(|byte| byte.is_ascii_hexdigit()), "{token}");
    assert!(!token.contains(&w.session(a)["sess_".len()..]), "the token does not contain the session id");
}

#[test]
fn s6_2_agents_are_objects_with_and_without_agent_versions() {
    for without in [&[][..], &["agent_versions"]] {
        let mut w = World::new();
        let a = w.login_without("tok-alice", without);
        let welcome = w.welcome(a);
        let agents = welcome.payload()["capabilities"]["agents"].as_array().unwrap();
        let of = |name: &str| agents.iter().find(|agent| agent["name"] == name).unwrap();
        assert_eq!(agents.len(), 4);
        assert_eq!(*of("ver"), json!({"name": "ver", "versions": ["1.0.0", "2.0.0"], "default": "2.0.0"}));
        assert_eq!(*of("echo"), json!({"name": "echo", "versions": []}), "an agent without versions has no default");
    }
}

#[test]
fn s6_2_features_are_the_intersection() {
    let mut w = World::with(|config| config.features = Features::ALL.without(nuncio_core::arcp::Feature::Ack));
    let a = w.open();
    w.hello(a, "tok-alice", &["subscribe", "from.the.future", "ack", "progress", "subscribe"]);
    let welcome = w.expect(a, "session.welcome");
    let mut features = names(&welcome.payload()["capabilities"]["features"]);
    features.sort_unstable();
    assert_eq!(features, ["progress", "subscribe"]);
}

#[test]
fn s6_2_no_capabilities_are_no_features() {
    for capabilities in
        [None, Some(json!({})), Some(json!({"features": []})), Some(json!({"encodings": ["json"]})), Some(json!(null))]
    {
        let mut w = World::new();
        let a = w.open();
        let mut payload =
            json!({"client": {"name": "c", "version": "1"}, "auth": {"scheme": "bearer", "token": "tok-alice"}});
        if let Some(capabilities) = capabilities {
            payload["capabilities"] = capabilities;
        }
        w.send(a, "session.hello", payload);
        let welcome = w.expect(a, "session.welcome");
        assert_eq!(welcome.payload()["capabilities"]["features"], json!([]));
        assert!(welcome.payload().get("heartbeat_interval_sec").is_none(), "shown only when negotiated");
    }
}

#[test]
fn s6_4_heartbeat_interval_only_when_negotiated() {
    let mut w = World::new();
    let a = w.login_without("tok-alice", &["heartbeat"]);
    assert!(w.welcome(a).payload().get("heartbeat_interval_sec").is_none());
    let b = w.login_with("tok-alice", &["heartbeat"]);
    assert_eq!(w.welcome(b).payload()["heartbeat_interval_sec"], 30);
}

#[test]
fn s14_credentials_are_offered_only_with_a_provisioner_and_on_safe_transports() {
    for (provisioner, via, offered) in [
        (true, Via::Tls, true),
        (true, Via::Loopback, true),
        (true, Via::Stdio, true),
        (true, Via::Memory, true),
        (true, Via::Plain, false),
        (false, Via::Tls, false),
        (false, Via::Memory, false),
    ] {
        let mut w = World::with(|config| config.provisioner = provisioner);
        let a = w.login_via("tok-alice", &FEATURES, via);
        let welcome = w.welcome(a);
        let features = names(&welcome.payload()["capabilities"]["features"]);
        assert_eq!(features.contains(&"provisioned_credentials"), offered, "{provisioner} {via:?}");
    }
}

#[test]
fn s6_1_the_verifier_sees_token_and_client_and_decides_the_identity() {
    let mut w = World::new();
    let a = w.open();
    w.send(
        a,
        "session.hello",
        json!({"client": {"name": "c", "version": "1", "principal": "bob"}, "auth": {"scheme": "bearer", "token": "tok-alice"}}),
    );
    w.expect(a, "session.welcome");
    let (token, client) = w.host_event("Authenticate", |event| match event {
        Event::Authenticate { token, client, .. } => Some((token.expose().to_owned(), client.clone())),
        _ => None,
    });
    assert_eq!((token.as_str(), client.as_str()), ("tok-alice", "c"));
    let (principal, resumed) = w.host_event("SessionLive", |event| match event {
        Event::SessionLive { principal, resumed, .. } => Some((principal.to_string(), *resumed)),
        _ => None,
    });
    assert_eq!((principal.as_str(), resumed), ("alice", false), "client.principal is ignored");
}

#[test]
fn s6_2_same_seed_and_inputs_give_the_same_bytes() {
    let run = || {
        let mut w = World::new();
        let a = w.login("tok-alice");
        let job = w.job(a, "echo");
        w.log(&job, "x");
        w.finish(&job, "1");
        w.advance(100_000_000);
        w.history.iter().map(|(_, _, frame)| frame.text().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(run(), run());
}

#[test]
fn s6_2_default_configuration_is_as_documented() {
    let config = Config::default();
    assert_eq!(config.resume_window, Duration::from_mins(10));
    assert_eq!(config.limits.frame_bytes, 1 << 20);
    assert_eq!(config.limits.stdio_frame_bytes, 60 << 10);
    assert_eq!((config.limits.log_events, config.limits.log_bytes), (10_000, 16 << 20));
    assert_eq!(config.limits.submit_ids, 1_024);
    assert_eq!(config.limits.back_pressure, 1_000);
    assert_eq!(config.cancel_grace, Duration::from_secs(30));
    assert_eq!(config.expiry_grace, Duration::from_secs(1));
    assert_eq!(config.limits.idempotency_records, 100_000);
    assert_eq!(config.idempotency_window, Duration::from_hours(24));
    assert_eq!((config.limits.writer_chunk_bytes, config.limits.small_writer_chunk_bytes), (64 << 10, 48 << 10));
    assert_eq!((config.limits.chunk_bytes, config.limits.result_bytes), (1 << 20, 256 << 20));
    assert_eq!(config.limits.delegation_depth, 8);
    assert!(!config.resume_by_token && !config.models_without_lease);
}
