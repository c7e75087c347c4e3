//! Events: exactly once, in order, whatever the runtime counts (core/docs/arcp.md §8 and "The client").

use crate::support::{Desk, SECOND, accepted, event, job_error, kind, plain, result, success};
use bytes::Bytes;
use nuncio_core::arcp::client::{ClientConfig, ClientEvent, ClientOutput, EventKind};

const SUBSCRIBED: &str = r#"{"type":"job.subscribed","payload":{"job_id":"s","current_status":"running"}}"#;

#[test]
fn events_come_once_and_in_order_over_cuts() {
    let mut desk = Desk::live();
    desk.job("a");
    desk.job("b");
    let mut lines = desk.frames([&*event("a", 1), &event("b", 2), &event("b", 2)]);
    desk.cut();
    desk.resume();
    lines.extend(desk.frames([&*event("b", 2), &event("a", 1), &event("a", 3), &event("b", 4)]));
    assert_eq!(lines, [r#"h0 #1 log {"n":1}"#, r#"h1 #2 log {"n":2}"#, r#"h0 #3 log {"n":3}"#, r#"h1 #4 log {"n":4}"#]);
}

#[test]
fn a_body_is_handed_on_as_it_was_written_and_without_a_copy() {
    let mut desk = Desk::live();
    desk.job("j");
    let frame = Bytes::from(kind("j", 1, "metric", r#"{ "value" : 12408, "n":1e2, "nested":{"a":[null, 1.0]} }"#));
    desk.client.handle_frame(desk.now, &frame);
    let Some(ClientOutput::Event(ClientEvent::Job(event))) = desk.client.poll_output() else { panic!("no event") };
    assert_eq!(event.body.as_str(), r#"{ "value" : 12408, "n":1e2, "nested":{"a":[null, 1.0]} }"#);
    assert_eq!(event.ts(), "2026-11-21T00:00:00.000Z");
    assert_eq!(event.kind, EventKind::Metric);
    let body = event.body.into_bytes();
    assert!(frame.as_ptr_range().contains(&body.as_ptr()), "the body is a slice of the frame");
}

#[test]
fn unknown_kinds_survive() {
    let mut desk = Desk::live();
    desk.job("j");
    let lines = desk.frames([
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
fn a_gap_is_resumed_once() {
    let mut desk = Desk::live();
    desk.job("j");
    desk.frame(&event("j", 1));
    assert_eq!(desk.frame(&event("j", 4)), ["drop 1000", "lost gap 2..=3", "connect 0 resume=true"]);
    assert!(desk.frame(&event("j", 5)).is_empty(), "the old transport is of no interest");
    desk.resume();
    assert_eq!(desk.last("session.hello")["payload"]["resume"]["last_event_seq"], 1);
    let lines = desk.frames([&*event("j", 2), &event("j", 3), &event("j", 4)]);
    assert_eq!(lines, [r#"h0 #2 log {"n":2}"#, r#"h0 #3 log {"n":3}"#, r#"h0 #4 log {"n":4}"#]);
    assert_eq!(desk.frame(&event("j", 9))[1], "lost gap 5..=8", "the next gap is a new one");
}

#[test]
fn a_gap_that_stays_is_reported_and_passed_over() {
    let mut desk = Desk::live();
    desk.job("j");
    desk.frame(&event("j", 1));
    desk.frame(&event("j", 4));
    desk.resume();
    assert_eq!(desk.frame(&event("j", 4)), ["gap 2..=3", r#"h0 #4 log {"n":4}"#]);
    assert_eq!(desk.frame(&event("j", 5)), [r#"h0 #5 log {"n":5}"#]);
}

#[test]
fn events_of_unknown_jobs_wait_for_their_accepted() {
    let mut desk = Desk::live();
    desk.submit();
    let id = desk.id_of("job.submit");
    assert!(desk.frames([&*event("j", 1), &success("j", 2)]).is_empty());
    assert_eq!(desk.frame(&accepted("j", Some(&id))), ["h0 accepted j", r#"h0 #1 log {"n":1}"#, "h0 #2 success 1"]);
}

#[test]
fn held_events_survive_a_cut() {
    let mut desk = Desk::live();
    desk.job("p");
    assert!(desk.frame(&event("c", 1)).is_empty());
    desk.cut();
    desk.resume();
    assert_eq!(desk.last("session.hello")["payload"]["resume"]["last_event_seq"], 1, "it was received");
    let child = plain("job.accepted", r#""job_id":"c","parent_job_id":"p","delegate_id":"d""#);
    assert_eq!(desk.frame(&child), ["h1 child c of h0", r#"h1 #1 log {"n":1}"#]);
}

#[test]
fn held_events_are_bounded_and_their_loss_is_told() {
    let mut desk = Desk::live_with(ClientConfig { held_events: 2, ..ClientConfig::default() });
    assert!(desk.frames([&*event("x", 1), &event("y", 2)]).is_empty());
    assert_eq!(desk.frame(&event("x", 3)), ["gap 1..=1"]);
    let child = |job: &str| plain("job.accepted", &format!(r#""job_id":"{job}","delegate_id":"d""#));
    assert_eq!(desk.frame(&child("x")), ["h0 child x of -", r#"h0 #3 log {"n":3}"#]);
    assert_eq!(desk.frame(&child("y")), ["h1 child y of -", r#"h1 #2 log {"n":2}"#]);
}

#[test]
fn nothing_follows_a_terminal() {
    let mut desk = Desk::live();
    desk.job("j");
    assert_eq!(desk.frame(&success("j", 1)), ["h0 #1 success 1"]);
    assert!(desk.frames([&*event("j", 2), &job_error("j", 3, r#""code":"INTERNAL_ERROR""#)]).is_empty());
    desk.job("k");
    assert_eq!(desk.frame(&event("k", 4)), [r#"h1 #4 log {"n":4}"#]);
}

#[test]
fn every_final_status_in_either_message() {
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
        let mut desk = Desk::live();
        desk.job("j");
        assert_eq!(desk.frame(&frame), [line], "{frame}");
    }
}

#[test]
fn a_fault_is_what_the_runtime_says() {
    let mut desk = Desk::live();
    desk.job("j");
    let frame = job_error(
        "j",
        1,
        r#""code":"ACME_BROKE","message":"m","retryable":true,"details":{"a": 1},"completed_at":"t""#,
    );
    desk.client.handle_frame(desk.now, &Bytes::from(frame));
    let Some(ClientOutput::Event(ClientEvent::Terminal { outcome, .. })) = desk.client.poll_output() else {
        panic!("no terminal")
    };
    let fault = outcome.fault.unwrap();
    assert_eq!((fault.known(), fault.retryable, fault.message.as_str()), (None, true, "m"));
    assert_eq!(fault.details.unwrap().as_str(), r#"{"a": 1}"#);
    assert_eq!(outcome.completed_at.as_deref(), Some("t"));
}

#[test]
fn a_subscription_with_its_own_numbers_is_unordered_and_not_broken() {
    // The Python runtime counts every subscription from 1, beside the session's own numbers.
    let mut desk = Desk::live();
    desk.job("own");
    desk.frames([&*event("own", 1), &event("own", 2), &event("own", 3)]);
    desk.subscribe("s");
    let mut lines = desk.frames([&*event("s", 1), &event("s", 2)]);
    lines.extend(desk.frame(SUBSCRIBED));
    lines.extend(desk.frames([&*event("s", 3), &event("s", 4), &event("own", 4), &event("s", 5), &event("own", 5)]));
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
    desk.frames([&*event("s", 6), &event("s", 7)]);
    desk.cut();
    desk.open();
    let resume = &desk.last("session.hello")["payload"]["resume"];
    assert_eq!(resume["last_event_seq"], 5, "such a runtime replays by the numbers of the own jobs");
}

#[test]
fn a_replay_of_an_own_job_goes_to_the_subscription_alone() {
    let mut desk = Desk::live();
    desk.job("s");
    desk.frames([&*event("s", 1), &event("s", 2)]);
    desk.subscribe("s");
    let lines = desk.frames([&*event("s", 1), &event("s", 2), SUBSCRIBED, &event("s", 3)]);
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
fn a_terminal_that_is_replayed_too_early_comes_last() {
    let mut desk = Desk::live();
    desk.subscribe("s");
    let lines = desk.frames([&*event("s", 1), &success("s", 2), SUBSCRIBED]);
    assert_eq!(lines, [r#"h0 #1 log {"n":1}"#, "h0 subscribed s replayed=false", "h0 #2 success 1"]);
}

#[test]
fn the_terminal_of_an_ended_job_is_owed_for_a_while() {
    let ended = r#"{"type":"job.subscribed","payload":{"job_id":"s","current_status":"cancelled","replayed":0}}"#;
    let mut desk = Desk::live();
    desk.subscribe("s");
    assert_eq!(desk.frame(ended), ["h0 subscribed s replayed=false"]);
    assert_eq!(desk.wait(60 * SECOND), ["h0 #0 cancelled unknown"]);

    desk.subscribe("s");
    desk.frame(ended);
    assert_eq!(desk.frame(&success("s", 1)), ["h1 #1 success 1"]);
    assert_eq!(desk.wait(100 * SECOND), ["> session.ack"], "nothing is owed any more");
}

#[test]
fn frames_without_a_number_are_not_lost() {
    let mut desk = Desk::live();
    desk.job("j");
    desk.frame(&event("j", 1));
    let bare = r#"{"type":"job.event","job_id":"j","payload":{"kind":"log","body":{}}}"#;
    assert_eq!(desk.frame(bare), ["h0 #0 log {}"]);
    assert_eq!(desk.frame(&event("j", 2)), [r#"h0 #2 log {"n":2}"#]);
    assert_eq!(
        desk.frame(r#"{"type":"job.result","job_id":"j","payload":{"final_status":"success"}}"#),
        ["h0 #0 success nothing"]
    );
}

#[test]
fn before_the_first_welcome_there_are_no_events() {
    let mut desk = Desk::idle(ClientConfig::default());
    desk.open();
    assert!(desk.frames([&*event("j", 1), &success("j", 7), &accepted("j", None)]).is_empty());
    assert_eq!(desk.frame(&crate::support::welcome("sess_1", "t")), ["welcome sess_1"]);
}
