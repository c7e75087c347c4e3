//! Connections of a server, from the moment they are accepted.

use std::collections::VecDeque;
use std::future::Ready;
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_channel::oneshot;
use futures_lite::future::or;
use nuncio_core::arcp::{ConnId, Dialect, Via};
use nuncio_link::{Cause, Closed, DialectCheck, Link, Request, Utf8Bytes};
use tracing::{Instrument, debug, debug_span, info};

use crate::arcp::server::hub::Hub;
use crate::arcp::server::peers::Peer;
use crate::auth::PeerCertificate;
use crate::io::conn::{self, Patience};
use crate::io::lane::Lane;
use crate::io::pipe::Pipe;
use crate::io::port::{Port, Turn};
use crate::io::{Sanitized, Stream};

/// A connection that was handed to a server.
#[derive(Debug)]
pub struct Connection {
    ended: oneshot::Receiver<()>,
}

impl Connection {
    /// Waits until the connection has ended. Dropping the `Connection` does not end it.
    pub async fn ended(self) {
        // The sender is dropped without a value.
        let _over = self.ended.await;
    }
}

/// Who could listen to a connection, as far as its socket shows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Carrier {
    pub(crate) via: Via,
    /// Whether all requests come by a proxy.
    pub(crate) behind_proxy: bool,
}

impl From<Via> for Carrier {
    fn from(via: Via) -> Carrier {
        Carrier { via, behind_proxy: false }
    }
}

/// A stream whose handshake is done.
pub(crate) struct Opened {
    pub(crate) stream: Stream,
    /// The certificate that the peer has presented and TLS has verified.
    pub(crate) certificate: Option<PeerCertificate>,
    /// The request, if it was read before.
    pub(crate) request: Option<Request>,
}

/// Accepts the names of all dialects.
pub(crate) fn known_dialects() -> DialectCheck {
    DialectCheck::new(|name| name.parse::<Dialect>().is_ok())
}

/// Returns a stream that needs no handshake.
pub(crate) fn opened(stream: Stream) -> Ready<io::Result<Opened>> {
    std::future::ready(Ok(Opened { stream, certificate: None, request: None }))
}

/// Hands a connection to the machine and carries it to its end, on the server's thread.
///
/// The machine counts the connection from now on and applies the deadline of the hello to it, although `opening` may
/// still have a handshake to do. `carrier` says who could listen to the connection.
pub(crate) fn attach<O>(hub: &Arc<Hub>, opening: O, mut link: Link, carrier: Carrier, peer: Peer) -> Connection
where
    O: Future<Output = io::Result<Opened>> + Send + 'static,
{
    let (done, ended) = oneshot::channel::<()>();
    if hub.ending.is_cancelled() {
        return Connection { ended };
    }
    let pipe = Arc::new(Pipe::default());
    // Behind a proxy, the address is that of the proxy.
    let address = if carrier.behind_proxy { None } else { peer.address() };
    let conn = hub.run(|state, now| state.open(now, carrier.via, address, peer, Arc::clone(&pipe)));
    let span = debug_span!("connection", ?conn, %peer);
    link.restrain(hub.look(|runtime| {
        let limits = &runtime.config().limits;
        limits.hello_bytes.min(limits.frame_bytes)
    }));
    // Behind a pointer, because the task would hold it several times.
    let link = Arc::new(Mutex::new(link));
    let port = Arc::new(ServerPort { hub: Arc::clone(hub), conn, carrier, peer });
    // The machine's deadline for the hello covers the upgrade.
    let patience = Patience { open: None, linger: linger(hub), link: hub.link_options() };
    let over = Arc::clone(hub);
    over.socket_opened();
    let connection = async move {
        let late = async {
            pipe.closing().await;
            Err(io::Error::new(io::ErrorKind::TimedOut, "the handshake took too long"))
        };
        match or(opening, late).await {
            Ok(Opened { stream, certificate, request }) => {
                if let Some(request) = request {
                    port.requested(&request);
                }
                if let Some(certificate) = certificate {
                    port.hub.run(|state, _| state.certify(conn, certificate));
                }
                conn::run(Arc::clone(&over.parts.io), stream, link, pipe, port, patience).await;
            }
            Err(error) => port.not_opened(&error),
        }
        over.socket_closed();
        drop(done);
    };
    hub.parts.io.spawn(Box::pin(connection.instrument(span)));
    Connection { ended }
}

/// How long a connection that is being closed may take for its last frames.
pub(crate) fn linger(hub: &Hub) -> Duration {
    hub.look(|runtime| runtime.config().linger)
}

/// A connection of the runtime machine.
struct ServerPort {
    hub: Arc<Hub>,
    conn: ConnId,
    carrier: Carrier,
    peer: Peer,
}

impl ServerPort {
    /// Passes on what the request says: the dialect, and whether it has come by a proxy.
    fn requested(&self, request: &Request) {
        // The upgrade has refused an unknown one.
        if let Some(Ok(dialect)) = request.dialect().map(str::parse) {
            self.hub.run(|state, now| state.runtime.handle_dialect(now, self.conn, dialect));
        }
        let via = request.via(self.carrier.via, self.carrier.behind_proxy);
        if via != self.carrier.via {
            self.hub.run(|state, now| state.runtime.handle_via(now, self.conn, via));
        }
    }
}

impl ServerPort {
    /// Ends a connection whose handshake has failed.
    fn not_opened(&self, error: &io::Error) {
        let missed = self.hub.run(|state, now| {
            state.close(now, self.conn);
            state.complain()
        });
        if let Some(missed) = missed {
            let (peer, missed) = (self.peer, (missed > 0).then_some(missed));
            info!(%peer, error = %Sanitized(error), missed, "a connection was not opened");
        }
    }
}

impl Port for ServerPort {
    fn opened(&self, request: Option<&Request>) {
        if let Some(request) = request {
            self.requested(request);
        }
        debug!(conn = ?self.conn, host = request.map(|request| &*request.host), "the connection is open");
    }

    fn receive(&self, frames: &mut VecDeque<Utf8Bytes>) -> Turn {
        self.hub.run(|state, now| {
            state.runtime.begin_turn();
            let before = state.runtime.work_done();
            let mut goes_on = false;
            while state.runtime.reading(self.conn) {
                goes_on = state.runtime.is_turn_over();
                let Some(frame) = (if goes_on { None } else { frames.pop_front() }) else { break };
                state.runtime.handle_frame(now, self.conn, frame.as_bytes());
            }
            Turn { goes_on, work: state.runtime.work_done() - before }
        })
    }

    fn lane(&self) -> Option<Arc<Lane>> {
        self.hub.run(|state, _| state.runtime.principal_of(self.conn).map(|principal| state.lanes.of(principal)))
    }

    fn spoiled(&self, closed: &Closed) {
        self.hub.run(|state, now| state.runtime.handle_unreadable(now, self.conn, closed.code));
    }

    fn is_greeted(&self) -> bool {
        self.hub.look(|runtime| runtime.is_greeted(self.conn))
    }

    fn is_reading(&self) -> bool {
        self.hub.look(|runtime| runtime.reading(self.conn))
    }

    fn unread(&self, bytes: usize) {
        self.hub.run(|state, now| state.runtime.handle_buffered(now, self.conn, bytes));
    }

    fn lingers(&self) -> bool {
        self.hub.has_spare_sockets()
    }

    fn sent(&self, frames: usize) {
        self.hub.run(|state, now| state.runtime.handle_sent(now, self.conn, frames));
    }

    fn ended(&self, closed: &Closed) {
        let peer = self.peer;
        let missed = self.hub.run(|state, now| {
            state.close(now, self.conn);
            matches!(closed.cause, Cause::Refused { .. } | Cause::Fault).then(|| state.complain()).flatten()
        });
        let Closed { cause, code, reason } = closed;
        let Some(missed) = missed else {
            debug!(conn = ?self.conn, code, reason, "the connection has ended");
            return;
        };
        let missed = (missed > 0).then_some(missed);
        match cause {
            Cause::Refused { status } => info!(%peer, status, reason, missed, "a request over HTTP was refused"),
            _ => info!(%peer, code, reason, missed, "a connection has ended with a fault of its peer"),
        }
    }
}
