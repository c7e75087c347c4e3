//! Questions of agents: typed events, answers and lists (core/docs/arcp.md, "Questions").

use nuncio_core::arcp::Json;
use nuncio_core::arcp::client::{
    ClientEvent, ClientOutput, ClientRefused, JobEvent, QuestionOutcome, QuestionQuery, Raw,
};
use serde_json::json;

use crate::support::{Harness, SECOND, error, event, kind, plain};

fn raw(json: &str) -> Box<Json> {
    serde_json::from_str(json).unwrap()
}

fn answer(harness: &mut Harness, value: &str) {
    harness.client.answer(harness.now, "job_1", "q1", &raw(value), None).unwrap();
    harness.drain();
}

/// Returns the event that a frame leads to.
fn event_of(harness: &mut Harness, frame: &str) -> JobEvent {
    harness.client.handle_frame(harness.now, &bytes::Bytes::copy_from_slice(frame.as_bytes()));
    loop {
        match harness.client.poll_output() {
            Some(ClientOutput::Event(ClientEvent::Job(event))) => return event,
            Some(_) => {}
            None => panic!("no event came of {frame}"),
        }
    }
}

#[test]
fn questions_and_their_ends_are_typed_events() {
    let mut harness = Harness::live();
    harness.job("job_1");
    let body = r#"{"question_id":"q1","prompt":"Send?","choices":["yes","no"],"default":null,"expires_at":"2026-11-21T00:01:00.000Z"}"#;
    let asked = event_of(&mut harness, &kind("job_1", 1, "x-vendor.nuncio.question", body));
    let question = asked.question().unwrap();
    assert_eq!((question.question_id.as_str(), question.prompt.as_str()), ("q1", "Send?"));
    assert_eq!(question.choices.as_deref(), Some(&["yes".to_owned(), "no".to_owned()][..]));
    assert_eq!(question.default.as_ref().map(Raw::as_str), Some("null"), "a value of the user");
    assert_eq!(question.expires_at.as_deref(), Some("2026-11-21T00:01:00.000Z"));
    assert!(asked.answered().is_none());
    let body = r#"{"question_id":"q1","outcome":"answered","value":null,"by":"alice","note":"n"}"#;
    let ended = event_of(&mut harness, &kind("job_1", 2, "x-vendor.nuncio.answered", body)).answered().unwrap();
    assert_eq!((ended.outcome, ended.by.as_deref()), (QuestionOutcome::Answered, Some("alice")));
    assert_eq!(ended.value.as_ref().map(Raw::as_str), Some("null"));
    let mut seq = 3;
    for bad in ["{}", "7", r#"{"question_id":"q1"}"#, r#"{"question_id":"q1","outcome":"lost"}"#] {
        for named in ["x-vendor.nuncio.question", "x-vendor.nuncio.answered"] {
            let other = event_of(&mut harness, &kind("job_1", seq, named, bad));
            assert!(other.question().is_none() && other.answered().is_none(), "{bad}");
            seq += 1;
        }
    }
    assert!(event_of(&mut harness, &event("job_1", seq)).question().is_none());
}

#[test]
fn an_answer_is_sent_and_its_reply_is_an_event() {
    let mut harness = Harness::live();
    harness.client.answer(harness.now, "job_1", "q1", &raw("{\"a\":\n 1}"), Some("why")).unwrap();
    harness.drain();
    let sent = harness.last("x-vendor.nuncio.answer");
    assert_eq!(sent["payload"], json!({"job_id": "job_1", "question_id": "q1", "value": {"a": 1}, "note": "why"}));
    let id = harness.id_of("x-vendor.nuncio.answer");
    let reply = |id: &str| {
        plain(
            "x-vendor.nuncio.answered",
            &format!(
                r#""request_id":"{id}","job_id":"job_1","question_id":"q1","outcome":"answered","value":{{"a":1}},"by":"alice""#
            ),
        )
    };
    assert!(harness.frame(&reply("other")).is_empty());
    assert_eq!(harness.frame(&reply(&id)), ["answered q1 Answered {\"a\":1} by=Some(\"alice\")"]);
    assert!(harness.frame(&reply(&id)).is_empty(), "it is answered once");
}

#[test]
fn an_answer_that_was_lost_is_sent_again_after_the_resume() {
    let mut harness = Harness::live();
    answer(&mut harness, "1");
    let first = harness.id_of("x-vendor.nuncio.answer");
    harness.cut();
    assert!(harness.resume().iter().any(|line| line == "> x-vendor.nuncio.answer"));
    assert_ne!(harness.id_of("x-vendor.nuncio.answer"), first);
}

#[test]
fn a_refused_answer_fails_and_one_without_a_reply_times_out() {
    let mut harness = Harness::live();
    answer(&mut harness, "1");
    let id = harness.id_of("x-vendor.nuncio.answer");
    let refusal = format!(r#""code":"INVALID_REQUEST","message":"m","retryable":false,"request_id":"{id}""#);
    assert_eq!(harness.frame(&error(&refusal)), ["answer failed: INVALID_REQUEST"]);
    answer(&mut harness, "2");
    harness.client.questions(harness.now, &QuestionQuery::default()).unwrap();
    harness.drain();
    let lines: Vec<String> = (0..70)
        .flat_map(|_| {
            let lines = harness.wait(SECOND);
            harness.frame(&plain("session.pong", r#""ping_nonce":"n""#));
            lines
        })
        .filter(|line| line.contains("failed"))
        .collect();
    assert_eq!(lines, ["answer failed: timed out", "questions failed: timed out"]);
}

#[test]
fn open_questions_are_listed() {
    let mut harness = Harness::live();
    let query = QuestionQuery { job_id: Some("job_1".into()), limit: Some(2), cursor: Some("c".into()) };
    harness.client.questions(harness.now, &query).unwrap();
    harness.drain();
    let sent = harness.last("x-vendor.nuncio.list_questions");
    assert_eq!(sent["payload"], json!({"job_id": "job_1", "limit": 2, "cursor": "c"}));
    let id = harness.id_of("x-vendor.nuncio.list_questions");
    let rows = r#"[{"job_id":"job_1","agent":"a","principal":"alice","may_answer":true,"question":{"question_id":"q1","prompt":"?"}},{"job_id":"job_2"},7]"#;
    let page = format!(r#""request_id":"{id}","questions":{rows},"next_cursor":"job_1.q1""#);
    let lines = harness.frame(&plain("x-vendor.nuncio.questions", &page));
    assert_eq!(lines, [r#"questions ["job_1/q1"] next=Some("job_1.q1")"#]);
}

#[test]
fn answers_are_checked_locally() {
    let mut harness = Harness::live();
    let bad = harness.client.answer(harness.now, "job\"1", "q1", &raw("1"), None);
    assert!(matches!(bad, Err(ClientRefused::Invalid(_))), "{bad:?}");
    let long = raw(&format!("\"{}\"", "x".repeat(2 << 20)));
    let bad = harness.client.answer(harness.now, "job_1", "q1", &long, None);
    assert!(matches!(bad, Err(ClientRefused::TooLarge { .. })), "{bad:?}");
    harness.client.close(harness.now, None);
    let bad = harness.client.answer(harness.now, "job_1", "q1", &raw("1"), None);
    assert_eq!(bad, Err(ClientRefused::Closed));
}
