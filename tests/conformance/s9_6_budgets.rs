//! §9.6: budgets.

use nuncio_core::arcp::{Body, ConnId, Number, Refused};
use nuncio_tests::world::{Job, World, json_text};
use serde_json::{Value, json};

fn budgeted(w: &mut World, amounts: Value) -> (ConnId, Job) {
    let a = w.login("tok-alice");
    let job = w.submit(a, json!({"agent": "echo", "lease_request": {"tool.call": ["t"], "cost.budget": amounts}}));
    (a, job)
}

/// Reads the cost metric and the `cost.budget.remaining` that follows it; returns its value as written.
fn remaining(w: &mut World, conn: ConnId) -> String {
    let cost = w.event(conn, "metric");
    assert_eq!(cost.body()["name"], "cost.inference");
    let rest = w.event(conn, "metric");
    assert_eq!(rest.body()["name"], "cost.budget.remaining");
    assert_eq!(rest.body()["unit"], cost.body()["unit"]);
    rest.raw(&["payload", "body", "value"])
}

fn assert_value(text: &str, expected: f64) {
    assert_eq!(text.parse::<f64>().unwrap().to_bits(), expected.to_bits(), "{text} is not {expected}");
}

#[test]
fn s9_6_costs_decrement_and_the_rest_follows() {
    let mut w = World::new();
    let (a, job) = budgeted(&mut w, json!(["USD:5.00", "credits:10"]));
    w.cost(&job, "1.42", "USD");
    assert_value(&remaining(&mut w, a), 3.58);
    w.cost(&job, "4", "credits");
    assert_value(&remaining(&mut w, a), 6.0);
    w.cost(&job, "0.58", "USD");
    assert_value(&remaining(&mut w, a), 3.0);
}

#[test]
fn s9_6_decimals_are_exact() {
    let mut w = World::new();
    let (a, job) = budgeted(&mut w, json!(["USD:1.00"]));
    for n in 1..=10 {
        assert_eq!(w.authorize(&job, "tool.call", "t"), Ok(()));
        w.cost(&job, "0.1", "USD");
        assert_value(&remaining(&mut w, a), f64::from(10 - n) / 10.0);
    }
    assert_eq!(w.authorize(&job, "tool.call", "t"), Err("BUDGET_EXHAUSTED"), "ten times 0.1 is 1");
}

#[test]
fn s9_6_any_counter_at_or_below_zero_exhausts() {
    let mut w = World::new();
    let (a, job) = budgeted(&mut w, json!(["USD:1", "credits:5"]));
    w.cost(&job, "5", "credits");
    w.drain(a);
    assert_eq!(w.authorize(&job, "tool.call", "t"), Err("BUDGET_EXHAUSTED"));
}

#[test]
fn s9_6_the_exhausting_event_is_delivered_and_the_job_lives() {
    let mut w = World::new();
    let (a, job) = budgeted(&mut w, json!(["USD:1"]));
    w.cost(&job, "1.5", "USD");
    assert_value(&remaining(&mut w, a), -0.5);
    assert_eq!(w.authorize(&job, "tool.call", "t"), Err("BUDGET_EXHAUSTED"));
    w.log(&job, "still here");
    w.event(a, "log");
    w.cost(&job, "1", "USD");
    assert_value(&remaining(&mut w, a), -1.5);
    w.finish(&job, "1");
    w.expect(a, "job.result");
}

#[test]
fn s9_6_negative_costs_are_refused_without_a_decrement() {
    let mut w = World::new();
    let (a, job) = budgeted(&mut w, json!(["USD:1"]));
    assert!(Body::metric("cost.x", &Number::parse("-0.5").unwrap(), Some("USD"), None).is_err());
    assert!(Body::raw("metric", &json_text(r#"{"name":"cost.x","value":-0.5,"unit":"USD"}"#)).is_err());
    w.cost(&job, "0.25", "USD");
    assert_value(&remaining(&mut w, a), 0.75);
}

#[test]
fn s9_6_inexact_amounts_are_refused_without_a_decrement() {
    let mut w = World::new();
    let (a, job) = budgeted(&mut w, json!(["USD:1"]));
    for value in ["1e400", "1e60", "0.00000000000000000000000000000000000000000001"] {
        let body = Body::metric("cost.x", &Number::parse(value).unwrap(), Some("USD"), None);
        let refused = body.map_err(Refused::from).and_then(|body| w.try_emit(&job, &body));
        assert!(matches!(refused, Err(Refused::Invalid(_))), "{value}: {refused:?}");
        w.expect_nothing(a);
    }
    assert!(Number::try_from(f64::NAN).is_err() && Number::try_from(f64::INFINITY).is_err());
    w.cost(&job, "0.25", "USD");
    assert_value(&remaining(&mut w, a), 0.75);
}

#[test]
fn s9_6_other_metrics_and_currencies_do_not_count() {
    let mut w = World::new();
    let (a, job) = budgeted(&mut w, json!(["USD:1"]));
    for body in [
        json!({"name": "cost.x", "value": 5, "unit": "EUR"}),
        json!({"name": "cost.x", "value": 5, "unit": "usd"}),
        json!({"name": "cost.x", "value": 5}),
        json!({"name": "costs", "value": 5, "unit": "USD"}),
        json!({"name": "tokens", "value": 5, "unit": "USD"}),
    ] {
        w.raw(&job, "metric", &body);
        assert_eq!(*w.event(a, "metric").body(), body);
        w.expect_nothing(a);
    }
    assert_eq!(w.authorize(&job, "tool.call", "t"), Ok(()));
}

#[test]
fn s9_6_without_a_budget_nothing_is_counted() {
    let mut w = World::new();
    let a = w.login("tok-alice");
    let job = w.submit(a, json!({"agent": "echo", "lease_request": {"tool.call": ["t"]}}));
    w.cost(&job, "1000000", "USD");
    w.event(a, "metric");
    w.expect_nothing(a);
    assert_eq!(w.authorize(&job, "tool.call", "t"), Ok(()));
}

#[test]
fn s9_6_a_budget_of_zero_is_exhausted_from_the_start() {
    let mut w = World::new();
    let (_, job) = budgeted(&mut w, json!(["USD:0"]));
    assert_eq!(w.authorize(&job, "tool.call", "t"), Err("BUDGET_EXHAUSTED"));
}

#[test]
fn s9_6_the_remaining_counter_is_part_of_the_job_for_watchers() {
    let mut w = World::new();
    let (_, job) = budgeted(&mut w, json!(["USD:1"]));
    let b = w.login("tok-alice");
    w.subscribe(b, json!({"job_id": job.id}));
    w.cost(&job, "0.25", "USD");
    assert_value(&remaining(&mut w, b), 0.75);
}

#[test]
fn s9_6_a_blocked_cost_is_not_counted() {
    let mut w = World::with(|config| {
        config.limits.log_events = 8;
        config.limits.send_window = 1;
    });
    let (a, job) = budgeted(&mut w, json!(["USD:100"]));
    w.hold_writes(a);
    let cost = Body::metric("cost.inference", &Number::from(1_u32), Some("USD"), None).unwrap();
    let mut counted: u32 = 0;
    while w.try_emit(&job, &cost).is_ok() {
        counted += 1;
        assert!(counted < 10);
    }
    w.release_writes(a);
    w.drain(a);
    w.emit(&job, &cost);
    assert_value(&remaining(&mut w, a), f64::from(99 - counted));
}

#[test]
fn s9_6_every_kind_of_operation_is_checked_against_every_counter() {
    for exhausted in ["USD", "credits"] {
        let mut w = World::new();
        let a = w.login("tok-alice");
        let lease = json!({
            "fs.read": ["/**"], "fs.write": ["/**"], "net.fetch": ["https://e.test/**"], "tool.call": ["*"],
            "agent.delegate": ["*"], "x-vendor.acme.cap": ["*"], "cost.budget": ["USD:1", "credits:1"],
        });
        let job = w.submit(a, json!({"agent": "slow", "lease_request": lease}));
        w.drain(a);
        for (cost, answer) in [("0.75", Ok(())), ("0.25", Err("BUDGET_EXHAUSTED"))] {
            w.cost(&job, cost, exhausted);
            for (namespace, target) in [
                ("fs.read", "/a"),
                ("fs.write", "/a"),
                ("net.fetch", "https://e.test/a"),
                ("tool.call", "t"),
                ("agent.delegate", "echo"),
                ("x-vendor.acme.cap", "c"),
            ] {
                assert_eq!(w.authorize(&job, namespace, target), answer, "{namespace} after {cost} {exhausted}");
            }
        }
        assert_eq!(w.delegate(&job, &json!({"agent": "echo"})), Err("BUDGET_EXHAUSTED"));
        w.drain(a);
        w.submit_refused(a, json!({"agent": "echo", "parent_job_id": job.id}), "BUDGET_EXHAUSTED");
    }
}
