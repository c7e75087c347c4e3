//! §10, §9.4: the frames of a delegation, its checks and their order.

use nuncio_core::arcp::{ErrorCode, Event};
use nuncio_tests::world::{Frame, Job, OnSubmit, World};
use serde_json::{Value, json};

fn parent(w: &mut World, lease: Value) -> (nuncio_core::arcp::ConnId, Job) {
    let a = w.login("tok-alice");
    let job = w.submit(a, json!({"agent": "slow", "lease_request": lease}));
    (a, job)
}

/// Asserts that the delegation is refused with this code in a `tool_result` of the parent, and that the parent
/// continues.
fn expect_delegation_refused(
    w: &mut World,
    conn: nuncio_core::arcp::ConnId,
    job: &Job,
    mut body: Value,
    code: &str,
) -> Frame {
    if body.get("delegate_id").is_none() {
        body["delegate_id"] = json!(w.fresh_id());
    }
    assert_eq!(w.delegate(job, &body), Err(ErrorCode::parse(code).unwrap().as_str()), "{body}");
    let delegate = w.event(conn, "delegate");
    assert_eq!(delegate.body()["delegate_id"], body["delegate_id"]);
    let result = w.event(conn, "tool_result");
    assert_eq!(result.job(), job.id);
    assert_eq!(result.body()["call_id"], body["delegate_id"]);
    assert_eq!(result.body()["error"]["code"], code);
    assert_eq!(result.body()["error"]["retryable"], code == "INTERNAL_ERROR");
    assert!(result.body().get("result").is_none());
    w.expect_nothing(conn);
    w.log(job, "the parent goes on");
    w.event(conn, "log");
    result
}

#[test]
fn s10_the_frames_of_a_delegation() {
    let mut w = World::new();
    let (a, job) = parent(&mut w, json!({"agent.delegate": ["*"], "fs.read": ["/ws/**"]}));
    let body = json!({"delegate_id": "del_1", "agent": "ver", "input": {"from": "parent"}, "lease_request": {"fs.read": ["/ws/a/**"]}});
    let child = w.delegate(&job, &body).unwrap();
    let delegate = w.event(a, "delegate");
    assert_eq!(delegate.job(), job.id);
    let accepted = w.expect(a, "job.accepted");
    let mut expected = body;
    expected["child_job_id"] = json!(accepted.job());
    expected["lease"] = json!({"fs.read": ["/ws/a/**"]});
    assert_eq!(*delegate.body(), expected);
    let payload = accepted.payload();
    assert_eq!(payload["parent_job_id"], job.id.as_str());
    assert_eq!(payload["delegate_id"], "del_1");
    assert!(payload.get("request_id").is_none());
    assert_eq!(payload["agent"], "ver@2.0.0");
    assert_eq!(payload["lease"], json!({"fs.read": ["/ws/a/**"]}));
    assert_eq!(accepted["trace_id"], job.accepted["trace_id"], "the child has the parent's trace id");
    assert_eq!(w.key(accepted.job()), child);
    let running = w.event(a, "status");
    assert_eq!((running.job(), &running.body()["phase"]), (accepted.job(), &json!("running")));
    w.expect_nothing(a);
    let child = w.job_of(&accepted);
    let view = w.runtime.job(child.key).unwrap();
    assert_eq!((view.parent, view.delegate_id), (Some(job.key), Some("del_1")));
    assert_eq!(view.input.unwrap().get(), r#"{"from":"parent"}"#);
    w.log(&child, "in the same session");
    assert_eq!(w.event(a, "log").job(), child.id);
    w.finish(&child, "1");
    w.expect(a, "job.result");
    w.expect_nothing(a);
    w.finish(&job, "1");
    w.expect(a, "job.result");
}

#[test]
fn s10_an_absent_delegate_id_is_generated_and_an_absent_lease_is_empty() {
    let mut w = World::new();
    let (a, job) = parent(&mut w, json!({"agent.delegate": ["*"], "fs.read": ["/**"]}));
    w.delegate(&job, &json!({"agent": "echo"})).unwrap();
    let delegate = w.event(a, "delegate");
    let accepted = w.expect(a, "job.accepted");
    assert!(accepted.payload()["delegate_id"].as_str().is_some_and(|id| !id.is_empty()));
    assert_eq!(accepted.payload()["delegate_id"], delegate.body()["delegate_id"]);
    assert_eq!(accepted.payload()["lease"], json!({}));
}

#[test]
fn s10_the_pattern_is_compared_with_the_bare_name() {
    let mut w = World::new();
    let (a, job) = parent(&mut w, json!({"agent.delegate": ["ver"]}));
    w.delegate(&job, &json!({"agent": "ver@1.0.0"})).unwrap();
    w.drain(a);
    expect_delegation_refused(&mut w, a, &job, json!({"agent": "echo"}), "PERMISSION_DENIED");
    let (b, none) = parent(&mut w, json!({"tool.call": ["*"]}));
    expect_delegation_refused(&mut w, b, &none, json!({"agent": "echo"}), "PERMISSION_DENIED");
}

#[test]
fn s9_4_a_child_lease_is_a_subset() {
    let lease = json!({"agent.delegate": ["*"], "fs.read": ["/ws/**", "/data/*"], "tool.call": ["search.*"], "model.use": ["tier-fast/*"]});
    for (child, within) in [
        (json!({"fs.read": ["/ws/**"]}), true),
        (json!({"fs.read": ["/ws/a/*"]}), true),
        (json!({"fs.read": ["/ws"]}), true),
        (json!({"fs.read": ["/data/x"]}), true),
        (json!({"fs.read": ["/data/**"]}), false),
        (json!({"fs.read": ["/**"]}), false),
        (json!({"fs.read": ["/wsx"]}), false),
        (json!({"fs.write": ["/ws/a"]}), false),
        (json!({"tool.call": ["search.web"]}), true),
        (json!({"tool.call": ["search.*", "search.web"]}), true),
        (json!({"tool.call": ["*"]}), false),
        (json!({"tool.call": ["[!a]*"]}), false),
        (json!({"agent.delegate": ["echo"]}), true),
        (json!({"model.use": ["tier-fast/*"]}), true),
        (json!({"model.use": ["tier-fast/a"]}), true),
        (json!({"model.use": ["*"]}), false),
        (json!({"net.fetch": ["https://a/**"]}), false),
        (lease.clone(), true),
    ] {
        let mut w = World::new();
        let (a, job) = parent(&mut w, lease.clone());
        if within {
            w.delegate(&job, &json!({"agent": "echo", "lease_request": child})).unwrap();
            w.event(a, "delegate");
            w.expect(a, "job.accepted");
        } else {
            expect_delegation_refused(
                &mut w,
                a,
                &job,
                json!({"agent": "echo", "lease_request": child}),
                "LEASE_SUBSET_VIOLATION",
            );
        }
    }
}

#[test]
fn s9_4_model_use_that_the_parent_lacks_is_a_violation() {
    let mut w = World::with(|config| config.models_without_lease = true);
    let (a, job) = parent(&mut w, json!({"agent.delegate": ["*"]}));
    expect_delegation_refused(
        &mut w,
        a,
        &job,
        json!({"agent": "echo", "lease_request": {"model.use": ["x"]}}),
        "LEASE_SUBSET_VIOLATION",
    );
}

#[test]
fn s9_4_a_union_of_parent_patterns_may_cover() {
    let mut w = World::new();
    let (a, job) = parent(&mut w, json!({"agent.delegate": ["*"], "fs.read": ["/ws", "/ws/*", "/ws/*/**"]}));
    w.delegate(&job, &json!({"agent": "echo", "lease_request": {"fs.read": ["/ws/**"]}})).unwrap();
    w.event(a, "delegate");
}

#[test]
fn s9_4_expiry_is_the_earlier_one_and_may_not_be_later() {
    let mut w = World::new();
    let a = w.login("tok-alice");
    let job = w.submit(
        a,
        json!({"agent": "slow", "lease_request": {"agent.delegate": ["*"]}, "lease_constraints": {"expires_at": "2026-05-13T20:00:00Z"}}),
    );
    for (constraints, expected) in [
        (None, "2026-05-13T20:00:00"),
        (Some("2026-05-13T20:00:00Z"), "2026-05-13T20:00:00"),
        (Some("2026-05-13T19:45:00Z"), "2026-05-13T19:45:00"),
    ] {
        let mut body = json!({"agent": "echo"});
        if let Some(at) = constraints {
            body["lease_constraints"] = json!({"expires_at": at});
        }
        w.delegate(&job, &body).unwrap();
        w.event(a, "delegate");
        let accepted = w.expect(a, "job.accepted");
        let shown = accepted.payload()["lease_constraints"]["expires_at"].as_str().unwrap();
        assert!(shown.starts_with(expected), "{shown}");
        w.event(a, "status");
    }
    let later = json!({"agent": "echo", "lease_constraints": {"expires_at": "2026-05-13T20:00:01Z"}});
    expect_delegation_refused(&mut w, a, &job, later, "LEASE_SUBSET_VIOLATION");
    let past = json!({"agent": "echo", "lease_constraints": {"expires_at": "2026-05-13T19:00:00Z"}});
    expect_delegation_refused(&mut w, a, &job, past, "INVALID_REQUEST");
}

/// Each delegation breaks one rule and all later ones: the first check decides the answer.
#[test]
fn s10_the_order_of_checks() {
    let mut w = World::with(|config| config.limits.jobs_per_session = 1);
    let a = w.login("tok-alice");
    let job = w.submit(
        a,
        json!({"agent": "slow", "lease_request": {"agent.delegate": ["nobody", "echo"], "cost.budget": ["USD:1"]},
            "lease_constraints": {"expires_at": "2026-05-13T19:30:10Z"}}),
    );
    let wide = json!({"fs.read": ["/**"]});
    // The agent must be known before the subset is checked, and the subset before the limits.
    expect_delegation_refused(
        &mut w,
        a,
        &job,
        json!({"agent": "nobody", "lease_request": wide}),
        "AGENT_NOT_AVAILABLE",
    );
    expect_delegation_refused(
        &mut w,
        a,
        &job,
        json!({"agent": "echo", "lease_request": wide}),
        "LEASE_SUBSET_VIOLATION",
    );
    let limit = expect_delegation_refused(&mut w, a, &job, json!({"agent": "echo"}), "INTERNAL_ERROR");
    assert_eq!(limit.body()["error"]["details"]["limit"], "jobs_per_session");
    // The budget is checked before the agent.
    w.cost(&job, "1", "USD");
    w.drain(a);
    expect_delegation_refused(&mut w, a, &job, json!({"agent": "nobody", "lease_request": wide}), "BUDGET_EXHAUSTED");
    // The pattern is checked before the budget.
    expect_delegation_refused(&mut w, a, &job, json!({"agent": "slow", "lease_request": wide}), "PERMISSION_DENIED");
    // The expiry is checked before the pattern; the refusal's tool_result is the job's last event.
    w.advance(10_000_000);
    assert_eq!(w.delegate(&job, &json!({"agent": "slow", "delegate_id": "late"})), Err("LEASE_EXPIRED"));
    let frames = w.drain(a);
    assert!(
        frames.iter().any(|frame| frame.event() == "tool_result" && frame.body()["error"]["code"] == "LEASE_EXPIRED")
    );
}

#[test]
fn s10_unknown_versions() {
    let mut w = World::new();
    let (a, job) = parent(&mut w, json!({"agent.delegate": ["*"]}));
    expect_delegation_refused(&mut w, a, &job, json!({"agent": "ver@9"}), "AGENT_VERSION_NOT_AVAILABLE");
}

#[test]
fn s10_bad_shapes_are_invalid() {
    let mut w = World::new();
    let (_, job) = parent(&mut w, json!({"agent.delegate": ["*"]}));
    for body in [
        json!({"agent": "Bad Name"}),
        json!({"agent": "echo", "lease_request": {"fs.read": []}}),
        json!({"agent": "echo", "lease_request": 7}),
        json!({"agent": "echo", "lease_constraints": {"expires_at": "tomorrow"}}),
    ] {
        assert!(w.delegate(&job, &body).is_err(), "{body}");
    }
    w.log(&job, "the parent goes on");
}

#[test]
fn s10_a_delegate_id_is_unique_per_parent() {
    let mut w = World::new();
    let (a, job) = parent(&mut w, json!({"agent.delegate": ["*"]}));
    let child = w.delegate(&job, &json!({"agent": "echo", "delegate_id": "d"})).unwrap();
    w.drain(a);
    assert_eq!(w.delegate(&job, &json!({"agent": "echo", "delegate_id": "d"})), Err("INVALID_REQUEST"));
    w.drain(a);
    w.runtime.finish(w.now, child, nuncio_core::arcp::JobResult::Streamed { summary: None }).unwrap();
    w.advance(0);
    w.drain(a);
    assert_eq!(
        w.delegate(&job, &json!({"agent": "echo", "delegate_id": "d"})),
        Err("INVALID_REQUEST"),
        "also after it ended"
    );
    let (_, other) = parent(&mut w, json!({"agent.delegate": ["*"]}));
    w.delegate(&other, &json!({"agent": "echo", "delegate_id": "d"})).unwrap();
}

#[test]
fn s10_depth_is_limited() {
    let mut w = World::with(|config| config.limits.delegation_depth = 3);
    let (a, root) = parent(&mut w, json!({"agent.delegate": ["*"]}));
    let mut current = root;
    for _ in 0..3 {
        w.drain(a);
        w.delegate(&current, &json!({"agent": "slow", "lease_request": {"agent.delegate": ["*"]}})).unwrap();
        w.event(a, "delegate");
        let accepted = w.expect(a, "job.accepted");
        current = w.job_of(&accepted);
        w.event(a, "status");
    }
    let result = expect_delegation_refused(&mut w, a, &current, json!({"agent": "slow"}), "INTERNAL_ERROR");
    assert_eq!(result.body()["error"]["details"], json!({"limit": "delegation_depth", "max": 3}));
}

#[test]
fn s10_the_childs_accepted_is_held_while_a_submit_is_unanswered() {
    let mut w = World::new();
    let (a, job) = parent(&mut w, json!({"agent.delegate": ["*"]}));
    w.on_submit = OnSubmit::Hold;
    let submitted = w.submit_held(a, json!({"agent": "echo"}));
    let child = w.delegate(&job, &json!({"agent": "slow", "delegate_id": "d"})).unwrap();
    // If the host is asked about the child too, it accepts.
    while let Some(key) = w.try_host_event(|event| match event {
        Event::Submitted { job, .. } if *job == child => Some(*job),
        _ => None,
    }) {
        w.start(key);
    }
    let frames = w.drain(a);
    assert!(frames.iter().all(|frame| frame.kind() != "job.accepted"), "{frames:?}");
    w.start(submitted);
    let accepted: Vec<Frame> = w.drain(a).into_iter().filter(|frame| frame.kind() == "job.accepted").collect();
    assert_eq!(accepted.len(), 2);
    assert!(accepted[0].payload()["request_id"].is_string(), "the submit is answered first");
    assert_eq!(accepted[1].payload()["delegate_id"], "d");
}

#[test]
fn s10_a_declined_child_is_a_refused_delegation() {
    let mut w = World::new();
    let (a, job) = parent(&mut w, json!({"agent.delegate": ["*"]}));
    w.on_submit = OnSubmit::Decline(ErrorCode::PermissionDenied);
    let _ = w.delegate(&job, &json!({"agent": "slow", "delegate_id": "d"}));
    w.event(a, "delegate");
    let result = w.event(a, "tool_result");
    assert_eq!(
        (&result.body()["call_id"], &result.body()["error"]["code"]),
        (&json!("d"), &json!("PERMISSION_DENIED"))
    );
    w.expect_nothing(a);
    w.log(&job, "goes on");
}

#[test]
fn s10_a_watcher_of_the_parent_subscribes_for_itself() {
    let mut w = World::new();
    let (a, job) = parent(&mut w, json!({"agent.delegate": ["*"]}));
    let b = w.login("tok-alice");
    w.subscribe(b, json!({"job_id": job.id}));
    w.delegate(&job, &json!({"agent": "slow"})).unwrap();
    w.event(a, "delegate");
    let accepted = w.expect(a, "job.accepted");
    w.event(b, "delegate");
    w.expect_nothing(b);
    let subscribed = w.subscribe(b, json!({"job_id": accepted.job(), "history": true}));
    assert_eq!(subscribed.payload()["parent_job_id"], job.id.as_str());
    w.event(b, "status");
}

#[test]
fn s10_a_submit_with_a_parent() {
    let mut w = World::new();
    let (a, job) = parent(&mut w, json!({"agent.delegate": ["echo"], "fs.read": ["/ws/**"]}));
    let submit =
        json!({"agent": "echo", "parent_job_id": job.id, "delegate_id": "d", "lease_request": {"fs.read": ["/ws/a"]}});
    let child = w.submit(a, submit);
    assert_eq!(child.accepted.payload()["parent_job_id"], job.id.as_str());
    assert_eq!(child.accepted.payload()["delegate_id"], "d");
    assert_eq!(child.accepted["trace_id"], job.accepted["trace_id"]);
    w.submit_refused(a, json!({"agent": "slow", "parent_job_id": job.id, "delegate_id": "e"}), "PERMISSION_DENIED");
    w.submit_refused(
        a,
        json!({"agent": "echo", "parent_job_id": job.id, "delegate_id": "f", "lease_request": {"fs.write": ["/ws/a"]}}),
        "LEASE_SUBSET_VIOLATION",
    );
    w.submit_refused(a, json!({"agent": "echo", "parent_job_id": job.id, "delegate_id": "d"}), "INVALID_REQUEST");
    w.submit_refused(a, json!({"agent": "echo", "parent_job_id": "job_01M7XYPH85GSFKWQXBK44MZHS9"}), "JOB_NOT_FOUND");
    let b = w.login("tok-bob");
    w.submit_refused(b, json!({"agent": "echo", "parent_job_id": job.id, "delegate_id": "g"}), "JOB_NOT_FOUND");
    w.finish(&job, "1");
    w.drain(a);
    w.submit_refused(a, json!({"agent": "echo", "parent_job_id": job.id, "delegate_id": "h"}), "JOB_NOT_FOUND");
}

#[test]
fn s10_a_declined_submit_leaves_its_delegate_id_free() {
    let mut w = World::new();
    let a = w.login("tok-alice");
    let parent = w.submit(a, json!({"agent": "slow", "lease_request": {"agent.delegate": ["*"]}}));
    let child = json!({"agent": "echo", "parent_job_id": parent.id, "delegate_id": "d"});
    w.on_submit = OnSubmit::Decline(ErrorCode::PermissionDenied);
    w.submit_refused(a, child.clone(), "PERMISSION_DENIED");
    w.on_submit = OnSubmit::Start;
    w.submit(a, child.clone());
    w.submit_refused(a, child, "INVALID_REQUEST");
}

#[test]
fn s10_many_children_at_once_do_not_cost_a_slow_client_its_connection() {
    let mut w = World::new();
    let a = w.login("tok-alice");
    let parent = w.submit(a, json!({"agent": "slow", "lease_request": {"agent.delegate": ["*"]}}));
    w.hold_writes(a);
    for _ in 0..900 {
        w.delegate(&parent, &json!({"agent": "slow"})).unwrap();
    }
    assert_eq!(w.closed(a), None, "the client did nothing wrong");
    w.release_writes(a);
    let accepted = w.drain(a).iter().filter(|frame| frame.kind() == "job.accepted").count();
    assert_eq!(accepted, 900);
}

/// §9.3: an operation that the lease does not cover is refused before it has any effect.
#[test]
fn s9_3_a_refused_delegation_is_not_dispatched() {
    let mut w = World::new();
    let a = w.login("tok-alice");
    let lease = json!({"agent.delegate": ["slow"], "cost.budget": ["USD:1"], "fs.read": ["/a"]});
    let job = w.submit(a, json!({"agent": "slow", "lease_request": lease}));
    w.events.clear();
    for (body, code) in [
        (json!({"agent": "echo"}), "PERMISSION_DENIED"),
        (json!({"agent": "slow", "lease_request": {"fs.read": ["/b"]}}), "LEASE_SUBSET_VIOLATION"),
        (json!({"agent": "slow", "lease_request": {"cost.budget": ["USD:2"]}}), "LEASE_SUBSET_VIOLATION"),
    ] {
        expect_delegation_refused(&mut w, a, &job, body.clone(), code);
        let mut submit = body;
        submit["parent_job_id"] = json!(job.id);
        w.submit_refused(a, submit, code);
    }
    let asked = w.events.iter().find(|event| matches!(event, Event::Submitted { .. } | Event::Start { .. }));
    assert!(asked.is_none(), "{asked:?}");
    assert_eq!(w.list(a, json!({})).payload()["jobs"].as_array().map(Vec::len), Some(1));
}
