//! A server that crashes and is started again while the pool goes on.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use nuncio_shared::arcp::journal::MemoryJournal;
use nuncio_shared::arcp::{Reconnect, Shutdown, Transport, Via};
use serde_json::{Value, json};
use smol::channel::{Receiver, Sender, unbounded};
use smol::net::unix::UnixStream;

use super::super::arcp::{Client, Server, Submit};
use super::super::cap::{Bus as _, Failure, JobContext, Worker, WorkerBuilder};
use super::{Net, progress};
use crate::on::within;

/// A worker whose jobs report progress as they are told, and end when there is nothing more to report.
fn told(calls: &Arc<AtomicUsize>) -> (WorkerBuilder, Sender<i32>) {
    let (tell, is_told) = unbounded();
    let calls = Arc::clone(calls);
    let work = move |ctx: JobContext, input: Value| {
        calls.fetch_add(1, Ordering::SeqCst);
        work(ctx, input, is_told.clone())
    };
    (Worker::builder().job("job.work", work), tell)
}

async fn work(ctx: JobContext, input: Value, is_told: Receiver<i32>) -> Result<Value, Failure> {
    while let Ok(percent) = is_told.recv().await {
        if percent == 0 {
            // The same cost each time: only the time at which it is sent tells one from the other.
            ctx.progress(0).step("x-cost").message("0.25 USD").await?;
        } else {
            ctx.progress(percent).message("on it").await?;
        }
    }
    Ok(input)
}

/// The way of a client to the server that runs now.
#[derive(Clone)]
struct Way {
    server: Arc<Mutex<Server>>,
    current: Arc<Mutex<Option<UnixStream>>>,
}

impl Way {
    fn new(server: &Server) -> Way {
        Way { server: Arc::new(Mutex::new(server.clone())), current: Arc::default() }
    }

    async fn connect(&self) -> Client {
        let way = self.clone();
        let connector = move || {
            let (ours, theirs) = UnixStream::pair().unwrap();
            *way.current.lock().unwrap() = Some(ours.clone());
            way.server.lock().unwrap().accept_lines(Box::pin(theirs), Via::Memory);
            std::future::ready(Ok(Transport::lines(Box::pin(ours))))
        };
        let quick = Reconnect::default().first_pause(Duration::from_millis(1)).longest_pause(Duration::from_millis(1));
        Client::over(connector, "tok-alice").reconnect(quick).connect().await.unwrap()
    }

    /// Breaks the connection, and leads to another server.
    fn lead_to(&self, server: &Server) {
        *self.server.lock().unwrap() = server.clone();
        let stream = self.current.lock().unwrap().take().unwrap();
        stream.shutdown(std::net::Shutdown::Both).unwrap();
    }
}

/// Reads events until the next progress or charge.
async fn next(job: &mut super::arcp::JobHandle, numbers: &mut Vec<u64>) -> Option<(String, Value)> {
    while let Some(event) = job.events().try_next().await.unwrap() {
        numbers.push(event.seq);
        let body: Value = event.body.parse().unwrap();
        if event.kind.as_str() == "progress" || body["name"] == "cost.pool" {
            return Some((event.kind.as_str().to_owned(), body));
        }
    }
    None
}

#[test]
fn a_job_is_adopted_after_a_crash_and_its_client_sees_one_stream() {
    within(async {
        let net = Net::new().await;
        let calls = Arc::new(AtomicUsize::new(0));
        let (builder, tell) = told(&calls);
        let _worker = net.worker(builder).await;
        let journal = MemoryJournal::new();
        let bus = net.bus.another();
        let first = net.front_on(bus.clone()).journal(journal.clone()).build().unwrap();
        let way = Way::new(&first);
        let client = way.connect().await;
        let submit = Submit::new("work").input("hello").lease(&json!({"cost.budget": ["USD:1.00"]}));
        let mut job = client.submit(&submit).await.unwrap();
        let mut numbers = Vec::new();
        let cost = ("metric".to_owned(), json!({"name": "cost.pool", "value": 0.25, "unit": "USD"}));
        for (percent, expected) in [(20, progress(20, "on it")), (0, cost.clone()), (0, cost.clone())] {
            tell.send(percent).await.unwrap();
            assert_eq!(next(&mut job, &mut numbers).await, Some(expected));
        }
        // A crash: the server is cut off from clients and pool, and only its journal is left.
        bus.cut();
        let crashed = journal.snapshot();
        let second = net.front().journal(crashed).build().unwrap();
        assert_eq!(second.restored().map(|restored| (restored.rerun, restored.interrupted)), Some((1, 0)));
        way.lead_to(&second);
        // The router says again what was reported last, which was charged already; then the worker goes on.
        for (percent, expected) in [(60, progress(60, "on it")), (0, cost)] {
            tell.send(percent).await.unwrap();
            assert_eq!(next(&mut job, &mut numbers).await, Some(expected));
        }
        drop(tell);
        assert_eq!(next(&mut job, &mut numbers).await, None);
        assert_eq!(job.result::<String>().await.unwrap(), "hello");
        assert_eq!(calls.load(Ordering::SeqCst), 1, "no worker runs the job twice");
        assert!(numbers.windows(2).all(|pair| pair[0] < pair[1]), "{numbers:?}");
        bus.close().await;
        drop(first);
    });
}

/// Routers answer a request to its sender only.
#[test]
fn a_job_of_another_client_fails_after_a_crash_and_says_whose_it_is() {
    within(async {
        let net = Net::new().await;
        let (builder, tell) = told(&Arc::default());
        let _worker = net.worker(builder).await;
        let journal = MemoryJournal::new();
        let bus = net.bus.another();
        let first = net.front_on(bus.clone()).journal(journal.clone()).build().unwrap();
        let way = Way::new(&first);
        let client = way.connect().await;
        let mut job = client.submit(&Submit::new("work").input("hello")).await.unwrap();
        tell.send(20).await.unwrap();
        assert_eq!(next(&mut job, &mut Vec::new()).await, Some(progress(20, "on it")));
        bus.cut();
        let second = net.front_as("other", net.bus.another()).journal(journal.snapshot()).build().unwrap();
        way.lead_to(&second);
        let failed = job.result::<Value>().await.unwrap_err().to_string();
        assert!(failed.contains(r#"was submitted to the pool by "front", and this client is "other""#), "{failed}");
    });
}

#[test]
fn a_job_that_has_ended_in_the_pool_meanwhile_has_its_result() {
    within(async {
        let net = Net::new().await;
        let calls = Arc::new(AtomicUsize::new(0));
        let (builder, tell) = told(&calls);
        let worker = net.worker(builder).await;
        let journal = MemoryJournal::new();
        let bus = net.bus.another();
        let first = net.front_on(bus.clone()).journal(journal.clone()).build().unwrap();
        let way = Way::new(&first);
        let mut job = way.connect().await.submit(&Submit::new("work").input("hello")).await.unwrap();
        let mut numbers = Vec::new();
        tell.send(20).await.unwrap();
        assert_eq!(next(&mut job, &mut numbers).await, Some(progress(20, "on it")));
        bus.cut();
        let crashed = journal.snapshot();
        drop(tell);
        // The worker has told the result once it is drained.
        let _drained = worker.drain(Duration::from_mins(1)).await;
        let second = net.front().journal(crashed).build().unwrap();
        way.lead_to(&second);
        assert_eq!(next(&mut job, &mut numbers).await, None);
        assert_eq!(job.result::<String>().await.unwrap(), "hello");
        assert_eq!(calls.load(Ordering::SeqCst), 1);
        bus.close().await;
        drop(first);
    });
}

#[test]
fn a_server_that_is_stopped_leaves_its_jobs_to_the_pool_and_adopts_them_again() {
    within(async {
        let net = Net::new().await;
        let calls = Arc::new(AtomicUsize::new(0));
        let (builder, tell) = told(&calls);
        let _worker = net.worker(builder).await;
        let journal = MemoryJournal::new();
        let first = net.front().journal(journal.clone()).build().unwrap();
        let way = Way::new(&first);
        let client = way.connect().await;
        let mut job = client.submit(&Submit::new("work").input("hello")).await.unwrap();
        let mut numbers = Vec::new();
        tell.send(20).await.unwrap();
        assert_eq!(next(&mut job, &mut numbers).await, Some(progress(20, "on it")));
        assert_eq!(first.shutdown(Duration::ZERO).await, Shutdown::Aborted);
        drop(first);
        let second = net.front().journal(journal.snapshot()).build().unwrap();
        assert_eq!(second.restored().map(|restored| (restored.rerun, restored.interrupted)), Some((1, 0)));
        way.lead_to(&second);
        tell.send(60).await.unwrap();
        assert_eq!(next(&mut job, &mut numbers).await, Some(progress(60, "on it")));
        drop(tell);
        assert_eq!(next(&mut job, &mut numbers).await, None);
        assert_eq!(job.result::<String>().await.unwrap(), "hello", "the pool was not told to cancel it");
        assert_eq!(calls.load(Ordering::SeqCst), 1, "no worker runs the job twice");
    });
}
