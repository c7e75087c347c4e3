//! Ours: jobs that were accepted go on after a restart, as their agents say.

use nuncio_core::arcp::{AgentSpec, Chunk, Config, ConnId, Event, OnRestart, Record};
use nuncio_tests::world::{Frame, Job, SECOND, World};
use serde_json::{Value, json};

use crate::durability::{world, world_with};

/// A world with the agents `again`, which is run again, and `again-one`, which has one slot.
pub(crate) fn rerunning() -> World {
    rerunning_with(|_| {})
}

/// As [`rerunning`], with some settings changed.
pub(crate) fn rerunning_with(change: impl FnOnce(&mut Config)) -> World {
    let mut w = world_with(change);
    w.offer(AgentSpec { on_restart: OnRestart::Rerun, ..AgentSpec::new("again") });
    w.offer(AgentSpec { on_restart: OnRestart::Rerun, max_concurrent: Some(1), ..AgentSpec::new("again-one") });
    w
}

/// The job under the key that the present runtime has for it.
pub(crate) fn same(w: &World, job: &Job) -> Job {
    Job { key: w.key(&job.id), ..job.clone() }
}

/// The jobs whose agents the host was asked to start, in that order.
fn started(w: &mut World) -> Vec<String> {
    let mut ids = Vec::new();
    while let Some(job) = w.try_host_event(|event| match event {
        Event::Start { job } => Some(*job),
        _ => None,
    }) {
        ids.push(w.runtime.job(job).unwrap().id.to_string());
    }
    ids
}

/// Reads the next numbered frame. A `job.accepted` comes again before the first event of a job.
fn next(w: &mut World, conn: ConnId) -> Frame {
    loop {
        let frame = w.recv(conn);
        if frame.seq().is_some() {
            return frame;
        }
        assert_eq!(frame.kind(), "job.accepted");
    }
}

/// Reads the next numbered frame, which must be the end of this job, and returns its code.
fn end_of(w: &mut World, conn: ConnId, job: &Job) -> String {
    let end = next(w, conn);
    assert_eq!((end.kind(), end.job()), ("job.error", job.id.as_str()), "{end:?}");
    end.payload()["code"].as_str().unwrap().to_owned()
}

fn phase(frame: &Frame) -> &str {
    frame.body()["phase"].as_str().unwrap_or_default()
}

/// Submits a job that has to wait for a slot.
fn submit_waiting(w: &mut World, conn: ConnId, submit: Value) -> Job {
    w.send_submit(conn, submit);
    let accepted = w.expect(conn, "job.accepted");
    let id = accepted.job().to_owned();
    Job { key: w.key(&id), id, accepted }
}

#[test]
fn ours_jobs_that_never_ran_run_after_a_restart_in_their_order() {
    let mut w = world();
    let a = w.login("tok-alice");
    let (session, token) = (w.session(a), w.token(a));
    let submit = |n: u32| {
        json!({"agent": "narrow", "input": {"n": n}, "max_runtime_sec": 7, "idempotency_key": format!("k{n}"),
            "lease_request": {"fs.read": ["/a"]}})
    };
    let running = w.submit(a, submit(1));
    let second = submit_waiting(&mut w, a, submit(2));
    let third = submit_waiting(&mut w, a, submit(3));
    started(&mut w);
    let restored = w.restart();
    assert_eq!((restored.interrupted, restored.waiting, restored.rerun), (1, 2, 0));
    let a = w.resume_as("tok-alice", &session, &token, 1);
    w.expect(a, "session.welcome");
    assert_eq!(end_of(&mut w, a, &running), "INTERNAL_ERROR");
    let event = next(&mut w, a);
    assert_eq!((event.job(), phase(&event)), (second.id.as_str(), "running"));
    assert_eq!(started(&mut w), std::slice::from_ref(&second.id), "one slot");
    let now = same(&w, &second);
    let view = w.runtime.job(now.key).unwrap();
    assert_eq!(view.input.unwrap().get(), r#"{"n":2}"#);
    assert_eq!(view.lease.to_json(), r#"{"fs.read":["/a"]}"#);
    assert_eq!(view.deadline, Some(w.now.plus_secs(7)), "the time of a job that never ran begins with its run");
    assert_eq!(view.trace_id.to_string(), second.accepted["trace_id"].as_str().unwrap());
    assert_eq!(view.restarts, 0);
    w.finish(&now, "2");
    assert_eq!(w.expect(a, "job.result").job(), second.id);
    assert_eq!(started(&mut w), std::slice::from_ref(&third.id));
    assert_eq!(next(&mut w, a).job(), third.id);
    // The keys still name their jobs.
    w.send_submit(a, submit(3));
    assert_eq!(w.expect(a, "job.accepted").job(), third.id);
    let third = same(&w, &third);
    w.finish(&third, "3");
    assert_eq!(w.expect(a, "job.result").payload()["result"], 3);
}

#[test]
fn ours_a_job_without_input_waits_over_several_restarts() {
    let mut w = world();
    let a = w.login("tok-alice");
    let first = w.submit(a, json!({"agent": "narrow"}));
    let waiting = submit_waiting(&mut w, a, json!({"agent": "narrow", "input": null}));
    // The first job is not on record as ended, but its slot is free.
    w.agents.retain(|spec| spec.name != "narrow");
    w.offer(AgentSpec { max_concurrent: Some(0), ..AgentSpec::new("narrow") });
    for _ in 0..3 {
        let restored = w.restart();
        assert!(restored.is_clean());
        assert_eq!(restored.waiting, 1);
        assert_eq!(started(&mut w), [""; 0]);
    }
    w.offer(AgentSpec { max_concurrent: Some(1), ..AgentSpec::new("narrow") });
    assert_eq!(w.restart().interrupted, 0);
    assert_eq!(started(&mut w), std::slice::from_ref(&waiting.id));
    let now = same(&w, &waiting);
    assert_eq!(w.runtime.job(now.key).unwrap().input.unwrap().get(), "null");
    assert!(w.runtime.job(w.key(&first.id)).unwrap().state.as_str() == "error");
}

#[test]
fn ours_a_waiting_job_whose_agent_is_gone_is_agent_not_available() {
    let mut w = world();
    let a = w.login("tok-alice");
    let (session, token) = (w.session(a), w.token(a));
    let running = w.submit(a, json!({"agent": "narrow"}));
    let waiting = submit_waiting(&mut w, a, json!({"agent": "narrow"}));
    w.agents.retain(|spec| spec.name != "narrow");
    assert_eq!(w.restart().interrupted, 2);
    let a = w.resume_as("tok-alice", &session, &token, 1);
    w.expect(a, "session.welcome");
    assert_eq!(end_of(&mut w, a, &waiting), "AGENT_NOT_AVAILABLE");
    assert_eq!(end_of(&mut w, a, &running), "INTERNAL_ERROR");
}

#[test]
fn ours_a_running_job_is_run_again_if_its_agent_says_so() {
    let mut w = rerunning();
    let a = w.login("tok-alice");
    let b = w.login("tok-alice2");
    let (session, mut token) = (w.session(a), w.token(a));
    let job = w.submit(
        a,
        json!({"agent": "again", "input": [1, 2], "max_runtime_sec": 100, "idempotency_key": "k",
        "lease_request": {"cost.budget": ["USD:5.00"]}}),
    );
    let since = w.now;
    w.subscribe(b, json!({"job_id": job.id}));
    w.cost(&job, "1.50", "USD");
    let first = w.drain(a).iter().filter_map(Frame::seq).max().unwrap();
    for restarts in 1..=3 {
        // Every run begins with one event.
        let seen = first + u64::from(restarts) - 1;
        w.advance(10 * SECOND);
        let restored = w.restart();
        assert!(restored.is_clean());
        assert_eq!((restored.interrupted, restored.rerun), (0, 1));
        assert_eq!(started(&mut w), std::slice::from_ref(&job.id));
        let a = w.resume_as("tok-alice", &session, &token, seen);
        token = w.expect(a, "session.welcome").payload()["resume_token"].as_str().unwrap().to_owned();
        let event = w.event(a, "status");
        assert_eq!((phase(&event), event.seq()), ("restarted", Some(seen + 1)));
        let view = w.runtime.job(w.key(&job.id)).unwrap();
        assert_eq!((view.restarts, view.input.unwrap().get()), (restarts, "[1,2]"));
        assert_eq!(view.deadline, Some(since.plus_secs(100)), "max_runtime_sec goes on");
        assert_eq!(view.budget.unwrap().to_json_numbers(), r#"{"USD":3.5}"#, "what was spent stays spent");
    }
    let now = same(&w, &job);
    w.finish(&now, "1");
    assert_eq!(w.restart().rerun, 0, "an ended job is not run again");
    assert_eq!(started(&mut w), [""; 0]);
}

#[test]
fn ours_a_job_is_run_again_whatever_was_the_last_store_before_the_crash() {
    let mut w = rerunning();
    let a = w.login("tok-alice");
    let job = w.submit(a, json!({"agent": "again-one", "input": 1}));
    let waiting = submit_waiting(&mut w, a, json!({"agent": "again-one", "input": 2}));
    w.log(&job, "x");
    w.finish(&job, "1");
    let last = same(&w, &waiting);
    w.log(&last, "y");
    let accepted = |w: &World, id: &str, stores: usize| {
        w.history
            .iter()
            .any(|(after, _, frame)| *after <= stores as u64 && frame.kind() == "job.accepted" && frame.job() == id)
    };
    for stores in 0..=w.stored.len() {
        let (mut after, restored) = w.crashed_at(stores);
        assert!(restored.is_clean(), "{stores}: {restored:?}");
        let started = started(&mut after);
        for id in [&job.id, &waiting.id] {
            let ended = w.stored.iter().take(stores).any(|(_, record)| {
                matches!(record, Record::JobEnded(_)) && record.job().is_some_and(|job| job.to_string() == *id)
            });
            if !accepted(&w, id, stores) || ended {
                continue;
            }
            let live = after.runtime.job(after.key(id)).unwrap().state.is_live();
            assert!(live, "{stores}: {id} was acknowledged and has not ended");
        }
        assert!(started.len() <= 1, "{stores}: one slot");
    }
}

#[test]
fn ours_a_cancelled_job_is_not_run_again() {
    let mut w = rerunning();
    let a = w.login("tok-alice");
    let (session, token) = (w.session(a), w.token(a));
    let job = w.submit(a, json!({"agent": "again"}));
    w.send(a, "job.cancel", json!({"job_id": job.id}));
    assert_eq!(w.restart().interrupted, 1);
    assert_eq!(started(&mut w), [""; 0]);
    let a = w.resume_as("tok-alice", &session, &token, 1);
    w.expect(a, "session.welcome");
    assert_eq!(w.expect(a, "job.error").payload()["final_status"], "cancelled");
}

#[test]
fn s9_5_a_lease_that_expires_while_the_runtime_is_down_ends_the_job() {
    for (agent, first) in [("again-one", true), ("again-one", false)] {
        let mut w = rerunning();
        let a = w.login("tok-alice");
        let (session, token) = (w.session(a), w.token(a));
        if !first {
            w.submit(a, json!({"agent": agent}));
        }
        let expires = w.now.plus_secs(5).to_rfc3339();
        let submit = json!({"agent": agent, "lease_constraints": {"expires_at": expires}});
        let job = if first { w.submit(a, submit) } else { submit_waiting(&mut w, a, submit) };
        w.now = w.now.plus_secs(60);
        w.restart();
        assert!(!started(&mut w).contains(&job.id));
        let a = w.resume_as("tok-alice", &session, &token, 1);
        w.expect(a, "session.welcome");
        let end = w.drain(a).into_iter().find(|frame| frame.seq().is_some() && frame.job() == job.id).unwrap();
        assert_eq!(end.payload()["code"], "LEASE_EXPIRED");
    }
}

#[test]
fn s9_5_a_lease_expires_at_its_time_after_a_restart() {
    let mut w = rerunning();
    let a = w.login("tok-alice");
    let (session, token) = (w.session(a), w.token(a));
    let expires = w.now.plus_secs(5).to_rfc3339();
    w.submit(a, json!({"agent": "again", "lease_constraints": {"expires_at": expires}}));
    w.restart();
    let a = w.resume_as("tok-alice", &session, &token, 1);
    w.expect(a, "session.welcome");
    assert_eq!(phase(&w.event(a, "status")), "restarted");
    w.advance(7 * SECOND);
    assert_eq!(w.expect(a, "job.error").payload()["code"], "LEASE_EXPIRED");
}

#[test]
fn s7_1_max_runtime_that_passes_while_the_runtime_is_down_times_the_job_out() {
    let mut w = rerunning();
    let a = w.login("tok-alice");
    let (session, token) = (w.session(a), w.token(a));
    w.submit(a, json!({"agent": "again", "max_runtime_sec": 5}));
    started(&mut w);
    w.now = w.now.plus_secs(5);
    w.restart();
    assert_eq!(started(&mut w), [""; 0]);
    let a = w.resume_as("tok-alice", &session, &token, 1);
    w.expect(a, "session.welcome");
    assert_eq!(w.expect(a, "job.error").payload()["final_status"], "timed_out");
}

#[test]
fn s10_a_job_that_is_run_again_begins_without_children() {
    let mut w = rerunning();
    let a = w.login("tok-alice");
    let (session, token) = (w.session(a), w.token(a));
    let job = w.submit(
        a,
        json!({"agent": "again", "lease_request": {
        "agent.delegate": ["*"], "cost.budget": ["USD:5.00"]}}),
    );
    let child = json!({"agent": "again-one", "delegate_id": "d", "lease_request": {"cost.budget": ["USD:2.00"]}});
    w.delegate(&job, &json!({"agent": "again-one", "delegate_id": "e"})).unwrap();
    w.delegate(&job, &child).unwrap();
    let seen = w.drain(a).iter().filter_map(Frame::seq).max().unwrap();
    let restored = w.restart();
    assert_eq!((restored.interrupted, restored.rerun), (2, 1));
    let a = w.resume_as("tok-alice", &session, &token, seen);
    w.expect(a, "session.welcome");
    let frames = w.drain(a);
    let ends: Vec<&Frame> = frames.iter().filter(|frame| frame.kind() == "job.error").collect();
    assert_eq!(ends.len(), 2, "the children end as at every restart");
    let end = frames.iter().rposition(|frame| frame.kind() == "job.error").unwrap();
    let again = frames.iter().position(|frame| phase(frame) == "restarted").unwrap();
    assert!(end < again, "the children end before their parent runs again");
    // The names of delegations and what was set aside are free again.
    let now = same(&w, &job);
    assert_eq!(w.runtime.job(now.key).unwrap().budget.unwrap().to_json_numbers(), r#"{"USD":5}"#);
    w.delegate(&now, &child).unwrap();
}

#[test]
fn s8_4_a_job_that_has_streamed_a_part_of_its_result_is_not_run_again() {
    let mut w = rerunning();
    let a = w.login("tok-alice");
    let (session, token) = (w.session(a), w.token(a));
    let job = w.submit(a, json!({"agent": "again"}));
    w.chunk(&job, Chunk::Text("half"), false).unwrap();
    assert_eq!(w.restart().interrupted, 1);
    let a = w.resume_as("tok-alice", &session, &token, 2);
    w.expect(a, "session.welcome");
    let end = w.expect(a, "job.error");
    assert_eq!(end.payload()["code"], "INTERNAL_ERROR");
    assert!(end.payload()["message"].as_str().unwrap().contains("a part of the result had been sent"));
    assert_eq!(end.payload()["details"]["reason"], "runtime restarted");
}

#[test]
fn s8_4_a_result_that_is_gathered_begins_anew() {
    let mut w = rerunning();
    let a = w.login_without("tok-alice", &["result_chunk"]);
    let (session, token) = (w.session(a), w.token(a));
    let job = w.submit(a, json!({"agent": "again"}));
    w.chunk(&job, Chunk::Text("half"), false).unwrap();
    assert_eq!(w.restart().rerun, 1);
    let a = w.resume_as("tok-alice", &session, &token, 1);
    w.expect(a, "session.welcome");
    assert_eq!(phase(&next(&mut w, a)), "restarted");
    let now = same(&w, &job);
    w.chunk(&now, Chunk::Text("whole"), true).unwrap();
    w.finish_streamed(&now);
    assert_eq!(w.expect(a, "job.result").payload()["result"], "whole");
}

#[test]
fn s9_8_a_job_with_credentials_ends_at_a_restart() {
    let mut w = rerunning();
    let a = w.login("tok-alice");
    let (session, token) = (w.session(a), w.token(a));
    let leased = json!({"agent": "again-one", "lease_request": {"model.use": ["tier-fast/*"]}});
    w.submit(a, leased.clone());
    submit_waiting(&mut w, a, leased);
    let restored = w.restart();
    assert_eq!((restored.interrupted, restored.unrevoked), (2, 2));
    let a = w.resume_as("tok-alice", &session, &token, 1);
    w.expect(a, "session.welcome");
    for _ in 0..2 {
        let end = next(&mut w, a);
        assert!(end.payload()["message"].as_str().unwrap().contains("credentials"), "{end:?}");
    }
}

#[test]
fn ours_a_job_waits_for_a_slot_again_before_those_that_never_ran() {
    let mut w = rerunning();
    let a = w.login("tok-alice");
    w.offer(AgentSpec { on_restart: OnRestart::Rerun, max_concurrent: Some(2), ..AgentSpec::new("again-one") });
    let first = w.submit(a, json!({"agent": "again-one"}));
    let second = w.submit(a, json!({"agent": "again-one"}));
    let third = submit_waiting(&mut w, a, json!({"agent": "again-one"}));
    w.offer(AgentSpec { on_restart: OnRestart::Rerun, max_concurrent: Some(1), ..AgentSpec::new("again-one") });
    w.restart();
    for job in [first, second, third] {
        assert_eq!(started(&mut w), std::slice::from_ref(&job.id));
        let now = same(&w, &job);
        w.finish(&now, "1");
    }
}

#[test]
fn ours_only_requests_that_may_be_needed_are_recorded() {
    let kinds = |w: &World| w.stored.iter().filter(|(_, record)| record.kind() == "job_input").count();
    let mut w = rerunning();
    let a = w.login("tok-alice");
    w.submit(a, json!({"agent": "slow", "input": 1}));
    w.submit(a, json!({"agent": "narrow", "input": 1}));
    assert_eq!(kinds(&w), 0, "jobs that run at once and are not run again");
    submit_waiting(&mut w, a, json!({"agent": "narrow", "input": 1}));
    assert_eq!(kinds(&w), 1);
    w.submit(a, json!({"agent": "again", "input": 1}));
    assert_eq!(kinds(&w), 2);
    w.restart();
    assert_eq!(kinds(&w), 2, "a request is recorded once");
}

#[test]
fn ours_a_request_beyond_the_limit_is_not_restored() {
    let mut w = rerunning();
    let a = w.login("tok-alice");
    w.submit(a, json!({"agent": "again", "input": "x".repeat(1000)}));
    w.submit(a, json!({"agent": "again", "input": "y"}));
    let restored = w.restart_with(|config| config.limits.input_bytes = 500);
    assert_eq!((restored.ignored, restored.interrupted, restored.rerun), (1, 1, 1));
}

#[test]
fn limit_input_bytes() {
    let mut w = World::with(|config| config.limits.input_bytes = 100);
    let a = w.login("tok-alice");
    let big = json!({"agent": "slow", "input": "x".repeat(58)});
    let job = w.submit(a, big.clone());
    let refused = w.submit_refused(a, big.clone(), "INTERNAL_ERROR");
    crate::s_limits::assert_limit(&refused, "input_bytes", 100);
    w.submit(a, json!({"agent": "slow", "input": "x".repeat(38)}));
    w.finish(&job, "1");
    w.drain(a);
    w.submit(a, big);
}
