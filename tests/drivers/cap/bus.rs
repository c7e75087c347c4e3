//! The bus comes and goes.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_lite::StreamExt as _;
use serde_json::Value;

use super::cap::{Client, JobContext, Submit, Worker};
use super::support::Net;
use crate::on::within;

#[test]
fn a_job_that_is_submitted_while_the_bus_is_away_runs_when_it_is_back() {
    within(async {
        let net = Net::new().await;
        let (_worker, _) =
            net.worker(Worker::builder().job("job.echo", |_: JobContext, input: Value| async { Ok(input) })).await;
        let (client, bus) = net.client();
        bus.cut();
        let mut job = client.submit(Submit::new("job.echo").input("hello")).await.unwrap();
        bus.restore();
        assert_eq!(job.result::<String>().await.unwrap(), "hello");
    });
}

/// Runs a job whose worker and client have a connection each, cuts one of them while its handler runs, and restores it once
/// the handler has returned. Returns how often the handler was called.
async fn cut_until_the_handler_has_returned(net: &Net, whose: Whose) -> usize {
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    let (go_on, wait) = smol::channel::bounded(1);
    let (worker, worker_bus) = net
        .worker(Worker::builder().job("job.wait", move |ctx: JobContext, (): ()| {
            counted.fetch_add(1, Ordering::SeqCst);
            let wait = wait.clone();
            async move {
                ctx.progress(1).await?;
                wait.recv().await?;
                Ok(7)
            }
        }))
        .await;
    let (client, client_bus) = net.client();
    let mut job = client.submit(Submit::new("job.wait")).await.unwrap();
    job.progress().next().await.unwrap();
    let bus = match whose {
        Whose::Worker => worker_bus,
        Whose::Client => client_bus,
    };
    bus.cut();
    go_on.send(()).await.unwrap();
    while worker.running() > 0 {
        smol::future::yield_now().await;
    }
    bus.restore();
    assert_eq!(job.result::<u8>().await.unwrap(), 7);
    calls.load(Ordering::SeqCst)
}

/// Whose connection is cut.
enum Whose {
    Worker,
    Client,
}

#[test]
fn a_result_that_is_made_while_the_bus_is_away_is_published_when_it_is_back() {
    within(async {
        cut_until_the_handler_has_returned(&Net::new().await, Whose::Worker).await;
    });
}

#[test]
fn a_client_that_missed_the_result_gets_it_once_it_is_back() {
    within(async {
        let calls = cut_until_the_handler_has_returned(&Net::new().await, Whose::Client).await;
        assert_eq!(calls, 1, "the handler runs once");
    });
}

#[test]
fn cuts_lose_no_job_and_run_none_twice() {
    within(async {
        let net = Net::new().await;
        let calls = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&calls);
        let builder = Worker::builder().parallel(4).job("job.count", move |_: JobContext, number: usize| {
            counted.fetch_add(1, Ordering::SeqCst);
            async move { Ok(number) }
        });
        let builder = builder.configure(|config| config.limits.queued = 1_000);
        let (_worker, worker_bus) = net.worker(builder).await;
        let often = Client::builder().id("client-1").configure(|config| {
            config.resubmit_after = std::time::Duration::from_millis(20);
            config.resubmissions = 1_000;
        });
        let (client, client_bus) = net.client_of(often);
        let mut jobs = Vec::new();
        for number in 0..100 {
            if number % 10 == 3 {
                worker_bus.cut();
            }
            if number % 10 == 5 {
                client_bus.cut();
            }
            jobs.push(client.submit(Submit::new("job.count").input(&number)).await.unwrap());
            if number % 10 == 8 {
                worker_bus.restore();
                client_bus.restore();
            }
        }
        for (number, mut job) in jobs.into_iter().enumerate() {
            assert_eq!(job.result::<usize>().await.unwrap(), number);
        }
        assert_eq!(calls.load(Ordering::SeqCst), 100);
    });
}
