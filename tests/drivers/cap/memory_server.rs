//! A bus and a store in memory, reached over the protocols of NATS and Redis.

use std::time::Duration;

use futures_lite::StreamExt as _;
use serde_json::{Value, json};

use super::cap::{
    BlobError, BlobStore as _, Bus as _, BusError, Client, JobContext, Keyring, MemoryBus, MemoryServer, MemoryStore,
    Message, NatsBus, NatsOptions, RedisOptions, RedisStore, RingSigner, Router, Submit, Subscription, Worker,
};
use crate::on::within;

/// A limit that a test reaches only if it fails.
const LONG: Duration = Duration::from_mins(1);
const ANY_PORT: &str = "127.0.0.1:0";

struct Site {
    bus: MemoryBus,
    store: MemoryStore,
    server: MemoryServer,
}

impl Site {
    async fn new() -> Site {
        let (bus, store) = (MemoryBus::new(), MemoryStore::new());
        let server = MemoryServer::start(&bus, &store, ANY_PORT, ANY_PORT).await.unwrap();
        Site { bus, store, server }
    }

    async fn connect(&self) -> NatsBus {
        NatsBus::connect(NatsOptions::new(self.server.nats_url()).unwrap()).await.unwrap()
    }

    fn blobs(&self) -> RedisStore {
        RedisStore::new(RedisOptions::new(self.server.redis_url()).unwrap()).unwrap()
    }
}

fn message(subject: &str, payload: &str) -> Message {
    Message { subject: subject.into(), payload: payload.to_owned().into(), reply: None }
}

async fn next(messages: &mut Subscription) -> Message {
    messages.next().await.expect("the bus is open").message
}

#[test]
fn signed_jobs_run_over_it() {
    within(async {
        let site = Site::new().await;
        let (mut signers, mut keys) = (Vec::new(), Keyring::default());
        for name in ["router-1", "worker-1", "client-1"] {
            let (signer, _) = RingSigner::generate().unwrap();
            keys.add(name, signer.public_key()).unwrap();
            signers.push(signer);
        }
        let (client_key, worker_key, router_key) =
            (signers.pop().unwrap(), signers.pop().unwrap(), signers.pop().unwrap());
        let router = Router::builder().id("router-1").signer(router_key).keys(keys.clone());
        let router = router.start(site.connect().await).unwrap();
        router.ready().await.unwrap();
        let echo = |_: JobContext, input: Value| async move { Ok(json!({ "echo": input })) };
        let (go_on, wait) = smol::channel::bounded(1);
        let gate = move |ctx: JobContext, (): ()| {
            let wait = wait.clone();
            async move {
                ctx.progress(50).message("half").await?;
                wait.recv().await?;
                Ok("through")
            }
        };
        let worker = Worker::builder().id("worker-1").signer(worker_key).keys(keys.clone());
        let worker = worker.job("job.echo", echo).job("job.gate", gate);
        let worker = worker.start(site.connect().await, site.blobs()).unwrap();
        worker.ready().await.unwrap();
        let client = Client::builder().id("client-1").signer(client_key).keys(keys);
        let client = client.connect(site.connect().await, site.blobs()).unwrap();
        client.ready().await.unwrap();
        let mut gated = client.submit(Submit::new("job.gate")).await.unwrap();
        assert_eq!(gated.progress().next().await.map(|progress| progress.message), Some("half".to_owned()));
        go_on.send(()).await.unwrap();
        assert_eq!(gated.result::<String>().await.unwrap(), "through");
        let mut jobs = Vec::new();
        for number in 0..50 {
            jobs.push((number, client.submit(Submit::new("job.echo").input(&number)).await.unwrap()));
        }
        for (number, mut job) in jobs {
            assert_eq!(job.result::<Value>().await.unwrap(), json!({ "echo": number }));
        }
    });
}

#[test]
fn members_of_the_process_and_of_others_share_one_bus() {
    within(async {
        let site = Site::new().await;
        let (first, second) = (site.connect().await, site.connect().await);
        let mut all = site.bus.subscribe("job.>", None).await.unwrap();
        let mut one = first.subscribe("job.*", Some("workers")).await.unwrap();
        let mut other = second.subscribe("job.*", Some("workers")).await.unwrap();
        first.flush().await.unwrap();
        second.flush().await.unwrap();
        let member = site.bus.another();
        for number in 0..200 {
            let publisher: &dyn super::cap::Bus = if number % 2 == 0 { &member } else { &first };
            publisher.publish(message("job.echo", &number.to_string())).await.unwrap();
            // Of two publishers, neither waits for the other.
            publisher.flush().await.unwrap();
        }
        for number in 0..200 {
            assert_eq!(next(&mut all).await.payload, number.to_string());
        }
        first.close().await;
        second.close().await;
        let mut numbers: Vec<u32> = Vec::new();
        for messages in [&mut one, &mut other] {
            while let Some(received) = messages.next().await {
                numbers.push(std::str::from_utf8(&received.message.payload).unwrap().parse().unwrap());
            }
        }
        numbers.sort_unstable();
        numbers.dedup();
        assert!(numbers.len() <= 200 && !numbers.is_empty(), "each message goes to one of a group");
    });
}

#[test]
fn requests_are_answered_or_told_that_there_is_no_subscriber() {
    within(async {
        let site = Site::new().await;
        let (bus, server) = (site.connect().await, site.connect().await);
        let none = bus.request("job.none", "x".into(), LONG).await;
        assert_eq!(none, Err(BusError::NoResponders("job.none".to_owned())));
        let mut asked = server.subscribe("job.echo", None).await.unwrap();
        server.flush().await.unwrap();
        let answers = async {
            for _ in 0..3 {
                let request = next(&mut asked).await;
                let answer = Message { subject: request.reply.unwrap(), reply: None, payload: request.payload };
                server.publish(answer).await.unwrap();
            }
        };
        let requests = async {
            for payload in ["a", "b", "c"] {
                assert_eq!(bus.request("job.echo", payload.into(), LONG).await.unwrap().payload, payload);
            }
        };
        futures_lite::future::zip(answers, requests).await;
    });
}

#[test]
fn requests_are_answered_in_any_order() {
    within(async {
        let site = Site::new().await;
        let (bus, server) = (site.connect().await, site.connect().await);
        let mut asked = server.subscribe("job.echo", None).await.unwrap();
        server.flush().await.unwrap();
        let answers = async {
            let mut requests = Vec::new();
            for _ in 0..3 {
                requests.push(next(&mut asked).await);
            }
            for request in requests.into_iter().rev() {
                let answer = Message { subject: request.reply.unwrap(), reply: None, payload: request.payload };
                server.publish(answer).await.unwrap();
            }
        };
        let ask = |payload: &'static str| {
            let bus = &bus;
            async move { assert_eq!(bus.request("job.echo", payload.into(), LONG).await.unwrap().payload, payload) }
        };
        let requests = futures_lite::future::zip(ask("a"), futures_lite::future::zip(ask("b"), ask("c")));
        futures_lite::future::zip(answers, requests).await;
    });
}

#[test]
fn a_subscription_that_is_dropped_ends_no_other() {
    within(async {
        let site = Site::new().await;
        let bus = site.connect().await;
        let (first, mut second) = (bus.subscribe("a", None).await.unwrap(), bus.subscribe("b", None).await.unwrap());
        drop(first);
        bus.flush().await.unwrap();
        assert_eq!(bus.request("a", "x".into(), LONG).await, Err(BusError::NoResponders("a".to_owned())));
        site.bus.publish(message("b", "1")).await.unwrap();
        assert_eq!(next(&mut second).await.payload, "1");
    });
}

#[test]
fn messages_that_a_subscriber_does_not_read_are_dropped_and_counted() {
    within(async {
        let site = Site::new().await;
        let mut options = NatsOptions::new(site.server.nats_url()).unwrap();
        options.subscription_messages = 2;
        let bus = NatsBus::connect(options).await.unwrap();
        let mut unread = bus.subscribe("a", None).await.unwrap();
        bus.flush().await.unwrap();
        assert_eq!(bus.dropped(), 0);
        for number in 0..20 {
            site.bus.publish(message("a", &number.to_string())).await.unwrap();
        }
        // How many of them wait on their way differs by driver.
        while bus.dropped() < 2 {
            smol::future::yield_now().await;
        }
        assert_eq!(next(&mut unread).await.payload, "0", "the newest ones are dropped");
    });
}

#[test]
fn a_worker_runs_on_the_thread_of_its_bus() {
    within(async {
        let site = Site::new().await;
        let thread = |_: JobContext, (): ()| async { Ok(std::thread::current().name().map(str::to_owned)) };
        let router = Router::builder().start(site.bus.another()).unwrap();
        router.ready().await.unwrap();
        let worker = Worker::builder().nonblocking_job("job.where", thread);
        let worker = worker.start(std::sync::Arc::new(site.connect().await), site.store.clone()).unwrap();
        worker.ready().await.unwrap();
        let client = Client::builder().connect(site.bus.another(), site.store.clone()).unwrap();
        let mut job = client.submit(Submit::new("job.where")).await.unwrap();
        assert_eq!(job.result::<Option<String>>().await.unwrap().as_deref(), Some("nuncio-nats"));
    });
}

#[test]
fn a_subscriber_that_does_not_read_delays_no_other() {
    within(async {
        let site = Site::new().await;
        let (slow, quick) = (site.connect().await, site.connect().await);
        let unread = slow.subscribe("a", None).await.unwrap();
        let mut read = quick.subscribe("a", None).await.unwrap();
        slow.flush().await.unwrap();
        quick.flush().await.unwrap();
        let large = "x".repeat(1 << 20);
        for _ in 0..100 {
            site.bus.publish(message("a", &large)).await.unwrap();
            assert_eq!(next(&mut read).await.payload.len(), large.len());
        }
        drop(unread);
        // One byte more than the bus carries is refused by the client, which knows the limit.
        let refused = quick.publish(message("a", &(large + "x"))).await;
        assert!(matches!(refused, Err(BusError::Refused(_))), "{refused:?}");
    });
}

#[test]
fn blobs_are_stored_read_and_removed() {
    within(async {
        let site = Site::new().await;
        let blobs = site.blobs();
        blobs.ping().await.unwrap();
        assert_eq!(blobs.get("none", 10).await, Ok(None));
        blobs.set("key", "\r\nblob\0".into(), Some(Duration::from_mins(1))).await.unwrap();
        assert_eq!(blobs.get("key", 7).await, Ok(Some("\r\nblob\0".into())));
        assert_eq!(site.store.get("key", 7).await, Ok(Some("\r\nblob\0".into())));
        assert_eq!(blobs.get("key", 6).await, Err(BlobError::TooLarge { bytes: 7, max: 6 }));
        let large = vec![b'x'; 5 << 20];
        blobs.set("large", large.clone().into(), None).await.unwrap();
        assert_eq!(blobs.get("large", large.len()).await, Ok(Some(large.into())));
        blobs.delete("key").await.unwrap();
        assert_eq!(blobs.get("key", 10).await, Ok(None));
        // What it does not do is said.
        let mut other = RedisOptions::new(site.server.redis_url()).unwrap();
        other.database = 3;
        let error = RedisStore::new(other).unwrap().ping().await.unwrap_err();
        assert!(error.to_string().contains("only the database 0"), "{error}");
    });
}

#[test]
fn it_listens_for_this_machine_only_and_ends_when_it_is_dropped() {
    within(async {
        let (bus, store) = (MemoryBus::new(), MemoryStore::new());
        let error = MemoryServer::start(&bus, &store, "0.0.0.0:0", ANY_PORT).await.unwrap_err();
        assert!(error.to_string().contains("not a loopback address"), "{error}");
        let site = Site::new().await;
        let mut options = NatsOptions::new(site.server.nats_url()).unwrap();
        options.connect_within = Duration::ZERO;
        let connected = site.connect().await;
        let state = connected.state();
        drop(site);
        connected.changed(state).await;
        assert!(NatsBus::connect(options).await.is_err(), "nothing listens any more");
    });
}
