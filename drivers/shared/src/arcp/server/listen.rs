//! Listening sockets of a server.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Weak};
use std::time::Duration;

use futures_lite::future::or;
use nuncio_core::arcp::Via;
use nuncio_link::{HostPolicy, Link, OriginPolicy, ServerOptions};
use tracing::{info, warn};

#[cfg(feature = "tls")]
use super::connection::Opened;
use super::connection::{Carrier, Connection, attach, known_dialects, opened};
use super::hub::Hub;
use super::peers::Peer;
#[cfg(feature = "tls")]
use crate::auth::tls::ServerTls;
use crate::io::clock::sleep;
use crate::io::sync::CancellationToken;
use crate::io::{Accept, Complaints, Io, Sanitized, Stream, reachable};

/// How WebSocket is served on a socket, and for which requests. Each field has a default that suits most servers.
#[derive(Clone, Debug, Default)]
pub struct ListenOptions {
    /// The path of the endpoint. Default: `/arcp`.
    pub path: Option<String>,
    /// The hosts that a request may name. Default: on a loopback address the names of this machine, elsewhere any. A server
    /// that trusts its network should list its names, against DNS rebinding.
    pub hosts: Option<HostPolicy>,
    /// The web pages that may connect. Default: none.
    pub origins: Option<OriginPolicy>,
    /// Who could listen to the connections. Default: [`Via::Loopback`] for peers on this machine, [`Via::Plain`] for
    /// others. A request that has come by a proxy is [`Via::Tls`] if a proxy on this machine says that all of its way was
    /// encrypted, and otherwise [`Via::Plain`]: headers such as `Forwarded` and `X-Forwarded-Proto` show it.
    pub via: Option<Via>,
    /// Whether all requests come by a proxy, on any machine, which is believed. A request without such a header is then
    /// [`Via::Plain`]. The proxy has to set `X-Forwarded-Proto` or `Forwarded` itself, or clients could. Default: false.
    pub behind_proxy: bool,
    /// The TLS configuration, for a `wss://` URL. Connections are then [`Via::Tls`] by default. Default: no TLS.
    #[cfg(feature = "tls")]
    pub tls: Option<ServerTls>,
}

/// A listening socket of a server. Dropping the `Listening` does not close it; it is open until [`stop`](Listening::stop)
/// or the end of the server.
#[derive(Debug)]
pub struct Listening {
    address: SocketAddr,
    url: String,
    stop: CancellationToken,
}

impl Listening {
    /// Returns the address. If the port was given as 0, it has the one that the system has chosen.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns the URL for clients on this machine, such as `ws://127.0.0.1:7777/arcp`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Accepts no more connections on this socket. Accepted ones go on.
    pub fn stop(&self) {
        self.stop.cancel();
    }
}

/// Serves WebSocket on a listening socket, on the server's thread.
pub(crate) fn serve<A: Accept>(hub: &Arc<Hub>, socket: A, address: SocketAddr, options: ListenOptions) -> Listening {
    let hosts = options.hosts.unwrap_or(if address.ip().to_canonical().is_loopback() {
        HostPolicy::Loopback
    } else {
        HostPolicy::Any
    });
    let mut accepts = ServerOptions::new(hosts);
    accepts.link = hub.link_options();
    accepts.dialects = known_dialects();
    if let Some(path) = options.path {
        accepts.path = path;
    }
    if let Some(origins) = options.origins {
        accepts.origins = origins;
    }
    #[cfg(feature = "tls")]
    let scheme = if options.tls.is_some() { "wss" } else { "ws" };
    #[cfg(not(feature = "tls"))]
    let scheme = "ws";
    let url = format!("{scheme}://{}{}", reachable(address), accepts.path);
    let stop = CancellationToken::new();
    let accepting = Accepting {
        socket,
        hub: Arc::downgrade(hub),
        io: Arc::clone(&hub.parts.io),
        options: Arc::new(accepts),
        via: options.via,
        behind_proxy: options.behind_proxy,
        #[cfg(feature = "tls")]
        tls: options.tls,
        stop: stop.clone(),
        ending: hub.life.ending.clone(),
        complaints: Complaints::new(1),
    };
    hub.life.socket_opened();
    hub.parts.io.spawn(Box::pin(accepting.run()));
    info!(%address, "listening");
    Listening { address, url, stop }
}

struct Accepting<A> {
    socket: A,
    hub: Weak<Hub>,
    io: Arc<dyn Io>,
    options: Arc<ServerOptions>,
    via: Option<Via>,
    behind_proxy: bool,
    #[cfg(feature = "tls")]
    tls: Option<ServerTls>,
    stop: CancellationToken,
    ending: CancellationToken,
    complaints: Complaints,
}

impl<A: Accept> Accepting<A> {
    async fn run(mut self) {
        while let Some((stream, peer)) = self.next().await {
            let Some(hub) = self.hub.upgrade() else { break };
            if hub.life.has_sockets() {
                self.attach(&hub, stream, peer);
            } else if let Some(missed) = self.complaints.next() {
                // Dropping the stream closes it.
                warn!(%peer, missed, "a connection was refused: the process has too few file descriptors; raise its limit");
            }
        }
        let hub = self.hub.clone();
        // The socket is closed before a shutdown returns.
        drop(self);
        if let Some(hub) = hub.upgrade() {
            hub.life.socket_closed();
        }
    }

    fn attach(&self, hub: &Arc<Hub>, stream: Stream, peer: SocketAddr) -> Connection {
        let link = Link::server(Arc::clone(&self.options));
        let name = Peer::Socket(peer);
        #[cfg(feature = "tls")]
        if let Some(tls) = self.tls.clone() {
            let opening = async move {
                let (stream, certificate) = tls.shake_hands(stream).await?;
                Ok(Opened { stream, certificate, request: None })
            };
            return attach(hub, opening, link, self.carrier(Via::Tls), name);
        }
        let loopback = peer.ip().to_canonical().is_loopback();
        let carrier = self.carrier(if loopback { Via::Loopback } else { Via::Plain });
        attach(hub, opened(stream), link, carrier, name)
    }

    fn carrier(&self, via: Via) -> Carrier {
        Carrier { via: self.via.unwrap_or(via), behind_proxy: self.behind_proxy }
    }

    /// Returns the next connection, or `None` once the socket or the server is to stop.
    async fn next(&mut self) -> Option<(Stream, SocketAddr)> {
        /// After an error such as a lack of file descriptors, another attempt right away would fail as well.
        const PAUSE: Duration = Duration::from_millis(50);
        loop {
            let stopped = async {
                or(self.stop.cancelled(), self.ending.cancelled()).await;
                None
            };
            match or(stopped, async { Some(self.socket.accept().await) }).await? {
                Ok(connection) => return Some(connection),
                Err(error) if is_of_the_peer(&error) => {}
                Err(error) => {
                    if let Some(missed) = self.complaints.next() {
                        warn!(error = %Sanitized(&error), missed, "a connection could not be accepted");
                    }
                    sleep(&*self.io, PAUSE).await;
                }
            }
        }
    }
}

/// Whether the peer was gone before its connection was accepted.
fn is_of_the_peer(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionRefused
    )
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::pin::pin;
    use std::sync::Mutex;
    use std::task::{Context, Poll, Waker};

    use super::*;
    use crate::io::BoxFuture;
    use crate::io::by_hand::ByHand;
    use crate::io::logged::logged;
    use crate::io::memory::End;
    use crate::io::sync::lock;

    /// A socket whose accepts end like this, one after the other.
    struct Scripted(Mutex<VecDeque<Result<(), io::ErrorKind>>>);

    impl Accept for Scripted {
        fn address(&self) -> io::Result<SocketAddr> {
            Ok(([127, 0, 0, 1], 7777).into())
        }

        fn accept(&self) -> BoxFuture<'_, io::Result<(Stream, SocketAddr)>> {
            let next = lock(&self.0).pop_front();
            Box::pin(async move {
                match next {
                    Some(Ok(())) => Ok((Box::pin(End::pair(1).0) as Stream, ([127, 0, 0, 1], 1).into())),
                    Some(Err(kind)) => Err(kind.into()),
                    None => std::future::pending().await,
                }
            })
        }
    }

    fn accepting(io: &Arc<ByHand>, accepts: &[Result<(), io::ErrorKind>]) -> Accepting<Scripted> {
        Accepting {
            socket: Scripted(Mutex::new(accepts.iter().copied().collect())),
            hub: Weak::new(),
            io: Arc::<ByHand>::clone(io),
            options: Arc::new(ServerOptions::new(HostPolicy::Loopback)),
            via: None,
            behind_proxy: false,
            #[cfg(feature = "tls")]
            tls: None,
            stop: CancellationToken::new(),
            ending: CancellationToken::new(),
            complaints: Complaints::new(1),
        }
    }

    fn poll<T>(future: impl Future<Output = T>) -> Poll<T> {
        pin!(future).poll(&mut Context::from_waker(Waker::noop()))
    }

    #[test]
    fn peers_that_are_gone_before_they_are_accepted_are_passed_over_at_once() {
        let gone = [io::ErrorKind::ConnectionAborted, io::ErrorKind::ConnectionReset, io::ErrorKind::ConnectionRefused];
        let io = Arc::new(ByHand::default());
        let mut accepting = accepting(&io, &[&gone.map(Err)[..], &[Ok(())]].concat());
        let said = logged(|| assert!(matches!(poll(accepting.next()), Poll::Ready(Some(_)))));
        assert_eq!((said.as_str(), io.timers().len()), ("", 0));
    }

    /// Another attempt at once would only keep the processor busy.
    #[test]
    fn after_another_error_there_is_a_pause_and_one_line_a_second() {
        let io = Arc::new(ByHand::default());
        let mut accepting = accepting(&io, &[Err(io::ErrorKind::OutOfMemory), Err(io::ErrorKind::OutOfMemory)]);
        let line = logged(|| assert!(poll(accepting.next()).is_pending()));
        assert!(line.contains("WARN") && line.contains("a connection could not be accepted"), "{line}");
        assert_eq!(io.timers().len(), 1, "it waits");
        accepting.complaints = Complaints::new(0);
        assert_eq!(logged(|| assert!(poll(accepting.next()).is_pending())), "");
        assert_eq!(io.timers().len(), 2);
    }

    #[test]
    fn nothing_is_accepted_once_the_socket_or_the_server_stops() {
        let io = Arc::new(ByHand::default());
        let stops: [fn(&Accepting<Scripted>); 2] = [|socket| socket.stop.cancel(), |socket| socket.ending.cancel()];
        for stop in stops {
            let mut accepting = accepting(&io, &[Ok(())]);
            stop(&accepting);
            assert!(matches!(poll(accepting.next()), Poll::Ready(None)));
        }
        assert!(poll(accepting(&io, &[Ok(())]).run()).is_ready(), "the server is gone");
    }
}
