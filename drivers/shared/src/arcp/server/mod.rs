//! The server: the runtime machine, its agents, and the connections of its clients.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use futures_channel::oneshot;
use futures_lite::future::or;
use nuncio_core::arcp::{AgentStats, Config, Restored, Runtime, Stats, Via};
use nuncio_link::{Link, Request, ServerOptions};

mod action;
mod builder;
mod connection;
mod conns;
pub(crate) mod dispatch;
mod error;
mod gate;
mod guests;
mod host;
pub(crate) mod hub;
mod life;
mod listen;
mod log;
mod peers;
mod post;
mod provision;
mod relocation;
mod serve;
mod shards;
mod shutdown;
mod slots;
pub(crate) mod status;

pub use builder::ServerBuilder;
pub use connection::Connection;
pub use error::BuildError;
pub use listen::{ListenOptions, Listening};
pub use provision::{Grant, Provisioner, Revocation};
pub use serve::{Serve, ServeUntil};
pub use shutdown::Shutdown;

use crate::arcp::client::Transport;
use crate::arcp::journal::{JournalError, JournalHealth, Order};
use crate::auth::PeerCertificate;
use crate::io::clock::timeout;
use crate::io::memory::End;
use crate::io::{Accept as _, Address, Driver, Stream};
use connection::{Opened, attach, known_dialects, linger, opened};
use hub::Hub;
use peers::Peer;

/// A runtime in the sense of the specification: it runs agents for the sessions of its clients, on the driver `D`.
///
/// It runs from the moment it is built, on threads of its own. Clients reach it over the sockets of
/// [`serve`](Server::serve) and [`listen`](Server::listen), over [stdio](Server::serve_stdio), within the
/// [process](Server::connect_memory), and over any stream. [`shutdown`](Server::shutdown) ends it gracefully. When the
/// last clone is dropped, all jobs, sessions and connections end at once.
///
/// ```
/// # use std::time::Duration;
/// # use nuncio_shared::arcp::{BuildError, Failure, JobContext, Server, Shutdown};
/// # use nuncio_shared::auth::StaticTokens;
/// # use nuncio_shared::io::Driver;
/// async fn greet(name: String, _ctx: JobContext) -> Result<String, Failure> {
///     Ok(format!("Hello, {name}!"))
/// }
///
/// // `D` is `Tokio` or `Smol`; the crates of the drivers have an alias of `Server` for theirs.
/// async fn run<D: Driver>(signal: impl Future<Output = ()> + Send + 'static) -> Result<(), Box<dyn std::error::Error>> {
///     let server = Server::<D>::builder()
///         .verifier(StaticTokens::new().with("secret", "me@example.com"))
///         .agent("greet", greet)
///         .build()?;
///     let ended = server.serve("127.0.0.1:7777").with_graceful_shutdown(signal).await?;
///     if ended == Shutdown::Aborted {
///         eprintln!("some jobs did not end in time");
///     }
///     Ok(())
/// }
/// ```
pub struct Server<D: Driver> {
    inner: Arc<Inner>,
    thread: Arc<D::Thread>,
}

pub(crate) struct Inner {
    /// The shards; there is at least one.
    hubs: Vec<Arc<Hub>>,
    /// As the server was built with it.
    config: Config,
    restored: Option<Restored>,
}

impl Inner {
    /// Returns the shard in which connections begin.
    #[expect(clippy::indexing_slicing, reason = "a server has at least one shard")]
    fn front(&self) -> &Arc<Hub> {
        &self.hubs[0]
    }
}

/// Bytes that either side of a connection in memory may be ahead.
const MEMORY_BUFFER: usize = 64 * 1024;

impl<D: Driver> Server<D> {
    pub(crate) fn begin(
        hubs: Vec<Arc<Hub>>,
        config: Config,
        restored: Option<Restored>,
        thread: Arc<D::Thread>,
    ) -> Server<D> {
        let inner = Inner { hubs, config, restored };
        for hub in &inner.hubs {
            hub.parts.io.spawn(Box::pin(Arc::clone(hub).keep_time()));
            if inner.hubs.len() > 1 {
                hub.parts.io.spawn(Box::pin(Arc::clone(hub).read_post()));
            }
            // A restored runtime has outputs already.
            hub.run(|_, _| ());
        }
        inner.front().parts.io.spawn(Box::pin(end_without_journal(inner.hubs.clone())));
        Server { inner: Arc::new(inner), thread }
    }

    /// Serves WebSocket on a TCP address, at the path `/arcp`.
    pub async fn listen(&self, address: impl Into<Address>) -> io::Result<Listening> {
        self.listen_with(address, ListenOptions::default()).await
    }

    /// Serves WebSocket on a TCP address, with options.
    pub async fn listen_with(&self, address: impl Into<Address>, options: ListenOptions) -> io::Result<Listening> {
        let socket = D::bind(address.into(), &self.thread).await?;
        self.listen_at(socket, options)
    }

    /// Serves WebSocket on a socket that listens already, such as one that systemd has passed.
    pub fn listen_on(&self, listener: TcpListener, options: ListenOptions) -> io::Result<Listening> {
        listener.set_nonblocking(true)?;
        self.listen_at(D::listener(listener, &self.thread)?, options)
    }

    fn listen_at(&self, socket: D::Listener, options: ListenOptions) -> io::Result<Listening> {
        let address = socket.address()?;
        Ok(listen::serve(self.inner.front(), socket, address, options))
    }

    /// Serves a stream that begins with the HTTP request of a WebSocket upgrade, such as a TLS connection.
    ///
    /// `via` says who could listen to the stream; credentials are not shown on [`Via::Plain`].
    pub fn accept_websocket(&self, stream: Stream, via: Via, options: Arc<ServerOptions>) -> Connection {
        let mut options = options;
        Arc::make_mut(&mut options).dialects = known_dialects();
        attach(self.inner.front(), opened(stream), Link::server(options), via.into(), Peer::Stream("stream"))
    }

    /// Serves a WebSocket whose upgrade is already done, by a web framework for example. `stream` begins with the first
    /// byte after the response.
    pub fn accept_upgraded(&self, stream: Stream, via: Via) -> Connection {
        let link = Link::server_upgraded(self.inner.front().link_options());
        attach(self.inner.front(), opened(stream), link, via.into(), Peer::Stream("upgraded stream"))
    }

    /// Serves a WebSocket whose upgrade is being done: `upgrading` resolves to its stream. It counts as a connection and
    /// has the deadline of the hello from now on. `certificate` is the one that the client has presented, if any, and
    /// `request` what [`ServerOptions::upgrade`] has returned: it may ask for a dialect, and may have come by a proxy. For
    /// `peer`, the address of the client, the limits of an address hold.
    pub fn accept_upgrading<U>(
        &self,
        upgrading: U,
        via: Via,
        certificate: Option<PeerCertificate>,
        request: Option<Request>,
        peer: Option<SocketAddr>,
    ) -> Connection
    where
        U: Future<Output = io::Result<Stream>> + Send + 'static,
    {
        let link = Link::server_upgraded(self.inner.front().link_options());
        let opening = async move { Ok(Opened { stream: upgrading.await?, certificate, request }) };
        let peer = peer.map_or(Peer::Stream("upgraded request"), Peer::Socket);
        attach(self.inner.front(), opening, link, via.into(), peer)
    }

    /// Serves a stream of newline-delimited frames, the framing of stdio (§4).
    pub fn accept_lines(&self, stream: Stream, via: Via) -> Connection {
        attach(
            self.inner.front(),
            opened(stream),
            Link::lines(self.inner.front().link_options()),
            via.into(),
            Peer::Stream("lines"),
        )
    }

    /// Serves the parent process on stdin and stdout of this one (§4), until stdin ends.
    ///
    /// Nothing else may be written to stdout; logs belong on stderr.
    pub async fn serve_stdio(&self) {
        self.accept_lines(D::stdio(), Via::Stdio).ended().await;
    }

    /// Opens a connection within this process and returns the client's end of it, for
    /// [`Client::over`](crate::arcp::Client::over).
    pub fn connect_memory(&self) -> Transport {
        let (ours, theirs) = End::pair(MEMORY_BUFFER);
        let link = Link::lines(self.inner.front().link_options());
        attach(self.inner.front(), opened(Box::pin(ours)), link, Via::Memory.into(), Peer::Stream("this process"));
        Transport::lines(Box::pin(theirs)).written_anywhere()
    }

    /// Returns a connector for [`Client::over`](crate::arcp::Client::over) that always reaches this server.
    pub fn memory_connector(&self) -> impl FnMut() -> std::future::Ready<io::Result<Transport>> + Send + 'static {
        let server = self.clone();
        move || std::future::ready(Ok(server.connect_memory()))
    }

    /// Returns the limits and names the server was built with.
    pub fn config(&self) -> Config {
        self.inner.config.clone()
    }

    /// Returns an estimate of the bytes held by all sessions and jobs.
    pub fn bytes_held(&self) -> usize {
        self.inner.hubs.iter().map(|hub| hub.look(Runtime::bytes_held)).sum()
    }

    /// Returns what the server holds and has counted, for metrics. It visits every session and job, so call it once per
    /// scrape.
    pub fn stats(&self) -> Stats {
        let mut all = Stats::default();
        for hub in &self.inner.hubs {
            all += hub.look(Runtime::stats);
        }
        all
    }

    /// Returns what the server holds and has counted for each of its agents, in the order of their names.
    pub fn agent_stats(&self) -> Vec<AgentStats> {
        let mut all: Vec<AgentStats> = Vec::new();
        for hub in &self.inner.hubs {
            let stats = hub.look(|runtime| runtime.agent_stats().collect::<Vec<_>>());
            if all.is_empty() {
                all = stats;
            } else {
                // Every shard has the same agents.
                all.iter_mut().zip(stats).for_each(|(all, stats)| *all += stats);
            }
        }
        all
    }

    /// Waits until the threads of connections and of the verifier have run a task, and the former have had their machines.
    /// Returns false if the server has ended.
    ///
    /// It does not return while one of the threads hangs, or something holds a machine. A watchdog calls it before it
    /// reports that the server is alive.
    pub async fn responds(&self) -> bool {
        let front = self.inner.front();
        let (ran, hooks) = oneshot::channel();
        front.parts.hooks.spawn(Box::pin(async move {
            // Fails once nothing waits for it.
            let _unasked = ran.send(());
        }));
        for hub in &self.inner.hubs {
            let (looked, machine) = oneshot::channel();
            let on_io = Arc::clone(hub);
            hub.parts.io.spawn(Box::pin(async move {
                on_io.look(|_| ());
                let _unasked = looked.send(());
            }));
            if machine.await.is_err() {
                return false;
            }
        }
        hooks.await.is_ok() && !front.life.stopped.is_cancelled()
    }

    /// Returns how the journal does, or `None` if there is none. The journals of several shards are taken together.
    ///
    /// ```
    /// use nuncio_smol::arcp::Server;
    /// use nuncio_smol::arcp::journal::MemoryJournal;
    /// use nuncio_smol::auth::StaticTokens;
    ///
    /// let tokens = StaticTokens::new().with("secret", "me@example.com");
    /// let server = Server::builder().verifier(tokens).journal(MemoryJournal::new()).build()?;
    /// assert!(server.journal_health().is_some_and(|health| health.failing_for.is_none()));
    /// # Ok::<(), nuncio_smol::arcp::BuildError>(())
    /// ```
    pub fn journal_health(&self) -> Option<JournalHealth> {
        host::journal_health(&self.inner.hubs)
    }

    /// Waits until the journal is lost for good: it was deleted, damaged, or written by another program. Returns why.
    ///
    /// The server ends then by itself, after it has told its sessions so with `session.error` and close code 1011. What was
    /// confirmed before is in the journal; jobs that were running are not ended there.
    pub async fn journal_lost(&self) -> JournalError {
        let life = &self.inner.front().life;
        life.lost.cancelled().await;
        match life.lost_by.get() {
            Some(error) => error.clone(),
            None => std::future::pending().await,
        }
    }

    /// Returns what the server was restored from, or `None` if it has no journal.
    pub fn restored(&self) -> Option<Restored> {
        self.inner.restored
    }

    /// Returns whether a shutdown has begun.
    pub fn is_stopping(&self) -> bool {
        self.inner.front().life.stopping.is_cancelled()
    }

    /// Returns whether the server accepts connections: until it ends, and so also during the drain of a shutdown.
    pub fn accepts_connections(&self) -> bool {
        !self.inner.front().life.ending.is_cancelled()
    }

    /// Shuts the server down: gives running jobs the time `drain` to end, ends those that remain, and closes every socket.
    /// With a journal, it does not end the jobs that go on after a restart, such as those of an agent that declares
    /// [`OnRestart::Rerun`](crate::arcp::OnRestart::Rerun): the next start of the server goes on with them.
    ///
    /// During the drain new submits are refused. Everything else goes on: running jobs delegate, and clients connect to
    /// resume their sessions and to list and cancel jobs. Connections are closed with 1001 after the drain.
    ///
    /// The shutdown goes on if the future is dropped.
    pub async fn shutdown(&self, drain: Duration) -> Shutdown {
        let hubs = self.inner.hubs.clone();
        let (done, drained) = oneshot::channel();
        // On the server's thread, so that it goes on if this future is dropped.
        self.inner.front().parts.io.spawn(Box::pin(async move {
            let outcome = drain_all(&hubs, drain).await;
            end(&hubs).await;
            // The receiver is gone if the future was dropped.
            let _gone = done.send(outcome);
        }));
        // The sender is dropped without a value if the thread has ended, and all tasks with it.
        drained.await.unwrap_or(Shutdown::Aborted)
    }
}

impl<D: Driver> Clone for Server<D> {
    fn clone(&self) -> Server<D> {
        Server { inner: Arc::clone(&self.inner), thread: Arc::clone(&self.thread) }
    }
}

impl<D: Driver> std::fmt::Debug for Server<D> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Server").finish_non_exhaustive()
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        let hubs = self.hubs.clone();
        let front = self.front();
        // No connection is accepted until `end` runs.
        front.life.stopping.cancel();
        front.life.ending.cancel();
        front.parts.io.spawn(Box::pin(async move { end(&hubs).await }));
    }
}

/// Ends a server whose journal is lost.
async fn end_without_journal(hubs: Vec<Arc<Hub>>) {
    let Some(life) = hubs.first().map(|hub| Arc::clone(&hub.life)) else { return };
    or(life.lost.cancelled(), life.stopped.cancelled()).await;
    if life.lost.is_cancelled() {
        end(&hubs).await;
    }
}

/// Gives running jobs a time to end.
async fn drain_all(hubs: &[Arc<Hub>], drain: Duration) -> Shutdown {
    let Some(front) = hubs.first() else { return Shutdown::Drained };
    front.life.stopping.cancel();
    for hub in hubs {
        hub.run(|state, now| state.runtime.shutdown(now));
    }
    let all_drained = front.life.emptied_until(|| hubs.iter().all(|hub| hub.is_drained()));
    let drained = match timeout(&*front.parts.io, drain, all_drained).await {
        Some(()) => Shutdown::Drained,
        None => Shutdown::Aborted,
    };
    // Another call may have ended the jobs that this one has waited for.
    *front.life.outcome.get_or_init(|| drained)
}

/// How long the end of a server waits for its journals.
const LAST_COMMIT: Duration = Duration::from_secs(10);

/// Ends every job and connection, after giving the last frames and records their time.
async fn end(hubs: &[Arc<Hub>]) {
    let Some(front) = hubs.first() else { return };
    front.life.stopping.cancel();
    front.life.ending.cancel();
    for hub in hubs {
        hub.run(|state, now| state.runtime.abort(now));
    }
    // A peer that does not read its last frames is not waited for.
    timeout(&*front.parts.io, linger(front) * 3, front.life.disconnected()).await;
    front.life.stopped.cancel();
    let journals = || hubs.iter().filter_map(|hub| hub.parts.journal.as_ref());
    for journal in journals() {
        journal.send(Order::Stop);
    }
    let ended = async {
        for journal in journals() {
            journal.ended().await;
        }
    };
    // A disk that hangs is not waited for.
    timeout(&*front.parts.io, LAST_COMMIT, ended).await;
}
