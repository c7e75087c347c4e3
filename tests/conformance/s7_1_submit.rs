//! §7.1, §7.5: submits and the order of their checks, agents and versions.

use nuncio_core::arcp::{AgentSpec, ErrorCode, Event, Refused};
use nuncio_tests::world::{OnSubmit, SECOND, World};
use serde_json::{Value, json};

#[test]
fn s7_1_accepted_is_complete() {
    let mut w = World::new();
    let a = w.login("tok-alice");
    let lease = json!({"fs.read": ["/workspace/myapp/**"], "cost.budget": ["USD:5.00", "credits:1000"], "model.use": ["tier-fast/*"]});
    let job = w.submit(
        a,
        json!({"agent": "ver", "input": {"a": 1}, "lease_request": lease,
            "lease_constraints": {"expires_at": "2026-05-13T23:42:00Z"}, "max_runtime_sec": 1800, "idempotency_key": "k"}),
    );
    let payload = job.accepted.payload();
    assert_eq!(payload["agent"], "ver@2.0.0");
    assert_eq!(payload["lease"], lease);
    assert_eq!(payload["accepted_at"], "2026-05-13T19:30:00.000Z");
    assert_eq!(payload["budget"]["USD"].as_f64(), Some(5.0), "numbers");
    assert_eq!(payload["budget"]["credits"].as_f64(), Some(1000.0));
    let expires = payload["lease_constraints"]["expires_at"].as_str().unwrap();
    assert!(expires.starts_with("2026-05-13T23:42:00") && expires.ends_with('Z'), "{expires}");
    for absent in ["parent_job_id", "delegate_id", "credentials"] {
        assert!(payload.get(absent).is_none(), "{absent} is absent");
    }
    let view = w.runtime.job(job.key).unwrap();
    assert_eq!((view.agent, view.version), ("ver", Some("2.0.0")));
    assert_eq!(&**view.principal, "alice");
}

#[test]
fn s7_1_an_absent_lease_is_an_empty_one() {
    let mut w = World::new();
    let a = w.login("tok-alice");
    let job = w.job(a, "echo");
    assert_eq!(job.accepted.payload()["lease"], json!({}));
    assert!(job.accepted.payload().get("budget").is_none());
    assert!(job.accepted.payload().get("lease_constraints").is_none());
    let nulls = json!({"agent": "echo", "lease_request": null, "lease_constraints": null, "idempotency_key": null, "max_runtime_sec": null});
    w.submit(a, nulls);
}

#[test]
fn s7_1_the_host_is_asked_before_accept_and_told_to_start_after() {
    let mut w = World::new();
    let a = w.login("tok-alice");
    w.on_submit = OnSubmit::Hold;
    let key = w.submit_held(a, json!({"agent": "echo"}));
    w.expect_nothing(a);
    assert!(w.try_host_event(|event| matches!(event, Event::Start { .. }).then_some(())).is_none());
    w.start(key);
    w.expect(a, "job.accepted");
    w.event(a, "status");
    let started = w.host_event("Start", |event| match event {
        Event::Start { job } => Some(*job),
        _ => None,
    });
    assert_eq!(started, key);
    assert_eq!(w.runtime.start(w.now, key, vec![]), Err(Refused::Stale));
}

#[test]
fn s7_1_malformed_submits_are_invalid() {
    let mut w = World::new();
    let a = w.login("tok-alice");
    for payload in [
        json!({}),
        json!({"agent": null}),
        json!({"agent": 7}),
        json!({"agent": ""}),
        json!({"agent": "Echo"}),
        json!({"agent": "-echo"}),
        json!({"agent": ".echo"}),
        json!({"agent": "ec ho"}),
        json!({"agent": "ver@"}),
        json!({"agent": "@1.0.0"}),
        json!({"agent": "ver@1.0.0@2"}),
        json!({"agent": "ver@1 0"}),
        json!({"agent": "echo", "lease_request": []}),
        json!({"agent": "echo", "lease_request": {"fs.read": "/ws"}}),
        json!({"agent": "echo", "lease_constraints": "2026-05-14T00:00:00Z"}),
        json!({"agent": "echo", "lease_constraints": {"expires_at": 17}}),
        json!({"agent": "echo", "idempotency_key": ""}),
        json!({"agent": "echo", "idempotency_key": "k".repeat(257)}),
        json!({"agent": "echo", "idempotency_key": 5}),
        json!({"agent": "echo", "max_runtime_sec": 0}),
        json!({"agent": "echo", "max_runtime_sec": -1}),
        json!({"agent": "echo", "max_runtime_sec": 1.5}),
        json!({"agent": "echo", "max_runtime_sec": "5"}),
        json!({"agent": "echo", "max_runtime_sec": 4_294_967_296_u64}),
    ] {
        w.submit_refused(a, payload, "INVALID_REQUEST");
    }
    w.submit(a, json!({"agent": "echo", "idempotency_key": "k".repeat(256), "max_runtime_sec": 4_294_967_295_u64}));
    w.submit(a, json!({"agent": "echo", "idempotency_key": "k", "max_runtime_sec": 1}));
}

#[test]
fn s7_5_agents_and_versions() {
    let mut w = World::new();
    let a = w.login("tok-alice");
    assert_eq!(w.job(a, "ver").accepted.payload()["agent"], "ver@2.0.0");
    assert_eq!(w.job(a, "ver@1.0.0").accepted.payload()["agent"], "ver@1.0.0");
    assert_eq!(w.job(a, "echo").accepted.payload()["agent"], "echo", "an agent without versions has a bare name");
    w.submit_refused(a, json!({"agent": "nobody"}), "AGENT_NOT_AVAILABLE");
    w.submit_refused(a, json!({"agent": "nobody@1"}), "AGENT_NOT_AVAILABLE");
    w.submit_refused(a, json!({"agent": "ver@3.0.0"}), "AGENT_VERSION_NOT_AVAILABLE");
    w.submit_refused(a, json!({"agent": "echo@1.0.0"}), "AGENT_VERSION_NOT_AVAILABLE");
}

#[test]
fn s7_5_once_resolved_a_version_is_fixed() {
    let mut w = World::new();
    let a = w.login("tok-alice");
    let job = w.job(a, "ver");
    let replaced = AgentSpec { versions: vec!["3.0.0".into()], ..AgentSpec::new("ver") };
    w.runtime.register(replaced).unwrap();
    assert_eq!(w.list(a, json!({})).payload()["jobs"][0]["agent"], "ver@2.0.0");
    assert_eq!(w.job(a, "ver").accepted.payload()["agent"], "ver@3.0.0");
    w.submit_refused(a, json!({"agent": "ver@2.0.0"}), "AGENT_VERSION_NOT_AVAILABLE");
    w.finish(&job, "1");
}

/// The version stays the same while the job runs, while it waits, and in every answer about it.
#[test]
fn s7_5_no_job_moves_to_another_version() {
    let mut w = World::new();
    let a = w.login("tok-alice");
    let spec =
        |version: &str| AgentSpec { versions: vec![version.into()], max_concurrent: Some(1), ..AgentSpec::new("one") };
    w.runtime.register(spec("1")).unwrap();
    let submit = json!({"agent": "one", "idempotency_key": "k"});
    let running = w.submit(a, submit.clone());
    w.send_submit(a, json!({"agent": "one"}));
    let accepted = w.expect(a, "job.accepted");
    let waiting = w.job_of(&accepted);
    w.runtime.register(spec("2")).unwrap();
    w.events.clear();
    let b = w.login("tok-alice");
    for job in [&running, &waiting] {
        assert_eq!(w.subscribe(b, json!({"job_id": job.id})).payload()["agent"], "one@1");
        assert_eq!(w.runtime.job(job.key).unwrap().version, Some("1"));
    }
    w.send_submit(a, submit);
    assert_eq!(w.expect(a, "job.accepted").payload()["agent"], "one@1", "a repeated submit gets the original job");
    w.finish(&running, "1");
    w.host_event("Start", |event| matches!(event, Event::Start { job } if *job == waiting.key).then_some(()));
    assert_eq!(w.runtime.job(waiting.key).unwrap().version, Some("1"), "the host starts the original version");
    let resumed = w.resume(a, 0);
    let frames = w.drain(resumed);
    let again: Vec<&Value> =
        frames.iter().filter(|frame| frame.kind() == "job.accepted").map(|frame| &frame.payload()["agent"]).collect();
    assert_eq!(again, ["one@1", "one@1"], "the replayed job.accepted is unchanged");
    w.finish(&waiting, "1");
    w.drain(resumed);
    for row in w.list(resumed, json!({})).payload()["jobs"].as_array().unwrap() {
        assert_eq!(row["agent"], "one@1");
    }
    assert_eq!(w.job(resumed, "one").accepted.payload()["agent"], "one@2");
}

#[test]
fn s7_5_bad_agent_specs_are_refused_to_the_host() {
    let mut w = World::new();
    let spec = |name: &str, versions: &[&str], default: Option<&str>| AgentSpec {
        versions: versions.iter().map(|version| (*version).into()).collect(),
        default: default.map(Into::into),
        ..AgentSpec::new(name)
    };
    for bad in [
        spec("Echo", &[], None),
        spec("", &[], None),
        spec("a@b", &[], None),
        spec("a", &["1 0"], None),
        spec("a", &[""], None),
        spec("a", &["1"], Some("2")),
        spec("a", &["1", "1"], None),
        spec("a", &[], Some("1")),
    ] {
        assert!(w.runtime.register(bad.clone()).is_err(), "{bad:?}");
    }
}

/// Each submit breaks one rule and all later ones: the first check decides the answer.
#[test]
fn s7_1_the_order_of_checks() {
    let mut w = World::with(|config| config.limits.jobs_per_session = 1);
    let a = w.login_without("tok-alice", &["model.use"]);
    w.submit(a, json!({"agent": "echo", "idempotency_key": "used", "input": 1}));
    let past = json!({"expires_at": "2020-01-01T00:00:00Z"});
    let bad_lease = json!({"fs.read": []});
    let submit = |agent: &str, lease: &Value, key: Option<&str>, runtime: Value| {
        let mut payload =
            json!({"agent": agent, "lease_request": lease, "lease_constraints": past, "max_runtime_sec": runtime});
        if let Some(key) = key {
            payload["idempotency_key"] = json!(key);
        }
        payload
    };
    // The shape is checked first.
    w.submit_refused(a, submit("nobody", &bad_lease, Some("used"), json!(0)), "INVALID_REQUEST");
    // Negotiated features are checked before the idempotency record.
    w.submit_refused(a, submit("nobody", &json!({"model.use": ["x"]}), Some("used"), json!(1)), "INVALID_REQUEST");
    // The idempotency record is checked before the agent.
    w.submit_refused(a, submit("nobody", &json!({}), Some("used"), json!(1)), "DUPLICATE_KEY");
    // The agent is checked before the lease and the expiry.
    w.submit_refused(a, submit("nobody", &json!({}), None, json!(1)), "AGENT_NOT_AVAILABLE");
    w.submit_refused(a, submit("nobody", &json!({"fs.read": ["relative"]}), None, json!(1)), "AGENT_NOT_AVAILABLE");
    // The lease and the expiry are checked before the limits.
    w.submit_refused(a, submit("echo", &json!({"fs.read": ["relative"]}), None, json!(1)), "INVALID_REQUEST");
    w.submit_refused(a, submit("echo", &json!({}), None, json!(1)), "INVALID_REQUEST");
    // The limits are checked before the host is asked.
    w.host_event("Submitted", |event| matches!(event, Event::Submitted { .. }).then_some(()));
    w.submit_refused(a, json!({"agent": "echo"}), "INTERNAL_ERROR");
    assert!(w.try_host_event(|event| matches!(event, Event::Submitted { .. }).then_some(())).is_none());
}

#[test]
fn s7_1_a_declined_submit_is_refused_with_the_hosts_fault() {
    let mut w = World::new();
    let a = w.login("tok-alice");
    w.on_submit = OnSubmit::Decline(ErrorCode::PermissionDenied);
    let error = w.submit_refused(a, json!({"agent": "echo"}), "PERMISSION_DENIED");
    assert_eq!(error.payload()["message"], "declined by the host");
}

#[test]
fn s7_1_a_host_that_does_not_answer_is_an_internal_error() {
    let mut w = World::new();
    let a = w.login("tok-alice");
    w.on_submit = OnSubmit::Hold;
    let key = w.submit_held(a, json!({"agent": "echo"}));
    w.advance(30 * SECOND);
    let frames = w.drain(a);
    let error = frames.iter().find(|frame| frame.kind() == "session.error").unwrap();
    assert_eq!(error.payload()["code"], "INTERNAL_ERROR");
    assert_eq!(w.runtime.start(w.now, key, vec![]), Err(Refused::Stale));
    assert_eq!(w.list(a, json!({})).payload()["jobs"], json!([]));
}

#[test]
fn s5_a_repeated_submit_id_is_answered_again_and_does_not_run_again() {
    let mut w = World::new();
    let a = w.login("tok-alice");
    let frame = json!({"arcp": "1.1", "id": "same", "type": "job.submit", "payload": {"agent": "echo"}});
    w.send_frame(a, &frame);
    let first = w.expect(a, "job.accepted");
    w.drain(a);
    w.send_frame(a, &frame);
    let again = w.expect(a, "job.accepted");
    assert_eq!(again.job(), first.job());
    assert_eq!(again.payload(), first.payload());
    assert_eq!(w.list(a, json!({})).payload()["jobs"].as_array().unwrap().len(), 1);
    // A repeated id does not run again while the host is still being asked either.
    w.on_submit = OnSubmit::Hold;
    let frame = json!({"arcp": "1.1", "id": "held", "type": "job.submit", "payload": {"agent": "echo"}});
    w.send_frame(a, &frame);
    w.send_frame(a, &frame);
    let asked: Vec<_> = w.events.iter().filter(|event| matches!(event, Event::Submitted { .. })).cloned().collect();
    assert_eq!(asked.len(), 2, "the host is asked once per job");
}

#[test]
fn s5_a_repeated_submit_id_after_a_refusal_is_answered_again() {
    let mut w = World::new();
    let a = w.login("tok-alice");
    let frame = json!({"arcp": "1.1", "id": "same", "type": "job.submit", "payload": {"agent": "nobody"}});
    for _ in 0..2 {
        w.send_frame(a, &frame);
        let error = w.refusal(a, "AGENT_NOT_AVAILABLE");
        assert_eq!(error.payload()["request_id"], "same");
    }
}

#[test]
fn s5_other_frames_are_not_deduplicated_by_id() {
    let mut w = World::new();
    let a = w.login("tok-alice");
    let frame = json!({"arcp": "1.1", "id": "same", "type": "session.list_jobs", "payload": {}});
    for _ in 0..3 {
        w.send_frame(a, &frame);
        w.expect(a, "session.jobs");
    }
    w.send_frame(a, &json!({"arcp": "1.1", "id": "same", "type": "job.submit", "payload": {"agent": "echo"}}));
    w.expect(a, "job.accepted");
}

#[test]
fn s5_the_last_submit_ids_are_remembered() {
    let mut w = World::with(|config| config.limits.submit_ids = 4);
    let a = w.login("tok-alice");
    let frame =
        |id: usize| json!({"arcp": "1.1", "id": format!("s{id}"), "type": "job.submit", "payload": {"agent": "echo"}});
    for id in 0..5 {
        w.send_frame(a, &frame(id));
    }
    w.drain(a);
    let count = |w: &mut World| w.list(a, json!({})).payload()["jobs"].as_array().unwrap().len();
    w.send_frame(a, &frame(1));
    w.drain(a);
    assert_eq!(count(&mut w), 5);
    w.send_frame(a, &frame(0));
    w.drain(a);
    assert_eq!(count(&mut w), 6, "the oldest id was forgotten");
}

#[test]
fn s7_1_jobs_beyond_an_agents_slots_wait_as_pending() {
    let mut w = World::new();
    let a = w.login("tok-alice");
    let first = w.job(a, "narrow");
    w.send_submit(a, json!({"agent": "narrow"}));
    let accepted = w.expect(a, "job.accepted");
    w.expect_nothing(a);
    let second = w.job_of(&accepted);
    assert!(matches!(w.try_emit(&second, &nuncio_core::arcp::Body::thought("x")), Err(Refused::NotRunning)));
    w.finish(&first, "1");
    w.expect(a, "job.result");
    assert_eq!(w.event(a, "status").body()["phase"], "running");
    w.log(&second, "runs");
    w.finish(&second, "1");
}

#[test]
fn s7_1_a_refused_request_affects_nothing_else() {
    let mut w = World::new();
    let a = w.login("tok-alice");
    let job = w.job(a, "slow");
    w.submit_refused(a, json!({"agent": "nobody"}), "AGENT_NOT_AVAILABLE");
    w.log(&job, "2");
    assert_eq!(w.event(a, "log").seq(), Some(2));
    w.finish(&job, "1");
    w.expect(a, "job.result");
}
