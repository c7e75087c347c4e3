//! §6.7: closing a session, and what remains of it.

use nuncio_core::arcp::{ErrorCode, Event, JobState};
use nuncio_tests::world::{Frame, SECOND, World};
use serde_json::json;
use std::time::Duration;

#[test]
fn s6_7_close_and_bye_are_answered_and_closed_with_1000() {
    for kind in ["session.close", "session.bye"] {
        for payload in [json!({}), json!({"reason": "client.close"}), json!({"reason": null})] {
            let mut w = World::new();
            let a = w.login("tok-alice");
            w.send(a, kind, payload);
            w.expect(a, "session.closed");
            w.expect_nothing(a);
            assert_eq!(w.closed(a), Some(1000));
        }
    }
}

#[test]
fn s6_7_jobs_run_on_and_the_session_stays_resumable() {
    let mut w = World::new();
    let a = w.login("tok-alice");
    let job = w.job(a, "slow");
    w.send(a, "session.close", json!({}));
    w.drain(a);
    w.log(&job, "2");
    w.finish(&job, "1");
    let b = w.resume(a, 1);
    let frames = w.drain(b);
    assert_eq!(frames.iter().filter_map(Frame::seq).collect::<Vec<_>>(), [2, 3]);
    assert_eq!(frames.last().unwrap().kind(), "job.result");
}

#[test]
fn ours_the_host_is_told_whether_the_client_has_closed_the_session() {
    for closes in [true, false] {
        let mut w = World::new();
        let a = w.login("tok-alice");
        if closes {
            w.send(a, "session.close", json!({}));
            w.drain(a);
        } else {
            w.cut(a);
        }
        let told = w.host_event("SessionDetached", |event| match event {
            Event::SessionDetached { goodbye, .. } => Some(*goodbye),
            _ => None,
        });
        assert_eq!(told, closes);
    }
}

#[test]
fn s6_7_the_closed_frame_waits_for_the_queue_but_not_for_ever() {
    let mut w = World::with(|config| {
        config.limits.send_window = 1;
        config.linger = Duration::from_secs(2);
    });
    let a = w.login("tok-alice");
    w.hold_writes(a);
    for _ in 0..3 {
        w.send(a, "session.list_jobs", json!({}));
    }
    w.send(a, "session.close", json!({}));
    assert_eq!(w.closed(a), None, "the connection stays open while replies are queued");
    w.report_written(a, 1);
    w.report_written(a, 1);
    w.report_written(a, 1);
    let kinds: Vec<_> = w.drain(a).iter().map(|frame| frame.kind().to_owned()).collect();
    assert_eq!(kinds, ["session.jobs", "session.jobs", "session.jobs", "session.closed"]);
    assert_eq!(w.closed(a), Some(1000));

    let b = w.login("tok-alice");
    w.hold_writes(b);
    w.send(b, "session.list_jobs", json!({}));
    w.send(b, "session.close", json!({}));
    w.advance(2 * SECOND);
    assert!(w.closed(b).is_some(), "a deadline ends the lingering");
}

#[test]
fn s6_7_frames_after_close_are_not_executed() {
    let mut w = World::new();
    let a = w.login("tok-alice");
    w.hold_writes(a);
    w.send(a, "session.close", json!({}));
    w.send_bytes(a, br#"{"arcp":"1.1","id":"late","type":"job.submit","payload":{"agent":"echo"}}"#);
    w.release_writes(a);
    let frames = w.drain(a);
    assert!(frames.iter().all(|frame| frame.kind() != "job.accepted"), "{frames:?}");
    let b = w.login("tok-alice");
    assert_eq!(w.list(b, json!({})).payload()["jobs"], json!([]));
}

#[test]
fn s6_7_a_closed_session_lapses_like_a_dropped_one() {
    let mut w = World::new();
    let a = w.login("tok-alice");
    let (session, token) = (w.session(a), w.token(a));
    w.send(a, "session.close", json!({}));
    w.advance(601 * SECOND);
    w.host_event("SessionClosed", |event| matches!(event, Event::SessionClosed { .. }).then_some(()));
    let b = w.resume_as("tok-alice", &session, &token, 0);
    w.refusal(b, "RESUME_WINDOW_EXPIRED");
}

#[test]
fn s6_3_a_lapsed_sessions_jobs_run_on() {
    let mut w = World::new();
    let a = w.login("tok-alice");
    let job = w.job(a, "slow");
    w.cut(a);
    w.advance(601 * SECOND);
    w.host_event("SessionClosed", |event| matches!(event, Event::SessionClosed { .. }).then_some(()));
    w.log(&job, "nobody listens");
    assert!(w.runtime.job(job.key).unwrap().session.is_none());
    let b = w.login("tok-alice");
    w.subscribe(b, json!({"job_id": job.id, "history": true}));
    let frames = w.drain(b);
    assert_eq!(frames.len(), 2);
    w.finish(&job, "1");
    w.expect(b, "job.result");
}

#[test]
fn a_shutdown_refuses_submits_and_reports_when_it_is_drained() {
    let mut w = World::new();
    let a = w.login("tok-alice");
    let job = w.job(a, "slow");
    w.shutdown();
    assert!(w.try_host_event(|event| matches!(event, Event::Drained).then_some(())).is_none());
    w.drain(a);
    w.submit_refused(a, json!({"agent": "echo"}), "INTERNAL_ERROR");
    w.submit_refused(a, json!({"agent": "echo", "parent_job_id": job.id}), "INTERNAL_ERROR");
    w.finish(&job, "1");
    w.host_event("Drained", |event| matches!(event, Event::Drained).then_some(()));
    let b = w.open();
    w.hello(b, "tok-alice", &[]);
    w.refusal(b, "INTERNAL_ERROR");
    assert!(w.closed(b).is_some());
}

#[test]
fn clients_may_connect_list_cancel_and_resume_until_a_shutdown_is_drained() {
    let mut w = World::new();
    let a = w.login("tok-alice");
    let job = w.job(a, "slow");
    w.log(&job, "before");
    let last = w.event(a, "log").seq().unwrap();
    w.shutdown();
    let b = w.login("tok-alice");
    let rows = w.list(b, json!({}));
    assert_eq!(rows.payload()["jobs"][0]["job_id"], job.id.as_str());
    w.cut(a);
    let a = w.resume(a, last);
    w.send(a, "job.cancel", json!({"job_id": job.id}));
    w.expect(a, "job.cancelled");
    w.finish(&job, "1");
    assert_eq!(w.expect(a, "job.error").payload()["code"], "CANCELLED");
    w.host_event("Drained", |event| matches!(event, Event::Drained).then_some(()));
}

#[test]
fn s10_a_running_job_delegates_until_a_shutdown_is_drained() {
    let mut w = World::new();
    let a = w.login("tok-alice");
    let job = w.submit(a, json!({"agent": "slow", "lease_request": {"agent.delegate": ["*"]}}));
    w.shutdown();
    let child = w.delegate(&job, &json!({"agent": "echo"})).unwrap();
    assert_eq!(w.runtime.job(child).unwrap().state, JobState::Running);
    w.finish(&job, "1");
    w.host_event("Drained", |event| matches!(event, Event::Drained).then_some(()));
}

#[test]
fn shutdown_without_jobs_is_drained_at_once() {
    let mut w = World::new();
    w.shutdown();
    w.host_event("Drained", |event| matches!(event, Event::Drained).then_some(()));
}

#[test]
fn abort_ends_every_job_and_closes_every_connection_with_1001() {
    let mut w = World::new();
    let a = w.login("tok-alice");
    let b = w.login("tok-bob");
    let job = w.job(a, "slow");
    w.abort();
    let frames = w.drain(a);
    let terminal = frames.iter().find(|frame| frame.kind() == "job.error").unwrap();
    assert_eq!(terminal.payload()["code"], "INTERNAL_ERROR");
    assert_eq!((w.closed(a), w.closed(b)), (Some(1001), Some(1001)));
    let fault = w.host_event("Ended", |event| match event {
        Event::Ended { job: key, fault, .. } if *key == job.key => Some(fault.clone()),
        _ => None,
    });
    assert_eq!(fault.unwrap().code, ErrorCode::InternalError);
}
