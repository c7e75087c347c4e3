//! Routers that read submitted jobs and results from a durable stream of a real nats-server. Only tokio's driver has it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use nuncio_core::cap::{ClientConfig, RouterRecord};
use nuncio_shared::cap::{
    Bus, BusError, JetStreamOptions, JobContext, MemoryRecords, MemoryStore, Message, NatsOptions, Received, Records,
    RecordsError, Submit, Subscription,
};
use nuncio_tests::peers::{Nats, wanted};
use nuncio_tests::temp_dir::TempDir;
use nuncio_tokio::cap::{Client, NatsBus, Router, RouterBuilder, Worker};
use serde_json::{Value, json};
use smol::channel::{Receiver, unbounded};
use smol::stream::StreamExt as _;

use super::on::tokio::{block_on, within};

/// A limit that a test reaches only if it fails.
const LONG: Duration = Duration::from_mins(1);

/// A nats-server with `JetStream` that keeps its data, and what the test's components share.
struct World {
    nats: Nats,
    store: MemoryStore,
    records: MemoryRecords,
    runs: Arc<AtomicUsize>,
    _directory: TempDir,
}

fn with_world(test: &str, run: impl FnOnce(&mut World)) {
    if wanted(test) {
        within(|| {
            let directory = TempDir::new();
            let path = directory.file("jetstream");
            run(&mut World {
                nats: Nats::start(&["--jetstream", "--store_dir", path.to_str().unwrap()]),
                store: MemoryStore::new(),
                records: MemoryRecords::default(),
                runs: Arc::default(),
                _directory: directory,
            });
        });
    }
}

fn durable(change: impl FnOnce(&mut JetStreamOptions)) -> JetStreamOptions {
    let mut options = JetStreamOptions::new("router.1");
    options.ack_wait = Duration::from_millis(500);
    change(&mut options);
    options
}

impl World {
    async fn connect(&self, jetstream: Option<JetStreamOptions>) -> Result<NatsBus, BusError> {
        let mut options = NatsOptions::new(&self.nats.url()).unwrap();
        (options.first_pause, options.longest_pause) = (Duration::from_millis(1), Duration::from_millis(50));
        options.jetstream = jetstream;
        NatsBus::connect(options).await
    }

    fn router(&self) -> RouterBuilder {
        Router::builder().id("router.1").records(self.records.clone()).configure(|config| {
            // What is lost with the server between router and worker is sent again after this.
            config.dispatch_timeout = Duration::from_secs(1);
            config.redispatches = 30;
            (config.backoff, config.max_backoff) = (Duration::from_millis(10), Duration::from_millis(10));
        })
    }

    async fn start(&self, router: RouterBuilder) -> Router {
        let router = router.start(self.connect(Some(durable(|_| ()))).await.unwrap()).unwrap();
        router.ready().await.unwrap();
        router
    }

    async fn worker(&self, id: &str) -> Worker {
        let runs = Arc::clone(&self.runs);
        let echo = move |_: JobContext, input: Value| {
            runs.fetch_add(1, Ordering::Relaxed);
            async move { Ok(input) }
        };
        let worker = Worker::builder().id(id).heartbeat_interval(Duration::from_millis(200)).job("job.echo", echo);
        let worker = worker.start(self.connect(None).await.unwrap(), self.store.clone()).unwrap();
        worker.ready().await.unwrap();
        worker
    }

    /// Returns a client that sends each request once.
    async fn client(&self) -> Client {
        self.client_with(|config| config.resubmissions = 0).await
    }

    async fn client_with(&self, change: impl FnOnce(&mut ClientConfig) + Send + 'static) -> Client {
        let client = Client::builder().id("client-1").configure(change);
        let client = client.connect(self.connect(None).await.unwrap(), self.store.clone()).unwrap();
        client.ready().await.unwrap();
        client
    }

    /// Asks the server about the stream.
    async fn stream(&self) -> Value {
        let bus = self.connect(None).await.unwrap();
        let info = bus.request("$JS.API.STREAM.INFO.NUNCIO_CAP", Vec::new().into(), LONG).await.unwrap();
        serde_json::from_slice(&info.payload).unwrap()
    }

    /// Waits until the stream keeps this number of messages.
    async fn kept(&self, messages: u64) {
        while self.stream().await["state"]["messages"] != messages {}
    }

    fn runs(&self) -> usize {
        self.runs.load(Ordering::Relaxed)
    }
}

/// Records that are committed once a test allows it.
struct Slow {
    records: MemoryRecords,
    asked: smol::channel::Sender<()>,
    allowed: Receiver<()>,
}

impl Records for Slow {
    fn load(&mut self) -> Result<Vec<(u64, RouterRecord)>, RecordsError> {
        self.records.load()
    }

    fn commit(&mut self, records: &[(u64, RouterRecord)]) -> Result<(), RecordsError> {
        let _unheard = self.asked.try_send(());
        match self.allowed.recv_blocking() {
            Ok(()) => self.records.commit(records),
            Err(_) => Err(RecordsError::Other("the disk is gone".to_owned())),
        }
    }
}

async fn next(subscription: &mut Subscription) -> Received {
    subscription.next().await.expect("the bus is open")
}

#[test]
fn a_job_that_was_submitted_while_no_router_ran_is_done_once_one_runs() {
    with_world("a_job_that_was_submitted_while_no_router_ran_is_done_once_one_runs", |world| {
        block_on(async {
            drop(world.start(world.router()).await);
            let (client, _worker) = (world.client().await, world.worker("worker-1").await);
            let mut job = client.submit(Submit::new("job.echo").input("kept")).await.unwrap();
            world.kept(1).await;
            let _router = world.start(world.router()).await;
            assert_eq!(job.result::<String>().await.unwrap(), "kept");
            // The request and the result are acknowledged, and leave the stream.
            world.kept(0).await;
            assert_eq!(world.runs(), 1);
        });
    });
}

#[test]
fn a_router_that_dies_before_it_has_stored_a_job_gets_it_again() {
    with_world("a_router_that_dies_before_it_has_stored_a_job_gets_it_again", |world| {
        block_on(async {
            let (client, _worker) = (world.client().await, world.worker("worker-1").await);
            let ((asked, is_asked), (allow, allowed)) = (unbounded(), unbounded());
            let slow = Slow { records: world.records.clone(), asked, allowed };
            let dying = world.start(world.router().records(slow)).await;
            let mut job = client.submit(Submit::new("job.echo").input("kept")).await.unwrap();
            is_asked.recv().await.unwrap();
            drop(dying);
            drop(allow);
            assert_eq!((world.runs(), world.records.clone().load().unwrap().len()), (0, 0));
            world.kept(1).await;
            let _router = world.start(world.router()).await;
            assert_eq!(job.result::<String>().await.unwrap(), "kept");
            world.kept(0).await;
            assert_eq!(world.runs(), 1);
        });
    });
}

#[test]
fn a_stream_survives_its_server_and_nothing_is_run_twice() {
    with_world("a_stream_survives_its_server_and_nothing_is_run_twice", |world| {
        block_on(async {
            drop(world.start(world.router()).await);
            // A result that is published before the client is back is missed until the router knows it.
            let again = |config: &mut ClientConfig| {
                (config.resubmit_after, config.resubmissions) = (Duration::from_secs(1), 1_000);
            };
            let (client, _worker) = (world.client_with(again).await, world.worker("worker-1").await);
            let mut jobs = vec![client.submit(Submit::new("job.echo").input(&0)).await.unwrap()];
            world.kept(1).await;
            world.nats.restart();
            let _router = world.start(world.router()).await;
            for number in 1..100 {
                if number % 40 == 0 {
                    world.kept(0).await;
                    world.nats.restart();
                    client.ready().await.unwrap();
                }
                jobs.push(client.submit(Submit::new("job.echo").input(&number)).await.unwrap());
            }
            for (number, job) in jobs.iter_mut().enumerate() {
                assert_eq!(job.result::<usize>().await.unwrap(), number);
            }
            world.kept(0).await;
            assert_eq!(world.runs(), 100);
        });
    });
}

#[test]
fn a_message_is_not_delivered_again_while_its_records_are_stored() {
    with_world("a_message_is_not_delivered_again_while_its_records_are_stored", |world| {
        block_on(async {
            let message = |text: &str| Message {
                subject: "sys.job.submit".to_owned(),
                payload: text.to_owned().into(),
                ..Message::default()
            };
            let bus = world.connect(Some(durable(|_| ()))).await.unwrap();
            let mut submitted = bus.subscribe_durable("sys.job.submit").await.unwrap();
            let mut reports = bus.subscribe("$JS.ACK.>", None).await.unwrap();
            bus.publish(message("first")).await.unwrap();
            let first = next(&mut submitted).await;
            // They are sent three times in the time after which an unacknowledged message comes again.
            for _ in 0..7 {
                assert_eq!(next(&mut reports).await.message.payload, "+WPI");
            }
            bus.publish(message("second")).await.unwrap();
            let second = next(&mut submitted).await;
            assert_eq!(second.message.payload, "second");

            // One that is dropped comes again, and one that is acknowledged does not.
            drop(first);
            second.acknowledgement.expect("it is durable").acknowledge().await.unwrap();
            let again = next(&mut submitted).await;
            assert_eq!(again.message.payload, "first");
            again.acknowledgement.expect("it is durable").acknowledge().await.unwrap();
            world.kept(0).await;
        });
    });
}

#[test]
fn a_stream_with_other_settings_is_refused_with_the_difference() {
    with_world("a_stream_with_other_settings_is_refused_with_the_difference", |world| {
        block_on(async {
            let refused = |result: Result<NatsBus, BusError>| match result {
                Err(BusError::Refused(reason)) => reason,
                other => panic!("{other:?}"),
            };
            let _first = world.connect(Some(durable(|_| ()))).await.unwrap();
            world.connect(Some(durable(|_| ()))).await.expect("the same settings");
            let other = durable(|options| options.max_age = Duration::from_hours(1));
            let reason = refused(world.connect(Some(other)).await);
            assert!(reason.contains("max_age is 86400s and should be 3600s; delete it"), "{reason}");

            let other = durable(|options| options.stream = "OTHER".to_owned());
            let reason = refused(world.connect(Some(other)).await);
            assert!(reason.contains("another stream has sys.job.submit or sys.job.result"), "{reason}");

            let other = durable(|options| options.consumer = "router-2".to_owned());
            let reason = refused(world.connect(Some(other)).await);
            assert!(reason.contains("belongs to a router with another name than \"router-2\""), "{reason}");

            let other = durable(|options| options.stream = "a.b".to_owned());
            assert!(refused(world.connect(Some(other)).await).contains("cannot be the name of a JetStream stream"));
        });
    });
}

#[test]
fn a_stream_keeps_no_heartbeats_and_no_handshakes() {
    with_world("a_stream_keeps_no_heartbeats_and_no_handshakes", |world| {
        block_on(async {
            let router = world.start(world.router()).await;
            let (client, worker) = (world.client().await, world.worker("worker-1").await);
            let mut job = client.submit(Submit::new("job.echo").input(&1)).await.unwrap();
            assert_eq!(job.result::<u32>().await.unwrap(), 1);
            while router.workers().is_empty() {
                smol::future::yield_now().await;
            }
            drop((router, worker, client));
            let info = world.stream().await;
            assert_eq!(info["config"]["subjects"], json!(["sys.job.submit", "sys.job.result"]));
            assert_eq!(info["state"]["last_seq"], 2, "a request and a result: {info}");
        });
    });
}

#[test]
fn a_server_without_jetstream_and_a_driver_without_it_say_so() {
    if !wanted("a_server_without_jetstream_and_a_driver_without_it_say_so") {
        return;
    }
    within(|| {
        block_on(async {
            let nats = Nats::start(&[]);
            let mut options = NatsOptions::new(&nats.url()).unwrap();
            options.jetstream = Some(durable(|_| ()));
            options.connect_within = Duration::ZERO;
            let error = nuncio_smol::cap::NatsBus::connect(options.clone()).await.unwrap_err().to_string();
            assert!(error.starts_with("JetStream is spoken by the tokio driver only"), "{error}");
            let error = NatsBus::connect(options).await.unwrap_err().to_string();
            assert!(error.contains("does the nats-server run with --jetstream?"), "{error}");
        });
    });
}
