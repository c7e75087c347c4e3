//! The state of the runtime, for operators (core/docs/arcp.md, "Status").

use std::time::Duration;

use nuncio_core::arcp::client::{ClientEvent, ClientOutput, ClientRefused};
use nuncio_core::arcp::{BusLink, ClientConfig, RuntimeStatus, StatusCounts};
use serde_json::json;

use crate::support::{FEATURES, Harness, SECOND, error, plain, welcome, welcome_with};

const READ: &str = "x-vendor.nuncio.read_status";

/// A client whose runtime knows the request.
fn live() -> Harness {
    let mut harness = Harness::idle(ClientConfig::default());
    harness.open();
    harness.frame(&welcome_with("sess_1", "rt_1", "", &features()));
    harness
}

fn features() -> String {
    FEATURES.replace("[\"heartbeat\"", "[\"x-vendor.nuncio.status\",\"heartbeat\"")
}

fn ask(harness: &mut Harness) -> String {
    harness.client.status(harness.now).unwrap();
    harness.drain();
    harness.id_of(READ)
}

/// Returns the state that an answer with these members leads to.
fn read(harness: &mut Harness, members: &str) -> RuntimeStatus {
    let id = ask(harness);
    let frame = plain("x-vendor.nuncio.status", &format!(r#""request_id":"{id}"{members}"#));
    harness.client.handle_frame(harness.now, &bytes::Bytes::from(frame));
    loop {
        match harness.client.poll_output() {
            Some(ClientOutput::Event(ClientEvent::Status { status, .. })) => return *status,
            Some(_) => {}
            None => panic!("no event came of {members}"),
        }
    }
}

#[test]
fn the_state_is_read() {
    let mut harness = live();
    let counts = r#""connections":1,"sessions":{"live":2,"detached":3},"jobs":{"pending":4,"running":5,"cancelling":6,"kept":7},"questions":8,"memory":{"bytes":9,"limit":10}"#;
    let journal = r#"{"bytes":1,"max_bytes":2,"free_bytes":3,"commits":4,"last_commit_us":5,"committed_sec":6,"failing_sec":7,"error":"full"}"#;
    let pool = r#"{"bus":{"state":"closed","since_sec":8},"agents":[{"agent":"a","topic":"job.a","dispatched":9,"outstanding":1}],"agents_left_out":2}"#;
    let status = read(
        &mut harness,
        &format!(
            r#","uptime_sec":90,{counts},"journal":{journal},"pools":[{pool}],"pools_left_out":1,"shards":[{{{counts}}},{{}}],"shards_left_out":3"#
        ),
    );
    assert_eq!(harness.last(READ)["payload"], json!({}));
    let all = StatusCounts {
        connections: 1,
        sessions_live: 2,
        sessions_detached: 3,
        jobs_pending: 4,
        jobs_running: 5,
        jobs_cancelling: 6,
        jobs_kept: 7,
        questions_open: 8,
        bytes_held: 9,
        bytes_limit: 10,
    };
    assert_eq!((status.uptime, status.counts), (Duration::from_secs(90), all));
    assert_eq!((status.shards, status.shards_left_out), (vec![all, StatusCounts::default()], 3));
    let journal = status.journal.unwrap();
    assert_eq!((journal.bytes, journal.max_bytes, journal.free_bytes, journal.commits), (Some(1), Some(2), Some(3), 4));
    assert_eq!(journal.last_commit, Some(Duration::from_micros(5)));
    assert_eq!((journal.committed, journal.failing), (Some(Duration::from_secs(6)), Some(Duration::from_secs(7))));
    assert_eq!(journal.error.as_deref(), Some("full"));
    assert_eq!((status.pools.len(), status.pools_left_out), (1, 1));
    let pool = &status.pools[0];
    assert_eq!((pool.bus.link, pool.bus.since, pool.agents_left_out), (BusLink::Closed, Duration::from_secs(8), 2));
    let agent = &pool.agents[0];
    assert_eq!((agent.agent.as_str(), agent.topic.as_str(), agent.dispatched, agent.outstanding), ("a", "job.a", 9, 1));
}

#[test]
fn what_cannot_be_read_counts_as_absent() {
    let mut harness = live();
    for members in [
        "",
        r#","uptime_sec":"90","connections":-1,"sessions":7,"jobs":[],"journal":null,"pools":{},"shards":"x""#,
        r#","pools":[7,{},{"bus":{"state":"away","since_sec":1}},{"bus":{}}]"#,
        r#","uptime_sec":9007199254740992"#,
    ] {
        let status = read(&mut harness, members);
        assert_eq!((status.uptime, status.counts), (Duration::ZERO, StatusCounts::default()), "{members}");
        assert_eq!((status.journal, status.pools, status.shards), (None, vec![], vec![]), "{members}");
    }
    let status = read(&mut harness, r#","journal":{"bytes":{}},"pools":[{"bus":{"state":"connected"},"agents":[{}]}]"#);
    assert_eq!(status.journal, Some(nuncio_core::arcp::JournalStatus::default()));
    assert_eq!((status.pools[0].bus.link, status.pools[0].agents.len()), (BusLink::Connected, 0));
}

#[test]
fn the_state_answers_its_own_request_alone() {
    let mut harness = live();
    let id = ask(&mut harness);
    assert!(harness.frame(&plain("x-vendor.nuncio.status", r#""request_id":"other""#)).is_empty());
    harness.client.questions(harness.now, &nuncio_core::arcp::client::QuestionQuery::default()).unwrap();
    harness.drain();
    let other = harness.id_of("x-vendor.nuncio.list_questions");
    assert!(harness.frame(&plain("x-vendor.nuncio.status", &format!(r#""request_id":"{other}""#))).is_empty());
    let status = plain("x-vendor.nuncio.status", &format!(r#""request_id":"{id}","uptime_sec":1"#));
    assert_eq!(harness.frame(&status), ["status 1s"]);
    assert!(harness.frame(&status).is_empty(), "it is answered once");
}

#[test]
fn a_refused_request_for_the_state_fails_and_one_without_an_answer_times_out() {
    let mut harness = live();
    let id = ask(&mut harness);
    let refusal = format!(r#""code":"PERMISSION_DENIED","message":"m","retryable":false,"request_id":"{id}""#);
    assert_eq!(harness.frame(&error(&refusal)), ["status failed: PERMISSION_DENIED"]);
    ask(&mut harness);
    let lines: Vec<String> = (0..70)
        .flat_map(|_| {
            let lines = harness.wait(SECOND);
            harness.frame(&plain("session.pong", r#""ping_nonce":"n""#));
            lines
        })
        .filter(|line| line.contains("failed"))
        .collect();
    assert_eq!(lines, ["status failed: timed out"]);
}

#[test]
fn the_request_for_the_state_needs_a_runtime_that_knows_it() {
    let mut harness = Harness::live();
    let refused = harness.client.status(harness.now);
    assert_eq!(refused, Err(ClientRefused::NotNegotiated("x-vendor.nuncio.status")));
    // Before the welcome it is not known.
    let mut harness = Harness::idle(ClientConfig::default());
    harness.client.status(harness.now).unwrap();
    harness.open();
    let lines = harness.frame(&welcome("sess_1", "rt_1"));
    assert!(lines.contains(&"status failed: without x-vendor.nuncio.status".to_owned()), "{lines:?}");
    assert!(!lines.contains(&format!("> {READ}")), "{lines:?}");
}
