//! Conversations with one mistake each.

use serde_json::{Value, json};

use super::recording::{Moment, Recording};
use super::rules::RULES;
use crate::commands::conformance::finding::Finding;
use crate::commands::conformance::rule::number;
use crate::commands::conformance::transcript::{Direction, Transcript};

fn sent(name: &str, payload: &Value, number: Option<u64>) -> Moment {
    let mut frame = json!({"arcp": "1.1", "id": "r", "type": name, "session_id": "s", "payload": payload});
    if let Some(number) = number {
        frame["event_seq"] = number.into();
    }
    Moment::Sent(frame)
}

fn received(id: &str, name: &str, payload: &Value) -> Moment {
    Moment::Received(json!({"arcp": "1.1", "id": id, "type": name, "payload": payload}))
}

fn hello(id: &str, resume: Option<(&str, u64)>) -> Moment {
    let mut payload = json!({
        "client": {"name": "c", "version": "1"}, "auth": {"scheme": "bearer", "token": "t0ken-of-client"},
        "capabilities": {"features": ["ack"]},
    });
    if let Some((token, number)) = resume {
        payload["resume"] = json!({"session_id": "s", "resume_token": token, "last_event_seq": number});
    }
    received(id, "session.hello", &payload)
}

fn welcome(token: &str) -> Moment {
    sent("session.welcome", &json!({"resume_token": token}), None)
}

fn event(number: u64) -> Moment {
    sent("job.event", &json!({"kind": "log"}), Some(number))
}

/// A conversation without a mistake, over three connections.
fn conversation() -> Vec<Moment> {
    let credential = json!({"credentials": [{"value": super::play::CREDENTIALS[0]}]});
    let mut moments = vec![
        Moment::Opened,
        hello("1", None),
        welcome("rt_1"),
        sent("session.ping", &json!({"nonce": "a"}), None),
        received("2", "session.pong", &json!({"ping_nonce": "a"})),
        received("3", "job.submit", &json!({"agent": "echo", "idempotency_key": "k"})),
        sent("job.accepted", &credential, None),
        sent("session.ping", &json!({"nonce": "accepted_2"}), None),
        received("9", "session.pong", &json!({"ping_nonce": "accepted_2"})),
    ];
    moments.extend((1..=4).map(event));
    moments.extend([
        sent("session.ping", &json!({"nonce": "read_3"}), None),
        received("4", "session.ack", &json!({"last_processed_seq": 4})),
        received("5", "session.pong", &json!({"ping_nonce": "read_3"})),
        Moment::Quiet { has_spoken: true },
        Moment::Cut,
        Moment::Opened,
        hello("6", Some(("rt_1", 4))),
        welcome("rt_2"),
        event(6),
        Moment::Ended,
        Moment::Opened,
        hello("7", Some(("rt_2", 4))),
        welcome("rt_3"),
        event(5),
        event(6),
        sent("job.result", &json!({}), Some(7)),
        received("8", "session.close", &json!({})),
        sent("session.closed", &json!({}), None),
        Moment::Ended,
    ]);
    moments
}

/// Returns the rules that a conversation breaks.
fn broken(moments: Vec<Moment>) -> Vec<&'static str> {
    let mut recording = Recording::default();
    for moment in moments {
        if moment == Moment::Opened { recording.open() } else { recording.add(moment) }
    }
    let broken = RULES.iter().filter(|rule| matches!((rule.judge)(&recording), Err(Finding::Broken(_))));
    broken.map(|rule| rule.name).collect()
}

/// Returns the rules that the conversation breaks after a change at the place of the first frame with this id.
fn changed(id: &str, change: impl FnOnce(&mut Vec<Moment>, usize)) -> Vec<&'static str> {
    let mut moments = conversation();
    let place = moments.iter().position(|moment| moment.received().is_some_and(|frame| frame["id"] == id));
    change(&mut moments, place.expect("the frame is there"));
    broken(moments)
}

fn replaced(id: &str, moment: Moment) -> Vec<&'static str> {
    changed(id, |moments, place| moments[place] = moment)
}

#[test]
fn rules_are_in_the_order_of_their_sections() {
    let sections: Vec<&str> = RULES.iter().map(|rule| rule.section).collect();
    assert!(sections.is_sorted_by_key(|section| number(section)), "{sections:?}");
}

#[test]
fn a_conversation_without_a_mistake_breaks_no_rule() {
    assert_eq!(broken(conversation()), Vec::<&str>::new());
}

#[test]
fn each_mistake_is_found() {
    let close = || received("8", "session.close", &json!({}));
    assert_eq!(replaced("2", received("1", "session.pong", &json!({"ping_nonce": "a"}))), ["ids"]);
    assert_eq!(replaced("2", received("2", "session.pong", &json!({"ping_nonce": "b"}))), ["pings"]);
    assert_eq!(replaced("3", received("3", "session.list_jobs", &json!({}))), ["negotiated"]);
    assert_eq!(replaced("3", received("3", "job.submit", &json!({"agent": "No Agent"}))), ["submit"]);
    assert_eq!(replaced("4", received("4", "session.ack", &json!({"last_processed_seq": 5}))), ["acks"]);
    assert_eq!(replaced("4", Moment::Garbage), ["envelopes"]);
    assert_eq!(replaced("6", hello("6", None)), ["resumes"]);
    assert_eq!(replaced("7", hello("7", Some(("rt_1", 4)))), ["newest_token"]);
    assert_eq!(replaced("7", hello("7", Some(("rt_2", 3)))), ["last_number"]);
    assert_eq!(replaced("8", received("8", "session.bye", &json!({}))), ["close"]);
    assert_eq!(changed("8", |moments, place| moments.insert(place, close())), ["ids", "nothing_after_close"]);
    assert_eq!(changed("3", |moments, place| moments.swap(place - 3, place)), ["waits_for_welcome"]);
    let quiet = changed("5", |moments, place| moments[place + 1] = Moment::Quiet { has_spoken: false });
    assert_eq!(quiet, ["idle"]);
    let hurried = changed("5", |moments, place| moments.insert(place, close()));
    assert_eq!(hurried, ["ids", "nothing_after_close", "unknown_schemes"]);
    let silent = changed("9", |moments, place| drop(moments.splice(place.., [Moment::Ended])));
    assert_eq!(silent, ["unknown_members", "close", "unknown_schemes"]);
    let leaked = json!({"last_processed_seq": 4, "note": super::play::CREDENTIALS[0]});
    assert_eq!(replaced("4", received("4", "session.ack", &leaked)), ["credentials_stay"]);
    let foreign = json!({"arcp": "1.1", "id": "4", "type": "session.ack", "session_id": "other", "payload": {"last_processed_seq": 4}});
    assert_eq!(replaced("4", Moment::Received(foreign)), ["session_id"]);
    let many = changed("4", |moments, place| {
        moments.splice(
            place..=place,
            (0..30).map(|n| received(&format!("a{n}"), "session.ack", &json!({"last_processed_seq": 4}))),
        );
    });
    assert_eq!(many, ["few_acks"]);
    let gap = changed("7", |moments, place| {
        moments.drain(place - 2..place + 2);
    });
    assert_eq!(gap, ["gap"]);
}

#[test]
fn a_failure_shows_the_frames_that_it_is_about_without_tokens() {
    let mut recording = Recording::default();
    for moment in conversation() {
        if moment == Moment::Opened { recording.open() } else { recording.add(moment) }
    }
    let mut transcript = Transcript::new([]);
    recording.show(&["session.hello"], &mut transcript);
    let (entries, _) = transcript.shown();
    assert!(
        entries.iter().any(|entry| entry.direction == Direction::Received && entry.frame.contains("session.hello"))
    );
    assert!(
        !entries.iter().any(|entry| entry.frame.contains("t0ken-of-client") || entry.frame.contains("session.ack"))
    );
}
