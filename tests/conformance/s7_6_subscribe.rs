//! §7.6: subscribing: the answer, the replay, live events and access.

use std::sync::Arc;

use nuncio_core::arcp::{Access, AnyPrincipal, Dialect, Event, Policy};
use nuncio_tests::world::{Frame, SECOND, World};
use serde_json::{Value, json};

fn messages(frames: &[Frame]) -> Vec<String> {
    frames
        .iter()
        .map(|frame| match frame.event() {
            "log" => frame.body()["message"].as_str().unwrap().to_owned(),
            "status" => frame.body()["phase"].as_str().unwrap().to_owned(),
            "" => frame.kind().to_owned(),
            other => other.to_owned(),
        })
        .collect()
}

#[test]
fn s7_6_subscribed_is_complete() {
    let mut w = World::new();
    let a = w.login("tok-alice");
    let other = w.job(a, "echo");
    let lease = json!({"fs.read": ["/ws/**"], "cost.budget": ["USD:5.00"]});
    let job = w.submit(
        a,
        json!({"agent": "ver", "lease_request": lease, "lease_constraints": {"expires_at": "2026-05-13T23:42:00Z"}}),
    );
    w.cost(&job, "1.42", "USD");
    w.log(&other, "5");
    let b = w.login("tok-alice");
    let subscribed = w.subscribe(b, json!({"job_id": job.id}));
    let payload = subscribed.payload();
    assert_eq!(payload["job_id"], job.id.as_str());
    assert_eq!(payload["current_status"], "running");
    assert_eq!(payload["agent"], "ver@2.0.0");
    assert_eq!(payload["lease"], lease);
    assert_eq!(payload["lease_constraints"], job.accepted.payload()["lease_constraints"]);
    assert_eq!(payload["budget"]["USD"].as_f64(), Some(3.58), "the remaining amount");
    assert!(payload.get("parent_job_id").is_some_and(Value::is_null), "null shown");
    assert_eq!(payload["trace_id"], job.accepted["trace_id"]);
    assert_eq!(payload["subscribed_from"], 4, "the job's last number in the owner's numbering");
    assert_eq!(payload["replayed"], false);
    assert!(payload.get("history_truncated").is_none_or(|truncated| truncated == false));
    assert!(payload.get("credentials").is_none());
    w.expect_nothing(b);
}

#[test]
fn ours_subscribed_says_to_nuncio_when_the_job_was_accepted() {
    for dialect in [Dialect::NUNCIO, Dialect::SPEC] {
        let mut w = World::with(|config| config.dialect = Some(dialect));
        let a = w.login("tok-alice");
        let job = w.job(a, "echo");
        w.advance(SECOND);
        let subscribed = w.subscribe(a, json!({"job_id": job.id}));
        let told = if dialect == Dialect::NUNCIO { &job.accepted.payload()["accepted_at"] } else { &Value::Null };
        assert_eq!(subscribed.payload()["accepted_at"], *told);
    }
}

#[test]
fn s7_6_live_events_are_renumbered_into_the_subscribers_stream() {
    let mut w = World::new();
    let a = w.login("tok-alice");
    let job = w.job(a, "echo");
    w.log(&job, "before");
    let b = w.login("tok-alice");
    let own = w.job(b, "echo");
    w.subscribe(b, json!({"job_id": job.id}));
    w.advance(1_500_000);
    w.log(&job, "live");
    let first = w.event(b, "log");
    let original = w.drain(a).pop().unwrap();
    assert_eq!(first.seq(), Some(2), "the counter is shared with the session's own jobs");
    assert_eq!(first.payload(), original.payload(), "the original timestamp and payload");
    assert_ne!(first["id"], original["id"], "a new envelope id");
    w.log(&own, "own");
    assert_eq!(w.event(b, "log").seq(), Some(3));
    w.finish(&job, "1");
    let terminal = w.expect(b, "job.result");
    assert_eq!(terminal.seq(), Some(4));
}

#[test]
fn s7_6_history_is_replayed_after_the_answer_then_live() {
    let mut w = World::new();
    let a = w.login("tok-alice");
    let other = w.job(a, "echo");
    let job = w.job(a, "echo");
    w.log(&other, "not this");
    w.log(&job, "4");
    w.log(&job, "5");
    let originals = w.drain(a);
    w.advance(SECOND);
    for (request, from) in [
        (json!({"job_id": job.id, "history": true}), 0),
        (json!({"job_id": job.id, "history": true, "from_event_seq": 0}), 0),
        (json!({"job_id": job.id, "history": true, "from_event_seq": 2}), 2),
        (json!({"job_id": job.id, "history": true, "from_event_seq": 4}), 4),
    ] {
        let b = w.login("tok-alice");
        let subscribed = w.subscribe(b, request);
        assert_eq!(subscribed.payload()["replayed"], true);
        assert_eq!(subscribed.payload()["subscribed_from"], 5);
        let frames = w.drain(b);
        let all = [(2, "running"), (4, "4"), (5, "5")];
        let expected: Vec<&str> = all.iter().filter(|(seq, _)| *seq > from).map(|(_, name)| *name).collect();
        assert_eq!(messages(&frames), expected);
        let last = originals.iter().rfind(|frame| frame.job() == job.id).unwrap();
        assert_eq!(frames.last().unwrap().payload(), last.payload());
        w.cut(b);
    }
}

#[test]
fn s7_6_a_history_that_is_up_to_date_replays_nothing() {
    let mut w = World::new();
    let a = w.login("tok-alice");
    let job = w.job(a, "echo");
    let b = w.login("tok-alice");
    let subscribed = w.subscribe(b, json!({"job_id": job.id, "history": true, "from_event_seq": 1}));
    assert_eq!(subscribed.payload()["replayed"], true, "history was asked for");
    w.expect_nothing(b);
    w.log(&job, "live");
    w.event(b, "log");
}

#[test]
fn s7_6_without_history_from_event_seq_replays_nothing() {
    let mut w = World::new();
    let a = w.login("tok-alice");
    let job = w.job(a, "echo");
    let b = w.login("tok-alice");
    for request in [
        json!({"job_id": job.id, "from_event_seq": 0}),
        json!({"job_id": job.id, "from_event_seq": null, "history": null}),
    ] {
        let subscribed = w.subscribe(b, request);
        assert_eq!(subscribed.payload()["replayed"], false);
        w.expect_nothing(b);
    }
}

#[test]
fn s7_6_malformed_subscribes_are_invalid() {
    let mut w = World::new();
    let a = w.login("tok-alice");
    let job = w.job(a, "echo");
    for payload in [
        json!({}),
        json!({"job_id": 7}),
        json!({"job_id": job.id, "history": "yes"}),
        json!({"job_id": job.id, "history": true, "from_event_seq": -1}),
        json!({"job_id": job.id, "history": true, "from_event_seq": "live"}),
    ] {
        w.send(a, "job.subscribe", payload);
        w.refusal(a, "INVALID_REQUEST");
    }
}

#[test]
fn s7_6_evicted_history_is_marked_truncated() {
    let mut w = World::with(|config| config.limits.history_events = 3);
    let a = w.login("tok-alice");
    let job = w.job(a, "echo");
    for n in 2..=9 {
        w.log(&job, &n.to_string());
    }
    let b = w.login("tok-alice");
    let subscribed = w.subscribe(b, json!({"job_id": job.id, "history": true}));
    assert_eq!(subscribed.payload()["history_truncated"], true);
    assert_eq!(messages(&w.drain(b)), ["7", "8", "9"], "from the oldest event kept");
    for (from, is_truncated, kept) in
        [(5, true, vec!["7", "8", "9"]), (6, false, vec!["7", "8", "9"]), (7, false, vec!["8", "9"])]
    {
        let c = w.login("tok-alice");
        let subscribed = w.subscribe(c, json!({"job_id": job.id, "history": true, "from_event_seq": from}));
        let truncated = subscribed.payload().get("history_truncated");
        assert_eq!(truncated.is_some_and(|truncated| *truncated == true), is_truncated, "after {from}");
        assert_eq!(messages(&w.drain(c)), kept);
    }
}

#[test]
fn s7_6_subscribing_to_an_ended_job_delivers_its_terminal() {
    let mut w = World::new();
    let a = w.login("tok-alice");
    let job = w.job(a, "echo");
    w.log(&job, "2");
    w.finish(&job, "1");
    w.drain(a);
    let b = w.login("tok-alice");
    let subscribed = w.subscribe(b, json!({"job_id": job.id}));
    assert_eq!(subscribed.payload()["current_status"], "success");
    assert_eq!(messages(&w.drain(b)), ["job.result"], "the terminal comes without history too");
    w.subscribe(b, json!({"job_id": job.id, "history": true}));
    assert_eq!(messages(&w.drain(b)), ["running", "2", "job.result"]);
    // In the owner's session too, subscribing to an ended job is a new watch.
    w.subscribe(a, json!({"job_id": job.id}));
    assert_eq!(messages(&w.drain(a)), ["job.result"]);
    w.subscribe(a, json!({"job_id": job.id, "history": true}));
    assert_eq!(messages(&w.drain(a)), ["running", "2", "job.result"]);
}

#[test]
fn s7_6_subscribing_to_an_own_live_job_sends_no_second_copy() {
    let mut w = World::new();
    let a = w.login("tok-alice");
    let job = w.job(a, "echo");
    let subscribed = w.subscribe(a, json!({"job_id": job.id, "history": true}));
    assert_eq!(subscribed.payload()["replayed"], false);
    w.expect_nothing(a);
    w.log(&job, "2");
    w.event(a, "log");
    w.expect_nothing(a);
    // Unsubscribing from an own job has no effect.
    w.send(a, "job.unsubscribe", json!({"job_id": job.id}));
    w.expect_nothing(a);
    w.log(&job, "3");
    w.event(a, "log");
    w.finish(&job, "1");
    w.expect(a, "job.result");
    w.expect_nothing(a);
}

#[test]
fn s7_6_repeating_a_subscription_replays_again_and_live_stays_single() {
    let mut w = World::new();
    let a = w.login("tok-alice");
    let job = w.job(a, "echo");
    w.log(&job, "2");
    let b = w.login("tok-alice");
    w.subscribe(b, json!({"job_id": job.id, "history": true}));
    assert_eq!(messages(&w.drain(b)), ["running", "2"]);
    w.subscribe(b, json!({"job_id": job.id, "history": true}));
    assert_eq!(messages(&w.drain(b)), ["running", "2"]);
    w.subscribe(b, json!({"job_id": job.id}));
    w.expect_nothing(b);
    w.log(&job, "3");
    assert_eq!(messages(&w.drain(b)), ["3"]);
}

#[test]
fn s7_6_unsubscribe_is_silent_and_ends_the_stream() {
    let mut w = World::new();
    let a = w.login("tok-alice");
    let job = w.job(a, "echo");
    let b = w.login("tok-alice");
    w.subscribe(b, json!({"job_id": job.id}));
    w.send(b, "job.unsubscribe", json!({"job_id": job.id}));
    w.expect_nothing(b);
    w.log(&job, "2");
    w.expect_nothing(b);
    w.subscribe(b, json!({"job_id": job.id}));
    w.log(&job, "3");
    assert_eq!(w.event(b, "log").seq(), Some(1));
    w.drain(a);
    w.log(&job, "4");
    w.event(a, "log");
}

#[test]
fn s7_6_same_principal_only_by_default() {
    let mut w = World::new();
    let a = w.login("tok-alice");
    let job = w.job(a, "echo");
    let b = w.login("tok-bob");
    let mut answers = Vec::new();
    for id in [job.id.as_str(), "job_01M7XYPH85GSFKWQXBK44MZHS9", "nonsense"] {
        w.send(b, "job.subscribe", json!({"job_id": id}));
        let mut payload = w.refusal(b, "JOB_NOT_FOUND").payload().clone();
        payload.as_object_mut().unwrap().remove("request_id");
        answers.push(payload);
    }
    assert!(answers.windows(2).all(|pair| pair[0] == pair[1]), "existence does not leak: {answers:?}");
    w.log(&job, "2");
    w.expect_nothing(b);
}

#[test]
fn s7_6_visible_but_forbidden_is_permission_denied() {
    struct ListOnly;
    impl Policy for ListOnly {
        fn access(&self, observer: &str, owner: &str, _: &str) -> Access {
            if observer == owner { Access::Observed } else { Access::Listed }
        }
    }
    let mut w = World::with(|config| config.policy = Arc::new(ListOnly));
    let a = w.login("tok-alice");
    let job = w.job(a, "echo");
    let b = w.login("tok-bob");
    w.send(b, "job.subscribe", json!({"job_id": job.id}));
    w.refusal(b, "PERMISSION_DENIED");
    w.send(b, "job.subscribe", json!({"job_id": "job_01M7XYPH85GSFKWQXBK44MZHS9"}));
    w.refusal(b, "JOB_NOT_FOUND");
}

#[test]
fn s14_every_subscribe_is_reported_to_the_host() {
    let mut w = World::new();
    let a = w.login("tok-alice");
    let job = w.job(a, "echo");
    let b = w.login("tok-bob");
    w.send(b, "job.subscribe", json!({"job_id": job.id}));
    w.drain(b);
    let c = w.login("tok-alice2");
    w.subscribe(c, json!({"job_id": job.id}));
    for (principal, granted) in [("bob", false), ("alice", true)] {
        let told = w.host_event("Subscription", |event| match event {
            Event::Subscription { principal, job, owner, granted } => {
                Some((principal.to_string(), job.to_string(), owner.to_string(), *granted))
            }
            _ => None,
        });
        assert_eq!(told, (principal.to_owned(), job.id.clone(), "alice".to_owned(), granted));
    }
}

#[test]
fn s14_credentials_follow_the_submitter_only() {
    let mut w = World::with(|config| {
        config.provisioner = true;
        config.policy = Arc::new(AnyPrincipal);
    });
    let a = w.login("tok-alice");
    let job = w.submit(a, json!({"agent": "echo", "lease_request": {"model.use": ["m"]}}));
    let b = w.login("tok-bob");
    let bobs = w.subscribe(b, json!({"job_id": job.id, "history": true}));
    assert!(bobs.payload().get("credentials").is_none());
    let c = w.login("tok-alice2");
    let alices = w.subscribe(c, json!({"job_id": job.id}));
    assert_eq!(alices.payload()["credentials"], job.accepted.payload()["credentials"]);
    // The value of a rotation is not shown to bob either; the world checks every frame for it.
    w.drain(b);
    w.rotate(&job, "cred_1", "rotated-value", "alice").unwrap();
    let rotated = w.event(b, "status");
    assert_eq!(rotated.body()["phase"], "credential_rotated");
    assert!(rotated.body().get("value").is_none());
    let d = w.login("tok-bob");
    w.subscribe(d, json!({"job_id": job.id, "history": true}));
    assert!(w.drain(d).iter().all(|frame| !frame.text().contains("rotated-value")));
}

#[test]
fn s7_6_an_observer_has_no_authority() {
    let mut w = World::with(|config| config.policy = Arc::new(AnyPrincipal));
    let a = w.login("tok-alice");
    let job = w.submit(a, json!({"agent": "echo", "lease_request": {"agent.delegate": ["*"]}}));
    let b = w.login("tok-bob");
    w.subscribe(b, json!({"job_id": job.id}));
    w.send(b, "job.cancel", json!({"job_id": job.id}));
    w.refusal(b, "PERMISSION_DENIED");
    w.submit_refused(b, json!({"agent": "echo", "parent_job_id": job.id, "delegate_id": "d"}), "JOB_NOT_FOUND");
}
