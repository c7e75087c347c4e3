//! Ours: the limits of questions of agents to people, and of the answers.

use nuncio_core::arcp::{Question, QuestionId, Refused};
use nuncio_tests::world::json_text;
use serde_json::json;

use crate::s_limits::assert_limit;
use crate::s_questions::{ANSWERED, asking, give, send_it};

#[test]
fn limit_questions_per_job() {
    let (mut w, a, job) = asking(|config| config.limits.questions_per_job = 2);
    for question in ["q1", "q2"] {
        w.ask(&job, &send_it()).unwrap();
        give(&mut w, a, &job, question, json!("send"));
    }
    assert_eq!(w.ask(&job, &send_it()), Err(Refused::Limit { limit: "questions_per_job", max: 2 }));
}

#[test]
fn limit_open_questions_per_job() {
    let (mut w, a, job) = asking(|config| config.limits.open_questions_per_job = 1);
    w.ask(&job, &send_it()).unwrap();
    assert_eq!(w.ask(&job, &send_it()), Err(Refused::Limit { limit: "open_questions_per_job", max: 1 }));
    give(&mut w, a, &job, "q1", json!("send"));
    assert_eq!(w.ask(&job, &send_it()), Ok(QuestionId(2)));
}

#[test]
fn limit_open_questions_per_principal() {
    let (mut w, a, job) = asking(|config| config.limits.open_questions_per_principal = 1);
    let other = w.job(a, "slow");
    w.ask(&job, &send_it()).unwrap();
    let full = Err(Refused::Limit { limit: "open_questions_per_principal", max: 1 });
    assert_eq!(w.ask(&other, &send_it()), full);
    let b = w.login("tok-bob");
    let bobs = w.job(b, "slow");
    w.ask(&bobs, &send_it()).unwrap();
    w.finish(&job, "1");
    assert_eq!(w.ask(&other, &send_it()), Ok(QuestionId(1)), "the end of a job makes room");
}

#[test]
fn limit_question_bytes() {
    let (mut w, _, job) = asking(|config| config.limits.question_bytes = 10);
    assert_eq!(w.ask(&job, &Question::new("0123456789")), Ok(QuestionId(1)));
    let full = Err(Refused::Limit { limit: "question_bytes", max: 10 });
    for question in [
        Question::new("01234567890"),
        Question::new("0123456789").key("k"),
        Question::new("?").choices(["12345678"]),
        Question::new("?").schema(&json_text(r#"{"type":"null"}"#)),
        Question::new("?").default("12345678"),
    ] {
        assert_eq!(w.ask(&job, &question), full, "{question:?}");
    }
}

#[test]
fn limit_answer_bytes() {
    let (mut w, a, job) = asking(|config| config.limits.answer_bytes = 6);
    w.ask(&job, &Question::new("?")).unwrap();
    w.drain(a);
    give(&mut w, a, &job, "q1", json!("12345"));
    assert_limit(&w.recv(a), "answer_bytes", 6);
    let payload = json!({"job_id": job.id, "question_id": "q1", "value": "123", "note": "12"});
    w.send(a, "x-vendor.nuncio.answer", payload);
    assert_limit(&w.recv(a), "answer_bytes", 6);
    give(&mut w, a, &job, "q1", json!("1234"));
    w.expect(a, ANSWERED);
}

#[test]
fn ours_an_answer_has_to_fit_a_frame_of_the_owner() {
    let (mut w, a, job) = asking(|config| config.limits.frame_bytes = 4_096);
    w.ask(&job, &Question::new("?")).unwrap();
    w.drain(a);
    give(&mut w, a, &job, "q1", json!("x".repeat(3_500)));
    assert_limit(&w.recv(a), "frame_bytes", 4_096);
    let full = w.ask(&job, &Question::new("x".repeat(4_000)));
    assert!(matches!(full, Err(Refused::TooLarge { max: 4_096, .. })), "{full:?}");
}

#[test]
fn ours_questions_are_charged_to_their_principal() {
    let (mut w, a, job) = asking(|_| {});
    let before = w.runtime.bytes_held();
    let long = "x".repeat(10_000);
    w.ask(&job, &Question::new(long.as_str())).unwrap();
    assert!(w.runtime.bytes_held() > before + 30_000, "the event in the log and in the history, and the question");
    give(&mut w, a, &job, "q1", json!("yes"));
    let after = w.runtime.bytes_held();
    assert!(after < before + 25_000, "the text of an answered question is not kept twice: {before} {after}");
}

#[test]
fn ours_a_principal_that_holds_too_much_asks_nothing_more() {
    let (mut w, _, job) = asking(|config| config.limits.bytes_per_principal = 60_000);
    let long = Question::new("x".repeat(30_000));
    assert_eq!(w.ask(&job, &Question::new("?")), Ok(QuestionId(1)));
    assert_eq!(w.ask(&job, &long), Ok(QuestionId(2)));
    assert_eq!(w.ask(&job, &long), Err(Refused::Limit { limit: "bytes_per_principal", max: 60_000 }));
    let (mut w, _, job) = asking(|config| config.limits.bytes = 60_000);
    assert_eq!(w.ask(&job, &long), Ok(QuestionId(1)));
    assert_eq!(w.ask(&job, &long), Err(Refused::Limit { limit: "bytes", max: 60_000 }));
}
