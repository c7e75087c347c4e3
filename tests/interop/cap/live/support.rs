//! The servers of a test, the keys of its components, and our worker and client.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use nuncio_core::cap::{ClientConfig, Keyring, P256Signer};
use nuncio_shared::auth::{Authorities, ClientTls};
use nuncio_shared::cap::{Failure, JobContext, NatsOptions, RedisOptions};
use nuncio_tests::peers::{Nats, Redis, wanted};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use smol::channel::{Receiver, Sender, unbounded};

use super::on;
use crate::cap::certificates::Certificates;

/// The servers of a test.
pub(super) struct Peers {
    pub(super) nats: Nats,
    pub(super) redis: Redis,
    /// The authority of their certificates, if they speak TLS.
    certificates: Option<Certificates>,
}

impl Peers {
    /// Starts servers that speak TLS.
    pub(super) fn with_tls() -> Peers {
        let certificates = Certificates::of("127.0.0.1");
        Peers { nats: certificates.nats(), redis: certificates.redis(), certificates: Some(certificates) }
    }

    /// Returns the file of the authority that the certificates of the servers come from, if they speak TLS.
    pub(super) fn authority(&self) -> Option<&Path> {
        self.certificates.as_ref().map(|certificates| certificates.authority.as_path())
    }

    /// Returns the URL of the bus.
    pub(super) fn nats_url(&self) -> String {
        let url = self.nats.url();
        if self.certificates.is_some() { url.replace("nats://", "tls://") } else { url }
    }

    /// Connects to the bus.
    pub(super) async fn bus(&self) -> on::NatsBus {
        let mut options = NatsOptions::new(&self.nats_url()).unwrap();
        options.tls = self.authority().map(|file| ClientTls::new(Authorities::from_file(file).unwrap()).unwrap());
        on::connect(options).await.unwrap()
    }

    /// Returns the blob store.
    pub(super) fn store(&self) -> on::RedisStore {
        let mut options = RedisOptions::new(&self.redis.url()).unwrap();
        if let Some(tls) = &mut options.tls {
            tls.authorities = self.authority().map(Path::to_owned);
        }
        // A server that comes back is reached at once.
        (options.first_pause, options.longest_pause) = (Duration::from_millis(1), Duration::from_millis(1));
        on::RedisStore::new(options).unwrap()
    }
}

/// Runs a test with servers of its own, unless such tests are not wanted.
pub(super) fn with_servers(test: &str, run: impl FnOnce(&mut Peers)) {
    with_nats(test, &[], run);
}

/// The same, with a nats-server that prints what clients send.
pub(super) fn with_tracing_servers(test: &str, run: impl FnOnce(&mut Peers)) {
    with_nats(test, &["-DV"], run);
}

fn with_nats(test: &str, arguments: &[&str], run: impl FnOnce(&mut Peers)) {
    if wanted(test) {
        on::within(|| run(&mut Peers { nats: Nats::start(arguments), redis: Redis::start(&[]), certificates: None }));
    }
}

/// The private key that the programs know by this number.
pub(super) fn signer(number: u8) -> P256Signer {
    P256Signer::from_bytes(&[number; 32]).unwrap()
}

/// The public keys of senders, by the numbers of their private keys.
pub(super) fn keys(of: &[(&str, u8)]) -> Keyring {
    let mut keys = Keyring::default();
    for (sender, number) in of {
        keys.add(*sender, signer(*number).public_key()).unwrap();
    }
    keys
}

/// What the handlers of a worker of ours have in common.
#[derive(Clone)]
pub(super) struct Handlers {
    calls: Arc<Mutex<Vec<String>>>,
    gate: (Sender<()>, Receiver<()>),
}

impl Handlers {
    pub(super) fn new() -> Handlers {
        Handlers { calls: Arc::default(), gate: unbounded() }
    }

    fn note(&self, ctx: &JobContext) {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner).push(ctx.job_id().to_owned());
    }

    /// Returns how often a handler was called for a job.
    pub(super) fn calls(&self, job: &str) -> usize {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner).iter().filter(|called| *called == job).count()
    }

    /// Lets one job of the topic `job.gate` or `job.block` end.
    pub(super) fn open_gate(&self) {
        self.gate.0.try_send(()).unwrap();
    }
}

#[derive(Deserialize, Serialize)]
struct Sum {
    a: i64,
    b: i64,
}

#[derive(Deserialize)]
struct Flaky {
    failures: usize,
}

/// Returns a worker that signs, with the handlers that the Python worker has, too.
pub(super) fn worker(id: &str, trusted: &[(&str, u8)], handlers: &Handlers) -> on::WorkerBuilder {
    open_worker(id, handlers).signer(signer(3)).keys(keys(trusted))
}

/// Returns a worker that neither signs nor verifies.
pub(super) fn open_worker(id: &str, handlers: &Handlers) -> on::WorkerBuilder {
    let all = || handlers.clone();
    let (echo, fail, flaky, hold, gate, block, steps, add) = (all(), all(), all(), all(), all(), all(), all(), all());
    on::Worker::builder()
        .id(id)
        .parallel(8)
        .heartbeat_interval(Duration::from_millis(200))
        .backoff(Duration::from_millis(1), Duration::from_millis(1))
        .job("job.echo", move |ctx: JobContext, input: Value| {
            echo.note(&ctx);
            async move { Ok(json!({ "echo": input })) }
        })
        .job("job.echo.fail", move |ctx: JobContext, _: Value| {
            fail.note(&ctx);
            async move { Err::<Value, _>(Failure::new("the \"handler\"\nfails")) }
        })
        .job("job.flaky", move |ctx: JobContext, input: Flaky| {
            flaky.note(&ctx);
            let calls = flaky.calls(ctx.job_id());
            async move { if calls <= input.failures { Err(Failure::new("not yet")) } else { Ok(calls) } }
        })
        .job("job.hold", move |ctx: JobContext, _: Value| {
            hold.note(&ctx);
            async move {
                ctx.progress(0).step("held").await?;
                ctx.cancelled().await;
                Err::<Value, _>(Failure::fatal("it was cancelled"))
            }
        })
        .job("job.gate", move |ctx: JobContext, input: Value| {
            gate.note(&ctx);
            let gate = gate.gate.1.clone();
            async move {
                ctx.progress(0).step("gate").await?;
                gate.recv().await?;
                Ok(input)
            }
        })
        .blocking_job("job.block", move |ctx: JobContext, input: Value| {
            block.note(&ctx);
            block.gate.1.recv_blocking()?;
            Ok(input)
        })
        .job("job.steps", move |ctx: JobContext, _: Value| {
            steps.note(&ctx);
            async move {
                for percent in [0, 50, 100] {
                    ctx.progress(percent).step(format!("step-{percent}")).message("wörking").await?;
                }
                Ok(Value::Null)
            }
        })
        .job("job.add", move |ctx: JobContext, sum: Sum| {
            add.note(&ctx);
            async move { Ok(Sum { a: sum.a + sum.b, b: 0 }) }
        })
}

/// Starts a worker on the servers, and waits until it misses no request.
pub(super) fn start(worker: on::WorkerBuilder, peers: &Peers) -> on::Worker {
    on::block_on(async {
        let worker = worker.start(peers.bus().await, peers.store()).unwrap();
        worker.ready().await.unwrap();
        worker
    })
}

/// Returns our client, which signs and accepts the packets of these senders.
pub(super) fn client(peers: &Peers, trusted: &[(&str, u8)]) -> on::Client {
    client_with(peers, trusted, |_| ())
}

/// The same, with some settings changed.
pub(super) fn client_with(
    peers: &Peers,
    trusted: &[(&str, u8)],
    change: impl FnOnce(&mut ClientConfig) + Send + 'static,
) -> on::Client {
    let client = on::Client::builder().id("rust-client").signer(signer(5)).keys(keys(trusted));
    connect(client.configure(change), peers)
}

/// Returns our client, which neither signs nor verifies.
pub(super) fn open_client(peers: &Peers) -> on::Client {
    connect(on::Client::builder().id("rust-client"), peers)
}

/// Connects a client to the servers.
pub(super) fn connect(client: on::ClientBuilder, peers: &Peers) -> on::Client {
    on::block_on(async {
        let client = client.connect(peers.bus().await, peers.store()).unwrap();
        client.ready().await.unwrap();
        client
    })
}
