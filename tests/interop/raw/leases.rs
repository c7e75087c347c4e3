use nuncio_tests::raw::{Wire, job_id, text};
use serde_json::{Value, json};

use super::serve;

fn cost(value: f64) -> Value {
    json!({"metric": {"name": "cost.inference", "value": value, "unit": "USD"}})
}

/// Runs `ops` under a lease and returns the answer to each operation and the budget that is left.
fn ops(wire: &mut Wire, lease: &Value, ops: &Value) -> (Vec<Value>, Value) {
    let (_, end) = wire.run(&json!({"agent": "ops", "input": {"ops": ops}, "lease_request": lease}));
    let result = &end["payload"]["result"];
    (result["out"].as_array().cloned().unwrap_or_else(|| panic!("{end}")), result["budget"].clone())
}

/// Delegates under a lease and returns the code of the refusal, if there was one.
fn delegate(wire: &mut Wire, lease: &Value, body: &Value) -> Option<String> {
    let (job, end) = wire.run(&json!({"agent": "delegate", "input": body, "lease_request": lease}));
    let refused =
        wire.events(&job).into_iter().find(|(kind, body)| kind == "tool_result" && body["call_id"] == "del_1");
    let code = refused.map(|(_, body)| text(&body, "/error/code"));
    assert_eq!(end["payload"]["result"], json!({"delegated": code.is_none()}), "{end}");
    code
}

#[test]
fn a_path_does_not_climb_out_of_its_lease() {
    let server = serve(&[]);
    let mut wire = Wire::connect(server.url(), "tok-alice");
    let targets = ["/ws/../etc/passwd", "/ws/a/../../etc/passwd", "/ws/..", "/../ws/a", "/ws/\u{0}", "ws/a"];
    let asked: Vec<_> = targets.map(|target| json!({"cap": "fs.read", "target": target})).into();
    let (out, _) = ops(&mut wire, &json!({"fs.read": ["/ws/**"]}), &json!(asked));
    for (answer, target) in out.iter().zip(targets) {
        assert_eq!(answer["code"], "PERMISSION_DENIED", "{target}");
    }
}

#[test]
fn a_lease_in_the_form_of_the_specification_is_enforced() {
    let server = serve(&[]);
    let mut wire = Wire::connect(server.url(), "tok-alice");
    let lease = json!({"fs.read": ["/ws/*"], "net.fetch": ["https://a.example/*"], "tool.call": ["t.*"]});
    let (job, end) = wire.run(&json!({"agent": "ops", "lease_request": lease, "input": {"ops": [
        {"cap": "fs.read", "target": "/ws/a"}, {"cap": "fs.read", "target": "/etc/a"}, {"cap": "fs.write", "target": "/ws/a"},
        {"cap": "net.fetch", "target": "https://a.example/x"}, {"cap": "net.fetch", "target": "https://b.example/x"},
        {"cap": "tool.call", "target": "t.x"}, {"cap": "tool.call", "target": "u.x"},
    ]}}));
    let out = end["payload"]["result"]["out"].as_array().expect("the agent answers each operation");
    let allowed: Vec<_> = out.iter().map(|o| o["ok"] == true).collect();
    assert_eq!(allowed, [true, false, false, true, false, true, false]);
    let calls = wire.events(&job).iter().filter(|(kind, _)| kind == "tool_call").count();
    assert_eq!(calls, 3, "a refused operation is not announced as a call");
}

#[test]
fn a_child_gets_no_more_than_its_parent_has() {
    let server = serve(&[]);
    let mut wire = Wire::connect(server.url(), "tok-alice");
    for (namespace, parent, child) in [
        ("fs.read", "/data/*", "/data/**"),
        ("tool.call", "[!a]*", "*"),
        ("tool.call", "?", "*"),
        ("fs.read", "/data/**", "/**"),
        ("net.fetch", "https://a.example/*", "https://a.example/**"),
    ] {
        let lease = json!({"agent.delegate": ["echo"], namespace: [parent]});
        let refused = delegate(&mut wire, &lease, &json!({"lease_request": {namespace: [child]}}));
        assert_eq!(refused.as_deref(), Some("LEASE_SUBSET_VIOLATION"), "{child} allows more than {parent}");
        let equal = delegate(&mut wire, &lease, &json!({"lease_request": {namespace: [parent]}}));
        assert_eq!(equal, None, "{parent} allows no more than itself");
    }
}

#[test]
fn budgets_are_exact() {
    let server = serve(&[]);
    let mut wire = Wire::connect(server.url(), "tok-alice");
    let lease = json!({"cost.budget": ["USD:0.3"], "tool.call": ["*"]});
    let call = json!({"cap": "tool.call", "target": "a"});
    let (out, left) = ops(&mut wire, &lease, &json!([cost(0.1), cost(0.1), call, cost(0.1), call]));
    assert_eq!(out.get(2).map(|o| o["ok"].clone()), Some(json!(true)));
    assert_eq!(out.get(4).map(|o| text(o, "/code")).as_deref(), Some("BUDGET_EXHAUSTED"));
    assert_eq!(left["USD"].as_f64(), Some(0.0));
}

#[test]
fn an_overspending_charge_is_delivered_and_counted() {
    let server = serve(&[]);
    let mut wire = Wire::connect(server.url(), "tok-alice");
    let lease = json!({"cost.budget": ["USD:1"], "tool.call": ["*"]});
    let call = json!({"cap": "tool.call", "target": "a"});
    let (job, end) = wire.run(&json!({"agent": "ops", "lease_request": lease, "input": {"ops": [cost(5.0), call]}}));
    let names: Vec<_> =
        wire.events(&job).iter().map(|(_, body)| (text(body, "/name"), body["value"].as_f64())).collect();
    assert!(names.contains(&("cost.inference".into(), Some(5.0))), "{names:?}");
    assert!(names.contains(&("cost.budget.remaining".into(), Some(-4.0))), "{names:?}");
    assert_eq!(end["payload"]["result"]["out"][1]["code"], "BUDGET_EXHAUSTED");
    assert_eq!(end["payload"]["final_status"], "success", "the job is not killed");
}

#[test]
fn the_remaining_budget_metric_is_not_a_charge() {
    let server = serve(&[]);
    let mut wire = Wire::connect(server.url(), "tok-alice");
    let forged = json!({"metric": {"name": "cost.budget.remaining", "value": 0.5, "unit": "USD"}});
    let (out, left) = ops(&mut wire, &json!({"cost.budget": ["USD:1"]}), &json!([cost(0.25), forged, cost(0.25)]));
    assert_eq!(left["USD"].as_f64(), Some(0.5), "only the two charges were counted");
    assert_eq!(out.get(1).map(|o| o["ok"].clone()), Some(json!(false)), "an agent may not send that metric itself");
}

#[test]
fn a_family_spends_no_more_than_its_grant() {
    let server = serve(&[]);
    let mut wire = Wire::connect(server.url(), "tok-alice");
    let lease = json!({"agent.delegate": ["ops"], "tool.call": ["*"], "cost.budget": ["USD:1"]});
    let call = json!({"cap": "tool.call", "target": "a"});
    // A child with its own share gets no more than what is left.
    let spent =
        json!({"agent": "ops", "metrics": [cost(0.5)["metric"]], "lease_request": {"cost.budget": ["USD:0.6"]}});
    assert_eq!(delegate(&mut wire, &lease, &spent).as_deref(), Some("LEASE_SUBSET_VIOLATION"));
    // A child without one draws on its parent's budget.
    let body = json!({"agent": "ops", "wait_ms": 5000, "input": {"ops": [call, cost(1.0), call]}, "lease_request": {"tool.call": ["*"]}});
    assert_eq!(delegate(&mut wire, &lease, &body), None);
    let child =
        wire.until("the child's result", |f| f["type"] == "job.result" && f["payload"]["result"]["out"].is_array());
    let out = &child["payload"]["result"]["out"];
    assert_eq!((&out[0]["ok"], &out[2]["code"]), (&json!(true), &json!("BUDGET_EXHAUSTED")));
}

#[test]
fn a_rotated_secret_stays_with_its_owner() {
    let server = serve(&["--creds", "--open-policy"]);
    let mut owner = Wire::connect(server.url(), "tok-alice");
    let mut live = Wire::connect(server.url(), "tok-bob");
    let ask = json!({"agent": "rotate", "input": {"wait_ms": 1500}, "lease_request": {"model.use": ["*"]}});
    let job = job_id(&owner.submit(&ask));
    let watch = live.request("job.subscribe", &json!({"job_id": job, "history": true}));
    let subscribed = live.answer(&watch);
    assert!(subscribed["payload"]["credentials"].is_null(), "{subscribed}");
    owner.terminal(&job);
    live.terminal(&job);
    let mut late = Wire::connect(server.url(), "tok-bob");
    late.request("job.subscribe", &json!({"job_id": job, "history": true}));
    late.terminal(&job);
    for wire in [&mut live, &mut late] {
        wire.list();
        let rotated = wire.events(&job).into_iter().filter(|(_, body)| body["phase"] == "credential_rotated");
        assert_eq!(rotated.count(), 1, "{wire}");
        let seen = Value::from(wire.seen.clone()).to_string();
        assert!(!seen.contains("rotated-secret") && !seen.contains("sk-virt"), "{wire}");
    }
    let seen = Value::from(owner.seen.clone()).to_string();
    assert_eq!(seen.matches("rotated-secret").count(), 1, "the owner receives the new value once");
}
