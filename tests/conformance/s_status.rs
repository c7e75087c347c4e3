//! Ours: the state of the runtime, for operators (`docs/arcp.md`, "Status").

use std::time::Duration;

use nuncio_core::arcp::{
    BusLink, BusStatus, ConnId, Event, HostStatus, JournalStatus, Journaling, PoolAgentStatus, PoolStatus, Question,
    Refused, StatusCounts, StatusId, Timer, Via,
};
use nuncio_tests::world::{FEATURES, Frame, SECOND, World};
use serde_json::{Value, json};

const STATUS: &str = "x-vendor.nuncio.status";

/// A world in which bob is an operator.
fn operated(change: impl FnOnce(&mut nuncio_core::arcp::Config)) -> World {
    World::with(|config| {
        config.operators.insert("bob".to_owned());
        change(config);
    })
}

/// Opens a session that negotiates the feature.
fn login(w: &mut World, token: &str, via: Via) -> ConnId {
    let features: Vec<&str> = FEATURES.into_iter().chain([STATUS]).collect();
    w.login_via(token, &features, via)
}

fn read(w: &mut World, conn: ConnId) -> String {
    w.send(conn, "x-vendor.nuncio.read_status", json!({}))
}

/// Takes the question to the host.
fn asked(w: &mut World) -> StatusId {
    w.host_event("Status", |event| if let Event::Status { request } = event { Some(*request) } else { None })
}

fn is_asked(w: &mut World) -> bool {
    w.try_host_event(|event| matches!(event, Event::Status { .. }).then_some(())).is_some()
}

fn tell(w: &mut World, host: &HostStatus) -> Result<(), Refused> {
    let request = asked(w);
    let told = w.runtime.tell_status(w.now, request, host);
    w.settle();
    told
}

/// Asks, lets the host answer, and returns the frame.
fn status(w: &mut World, conn: ConnId, host: &HostStatus) -> Frame {
    let request = read(w, conn);
    assert_eq!(tell(w, host), Ok(()));
    let status = w.expect(conn, STATUS);
    assert_eq!(status.payload()["request_id"], request.as_str());
    status
}

fn pool(agents: usize, name: &str) -> PoolStatus {
    let agent = |number| PoolAgentStatus {
        agent: format!("{name}{number}"),
        topic: format!("job.{name}"),
        dispatched: 7,
        outstanding: 2,
    };
    PoolStatus {
        bus: BusStatus { link: BusLink::Disconnected, since: Duration::from_millis(3_999) },
        agents: (0..agents).map(agent).collect(),
        agents_left_out: 0,
    }
}

#[test]
fn ours_an_operator_reads_the_state() {
    let mut w = operated(|config| config.heartbeat_interval = Duration::from_hours(1));
    let a = w.login("tok-alice");
    let job = w.job(a, "slow");
    w.ask(&job, &Question::new("Go on?")).unwrap();
    w.drain(a);
    let ended = w.job(a, "echo");
    w.finish(&ended, "1");
    let lost = w.login("tok-alice2");
    w.cut(lost);
    let b = login(&mut w, "tok-bob", Via::Tls);
    w.advance(90 * SECOND);
    let held = w.runtime.bytes_held();
    let status = status(&mut w, b, &HostStatus::default());
    let mut payload = status.payload().clone();
    payload.as_object_mut().unwrap().remove("request_id");
    let bytes = payload["memory"]["bytes"].as_u64().unwrap();
    assert!(bytes > 0 && bytes < 2 * held as u64, "{bytes} and {held}");
    payload["memory"].as_object_mut().unwrap().remove("bytes");
    let expected = json!({"uptime_sec": 90, "connections": 2, "sessions": {"live": 2, "detached": 1},
        "jobs": {"pending": 0, "running": 1, "cancelling": 0, "kept": 1}, "questions": 1,
        "memory": {"limit": 1 << 30}});
    assert_eq!(payload, expected, "nothing is said of a journal, pools and shards that there are none of");
    assert_eq!(status.seq(), None, "it is not numbered");
}

#[test]
fn ours_the_host_tells_what_only_it_knows() {
    let mut w = operated(|_| {});
    let b = login(&mut w, "tok-bob", Via::Tls);
    let journal = JournalStatus {
        bytes: Some(81_920),
        max_bytes: Some(1 << 20),
        free_bytes: Some(u64::MAX),
        commits: 12,
        last_commit: Some(Duration::from_micros(850)),
        committed: Some(Duration::from_secs(4)),
        failing: Some(Duration::from_millis(2_500)),
        error: Some("the disk of the journal\nis full".to_owned()),
    };
    let host = HostStatus { journal: Some(journal), pools: vec![pool(1, "shout")], ..HostStatus::default() };
    let status = status(&mut w, b, &host);
    let journal = json!({"bytes": 81_920, "max_bytes": 1 << 20, "free_bytes": (1_u64 << 53) - 1, "commits": 12,
        "last_commit_us": 850, "committed_sec": 4, "failing_sec": 2, "error": "the disk of the journal\nis full"});
    assert_eq!(status.payload()["journal"], journal);
    let agents = json!([{"agent": "shout0", "topic": "job.shout", "dispatched": 7, "outstanding": 2}]);
    let pools = json!([{"bus": {"state": "disconnected", "since_sec": 3}, "agents": agents}]);
    assert_eq!(status.payload()["pools"], pools);
    let host = HostStatus { journal: Some(JournalStatus::default()), ..HostStatus::default() };
    let status = self::status(&mut w, b, &host);
    assert_eq!(status.payload()["journal"], json!({"commits": 0}), "what is not known is left out");
}

#[test]
fn ours_the_counts_of_several_shards_are_added_up() {
    let mut w = operated(|_| {});
    let b = login(&mut w, "tok-bob", Via::Tls);
    let other = StatusCounts {
        connections: 10,
        sessions_live: 20,
        sessions_detached: 30,
        jobs_pending: 40,
        jobs_running: 50,
        jobs_cancelling: 60,
        jobs_kept: 70,
        questions_open: 80,
        bytes_held: 90,
        bytes_limit: 100,
    };
    let own = StatusCounts { connections: 1, sessions_live: 1, bytes_limit: 1 << 30, ..StatusCounts::default() };
    assert_eq!(StatusCounts { bytes_held: 0, ..w.runtime.counts() }, own);
    let host = HostStatus { shards: vec![other, own], ..HostStatus::default() };
    let status = status(&mut w, b, &host);
    let payload = status.payload();
    assert_eq!((&payload["connections"], &payload["questions"]), (&json!(11), &json!(80)));
    assert_eq!(payload["sessions"], json!({"live": 21, "detached": 30}));
    assert_eq!(payload["jobs"], json!({"pending": 40, "running": 50, "cancelling": 60, "kept": 70}));
    assert_eq!(payload["memory"], json!({"bytes": 90, "limit": (1_u64 << 30) + 100}));
    let shards = payload["shards"].as_array().unwrap();
    assert_eq!((shards.len(), &shards[0]["connections"], &shards[1]["connections"]), (2, &json!(10), &json!(1)));
    let members: Vec<&String> = shards[0].as_object().unwrap().keys().collect();
    assert!(members.iter().all(|member| payload.get(member.as_str()).is_some()), "{members:?}");
}

#[test]
fn ours_the_state_fits_into_a_frame() {
    for (via, limit) in [(Via::Stdio, 60 << 10), (Via::Tls, 1 << 20)] {
        let mut w = operated(|_| {});
        let b = login(&mut w, "tok-bob", via);
        let long = "\u{1}ä".repeat(10_000);
        let journal = JournalStatus { error: Some(long.clone()), ..JournalStatus::default() };
        let shards = vec![w.runtime.counts(); 9];
        let host = HostStatus {
            shards,
            journal: Some(journal),
            pools: vec![pool(5, &long), pool(100_000, "a"), pool(1, "b")],
        };
        let status = status(&mut w, b, &host);
        let len = status.text().len();
        assert!(len <= limit && len > limit / 2, "{len} of {limit}");
        let payload = status.payload();
        assert!(payload["journal"]["error"].as_str().unwrap().len() <= 1 << 10);
        assert!(payload["pools"][0]["agents"][4]["agent"].as_str().unwrap().len() <= 256);
        let (shown, left_out) =
            (payload["pools"][1]["agents"].as_array().unwrap(), &payload["pools"][1]["agents_left_out"]);
        assert_eq!(shown.len() as u64 + left_out.as_u64().unwrap(), 100_000);
        let pools = payload["pools"].as_array().unwrap().len() as u64;
        assert_eq!(pools + payload.get("pools_left_out").and_then(Value::as_u64).unwrap_or_default(), 3);
        assert_eq!(payload["shards"].as_array().unwrap().len(), 9);
    }
}

#[test]
fn ours_the_sentence_about_the_journal_is_left_out_if_a_frame_has_no_room_for_it() {
    let mut w = operated(|config| config.limits.frame_bytes = 4_096);
    let b = login(&mut w, "tok-bob", Via::Tls);
    let journal = JournalStatus { error: Some("\u{1}".repeat(1_000)), commits: 7, ..JournalStatus::default() };
    let host = HostStatus { journal: Some(journal), pools: vec![pool(100, "a"); 9], ..HostStatus::default() };
    let status = status(&mut w, b, &host);
    assert!(status.text().len() <= 4_096, "{}", status.text().len());
    assert_eq!(status.payload()["journal"], json!({"commits": 7}));
    assert!(status.payload()["pools"][0]["agents_left_out"].as_u64().unwrap() > 0);
}

#[test]
fn ours_only_an_operator_reads_the_state() {
    let mut w = operated(|config| {
        config.approvers.insert("alice".to_owned());
        config.policy = std::sync::Arc::new(nuncio_core::arcp::AnyPrincipal);
    });
    let a = login(&mut w, "tok-alice", Via::Tls);
    let request = read(&mut w, a);
    assert_eq!(w.refusal(a, "PERMISSION_DENIED").payload()["request_id"], request.as_str());
    let without = w.login("tok-alice");
    read(&mut w, without);
    w.refusal(without, "PERMISSION_DENIED");
    assert!(!is_asked(&mut w), "the host is not asked");
    assert_eq!(w.closed(a), None);
}

#[test]
fn ours_the_state_is_a_feature() {
    let mut w = operated(|_| {});
    let b = login(&mut w, "tok-bob", Via::Tls);
    let features = |frame: &Frame| frame.payload()["capabilities"]["features"].clone();
    assert!(features(&w.welcome(b)).as_array().unwrap().contains(&json!(STATUS)));
    let without = w.login("tok-bob");
    assert!(!features(&w.welcome(without)).as_array().unwrap().contains(&json!(STATUS)), "the hello did not name it");
    read(&mut w, without);
    w.refusal(without, "INVALID_REQUEST");
    w.send(b, STATUS, json!({}));
    w.refusal(b, "INVALID_REQUEST");
    w.send_text(b, r#"{"arcp":"1.1","id":"x","type":"x-vendor.nuncio.read_status","payload":{"a":1,"a":2}}"#);
    w.refusal(b, "INVALID_REQUEST");
    assert!(!is_asked(&mut w));
    w.send_text(b, r#"{"arcp":"1.1","id":"y","type":"x-vendor.nuncio.read_status"}"#);
    assert!(is_asked(&mut w), "a payload is not needed");
}

#[test]
fn ours_a_host_that_does_not_tell_its_state_is_an_internal_error() {
    let mut w = operated(|config| config.status_timeout = Duration::from_secs(3));
    let b = login(&mut w, "tok-bob", Via::Tls);
    let request = read(&mut w, b);
    let late = asked(&mut w);
    assert_eq!(w.timer(), Some((w.now.plus_secs(3), Timer::Status)));
    w.advance(3 * SECOND);
    assert_eq!(w.refusal(b, "INTERNAL_ERROR").payload()["request_id"], request.as_str());
    assert_eq!(w.runtime.tell_status(w.now, late, &HostStatus::default()), Err(Refused::Stale));
    w.settle();
    w.expect_nothing(b);
}

#[test]
fn limit_status_requests() {
    let mut w = operated(|config| config.limits.status_requests = 2);
    let b = login(&mut w, "tok-bob", Via::Tls);
    let before = w.runtime.bytes_held();
    for _ in 0..2 {
        read(&mut w, b);
    }
    assert!(w.runtime.bytes_held() > before);
    read(&mut w, b);
    let refusal = w.refusal(b, "INTERNAL_ERROR");
    assert_eq!(refusal.payload()["details"], json!({"limit": "status_requests", "max": 2}));
    for _ in 0..2 {
        assert_eq!(tell(&mut w, &HostStatus::default()), Ok(()));
        w.expect(b, STATUS);
    }
    status(&mut w, b, &HostStatus::default());
}

#[test]
fn ours_a_state_that_nobody_waits_for_is_not_sent() {
    let mut w = operated(|_| {});
    let b = login(&mut w, "tok-bob", Via::Tls);
    read(&mut w, b);
    let (session, token) = (w.session(b), w.token(b));
    let resumed = w.resume_as("tok-bob", &session, &token, 0);
    w.expect(resumed, "session.welcome");
    assert_eq!(tell(&mut w, &HostStatus::default()), Ok(()));
    w.expect_nothing(resumed);
    read(&mut w, resumed);
    w.cut(resumed);
    w.advance(20 * SECOND);
    assert_eq!(tell(&mut w, &HostStatus::default()), Err(Refused::Stale));
}

#[test]
fn ours_the_state_is_told_while_nothing_can_be_stored() {
    let mut w = operated(|config| config.journal = Journaling::Kept);
    let b = login(&mut w, "tok-bob", Via::Tls);
    let job = w.job(b, "slow");
    w.journal_stalled = true;
    w.runtime.pause(w.now);
    w.log(&job, "waits for the journal");
    read(&mut w, b);
    assert_eq!(tell(&mut w, &HostStatus::default()), Ok(()));
    let sent = w.history.iter().position(|(.., frame)| frame.kind() == STATUS).unwrap();
    assert!(w.orders[sent].is_free(), "it overtakes what waits for the journal: {:?}", w.orders[sent]);
}

#[test]
fn ours_the_uptime_begins_with_the_restart() {
    let mut w = operated(|config| config.journal = Journaling::Kept);
    w.login("tok-alice");
    w.advance(100 * SECOND);
    w.restart();
    w.advance(5 * SECOND);
    let b = login(&mut w, "tok-bob", Via::Tls);
    assert_eq!(status(&mut w, b, &HostStatus::default()).payload()["uptime_sec"], 5);
}
