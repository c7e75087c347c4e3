//! §9.6 (ours): amounts that are reserved for operations whose cost is not known yet.

use std::collections::BTreeMap;

use nuncio_core::arcp::{Body, ConnId, Refused, ReservationId};
use nuncio_tests::world::{Job, SECOND, World};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use serde_json::{Value, json};

use crate::durability_jobs::{rerunning, same};

fn root(w: &mut World, amounts: Value) -> (ConnId, Job) {
    let a = w.login("tok-alice");
    let lease = json!({"agent.delegate": ["*"], "tool.call": ["t"], "cost.budget": amounts});
    let job = w.submit(a, json!({"agent": "slow", "lease_request": lease}));
    (a, job)
}

/// Delegates a child that may call the tool `t`, with these amounts or with none of its own.
fn child(w: &mut World, conn: ConnId, parent: &Job, amounts: Option<&str>) -> Option<Job> {
    let mut lease = json!({"agent.delegate": ["*"], "tool.call": ["t"]});
    if let Some(amounts) = amounts {
        lease["cost.budget"] = json!([amounts]);
    }
    let delegated = w.delegate(parent, &json!({"agent": "slow", "lease_request": lease}));
    let frames = w.drain(conn);
    delegated.ok()?;
    let accepted = frames.iter().find(|frame| frame.kind() == "job.accepted").expect("the child is accepted");
    Some(w.job_of(accepted))
}

#[test]
fn s9_6_a_family_that_reserves_spends_no_more_than_its_grant() {
    let mut w = World::new();
    let (a, job) = root(&mut w, json!(["USD:1.00"]));
    let children: Vec<Job> = (0..6).map(|_| child(&mut w, a, &job, None).unwrap()).collect();
    let answers: Vec<_> =
        children.iter().map(|child| w.authorize_reserving(child, ("tool.call", "t"), "1.00", "USD")).collect();
    let held = answers[0].unwrap();
    assert!(answers[1..].iter().all(|answer| *answer == Err("BUDGET_EXHAUSTED")), "{answers:?}");
    assert_eq!(w.remaining(&job, "USD"), "0");
    w.settle_cost(&children[0], held, "1.00", "USD").unwrap();
    assert_eq!(w.remaining(&job, "USD"), "0", "never below zero");
}

#[test]
fn s9_6_what_a_settled_reservation_has_left_is_available_again() {
    let mut w = World::new();
    let (a, job) = root(&mut w, json!(["USD:1.00"]));
    let held = w.reserve(&job, "0.80", "USD").unwrap();
    assert_eq!(w.remaining(&job, "USD"), "0.2");
    assert_eq!(w.reserve(&job, "0.21", "USD"), Err("BUDGET_EXHAUSTED"));
    w.settle_cost(&job, held, "0.30", "USD").unwrap();
    w.event(a, "metric");
    assert_eq!(w.event(a, "metric").body()["value"].as_f64(), Some(0.7), "the cost shows what remains");
    assert_eq!(w.settle_cost(&job, held, "0.30", "USD"), Err(Refused::Stale), "it is settled once");
    assert_eq!(w.release(&job, held), Err(Refused::Stale));
    assert_eq!(w.remaining(&job, "USD"), "0.7");
}

#[test]
fn s9_6_a_released_reservation_is_available_again() {
    let mut w = World::new();
    let (_, job) = root(&mut w, json!(["USD:1.00"]));
    let held = w.reserve(&job, "1.00", "USD").unwrap();
    w.release(&job, held).unwrap();
    assert_eq!(w.remaining(&job, "USD"), "1");
    assert_eq!(w.settle_cost(&job, held, "0.5", "USD"), Err(Refused::Stale));
    assert_eq!(w.remaining(&job, "USD"), "1", "a charge that is refused changes nothing");
}

#[test]
fn s9_6_a_cost_above_its_reservation_is_counted_in_full() {
    let mut w = World::new();
    let (_, job) = root(&mut w, json!(["USD:1.00"]));
    let held = w.reserve(&job, "0.5", "USD").unwrap();
    w.settle_cost(&job, held, "1.5", "USD").unwrap();
    assert_eq!(w.remaining(&job, "USD"), "-0.5");
}

#[test]
fn s9_6_a_job_may_act_on_what_it_has_reserved_and_its_family_may_not() {
    let mut w = World::new();
    let (a, job) = root(&mut w, json!(["USD:1.00"]));
    let kid = child(&mut w, a, &job, None).unwrap();
    let held = w.reserve(&kid, "1.00", "USD").unwrap();
    assert_eq!(w.authorize(&kid, "tool.call", "t"), Ok(()), "this is what it has reserved the amount for");
    assert_eq!(w.authorize(&job, "tool.call", "t"), Err("BUDGET_EXHAUSTED"));
    let expensive = json!({"agent": "slow", "lease_request": {"cost.budget": ["USD:0.01"]}});
    assert_eq!(w.delegate(&kid, &expensive), Err("LEASE_SUBSET_VIOLATION"), "nothing is left to set aside");
    w.cost(&job, "0.5", "USD");
    assert_eq!(w.authorize(&kid, "tool.call", "t"), Ok(()), "half of it can be paid");
    w.cost(&job, "0.5", "USD");
    assert_eq!(w.authorize(&kid, "tool.call", "t"), Err("BUDGET_EXHAUSTED"), "the family has spent all");
    w.settle_cost(&kid, held, "0", "USD").unwrap();
}

#[test]
fn s9_6_authorize_reserves_only_what_it_allows() {
    let mut w = World::new();
    let (_, job) = root(&mut w, json!(["USD:1.00"]));
    assert_eq!(w.authorize_reserving(&job, ("tool.call", "other"), "0.5", "USD"), Err("PERMISSION_DENIED"));
    assert_eq!(w.remaining(&job, "USD"), "1", "what is not allowed reserves nothing");
    assert_eq!(w.authorize_reserving(&job, ("tool.call", "t"), "1.01", "USD"), Err("BUDGET_EXHAUSTED"));
    assert_eq!(w.authorize_reserving(&job, ("tool.call", "t"), "1", "USD"), Ok(ReservationId(1)));
    assert_eq!(w.remaining(&job, "USD"), "0");
}

#[test]
fn s9_6_only_positive_amounts_of_a_currency_are_reserved() {
    let mut w = World::new();
    let (_, job) = root(&mut w, json!(["USD:1.00"]));
    for (amount, currency) in [("0", "USD"), ("-1", "USD"), ("1", "U SD"), ("1", "")] {
        assert_eq!(w.reserve(&job, amount, currency), Err("INVALID_REQUEST"), "{amount} {currency:?}");
    }
    let held = w.reserve(&job, "1", "USD").unwrap();
    let other = w.settle_cost(&job, held, "1", "EUR");
    assert!(matches!(other, Err(Refused::Invalid(_))), "{other:?}");
    w.settle_cost(&job, held, "1", "USD").unwrap();
}

#[test]
fn s9_6_a_reservation_without_a_budget_holds_nothing() {
    let mut w = World::new();
    let (_, job) = root(&mut w, json!(["USD:1.00"]));
    let held = w.reserve(&job, "1000", "EUR").unwrap();
    assert_eq!(w.remaining(&job, "USD"), "1");
    w.settle_cost(&job, held, "2000", "EUR").unwrap();
    assert_eq!(w.settle_cost(&job, held, "1", "EUR"), Err(Refused::Stale));
    assert_eq!(w.authorize(&job, "tool.call", "t"), Ok(()));
}

#[test]
fn s9_6_the_end_of_a_job_releases_what_it_has_reserved() {
    for own in [None, Some("USD:0.6")] {
        let mut w = World::new();
        let (a, job) = root(&mut w, json!(["USD:1.00"]));
        let kid = child(&mut w, a, &job, own).unwrap();
        w.reserve(&kid, "0.4", "USD").unwrap();
        w.reserve(&kid, "0.2", "USD").unwrap();
        assert_eq!(w.remaining(&job, "USD"), "0.4", "{own:?}");
        w.finish(&kid, "1");
        assert_eq!(w.remaining(&job, "USD"), "1", "{own:?}");
    }
}

#[test]
fn s9_6_a_cancelled_job_keeps_its_reservation_until_it_has_stopped() {
    let mut w = World::with(|config| config.cancel_grace = std::time::Duration::from_secs(5));
    let (a, job) = root(&mut w, json!(["USD:1.00"]));
    let kid = child(&mut w, a, &job, None).unwrap();
    let held = w.reserve(&kid, "0.6", "USD").unwrap();
    w.reserve(&kid, "0.4", "USD").unwrap();
    w.send(a, "job.cancel", json!({"job_id": kid.id}));
    w.drain(a);
    assert_eq!(w.remaining(&job, "USD"), "0", "its operation may still be charged");
    w.settle_cost(&kid, held, "0.5", "USD").unwrap();
    w.advance(6 * SECOND);
    assert_eq!(w.remaining(&job, "USD"), "0.5", "the grace is over");
}

#[test]
fn s9_6_a_blocked_charge_keeps_its_reservation() {
    let mut w = World::with(|config| {
        config.limits.log_events = 8;
        config.limits.send_window = 1;
    });
    let (a, job) = root(&mut w, json!(["USD:1.00"]));
    let held = w.reserve(&job, "1", "USD").unwrap();
    w.hold_writes(a);
    let filled = (0..10).find(|_| w.try_emit(&job, &Body::log("info", "x", None)).is_err());
    assert!(filled.is_some(), "the log is full");
    assert_eq!(w.settle_cost(&job, held, "0.5", "USD"), Err(Refused::Blocked));
    assert_eq!(w.remaining(&job, "USD"), "0");
    w.release_writes(a);
    w.drain(a);
    w.settle_cost(&job, held, "0.5", "USD").unwrap();
    assert_eq!(w.remaining(&job, "USD"), "0.5");
}

#[test]
fn s9_6_a_restart_releases_reservations_and_keeps_costs() {
    let mut w = rerunning();
    let a = w.login("tok-alice");
    let lease = json!({"tool.call": ["t"], "cost.budget": ["USD:1.00"]});
    let job = w.submit(a, json!({"agent": "again", "lease_request": lease}));
    let held = w.reserve(&job, "0.5", "USD").unwrap();
    w.settle_cost(&job, held, "0.25", "USD").unwrap();
    w.reserve(&job, "0.75", "USD").unwrap();
    assert_eq!(w.remaining(&job, "USD"), "0");
    w.restart();
    let job = same(&w, &job);
    assert_eq!(w.remaining(&job, "USD"), "0.75", "the run that has reserved it is over");
}

#[test]
fn limit_reservations_per_job() {
    let mut w = World::with(|config| config.limits.reservations_per_job = 2);
    let (_, job) = root(&mut w, json!(["USD:1.00"]));
    let first = w.reserve(&job, "0.1", "USD").unwrap();
    w.reserve(&job, "0.1", "EUR").unwrap();
    assert_eq!(w.reserve(&job, "0.1", "USD"), Err("INTERNAL_ERROR"));
    assert_eq!(w.remaining(&job, "USD"), "0.9");
    w.release(&job, first).unwrap();
    w.reserve(&job, "0.1", "USD").unwrap();
}

/// A job of the model: integers in cents.
struct Member {
    job: Job,
    parent: Option<usize>,
    /// What is left of its own amounts, if it has any.
    left: Option<i64>,
    /// Its reservations: the job that pays for it, and the amount.
    reserved: BTreeMap<ReservationId, (usize, i64)>,
    ended: bool,
}

/// The nearest job upwards that has amounts.
fn payer(family: &[Member], mut at: usize) -> usize {
    while family[at].left.is_none() {
        at = family[at].parent.expect("the root has amounts");
    }
    at
}

/// Agents that reserve whatever they spend, at random, in a family that grows and shrinks. The model counts cents.
#[test]
fn s9_6_no_order_of_reservations_lets_a_family_overspend() {
    const GRANT: i64 = 1_000;
    let text = |cents: i64| format!("{cents}e-2");
    let cents = |text: &str| {
        let (integer, fraction) = text.split_once('.').unwrap_or((text, ""));
        format!("{integer}{fraction:0<2}").parse::<i64>().expect("cents")
    };
    for seed in 0..60 {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut draw = |below: i64| i64::from(rng.next_u32()) % below.max(1);
        let mut w = World::new();
        let (a, job) = root(&mut w, json!(["USD:10.00"]));
        let first = Member { job, parent: None, left: Some(GRANT), reserved: BTreeMap::new(), ended: false };
        let (mut family, mut spent) = (vec![first], 0);
        for _ in 0..80 {
            let live: Vec<usize> = (0..family.len()).filter(|at| !family[*at].ended).collect();
            let at = live[usize::try_from(draw(i64::try_from(live.len()).unwrap())).unwrap()];
            let pays = payer(&family, at);
            let (job, left) = (family[at].job.clone(), family[pays].left.unwrap());
            let oldest = family[at].reserved.first_key_value().map(|(id, (pays, amount))| (*id, *pays, *amount));
            match (draw(10), oldest) {
                (0..4, _) => {
                    let amount = 1 + draw(400);
                    let operation = ("tool.call", "t");
                    let answer = if draw(2) == 0 {
                        w.reserve(&job, &text(amount), "USD")
                    } else {
                        w.authorize_reserving(&job, operation, &text(amount), "USD")
                    };
                    assert_eq!(answer.is_ok(), amount <= left, "seed {seed}: {amount} of {left}: {answer:?}");
                    if let Ok(id) = answer {
                        family[pays].left = Some(left - amount);
                        family[at].reserved.insert(id, (pays, amount));
                    }
                }
                (4..7, Some((id, pays, amount))) => {
                    let cost = draw(amount + 1);
                    w.settle_cost(&job, id, &text(cost), "USD").unwrap();
                    family[at].reserved.remove(&id);
                    *family[pays].left.as_mut().unwrap() += amount - cost;
                    spent += cost;
                }
                (7, Some((id, pays, amount))) => {
                    w.release(&job, id).unwrap();
                    family[at].reserved.remove(&id);
                    *family[pays].left.as_mut().unwrap() += amount;
                }
                (8, _) if at != 0 => {
                    w.finish(&job, "1");
                    for end in (0..family.len()).rev() {
                        let below = std::iter::successors(Some(end), |at| family[*at].parent).any(|up| up == at);
                        if !below || family[end].ended {
                            continue;
                        }
                        family[end].ended = true;
                        for (pays, amount) in std::mem::take(&mut family[end].reserved).into_values() {
                            *family[pays].left.as_mut().unwrap() += amount;
                        }
                        let up = family[end].parent.expect("the root does not end");
                        if let Some(rest) = family[end].left.take() {
                            let pays = payer(&family, up);
                            *family[pays].left.as_mut().unwrap() += rest;
                        }
                    }
                }
                (9, _) => {
                    let own = (draw(2) == 0).then(|| draw(300));
                    let amounts = own.map(|own| format!("USD:{}.{:02}", own / 100, own % 100));
                    // Only the amounts of the job itself can be set aside, and only a job with money may delegate.
                    let new = child(&mut w, a, &job, amounts.as_deref());
                    if let Some(new) = new {
                        if let Some(own) = own {
                            *family[at].left.as_mut().expect("it has amounts") -= own;
                        }
                        let (reserved, parent) = (BTreeMap::new(), Some(at));
                        family.push(Member { job: new, parent, left: own, reserved, ended: false });
                    }
                }
                _ => {}
            }
            w.drain(a);
            assert!(spent <= GRANT, "seed {seed}: the family has spent {spent} of {GRANT}");
            for member in family.iter().filter(|member| !member.ended) {
                if let Some(left) = member.left {
                    assert_eq!(cents(&w.remaining(&member.job, "USD")), left, "seed {seed}: what is shown remains");
                    assert!(left >= 0, "seed {seed}");
                }
            }
            let left: i64 = family.iter().filter_map(|member| member.left).sum();
            let reserved: i64 = family.iter().flat_map(|member| member.reserved.values()).map(|held| held.1).sum();
            assert_eq!(left + reserved + spent, GRANT, "seed {seed}");
        }
    }
}
