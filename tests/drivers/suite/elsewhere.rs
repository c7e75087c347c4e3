//! Several shards: who may see the jobs of others sees those of all shards, through sockets and over restarts.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use nuncio_core::arcp::shard_of;
use nuncio_shared::arcp::journal::MemoryJournal;
use nuncio_shared::arcp::{
    AnyPrincipal, Body, ClientError, Config, ErrorCode, Failure, FinalStatus, JobContext, ListQuery, Question,
    QuestionQuery, RemoteFault, RequestFailure, Shutdown, Submit, Subscribe, Subscription,
};
use nuncio_shared::auth::{Claim, Rejection};
use serde_json::{Value, json};

use super::client::Client;
use super::server::{Server, ServerBuilder};
use super::shards::{SHARDS, principal, principals, quick};
use super::support::{connect, cut_websocket, within};

const HISTORY: Subscribe = Subscribe { history: true, from_event_seq: None };

/// The token is the principal.
async fn verify(claim: Claim) -> Result<String, Rejection> {
    Ok(claim.token.expose().to_owned())
}

async fn echo(input: Value, ctx: JobContext) -> Result<Value, Failure> {
    ctx.emit(&Body::log("info", "echo started", None)).await?;
    Ok(input)
}

/// A server whose operator is `root`.
fn operated() -> ServerBuilder {
    let config = Config::default().with(|config| _ = config.operators.insert("root".to_owned()));
    Server::builder().config(config).verifier(verify).agent("echo", echo).shards(SHARDS)
}

/// Principals of other shards than that of the operator.
fn elsewhere() -> impl Iterator<Item = String> {
    let own = shard_of("root", SHARDS);
    (0..SHARDS).filter(move |shard| *shard != own).map(|shard| principal(shard, 0))
}

/// Reads the events of a watched job to its end. It must have all metrics, each once, and succeed.
async fn reads_all(watched: &mut Subscription, metrics: u64) {
    let (mut values, mut last) = (Vec::new(), 0);
    while let Some(event) = watched.events().try_next().await.unwrap() {
        assert!(event.seq > last, "{} after {last}", event.seq);
        last = event.seq;
        if event.kind.as_str() == "metric" {
            values.push(event.body.parse::<Value>().unwrap()["value"].as_u64().unwrap());
        }
    }
    let outcome = watched.outcome().await.unwrap();
    assert_eq!(outcome.status, FinalStatus::Success, "{outcome:?} after {} metrics", values.len());
    assert_eq!(values, (0..metrics).collect::<Vec<_>>());
}

#[test]
fn an_operator_lists_the_jobs_of_all_shards() {
    within(async {
        let server = operated().build().unwrap();
        let listening = server.listen("127.0.0.1:0").await.unwrap();
        let (mut submitted, mut clients) = (Vec::new(), Vec::new());
        for name in principals().chain(principals()) {
            let client = Client::builder(listening.url(), &name).unwrap().connect().await.unwrap();
            let mut job = client.submit(&Submit::new("echo").input(&1)).await.unwrap();
            job.outcome().await.unwrap();
            submitted.push(job.job_id().to_string());
            clients.push(client);
        }
        submitted.sort_unstable();
        let root = Client::builder(listening.url(), "root").unwrap().connect().await.unwrap();
        let (mut listed, mut cursor) = (Vec::new(), None);
        loop {
            let query = ListQuery { limit: Some(3), cursor: cursor.as_deref().map(Into::into), ..ListQuery::default() };
            let page = root.list(&query).await.unwrap();
            assert!(page.jobs.len() <= 3);
            listed.extend(page.jobs.iter().map(|row| row.job_id.to_string()));
            cursor = page.next_cursor;
            if cursor.is_none() {
                break;
            }
        }
        assert_eq!(listed, submitted, "each job is listed once, the oldest first");
        let status = root.status().await.unwrap();
        assert_eq!(status.shards.len(), SHARDS as usize);
        let sessions: u64 = status.shards.iter().map(|shard| shard.sessions_live).sum();
        assert_eq!(sessions, clients.len() as u64 + 1, "the operator's session is counted once");
    });
}

/// The number of events of a job that floods.
const EVENTS: u64 = 2_000;

async fn floods(_: Value, ctx: JobContext) -> Result<u64, Failure> {
    for number in 0..EVENTS {
        ctx.emit(&Body::metric("n", &number.into(), None, None)?).await?;
    }
    Ok(EVENTS)
}

/// Events cross the shards: none is lost, none comes twice.
#[test]
fn an_operator_watches_jobs_of_other_shards() {
    within(async {
        let server = operated().agent("floods", floods).build().unwrap();
        let listening = server.listen("127.0.0.1:0").await.unwrap();
        let root = Client::builder(listening.url(), "root").unwrap().connect().await.unwrap();
        for name in elsewhere() {
            let owner = connect(&server, &name).await;
            let mut job = owner.submit(&Submit::new("floods")).await.unwrap();
            for _ in 0..2 {
                let mut watched = root.subscribe(job.job_id(), HISTORY).await.unwrap();
                reads_all(&mut watched, EVENTS).await;
            }
            job.outcome().await.unwrap();
        }
    });
}

/// Events cross the shards while the connections of the watcher are cut: none is lost, none comes twice.
#[test]
fn an_operator_watches_jobs_of_other_shards_over_cut_connections() {
    within(async {
        let server = operated().agent("floods", floods).build().unwrap();
        let listening = server.listen("127.0.0.1:0").await.unwrap();
        let (url, connections) = (listening.url().to_owned(), Arc::new(AtomicUsize::new(0)));
        let counted = Arc::clone(&connections);
        let connector = move || {
            let number = counted.fetch_add(1, Ordering::SeqCst);
            cut_websocket(url.clone(), 20_000 + 7_919 * (number % 5))
        };
        let root = Client::over(connector, "root").reconnect(quick()).connect().await.unwrap();
        for name in elsewhere() {
            let owner = connect(&server, &name).await;
            let mut job = owner.submit(&Submit::new("floods")).await.unwrap();
            let mut live = root.subscribe(job.job_id(), HISTORY).await.unwrap();
            reads_all(&mut live, EVENTS).await;
            job.outcome().await.unwrap();
            let mut past = root.subscribe(job.job_id(), HISTORY).await.unwrap();
            assert!(past.info().replayed);
            reads_all(&mut past, EVENTS).await;
        }
        assert!(connections.load(Ordering::SeqCst) > 10, "{connections:?}");
    });
}

#[test]
fn an_operator_cancels_and_a_stranger_does_not() {
    within(async {
        let waits = async |_: Value, ctx: JobContext| {
            ctx.cancelled().await;
            Ok::<_, Failure>(())
        };
        let server = operated().agent("waits", move |input, ctx| Box::pin(waits(input, ctx))).build().unwrap();
        let (root, stranger) = (connect(&server, "root").await, connect(&server, &principal(3, 1)).await);
        for name in elsewhere() {
            let owner = connect(&server, &name).await;
            let mut job = owner.submit(&Submit::new("waits")).await.unwrap();
            let refused = stranger.subscribe(job.job_id(), HISTORY).await.unwrap_err();
            let ClientError::Failed(RequestFailure::Refused(fault)) = refused else { panic!("{refused}") };
            assert_eq!(fault.known(), Some(ErrorCode::JobNotFound));
            let watched = root.subscribe(job.job_id(), Subscribe::default()).await.unwrap();
            watched.cancel(Some("enough")).await.unwrap();
            assert_eq!(job.outcome().await.unwrap().status, FinalStatus::Cancelled);
        }
        let unknown = root.subscribe("job_01ARZ3NDEKTSV4RRFFQ69G5FAV", HISTORY).await.unwrap_err();
        let ClientError::Failed(RequestFailure::Refused(fault)) = unknown else { panic!("{unknown}") };
        assert_eq!(fault.known(), Some(ErrorCode::JobNotFound));
    });
}

#[test]
fn an_approver_answers_the_questions_of_all_shards() {
    within(async {
        let asks = async |_: Value, ctx: JobContext| {
            let answer = ctx.ask(&Question::new("Go on?").choices(["yes", "no"])).await?;
            Ok::<_, Failure>(json!([answer.text(), answer.by()]))
        };
        let config = Config::default().with(|config| _ = config.approvers.insert("root".to_owned()));
        let server = operated().config(config).agent("asks", move |input, ctx| Box::pin(asks(input, ctx))).build();
        let server = server.unwrap();
        let root = connect(&server, "root").await;
        for name in elsewhere() {
            let owner = connect(&server, &name).await;
            let mut job = owner.submit(&Submit::new("asks")).await.unwrap();
            while job.events().try_next().await.unwrap().expect("the job asks").question().is_none() {}
            let open = root.questions(&QuestionQuery::default()).await.unwrap().questions;
            assert_eq!((open.len(), open[0].may_answer), (1, true), "{name}");
            root.answer(job.job_id(), &open[0].question.question_id, "yes", None).await.unwrap();
            assert_eq!(job.result::<Value>().await.unwrap(), json!(["yes", "root"]));
            let late = root.answer(job.job_id(), &open[0].question.question_id, "no", None).await.unwrap_err();
            assert_eq!(late.fault().and_then(RemoteFault::known), Some(ErrorCode::InvalidRequest), "{late}");
        }
    });
}

#[test]
fn a_policy_shows_the_jobs_of_all_shards() {
    within(async {
        let server = operated().policy(AnyPrincipal).build().unwrap();
        let mut jobs = Vec::new();
        for name in principals() {
            let client = connect(&server, &name).await;
            let mut job = client.submit(&Submit::new("echo").input(&1)).await.unwrap();
            job.outcome().await.unwrap();
            jobs.push(job.job_id().to_string());
        }
        for name in principals() {
            let client = connect(&server, &name).await;
            assert_eq!(client.list(&ListQuery::default()).await.unwrap().jobs.len(), jobs.len());
            for job in &jobs {
                let mut watched = client.subscribe(job, HISTORY).await.unwrap();
                assert_eq!(watched.result::<u64>().await.unwrap(), 1);
            }
        }
    });
}

/// The subscription has ended with the server, and is renewed in the same session.
#[test]
fn a_session_subscribes_to_other_shards_anew_after_a_restart() {
    within(async {
        let journals: Vec<_> = (0..SHARDS).map(|_| MemoryJournal::new()).collect();
        let (sender, begun) = smol::channel::unbounded();
        let holds = move |_: Value, ctx: JobContext| {
            let begun = sender.clone();
            async move {
                ctx.emit(&Body::metric("n", &0.into(), None, None)?).await?;
                begun.try_send(()).map_err(|_| Failure::internal("the test has ended"))?;
                ctx.cancelled().await;
                Ok::<_, Failure>(Value::Null)
            }
        };
        let first = operated().agent("holds", holds.clone()).journals(journals.clone()).build();
        let first = first.unwrap();
        let owner = connect(&first, &elsewhere().next().unwrap()).await;
        let job = owner.submit(&Submit::new("holds")).await.unwrap();
        begun.recv().await.unwrap();
        let root = connect(&first, "root").await;
        let mut watched = root.subscribe(job.job_id(), HISTORY).await.unwrap();
        while watched.events().try_next().await.unwrap().unwrap().kind.as_str() != "metric" {}
        let point = root.resume_point().unwrap();
        let left: Vec<_> = journals.iter().map(MemoryJournal::snapshot).collect();
        drop((watched, root, owner, first));

        let second = operated().agent("holds", holds).journals(left).build().unwrap();
        let connector = super::support::memory_connector(&second);
        let root = Client::over(connector, "root").resume(point).connect().await.unwrap();
        let mut watched = root.subscribe(job.job_id(), Subscribe::default()).await.unwrap();
        let ended = watched.outcome().await.unwrap();
        assert_eq!(ended.status, FinalStatus::Error, "the job was interrupted by the restart");
        assert_eq!(second.shutdown(Duration::from_mins(1)).await, Shutdown::Drained);
    });
}
