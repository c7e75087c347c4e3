//! What has to wait for the records, the store and the connection, and what has not.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures_lite::StreamExt as _;
use futures_lite::future::poll_once;
use nuncio_core::cap::RouterRecord;
use serde_json::Value;

use super::cap::{
    BlobError, BlobStore, Bus, BusError, BusState, Client, JobContext, MemoryBus, MemoryRecords, MemoryStore, Message,
    Records, RecordsError, Router, Scheme, Submit, SubmitError, Subscription, Worker,
};
use crate::on::within;

type BoxFuture<'a, T> = std::pin::Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A connection that breaks while the first message with such a subject is published.
struct Breaking {
    inner: MemoryBus,
    at: &'static str,
    has_broken: AtomicBool,
}

impl Bus for Breaking {
    fn publish(&self, message: Message) -> BoxFuture<'_, Result<(), BusError>> {
        if message.subject.starts_with(self.at) && !self.has_broken.swap(true, Ordering::SeqCst) {
            self.inner.cut();
            self.inner.restore();
            return Box::pin(std::future::ready(Err(BusError::Disconnected("it broke".to_owned()))));
        }
        self.inner.publish(message)
    }

    fn subscribe(&self, subject: &str, group: Option<&str>) -> BoxFuture<'_, Result<Subscription, BusError>> {
        self.inner.subscribe(subject, group)
    }

    fn request(&self, subject: &str, payload: Bytes, limit: Duration) -> BoxFuture<'_, Result<Message, BusError>> {
        self.inner.request(subject, payload, limit)
    }

    fn flush(&self) -> BoxFuture<'_, Result<(), BusError>> {
        self.inner.flush()
    }

    fn state(&self) -> BusState {
        self.inner.state()
    }

    fn changed(&self, seen: BusState) -> BoxFuture<'_, BusState> {
        self.inner.changed(seen)
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        self.inner.close()
    }
}

#[test]
fn a_request_that_a_lost_connection_has_interrupted_is_published_on_the_next_one() {
    within(async {
        let (bus, store) = (MemoryBus::new(), MemoryStore::new());
        let echo = |_: JobContext, input: Value| async move { Ok(input) };
        let worker = Worker::builder().job("job.echo", echo).start(bus.another(), store.clone()).unwrap();
        worker.ready().await.unwrap();
        // The router itself would send it again in an hour.
        let patient = Router::builder().configure(|config| config.dispatch_timeout = Duration::from_hours(1));
        let breaking = Breaking { inner: bus.another(), at: "job.", has_broken: AtomicBool::new(false) };
        let router = patient.start(Arc::new(breaking)).unwrap();
        router.ready().await.unwrap();
        let client = Client::builder().configure(|config| config.resubmissions = 0).connect(bus.another(), store);
        let mut job = client.unwrap().submit(Submit::new("job.echo").input("hello")).await.unwrap();
        assert_eq!(job.result::<String>().await.unwrap(), "hello");
    });
}

/// The client itself submits a job again on the next connection.
#[test]
fn a_job_whose_submission_a_lost_connection_has_interrupted_is_submitted_once() {
    within(async {
        let bus = MemoryBus::new();
        let witness = bus.another();
        let mut submitted = witness.subscribe("sys.job.submit", None).await.unwrap();
        let breaking = Breaking { inner: bus.another(), at: "sys.job.submit", has_broken: AtomicBool::new(false) };
        let client = Client::builder().connect(Arc::new(breaking), MemoryStore::new()).unwrap();
        client.ready().await.unwrap();
        let _job = client.submit(Submit::new("job.echo")).await.unwrap();
        assert!(submitted.next().await.is_some());
        client.ready().await.unwrap();
        assert!(poll_once(submitted.next()).await.is_none());
    });
}

/// Records whose commits wait until they may go on.
#[derive(Clone, Default)]
struct Held {
    inner: MemoryRecords,
    /// Whether a commit has begun, and whether commits may go on.
    state: Arc<(Mutex<(bool, bool)>, Condvar)>,
}

impl Held {
    fn until_a_commit_begins(&self) {
        drop(self.state.1.wait_while(self.state.0.lock().unwrap(), |(begun, _)| !*begun));
    }

    fn go_on(&self) {
        self.state.0.lock().unwrap().1 = true;
        self.state.1.notify_all();
    }
}

impl Records for Held {
    fn load(&mut self) -> Result<Vec<(u64, RouterRecord)>, RecordsError> {
        self.inner.load()
    }

    fn commit(&mut self, records: &[(u64, RouterRecord)]) -> Result<(), RecordsError> {
        let mut state = self.state.0.lock().unwrap();
        state.0 = true;
        self.state.1.notify_all();
        drop(self.state.1.wait_while(state, |(_, goes_on)| !*goes_on));
        self.inner.commit(records)
    }
}

#[test]
fn a_job_is_sent_to_a_worker_once_its_record_is_durable() {
    within(async {
        let (bus, records) = (MemoryBus::new(), Held::default());
        let router = Router::builder().records(records.clone()).start(bus.another()).unwrap();
        router.ready().await.unwrap();
        let witness = bus.another();
        let mut requests = witness.subscribe("job.echo", None).await.unwrap();
        let client = Client::builder().connect(bus.another(), MemoryStore::new()).unwrap();
        let _job = client.submit(Submit::new("job.echo")).await.unwrap();
        records.until_a_commit_begins();
        // The router has handled the request, and everything that it wants to publish is published.
        assert_eq!(router.jobs().len(), 1);
        router.ready().await.unwrap();
        assert!(poll_once(requests.next()).await.is_none(), "no worker hears of the job before");
        records.go_on();
        assert!(requests.next().await.is_some());
    });
}

#[test]
fn closing_a_router_waits_until_its_records_are_no_longer_used() {
    within(async {
        let (bus, records) = (MemoryBus::new(), Held::default());
        let router = Router::builder().records(records.clone()).start(bus.another()).unwrap();
        router.ready().await.unwrap();
        let client = Client::builder().connect(bus.another(), MemoryStore::new()).unwrap();
        let _job = client.submit(Submit::new("job.echo")).await.unwrap();
        records.until_a_commit_begins();
        let mut closing = std::pin::pin!(router.close());
        assert!(poll_once(&mut closing).await.is_none());
        records.go_on();
        closing.await;
        assert_eq!(records.inner.jobs(), 1);
    });
}

/// A store that never answers.
struct Silent;

impl BlobStore for Silent {
    fn scheme(&self) -> Scheme {
        Scheme::Memory
    }

    fn get(&self, _: &str, _: usize) -> BoxFuture<'_, Result<Option<Bytes>, BlobError>> {
        Box::pin(std::future::pending())
    }

    fn set(&self, _: &str, _: Bytes, _: Option<Duration>) -> BoxFuture<'_, Result<(), BlobError>> {
        Box::pin(std::future::pending())
    }

    fn delete(&self, _: &str) -> BoxFuture<'_, Result<(), BlobError>> {
        Box::pin(std::future::pending())
    }

    fn ping(&self) -> BoxFuture<'_, Result<(), BlobError>> {
        Box::pin(std::future::pending())
    }
}

#[test]
fn a_store_that_does_not_answer_is_an_error_in_time() {
    within(async {
        let client = Client::builder().io_timeout(Duration::from_millis(5)).connect(MemoryBus::new(), Silent).unwrap();
        let error = client.submit(Submit::new("job.echo").input("hello")).await.unwrap_err();
        assert!(matches!(error, SubmitError::Store(BlobError::Unreachable(_))), "{error}");
        assert_eq!(client.awaited(), 0);
    });
}
