//! §10: families that are too large for one turn end, and are cancelled, in several (ours).

use std::time::Duration;

use nuncio_core::arcp::{ConnId, Delegate, Denied, Event, JobKey, Refused};
use nuncio_tests::world::{Frame, Job, SECOND, World};
use serde_json::{Value, json};

/// The work of one turn: some five ends.
const TURN: u64 = 5_000;
const KIDS: usize = 30;

/// A job with thirty jobs below it, one of which has one below itself: the ids in the order in which they are to end.
struct Family {
    conn: ConnId,
    root: Job,
    kids: Vec<Job>,
    grandkid: Job,
}

fn lease() -> Value {
    json!({"agent.delegate": ["*"]})
}

fn below(w: &mut World, conn: ConnId, parent: &Job) -> Job {
    w.submit(conn, json!({"agent": "slow", "parent_job_id": parent.id, "lease_request": lease()}))
}

fn family(w: &mut World) -> Family {
    let conn = w.login("tok-alice");
    let root = w.submit(conn, json!({"agent": "slow", "lease_request": lease(), "max_runtime_sec": 10}));
    let kids: Vec<Job> = (0..KIDS).map(|_| below(w, conn, &root)).collect();
    let grandkid = below(w, conn, &kids[7]);
    w.drain(conn);
    Family { conn, root, kids, grandkid }
}

impl Family {
    fn order(&self) -> Vec<&str> {
        let mut order: Vec<&str> = self.kids.iter().map(|kid| kid.id.as_str()).collect();
        order.insert(7, &self.grandkid.id);
        order.push(&self.root.id);
        order
    }
}

fn world() -> World {
    World::with(|config| {
        config.limits.turn_work = TURN;
        config.cancel_grace = Duration::from_secs(30);
    })
}

/// Takes turns until no work is left for a later one, beside another client.
fn turns(w: &mut World) -> usize {
    let other = w.login("tok-bob");
    w.take_turns(other, TURN)
}

fn terminals(w: &mut World, conn: ConnId) -> Vec<Frame> {
    let frames = w.drain(conn);
    frames.into_iter().filter(|frame| matches!(frame.kind(), "job.result" | "job.error")).collect()
}

fn ids(frames: &[Frame]) -> Vec<&str> {
    frames.iter().map(Frame::job).collect()
}

#[test]
fn s10_a_large_family_ends_in_turns_and_its_root_last() {
    let mut w = world();
    let family = family(&mut w);
    let before = w.runtime.work_done();
    w.finish(&family.root, r#""done""#);
    assert!(w.runtime.work_done() - before <= 2 * TURN, "the first turn is short, too");
    let mut ended = terminals(&mut w, family.conn);
    assert!(!ended.is_empty() && ended.len() < KIDS, "{}", ended.len());
    assert!(turns(&mut w) >= 4);
    ended.extend(terminals(&mut w, family.conn));
    assert_eq!(ids(&ended), family.order());
    let (root, others) = ended.split_last().unwrap();
    assert_eq!((root.kind(), &root.payload()["result"]), ("job.result", &json!("done")));
    assert!(others.iter().all(|end| end.payload()["final_status"] == "cancelled"));
}

#[test]
fn s10_a_job_that_waits_for_its_family_does_nothing_more() {
    let mut w = world();
    let family = family(&mut w);
    w.finish(&family.root, "1");
    assert_eq!(w.try_finish(&family.root, "2"), Err(Refused::Terminal));
    assert_eq!(w.fail(&family.root, "INTERNAL_ERROR", "x"), Err(Refused::Terminal));
    let last = family.kids.last().unwrap();
    for parent in [&family.root, last] {
        w.drain(family.conn);
        let payload = json!({"agent": "slow", "parent_job_id": parent.id});
        w.submit_refused(family.conn, payload, "JOB_NOT_FOUND");
        let agent = "slow".into();
        let delegate = Delegate { agent, delegate_id: None, input: None, lease_request: None, lease_constraints: None };
        assert!(matches!(w.runtime.delegate(w.now, parent.key, &delegate), Err(Denied::NotRunning)));
    }
    w.log(last, "the agents of the others may act until their end");
    // The end is decided: neither a cancel nor the time limit changes it.
    w.send(family.conn, "job.cancel", json!({"job_id": family.root.id}));
    w.advance(10 * SECOND);
    let root = terminals(&mut w, family.conn).pop().unwrap();
    assert_eq!((root.job(), root.kind()), (family.root.id.as_str(), "job.result"));
    let is_cancel = |event: &Event| matches!(event, Event::Cancel { .. }).then_some(());
    assert!(w.try_host_event(is_cancel).is_none());
}

#[test]
fn s10_a_failure_and_a_time_limit_end_a_large_family_in_turns() {
    for limit in [false, true] {
        let mut w = world();
        let family = family(&mut w);
        if limit {
            w.advance(10 * SECOND);
        } else {
            w.fail(&family.root, "BUDGET_EXHAUSTED", "x").unwrap();
        }
        turns(&mut w);
        let ended = terminals(&mut w, family.conn);
        assert_eq!(ids(&ended), family.order());
        let code = if limit { "TIMEOUT" } else { "BUDGET_EXHAUSTED" };
        assert_eq!(ended.last().unwrap().payload()["code"], code);
    }
}

#[test]
fn s10_a_job_about_to_end_keeps_its_own_end_when_one_above_it_ends() {
    let mut w = world();
    let conn = w.login("tok-alice");
    let root = w.submit(conn, json!({"agent": "slow", "lease_request": lease()}));
    let kid = below(&mut w, conn, &root);
    for _ in 0..KIDS {
        below(&mut w, conn, &kid);
    }
    w.drain(conn);
    w.finish(&kid, "7");
    w.finish(&root, "1");
    turns(&mut w);
    let ended = terminals(&mut w, conn);
    let results: Vec<(&str, &Value)> = ended[KIDS..].iter().map(|end| (end.job(), &end.payload()["result"])).collect();
    assert_eq!(results, [(kid.id.as_str(), &json!(7)), (&root.id, &json!(1))]);
}

#[test]
fn s10_an_abort_does_not_wait_for_turns() {
    let mut w = world();
    let family = family(&mut w);
    w.finish(&family.root, "7");
    w.abort();
    let ended = terminals(&mut w, family.conn);
    assert_eq!(ids(&ended).last(), family.order().last());
    assert_eq!(ended.len(), KIDS + 2);
    assert_eq!(ended.last().unwrap().payload()["result"], 7);
}

#[test]
fn s10_a_large_family_is_cancelled_in_turns() {
    let mut w = world();
    let family = family(&mut w);
    w.send(family.conn, "job.cancel", json!({"job_id": family.root.id, "reason": "enough"}));
    assert_eq!(w.drain(family.conn)[0].kind(), "job.cancelled", "it is answered at once");
    let mut cancelled: Vec<JobKey> = Vec::new();
    let mut take = |w: &mut World| {
        while let Some(job) = w.try_host_event(|event| match event {
            Event::Cancel { job, reason, .. } if reason.as_deref() == Some("enough") => Some(*job),
            _ => None,
        }) {
            cancelled.push(job);
        }
        cancelled.len()
    };
    assert!(take(&mut w) < KIDS);
    // A cancel of the same job adds nothing.
    w.send(family.conn, "job.cancel", json!({"job_id": family.root.id}));
    assert!(turns(&mut w) >= 4);
    assert_eq!(take(&mut w), KIDS + 2);
    cancelled.sort_unstable();
    cancelled.dedup();
    assert_eq!(cancelled.len(), KIDS + 2, "each job once");
}
