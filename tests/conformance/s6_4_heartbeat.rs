//! §6.4: heartbeats.

use nuncio_core::arcp::{Event, Timer};
use nuncio_tests::world::{Frame, SECOND, START, World};
use serde_json::json;
use std::time::Duration;

fn send_pong(w: &mut World, conn: nuncio_core::arcp::ConnId) {
    w.send(conn, "session.pong", json!({"ping_nonce": "whatever", "received_at": "2026-05-13T19:30:00Z"}));
}

#[test]
fn s6_4_an_idle_peer_is_pinged_after_one_interval() {
    let mut w = World::new();
    let a = w.login("tok-alice");
    assert_eq!(w.timer(), Some((START.plus_secs(30), Timer::Heartbeat)));
    w.advance(30 * SECOND - 1);
    w.expect_nothing(a);
    w.advance(1);
    let ping = w.expect(a, "session.ping");
    assert_eq!(ping.payload()["sent_at"], "2026-05-13T19:30:30.000Z");
    assert!(ping.payload()["nonce"].as_str().is_some_and(|nonce| !nonce.is_empty()));
    w.expect_nothing(a);
}

#[test]
fn s6_4_nonces_differ() {
    let mut w = World::new();
    let a = w.login("tok-alice");
    w.advance(30 * SECOND);
    let first = w.expect(a, "session.ping");
    send_pong(&mut w, a);
    w.advance(30 * SECOND);
    let second = w.expect(a, "session.ping");
    assert_ne!(first.payload()["nonce"], second.payload()["nonce"]);
}

#[test]
fn s6_4_a_silent_peer_is_pinged_though_we_send() {
    let mut w = World::new();
    let a = w.login("tok-alice");
    let job = w.job(a, "echo");
    for _ in 0..3 {
        w.advance(10 * SECOND);
        w.log(&job, "tick");
    }
    let pings = w.drain(a).iter().filter(|frame| frame.kind() == "session.ping").count();
    assert_eq!(pings, 1, "nothing was received for one interval");
}

#[test]
fn s6_4_a_talking_peer_is_pinged_if_we_are_silent() {
    let mut w = World::new();
    let a = w.login("tok-alice");
    for _ in 0..3 {
        w.advance(10 * SECOND);
        send_pong(&mut w, a);
    }
    let pings = w.drain(a).iter().filter(|frame| frame.kind() == "session.ping").count();
    assert_eq!(pings, 1, "nothing was sent for one interval");
}

#[test]
fn s6_4_at_most_one_ping_per_interval() {
    let mut w = World::new();
    let a = w.login("tok-alice");
    for _ in 0..100 {
        w.advance(SECOND);
        send_pong(&mut w, a);
    }
    let pings = w.drain(a).iter().filter(|frame| frame.kind() == "session.ping").count();
    assert_eq!(pings, 3, "one every 30 s within 100 s");
}

#[test]
fn s6_4_a_busy_connection_is_not_pinged() {
    let mut w = World::new();
    let a = w.login("tok-alice");
    let job = w.job(a, "echo");
    for _ in 0..100 {
        w.advance(SECOND);
        send_pong(&mut w, a);
        w.log(&job, "busy");
    }
    assert!(w.drain(a).iter().all(|frame| frame.kind() != "session.ping"));
}

#[test]
fn s6_4_two_silent_intervals_are_heartbeat_lost_and_jobs_go_on() {
    let mut w = World::new();
    let a = w.login("tok-alice");
    let job = w.job(a, "slow");
    w.advance(60 * SECOND - 1);
    w.expect(a, "session.ping");
    w.expect_nothing(a);
    assert_eq!(w.closed(a), None);
    w.advance(1);
    w.refusal(a, "HEARTBEAT_LOST");
    w.expect_nothing(a);
    assert!(w.closed(a).is_some());
    w.host_event("SessionDetached", |event| matches!(event, Event::SessionDetached { .. }).then_some(()));
    w.log(&job, "still here");
    w.finish(&job, "1");
    let b = w.resume(a, 1);
    let frames = w.drain(b);
    assert_eq!(frames.last().unwrap().kind(), "job.result");
}

#[test]
fn s6_4_any_inbound_frame_counts_as_life() {
    for (kind, payload) in [
        ("session.ack", json!({"last_processed_seq": 0})),
        ("session.pong", json!({})),
        ("session.ping", json!({"nonce": "n"})),
        ("nonsense", json!({})),
        ("session.list_jobs", json!({})),
    ] {
        let mut w = World::new();
        let a = w.login("tok-alice");
        for _ in 0..4 {
            w.advance(50 * SECOND);
            w.send(a, kind, payload.clone());
            assert_eq!(w.closed(a), None, "{kind}");
        }
    }
}

#[test]
fn s6_4_every_ping_is_answered() {
    let mut w = World::new();
    let a = w.login("tok-alice");
    for nonce in ["p_1", "", "p_1"] {
        w.advance(20_000);
        w.send(a, "session.ping", json!({"nonce": nonce, "sent_at": "2026-05-13T19:30:00.000Z"}));
        let pong = w.recv(a);
        if nonce.is_empty() && pong.kind() == "session.error" {
            continue;
        }
        assert_eq!(pong.kind(), "session.pong");
        assert_eq!(pong.payload()["ping_nonce"], nonce);
        assert_eq!(pong.payload()["received_at"], w.now.to_rfc3339());
    }
}

#[test]
fn s6_4_a_ping_goes_ahead_of_queued_events() {
    let mut w = World::with(|config| config.limits.send_window = 1);
    let a = w.login("tok-alice");
    let job = w.job(a, "slow");
    w.hold_writes(a);
    for n in 0..10 {
        w.log(&job, &n.to_string());
    }
    assert_eq!(w.drain(a).len(), 1);
    w.advance(30 * SECOND);
    w.report_written(a, 1);
    let kinds: Vec<String> = w.drain(a).iter().map(|frame| frame.kind().to_owned()).collect();
    assert_eq!(kinds, ["session.ping"]);
}

#[test]
fn s6_4_heartbeats_use_no_number() {
    let mut w = World::new();
    let a = w.login("tok-alice");
    let job = w.job(a, "slow");
    w.advance(30 * SECOND);
    w.expect(a, "session.ping");
    w.log(&job, "2");
    assert_eq!(w.event(a, "log").seq(), Some(2));
}

#[test]
fn s6_4_a_detached_session_is_not_pinged() {
    let mut w = World::new();
    let a = w.login("tok-alice");
    w.cut(a);
    w.advance(300 * SECOND);
    w.expect_nothing(a);
}

#[test]
fn s6_4_a_peer_that_never_reads_is_closed_after_the_stall_timeout() {
    let mut w = World::with(|config| config.stall_timeout = Duration::from_secs(20));
    let a = w.login_without("tok-alice", &["heartbeat"]);
    let job = w.job(a, "slow");
    w.hold_writes(a);
    w.log(&job, "never written");
    w.advance(20 * SECOND);
    assert!(w.closed(a).is_some());
    w.release_writes(a);
    let b = w.resume(a, 1);
    assert_eq!(w.drain(b).iter().filter_map(Frame::seq).collect::<Vec<_>>(), [2]);
}
