//! Ours: questions and their answers after a lost connection and after a restart.

use std::time::Duration;

use nuncio_core::arcp::{Answer, Question, QuestionId, Record};
use nuncio_tests::world::{Job, SECOND, World};
use serde_json::json;

use crate::durability_jobs::{rerunning, same};
use crate::s_questions::{ANSWERED, ASKED, give, send_it};

/// A world with a running job that is run again after a restart.
fn asking() -> (World, nuncio_core::arcp::ConnId, Job) {
    let mut w = rerunning();
    let a = w.login("tok-alice");
    let job = w.submit(a, json!({"agent": "again"}));
    (w, a, job)
}

/// The number of events that ask something, among all frames that were ever sent for the first time.
fn asked(w: &World) -> usize {
    w.stored.iter().filter(|(_, record)| record.is_question() && is_asked(record)).count()
}

fn is_asked(record: &Record) -> bool {
    String::from_utf8(record.encode()).unwrap().contains(&format!("\"kind\":\"{ASKED}\""))
}

#[test]
fn ours_an_answer_that_was_lost_with_its_connection_is_answered_again() {
    let (mut w, a, job) = asking();
    w.ask(&job, &send_it()).unwrap();
    give(&mut w, a, &job, "q1", json!("send"));
    w.cut(a);
    let a = w.resume(a, 1);
    w.drain(a);
    give(&mut w, a, &job, "q1", json!("send"));
    assert_eq!(w.expect(a, ANSWERED).payload()["value"], "send");
    w.answer_of(&job, QuestionId(1)).unwrap();
    assert_eq!(w.answer_of(&job, QuestionId(1)), None);
}

#[test]
fn ours_a_question_is_not_asked_again_after_a_restart() {
    let (mut w, a, job) = asking();
    let (session, token) = (w.session(a), w.token(a));
    w.ask(&job, &send_it()).unwrap();
    w.ask(&job, &Question::new("Why?").key("why")).unwrap();
    give(&mut w, a, &job, "q1", json!("send"));
    w.restart();
    let job = same(&w, &job);
    // The second run asks in another order of the keys; those without a key keep their order.
    assert_eq!(w.ask(&job, &Question::new("Why?").key("why")), Ok(QuestionId(2)));
    assert_eq!(w.ask(&job, &send_it()), Ok(QuestionId(1)));
    assert_eq!(w.answer_of(&job, QuestionId(1)).unwrap().text().as_deref(), Some("send"));
    assert_eq!(w.answer_of(&job, QuestionId(2)), None, "nobody has answered yet");
    assert_eq!(asked(&w), 2);
    let a = w.resume_as("tok-alice", &session, &token, 0);
    w.expect(a, "session.welcome");
    w.drain(a);
    give(&mut w, a, &job, "q2", json!("because"));
    assert_eq!(w.answer_of(&job, QuestionId(2)).unwrap().text().as_deref(), Some("because"));
    // The first answer still counts, and is answered as before.
    w.drain(a);
    give(&mut w, a, &job, "q1", json!("send"));
    w.expect(a, ANSWERED);
    assert_eq!(w.ask(&job, &send_it()), Ok(QuestionId(3)), "the second question without a key is new");
}

#[test]
fn ours_an_accepted_answer_is_never_lost() {
    let (mut w, a, job) = asking();
    w.ask(&job, &send_it()).unwrap();
    give(&mut w, a, &job, "q1", json!("send"));
    // At any point at which the reply may have been sent, the answer is on record.
    let replied = w.history.iter().find(|(_, _, frame)| frame.kind() == ANSWERED).map(|(after, ..)| *after).unwrap();
    for stores in 0..=w.stored.len() {
        let (mut then, _) = w.crashed_at(stores);
        let Some(key) = nuncio_core::arcp::JobUlid::parse(&job.id).and_then(|id| then.runtime.find(id)) else {
            continue;
        };
        let job = Job { key, ..job.clone() };
        let Ok(number) = then.ask(&job, &send_it()) else { continue };
        let answer = then.answer_of(&job, number);
        assert_eq!(answer.is_some(), stores as u64 >= replied, "after {stores} stores, replied after {replied}");
        assert_eq!(number, QuestionId(1));
    }
}

#[test]
fn ours_another_question_under_the_same_name_withdraws_the_earlier_one_after_a_restart() {
    let (mut w, a, job) = asking();
    let (session, token) = (w.session(a), w.token(a));
    w.ask(&job, &send_it()).unwrap();
    w.restart();
    let job = same(&w, &job);
    assert_eq!(w.ask(&job, &Question::new("Send it to 400 customers?")), Ok(QuestionId(2)));
    let a = w.resume_as("tok-alice", &session, &token, 2);
    w.expect(a, "session.welcome");
    let frames = w.drain(a);
    let withdrawn = frames.iter().find(|frame| frame.event() == ANSWERED).expect("it is withdrawn");
    assert_eq!(withdrawn.body(), &json!({"question_id": "q1", "outcome": "withdrawn"}));
    give(&mut w, a, &job, "q1", json!("send"));
    let refusal = w.refusal(a, "INVALID_REQUEST");
    assert_eq!(refusal.payload()["details"]["question"], "withdrawn");
    assert_eq!(w.answer_of(&job, QuestionId(1)), None);
    w.restart();
    let job = same(&w, &job);
    assert_eq!(w.ask(&job, &Question::new("Send it to 400 customers?")), Ok(QuestionId(2)));
}

#[test]
fn ours_the_deadline_of_a_question_goes_on_during_a_restart() {
    let (mut w, _, job) = asking();
    w.ask(&job, &send_it().deadline(Duration::from_secs(10)).default("do not send")).unwrap();
    w.ask(&job, &Question::new("Why?").deadline(Duration::from_mins(1))).unwrap();
    w.now = w.now.plus_secs(30);
    w.restart();
    let job = same(&w, &job);
    w.advance(0);
    assert_eq!(w.ask(&job, &send_it().deadline(Duration::from_secs(10)).default("do not send")), Ok(QuestionId(1)));
    assert!(matches!(w.answer_of(&job, QuestionId(1)), Some(Answer::Default { .. })));
    assert_eq!(w.ask(&job, &Question::new("Why?")), Ok(QuestionId(2)));
    w.advance(29 * SECOND);
    assert_eq!(w.answer_of(&job, QuestionId(2)), None);
    w.advance(SECOND);
    assert_eq!(w.answer_of(&job, QuestionId(2)), Some(Answer::Expired));
    w.restart();
    let job = same(&w, &job);
    w.ask(&job, &send_it()).unwrap();
    assert_eq!(w.ask(&job, &Question::new("Why?")), Ok(QuestionId(2)));
    assert_eq!(w.answer_of(&job, QuestionId(2)), Some(Answer::Expired), "it stays so");
}

#[test]
fn ours_a_deadline_after_the_year_9999_never_passes_and_is_not_on_record() {
    let (mut w, a, job) = asking();
    for secs in [1 << 40, u64::MAX] {
        w.ask(&job, &Question::new(format!("{secs}?")).deadline(Duration::from_secs(secs))).unwrap();
        assert_eq!(w.event(a, ASKED).body().get("expires_at"), None);
    }
    assert!(w.restart().is_clean());
    assert_eq!(w.runtime.stats().questions_open, 2);
}

#[test]
fn ours_no_answer_is_taken_while_nothing_can_be_stored() {
    let (mut w, a, job) = asking();
    w.ask(&job, &send_it()).unwrap();
    w.drain(a);
    w.runtime.pause(w.now);
    give(&mut w, a, &job, "q1", json!("send"));
    w.refusal(a, "INTERNAL_ERROR");
    w.runtime.proceed(w.now);
    give(&mut w, a, &job, "q1", json!("do not send"));
    w.expect(a, ANSWERED);
    assert_eq!(w.answer_of(&job, QuestionId(1)).unwrap().text().as_deref(), Some("do not send"));
}

#[test]
fn ours_the_reply_and_the_agent_wait_for_the_record_of_an_answer() {
    let (mut w, a, job) = asking();
    w.ask(&job, &send_it()).unwrap();
    w.drain(a);
    let before = w.stored.len() as u64;
    give(&mut w, a, &job, "q1", json!("send"));
    let (after, ..) = w.history.iter().find(|(_, _, frame)| frame.kind() == ANSWERED).unwrap();
    assert!(*after > before, "the reply waits for a record that was made for it");
    let record = w.stored.iter().map(|(_, record)| record).nth(usize::try_from(before).unwrap()).unwrap();
    assert!(record.is_question() && !is_asked(record), "{record:?}");
}

#[test]
fn ours_a_question_beyond_a_limit_of_the_next_start_is_passed_over() {
    let (mut w, a, job) = asking();
    for _ in 0..3 {
        w.ask(&job, &send_it()).unwrap();
    }
    give(&mut w, a, &job, "q3", json!("send"));
    let restored = w.restart_with(|config| config.limits.questions_per_job = 2);
    assert_eq!(restored.ignored, 1, "the third question; its answer is an event like any other then");
    assert_eq!(w.runtime.stats().questions_open, 2);
}
