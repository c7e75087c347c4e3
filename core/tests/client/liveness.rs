//! Heartbeats, acknowledgements, the send window and back-pressure (core/docs/arcp.md §6.4, §6.5).

use std::time::Duration;

use crate::support::{FEATURES, Harness, SECOND, event, plain, welcome_with};
use nuncio_core::arcp::client::{AutoAck, ClientConfig, ClientTimer};
use serde_json::json;

fn with_heartbeat(config: ClientConfig) -> Harness {
    let mut harness = Harness::idle(config);
    harness.open();
    harness.frame(&welcome_with("sess_1", "rt_1", r#""heartbeat_interval_sec":10,"#, FEATURES));
    harness
}

fn without_acks() -> ClientConfig {
    ClientConfig::default().with(|config| config.auto_ack = None)
}

#[test]
fn every_ping_is_answered() {
    let mut harness = Harness::live();
    assert_eq!(
        harness.frame(&plain("session.ping", r#""nonce":"p\"1","sent_at":"2026-11-21T00:00:00+00:00""#)),
        ["> session.pong"]
    );
    let pong = harness.last("session.pong");
    assert_eq!(pong["payload"], json!({"ping_nonce": "p\"1", "received_at": "2026-11-21T00:00:00.000Z"}));
    assert_eq!(pong["session_id"], "sess_1");
}

#[test]
fn a_ping_before_the_welcome_is_answered_after_it() {
    let mut harness = Harness::idle(ClientConfig::default());
    harness.open();
    assert!(harness.frame(&plain("session.ping", r#""nonce":"n""#)).is_empty());
    assert_eq!(harness.frame(&crate::support::welcome("s", "t")), ["welcome s", "> session.pong"]);
}

#[test]
fn one_idle_interval_sends_a_ping_and_two_silent_ones_close_the_transport() {
    let mut harness = with_heartbeat(without_acks());
    assert!(harness.wait(10 * SECOND - 1).is_empty());
    assert_eq!(harness.wait(1), ["> session.ping"]);
    assert!(harness.last("session.ping")["payload"]["nonce"].as_str().is_some_and(|nonce| !nonce.is_empty()));
    assert!(harness.wait(10 * SECOND - 1).is_empty(), "one ping per interval");
    assert_eq!(harness.wait(1), ["drop 1001", "lost heartbeat", "connect 0 resume=true"]);
    assert_eq!(harness.client.poll_timeout(), None, "nothing is due without a transport");
}

#[test]
fn any_frame_is_a_sign_of_life() {
    let mut harness = with_heartbeat(without_acks());
    for _ in 0..5 {
        assert!(harness.wait(9 * SECOND).iter().all(|line| line == "> session.ping"));
        harness.frame(&plain("x-vendor.acme.tick", ""));
    }
}

#[test]
fn a_client_that_only_receives_still_sends_pings() {
    let mut harness = with_heartbeat(without_acks());
    harness.job("j");
    let mut pings = 0;
    for seq in 1..=30 {
        pings += harness.wait(SECOND).iter().filter(|line| *line == "> session.ping").count();
        harness.frame(&event("j", seq));
    }
    assert_eq!(pings, 3);
}

#[test]
fn without_the_feature_silence_is_not_limited() {
    let mut harness = Harness::idle(without_acks());
    harness.open();
    harness.frame(&welcome_with("sess_1", "t", r#""heartbeat_interval_sec":1,"#, r#"["ack"]"#));
    assert!(harness.wait(1_000 * SECOND).is_empty());
}

#[test]
fn acks_are_sent_by_count_or_by_time() {
    let mut harness = Harness::live_with(
        ClientConfig::default()
            .with(|config| config.auto_ack = Some(AutoAck { events: 3, interval: Duration::from_millis(250) })),
    );
    harness.job("j");
    harness.frames([&*event("j", 1), &event("j", 2)]);
    assert!(harness.sent.iter().all(|frame| frame["type"] != "session.ack"));
    assert_eq!(harness.frame(&event("j", 3)), [r#"h0 #3 log {"n":3}"#, "> session.ack"]);
    assert_eq!(harness.last("session.ack")["payload"], json!({"last_processed_seq": 3}));
    harness.frame(&event("j", 4));
    assert_eq!(harness.client.poll_timeout().map(|(_, timer)| timer), Some(ClientTimer::Ack));
    assert!(harness.wait(249_999).is_empty());
    assert_eq!(harness.wait(1), ["> session.ack"]);
    assert_eq!(harness.last("session.ack")["payload"], json!({"last_processed_seq": 4}));
    assert!(harness.wait(10 * SECOND).is_empty());
}

#[test]
fn an_acknowledgement_that_was_lost_with_its_transport_is_sent_again() {
    let mut harness = Harness::live_with(without_acks());
    harness.job("j");
    harness.frames([&*event("j", 1), &event("j", 2)]);
    harness.client.ack(harness.now, None).unwrap();
    assert_eq!(harness.drain(), ["> session.ack"]);
    harness.client.ack(harness.now, None).unwrap();
    assert!(harness.drain().is_empty(), "it was sent on this transport");
    harness.cut();
    harness.resume();
    harness.client.ack(harness.now, None).unwrap();
    assert_eq!(harness.drain(), ["> session.ack"]);
    assert_eq!(harness.last("session.ack")["payload"], json!({"last_processed_seq": 2}));
}

#[test]
fn events_that_were_not_taken_are_not_acknowledged() {
    let mut harness = Harness::live();
    harness.job("j");
    harness.reports_taken = false;
    harness.frames([&*event("j", 1), &event("j", 2), &event("j", 3)]);
    assert!(harness.wait(SECOND).is_empty());
    harness.client.ack(harness.now, None).unwrap();
    assert!(harness.drain().is_empty(), "no event was taken");
    harness.client.handle_taken(harness.now, 2);
    assert_eq!(harness.wait(SECOND), ["> session.ack"]);
    assert_eq!(harness.last("session.ack")["payload"], json!({"last_processed_seq": 2}));
    harness.client.handle_taken(harness.now, 1_000);
    assert_eq!(harness.wait(SECOND), ["> session.ack"]);
    assert_eq!(harness.last("session.ack")["payload"], json!({"last_processed_seq": 3}));
}

#[test]
fn an_older_held_event_postpones_the_acknowledgement() {
    let mut harness = Harness::live();
    harness.job("j");
    harness.reports_taken = false;
    harness.frames([&*event("child", 1), &event("j", 2)]);
    harness.client.handle_taken(harness.now, 1);
    let lines = harness.frame(&plain("job.accepted", r#""job_id":"child","parent_job_id":"j""#));
    assert_eq!(lines, ["h1 child child of h0", r#"h1 #1 log {"n":1}"#]);
    harness.client.handle_taken(harness.now, 1);
    assert!(harness.wait(SECOND).is_empty());
    harness.client.handle_taken(harness.now, 1);
    assert_eq!(harness.wait(SECOND), ["> session.ack"]);
    assert_eq!(harness.last("session.ack")["payload"], json!({"last_processed_seq": 2}));
}

#[test]
fn an_explicit_ack_is_capped_and_never_decreases() {
    let mut harness = Harness::live_with(without_acks());
    harness.job("j");
    harness.frames([&*event("j", 1), &event("j", 2)]);
    let mut ack = |seq: Option<u64>| {
        harness.client.ack(harness.now, seq).unwrap();
        harness.drain();
        harness.last("session.ack")["payload"]["last_processed_seq"].clone()
    };
    assert_eq!(ack(Some(1)), 1);
    assert_eq!(ack(Some(99)), 2);
    assert_eq!(ack(Some(1)), 2);
    assert_eq!(ack(None), 2);
    assert_eq!(harness.sent.iter().filter(|frame| frame["type"] == "session.ack").count(), 2);
}

#[test]
fn frames_beyond_the_send_window_wait() {
    let mut harness = Harness::live_with(without_acks().with(|config| config.limits.send_window = 2));
    harness.reports_sent = false;
    for _ in 0..5 {
        harness.submit();
    }
    assert_eq!(harness.sent.iter().filter(|frame| frame["type"] == "job.submit").count(), 2);
    harness.client.handle_sent(harness.now, 1);
    assert_eq!(harness.drain(), ["> job.submit"]);
    harness.frame(&plain("session.ping", r#""nonce":"n""#));
    harness.client.handle_sent(harness.now, 100);
    assert_eq!(harness.drain(), ["> session.pong", "> job.submit"], "the pong goes first");
}

#[test]
fn the_send_window_always_allows_one_frame() {
    let mut harness = Harness::live_with(without_acks().with(|config| config.limits.send_window_bytes = 1));
    harness.reports_sent = false;
    harness.submit();
    harness.submit();
    assert_eq!(harness.sent.len(), 2, "the hello and one submit");
    harness.client.handle_sent(harness.now, 1);
    assert_eq!(harness.drain(), ["> job.submit"]);
}

#[test]
fn unanswered_pings_are_bounded() {
    let mut harness = Harness::live_with(without_acks().with(|config| config.limits.send_window = 1));
    harness.reports_sent = false;
    for n in 0..10_000 {
        harness.frame(&plain("session.ping", &format!(r#""nonce":"{}{n}""#, "x".repeat(900))));
    }
    assert!(harness.client.bytes_held() < 32 << 10, "{}", harness.client.bytes_held());
}

#[test]
fn reading_stops_while_too_many_events_are_queued_and_continues_at_half() {
    let mut harness = Harness::live_with(ClientConfig::default().with(|config| config.limits.events = 4));
    harness.job("j");
    harness.reports_taken = false;
    for seq in 1..=4 {
        assert!(harness.client.reading());
        harness.frame(&event("j", seq));
    }
    assert!(!harness.client.reading());
    harness.client.handle_taken(harness.now, 1);
    assert!(harness.drain().is_empty() && !harness.client.reading());
    harness.client.handle_taken(harness.now, 1);
    assert_eq!(harness.drain(), ["reading"]);
    assert!(harness.client.reading());
}

#[test]
fn events_that_were_not_polled_cannot_be_taken() {
    let mut harness = Harness::live_with(ClientConfig::default().with(|config| config.limits.events = 1));
    harness.job("j");
    harness.reports_taken = false;
    harness.client.handle_frame(harness.now, &bytes::Bytes::from(event("j", 1)));
    harness.client.handle_taken(harness.now, 5);
    assert!(!harness.client.reading());
}

#[test]
fn silence_and_unanswered_requests_do_not_count_while_reading_is_paused() {
    let mut harness = with_heartbeat(without_acks().with(|config| config.limits.events = 1));
    harness.job("j");
    harness.submit();
    harness.reports_taken = false;
    harness.frame(&event("j", 1));
    let lines = harness.wait(95 * SECOND);
    assert_eq!(lines, ["> session.ping"; 9], "it still sends pings");
    harness.client.handle_taken(harness.now, 1);
    assert_eq!(harness.drain(), ["reading"]);
    harness.reports_taken = true;
    assert!(harness.wait(19 * SECOND).iter().all(|line| line == "> session.ping"));
    assert_eq!(harness.wait(SECOND)[..2], ["drop 1001", "lost heartbeat"]);
}

#[test]
fn a_driver_that_does_not_pause_reading_loses_the_transport() {
    let mut harness = Harness::live_with(without_acks().with(|config| config.limits.events = 2));
    harness.job("j");
    harness.reports_taken = false;
    let lines: Vec<String> = (1..=10).flat_map(|seq| harness.frame(&event("j", seq))).collect();
    assert!(lines.contains(&"drop 1008".to_owned()), "{lines:?}");
    assert!(lines.len() < 12);
}

#[test]
fn spurious_timeouts_are_harmless() {
    let mut harness = with_heartbeat(ClientConfig::default());
    for _ in 0..100 {
        harness.client.handle_timeout(harness.now);
    }
    assert!(harness.drain().is_empty());
    harness.client.handle_timeout(nuncio_core::time::Time(0));
    assert!(harness.drain().is_empty());
}
