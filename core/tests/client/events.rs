//! Events are delivered once and in order, however the runtime numbers them (core/docs/arcp.md §8 and "The client").

use crate::support::{Harness, SECOND, accepted, event, job_error, kind, plain, result, success};
use bytes::Bytes;
use nuncio_core::arcp::client::{ClientConfig, ClientEvent, ClientOutput, EventKind};

const SUBSCRIBED: &str = r#"{"type":"job.subscribed","payload":{"job_id":"s","current_status":"running"}}"#;

#[test]
fn events_arrive_once_and_in_order_across_reconnections() {
    let mut harness = Harness::live();
    harness.job("a");
    harness.job("b");
    let mut lines = harness.frames([&*event("a", 1), &event("b", 2), &event("b", 2)]);
    harness.cut();
    harness.resume();
    lines.extend(harness.frames([&*event("b", 2), &event("a", 1), &event("a", 3), &event("b", 4)]));
    assert_eq!(lines, [r#"h0 #1 log {"n":1}"#, r#"h1 #2 log {"n":2}"#, r#"h0 #3 log {"n":3}"#, r#"h1 #4 log {"n":4}"#]);
}

#[test]
fn a_body_is_delivered_verbatim_and_without_a_copy() {
    let mut harness = Harness::live();
    harness.job("j");
    let frame = Bytes::from(kind("j", 1, "metric", r#"{ "value" : 12408, "n":1e2, "nested":{"a":[null, 1.0]} }"#));
    harness.client.handle_frame(harness.now, &frame);
    let Some(ClientOutput::Event(ClientEvent::Job(event))) = harness.client.poll_output() else { panic!("no event") };
    assert_eq!(event.body.as_str(), r#"{ "value" : 12408, "n":1e2, "nested":{"a":[null, 1.0]} }"#);
    assert_eq!(event.ts(), "2026-11-21T00:00:00.000Z");
    assert_eq!(event.kind, EventKind::Metric);
    let body = event.body.into_bytes();
    assert!(frame.as_ptr_range().contains(&body.as_ptr()), "the body is a slice of the frame");
}

#[test]
fn unknown_kinds_are_delivered() {
    let mut harness = Harness::live();
    harness.job("j");
    let lines = harness.frames([
        &*kind("j", 1, "x-vendor.acme.custom", r#"{"anything":[1,2,3]}"#),
        &kind("j", 2, "a_kind_of_v1.2", "null"),
        r#"{"type":"job.event","job_id":"j","event_seq":3,"payload":{"kind":"log"}}"#,
        r#"{"type":"job.event","job_id":"j","event_seq":4,"payload":{"kind":"log","ts":1700000000,"body":1,"more":[]}}"#,
    ]);
    assert_eq!(
        lines,
        [
            r#"h0 #1 x-vendor.acme.custom {"anything":[1,2,3]}"#,
            "h0 #2 a_kind_of_v1.2 null",
            "h0 #3 log null",
            "h0 #4 log 1"
        ]
    );
}

#[test]
fn a_gap_causes_one_resume() {
    let mut harness = Harness::live();
    harness.job("j");
    harness.frame(&event("j", 1));
    assert_eq!(harness.frame(&event("j", 4)), ["drop 1000", "lost gap 2..=3", "connect 0 resume=true"]);
    assert!(harness.frame(&event("j", 5)).is_empty(), "frames of the old transport are ignored");
    harness.resume();
    assert_eq!(harness.last("session.hello")["payload"]["resume"]["last_event_seq"], 1);
    let lines = harness.frames([&*event("j", 2), &event("j", 3), &event("j", 4)]);
    assert_eq!(lines, [r#"h0 #2 log {"n":2}"#, r#"h0 #3 log {"n":3}"#, r#"h0 #4 log {"n":4}"#]);
    assert_eq!(harness.frame(&event("j", 9))[1], "lost gap 5..=8", "another gap causes another resume");
}

#[test]
fn a_gap_that_a_resume_does_not_fill_is_reported_and_skipped() {
    let mut harness = Harness::live();
    harness.job("j");
    harness.frame(&event("j", 1));
    harness.frame(&event("j", 4));
    harness.resume();
    assert_eq!(harness.frame(&event("j", 4)), ["gap 2..=3", r#"h0 #4 log {"n":4}"#]);
    assert_eq!(harness.frame(&event("j", 5)), [r#"h0 #5 log {"n":5}"#]);
}

#[test]
fn events_of_unknown_jobs_wait_for_the_acceptance() {
    let mut harness = Harness::live();
    harness.submit();
    let id = harness.id_of("job.submit");
    assert!(harness.frames([&*event("j", 1), &success("j", 2)]).is_empty());
    assert_eq!(harness.frame(&accepted("j", Some(&id))), ["h0 accepted j", r#"h0 #1 log {"n":1}"#, "h0 #2 success 1"]);
}

#[test]
fn held_events_survive_a_reconnection() {
    let mut harness = Harness::live();
    harness.job("p");
    assert!(harness.frame(&event("c", 1)).is_empty());
    harness.cut();
    harness.resume();
    assert_eq!(
        harness.last("session.hello")["payload"]["resume"]["last_event_seq"],
        1,
        "a held event counts as received"
    );
    let child = plain("job.accepted", r#""job_id":"c","parent_job_id":"p","delegate_id":"d""#);
    assert_eq!(harness.frame(&child), ["h1 child c of h0", r#"h1 #1 log {"n":1}"#]);
}

#[test]
fn held_events_are_bounded_and_their_loss_is_reported() {
    let mut harness = Harness::live_with(ClientConfig::default().with(|config| config.limits.held_events = 2));
    assert!(harness.frames([&*event("x", 1), &event("y", 2)]).is_empty());
    assert_eq!(harness.frame(&event("x", 3)), ["gap 1..=1"]);
    let child = |job: &str| plain("job.accepted", &format!(r#""job_id":"{job}","delegate_id":"d""#));
    assert_eq!(harness.frame(&child("x")), ["h0 child x of -", r#"h0 #3 log {"n":3}"#]);
    assert_eq!(harness.frame(&child("y")), ["h1 child y of -", r#"h1 #2 log {"n":2}"#]);
}

#[test]
fn nothing_follows_a_terminal() {
    let mut harness = Harness::live();
    harness.job("j");
    assert_eq!(harness.frame(&success("j", 1)), ["h0 #1 success 1"]);
    assert!(harness.frames([&*event("j", 2), &job_error("j", 3, r#""code":"INTERNAL_ERROR""#)]).is_empty());
    harness.job("k");
    assert_eq!(harness.frame(&event("k", 4)), [r#"h1 #4 log {"n":4}"#]);
}

#[test]
fn every_final_status_is_read_from_either_message() {
    let ends = [
        (result("j", 1, r#""final_status":"success","result":null"#), "h0 #1 success null"),
        (result("j", 1, r#""final_status":"success","output":{"a":1}"#), r#"h0 #1 success {"a":1}"#),
        (result("j", 1, r#""final_status":"success""#), "h0 #1 success nothing"),
        (result("j", 1, ""), "h0 #1 success nothing"),
        (result("j", 1, r#""final_status":"cancelled""#), "h0 #1 cancelled nothing"),
        (result("j", 1, r#""final_status":"timed_out""#), "h0 #1 timed_out nothing"),
        (result("j", 1, r#""final_status":"error","code":"X","message":"m""#), "h0 #1 error nothing X"),
        (job_error("j", 1, r#""final_status":"error","code":"INTERNAL_ERROR""#), "h0 #1 error nothing INTERNAL_ERROR"),
        (job_error("j", 1, r#""final_status":"cancelled","code":"CANCELLED""#), "h0 #1 cancelled nothing CANCELLED"),
        (job_error("j", 1, r#""code":"TIMEOUT","details":null"#), "h0 #1 timed_out nothing TIMEOUT"),
        (job_error("j", 1, r#""code":"CANCELLED""#), "h0 #1 cancelled nothing CANCELLED"),
        (job_error("j", 1, ""), "h0 #1 error nothing"),
        (job_error("j", 1, r#""final_status":7,"code":[],"retryable":"yes""#), "h0 #1 error nothing"),
    ];
    for (frame, line) in ends {
        let mut harness = Harness::live();
        harness.job("j");
        assert_eq!(harness.frame(&frame), [line], "{frame}");
    }
}

#[test]
fn a_fault_has_the_members_that_the_runtime_sent() {
    let mut harness = Harness::live();
    harness.job("j");
    let frame = job_error(
        "j",
        1,
        r#""code":"ACME_BROKE","message":"m","retryable":true,"details":{"a": 1},"completed_at":"t""#,
    );
    harness.client.handle_frame(harness.now, &Bytes::from(frame));
    let Some(ClientOutput::Event(ClientEvent::Terminal { outcome, .. })) = harness.client.poll_output() else {
        panic!("no terminal")
    };
    let fault = outcome.fault.unwrap();
    assert_eq!((fault.known(), fault.retryable, fault.message.as_str()), (None, true, "m"));
    assert_eq!(fault.details.unwrap().as_str(), r#"{"a": 1}"#);
    assert_eq!(outcome.completed_at.as_deref(), Some("t"));
}

#[test]
fn a_subscription_with_its_own_numbering_causes_no_gap() {
    // The Python runtime numbers every subscription from 1, independently of the session's own numbers.
    let mut harness = Harness::live();
    harness.job("own");
    harness.frames([&*event("own", 1), &event("own", 2), &event("own", 3)]);
    harness.subscribe("s");
    let mut lines = harness.frames([&*event("s", 1), &event("s", 2)]);
    lines.extend(harness.frame(SUBSCRIBED));
    lines.extend(harness.frames([&*event("s", 3), &event("s", 4), &event("own", 4), &event("s", 5), &event("own", 5)]));
    assert_eq!(
        lines,
        [
            r#"h1 #1 log {"n":1}"#,
            r#"h1 #2 log {"n":2}"#,
            "h1 subscribed s replayed=false",
            r#"h1 #3 log {"n":3}"#,
            r#"h1 #4 log {"n":4}"#,
            r#"h0 #4 log {"n":4}"#,
            r#"h1 #5 log {"n":5}"#,
            r#"h0 #5 log {"n":5}"#,
        ]
    );
    harness.frames([&*event("s", 6), &event("s", 7)]);
    harness.cut();
    harness.open();
    let resume = &harness.last("session.hello")["payload"]["resume"];
    assert_eq!(resume["last_event_seq"], 5, "such a runtime replays by the numbers of the client's own jobs");
}

#[test]
fn a_replay_of_an_own_job_is_delivered_to_the_subscription_only() {
    let mut harness = Harness::live();
    harness.job("s");
    harness.frames([&*event("s", 1), &event("s", 2)]);
    harness.subscribe("s");
    let lines = harness.frames([&*event("s", 1), &event("s", 2), SUBSCRIBED, &event("s", 3)]);
    assert_eq!(
        lines,
        [
            r#"h1 #1 log {"n":1}"#,
            r#"h1 #2 log {"n":2}"#,
            "h1 subscribed s replayed=false",
            r#"h0 #3 log {"n":3}"#,
            r#"h1 #3 log {"n":3}"#
        ]
    );
}

#[test]
fn a_terminal_that_precedes_job_subscribed_is_delivered_last() {
    let mut harness = Harness::live();
    harness.subscribe("s");
    let lines = harness.frames([&*event("s", 1), &success("s", 2), SUBSCRIBED]);
    assert_eq!(lines, [r#"h0 #1 log {"n":1}"#, "h0 subscribed s replayed=false", "h0 #2 success 1"]);
}

#[test]
fn the_terminal_of_an_ended_job_is_awaited_until_the_timeout() {
    let ended = r#"{"type":"job.subscribed","payload":{"job_id":"s","current_status":"cancelled","replayed":0}}"#;
    let mut harness = Harness::live();
    harness.subscribe("s");
    assert_eq!(harness.frame(ended), ["h0 subscribed s replayed=false"]);
    assert_eq!(harness.wait(60 * SECOND), ["h0 #0 cancelled unknown"]);

    harness.subscribe("s");
    harness.frame(ended);
    assert_eq!(harness.frame(&success("s", 1)), ["h1 #1 success 1"]);
    assert_eq!(harness.wait(100 * SECOND), ["> session.ack"], "no terminal is awaited any more");
}

#[test]
fn frames_without_a_number_are_delivered() {
    let mut harness = Harness::live();
    harness.job("j");
    harness.frame(&event("j", 1));
    let bare = r#"{"type":"job.event","job_id":"j","payload":{"kind":"log","body":{}}}"#;
    assert_eq!(harness.frame(bare), ["h0 #0 log {}"]);
    assert_eq!(harness.frame(&event("j", 2)), [r#"h0 #2 log {"n":2}"#]);
    assert_eq!(
        harness.frame(r#"{"type":"job.result","job_id":"j","payload":{"final_status":"success"}}"#),
        ["h0 #0 success nothing"]
    );
}

#[test]
fn frames_before_the_first_welcome_are_ignored() {
    let mut harness = Harness::idle(ClientConfig::default());
    harness.open();
    assert!(harness.frames([&*event("j", 1), &success("j", 7), &accepted("j", None)]).is_empty());
    assert_eq!(harness.frame(&crate::support::welcome("sess_1", "t")), ["welcome sess_1"]);
}
