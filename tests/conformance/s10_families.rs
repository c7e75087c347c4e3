//! §10, §9.6: families: in which order parents and children end, and whose budget pays.

use nuncio_core::arcp::{ConnId, Event, FinalStatus};
use nuncio_tests::world::{Frame, Job, SECOND, World};
use serde_json::{Value, json};

fn parent(w: &mut World, amounts: &Value) -> (ConnId, Job) {
    let a = w.login("tok-alice");
    let lease = json!({"agent.delegate": ["*"], "tool.call": ["t"]});
    (a, submit(w, a, lease, amounts))
}

fn submit(w: &mut World, a: ConnId, mut lease: Value, amounts: &Value) -> Job {
    if !amounts.is_null() {
        lease["cost.budget"] = amounts.clone();
    }
    w.submit(a, json!({"agent": "slow", "lease_request": lease}))
}

/// Delegates with these amounts; returns the child and all frames that were sent.
fn child(w: &mut World, conn: ConnId, job: &Job, amounts: &Value) -> (Job, Vec<Frame>) {
    let mut lease = json!({"agent.delegate": ["*"], "tool.call": ["t"]});
    if !amounts.is_null() {
        lease["cost.budget"] = amounts.clone();
    }
    w.delegate(job, &json!({"agent": "slow", "lease_request": lease})).unwrap();
    let frames = w.drain(conn);
    let accepted = frames.iter().find(|frame| frame.kind() == "job.accepted").unwrap().clone();
    (w.job_of(&accepted), frames)
}

/// The remaining counters reported under a job: (currency, value).
fn counters(frames: &[Frame], job: &Job) -> Vec<(String, f64)> {
    let counted =
        frames.iter().filter(|frame| frame.job() == job.id && frame.body()["name"] == "cost.budget.remaining");
    counted
        .map(|frame| (frame.body()["unit"].as_str().unwrap().to_owned(), frame.body()["value"].as_f64().unwrap()))
        .collect()
}

fn usd(value: f64) -> Vec<(String, f64)> {
    vec![("USD".to_owned(), value)]
}

fn remaining(w: &mut World, job: &Job) -> f64 {
    let b = w.login("tok-alice");
    let subscribed = w.subscribe(b, json!({"job_id": job.id}));
    w.cut(b);
    subscribed.payload()["budget"]["USD"].as_f64().unwrap()
}

#[test]
fn s9_6_a_childs_amounts_are_set_aside_and_what_is_left_returns() {
    let mut w = World::new();
    let (a, job) = parent(&mut w, &json!(["USD:5"]));
    let (kid, frames) = child(&mut w, a, &job, &json!(["USD:2"]));
    assert_eq!(kid.accepted.payload()["budget"]["USD"].as_f64(), Some(2.0));
    assert_eq!(counters(&frames, &job), usd(3.0), "reported on the parent after the set-aside");
    assert!((remaining(&mut w, &job) - 3.0).abs() < 1e-9);
    w.cost(&kid, "0.5", "USD");
    assert_eq!(counters(&w.drain(a), &kid), usd(1.5));
    w.finish(&kid, "1");
    let frames = w.drain(a);
    assert_eq!(counters(&frames, &job), usd(4.5), "what is left returns");
    let terminal = frames.iter().position(|frame| frame.kind() == "job.result").unwrap();
    let counted = frames.iter().position(|frame| frame.job() == job.id).unwrap();
    assert!(terminal < counted, "the rest returns after the child's last event");
    w.cost(&job, "1", "USD");
    assert_eq!(counters(&w.drain(a), &job), usd(3.5));
}

#[test]
fn s9_6_a_negative_rest_returns_too() {
    let mut w = World::new();
    let (a, job) = parent(&mut w, &json!(["USD:5"]));
    let (kid, _) = child(&mut w, a, &job, &json!(["USD:2"]));
    w.cost(&kid, "3", "USD");
    w.drain(a);
    w.finish(&kid, "1");
    assert_eq!(counters(&w.drain(a), &job), usd(2.0));
}

#[test]
fn s9_6_every_currency_is_reported() {
    let mut w = World::new();
    let (a, job) = parent(&mut w, &json!(["USD:5", "credits:10"]));
    let (kid, frames) = child(&mut w, a, &job, &json!(["USD:2", "credits:1"]));
    let expected = |usd: f64, credits: f64| vec![("USD".to_owned(), usd), ("credits".to_owned(), credits)];
    let mut counted = counters(&frames, &job);
    counted.sort_by(|one, two| one.0.cmp(&two.0));
    assert_eq!(counted, expected(3.0, 9.0), "one event per currency");
    w.finish(&kid, "1");
    let mut counted = counters(&w.drain(a), &job);
    counted.sort_by(|one, two| one.0.cmp(&two.0));
    assert_eq!(counted, expected(5.0, 10.0));
}

#[test]
fn s9_6_more_than_remains_is_a_violation() {
    let mut w = World::new();
    let (a, job) = parent(&mut w, &json!(["USD:5"]));
    w.cost(&job, "3", "USD");
    child(&mut w, a, &job, &json!(["USD:1.5"]));
    for amounts in [json!(["USD:0.51"]), json!(["USD:2"]), json!(["EUR:0.1"]), json!(["USD:0.1", "EUR:0.1"])] {
        let body = json!({"agent": "slow", "lease_request": {"cost.budget": amounts}});
        assert_eq!(w.delegate(&job, &body), Err("LEASE_SUBSET_VIOLATION"), "{amounts}");
    }
    child(&mut w, a, &job, &json!(["USD:0.5"]));
    let (_, poor) = parent(&mut w, &json!(null));
    let body = json!({"agent": "slow", "lease_request": {"cost.budget": ["USD:1"]}});
    assert_eq!(w.delegate(&poor, &body), Err("LEASE_SUBSET_VIOLATION"), "the parent has no cost.budget");
}

#[test]
fn s9_6_a_child_without_amounts_draws_on_its_parent() {
    let mut w = World::new();
    let (a, job) = parent(&mut w, &json!(["USD:5"]));
    w.cost(&job, "1", "USD");
    let (kid, _) = child(&mut w, a, &job, &json!(null));
    assert!(kid.accepted.payload()["lease"].get("cost.budget").is_none(), "its lease shows none");
    assert_eq!(kid.accepted.payload()["budget"]["USD"].as_f64(), Some(4.0), "the parent's remaining amount");
    w.cost(&kid, "1.5", "USD");
    w.drain(a);
    assert!((remaining(&mut w, &job) - 2.5).abs() < 1e-9);
    w.cost(&job, "2.5", "USD");
    assert_eq!(w.authorize(&kid, "tool.call", "t"), Err("BUDGET_EXHAUSTED"), "the family is exhausted");
    assert_eq!(w.authorize(&job, "tool.call", "t"), Err("BUDGET_EXHAUSTED"));
}

#[test]
fn s9_6_a_grandchild_draws_on_the_nearest_budget() {
    let mut w = World::new();
    let (a, job) = parent(&mut w, &json!(["USD:5"]));
    let (kid, _) = child(&mut w, a, &job, &json!(["USD:2"]));
    let (grandkid, _) = child(&mut w, a, &kid, &json!(null));
    w.cost(&grandkid, "2", "USD");
    w.drain(a);
    assert_eq!(w.authorize(&kid, "tool.call", "t"), Err("BUDGET_EXHAUSTED"));
    assert_eq!(w.authorize(&job, "tool.call", "t"), Ok(()));
    assert!((remaining(&mut w, &job) - 3.0).abs() < 1e-9);
}

#[test]
fn s10_a_parents_end_ends_its_children_deepest_first() {
    let mut w = World::new();
    let (a, job) = parent(&mut w, &json!(["USD:5"]));
    let (kid, _) = child(&mut w, a, &job, &json!(["USD:2"]));
    let (grandkid, _) = child(&mut w, a, &kid, &json!(["USD:1"]));
    let (done, _) = child(&mut w, a, &job, &json!(null));
    w.finish(&done, "1");
    w.drain(a);
    w.finish(&job, r#""done""#);
    let frames = w.drain(a);
    let terminals: Vec<&Frame> = frames.iter().filter(|frame| frame.kind() != "job.event").collect();
    let order: Vec<&str> = terminals.iter().map(|frame| frame.job()).collect();
    assert_eq!(order, [grandkid.id.as_str(), &kid.id, &job.id]);
    for terminal in &terminals[..2] {
        assert_eq!(
            (&terminal.payload()["code"], &terminal.payload()["final_status"]),
            (&json!("CANCELLED"), &json!("cancelled"))
        );
    }
    assert_eq!(terminals[2].kind(), "job.result");
    assert_eq!(counters(&frames, &job).last(), usd(5.0).last(), "the budget is returned before the parent's terminal");
    let mut ended = Vec::new();
    while let Some(end) = w.try_host_event(|event| match event {
        Event::Ended { job, status, .. } => Some((*job, *status)),
        _ => None,
    }) {
        ended.push(end);
    }
    assert_eq!(
        ended,
        [
            (done.key, FinalStatus::Success),
            (grandkid.key, FinalStatus::Cancelled),
            (kid.key, FinalStatus::Cancelled),
            (job.key, FinalStatus::Success)
        ]
    );
}

#[test]
fn s10_children_end_before_their_parent_however_it_ends() {
    for how in ["fail", "cancel", "timeout"] {
        let mut w = World::new();
        let a = w.login("tok-alice");
        let job = w.submit(a, json!({"agent": "slow", "lease_request": {"agent.delegate": ["*"], "tool.call": ["t"]}, "max_runtime_sec": 5}));
        let (kid, _) = child(&mut w, a, &job, &json!(null));
        match how {
            "fail" => w.fail(&job, "INTERNAL_ERROR", "x").unwrap(),
            "cancel" => {
                w.send(a, "job.cancel", json!({"job_id": job.id}));
                w.expect(a, "job.cancelled");
                w.finish(&job, "1");
            }
            _ => w.advance(5 * SECOND),
        }
        let terminals: Vec<Frame> = w.drain(a).into_iter().filter(|frame| frame.kind() == "job.error").collect();
        assert_eq!(terminals[0].job(), kid.id, "{how}");
        assert_eq!(terminals[0].payload()["final_status"], "cancelled", "{how}");
        assert_eq!(terminals[1].job(), job.id, "{how}");
    }
}

#[test]
fn s10_cancelling_a_parent_cancels_its_children_at_once() {
    let mut w = World::new();
    let (a, job) = parent(&mut w, &json!(null));
    let (kid, _) = child(&mut w, a, &job, &json!(null));
    let (grandkid, _) = child(&mut w, a, &kid, &json!(null));
    w.send(a, "job.cancel", json!({"job_id": job.id, "reason": "user"}));
    for key in [job.key, kid.key, grandkid.key] {
        w.host_event("Cancel", |event| matches!(event, Event::Cancel { job, .. } if *job == key).then_some(()));
    }
    let frames = w.drain(a);
    assert_eq!(
        frames.iter().filter(|frame| frame.kind() == "job.cancelled").count(),
        1,
        "only the requested cancel is answered"
    );
    w.finish(&kid, "1");
    let terminals: Vec<Frame> = w.drain(a).into_iter().filter(|frame| frame.kind() == "job.error").collect();
    assert_eq!(terminals.last().unwrap().job(), kid.id);
    w.advance(31 * SECOND);
    let terminals = w.drain(a).into_iter().filter(|frame| frame.kind() == "job.error").count();
    assert!(terminals >= 1);
}

#[test]
fn s10_the_owner_may_cancel_a_child_alone() {
    let mut w = World::new();
    let (a, job) = parent(&mut w, &json!(null));
    let (kid, _) = child(&mut w, a, &job, &json!(null));
    w.send(a, "job.cancel", json!({"job_id": kid.id}));
    w.expect(a, "job.cancelled");
    w.finish(&kid, "1");
    assert_eq!(w.expect(a, "job.error").job(), kid.id);
    w.log(&job, "the parent goes on");
    w.event(a, "log");
    assert!(
        w.try_host_event(|event| matches!(event, Event::Cancel { job: key, .. } if *key == job.key).then_some(()))
            .is_none()
    );
}

#[test]
fn s10_a_child_that_waits_for_a_slot_ends_with_its_parent() {
    let mut w = World::new();
    let (a, job) = parent(&mut w, &json!(["USD:5"]));
    w.job(a, "narrow");
    w.delegate(&job, &json!({"agent": "narrow", "lease_request": {"cost.budget": ["USD:2"]}})).unwrap();
    let frames = w.drain(a);
    let accepted = frames.iter().find(|frame| frame.kind() == "job.accepted").unwrap().clone();
    w.finish(&job, "1");
    let terminals: Vec<Frame> = w.drain(a).into_iter().filter(|frame| frame.kind() != "job.event").collect();
    assert_eq!((terminals[0].job(), terminals[1].job()), (accepted.job(), job.id.as_str()));
}

/// Otherwise a child that names only one currency could spend the others without limit, which its parent may not
/// (§9.4).
#[test]
fn s9_4_a_currency_the_child_does_not_name_is_drawn_from_the_parent() {
    let mut w = World::new();
    let (a, job) = parent(&mut w, &json!(["USD:5", "credits:10"]));
    let (kid, _) = child(&mut w, a, &job, &json!(["USD:2"]));
    let (grandkid, _) = child(&mut w, a, &kid, &json!(["USD:1"]));
    w.cost(&kid, "4", "credits");
    assert_eq!(counters(&w.drain(a), &kid), [("credits".to_owned(), 6.0)], "what remains of the parent's amount");
    w.cost(&grandkid, "6", "credits");
    assert_eq!(counters(&w.drain(a), &grandkid), [("credits".to_owned(), 0.0)]);
    for spender in [&grandkid, &kid, &job] {
        assert_eq!(w.authorize(spender, "tool.call", "t"), Err("BUDGET_EXHAUSTED"), "{}", spender.id);
    }
    w.finish(&kid, "1");
    let counted = counters(&w.drain(a), &job);
    assert!(counted.ends_with(&[("USD".to_owned(), 5.0), ("credits".to_owned(), 0.0)]), "{counted:?}");
}

#[test]
fn s9_6_a_parents_own_counter_does_not_exhaust_a_child_with_amounts() {
    let mut w = World::new();
    let (a, job) = parent(&mut w, &json!(["USD:5"]));
    let (kid, _) = child(&mut w, a, &job, &json!(["USD:2"]));
    w.cost(&job, "3", "USD");
    assert_eq!(w.authorize(&job, "tool.call", "t"), Err("BUDGET_EXHAUSTED"));
    assert_eq!(w.authorize(&kid, "tool.call", "t"), Ok(()), "its own amounts were set aside");
}
