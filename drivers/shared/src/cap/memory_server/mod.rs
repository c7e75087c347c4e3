//! A bus and a blob store in memory for other processes, over the protocols of NATS and Redis.

mod limits;
mod nats;
mod redis;
mod site;

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_lite::future::or;
use tracing::warn;

pub use self::limits::MemoryServerLimits;
use self::site::Site;
use super::{MemoryBus, MemoryStore};
use crate::io::clock::{Clock, sleep};
use crate::io::sync::CancellationToken;
use crate::io::{Accept, Address, BoxFuture, Complaints, Driver, Sanitized, Stream};

/// A bus and a blob store in memory for other processes of this machine, over the protocols of NATS and Redis: for
/// development, demonstrations and tests.
///
/// It listens on two ports of a loopback address. There is no login and no TLS, and nothing outlives the process. Clients of
/// NATS have subscriptions with wildcards and queue groups, requests that are told if there is no subscriber, and messages of
/// at most 1 MiB without headers. A client that does not keep up is closed as a slow consumer, and one that is silent is sent
/// pings; [`MemoryServerLimits`] says what clients may have and how long they may take. Clients of Redis have
/// `GET`, `GETRANGE`, `SET` with `EX` or `PX`, `STRLEN`, `EXISTS`, `DEL`, `PING` and `HELLO` in database 0, in RESP2 and, as
/// those of the Python SDK ask for it, in RESP3. Everything else is an error
/// that the client is told. In production, use a nats-server and a Redis server.
///
/// Members in this process reach the same bus and store by [`MemoryBus`], and by a store on [`redis_url`]. Everything ends
/// when the value is dropped.
///
/// [`redis_url`]: MemoryServer::redis_url
///
/// ```
/// # use nuncio_smol::cap::{BlobStore as _, Bus as _, MemoryBus, MemoryServer, MemoryStore, Message};
/// # use nuncio_smol::cap::{NatsBus, NatsOptions, RedisOptions, RedisStore};
/// # smol::block_on(async {
/// # use futures_lite::StreamExt as _;
/// let (bus, store) = (MemoryBus::new(), MemoryStore::new());
/// let server = MemoryServer::start(&bus, &store, "127.0.0.1:0", "127.0.0.1:0").await?;
///
/// // In another process:
/// let remote = NatsBus::connect(NatsOptions::new(server.nats_url())?).await?;
/// let blobs = RedisStore::new(RedisOptions::new(server.redis_url())?)?;
///
/// let mut messages = bus.subscribe("greeting", None).await?;
/// remote.publish(Message { subject: "greeting".into(), payload: "hello".into(), reply: None }).await?;
/// assert_eq!(messages.next().await.map(|received| received.message.payload), Some("hello".into()));
/// blobs.set("greeting", "hello".into(), None).await?;
/// assert_eq!(store.get("greeting", 1024).await?, Some("hello".into()));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
pub struct MemoryServer<D: Driver> {
    nats_url: String,
    redis_url: String,
    closing: CancellationToken,
    _thread: Arc<D::Thread>,
}

impl<D: Driver> MemoryServer<D> {
    /// Listens on two loopback addresses: `nats` for the bus, `redis` for the store. Port 0 takes a free port.
    ///
    /// Errors: an address cannot be listened on, or is not one of loopback; the system gives no thread.
    pub async fn start(
        bus: &MemoryBus,
        store: &MemoryStore,
        nats: impl Into<Address>,
        redis: impl Into<Address>,
    ) -> io::Result<MemoryServer<D>> {
        MemoryServer::start_within(bus, store, nats, redis, MemoryServerLimits::default()).await
    }

    /// As [`start`](MemoryServer::start), with other limits than the default ones.
    ///
    /// Errors: as of [`start`](MemoryServer::start).
    pub async fn start_within(
        bus: &MemoryBus,
        store: &MemoryStore,
        nats: impl Into<Address>,
        redis: impl Into<Address>,
        limits: MemoryServerLimits,
    ) -> io::Result<MemoryServer<D>> {
        let thread = D::thread("nuncio-memory")?;
        let closing = CancellationToken::new();
        let (for_bus, for_store) = (D::bind(nats.into(), &thread).await?, D::bind(redis.into(), &thread).await?);
        let (nats, redis) = (loopback(&for_bus)?, loopback(&for_store)?);
        let site = Arc::new(Site {
            bus: bus.clone(),
            store: store.clone(),
            io: Arc::<D::Thread>::clone(&thread),
            clock: Clock::start(),
            limits,
            closing: closing.clone(),
        });
        accept(&site, for_bus, |site, stream, is_refused| Box::pin(nats::serve(site, stream, is_refused)));
        accept(&site, for_store, |site, stream, is_refused| Box::pin(redis::serve(site, stream, is_refused)));
        let (nats_url, redis_url) = (format!("nats://{nats}"), format!("redis://{redis}/0"));
        Ok(MemoryServer { nats_url, redis_url, closing, _thread: thread })
    }

    /// Returns the URL for clients of NATS, such as `nats://127.0.0.1:4222`.
    pub fn nats_url(&self) -> &str {
        &self.nats_url
    }

    /// Returns the URL for clients of Redis, such as `redis://127.0.0.1:6379/0`.
    pub fn redis_url(&self) -> &str {
        &self.redis_url
    }
}

impl<D: Driver> fmt::Debug for MemoryServer<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let MemoryServer { nats_url, redis_url, .. } = self;
        f.debug_struct("MemoryServer").field("nats_url", nats_url).field("redis_url", redis_url).finish_non_exhaustive()
    }
}

impl<D: Driver> Drop for MemoryServer<D> {
    fn drop(&mut self) {
        self.closing.cancel();
    }
}

/// Returns the address of a socket, if only this machine can reach it.
fn loopback<A: Accept>(socket: &A) -> io::Result<SocketAddr> {
    let address = socket.address()?;
    if address.ip().to_canonical().is_loopback() {
        return Ok(address);
    }
    let ip = address.ip();
    Err(io::Error::new(
        io::ErrorKind::InvalidInput,
        format!(
            "{ip} is not a loopback address; a bus for other machines needs a nats-server and a Redis server, which have logins and TLS"
        ),
    ))
}

/// Serves a connection to its end, or tells its client that there are too many.
type Serve = fn(Arc<Site>, Stream, bool) -> BoxFuture<'static, ()>;

/// Accepts connections until the server is closing, each of which is served by a task.
fn accept<A: Accept>(site: &Arc<Site>, socket: A, serve: Serve) {
    /// After an error such as a lack of file descriptors, another attempt right away would fail as well.
    const PAUSE: Duration = Duration::from_millis(50);
    let open = Arc::new(AtomicUsize::new(0));
    let shared = Arc::clone(site);
    site.io.spawn(Box::pin(async move {
        let site = shared;
        let accepting = async {
            let mut complaints = Complaints::new(1);
            loop {
                let stream = match socket.accept().await {
                    Ok((stream, _)) => stream,
                    Err(error) => {
                        if let Some(missed) = complaints.next() {
                            warn!(error = %Sanitized(&error), missed, "a connection could not be accepted");
                        }
                        sleep(&*site.io, PAUSE).await;
                        continue;
                    }
                };
                let is_refused = open.fetch_add(1, Ordering::SeqCst) >= site.limits.connections;
                if let Some(missed) = is_refused.then(|| complaints.next()).flatten() {
                    warn!(max = site.limits.connections, missed, "a connection is refused, because there are too many");
                }
                let (closing, open) = (site.closing.clone(), Arc::clone(&open));
                let served = serve(Arc::clone(&site), stream, is_refused);
                site.io.spawn(Box::pin(async move {
                    or(closing.cancelled(), served).await;
                    open.fetch_sub(1, Ordering::SeqCst);
                }));
            }
        };
        or(site.closing.cancelled(), accepting).await;
    }));
}
