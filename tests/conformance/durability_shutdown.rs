//! Ours: with a journal, a runtime that is stopped leaves the jobs that go on after a restart to its next start.

use nuncio_core::arcp::{AgentSpec, Body, Chunk, ConnId, Event, JobFailure, JobResult, JobState, OnRestart, Refused};
use nuncio_tests::world::{Frame, Job, World};
use serde_json::json;

use crate::durability_jobs::{rerunning, same};

/// What the host was told of jobs since it last asked: those that have ended, and those that are left.
fn told(w: &mut World) -> (Vec<String>, Vec<String>) {
    let mut told = (Vec::new(), Vec::new());
    while let Some((job, left)) = w.try_host_event(|event| match event {
        Event::Ended { job, .. } => Some((*job, false)),
        Event::Left { job } => Some((*job, true)),
        _ => None,
    }) {
        let id = w.runtime.job(job).unwrap().id.to_string();
        if left { told.1.push(id) } else { told.0.push(id) }
    }
    told
}

fn submit_waiting(w: &mut World, conn: ConnId, agent: &str) -> Job {
    w.send_submit(conn, json!({ "agent": agent }));
    let accepted = w.expect(conn, "job.accepted");
    let id = accepted.job().to_owned();
    Job { key: w.key(&id), id, accepted }
}

#[test]
fn ours_a_stop_leaves_the_jobs_that_a_restart_runs_again_and_ends_the_others() {
    let mut w = rerunning();
    let a = w.login("tok-alice");
    let (session, token) = (w.session(a), w.token(a));
    let lost = w.job(a, "slow");
    let running = w.submit(a, json!({"agent": "again-one", "input": [1], "idempotency_key": "k"}));
    let waiting = submit_waiting(&mut w, a, "again-one");
    w.shutdown();
    w.abort();
    let frames = w.drain(a);
    let seen = frames.iter().filter_map(Frame::seq).max().unwrap();
    let terminals: Vec<&str> = frames.iter().filter(|frame| frame.kind() == "job.error").map(Frame::job).collect();
    assert_eq!(terminals, [lost.id.as_str()], "a job that goes on has no terminal");
    assert_eq!(w.closed(a), Some(1001));
    assert_eq!(told(&mut w), (vec![lost.id.clone()], vec![running.id.clone(), waiting.id.clone()]));
    w.host_event("Drained", |event| matches!(event, Event::Drained).then_some(()));
    let restored = w.restart();
    assert_eq!((restored.interrupted, restored.rerun, restored.waiting), (0, 1, 1));
    let a = w.resume_as("tok-alice", &session, &token, seen);
    w.expect(a, "session.welcome");
    assert_eq!(w.event(a, "status").body()["phase"], "restarted");
    let now = same(&w, &running);
    assert_eq!(w.runtime.job(now.key).unwrap().restarts, 1);
    w.finish(&now, "1");
    let now = same(&w, &waiting);
    w.finish(&now, "2");
    let frames = w.drain(a);
    let results: Vec<&str> = frames.iter().filter(|frame| frame.kind() == "job.result").map(Frame::job).collect();
    assert_eq!(results, [running.id.as_str(), waiting.id.as_str()]);
}

#[test]
fn ours_a_job_that_was_left_takes_no_more_commands_and_leaves_no_record() {
    let mut w = rerunning();
    let a = w.login("tok-alice");
    let job = w.job(a, "again");
    w.abort();
    assert_eq!(w.runtime.job(job.key).unwrap().state, JobState::Left);
    let stored = w.stored.len();
    let (now, key) = (w.now, job.key);
    let failure = JobFailure { code: "INTERNAL_ERROR".into(), message: "too late".into(), details: None };
    assert_eq!(w.runtime.fail(now, key, failure), Err(Refused::Stale));
    let result = JobResult::Streamed { summary: None };
    assert_eq!(w.runtime.finish(now, key, result), Err(Refused::Stale));
    assert_eq!(w.runtime.note(now, key, b"late"), Err(Refused::Stale));
    assert_eq!(w.runtime.write_chunk(now, key, Chunk::Text("late"), true), Err(Refused::Stale));
    let body = Body::log("info", "late", None);
    assert_eq!(w.runtime.emit(now, key, &body), Err(Refused::Stale));
    w.settle();
    assert_eq!(w.stored.len(), stored);
    // Neither its time limit nor the end of its lease is over before the next start.
    assert_eq!(w.restart().rerun, 1);
}

#[test]
fn ours_a_stop_without_a_journal_ends_every_job() {
    let mut w = World::new();
    w.offer(AgentSpec { on_restart: OnRestart::Rerun, ..AgentSpec::new("again") });
    let a = w.login("tok-alice");
    let job = w.job(a, "again");
    w.abort();
    assert_eq!(told(&mut w), (vec![job.id], vec![]));
}

#[test]
fn ours_what_cannot_go_on_ends_at_a_stop() {
    let mut w = rerunning();
    let a = w.login("tok-alice");
    let cancelled = w.job(a, "again");
    w.send(a, "job.cancel", json!({"job_id": cancelled.id}));
    w.expect(a, "job.cancelled");
    let streaming = w.job(a, "again");
    w.chunk(&streaming, Chunk::Text("half of it"), false).unwrap();
    w.abort();
    let (mut ended, left) = told(&mut w);
    ended.sort();
    let mut expected = vec![cancelled.id.clone(), streaming.id];
    expected.sort();
    assert_eq!((ended, left), (expected, vec![]));
    let restored = w.restart();
    assert_eq!((restored.interrupted, restored.rerun), (0, 0));
    let end = w.runtime.job(w.key(&cancelled.id)).unwrap().state;
    assert_eq!(end, JobState::Cancelled);
}

#[test]
fn ours_the_children_of_a_job_that_is_left_end_and_return_what_they_had() {
    let mut w = rerunning();
    let a = w.login("tok-alice");
    let lease = json!({"agent.delegate": ["*"], "cost.budget": ["USD:5.00"]});
    let parent = w.submit(a, json!({"agent": "again", "lease_request": lease}));
    let child = json!({"agent": "again-one", "delegate_id": "d", "lease_request": {"cost.budget": ["USD:2.00"]}});
    let child = w.delegate(&parent, &child).unwrap();
    let child = w.runtime.job(child).unwrap().id.to_string();
    w.drain(a);
    w.abort();
    assert_eq!(told(&mut w), (vec![child], vec![parent.id.clone()]));
    let restored = w.restart();
    assert_eq!((restored.interrupted, restored.rerun), (0, 1));
    let view = w.runtime.job(w.key(&parent.id)).unwrap();
    assert_eq!(view.budget.unwrap().to_json_numbers(), r#"{"USD":5}"#);
}

#[test]
fn ours_a_job_with_credentials_ends_at_a_stop_and_they_are_revoked() {
    let mut w = rerunning();
    let a = w.login("tok-alice");
    let job = w.submit(a, json!({"agent": "again", "lease_request": {"model.use": ["tier-fast/*"]}}));
    w.abort();
    assert_eq!(told(&mut w), (vec![job.id], vec![]));
    w.host_event("Revoke", |event| matches!(event, Event::Revoke { .. }).then_some(()));
}
