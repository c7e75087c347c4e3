//! Questions of agents to people: asked, answered, expired, lost with connections and servers.

use std::time::Duration;

use nuncio_shared::arcp::journal::MemoryJournal;
use nuncio_shared::arcp::{
    Answer, Config, ErrorCode, Failure, FinalStatus, JobContext, JobHandle, Json, OnRestart, Question, QuestionOutcome,
    QuestionQuery, RemoteFault, Submit, Subscribe,
};
use serde_json::{Value, json};

use super::client::Client;
use super::server::Server;
use super::support::{builder, connect, within};

async fn sends(_: Value, ctx: JobContext) -> Result<Value, Failure> {
    let question = Question::new("Send the mail?").choices(["send", "do not send"]);
    let answer = ctx.ask(&question).await?;
    Ok(json!([answer.text(), answer.by(), answer.note()]))
}

/// Reads events up to the next question, and returns its id.
async fn question(job: &mut JobHandle) -> String {
    loop {
        let event = job.events().try_next().await.unwrap().expect("the job has not ended");
        if let Some(question) = event.question() {
            return question.question_id;
        }
    }
}

#[test]
fn a_question_is_answered_by_the_one_who_has_submitted_the_job() {
    within(async {
        let server = builder().agent("sends", sends).build().unwrap();
        let client = connect(&server, "tok-alice").await;
        let mut job = client.submit(&Submit::new("sends")).await.unwrap();
        let id = question(&mut job).await;
        let open = job.questions().await.unwrap().questions;
        assert_eq!((open.len(), open[0].question.prompt.as_str(), open[0].may_answer), (1, "Send the mail?", true));
        let refused = job.answer(&id, "maybe", None).await.unwrap_err();
        assert_eq!(refused.fault().and_then(RemoteFault::known), Some(ErrorCode::InvalidRequest), "{refused}");
        let taken = job.answer(&id, "send", Some("go ahead")).await.unwrap();
        assert_eq!((taken.outcome, taken.by.as_deref()), (QuestionOutcome::Answered, Some("alice")));
        let again = client.answer(job.job_id(), &id, "send", None).await.unwrap();
        assert_eq!(again.note.as_deref(), Some("go ahead"), "the first answer counts");
        let shown = loop {
            let event = job.events().try_next().await.unwrap().expect("the answer is an event");
            if let Some(answered) = event.answered() {
                break answered;
            }
        };
        assert_eq!((shown.question_id, shown.outcome), (id, QuestionOutcome::Answered));
        let result: Value = job.result().await.unwrap();
        assert_eq!(result, json!(["send", "alice", "go ahead"]));
    });
}

#[test]
fn an_approver_answers_and_others_do_not_see_the_question() {
    within(async {
        let server = builder()
            .config(Config::default().with(|config| {
                config.approvers.insert("bob".to_owned());
            }))
            .agent("sends", sends)
            .build()
            .unwrap();
        let client = connect(&server, "tok-alice").await;
        let mut job = client.submit(&Submit::new("sends")).await.unwrap();
        let approver = connect(&server, "tok-bob").await;
        let from_the_beginning = Subscribe { history: true, ..Subscribe::default() };
        let mut watched = approver.subscribe(job.job_id(), from_the_beginning).await.unwrap();
        let id = loop {
            let event = watched.events().try_next().await.unwrap().unwrap();
            if let Some(question) = event.question() {
                break question.question_id;
            }
        };
        let open = approver.questions(&QuestionQuery::default()).await.unwrap().questions;
        assert_eq!((open.len(), open[0].principal.as_str()), (1, "alice"));
        watched.answer(&id, "do not send", None).await.unwrap();
        let result: Value = job.result().await.unwrap();
        assert_eq!(result, json!(["do not send", "bob", null]));
    });
}

#[test]
fn a_question_expires_with_its_default() {
    within(async {
        let asks = |_: Value, ctx: JobContext| async move {
            let soon = Duration::from_millis(1);
            let how_many = Question::new("How many?").schema(&json!({"type": "integer"})).default(&7).deadline(soon);
            let with = ctx.ask(&how_many).await?;
            let without = ctx.ask(&Question::new("Why?").deadline(soon)).await?;
            Ok((with.value().map(Json::get).map(str::to_owned), without == Answer::Expired))
        };
        let server = builder().agent("asks", asks).build().unwrap();
        let client = connect(&server, "tok-alice").await;
        let mut job = client.submit(&Submit::new("asks")).await.unwrap();
        assert_eq!(job.result::<(Option<String>, bool)>().await.unwrap(), (Some("7".to_owned()), true));
    });
}

#[test]
fn a_cancelled_job_stops_waiting_for_its_answer() {
    within(async {
        let server = builder().agent("sends", sends).build().unwrap();
        let client = connect(&server, "tok-alice").await;
        let mut job = client.submit(&Submit::new("sends")).await.unwrap();
        question(&mut job).await;
        job.cancel(None).await.unwrap();
        assert_eq!(job.outcome().await.unwrap().status, FinalStatus::Cancelled);
    });
}

#[test]
fn every_task_that_asks_under_one_key_gets_the_answer() {
    within(async {
        let asks = |_: Value, ctx: JobContext| async move {
            let question = Question::new("Which?").key("which");
            let (one, other) = futures_lite::future::zip(ctx.ask(&question), ctx.ask(&question)).await;
            let later = ctx.ask(&question).await?;
            Ok([one?.text(), other?.text(), later.text()])
        };
        let server = builder().agent("asks", asks).build().unwrap();
        let client = connect(&server, "tok-alice").await;
        let mut job = client.submit(&Submit::new("asks")).await.unwrap();
        let id = question(&mut job).await;
        job.answer(&id, "this", None).await.unwrap();
        assert_eq!(job.result::<[String; 3]>().await.unwrap(), ["this", "this", "this"]);
    });
}

#[test]
fn a_question_that_cannot_be_asked_is_refused_to_the_agent() {
    within(async {
        let asks = |_: Value, ctx: JobContext| async move {
            let refused = ctx.ask(&Question::new("?").schema(&json!({"format": "date"}))).await.unwrap_err();
            Ok(refused.to_string())
        };
        let server = builder().agent("asks", asks).build().unwrap();
        let client = connect(&server, "tok-alice").await;
        let mut job = client.submit(&Submit::new("asks")).await.unwrap();
        let refused: String = job.result().await.unwrap();
        assert!(refused.contains("\"format\""), "{refused}");
    });
}

#[test]
fn a_question_is_not_asked_again_after_a_restart_of_the_server() {
    within(async {
        let asks = |_: Value, ctx: JobContext| async move {
            let first = ctx.ask(&Question::new("First?")).await?;
            let second = ctx.ask(&Question::new("Second?")).await?;
            Ok((ctx.restarts(), first.text(), second.text()))
        };
        let start = |journal: MemoryJournal| -> Server {
            builder().journal(journal).agent("asks", asks).on_restart("asks", OnRestart::Rerun).build().unwrap()
        };
        let journal = MemoryJournal::new();
        let server = start(journal.clone());
        let client = connect(&server, "tok-alice").await;
        let mut job = client.submit(&Submit::new("asks").idempotency_key("k")).await.unwrap();
        let first = question(&mut job).await;
        job.answer(&first, "one", None).await.unwrap();
        let second = question(&mut job).await;
        let id = job.job_id().clone();
        let server = start(journal.snapshot());
        let client: Client = connect(&server, "tok-alice").await;
        let mut job = client.submit(&Submit::new("asks").idempotency_key("k")).await.unwrap();
        assert_eq!(*job.job_id(), id);
        let open = job.questions().await.unwrap().questions;
        assert_eq!(open.iter().map(|open| &open.question.question_id).collect::<Vec<_>>(), [&second]);
        job.answer(&second, "two", None).await.unwrap();
        assert_eq!(job.result::<(u32, String, String)>().await.unwrap(), (1, "one".to_owned(), "two".to_owned()));
    });
}
