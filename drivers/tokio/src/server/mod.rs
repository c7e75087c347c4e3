//! The server: agents, and whoever may ask for them.

mod builder;
mod listen;

use std::collections::VecDeque;
use std::future::Ready;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use nuncio_core::arcp::{Config, ConnId, Via};
use nuncio_link::{Closed, Link, LinkOptions, Request, ServerOptions, Utf8Bytes, code};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::oneshot;
use tokio::time::timeout;
use tracing::{Instrument, debug, info_span};

pub use builder::ServerBuilder;
pub use listen::{ListenOptions, Listening};

use crate::auth::PeerCertificate;
use crate::conn::{self, Patience, Port};
use crate::pipe::Pipe;
use crate::shared::Hub;
use crate::thread::IoThread;

/// A runtime in the sense of the specification: it runs agents for the sessions of its clients.
///
/// It works from [`build`](ServerBuilder::build) on, on threads of its own. Connections come from
/// [`listen`](Server::listen), [`serve_stdio`](Server::serve_stdio), and as streams. When the last clone is dropped
/// everything ends at once: jobs, sessions, connections; [`shutdown`](Server::shutdown) is the graceful way.
#[derive(Clone)]
pub struct Server {
    inner: Arc<Inner>,
}

struct Inner {
    hub: Arc<Hub>,
    io: Arc<IoThread>,
}

/// A connection that was handed to a server.
#[derive(Debug)]
pub struct Connection {
    ended: oneshot::Receiver<()>,
}

impl Connection {
    /// Waits for its end. The connection goes on if this is dropped.
    pub async fn ended(self) {
        // The other half is dropped at the end, whatever it was.
        drop(self.ended.await);
    }
}

impl Server {
    /// A server to be given agents, a verifier, and limits.
    pub fn builder() -> ServerBuilder {
        ServerBuilder::new()
    }

    /// Serves a stream that begins with the HTTP request of a WebSocket upgrade: a socket of one's own, TLS included.
    /// `via` says who could listen to it; credentials are not shown on [`Via::Plain`].
    pub fn accept_websocket<S>(&self, stream: S, via: Via, options: Arc<ServerOptions>) -> Connection
    where
        S: AsyncRead + AsyncWrite + Send + 'static,
    {
        self.attach(stream, Link::server(options), via, "stream")
    }

    /// Serves a WebSocket that somebody else has upgraded: a web framework. Bytes it read beyond the request are lost;
    /// there are none before the 101 is sent.
    pub fn accept_upgraded<S>(&self, stream: S, via: Via) -> Connection
    where
        S: AsyncRead + AsyncWrite + Send + 'static,
    {
        self.attach(stream, Link::server_upgraded(self.link_options()), via, "upgraded stream")
    }

    /// Serves newline-delimited frames, the form of stdio (§4).
    pub fn accept_lines<S>(&self, stream: S, via: Via) -> Connection
    where
        S: AsyncRead + AsyncWrite + Send + 'static,
    {
        self.attach(stream, Link::lines(self.link_options()), via, "lines")
    }

    /// The limits and names the server was built with.
    pub fn config(&self) -> Config {
        self.inner.hub.look(|runtime| runtime.config().clone())
    }

    /// Bytes held by all sessions and jobs; an estimate.
    pub fn bytes_held(&self) -> usize {
        self.inner.hub.look(nuncio_core::arcp::Runtime::bytes_held)
    }

    /// Ends gracefully: takes no connections, sessions and submits any more, lets running jobs come to their end for as
    /// long as `drain`, ends those that did not, and closes every connection (1001). True if no job had to be ended.
    pub async fn shutdown(&self, drain: Duration) -> bool {
        let hub = Arc::clone(&self.inner.hub);
        let io = Arc::clone(&self.inner.io);
        let (done, drained) = oneshot::channel();
        // On the driver's thread, so that it goes on if this future is dropped.
        self.inner.io.spawn(async move {
            hub.stopping.cancel();
            hub.run(|state, now| state.runtime.shutdown(now));
            let drained = timeout(drain, hub.drained()).await.is_ok();
            end(&hub).await;
            // The caller may have gone.
            let _gone = done.send(drained);
            drop(io);
        });
        drained.await.unwrap_or(false)
    }

    fn link_options(&self) -> LinkOptions {
        LinkOptions { max_message: self.inner.hub.look(|runtime| runtime.config().frame_bytes) }
    }

    fn attach<S>(&self, stream: S, link: Link, via: Via, peer: &str) -> Connection
    where
        S: AsyncRead + AsyncWrite + Send + 'static,
    {
        attach(&self.inner.hub, &self.inner.io, open(stream), link, via, peer)
    }

    #[cfg(feature = "hyper")]
    pub(crate) fn is_stopping(&self) -> bool {
        self.inner.hub.stopping.is_cancelled()
    }

    /// Serves a WebSocket that is being upgraded by somebody else.
    #[cfg(feature = "hyper")]
    pub(crate) fn accept_upgrading<S, O>(
        &self,
        upgrading: O,
        via: Via,
        certificate: Option<PeerCertificate>,
        peer: &str,
    ) where
        S: AsyncRead + AsyncWrite + Send + 'static,
        O: Future<Output = io::Result<S>> + Send + 'static,
    {
        let opening = async move { Ok(Opened { stream: upgrading.await?, certificate }) };
        attach(&self.inner.hub, &self.inner.io, opening, Link::server_upgraded(self.link_options()), via, peer);
    }

    pub(crate) fn serve<S>(&self, stream: S, via: Via) -> Connection
    where
        S: AsyncRead + AsyncWrite + Send + 'static,
    {
        self.attach(stream, Link::lines(self.link_options()), via, "this process")
    }
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Server").finish_non_exhaustive()
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        let hub = Arc::clone(&self.hub);
        let io = Arc::clone(&self.io);
        self.io.spawn(async move {
            end(&hub).await;
            drop(io);
        });
    }
}

/// Ends every job and connection, and gives the last frames their time.
async fn end(hub: &Arc<Hub>) {
    hub.stopping.cancel();
    hub.ending.cancel();
    hub.run(|state, now| state.runtime.abort(now));
    let linger = linger(hub);
    // A peer that does not take its last frames is left alone.
    drop(timeout(linger * 3, hub.disconnected()).await);
    hub.stopped.cancel();
}

fn linger(hub: &Hub) -> Duration {
    Duration::from_micros(hub.look(|runtime| runtime.config().linger))
}

/// A stream that bytes can go over, and who is at its other end.
struct Opened<S> {
    stream: S,
    certificate: Option<PeerCertificate>,
}

/// One that needs no handshake.
fn open<S>(stream: S) -> Ready<io::Result<Opened<S>>> {
    std::future::ready(Ok(Opened { stream, certificate: None }))
}

/// Hands a connection to the machine, which from then on counts it and watches over its deadline: one that is still in
/// its handshake is a connection that has not been greeted.
fn attach<S, O>(hub: &Arc<Hub>, io: &IoThread, opening: O, link: Link, via: Via, peer: &str) -> Connection
where
    S: AsyncRead + AsyncWrite + Send + 'static,
    O: Future<Output = io::Result<Opened<S>>> + Send + 'static,
{
    let (done, ended) = oneshot::channel::<()>();
    if hub.ending.is_cancelled() {
        return Connection { ended };
    }
    let pipe = Arc::new(Pipe::default());
    let conn = hub.run(|state, now| {
        let conn = state.runtime.handle_open(now, via);
        state.conns.insert(conn, Arc::clone(&pipe));
        conn
    });
    let span = info_span!("connection", ?conn, peer);
    let port = Arc::new(ServerPort { hub: Arc::clone(hub), conn });
    // The deadline of the upgrade is the machine's: its hello counts from the first byte.
    let patience = Patience { open: None, linger: linger(hub) };
    let over = Arc::clone(hub);
    over.connection_begins();
    io.spawn(
        async move {
            let opened = tokio::select! {
                biased;
                opened = opening => opened,
                () = pipe.closing() => Err(io::Error::new(io::ErrorKind::TimedOut, "there was no handshake in time")),
            };
            match opened {
                Ok(Opened { stream, certificate }) => {
                    if let Some(certificate) = certificate {
                        port.hub.run(|state, _| state.certificates.insert(conn, certificate));
                    }
                    conn::run(stream, link, pipe, port, patience).await;
                }
                Err(error) => port.ended(&conn::lost(&error.to_string())),
            }
            over.connection_is_over();
            drop(done);
        }
        .instrument(span),
    );
    Connection { ended }
}

/// A connection of the runtime machine.
struct ServerPort {
    hub: Arc<Hub>,
    conn: ConnId,
}

impl Port for ServerPort {
    fn opened(&self, request: Option<&Request>) {
        debug!(conn = ?self.conn, host = request.map(|request| &*request.host), "frames can be exchanged");
    }

    fn receive(&self, frames: &mut VecDeque<Utf8Bytes>) {
        self.hub.run(|state, now| {
            while state.runtime.reading(self.conn) {
                let Some(frame) = frames.pop_front() else { break };
                state.runtime.handle_frame(now, self.conn, frame.as_bytes());
            }
        });
    }

    fn spoiled(&self, closed: &Closed) {
        // The frame itself is gone. One with the same fault gets the same answer.
        self.hub.run(|state, now| {
            let bytes = if closed.code == code::TOO_BIG { state.runtime.config().frame_bytes + 1 } else { 1 };
            state.runtime.handle_frame(now, self.conn, &vec![0xff; bytes]);
        });
    }

    fn sent(&self, frames: usize) {
        self.hub.run(|state, now| state.runtime.handle_sent(now, self.conn, frames));
    }

    fn ended(&self, closed: &Closed) {
        debug!(conn = ?self.conn, code = closed.code, reason = closed.reason, "the connection is over");
        self.hub.run(|state, now| {
            state.runtime.handle_close(now, self.conn);
            state.conns.remove(&self.conn);
            state.certificates.remove(&self.conn);
        });
    }
}

/// Starts what goes on until the server's end.
fn begin(hub: &Arc<Hub>, io: &IoThread) {
    io.spawn(Arc::clone(hub).keep_time());
    if hub.provisioner.is_some() {
        hub.hooks.spawn(Arc::clone(hub).record());
    }
}

pub(crate) fn seed() -> Result<[u8; 32], io::Error> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(io::Error::other)?;
    Ok(seed)
}
