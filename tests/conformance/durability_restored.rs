//! Ours: what a restored runtime shows and holds, and the format of records.

use nuncio_core::arcp::{Record, RecordError};
use nuncio_tests::world::{Frame, OnSubmit};
use serde_json::json;

use crate::durability::{busy, last_ack, world};

#[test]
fn ours_acknowledgements_are_recorded_when_the_connection_ends() {
    let mut w = world();
    let a = w.login("tok-alice");
    let job = w.job(a, "slow");
    w.log(&job, "one");
    w.log(&job, "two");
    let session = w.session(a);
    for seq in [1, 2] {
        w.send(a, "session.ack", json!({"last_processed_seq": seq}));
    }
    let token = w.token(a);
    w.cut(a);
    assert_eq!(last_ack(&w, w.stored.len(), &session), 2);
    w.restart();
    let gone = w.resume_as("tok-alice", &session, &token, 1);
    w.refusal(gone, "RESUME_WINDOW_EXPIRED");
}

#[test]
fn ours_listings_and_histories_survive_a_restart() {
    let mut w = busy();
    let a = w.login("tok-alice");
    let before = w.list(a, json!({}));
    w.restart();
    let a = w.login("tok-alice");
    let after = w.list(a, json!({}));
    let rows = |page: &Frame| page.payload()["jobs"].as_array().unwrap().clone();
    assert_eq!(rows(&before).len(), rows(&after).len());
    for (old, new) in rows(&before).iter().zip(rows(&after)) {
        if !matches!(old["status"].as_str(), Some("running" | "pending")) {
            assert_eq!(old, &new);
        }
        let job = old["job_id"].clone();
        let subscribed = w.subscribe(a, json!({"job_id": job, "history": true}));
        assert!(subscribed.payload().get("history_truncated").is_none());
        let shown = w.drain(a);
        let recorded = w
            .stored
            .iter()
            .filter(|(_, record)| record.position().is_some() && record.job().is_some_and(|id| job == id.to_string()));
        assert_eq!(shown.len(), recorded.count() + 1, "job.subscribed is followed by all events and the terminal");
    }
}

#[test]
fn ours_a_child_that_was_accepted_when_its_family_had_overspent_is_restored() {
    let mut w = world();
    let a = w.login("tok-alice");
    let lease = json!({"agent.delegate": ["*"], "cost.budget": ["USD:1.00"]});
    let job = w.submit(a, json!({"agent": "slow", "lease_request": lease}));
    w.on_submit = OnSubmit::Hold;
    let child = w.delegate(&job, &json!({"agent": "slow"})).unwrap();
    w.cost(&job, "1.5", "USD");
    w.start(child);
    let frames = w.drain(a);
    let accepted = frames.iter().find(|frame| frame.kind() == "job.accepted").unwrap();
    assert_eq!(accepted.payload()["budget"]["USD"].as_f64(), Some(-0.5));
    let restored = w.restart();
    assert!(restored.is_clean(), "{restored:?}");
}

#[test]
fn ours_a_restart_with_smaller_limits_stays_within_them() {
    let w = busy();
    let mut small = w.crashed_at(w.stored.len()).0;
    small.restart_with(|config| {
        config.limits.sessions = 1;
        config.limits.log_events = 3;
        config.limits.history_events = 2;
        config.limits.retained_jobs = 1;
        config.limits.idempotency_records = 1;
        config.limits.jobs = 1;
    });
    assert!(small.runtime.bytes_held() < 20_000, "{}", small.runtime.bytes_held());
}

#[test]
fn ours_unknown_versions_and_kinds_are_distinguished_from_damage() {
    let text = |text: &str| Record::decode(text.as_bytes());
    assert_eq!(text(r#"{"v":2,"t":"job_event"}"#), Err(RecordError::Version(2)));
    assert_eq!(text(r#"{"v":1,"t":"later_kind","x":1}"#), Err(RecordError::Unknown("later_kind".into())));
    let closed = r#"{"v":1,"t":"session_closed","session":"sess_01J00000000000000000000000","later":[1]}"#;
    assert!(text(closed).is_ok(), "unknown members are ignored");
    for damaged in ["", "{", "null", "[]", "{}", r#"{"v":1}"#, "\u{0}", &closed.replace("sess_", "job_")] {
        assert!(matches!(text(damaged), Err(RecordError::Damaged(_))), "{damaged:?}");
    }
    assert!(matches!(Record::decode(b"\xff"), Err(RecordError::Damaged(_))));
    // A time past the year 9999 is refused: it would make every deadline lie in the past.
    for (at, fine) in [(253_402_300_799_999_999_u64, true), (253_402_300_800_000_000, false), (u64::MAX, false)] {
        let detached =
            format!(r#"{{"v":1,"t":"session_detached","session":"sess_01J00000000000000000000000","at":{at}}}"#);
        assert_eq!(text(&detached).is_ok(), fine, "{at}");
    }
}

#[test]
fn ours_a_job_that_a_restart_has_ended_says_how_to_submit_it_again() {
    let mut w = world();
    let a = w.login("tok-alice");
    let (session, token) = (w.session(a), w.token(a));
    let plain = w.submit(a, json!({"agent": "echo"}));
    let keyed = w.submit(a, json!({"agent": "echo", "idempotency_key": "k"}));
    assert_eq!(w.restart().interrupted, 2);
    let a = w.resume_as("tok-alice", &session, &token, 2);
    w.expect(a, "session.welcome");
    for _ in 0..2 {
        let end = w.expect(a, "job.error");
        let message = end.payload()["message"].as_str().unwrap();
        match end.job() {
            id if id == plain.id => assert_eq!(message, "the runtime restarted; submit the job again"),
            id => {
                assert_eq!(id, keyed.id);
                assert_eq!(message, "the runtime restarted; submit the job again, not with the same key");
            }
        }
    }
}
