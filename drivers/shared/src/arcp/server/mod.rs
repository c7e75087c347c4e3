//! The server: agents, and whoever may ask for them.

use std::collections::VecDeque;
use std::future::Ready;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use futures_channel::oneshot;
use futures_lite::future::or;
use nuncio_core::arcp::{Config, ConnId, Restored, Stats, Via};
use nuncio_link::{Closed, Link, LinkOptions, Request, Utf8Bytes};
use tracing::{Instrument, debug, info_span};

pub(crate) mod builder;
pub(crate) mod effect;
pub(crate) mod hub;
pub(crate) mod listen;
mod memory;
mod outputs;
pub(crate) mod provision;

use crate::arcp::journal::Order;
use crate::arcp::server::hub::Hub;
use crate::auth::PeerCertificate;
use crate::io::conn::{self, Patience, Port};
use crate::io::pipe::Pipe;
use crate::io::sync::CancellationToken;
use crate::io::{Io, Stream, timeout};

/// A runtime in the sense of the specification: it runs agents for the sessions of its clients.
///
/// It works from the moment it is built, on threads of its own. Connections come from its driver. When the last clone is
/// dropped everything ends at once: jobs, sessions, connections; [`shutdown`](Server::shutdown) is the graceful way.
#[derive(Clone)]
pub struct Server {
    inner: Arc<Inner>,
}

struct Inner {
    hub: Arc<Hub>,
    restored: Option<Restored>,
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
        let _over = self.ended.await;
    }
}

impl Server {
    pub(crate) fn begin(hub: Arc<Hub>, restored: Option<Restored>) -> Server {
        hub.io.spawn(Box::pin(Arc::clone(&hub).keep_time()));
        // What a restored runtime has to say.
        hub.run(|_, _| ());
        Server { inner: Arc::new(Inner { hub, restored }) }
    }

    /// The limits and names the server was built with.
    pub fn config(&self) -> Config {
        self.inner.hub.look(|runtime| runtime.config().clone())
    }

    /// Bytes held by all sessions and jobs; an estimate.
    pub fn bytes_held(&self) -> usize {
        self.inner.hub.look(nuncio_core::arcp::Runtime::bytes_held)
    }

    /// What the server holds and has counted, for metrics. It looks at every session and job: once per scrape.
    pub fn stats(&self) -> Stats {
        self.inner.hub.look(nuncio_core::arcp::Runtime::stats)
    }

    /// What the server was restored from; `None` without a journal.
    pub fn restored(&self) -> Option<Restored> {
        self.inner.restored
    }

    /// Ends gracefully: takes no connections, sessions and submits any more, lets running jobs come to their end for as
    /// long as `drain`, ends those that did not, and closes every connection (1001). True if no job had to be ended.
    pub async fn shutdown(&self, drain: Duration) -> bool {
        let hub = Arc::clone(&self.inner.hub);
        let (done, drained) = oneshot::channel();
        // On the driver's thread, so that it goes on if this future is dropped.
        self.inner.hub.io.spawn(Box::pin(async move {
            hub.stopping.cancel();
            hub.run(|state, now| state.runtime.shutdown(now));
            let drained = timeout(&*hub.io, drain, hub.drained()).await.is_some();
            end(&hub).await;
            // The caller may have gone.
            let _gone = done.send(drained);
        }));
        drained.await.unwrap_or(false)
    }

    /// For a driver: the limits its links have.
    pub fn link_options(&self) -> LinkOptions {
        LinkOptions { max_message: self.inner.hub.look(|runtime| runtime.config().limits.frame_bytes) }
    }

    pub(crate) fn io(&self) -> &Arc<dyn Io> {
        &self.inner.hub.io
    }

    /// For a driver: cancelled when no more connections are to be accepted.
    pub fn stopping(&self) -> CancellationToken {
        self.inner.hub.stopping.clone()
    }

    /// For a driver: carries a connection to its end. `via` says who could listen to it; `peer` is for the log.
    pub fn attach(&self, stream: Stream, link: Link, via: Via, peer: &str) -> Connection {
        attach(&self.inner.hub, open(stream), link, via, peer)
    }

    /// For a driver: the same for one whose handshake is still to come. It counts as a connection and has the deadline of
    /// the hello from now on.
    pub fn attach_opening<O>(&self, opening: O, link: Link, via: Via, peer: &str) -> Connection
    where
        O: Future<Output = io::Result<Opened>> + Send + 'static,
    {
        attach(&self.inner.hub, opening, link, via, peer)
    }

    /// For a driver: what accepts connections for as long as the server is there, and does not keep it.
    pub fn door(&self) -> Door {
        Door { hub: Arc::downgrade(&self.inner.hub), server: Arc::downgrade(&self.inner) }
    }
}

/// Lets connections in to a server that it does not keep alive.
#[derive(Clone)]
pub struct Door {
    hub: std::sync::Weak<Hub>,
    server: std::sync::Weak<Inner>,
}

impl Door {
    /// [`Server::attach`]; `None` once the server is gone.
    pub fn attach(&self, stream: Stream, link: Link, via: Via, peer: &str) -> Option<Connection> {
        self.attach_opening(open(stream), link, via, peer)
    }

    /// [`Server::attach_opening`]; `None` once the server is gone.
    pub fn attach_opening<O>(&self, opening: O, link: Link, via: Via, peer: &str) -> Option<Connection>
    where
        O: Future<Output = io::Result<Opened>> + Send + 'static,
    {
        // A server that is being dropped takes nobody any more.
        let _server = self.server.upgrade()?;
        self.hub.upgrade().map(|hub| attach(&hub, opening, link, via, peer))
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
        self.hub.io.spawn(Box::pin(async move { end(&hub).await }));
    }
}

/// How long the end of a server waits for its journal.
const LAST_COMMIT: Duration = Duration::from_secs(10);

/// Ends every job and connection, and gives the last frames their time.
async fn end(hub: &Arc<Hub>) {
    hub.stopping.cancel();
    hub.ending.cancel();
    hub.run(|state, now| state.runtime.abort(now));
    // A peer that does not take its last frames is left alone.
    timeout(&*hub.io, linger(hub) * 3, hub.disconnected()).await;
    hub.stopped.cancel();
    if let Some(keeper) = &hub.keeper {
        keeper.order(Order::Stop);
        // A disk that hangs holds nobody up for ever.
        timeout(&*hub.io, LAST_COMMIT, keeper.ended()).await;
    }
}

fn linger(hub: &Hub) -> Duration {
    hub.look(|runtime| runtime.config().linger)
}

/// A stream that bytes can go over, and who is at its other end.
pub struct Opened {
    /// The stream.
    pub stream: Stream,
    /// What the other end has shown, and TLS has verified.
    pub certificate: Option<PeerCertificate>,
}

/// One that needs no handshake.
fn open(stream: Stream) -> Ready<io::Result<Opened>> {
    std::future::ready(Ok(Opened { stream, certificate: None }))
}

/// Hands a connection to the machine, which from then on counts it and watches over its deadline: one that is still in
/// its handshake is a connection that has not been greeted.
fn attach<O>(hub: &Arc<Hub>, opening: O, link: Link, via: Via, peer: &str) -> Connection
where
    O: Future<Output = io::Result<Opened>> + Send + 'static,
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
    let connection = async move {
        let late = async {
            pipe.closing().await;
            Err(io::Error::new(io::ErrorKind::TimedOut, "there was no handshake in time"))
        };
        match or(opening, late).await {
            Ok(Opened { stream, certificate }) => {
                if let Some(certificate) = certificate {
                    port.hub.run(|state, _| state.certificates.insert(conn, certificate));
                }
                conn::run(Arc::clone(&over.io), stream, link, pipe, port, patience).await;
            }
            Err(error) => port.ended(&conn::lost(&error.to_string())),
        }
        over.connection_is_over();
        drop(done);
    };
    hub.io.spawn(Box::pin(connection.instrument(span)));
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
        self.hub.run(|state, now| state.runtime.handle_unreadable(now, self.conn, closed.code));
    }

    fn sent(&self, frames: usize) {
        self.hub.run(|state, now| state.runtime.handle_sent(now, self.conn, frames));
    }

    fn ended(&self, closed: &Closed) {
        debug!(conn = ?self.conn, code = closed.code, reason = closed.reason, "the connection is over");
        self.hub.run(|state, now| {
            state.runtime.handle_close(now, self.conn);
            state.conns.remove(&self.conn);
            state.discard(self.conn);
            state.certificates.remove(&self.conn);
        });
    }
}

pub(crate) fn seed() -> Result<[u8; 32], io::Error> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(io::Error::other)?;
    Ok(seed)
}
