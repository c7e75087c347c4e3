//! Connections of a server, from the moment they are accepted.

use std::collections::VecDeque;
use std::future::Ready;
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_channel::oneshot;
use futures_lite::future::or;
use nuncio_core::arcp::{ConnId, Dialect, Runtime, Via};
use nuncio_core::time::Time;
use nuncio_link::{Cause, Closed, DialectCheck, Link, Request, Utf8Bytes};
use tracing::{Instrument, Span, debug, debug_span, info};

use super::dispatch::State;
use super::hub::Hub;
use super::life::Life;
use super::peers::Peer;
use super::relocation::Relocation;
use crate::auth::PeerCertificate;
use crate::io::conn::{Carried, Patience};
use crate::io::lane::Lane;
use crate::io::pipe::Pipe;
use crate::io::port::{Greeting, Port, Turn};
use crate::io::{Io, Sanitized, Stream};

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
    if hub.life.ending.is_cancelled() {
        return Connection { ended };
    }
    let pipe = Arc::new(Pipe::default());
    // Behind a proxy, the address is that of the proxy.
    let address = if carrier.behind_proxy { None } else { peer.address() };
    let conn = hub.run(|state, now| state.open(now, carrier.via, address, peer, Arc::clone(&pipe)));
    let relocation = hub.siblings.begins(conn);
    let span = debug_span!("connection", ?conn, %peer);
    link.restrain(hub.look(|runtime| {
        let limits = &runtime.config().limits;
        limits.hello_bytes.min(limits.frame_bytes)
    }));
    // Behind a pointer, because the task would hold it several times.
    let link = Arc::new(Mutex::new(link));
    let open = Open::new(hub, done);
    let port = Arc::new(ServerPort { hub: Arc::clone(hub), conn, relocation, carrier, peer, _open: open });
    // The machine's deadline for the hello covers the upgrade.
    let patience = Patience { open: None, linger: linger(hub), link: hub.link_options() };
    let carrying = span.clone();
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
                    port.hub.run(|state, _| state.conns.certify(conn, certificate));
                }
                let io = Arc::clone(&port.hub.parts.io);
                // A task of its own, so that nothing is left of the handshake.
                carry(Carried::new(stream, link, pipe, port, patience), io, carrying);
            }
            Err(error) => port.not_opened(&error),
        }
    };
    hub.parts.io.spawn(Box::pin(connection.instrument(span)));
    Connection { ended }
}

/// Carries a connection to its end, on one thread or another.
fn carry(mut connection: Carried<ServerPort>, io: Arc<dyn Io>, span: Span) {
    let (on, inside) = (Arc::clone(&io), span.clone());
    let carrying = async move {
        if let Some(next) = connection.run(&io).await {
            carry(connection, next, inside);
        }
    };
    on.spawn(Box::pin(carrying.instrument(span)));
}

/// A connection whose last byte has not been written yet.
struct Open {
    life: Arc<Life>,
    /// Dropped at the end.
    _done: oneshot::Sender<()>,
}

impl Open {
    fn new(hub: &Hub, done: oneshot::Sender<()>) -> Open {
        hub.life.socket_opened();
        Open { life: Arc::clone(&hub.life), _done: done }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.life.socket_closed();
    }
}

/// How long a connection that is being closed may take for its last frames.
pub(crate) fn linger(hub: &Hub) -> Duration {
    hub.look(|runtime| runtime.config().linger)
}

/// A connection of the runtime machine.
struct ServerPort {
    /// The shard in which the connection has begun, and its name there.
    hub: Arc<Hub>,
    conn: ConnId,
    /// Where it is now, if there are other shards.
    relocation: Option<Arc<Relocation<Hub>>>,
    carrier: Carrier,
    peer: Peer,
    /// Dropped with the connection.
    _open: Open,
}

impl ServerPort {
    /// Returns the shard in which the connection is, and its name there.
    fn place(&self) -> (&Arc<Hub>, ConnId) {
        match self.relocation.as_ref().and_then(|relocation| relocation.seat()) {
            Some(seat) => (&seat.hub, seat.conn),
            None => (&self.hub, self.conn),
        }
    }

    /// Gives the machine that has the connection an input.
    fn run<R>(&self, input: impl FnOnce(&mut State, Time, ConnId) -> R) -> R {
        let (hub, conn) = self.place();
        hub.run(|state, now| input(state, now, conn))
    }

    /// Reads from the machine that has the connection.
    fn look<R>(&self, look: impl FnOnce(&Runtime, ConnId) -> R) -> R {
        let (hub, conn) = self.place();
        hub.look(|runtime| look(runtime, conn))
    }

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
        self.hub.siblings.ends(self.conn);
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
        debug!(conn = ?self.place().1, host = request.map(|request| &*request.host), "the connection is open");
    }

    fn receive(&self, frames: &mut VecDeque<Utf8Bytes>) -> Turn {
        self.run(|state, now, conn| {
            state.runtime.begin_turn();
            let before = state.runtime.work_done();
            let mut goes_on = false;
            while state.runtime.reading(conn) {
                goes_on = state.runtime.is_turn_over();
                let Some(frame) = (if goes_on { None } else { frames.pop_front() }) else { break };
                state.runtime.handle_frame(now, conn, frame.as_bytes());
            }
            Turn { goes_on, work: state.runtime.work_done() - before }
        })
    }

    fn lane(&self) -> Option<Arc<Lane>> {
        self.run(|state, _, conn| state.runtime.principal_of(conn).map(|principal| state.lanes.of(principal)))
    }

    fn spoiled(&self, closed: &Closed) {
        self.run(|state, now, conn| state.runtime.handle_unreadable(now, conn, closed.code));
    }

    fn greeting(&self) -> Greeting {
        self.look(|runtime, conn| {
            if runtime.is_greeted(conn) {
                Greeting::Done
            } else if runtime.reading(conn) {
                Greeting::Awaited
            } else {
                Greeting::InDoubt
            }
        })
    }

    fn unread(&self, bytes: usize) {
        self.run(|state, now, conn| state.runtime.handle_buffered(now, conn, bytes));
    }

    fn lingers(&self) -> bool {
        self.hub.life.has_spare_sockets()
    }

    fn sent(&self, frames: usize) {
        self.run(|state, now, conn| state.runtime.handle_sent(now, conn, frames));
    }

    fn moves_to(&self) -> Option<Arc<dyn Io>> {
        self.relocation.as_ref()?.news().map(|seat| Arc::clone(&seat.hub.parts.io))
    }

    fn ended(&self, closed: &Closed) {
        if let Some(relocation) = &self.relocation {
            relocation.end();
            self.hub.siblings.ends(self.conn);
        }
        let peer = self.peer;
        let missed = self.run(|state, now, conn| {
            state.close(now, conn);
            matches!(closed.cause, Cause::Refused { .. } | Cause::Fault).then(|| state.complain()).flatten()
        });
        let Closed { cause, code, reason } = closed;
        let Some(missed) = missed else {
            debug!(conn = ?self.place().1, code, reason, "the connection has ended");
            return;
        };
        let missed = (missed > 0).then_some(missed);
        match cause {
            Cause::Refused { status } => info!(%peer, status, reason, missed, "a request over HTTP was refused"),
            _ => info!(%peer, code, reason, missed, "a connection has ended with a fault of its peer"),
        }
    }
}
