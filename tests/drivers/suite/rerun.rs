//! Jobs that go on after a restart of the server.

use std::time::Duration;

use nuncio_shared::arcp::journal::MemoryJournal;
use nuncio_shared::arcp::{Failure, JobContext, Level, OnRestart, Reconnect, Refused, Shutdown, Submit};
use serde_json::{Value, json};
use smol::channel::unbounded;

use super::client::Client;
use super::support::{builder, connect, memory_connector, within};

#[test]
fn a_job_is_run_again_and_reads_its_note() {
    within(async {
        let (told, noted) = unbounded();
        let agent = move |input: Value, ctx: JobContext| {
            let told = told.clone();
            async move {
                if ctx.restarts() == 0 {
                    assert_eq!(ctx.noted(), None);
                    ctx.note("first").await?;
                    ctx.note(b"\xffremote").await?;
                    told.send(()).await.map_err(|error| Failure::internal(error.to_string()))?;
                    std::future::pending::<()>().await;
                }
                Ok(json!({"input": input, "noted": ctx.noted(), "restarts": ctx.restarts()}))
            }
        };
        let journal = MemoryJournal::new();
        let again = builder().agent("again", agent.clone()).on_restart("again", OnRestart::Rerun);
        let server = again.journal(journal.clone()).build().unwrap();
        let client = connect(&server, "tok-alice").await;
        let submit = Submit::new("again").input(&7).idempotency_key("k");
        let job = client.submit(&submit).await.unwrap();
        noted.recv().await.unwrap();
        // Both notes were durable before the agent said so.
        let crashed = journal.snapshot();
        let again = builder().agent("again", agent).on_restart("again", OnRestart::Rerun);
        let server = again.journal(crashed).build().unwrap();
        assert_eq!(server.restored().map(|restored| (restored.rerun, restored.interrupted)), Some((1, 0)));
        let client = connect(&server, "tok-alice").await;
        let mut same = client.submit(&submit).await.unwrap();
        assert_eq!(same.job_id(), job.job_id());
        let result: Value = same.result().await.unwrap();
        assert_eq!(result, json!({"input": 7, "noted": b"\xffremote", "restarts": 1}));
    });
}

#[test]
fn jobs_that_waited_for_a_slot_run_after_a_restart() {
    async fn holds(_: Value, _: JobContext) -> Result<Value, Failure> {
        std::future::pending().await
    }
    async fn answers(input: Value, ctx: JobContext) -> Result<Value, Failure> {
        assert_eq!((ctx.restarts(), ctx.noted()), (0, None));
        Ok(input)
    }
    within(async {
        let journal = MemoryJournal::new();
        let server = builder().agent("one", holds).max_concurrent("one", 1).journal(journal.clone()).build().unwrap();
        let client = connect(&server, "tok-alice").await;
        let submits = [1, 2, 3].map(|n| Submit::new("one").input(&n).idempotency_key(format!("k{n}")));
        let mut jobs = Vec::new();
        for submit in &submits {
            jobs.push(client.submit(submit).await.unwrap().job_id().clone());
        }
        let server = builder().agent("one", answers).max_concurrent("one", 1).journal(journal.snapshot());
        let server = server.build().unwrap();
        let client = connect(&server, "tok-alice").await;
        for (n, submit) in submits.iter().enumerate().skip(1) {
            let mut job = client.submit(submit).await.unwrap();
            assert_eq!(*job.job_id(), jobs[n]);
            assert_eq!(job.result::<usize>().await.unwrap(), n + 1);
        }
    });
}

#[test]
fn a_server_that_is_stopped_leaves_the_jobs_that_are_run_again_to_its_next_start() {
    within(async {
        let (told, began) = unbounded();
        let (stopped, is_left) = unbounded();
        let agent = move |_: Value, ctx: JobContext| {
            let (told, stopped) = (told.clone(), stopped.clone());
            async move {
                if ctx.restarts() == 0 {
                    let detached = ctx.clone();
                    smol::spawn(async move {
                        detached.cancelled().await;
                        let refused = detached.log(Level::Info, "late").await.unwrap_err();
                        stopped.send((detached.is_left(), refused)).await.unwrap();
                    })
                    .detach();
                    told.send(()).await.unwrap();
                    std::future::pending::<()>().await;
                }
                Ok(ctx.restarts())
            }
        };
        let journal = MemoryJournal::new();
        let build = |journal: MemoryJournal| {
            let again = builder().agent("again", agent.clone()).on_restart("again", OnRestart::Rerun);
            again.journal(journal).build().unwrap()
        };
        let server = build(journal.clone());
        let client = Client::over(memory_connector(&server), "tok-alice").reconnect(Reconnect::never());
        let client = client.connect().await.unwrap();
        let submit = Submit::new("again").idempotency_key("k");
        let mut job = client.submit(&submit).await.unwrap();
        began.recv().await.unwrap();
        assert_eq!(server.shutdown(Duration::ZERO).await, Shutdown::Aborted);
        assert_eq!(is_left.recv().await.unwrap(), (true, Refused::Stale), "what the agent has begun is told");
        job.outcome().await.unwrap_err();
        let server = build(journal.snapshot());
        assert_eq!(server.restored().map(|restored| (restored.rerun, restored.interrupted)), Some((1, 0)));
        let client = connect(&server, "tok-alice").await;
        let mut same = client.submit(&submit).await.unwrap();
        assert_eq!(same.job_id(), job.job_id());
        assert_eq!(same.result::<u32>().await.unwrap(), 1);
    });
}
