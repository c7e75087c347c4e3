use nuncio_tests::raw::{Wire, assert_gapless, job_id, text};
use serde_json::json;

use super::serve;

#[test]
fn every_job_accepted_names_its_submit() {
    let server = serve(&[]);
    let mut wire = Wire::connect(server.url(), "tok-alice");
    let family = json!({"agent": "delegate", "lease_request": {"agent.delegate": ["echo"]}});
    let mut asked = Vec::new();
    for i in 0..30 {
        let (payload, agent) =
            if i % 3 == 0 { (family.clone(), "delegate") } else { (json!({"agent": "echo", "input": i}), "echo") };
        asked.push((wire.request("job.submit", &payload), agent, i));
    }
    for (request, agent, i) in asked {
        let accepted = wire.answer(&request);
        assert_eq!(accepted["payload"]["agent"], agent);
        let end = wire.terminal(&job_id(&accepted));
        let result = if agent == "echo" { json!({"echoed": i}) } else { json!({"delegated": true}) };
        assert_eq!(end["payload"]["result"], result, "{end}");
    }
    let accepted = wire.seen.iter().filter(|f| f["type"] == "job.accepted");
    let (children, own): (Vec<_>, Vec<_>) = accepted.partition(|f| f["payload"]["parent_job_id"].is_string());
    assert_eq!((children.len(), own.len()), (10, 30));
    assert!(children.iter().all(|f| f["payload"]["request_id"].is_null()), "a child's acceptance answers no request");
    assert_gapless(&wire.seen);
}

#[test]
fn a_child_is_announced_between_its_delegate_event_and_its_own_first() {
    let server = serve(&[]);
    let mut wire = Wire::connect(server.url(), "tok-alice");
    let (parent, _) = wire.run(&json!({"agent": "delegate", "lease_request": {"agent.delegate": ["echo"]}}));
    let position = |what: &str, found: &dyn Fn(&serde_json::Value) -> bool| {
        wire.seen.iter().position(found).unwrap_or_else(|| panic!("{what}: {wire}"))
    };
    let child = position("the child's job.accepted", &|f| f["payload"]["parent_job_id"] == parent.as_str());
    let id = job_id(wire.seen.get(child).expect("the position is in the list"));
    let delegated = position("the delegate event", &|f| f["payload"]["kind"] == "delegate");
    let first = position("the child's first event", &|f| f["type"] == "job.event" && f["job_id"] == id.as_str());
    let ends = [id.as_str(), parent.as_str()]
        .map(|job| position("the end", &|f| f["job_id"] == job && f["payload"]["final_status"].is_string()));
    assert!(delegated < child && child < first && first < ends[0] && ends[0] < ends[1], "{wire}");
}

#[test]
fn a_refused_request_affects_no_other_job() {
    let server = serve(&[]);
    let mut wire = Wire::connect(server.url(), "tok-alice");
    let jobs: Vec<_> = (0..10)
        .map(|_| job_id(&wire.submit(&json!({"agent": "slow", "input": {"ticks": 30, "tick_ms": 20}}))))
        .collect();
    assert_eq!(wire.refused("job.submit", &json!({"agent": "nobody"})), "AGENT_NOT_AVAILABLE");
    for job in &jobs {
        assert_eq!(wire.terminal(job)["payload"]["result"], json!({"ticks": 30}));
    }
    assert_gapless(&wire.seen);
}

#[test]
fn a_broken_stream_ends_its_job_once() {
    let server = serve(&[]);
    let mut wire = Wire::connect(server.url(), "tok-alice");
    let chunk =
        |seq: u32| json!({"result_id": "res_a", "chunk_seq": seq, "data": "x", "encoding": "utf8", "more": true});
    let (job, end) =
        wire.run(&json!({"agent": "rawchunks", "input": {"bodies": [chunk(0), chunk(5), chunk(1)], "inline": 7}}));
    assert_eq!((text(&end, "/type"), text(&end, "/payload/code")), ("job.error".into(), "INVALID_REQUEST".into()));
    // The agent also returned a result, but nothing that it does after the end of its job is sent.
    wire.run(&json!({"agent": "echo"}));
    wire.list();
    assert_eq!(wire.terminals(&job).len(), 1);
    assert_eq!(wire.seen.iter().rfind(|f| f["job_id"] == job.as_str()), Some(&end));
}

#[test]
fn a_cancelled_job_does_not_succeed() {
    let server = serve(&[]);
    let mut wire = Wire::connect(server.url(), "tok-alice");
    let job = job_id(&wire.submit(&json!({"agent": "stubborn", "input": {"ms": 300}})));
    let cancel = wire.request("job.cancel", &json!({"job_id": job}));
    assert_eq!(wire.answer(&cancel)["type"], "job.cancelled");
    let end = wire.terminal(&job);
    let got = (text(&end, "/type"), text(&end, "/payload/final_status"), text(&end, "/payload/code"));
    assert_eq!(got, ("job.error".into(), "cancelled".into(), "CANCELLED".into()));
    wire.list();
    assert_eq!(wire.terminals(&job).len(), 1);
}

#[test]
fn a_job_that_waits_for_a_slot_can_be_cancelled() {
    let server = serve(&["--max-concurrent-jobs", "1"]);
    let mut wire = Wire::connect(server.url(), "tok-alice");
    let running = job_id(&wire.submit(&json!({"agent": "slow", "input": {"ticks": 2000}})));
    let waiting = job_id(&wire.submit(&json!({"agent": "slow"})));
    wire.request("job.cancel", &json!({"job_id": waiting}));
    let end = wire.terminal(&waiting);
    assert_eq!(end["payload"]["final_status"], "cancelled");
    assert!(wire.terminals(&running).is_empty(), "the cancelled job did not wait for the running one");
    wire.request("job.cancel", &json!({"job_id": running}));
    assert_eq!(wire.terminal(&running)["payload"]["final_status"], "cancelled");
    let (_, end) = wire.run(&json!({"agent": "slow", "input": {"ticks": 1}}));
    assert_eq!(end["payload"]["result"], json!({"ticks": 1}), "the slot is free again");
}

#[test]
fn racing_duplicates_run_once() {
    let server = serve(&[]);
    let mut wires: Vec<_> = (0..8).map(|_| Wire::connect(server.url(), "tok-alice")).collect();
    let ask = json!({"agent": "slow", "input": {"ticks": 5, "tick_ms": 20}, "idempotency_key": "the-same"});
    let requests: Vec<_> = wires.iter_mut().map(|wire| wire.request("job.submit", &ask)).collect();
    let mut jobs = Vec::new();
    for (wire, request) in wires.iter_mut().zip(&requests) {
        let accepted = wire.answer(request);
        assert_eq!(accepted["session_id"], wire.session_id.as_str(), "each submit is answered in its own session");
        let job = job_id(&accepted);
        assert_eq!(wire.terminal(&job)["payload"]["result"], json!({"ticks": 5}), "each session receives the end");
        jobs.push(job);
    }
    jobs.dedup();
    assert_eq!(jobs.len(), 1, "one job: {jobs:?}");
    assert_eq!(wires.first_mut().map(|w| w.list().len()), Some(1));
}

#[test]
fn a_far_deadline_does_not_wrap_around() {
    let server = serve(&[]);
    let mut wire = Wire::connect(server.url(), "tok-alice");
    for limit in [json!({"max_runtime_sec": 2_147_484}), json!({"max_runtime_sec": u32::MAX})] {
        let mut ask = json!({"agent": "slow", "input": {"ticks": 3, "tick_ms": 20}, "lease_constraints": {"expires_at": "2999-12-31T23:59:59Z"}});
        ask["max_runtime_sec"] = limit["max_runtime_sec"].clone();
        let (_, end) = wire.run(&ask);
        assert_eq!(end["payload"]["result"], json!({"ticks": 3}), "{limit}");
    }
}

#[test]
fn a_panic_ends_its_job_and_nothing_else() {
    let server = serve(&[]);
    let mut wire = Wire::connect(server.url(), "tok-alice");
    let beside = job_id(&wire.submit(&json!({"agent": "slow", "input": {"ticks": 20, "tick_ms": 20}})));
    let (job, end) = wire.run(&json!({"agent": "fail", "input": {"throw": "raw"}}));
    let got = (text(&end, "/type"), text(&end, "/payload/final_status"), text(&end, "/payload/code"));
    assert_eq!(got, ("job.error".into(), "error".into(), "INTERNAL_ERROR".into()));
    assert_eq!(end["payload"]["retryable"], true);
    assert!(!wire.seen.iter().filter(|f| f["job_id"] == job.as_str()).any(|f| f.to_string().contains("boom")));
    assert_eq!(wire.terminal(&beside)["payload"]["result"], json!({"ticks": 20}));
}

#[test]
fn budgets_and_timeouts_take_the_form_the_client_reads() {
    let server = serve(&[]);
    let mut wire = Wire::connect(server.url(), "tok-alice");
    let accepted = wire.submit(&json!({"agent": "slow", "input": {"ticks": 2000}, "max_runtime_sec": 1, "lease_request": {"cost.budget": ["USD:1.50"]}}));
    assert_eq!(accepted["payload"]["budget"]["USD"].as_f64(), Some(1.5));
    let end = wire.terminal(&job_id(&accepted));
    let got = (text(&end, "/type"), text(&end, "/payload/final_status"), text(&end, "/payload/code"));
    assert_eq!(got, ("job.error".into(), "timed_out".into(), "TIMEOUT".into()));
    let mut python = Wire::open(server.url());
    let mut hello = nuncio_tests::raw::hello("tok-alice", &nuncio_tests::raw::FEATURES, &serde_json::Value::Null);
    hello["payload"]["capabilities"]["agents"] = json!([]);
    python.send(&hello);
    python.welcomed();
    let accepted = python.submit(&json!({"agent": "echo", "lease_request": {"cost.budget": ["USD:1.50"]}}));
    let budget = text(&accepted, "/payload/budget/USD");
    assert!(budget.starts_with("USD:1.5"), "the form of the Python client: {accepted}");
    let mut asked = Wire::connect(&format!("{}?dialect=python-1.1", server.url()), "tok-alice");
    let accepted = asked.submit(&json!({"agent": "echo", "lease_request": {"cost.budget": ["USD:1.50"]}}));
    assert_eq!(text(&accepted, "/payload/budget/USD"), budget, "the URL asks for the form");
}

#[test]
fn the_server_ends_cleanly_when_interrupted() {
    let server = serve(&[]);
    let mut wire = Wire::connect(server.url(), "tok-alice");
    wire.submit(&json!({"agent": "slow", "input": {"ticks": 2000}}));
    assert_eq!(server.interrupt().code(), Some(0));
    wire.ending();
}
