//! Jobs of other runtimes: clients that do not read, restarts, runtimes that do not answer, and limits (ours).

use nuncio_core::arcp::{Config, Dialect, Journaling, Record, Runtime};
use nuncio_tests::world::SECOND;
use serde_json::{Value, json};

use crate::shards::{Client, Shards, messages, number};

const HERE: usize = 0;
const THERE: usize = 1;
const BEYOND: usize = 2;

fn small(config: &mut Config) {
    config.limits.log_events = 16;
    config.limits.send_window = 4;
}

fn durable(config: &mut Config) {
    config.journal = Journaling::Readable;
}

/// A session of an operator, and a job of another principal in another runtime.
fn watched(shards: &mut Shards, history: bool) -> (Client, Value, String, nuncio_core::arcp::JobKey) {
    let (op, welcome) = shards.session(HERE, "op", Dialect::NUNCIO);
    let (alice, _) = shards.session(THERE, "alice", Dialect::SPEC);
    let (job, key) = shards.submit(alice);
    shards.frame(op, "job.subscribe", json!({"job_id": job, "history": history}));
    assert_eq!(shards.next(op)["type"], "job.subscribed");
    (op, welcome, job, key)
}

fn phases(frames: &[Value]) -> Vec<&str> {
    frames.iter().filter_map(|frame| frame["payload"]["body"]["phase"].as_str()).collect()
}

fn counted(from: usize, to: usize) -> Vec<String> {
    (from..to).map(|value| value.to_string()).collect()
}

/// Lets a slow client read until nothing comes any more.
fn read_all(shards: &mut Shards, client: Client) -> Vec<Value> {
    let mut all = shards.frames(client);
    loop {
        shards.read_on(client);
        let more = shards.frames(client);
        if more.is_empty() {
            return all;
        }
        all.extend(more);
    }
}

#[test]
fn a_history_waits_for_a_client_that_does_not_read_and_loses_nothing() {
    let mut shards = Shards::new(small);
    let (op, _) = shards.session(HERE, "op", Dialect::NUNCIO);
    let (alice, _) = shards.session(THERE, "alice", Dialect::SPEC);
    let (job, key) = shards.submit(alice);
    for text in counted(0, 100) {
        shards.emit(THERE, key, &text);
    }
    shards.finish(THERE, key);
    shards.stop_reading(op);
    let held = shards.runtimes[HERE].bytes_held();
    shards.frame(op, "job.subscribe", json!({"job_id": job, "history": true}));
    let grown = shards.runtimes[HERE].bytes_held() - held;
    assert!(grown < 16 * 1024, "as much waits as the limits allow: {grown}");
    let frames = read_all(&mut shards, op);
    assert_eq!(messages(&frames), counted(0, 100));
    assert_eq!(frames.last().unwrap()["type"], "job.result");
}

/// A client that has lost its connection asks again, and takes what follows the answer for events of the new subscription.
#[test]
fn the_answer_to_a_repeated_subscribe_follows_the_events_of_the_first() {
    let mut shards = Shards::new(|config| config.limits.send_window = 4);
    let (op, welcome) = shards.session(HERE, "op", Dialect::NUNCIO);
    let (alice, _) = shards.session(THERE, "alice", Dialect::SPEC);
    let (job, key) = shards.submit(alice);
    for text in counted(0, 100) {
        shards.emit(THERE, key, &text);
    }
    shards.stop_reading(op);
    shards.frame(op, "job.subscribe", json!({"job_id": job, "history": true}));
    shards.run(HERE, |runtime, now| runtime.handle_close(now, op.conn));
    let resume =
        json!({"session_id": welcome["session_id"], "resume_token": welcome["resume_token"], "last_event_seq": 0});
    let (again, _) = shards.hello(HERE, "op", Dialect::NUNCIO, resume);
    shards.stop_reading(again);
    shards.frame(again, "job.subscribe", json!({"job_id": job, "history": true}));
    let frames = read_all(&mut shards, again);
    let answer = frames.iter().rposition(|frame| frame["type"] == "job.subscribed").unwrap();
    assert_eq!(messages(&frames[answer..]), counted(0, 100));
}

/// The client sends the same request again: the answer to the first one is not that to the second.
#[test]
fn a_request_that_is_sent_again_is_answered_once_with_one_history() {
    let mut shards = Shards::new(|_| {});
    let (op, welcome) = shards.session(HERE, "op", Dialect::NUNCIO);
    let (alice, _) = shards.session(THERE, "alice", Dialect::SPEC);
    let (job, key) = shards.submit(alice);
    for text in counted(0, 20) {
        shards.emit(THERE, key, &text);
    }
    let subscribe = json!({"job_id": job, "history": true});
    shards.hold = true;
    shards.frame_as(op, "same", "job.subscribe", subscribe.clone());
    shards.run(HERE, |runtime, now| runtime.handle_close(now, op.conn));
    let resume =
        json!({"session_id": welcome["session_id"], "resume_token": welcome["resume_token"], "last_event_seq": 0});
    let (again, _) = shards.hello(HERE, "op", Dialect::NUNCIO, resume);
    shards.frame_as(again, "same", "job.subscribe", subscribe);
    shards.hold = false;
    shards.emit(THERE, key, "20");
    let frames = shards.frames(again);
    let answers: Vec<_> = (0..frames.len()).filter(|at| frames[*at]["type"] == "job.subscribed").collect();
    assert_eq!(answers.len(), 1);
    assert_eq!(messages(&frames[answers[0]..]), counted(0, 21));
}

/// What has arrived of the first subscription, its end among it, does not end the second.
#[test]
fn a_job_that_has_ended_is_watched_again_while_the_first_history_waits() {
    let mut shards = Shards::new(small);
    let (op, _) = shards.session(HERE, "op", Dialect::NUNCIO);
    let (alice, _) = shards.session(THERE, "alice", Dialect::SPEC);
    let (job, key) = shards.submit(alice);
    for text in counted(0, 20) {
        shards.emit(THERE, key, &text);
    }
    shards.finish(THERE, key);
    shards.stop_reading(op);
    shards.frame(op, "job.subscribe", json!({"job_id": job, "history": true}));
    shards.frame(op, "job.subscribe", json!({"job_id": job, "history": true}));
    let frames = read_all(&mut shards, op);
    let answer = frames.iter().rposition(|frame| frame["type"] == "job.subscribed").unwrap();
    assert_eq!(messages(&frames[answer..]), counted(0, 20));
    assert_eq!(frames.last().unwrap()["type"], "job.result");
}

#[test]
fn a_live_subscription_that_does_not_keep_up_is_dropped_after_its_last_event() {
    let mut shards = Shards::new(small);
    let (op, _, job, key) = watched(&mut shards, true);
    shards.frames(op);
    shards.stop_reading(op);
    for text in counted(0, 100) {
        shards.emit(THERE, key, &text);
    }
    let frames = read_all(&mut shards, op);
    assert_eq!(phases(&frames), ["subscription_dropped"]);
    assert_eq!(frames.last().unwrap()["payload"]["body"]["phase"], "subscription_dropped");
    let seen = messages(&frames[..frames.len() - 1]);
    assert_eq!(seen, counted(0, seen.len()), "none is missing before it");
    shards.emit(THERE, key, "unheard");
    assert_eq!(read_all(&mut shards, op), [] as [Value; 0]);
    shards.frame(op, "job.subscribe", json!({"job_id": job, "history": true}));
    let again = read_all(&mut shards, op);
    assert_eq!(messages(&again).len(), 101, "it can be renewed");
}

/// §6.5: a client that acknowledges is told that it is behind, if the only jobs it watches are elsewhere.
#[test]
fn back_pressure_is_told_under_a_job_of_another_runtime() {
    let mut shards = Shards::new(|config| config.limits.back_pressure = 4);
    let (op, _, job, key) = watched(&mut shards, false);
    shards.frame(op, "session.ack", json!({"last_processed_seq": 0}));
    for text in counted(0, 10) {
        shards.emit(THERE, key, &text);
    }
    let frames = shards.frames(op);
    let told: Vec<_> = frames.iter().filter(|frame| frame["payload"]["body"]["phase"] == "back_pressure").collect();
    assert_eq!(told.len(), 1, "{frames:?}");
    assert_eq!(told[0]["job_id"], json!(job));
}

#[test]
fn a_restart_of_the_session_ends_its_subscriptions_on_record() {
    let mut shards = Shards::new(durable);
    let (op, welcome, job, key) = watched(&mut shards, false);
    shards.emit(THERE, key, "one");
    let seen = shards.frames(op).last().unwrap()["event_seq"].as_u64().unwrap();
    shards.emit(THERE, key, "two");
    for (seq, record) in shards.records.concat() {
        assert_eq!(Record::decode(&record.encode()).unwrap(), record, "{seq}");
    }
    let names_op = |(_, record): &&(u64, Record)| {
        let text = String::from_utf8(record.encode()).unwrap();
        text.contains(welcome["session_id"].as_str().unwrap())
    };
    assert_eq!(shards.records[THERE].iter().find(names_op), None, "a guest is not on record");
    shards.restart(HERE);
    let resume =
        json!({"session_id": welcome["session_id"], "resume_token": welcome["resume_token"], "last_event_seq": seen});
    let (again, _) = shards.hello(HERE, "op", Dialect::NUNCIO, resume.clone());
    let frames = shards.frames(again);
    assert_eq!(messages(&frames)[0], "two", "what was sent before is on record");
    assert_eq!((phases(&frames), frames.len()), (vec!["subscription_dropped"], 2));
    assert_eq!(frames[1]["job_id"], json!(job));
    shards.emit(THERE, key, "three");
    assert_eq!(shards.frames(again), [] as [Value; 0]);
    // Once is enough: the next restart says nothing.
    shards.restart(HERE);
    let (last, _) = shards.hello(HERE, "op", Dialect::NUNCIO, resume);
    assert_eq!(shards.frames(last).len(), 2);
}

#[test]
fn a_subscription_that_has_ended_is_not_dropped_by_a_restart() {
    let mut shards = Shards::new(durable);
    let (op, welcome, _, key) = watched(&mut shards, false);
    shards.finish(THERE, key);
    let seen = shards.frames(op).last().unwrap()["event_seq"].as_u64().unwrap();
    shards.restart(HERE);
    let resume =
        json!({"session_id": welcome["session_id"], "resume_token": welcome["resume_token"], "last_event_seq": seen});
    let (again, _) = shards.hello(HERE, "op", Dialect::NUNCIO, resume);
    assert_eq!(shards.frames(again), [] as [Value; 0]);
}

#[test]
fn a_guest_that_is_lost_ends_the_subscriptions_there() {
    let mut shards = Shards::new(|_| {});
    let (op, welcome, job, key) = watched(&mut shards, false);
    let session = welcome["session_id"].as_str().and_then(nuncio_core::arcp::SessionUlid::parse).unwrap();
    shards.run(HERE, |runtime, now| runtime.handle_guest_lost(now, number(BEYOND), session));
    shards.emit(THERE, key, "heard");
    assert_eq!(messages(&shards.frames(op)), ["heard"], "it was another runtime that has lost its guest");
    shards.run(HERE, |runtime, now| runtime.handle_guest_lost(now, number(THERE), session));
    let frames = shards.frames(op);
    assert_eq!((phases(&frames), &frames[0]["job_id"]), (vec!["subscription_dropped"], &json!(job)));
}

#[test]
fn a_runtime_that_does_not_answer_fails_the_request_and_no_more() {
    let mut shards = Shards::new(|_| {});
    let (op, _) = shards.session(HERE, "op", Dialect::NUNCIO);
    let (alice, _) = shards.session(THERE, "alice", Dialect::SPEC);
    let (job, _) = shards.submit(alice);
    shards.deaf = vec![BEYOND];
    for (kind, payload) in
        [("session.list_jobs", json!({})), ("job.subscribe", json!({"job_id": "job_01ARZ3NDEKTSV4RRFFQ69G5FAV"}))]
    {
        let request = shards.frame(op, kind, payload);
        assert_eq!(shards.frames(op), [] as [Value; 0], "{kind}");
        assert!(!shards.runtimes[HERE].reading(op.conn), "{kind}: what follows waits");
        shards.now = shards.now.plus_micros(10 * SECOND);
        shards.run(HERE, Runtime::handle_timeout);
        let refusal = shards.next(op)["payload"].clone();
        assert_eq!((&refusal["code"], &refusal["request_id"]), (&json!("INTERNAL_ERROR"), &json!(request)), "{kind}");
        assert!(shards.runtimes[HERE].reading(op.conn), "{kind}");
    }
    // A job that is found needs the answer of its runtime alone.
    shards.frame(op, "job.subscribe", json!({"job_id": job}));
    assert_eq!(shards.next(op)["type"], "job.subscribed");
}

#[test]
fn a_subscription_that_begins_too_late_ends_again() {
    let mut shards = Shards::new(|_| {});
    let (op, _) = shards.session(HERE, "op", Dialect::NUNCIO);
    let (alice, _) = shards.session(THERE, "alice", Dialect::SPEC);
    let (job, key) = shards.submit(alice);
    shards.hold = true;
    shards.frame(op, "job.subscribe", json!({"job_id": job}));
    shards.now = shards.now.plus_micros(10 * SECOND);
    shards.run(HERE, Runtime::handle_timeout);
    assert_eq!(shards.next(op)["payload"]["code"], "INTERNAL_ERROR");
    shards.hold = false;
    shards.emit(THERE, key, "one");
    shards.emit(THERE, key, "two");
    assert_eq!(shards.frames(op), [] as [Value; 0]);
    shards.frame(op, "job.subscribe", json!({"job_id": job, "history": true}));
    assert_eq!(messages(&shards.frames(op)), ["one", "two"]);
}

#[test]
fn what_arrives_while_nothing_can_be_stored_is_shown_afterwards() {
    let mut shards = Shards::new(durable);
    let (op, _, _, key) = watched(&mut shards, false);
    shards.frames(op);
    shards.run(HERE, Runtime::pause);
    shards.emit(THERE, key, "one");
    shards.emit(THERE, key, "two");
    assert_eq!(shards.frames(op), [] as [Value; 0]);
    shards.run(HERE, Runtime::proceed);
    assert_eq!(messages(&shards.frames(op)), ["one", "two"]);
}

#[test]
fn subscriptions_elsewhere_count_like_those_here() {
    let of_session = |config: &mut Config| config.limits.subscriptions = 1;
    let of_principal = |config: &mut Config| config.limits.subscriptions_per_principal = 1;
    for (limit, change) in
        [("subscriptions", of_session as fn(&mut Config)), ("subscriptions_per_principal", of_principal)]
    {
        let mut shards = Shards::new(change);
        let (op, _, job, key) = watched(&mut shards, false);
        let (alice, _) = shards.session(BEYOND, "bob", Dialect::SPEC);
        let (other, _) = shards.submit(alice);
        shards.frame(op, "job.subscribe", json!({"job_id": other}));
        assert_eq!(shards.next(op)["payload"]["details"]["limit"], limit);
        shards.frame(op, "job.subscribe", json!({"job_id": job}));
        assert_eq!(shards.next(op)["type"], "job.subscribed", "a repeated one does not count");
        shards.finish(THERE, key);
        shards.frames(op);
        shards.frame(op, "job.subscribe", json!({"job_id": other}));
        assert_eq!(shards.next(op)["type"], "job.subscribed", "nor does one that has ended");
    }
}

#[test]
fn guests_take_no_place_of_a_connection_or_session() {
    let mut shards = Shards::new(|config| {
        config.limits.connections = 2;
        config.limits.sessions = 2;
        config.limits.sessions_per_principal = 2;
    });
    for _ in 0..2 {
        let (op, _) = shards.session(HERE, "op", Dialect::NUNCIO);
        shards.frame(op, "session.list_jobs", json!({}));
        assert_eq!(shards.next(op)["type"], "session.jobs");
    }
    shards.session(THERE, "op", Dialect::NUNCIO);
    let (own, _) = shards.session(THERE, "op", Dialect::NUNCIO);
    shards.frame(own, "session.list_jobs", json!({}));
    assert_eq!(shards.next(own)["type"], "session.jobs");
}

/// What other runtimes hand over is read as anything else that comes in: nothing of it panics, or counts without a reason.
#[test]
fn frames_that_no_runtime_sends_are_passed_over() {
    let mut shards = Shards::new(|_| {});
    let (op, welcome, job, _) = watched(&mut shards, false);
    let session = welcome["session_id"].as_str().and_then(nuncio_core::arcp::SessionUlid::parse).unwrap();
    for frame in [
        "",
        "{",
        "null",
        "[]",
        "{}",
        r#"{"type":"job.event"}"#,
        r#"{"arcp":"1.1","id":"x","type":"session.jobs","payload":{}}"#,
        r#"{"arcp":"1.1","id":"x","type":"session.error","payload":{"code":"NO_SUCH","message":""}}"#,
        r#"{"arcp":"1.1","id":"x","type":"job.event","event_seq":1,"payload":{}}"#,
        &format!(r#"{{"arcp":"1.1","id":"x","type":"job.else","job_id":"{job}","event_seq":1,"payload":{{}}}}"#),
    ] {
        let frame = bytes::Bytes::copy_from_slice(frame.as_bytes());
        shards.run(HERE, |runtime, now| runtime.handle_relayed(now, number(THERE), session, &frame));
        shards.run(THERE, |runtime, now| runtime.handle_relayed(now, number(HERE), session, &frame));
    }
    assert_eq!(shards.frames(op), [] as [Value; 0]);
}
