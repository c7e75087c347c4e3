//! Ours: questions of agents to people, and their answers (`docs/arcp.md`, "Questions").

use std::sync::Arc;
use std::time::Duration;

use nuncio_core::arcp::{Access, Answer, Body, ConnId, Policy, Question, QuestionId, Refused, Timer};
use nuncio_core::time::Time;
use nuncio_tests::world::{Frame, Job, SECOND, START, World, json_text};
use serde_json::{Value, json};

pub(crate) const ASKED: &str = "x-vendor.nuncio.question";
pub(crate) const ANSWERED: &str = "x-vendor.nuncio.answered";

pub(crate) fn send_it() -> Question {
    Question::new("Send the mail to 312 customers?").choices(["send", "do not send"])
}

/// Sends an answer; the reply is left in the inbox.
pub(crate) fn give(w: &mut World, conn: ConnId, job: &Job, question: &str, value: Value) -> String {
    let payload = json!({"job_id": job.id, "question_id": question, "value": value});
    w.send(conn, "x-vendor.nuncio.answer", payload)
}

/// Reads a refusal of an answer, and returns its reason.
fn reason(w: &mut World, conn: ConnId) -> String {
    let refusal = w.refusal(conn, "INVALID_REQUEST");
    refusal.payload()["details"]["question"].as_str().unwrap_or_else(|| panic!("{refusal:?}")).to_owned()
}

/// Sends an answer that is refused, and returns the reason.
fn refuse(w: &mut World, conn: ConnId, job: &Job, question: &str, value: Value) -> String {
    give(w, conn, job, question, value);
    reason(w, conn)
}

fn list(w: &mut World, conn: ConnId, payload: Value) -> Frame {
    let request = w.send(conn, "x-vendor.nuncio.list_questions", payload);
    let page = w.expect(conn, "x-vendor.nuncio.questions");
    assert_eq!(page.payload()["request_id"], request.as_str());
    page
}

/// A world with a running job of alice.
pub(crate) fn asking(change: impl FnOnce(&mut nuncio_core::arcp::Config)) -> (World, ConnId, Job) {
    let mut w = World::with(change);
    let a = w.login("tok-alice");
    let job = w.job(a, "slow");
    (w, a, job)
}

#[test]
fn ours_a_question_is_an_event_and_so_is_its_answer() {
    let (mut w, a, job) = asking(|_| {});
    let question = send_it().default("do not send").deadline(Duration::from_mins(1));
    assert_eq!(w.ask(&job, &question), Ok(QuestionId(1)));
    let asked = w.event(a, ASKED);
    let expires_at = START.plus_secs(60).to_rfc3339();
    let body = json!({"question_id": "q1", "prompt": "Send the mail to 312 customers?",
        "choices": ["send", "do not send"], "default": "do not send", "expires_at": expires_at});
    assert_eq!((asked.body(), asked.job()), (&body, job.id.as_str()));
    assert_eq!(w.answer_of(&job, QuestionId(1)), None);

    let payload = json!({"job_id": job.id, "question_id": "q1", "value": "send", "note": "go ahead"});
    let request = w.send(a, "x-vendor.nuncio.answer", payload);
    let reply = w.expect(a, ANSWERED);
    let mut given =
        json!({"question_id": "q1", "outcome": "answered", "value": "send", "by": "alice", "note": "go ahead"});
    let shown = w.event(a, ANSWERED);
    assert_eq!(shown.body(), &given);
    given["request_id"] = json!(request);
    given["job_id"] = json!(job.id);
    assert_eq!(reply.payload(), &given, "the reply says what counts");
    let answer = w.answer_of(&job, QuestionId(1)).unwrap();
    assert_eq!((answer.text().as_deref(), answer.by(), answer.note()), (Some("send"), Some("alice"), Some("go ahead")));
}

#[test]
fn ours_the_first_answer_wins_and_a_repeated_one_has_the_same_reply() {
    let (mut w, a, job) = asking(|_| {});
    let b = w.login("tok-alice2");
    w.ask(&job, &Question::new("How many?").schema(&json_text(r#"{"type":"integer"}"#))).unwrap();
    w.drain(a);
    give(&mut w, b, &job, "q1", json!(10));
    let first = w.expect(b, ANSWERED);
    // The same value in other words.
    w.send_text(a, &format!(r#"{{"arcp":"1.1","id":"again","type":"x-vendor.nuncio.answer","payload":{{"job_id":"{}","question_id":"q1","value":1e1}}}}"#, job.id));
    let again = w.drain(a).into_iter().find(|frame| frame.kind() == ANSWERED).expect("a reply");
    let without = |frame: &Frame| {
        let mut payload = frame.payload().clone();
        payload.as_object_mut().unwrap().remove("request_id");
        payload
    };
    assert_eq!(without(&first), without(&again));
    assert_eq!(refuse(&mut w, a, &job, "q1", json!(11)), "answered");
    w.answer_of(&job, QuestionId(1)).unwrap();
    assert_eq!(w.answer_of(&job, QuestionId(1)), None, "the agent gets one answer");
    w.finish(&job, "1");
    w.drain(a);
    give(&mut w, a, &job, "q1", json!(10));
    w.expect(a, ANSWERED);
}

#[test]
fn ours_an_answer_that_does_not_fit_is_refused() {
    let (mut w, a, job) = asking(|_| {});
    let schema = r#"{"type":"object","required":["n"],"additionalProperties":false,"properties":{
        "n":{"type":"integer","minimum":1,"maximum":5},"why":{"type":["string","null"],"maxLength":3},
        "tags":{"type":"array","minItems":1,"maxItems":2,"items":{"enum":["a",1,{"x":[1.0]}]}},"c":{"const":7}}}"#;
    w.ask(&job, &send_it()).unwrap();
    w.ask(&job, &Question::new("Why?")).unwrap();
    w.ask(&job, &Question::new("Which?").schema(&json_text(schema))).unwrap();
    w.drain(a);
    for (question, values) in [
        ("q1", [json!("Send"), json!(1), json!(null), json!(["send"])].to_vec()),
        ("q2", [json!(1), json!({"a": 1}), json!(null)].to_vec()),
        (
            "q3",
            [
                json!({}),
                json!(1),
                json!({"n": 0}),
                json!({"n": 6}),
                json!({"n": 1.5}),
                json!({"n": "1"}),
                json!({"n": 1, "other": 1}),
                json!({"n": 1, "why": "äöüß"}),
                json!({"n": 1, "tags": []}),
                json!({"n": 1, "tags": ["a", "a", "a"]}),
                json!({"n": 1, "tags": ["b"]}),
                json!({"n": 1, "c": 8}),
            ]
            .to_vec(),
        ),
    ] {
        for value in values {
            assert_eq!(refuse(&mut w, a, &job, question, value.clone()), "invalid_value", "{question} {value}");
        }
    }
    let twice = format!(
        r#"{{"arcp":"1.1","id":"x","type":"x-vendor.nuncio.answer","payload":{{"job_id":"{}","question_id":"q3","value":{{"n":1,"n":2}}}}}}"#,
        job.id
    );
    w.send_text(a, &twice);
    assert_eq!(reason(&mut w, a), "invalid_value");
    let fits = json!({"n": 5, "why": "äöü", "tags": ["a", {"x": [1]}], "c": 7});
    give(&mut w, a, &job, "q3", fits.clone());
    assert_eq!(w.expect(a, ANSWERED).payload()["value"], fits);
    let refusal = {
        give(&mut w, a, &job, "q1", json!("no"));
        let frames = w.drain(a);
        frames.into_iter().find(|frame| frame.kind() == "session.error").expect("a refusal")
    };
    let message = refusal.payload()["message"].as_str().unwrap();
    assert_eq!(message, r#"the answer does not fit the question: the answer has to be one of ["send","do not send"]"#);
}

#[test]
fn ours_questions_that_cannot_be_asked_are_refused_to_the_agent() {
    let (mut w, a, job) = asking(|_| {});
    let deep = format!("{}1{}", r#"{"properties":{"a":"#.repeat(40), "}}".repeat(40));
    let schema = |text: &str| Question::new("?").schema(&json_text(text));
    for (question, why) in [
        (Question::new(""), "prompt"),
        (Question::new("?").choices(Vec::<String>::new()), "choices"),
        (Question::new("?").choices(["a", "a"]), "choices"),
        (Question::new("?").key(""), "key"),
        (Question::new("?").key("k".repeat(257)), "key"),
        (schema(r#"{"pattern":"a*"}"#), "\"pattern\""),
        (schema(r#"{"$ref":"https://example.test"}"#), "\"$ref\""),
        (schema(r#"{"type":"real"}"#), "type"),
        (schema(r#"{"type":"string","type":"null"}"#), "twice"),
        (schema(r#"{"enum":[]}"#), "enum"),
        (schema(r#"{"minimum":"1"}"#), "minimum"),
        (schema(r#"{"maxLength":-1}"#), "maxLength"),
        (schema(r#"{"items":true}"#), "object"),
        (schema("true"), "object"),
        (schema(&deep), "nests"),
        (send_it().default("maybe"), "default"),
        (Question::new("?").default(&json_text("1")), "default"),
    ] {
        match w.ask(&job, &question) {
            Err(Refused::Invalid(message)) => assert!(message.contains(why), "{message} {why}"),
            other => panic!("{other:?} for {question:?}"),
        }
    }
    w.expect_nothing(a);
    w.finish(&job, "1");
    assert_eq!(w.ask(&job, &send_it()), Err(Refused::Terminal));
}

#[test]
fn ours_only_the_runtime_says_that_something_was_asked() {
    for kind in [ASKED, ANSWERED] {
        assert!(Body::raw(kind, &json_text(r#"{"question_id":"q1"}"#)).is_err());
    }
    let (mut w, a, _) = asking(|_| {});
    for kind in [ANSWERED, "x-vendor.nuncio.questions"] {
        w.send(a, kind, json!({}));
        w.refusal(a, "INVALID_REQUEST");
    }
}

#[test]
fn ours_a_question_expires_with_its_default_or_without() {
    let (mut w, a, job) = asking(|_| {});
    w.ask(&job, &send_it().deadline(Duration::from_secs(20))).unwrap();
    w.ask(&job, &Question::new("Why?").default("because").deadline(Duration::from_secs(10))).unwrap();
    w.ask(&job, &Question::new("When?")).unwrap();
    w.drain(a);
    assert_eq!(w.timer().map(|(at, timer)| (at.since(START) / SECOND, timer)), Some((10, Timer::Question)));
    w.advance(10 * SECOND);
    assert_eq!(w.event(a, ANSWERED).body(), &json!({"question_id": "q2", "outcome": "default", "value": "because"}));
    assert_eq!(w.answer_of(&job, QuestionId(2)).unwrap(), Answer::Default { value: json_text("\"because\"").into() });
    w.advance(10 * SECOND);
    assert_eq!(w.event(a, ANSWERED).body(), &json!({"question_id": "q1", "outcome": "expired"}));
    assert_eq!(w.answer_of(&job, QuestionId(1)), Some(Answer::Expired));
    for question in ["q1", "q2"] {
        assert_eq!(refuse(&mut w, a, &job, question, json!("send")), "expired");
    }
    w.advance(1_000_000 * SECOND);
    assert_eq!(w.answer_of(&job, QuestionId(3)), None, "it has no deadline");
}

#[test]
fn ours_the_deadline_of_a_question_does_not_follow_the_wall_clock() {
    let (mut w, a, job) = asking(|_| {});
    w.set_wall(Time(START.0 - 3_600 * SECOND));
    w.ask(&job, &send_it().deadline(Duration::from_secs(10))).unwrap();
    let expires_at = Time(START.0 - 3_590 * SECOND).to_rfc3339();
    assert_eq!(w.event(a, ASKED).body()["expires_at"], expires_at, "people read the wall clock");
    w.set_wall(START.plus_secs(7_200));
    w.expect_nothing(a);
    w.advance(10 * SECOND);
    w.event(a, ANSWERED);
    w.ask(&job, &Question::new("Ever?").deadline(Duration::MAX)).unwrap();
    assert_eq!(w.event(a, ASKED).body().get("expires_at"), None, "it never passes");
}

#[test]
fn ours_the_end_of_a_job_withdraws_its_questions() {
    let (mut w, a, job) = asking(|_| {});
    w.ask(&job, &send_it().deadline(Duration::from_secs(10))).unwrap();
    w.finish(&job, "1");
    w.drain(a);
    assert_eq!(refuse(&mut w, a, &job, "q1", json!("send")), "withdrawn");
    assert_eq!(list(&mut w, a, json!({})).payload()["questions"], json!([]));
    w.advance(20 * SECOND);
    w.expect_nothing(a);
    assert_eq!(w.answer_of(&job, QuestionId(1)), None);
}

#[test]
fn ours_unknown_questions_and_jobs_are_refused() {
    let (mut w, a, job) = asking(|_| {});
    let other = w.job(a, "slow");
    w.ask(&job, &send_it()).unwrap();
    w.drain(a);
    for question in ["q2", "q0", "q", "q01", "q+1", "1", "", "q18446744073709551616"] {
        assert_eq!(refuse(&mut w, a, &job, question, json!("send")), "unknown", "{question:?}");
    }
    assert_eq!(refuse(&mut w, a, &other, "q1", json!("send")), "unknown", "the question is of another job");
    let b = w.login("tok-bob");
    give(&mut w, b, &job, "q1", json!("send"));
    w.refusal(b, "JOB_NOT_FOUND");
    for payload in [
        json!({"question_id": "q1", "value": "send"}),
        json!({"job_id": job.id, "value": "send"}),
        json!({"job_id": job.id, "question_id": "q1"}),
        json!({"job_id": job.id, "question_id": "q1", "value": "send", "note": 1}),
    ] {
        w.send(a, "x-vendor.nuncio.answer", payload);
        w.refusal(a, "INVALID_REQUEST");
    }
    assert_eq!(w.answer_of(&job, QuestionId(1)), None);
}

struct Auditor;

impl Policy for Auditor {
    fn access(&self, _observer: &str, _owner: &str, _agent: &str) -> Access {
        Access::Observed
    }

    fn may_answer(&self, principal: &str, owner: &str, agent: &str) -> bool {
        assert_eq!(agent, "slow");
        principal == "bob" && owner == "alice"
    }
}

#[test]
fn ours_the_policy_says_who_may_answer() {
    let (mut w, a, job) = asking(|config| config.policy = Arc::new(Auditor));
    let b = w.login("tok-bob");
    w.ask(&job, &send_it()).unwrap();
    w.drain(a);
    give(&mut w, a, &job, "q1", json!("send"));
    w.refusal(a, "PERMISSION_DENIED");
    assert_eq!(list(&mut w, a, json!({})).payload()["questions"][0]["may_answer"], false);
    assert_eq!(list(&mut w, b, json!({})).payload()["questions"][0]["may_answer"], true);
    give(&mut w, b, &job, "q1", json!("send"));
    w.expect(b, ANSWERED);
    assert_eq!(w.answer_of(&job, QuestionId(1)).unwrap().by(), Some("bob"));
}

#[test]
fn ours_an_approver_watches_and_answers_and_may_not_cancel() {
    let (mut w, a, job) = asking(|config| {
        config.approvers.insert("bob".to_owned());
    });
    let b = w.login("tok-bob");
    w.ask(&job, &send_it()).unwrap();
    w.drain(a);
    let page = list(&mut w, b, json!({}));
    let row = json!({"job_id": job.id, "agent": "slow", "principal": "alice", "may_answer": true,
        "question": {"question_id": "q1", "prompt": "Send the mail to 312 customers?", "choices": ["send", "do not send"]}});
    assert_eq!(page.payload()["questions"], json!([row]));
    w.send(b, "job.subscribe", json!({"job_id": job.id, "history": true}));
    w.expect(b, "job.subscribed");
    w.event(b, "status");
    w.event(b, ASKED);
    w.send(b, "job.cancel", json!({"job_id": job.id}));
    w.refusal(b, "PERMISSION_DENIED");
    give(&mut w, b, &job, "q1", json!("send"));
    w.expect(b, ANSWERED);
    w.event(b, ANSWERED);
    w.event(a, ANSWERED);
}

#[test]
fn ours_open_questions_are_listed_in_pages() {
    let (mut w, a, job) = asking(|_| {});
    let other = w.job(a, "slow");
    for (of, prompt) in [(&other, "third"), (&job, "first"), (&job, "second")] {
        w.ask(of, &Question::new(prompt)).unwrap();
    }
    w.drain(a);
    let prompts = |page: &Frame| -> Vec<String> {
        let rows = page.payload()["questions"].as_array().unwrap();
        rows.iter().map(|row| row["question"]["prompt"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(prompts(&list(&mut w, a, json!({}))), ["first", "second", "third"], "the oldest job first");
    let page = list(&mut w, a, json!({"limit": 2}));
    let cursor = page.payload()["next_cursor"].clone();
    assert_eq!(prompts(&page), ["first", "second"]);
    give(&mut w, a, &job, "q2", json!("done"));
    w.drain(a);
    let rest = list(&mut w, a, json!({"limit": 2, "cursor": cursor}));
    assert_eq!((prompts(&rest), rest.payload().get("next_cursor")), (vec!["third".to_owned()], None));
    assert_eq!(prompts(&list(&mut w, a, json!({"job_id": job.id}))), ["first"]);
    let past = json!({"job_id": job.id, "cursor": format!("{}.q1", other.id)});
    assert_eq!(prompts(&list(&mut w, a, past)), Vec::<String>::new());
    let b = w.login("tok-bob");
    assert_eq!(prompts(&list(&mut w, b, json!({}))), Vec::<String>::new());
    w.send(b, "x-vendor.nuncio.list_questions", json!({"job_id": job.id}));
    w.refusal(b, "JOB_NOT_FOUND");
    for payload in
        [json!({"limit": 0}), json!({"limit": 1_001}), json!({"cursor": "q1"}), json!({"cursor": "job_1.q1"})]
    {
        w.send(a, "x-vendor.nuncio.list_questions", payload);
        w.refusal(a, "INVALID_REQUEST");
    }
    assert_eq!(w.runtime.stats().questions_open, 2);
}

#[test]
fn ours_a_listing_of_questions_looks_at_no_more_than_a_turn_allows() {
    let (mut w, a, job) = asking(|config| config.limits.turn_work = 40);
    for place in 0..5 {
        w.ask(&job, &Question::new(format!("{place}?"))).unwrap();
    }
    w.drain(a);
    let b = w.login("tok-bob");
    let (mut cursor, mut pages) = (Value::Null, 0);
    loop {
        let page = list(&mut w, b, json!({"cursor": cursor}));
        assert_eq!(page.payload()["questions"], json!([]), "they are not bob's");
        pages += 1;
        cursor = page.payload()["next_cursor"].clone();
        if cursor.is_null() {
            break;
        }
    }
    assert_eq!(pages, 3);
}

#[test]
fn ours_a_question_is_asked_once_under_its_key() {
    let (mut w, a, job) = asking(|_| {});
    assert_eq!(w.ask(&job, &send_it().key("mail")), Ok(QuestionId(1)));
    w.event(a, ASKED);
    assert_eq!(w.ask(&job, &send_it().key("mail").deadline(Duration::from_secs(1))), Ok(QuestionId(1)));
    w.expect_nothing(a);
    let other = w.ask(&job, &Question::new("Something else?").key("mail"));
    assert!(matches!(other, Err(Refused::Invalid(_))), "{other:?}");
    give(&mut w, a, &job, "q1", json!("send"));
    w.answer_of(&job, QuestionId(1)).unwrap();
    assert_eq!(w.ask(&job, &send_it().key("mail")), Ok(QuestionId(1)));
    assert_eq!(w.answer_of(&job, QuestionId(1)).unwrap().text().as_deref(), Some("send"), "at once");
    // Without a key, each is a question of its own.
    assert_eq!(w.ask(&job, &send_it()), Ok(QuestionId(2)));
    assert_eq!(w.ask(&job, &send_it()), Ok(QuestionId(3)));
}

#[test]
fn ours_agents_that_ask_wait_for_room() {
    let (mut w, a, job) = asking(|config| config.limits.log_events = 4);
    w.hold_writes(a);
    let blocked = (0..10).find(|_| w.ask(&job, &send_it()) == Err(Refused::Blocked));
    assert!(blocked.is_some());
    w.release_writes(a);
    let next = w.ask(&job, &send_it()).unwrap();
    assert_eq!(next.0, blocked.unwrap() + 1, "a question that was refused has no number");
}
