//! Ours: what was acknowledged survives a restart of the runtime.

use nuncio_core::arcp::{Config, ConnId, Event, JobResult, Journaling, Record};
use nuncio_tests::world::{Frame, Job, OnSubmit, SECOND, World, json_text};
use serde_json::{Value, json};

pub(crate) fn world() -> World {
    world_with(|_| {})
}

/// As [`world`], with some settings changed.
pub(crate) fn world_with(change: impl FnOnce(&mut Config)) -> World {
    World::with(|config| {
        config.journal = Journaling::Kept;
        config.provisioner = true;
        change(config);
    })
}

fn leased() -> Value {
    json!({"agent": "slow", "lease_request": {
        "model.use": ["tier-fast/*"], "agent.delegate": ["*"], "cost.budget": ["USD:5.00"],
    }})
}

/// A world whose clients have seen everything: jobs with every outcome, delegation, budgets, credentials, watchers,
/// acks and retries.
pub(crate) fn busy() -> World {
    let mut w = world();
    let a = w.login("tok-alice");
    let b = w.login("tok-alice2");
    let p = w.login_python("tok-alice");
    let mut submit = leased();
    submit["idempotency_key"] = json!("key-1");
    let first = w.submit(a, submit.clone());
    w.send_submit(b, submit);
    w.drain(b);
    w.cost(&first, "0.25", "USD");
    w.rotate(&first, "cred_1", "rotated-value", "alice").unwrap();
    let child = w.delegate(
        &first,
        &json!({"agent": "slow", "delegate_id": "d1", "lease_request": {"cost.budget": ["USD:1.00"]}}),
    );
    child.unwrap();
    w.log(&first, "one");
    w.send(a, "session.ack", json!({"last_processed_seq": 3}));
    w.drain(a);
    let second = w.job(a, "slow");
    w.subscribe(p, json!({"job_id": second.id, "history": true}));
    w.log(&second, "two");
    w.advance(SECOND);
    w.log(&second, "three");
    w.finish(&second, r#"{"answer": 42}"#);
    w.drain(b);
    let narrow = w.job(b, "narrow");
    w.send_submit(b, json!({"agent": "narrow"}));
    w.drain(a);
    w.subscribe(a, json!({"job_id": narrow.id, "history": true}));
    w.log(&narrow, "four");
    let (session, token) = (w.session(b), w.token(b));
    w.cut(b);
    w.log(&narrow, "five");
    let b2 = w.resume_as("tok-alice", &session, &token, 2);
    w.send(b2, "session.list_jobs", json!({}));
    w.send(b2, "job.cancel", json!({"job_id": narrow.id}));
    w.fail(&narrow, "INTERNAL_ERROR", "x").unwrap();
    w.drain(p);
    let timed = w.submit(p, json!({"agent": "slow", "max_runtime_sec": 1}));
    w.advance(2 * SECOND);
    w.send(p, "job.cancel", json!({"job_id": timed.id}));
    w
}

/// The frames that the clients have seen of each session if only the first `stores` records are durable.
pub(crate) fn frames_seen(w: &World, stores: usize) -> Vec<(String, Vec<Frame>)> {
    let mut sessions: Vec<(String, Vec<Frame>)> = Vec::new();
    for (after, _, frame) in &w.history {
        let Some(session) = frame["session_id"].as_str().filter(|_| *after <= stores as u64) else { continue };
        match sessions.iter_mut().find(|(known, _)| known == session) {
            Some((_, frames)) => frames.push(frame.clone()),
            None => sessions.push((session.to_owned(), vec![frame.clone()])),
        }
    }
    sessions.retain(|(_, frames)| frames.iter().any(|frame| frame.kind() == "session.welcome"));
    sessions
}

pub(crate) fn token_of(frames: &[Frame]) -> &str {
    let welcome = frames.iter().rev().find(|frame| frame.kind() == "session.welcome").unwrap();
    welcome.payload()["resume_token"].as_str().unwrap()
}

pub(crate) fn last_ack(w: &World, stores: usize, session: &str) -> u64 {
    let mut acks = w.stored.iter().take(stores).filter_map(|(_, record)| match record {
        Record::Acknowledged { session: of, seq } if of.to_string() == session => Some(*seq),
        _ => None,
    });
    acks.next_back().unwrap_or(0)
}

#[test]
fn ours_sessions_resume_without_a_gap_after_a_crash_at_any_store() {
    let w = busy();
    assert!(w.stored.len() > 40, "{} stores", w.stored.len());
    for stores in 0..=w.stored.len() {
        let (mut after, restored) = w.crashed_at(stores);
        assert!(restored.is_clean(), "{stores}: {restored:?}");
        finish_all(&mut after);
        for (session, frames) in frames_seen(&w, stores) {
            let from = last_ack(&w, stores, &session);
            let c = after.resume_as("tok-alice", &session, token_of(&frames), from);
            let welcome = after.recv(c);
            assert_eq!(welcome.kind(), "session.welcome", "{stores}: {welcome:?}");
            let replayed = after.drain(c);
            let numbered: Vec<&Frame> = replayed.iter().filter(|frame| frame.seq().is_some()).collect();
            let numbers: Vec<u64> = numbered.iter().filter_map(|frame| frame.seq()).collect();
            let expected: Vec<u64> = (from + 1..).take(numbers.len()).collect();
            assert_eq!(numbers, expected, "{stores} stores: the numbers have no gap");
            for frame in frames.iter().filter(|frame| frame.seq().is_some_and(|seq| seq > from)) {
                let index = usize::try_from(frame.seq().unwrap() - from - 1).unwrap();
                let again = numbered.get(index).unwrap_or_else(|| panic!("{stores}: lost {frame:?}"));
                let secret = frame.text().contains("credential_rotated");
                assert!(secret || again.text() == frame.text(), "{stores}: {frame:?} became {again:?}");
            }
            assert_one_terminal_per_job(&frames, &replayed, from, stores);
        }
    }
}

/// Finishes the jobs that were waiting for a slot and run after the restart.
fn finish_all(w: &mut World) {
    while let Some(key) = w.try_host_event(|event| match event {
        Event::Start { job } => Some(*job),
        _ => None,
    }) {
        w.runtime.finish(w.now, key, JobResult::Inline(&json_text("1"))).unwrap();
        w.settle();
    }
}

/// Asserts that every job shown to the session ended exactly once, with the terminal as its last frame.
fn assert_one_terminal_per_job(frames: &[Frame], replayed: &[Frame], from: u64, stores: usize) {
    let before = frames.iter().filter(|frame| frame.seq().is_some_and(|seq| seq <= from));
    let all: Vec<&Frame> = before.chain(replayed.iter().filter(|frame| frame.seq().is_some())).collect();
    for job in all.iter().map(|frame| frame.job()) {
        let mut of_job = all.iter().filter(|frame| frame.job() == job);
        let ends = of_job.clone().filter(|frame| frame.kind() != "job.event").count();
        assert_eq!(ends, 1, "{stores} stores: job {job} has one terminal");
        assert_ne!(of_job.next_back().unwrap().kind(), "job.event", "{stores} stores: the last frame of job {job}");
    }
}

#[test]
fn ours_records_precede_the_frames_that_depend_on_them() {
    let w = busy();
    let mut numbers = 0;
    for (after, _, frame) in &w.history {
        let before = || w.stored.iter().take(usize::try_from(*after).unwrap()).map(|(_, record)| record);
        let session = frame["session_id"].as_str().unwrap_or_default();
        match frame.kind() {
            "session.welcome" => assert!(
                before().any(|record| record.session().is_some_and(|id| id.to_string() == session)),
                "{frame:?}"
            ),
            "job.accepted" => assert!(
                before().any(|record| {
                    matches!(record, Record::JobAccepted(_))
                        && record.job().is_some_and(|id| id.to_string() == frame.job())
                }),
                "{frame:?}"
            ),
            "job.cancelled" => assert!(
                before().any(|record| {
                    matches!(record, Record::JobDoomed { .. } | Record::JobEnded(_))
                        && record.job().is_some_and(|id| id.to_string() == frame.job())
                }),
                "{frame:?}"
            ),
            _ => {}
        }
        if let Some(seq) = frame.seq() {
            numbers += 1;
            let stored = before().find(|record| {
                record.targets().iter().any(|target| target.seq == seq && target.session.to_string() == session)
            });
            let target = stored.unwrap().targets().iter().find(|target| target.session.to_string() == session).unwrap();
            let (_, text) = stored.unwrap().frame(target.session).unwrap();
            let secret = frame.text().contains("credential_rotated");
            assert!(secret || text == frame.text().as_bytes(), "{frame:?}");
        }
    }
    assert!(numbers > 20);
}

#[test]
fn ours_one_record_per_event_however_many_watch() {
    let mut w = world();
    let (a, b) = (w.login("tok-alice"), w.login("tok-alice2"));
    let job = w.job(a, "slow");
    w.subscribe(b, json!({"job_id": job.id}));
    let before = w.stored.len();
    w.log(&job, "x");
    assert_eq!(w.stored.len(), before + 1);
    assert_eq!(w.stored[before].1.targets().len(), 2);
}

#[test]
fn ours_without_a_journal_nothing_is_stored() {
    let mut w = World::new();
    let a = w.login("tok-alice");
    let job = w.job(a, "slow");
    w.log(&job, "x");
    w.finish(&job, "1");
    assert!(w.stored.is_empty());
}

#[test]
fn ours_no_secret_is_recorded() {
    let mut w = busy();
    w.on_submit = OnSubmit::Start;
    let mut secrets = vec!["tok-alice".to_owned(), "tok-bob".to_owned(), "rotated-value".to_owned()];
    for (_, _, frame) in &w.history {
        if frame.kind() == "session.welcome" {
            secrets.push(frame.payload()["resume_token"].as_str().unwrap().to_owned());
        }
        for credential in frame.payload()["credentials"].as_array().into_iter().flatten() {
            secrets.push(credential["value"].as_str().unwrap().to_owned());
        }
    }
    assert!(secrets.len() > 6);
    for (_, record) in &w.stored {
        let text = String::from_utf8(record.encode()).unwrap();
        assert!(!text.contains('\n'), "a record is a single line");
        for secret in &secrets {
            assert!(!text.contains(secret.as_str()), "{secret} in {text}");
            assert!(!format!("{record:?}").contains(secret.as_str()), "{secret} in {record:?}");
        }
    }
}

pub(crate) fn start_leased_job(w: &mut World) -> (ConnId, Job) {
    let a = w.login("tok-alice");
    let job = w.submit(a, leased());
    (a, job)
}

#[test]
fn ours_a_job_interrupted_by_a_restart_ends_with_the_reason() {
    let mut w = world();
    let (a, job) = start_leased_job(&mut w);
    let (session, token) = (w.session(a), w.token(a));
    w.log(&job, "x");
    w.drain(a);
    let restored = w.restart();
    assert_eq!((restored.interrupted, restored.unrevoked), (1, 1));
    let a = w.resume_as("tok-alice", &session, &token, 2);
    w.expect(a, "session.welcome");
    let end = w.expect(a, "job.error");
    assert_eq!(end.payload()["code"], "INTERNAL_ERROR");
    assert_eq!(end.payload()["final_status"], "error");
    assert_eq!(end.payload()["retryable"], true);
    assert_eq!(end.payload()["details"], json!({"reason": "runtime restarted"}));
    w.expect_nothing(a);
}

#[test]
fn s7_4_a_job_being_cancelled_ends_as_cancelled_after_a_restart() {
    let mut w = world();
    let (a, job) = start_leased_job(&mut w);
    let (session, token) = (w.session(a), w.token(a));
    w.send(a, "job.cancel", json!({"job_id": job.id}));
    w.restart();
    let a = w.resume_as("tok-alice", &session, &token, 1);
    w.expect(a, "session.welcome");
    let end = w.expect(a, "job.error");
    assert_eq!((&end.payload()["code"], &end.payload()["final_status"]), (&json!("CANCELLED"), &json!("cancelled")));
}

#[test]
fn s9_8_revocation_is_requested_after_every_restart_until_it_succeeds() {
    let mut w = world();
    w.auto_revoke = false;
    let (_, job) = start_leased_job(&mut w);
    w.rotate(&job, "cred_1", "another", "alice").unwrap();
    for _ in 0..2 {
        let restored = w.restart();
        assert_eq!(restored.unrevoked, 1, "a rotated credential counts once");
        let ask = w.host_event("Revoke", |event| match event {
            Event::Revoke { job, id, value, attempt, .. } => Some((*job, id.clone()?, value.is_none(), *attempt)),
            _ => None,
        });
        assert_eq!((ask.0.to_string(), ask.1.as_str(), ask.2, ask.3), (job.id.clone(), "cred_1", true, 0));
    }
    w.auto_revoke = true;
    assert_eq!(w.restart().unrevoked, 1);
    assert_eq!(w.restart().unrevoked, 0, "the revocation is on record");
}

#[test]
fn s7_2_an_idempotent_retry_after_a_restart_gets_the_original_job() {
    for how in ["running", "ended"] {
        let mut w = world();
        let a = w.login("tok-alice");
        let submit = json!({"agent": "slow", "input": {"x": 1}, "idempotency_key": "k"});
        let job = w.submit(a, submit.clone());
        if how == "ended" {
            w.finish(&job, "7");
        }
        let (session, token) = (w.session(a), w.token(a));
        w.restart();
        // The retry is sent in a new session and in the original one.
        let b = w.login("tok-alice2");
        w.send_submit(b, submit.clone());
        let accepted = w.expect(b, "job.accepted");
        assert_eq!(accepted.job(), job.id);
        assert_eq!(accepted.payload()["accepted_at"], job.accepted.payload()["accepted_at"]);
        let end = w.recv(b);
        assert_eq!(end.kind(), if how == "ended" { "job.result" } else { "job.error" });
        w.submit_refused(b, json!({"agent": "slow", "input": {"x": 2}, "idempotency_key": "k"}), "DUPLICATE_KEY");
        let a = w.resume_as("tok-alice", &session, &token, 0);
        w.expect(a, "session.welcome");
        w.drain(a);
        w.send_submit(a, submit);
        assert_eq!(w.expect(a, "job.accepted").job(), job.id);
    }
}

#[test]
fn s5_a_repeated_submit_id_does_not_run_again_after_a_restart() {
    let mut w = world();
    let a = w.login("tok-alice");
    let id = w.send_submit(a, json!({"agent": "slow"}));
    let job = w.expect(a, "job.accepted");
    let (session, token) = (w.session(a), w.token(a));
    w.restart();
    let a = w.resume_as("tok-alice", &session, &token, 0);
    w.expect(a, "session.welcome");
    w.drain(a);
    let repeated = json!({"arcp": "1.1", "id": id, "type": "job.submit", "payload": {"agent": "slow"}});
    w.send_frame(a, &repeated);
    assert_eq!(w.expect(a, "job.accepted").job(), job.job());
}

#[test]
fn s6_3_resume_tokens_survive_a_restart() {
    let mut w = world();
    let a = w.login("tok-alice");
    let (session, first) = (w.session(a), w.token(a));
    let b = w.resume(a, 0);
    let second = w.token(b);
    // The client has not yet proved that it holds the second token: both are valid.
    let (mut both, _) = w.crashed_at(w.stored.len());
    let c = both.resume_as("tok-alice", &session, &first, 0);
    both.expect(c, "session.welcome");
    let d = both.resume_as("tok-alice", &session, &second, 0);
    both.refusal(d, "RESUME_WINDOW_EXPIRED");
    // Once the second token is proved, the first is invalid.
    w.send(b, "session.ping", json!({"nonce": "n"}));
    w.restart();
    let c = w.resume_as("tok-alice", &session, &first, 0);
    w.refusal(c, "RESUME_WINDOW_EXPIRED");
    let c = w.resume_as("tok-bob", &session, &second, 0);
    w.refusal(c, "RESUME_WINDOW_EXPIRED");
    let c = w.resume_as("tok-alice", &session, &second, 0);
    w.expect(c, "session.welcome");
}

#[test]
fn s6_3_the_resume_window_counts_from_the_loss_or_the_restart() {
    let mut w = world();
    let (a, b) = (w.login_without("tok-alice", &["heartbeat"]), w.login_without("tok-alice2", &["heartbeat"]));
    let ((s1, t1), (s2, t2)) = ((w.session(a), w.token(a)), (w.session(b), w.token(b)));
    w.cut(a);
    w.advance(400 * SECOND);
    w.restart();
    w.advance(300 * SECOND);
    let c = w.resume_as("tok-alice", &s1, &t1, 0);
    w.refusal(c, "RESUME_WINDOW_EXPIRED");
    let c = w.resume_as("tok-alice", &s2, &t2, 0);
    w.expect(c, "session.welcome");
    w.cut(c);
    w.advance(700 * SECOND);
    let closed = w.stored.iter().filter(|(_, record)| matches!(record, Record::SessionClosed { .. })).count();
    assert_eq!(closed, 2);
    let sessions = w.restart();
    assert!(sessions.is_clean());
    assert!(w.timer().is_none(), "no session is waiting for its window to lapse: {:?}", w.timer());
}

#[test]
fn ours_a_session_survives_several_restarts() {
    let mut w = world();
    let a = w.login("tok-alice");
    let (session, mut token) = (w.session(a), w.token(a));
    let mut last = 0;
    for round in 0..4 {
        let c = if round == 0 {
            a
        } else {
            let c = w.resume_as("tok-alice", &session, &token, last);
            let welcome = w.expect(c, "session.welcome");
            token = welcome.payload()["resume_token"].as_str().unwrap().to_owned();
            let end = w.expect(c, "job.error");
            last = end.seq().unwrap();
            c
        };
        let job = w.job(c, "slow");
        last += 1;
        w.log(&job, "x");
        last = w.event(c, "log").seq().unwrap().max(last);
        assert!(w.restart().is_clean());
    }
}

#[test]
fn ours_a_closed_session_makes_room_after_a_restart_too() {
    let mut w = World::with(|config| {
        config.journal = Journaling::Kept;
        config.limits.sessions_per_principal = 1;
    });
    let a = w.login("tok-alice");
    w.send(a, "session.close", json!({}));
    let (mut after, _) = w.crashed_at(w.stored.len());
    let b = after.login("tok-alice");
    after.cut(b);
    // A session that was cut without a close may be resumed, so it still counts.
    let (mut after, _) = after.crashed_at(after.stored.len());
    let c = after.open();
    after.hello(c, "tok-alice", &[]);
    assert_eq!(after.recv(c).payload()["details"]["limit"], "sessions_per_principal");
}
