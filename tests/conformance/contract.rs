//! The contract between the runtime and its host.

use nuncio_core::arcp::{Event, JobUlid, Refused, Via};
use nuncio_core::time::Time;
use nuncio_tests::world::{FEATURES, OnSubmit, SECOND, START, World};
use serde_json::json;

#[test]
fn contract_several_inputs_may_precede_draining() {
    let mut w = World::new();
    let a = w.login("tok-alice");
    let job = w.job(a, "slow");
    let frame = |id: &str, kind: &str, payload: &str| {
        format!(r#"{{"arcp":"1.1","id":"{id}","type":"{kind}","payload":{payload}}}"#)
    };
    let cancel = format!(r#"{{"job_id":"{}"}}"#, job.id);
    for text in [
        frame("1", "session.list_jobs", "{}"),
        frame("2", "job.submit", r#"{"agent":"nobody"}"#),
        frame("3", "job.cancel", &cancel),
        frame("4", "session.ping", r#"{"nonce":"n"}"#),
        frame("5", "nonsense", "{}"),
    ] {
        w.runtime.handle_frame(w.now, a, text.as_bytes());
    }
    w.advance(0);
    let mut kinds: Vec<String> = w.drain(a).iter().map(|frame| frame.kind().to_owned()).collect();
    kinds.sort_unstable();
    assert_eq!(kinds, ["job.cancelled", "session.error", "session.error", "session.jobs", "session.pong"]);
}

#[test]
fn contract_time_may_stand_still_or_step_back() {
    let mut w = World::new();
    let a = w.login("tok-alice");
    let job = w.job(a, "slow");
    w.advance(20 * SECOND);
    w.runtime.handle_timeout(START);
    w.runtime.handle_timeout(Time(0));
    w.now = START;
    w.log(&job, "2");
    let event = w.event(a, "log");
    assert_eq!(event.payload()["ts"], "2026-05-13T19:30:20.000Z", "a step back is clamped");
    w.now = START.plus_secs(20);
    w.log(&job, "3");
    w.event(a, "log");
}

#[test]
fn contract_early_and_spurious_timeouts_are_harmless() {
    let mut w = World::new();
    let a = w.login("tok-alice");
    for _ in 0..100 {
        w.runtime.handle_timeout(w.now);
    }
    w.advance(0);
    w.expect_nothing(a);
    w.advance(29 * SECOND);
    w.expect_nothing(a);
}

#[test]
fn contract_a_late_timeout_does_what_was_due() {
    let mut w = World::new();
    let a = w.login("tok-alice");
    let job = w.submit(a, json!({"agent": "slow", "max_runtime_sec": 5}));
    w.now = w.now.plus_secs(50);
    w.runtime.handle_timeout(w.now);
    w.advance(0);
    let frames = w.drain(a);
    assert!(frames.iter().any(|frame| frame.kind() == "job.error" && frame.job() == job.id));
}

#[test]
fn contract_late_inputs_of_a_closed_connection_reach_no_other() {
    let mut w = World::new();
    let a = w.login("tok-alice");
    w.cut(a);
    let b = w.login("tok-bob");
    assert_ne!(a, b);
    w.send_bytes(a, br#"{"arcp":"1.1","id":"x","type":"session.list_jobs","payload":{}}"#);
    w.runtime.handle_sent(w.now, a, 5);
    w.runtime.handle_close(w.now, a);
    w.advance(0);
    w.expect_nothing(b);
    assert_eq!(w.closed(b), None);
    assert!(!w.runtime.reading(a));
    w.job(b, "echo");
}

#[test]
fn contract_a_clone_produces_the_same_outputs() {
    let mut w = World::new();
    let a = w.login("tok-alice");
    w.job(a, "slow");
    let mut one = w.runtime.clone();
    let mut two = w.runtime.clone();
    let frame = br#"{"arcp":"1.1","id":"x","type":"job.submit","payload":{"agent":"echo"}}"#;
    let run = |runtime: &mut nuncio_core::arcp::Runtime| {
        runtime.handle_frame(START, a, frame);
        runtime.handle_timeout(START.plus_secs(30));
        let mut out = Vec::new();
        while let Some(output) = runtime.poll_output() {
            out.push(format!("{output:?}"));
        }
        out
    };
    let outputs = run(&mut one);
    assert!(!outputs.is_empty());
    assert_eq!(outputs, run(&mut two));
}

#[test]
fn contract_a_different_seed_gives_different_ids() {
    let mut one = nuncio_core::arcp::Runtime::new(nuncio_core::arcp::Config::default(), [1; 32], START);
    let mut two = nuncio_core::arcp::Runtime::new(nuncio_core::arcp::Config::default(), [2; 32], START);
    let welcome = |runtime: &mut nuncio_core::arcp::Runtime| {
        let conn = runtime.handle_open(START, Via::Memory);
        let hello = br#"{"arcp":"1.1","id":"h","type":"session.hello","payload":{"client":{"name":"c","version":"1"},"auth":{"scheme":"bearer","token":"t"}}}"#;
        runtime.handle_frame(START, conn, hello);
        runtime.admit(START, conn, "alice").unwrap();
        let mut texts = Vec::new();
        while let Some(output) = runtime.poll_output() {
            if let nuncio_core::arcp::Output::Send { frame, .. } = output {
                texts.push(String::from_utf8(frame.to_vec()).unwrap());
            }
        }
        texts
    };
    let (one, two) = (welcome(&mut one), welcome(&mut two));
    assert_eq!(one.len(), 1);
    assert_ne!(one, two);
}

#[test]
fn contract_a_silent_connection_does_not_block_others() {
    let mut w = World::new();
    w.open();
    let a = w.login("tok-alice");
    w.job(a, "echo");
}

#[test]
fn contract_each_token_guess_needs_a_new_connection() {
    let mut w = World::new();
    let a = w.open();
    w.hello(a, "guess-1", &FEATURES);
    w.refusal(a, "UNAUTHENTICATED");
    w.send_bytes(
        a,
        br#"{"arcp":"1.1","id":"h","type":"session.hello","payload":{"auth":{"scheme":"bearer","token":"tok-alice"}}}"#,
    );
    w.expect_nothing(a);
}

#[test]
fn contract_frames_before_authentication_hold_no_memory() {
    let mut w = World::new();
    w.on_authenticate = nuncio_tests::world::OnAuthenticate::Hold;
    let before = w.runtime.bytes_held();
    let a = w.open();
    w.hello(a, "tok-alice", &FEATURES);
    let frame = format!(
        r#"{{"arcp":"1.1","id":"x","type":"job.submit","payload":{{"agent":"echo","input":"{}"}}}}"#,
        "x".repeat(900_000)
    );
    for _ in 0..10 {
        w.send_bytes(a, frame.as_bytes());
    }
    w.advance(3 * SECOND);
    assert!(w.runtime.bytes_held() < before + 100_000);
}

#[test]
fn contract_a_client_that_stops_reading_does_not_block_others() {
    let mut w = World::new();
    let a = w.login("tok-alice");
    let b = w.login("tok-bob");
    w.hold_writes(a);
    for _ in 0..10_000 {
        if !w.runtime.reading(a) {
            break;
        }
        w.send_submit(a, json!({"agent": "echo", "idempotency_key": "k"}));
    }
    assert!(!w.runtime.reading(a), "the number of queued replies is bounded");
    w.job(b, "echo");
}

#[test]
fn contract_jobs_are_found_by_their_wire_id() {
    let mut w = World::new();
    let a = w.login("tok-alice");
    let job = w.job(a, "echo");
    let ulid = JobUlid::parse(&job.id).unwrap();
    assert_eq!(w.runtime.find(ulid), Some(job.key));
    assert_eq!(w.runtime.job(job.key).unwrap().id, ulid);
    assert_eq!(w.runtime.find(JobUlid::parse("job_01M7XYPH85GSFKWQXBK44MZHS9").unwrap()), None);
}

#[test]
fn contract_unsolicited_host_answers_are_stale() {
    let mut w = World::new();
    let a = w.login("tok-alice");
    let job = w.job(a, "echo");
    let fault = nuncio_core::arcp::Fault::new(nuncio_core::arcp::ErrorCode::InternalError, "x");
    assert_eq!(w.runtime.admit(w.now, a, "alice"), Err(Refused::Stale));
    assert_eq!(w.runtime.reject(w.now, a, fault.clone()), Err(Refused::Stale));
    assert_eq!(w.runtime.start(w.now, job.key, vec![]), Err(Refused::Stale));
    assert_eq!(w.runtime.decline(w.now, job.key, fault), Err(Refused::Stale));
    w.advance(0);
    w.expect_nothing(a);
}

#[test]
fn contract_a_submit_outlives_its_connection() {
    let mut w = World::new();
    let a = w.login("tok-alice");
    w.on_submit = nuncio_tests::world::OnSubmit::Hold;
    let key = w.submit_held(a, json!({"agent": "echo"}));
    w.cut(a);
    w.start(key);
    w.host_event("Start", |event| matches!(event, Event::Start { .. }).then_some(()));
}

#[test]
fn contract_reading_is_announced_only_while_it_is_true() {
    let mut w = World::with(|config| (config.limits.reply_frames, config.limits.send_window) = (1, 1));
    let a = w.login_without("tok-alice", &["heartbeat"]);
    w.on_submit = OnSubmit::Hold;
    for _ in 0..2 {
        w.send(a, "job.submit", json!({"agent": "slow"}));
    }
    w.hold_writes(a);
    // The first refusal is sent and the second is queued. The world asserts that `Reading` is not announced meanwhile.
    w.advance(31 * SECOND);
    assert!(!w.runtime.reading(a));
    w.release_writes(a);
    assert!(w.runtime.reading(a));
    assert_eq!(w.drain(a).len(), 2);
}
