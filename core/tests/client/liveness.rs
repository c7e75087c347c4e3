//! Signs of life, acknowledgements, credit and back-pressure (core/docs/arcp.md §6.4, §6.5).

use crate::support::{Desk, FEATURES, SECOND, event, plain, welcome_with};
use nuncio_core::arcp::client::{AutoAck, ClientConfig, ClientTimer};
use serde_json::json;

fn beating(config: ClientConfig) -> Desk {
    let mut desk = Desk::idle(config);
    desk.open();
    desk.frame(&welcome_with("sess_1", "rt_1", r#""heartbeat_interval_sec":10,"#, FEATURES));
    desk
}

fn quiet() -> ClientConfig {
    ClientConfig { auto_ack: None, ..ClientConfig::default() }
}

#[test]
fn every_ping_is_answered() {
    let mut desk = Desk::live();
    assert_eq!(
        desk.frame(&plain("session.ping", r#""nonce":"p\"1","sent_at":"2026-11-21T00:00:00+00:00""#)),
        ["> session.pong"]
    );
    let pong = desk.last("session.pong");
    assert_eq!(pong["payload"], json!({"ping_nonce": "p\"1", "received_at": "2026-11-21T00:00:00.000Z"}));
    assert_eq!(pong["session_id"], "sess_1");
}

#[test]
fn a_ping_before_the_welcome_is_answered_after_it() {
    let mut desk = Desk::idle(ClientConfig::default());
    desk.open();
    assert!(desk.frame(&plain("session.ping", r#""nonce":"n""#)).is_empty());
    assert_eq!(desk.frame(&crate::support::welcome("s", "t")), ["welcome s", "> session.pong"]);
}

#[test]
fn idle_for_one_interval_is_a_ping_and_silence_for_two_the_end_of_the_transport() {
    let mut desk = beating(quiet());
    assert!(desk.wait(10 * SECOND - 1).is_empty());
    assert_eq!(desk.wait(1), ["> session.ping"]);
    assert!(desk.last("session.ping")["payload"]["nonce"].as_str().is_some_and(|nonce| !nonce.is_empty()));
    assert!(desk.wait(10 * SECOND - 1).is_empty(), "one ping per interval");
    assert_eq!(desk.wait(1), ["drop 1001", "lost heartbeat", "connect 0 resume=true"]);
    assert_eq!(desk.client.poll_timeout(), None, "nothing is due without a transport");
}

#[test]
fn any_frame_is_life() {
    let mut desk = beating(quiet());
    for _ in 0..5 {
        assert!(desk.wait(9 * SECOND).iter().all(|line| line == "> session.ping"));
        desk.frame(&plain("x-vendor.acme.tick", ""));
    }
}

#[test]
fn who_sends_nothing_pings_even_if_it_hears_much() {
    let mut desk = beating(quiet());
    desk.job("j");
    let mut pings = 0;
    for seq in 1..=30 {
        pings += desk.wait(SECOND).iter().filter(|line| *line == "> session.ping").count();
        desk.frame(&event("j", seq));
    }
    assert_eq!(pings, 3);
}

#[test]
fn without_the_feature_nothing_is_missed() {
    let mut desk = Desk::idle(quiet());
    desk.open();
    desk.frame(&welcome_with("sess_1", "t", r#""heartbeat_interval_sec":1,"#, r#"["ack"]"#));
    assert!(desk.wait(1_000 * SECOND).is_empty());
}

#[test]
fn acks_come_by_number_or_by_time() {
    let mut desk = Desk::live_with(ClientConfig {
        auto_ack: Some(AutoAck { events: 3, interval: 250_000 }),
        ..ClientConfig::default()
    });
    desk.job("j");
    desk.frames([&*event("j", 1), &event("j", 2)]);
    assert!(desk.sent.iter().all(|frame| frame["type"] != "session.ack"));
    assert_eq!(desk.frame(&event("j", 3)), [r#"h0 #3 log {"n":3}"#, "> session.ack"]);
    assert_eq!(desk.last("session.ack")["payload"], json!({"last_processed_seq": 3}));
    desk.frame(&event("j", 4));
    assert_eq!(desk.client.poll_timeout().map(|(_, timer)| timer), Some(ClientTimer::Ack));
    assert!(desk.wait(249_999).is_empty());
    assert_eq!(desk.wait(1), ["> session.ack"]);
    assert_eq!(desk.last("session.ack")["payload"], json!({"last_processed_seq": 4}));
    assert!(desk.wait(10 * SECOND).is_empty());
}

#[test]
fn what_nobody_took_is_not_acknowledged() {
    let mut desk = Desk::live();
    desk.job("j");
    desk.takes = false;
    desk.frames([&*event("j", 1), &event("j", 2), &event("j", 3)]);
    assert!(desk.wait(SECOND).is_empty());
    desk.client.ack(desk.now, None).unwrap();
    assert!(desk.drain().is_empty(), "nothing was taken");
    desk.client.handle_taken(desk.now, 2);
    assert_eq!(desk.wait(SECOND), ["> session.ack"]);
    assert_eq!(desk.last("session.ack")["payload"], json!({"last_processed_seq": 2}));
    desk.client.handle_taken(desk.now, 1_000);
    assert_eq!(desk.wait(SECOND), ["> session.ack"]);
    assert_eq!(desk.last("session.ack")["payload"], json!({"last_processed_seq": 3}));
}

#[test]
fn an_older_event_that_was_held_takes_back_the_wish_to_acknowledge() {
    let mut desk = Desk::live();
    desk.job("j");
    desk.takes = false;
    desk.frames([&*event("child", 1), &event("j", 2)]);
    desk.client.handle_taken(desk.now, 1);
    let lines = desk.frame(&plain("job.accepted", r#""job_id":"child","parent_job_id":"j""#));
    assert_eq!(lines, ["h1 child child of h0", r#"h1 #1 log {"n":1}"#]);
    desk.client.handle_taken(desk.now, 1);
    assert!(desk.wait(SECOND).is_empty());
    desk.client.handle_taken(desk.now, 1);
    assert_eq!(desk.wait(SECOND), ["> session.ack"]);
    assert_eq!(desk.last("session.ack")["payload"], json!({"last_processed_seq": 2}));
}

#[test]
fn an_ack_by_hand_is_never_beyond_what_was_received_and_never_backwards() {
    let mut desk = Desk::live_with(quiet());
    desk.job("j");
    desk.frames([&*event("j", 1), &event("j", 2)]);
    let mut ack = |seq: Option<u64>| {
        desk.client.ack(desk.now, seq).unwrap();
        desk.drain();
        desk.last("session.ack")["payload"]["last_processed_seq"].clone()
    };
    assert_eq!(ack(Some(1)), 1);
    assert_eq!(ack(Some(99)), 2);
    assert_eq!(ack(Some(1)), 2);
    assert_eq!(ack(None), 2);
    assert_eq!(desk.sent.iter().filter(|frame| frame["type"] == "session.ack").count(), 2);
}

#[test]
fn credit_bounds_what_is_outstanding() {
    let mut desk = Desk::live_with(ClientConfig { send_window: 2, ..quiet() });
    desk.writes = false;
    for _ in 0..5 {
        desk.submit();
    }
    assert_eq!(desk.sent.iter().filter(|frame| frame["type"] == "job.submit").count(), 2);
    desk.client.handle_sent(desk.now, 1);
    assert_eq!(desk.drain(), ["> job.submit"]);
    desk.frame(&plain("session.ping", r#""nonce":"n""#));
    desk.client.handle_sent(desk.now, 100);
    assert_eq!(desk.drain(), ["> session.pong", "> job.submit"], "signs of life go first");
}

#[test]
fn one_frame_is_always_allowed() {
    let mut desk = Desk::live_with(ClientConfig { send_window_bytes: 1, ..quiet() });
    desk.writes = false;
    desk.submit();
    desk.submit();
    assert_eq!(desk.sent.len(), 2, "the hello and one submit");
    desk.client.handle_sent(desk.now, 1);
    assert_eq!(desk.drain(), ["> job.submit"]);
}

#[test]
fn a_peer_that_pings_without_end_is_not_remembered_without_end() {
    let mut desk = Desk::live_with(ClientConfig { send_window: 1, ..quiet() });
    desk.writes = false;
    for n in 0..10_000 {
        desk.frame(&plain("session.ping", &format!(r#""nonce":"{}{n}""#, "x".repeat(900))));
    }
    assert!(desk.client.bytes_held() < 32 << 10, "{}", desk.client.bytes_held());
}

#[test]
fn reading_stops_while_events_pile_up_and_goes_on_at_half() {
    let mut desk = Desk::live_with(ClientConfig { events: 4, ..ClientConfig::default() });
    desk.job("j");
    desk.takes = false;
    for seq in 1..=4 {
        assert!(desk.client.reading());
        desk.frame(&event("j", seq));
    }
    assert!(!desk.client.reading());
    desk.client.handle_taken(desk.now, 1);
    assert!(desk.drain().is_empty() && !desk.client.reading());
    desk.client.handle_taken(desk.now, 1);
    assert_eq!(desk.drain(), ["reading"]);
    assert!(desk.client.reading());
}

#[test]
fn events_that_were_not_polled_cannot_be_taken() {
    let mut desk = Desk::live_with(ClientConfig { events: 1, ..ClientConfig::default() });
    desk.job("j");
    desk.takes = false;
    desk.client.handle_frame(desk.now, &bytes::Bytes::from(event("j", 1)));
    desk.client.handle_taken(desk.now, 5);
    assert!(!desk.client.reading());
}

#[test]
fn silence_and_unanswered_requests_do_not_count_while_nothing_is_read() {
    let mut desk = beating(ClientConfig { events: 1, ..quiet() });
    desk.job("j");
    desk.submit();
    desk.takes = false;
    desk.frame(&event("j", 1));
    let lines = desk.wait(95 * SECOND);
    assert_eq!(lines, ["> session.ping"; 9], "it still shows life");
    desk.client.handle_taken(desk.now, 1);
    assert_eq!(desk.drain(), ["reading"]);
    desk.takes = true;
    assert!(desk.wait(19 * SECOND).iter().all(|line| line == "> session.ping"));
    assert_eq!(desk.wait(SECOND)[..2], ["drop 1001", "lost heartbeat"]);
}

#[test]
fn a_driver_that_reads_on_regardless_loses_the_transport() {
    let mut desk = Desk::live_with(ClientConfig { events: 2, ..quiet() });
    desk.job("j");
    desk.takes = false;
    let lines: Vec<String> = (1..=10).flat_map(|seq| desk.frame(&event("j", seq))).collect();
    assert!(lines.contains(&"drop 1008".to_owned()), "{lines:?}");
    assert!(lines.len() < 12);
}

#[test]
fn spurious_timeouts_are_harmless() {
    let mut desk = beating(ClientConfig::default());
    for _ in 0..100 {
        desk.client.handle_timeout(desk.now);
    }
    assert!(desk.drain().is_empty());
    desk.client.handle_timeout(nuncio_core::time::Time(0));
    assert!(desk.drain().is_empty());
}
