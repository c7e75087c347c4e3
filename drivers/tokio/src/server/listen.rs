use std::io;
use std::net::{SocketAddr, TcpListener as StdListener};
use std::sync::Arc;
use std::time::Duration;

use nuncio_core::arcp::Via;
use nuncio_link::{HostPolicy, Link, OriginPolicy, ServerOptions};
use tokio::net::{TcpListener, TcpStream, ToSocketAddrs};
#[cfg(feature = "tls")]
use tokio_rustls::{TlsAcceptor, server::TlsStream};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

#[cfg(feature = "tls")]
use super::Opened;
use super::{Server, attach, open};
#[cfg(feature = "tls")]
use crate::auth::PeerCertificate;
use crate::shared::Hub;
use crate::thread::IoThread;
#[cfg(feature = "tls")]
use crate::tls::ServerTls;

/// Where and for whom a WebSocket is served.
#[derive(Clone, Debug, Default)]
pub struct ListenOptions {
    /// The path of the endpoint. Default `/arcp`.
    pub path: Option<String>,
    /// Which `Host` a request may name. Default: on a loopback address those of this machine, elsewhere any; a server
    /// that trusts its network should list its names against DNS rebinding.
    pub hosts: Option<HostPolicy>,
    /// Which web pages may connect. Default: none.
    pub origins: Option<OriginPolicy>,
    /// Who could listen to the connections. Default: [`Via::Loopback`] for peers on this machine, else [`Via::Plain`].
    /// Behind a proxy that ends TLS, [`Via::Tls`].
    pub via: Option<Via>,
    /// Speaks TLS: the URL is a `wss://` one, and connections are [`Via::Tls`] unless `via` says otherwise.
    #[cfg(feature = "tls")]
    pub tls: Option<ServerTls>,
}

/// A socket that is listened on. It goes on when this is dropped, until the server ends.
#[derive(Debug)]
pub struct Listening {
    address: SocketAddr,
    url: String,
    stop: CancellationToken,
}

impl Listening {
    /// The address, with the port that the system chose if 0 was asked for.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What a client on this machine connects to, such as `ws://127.0.0.1:7777/arcp`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Takes no more connections here; those that are there go on.
    pub fn stop(&self) {
        self.stop.cancel();
    }
}

impl Server {
    /// Serves WebSocket on a TCP address, at `/arcp`.
    pub async fn listen(&self, address: impl ToSocketAddrs) -> io::Result<Listening> {
        self.listen_with(address, ListenOptions::default()).await
    }

    /// Serves WebSocket on a TCP address.
    pub async fn listen_with(&self, address: impl ToSocketAddrs, options: ListenOptions) -> io::Result<Listening> {
        // Resolved and bound here, then carried by the driver's thread, whose sockets belong to its own reactor.
        let listener = TcpListener::bind(address).await?.into_std()?;
        self.listen_on(listener, options)
    }

    /// Serves WebSocket on a socket that listens already: from systemd, say.
    pub fn listen_on(&self, listener: StdListener, options: ListenOptions) -> io::Result<Listening> {
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let hosts = options.hosts.unwrap_or(if address.ip().to_canonical().is_loopback() {
            HostPolicy::Loopback
        } else {
            HostPolicy::Any
        });
        let mut accepts = ServerOptions::new(hosts);
        accepts.link = self.link_options();
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
        let stop = self.inner.hub.stopping.child_token();
        let accepting = Accepting {
            hub: Arc::clone(&self.inner.hub),
            options: Arc::new(accepts),
            via: options.via,
            #[cfg(feature = "tls")]
            tls: options.tls.map(|tls| TlsAcceptor::from(tls.config)),
            stop: stop.clone(),
        };
        let listener = {
            let _driver = self.inner.io.handle().enter();
            TcpListener::from_std(listener)?
        };
        let io = Arc::downgrade(&self.inner.io);
        self.inner.io.spawn(async move {
            let next = || accepting.next(&listener);
            while let Some((stream, peer)) = next().await {
                let Some(io) = io.upgrade() else { break };
                accepting.attach(&io, stream, peer);
            }
        });
        info!(%address, "listening");
        Ok(Listening { address, url, stop })
    }
}

struct Accepting {
    hub: Arc<Hub>,
    options: Arc<ServerOptions>,
    via: Option<Via>,
    #[cfg(feature = "tls")]
    tls: Option<TlsAcceptor>,
    stop: CancellationToken,
}

impl Accepting {
    /// The next connection; `None` when there are to be no more.
    async fn next(&self, listener: &TcpListener) -> Option<(TcpStream, SocketAddr)> {
        /// Without file descriptors or memory, trying again at once would only burn the processor.
        const PAUSE: Duration = Duration::from_millis(50);
        loop {
            let accepted = tokio::select! {
                () = self.stop.cancelled() => return None,
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok(connection) => return Some(connection),
                Err(error) if is_of_the_peer(&error) => {}
                Err(error) => {
                    warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }

    fn attach(&self, io: &IoThread, stream: TcpStream, peer: SocketAddr) {
        // It only costs latency if the system does not want to.
        drop(stream.set_nodelay(true));
        let link = Link::server(Arc::clone(&self.options));
        let name = peer.to_string();
        #[cfg(feature = "tls")]
        if let Some(tls) = &self.tls {
            let handshake = shake_hands(tls.accept(stream));
            attach(&self.hub, io, handshake, link, self.via.unwrap_or(Via::Tls), &name);
            return;
        }
        let via = self.via.unwrap_or(if peer.ip().to_canonical().is_loopback() { Via::Loopback } else { Via::Plain });
        attach(&self.hub, io, open(stream), link, via, &name);
    }
}

/// The handshake of TLS; its deadline is the one of the hello.
#[cfg(feature = "tls")]
async fn shake_hands(accept: tokio_rustls::Accept<TcpStream>) -> io::Result<Opened<TlsStream<TcpStream>>> {
    let stream = accept.await?;
    let certificate = stream.get_ref().1.peer_certificates().and_then(<[_]>::first);
    let certificate = certificate.map(|certificate| PeerCertificate::verified(&**certificate));
    Ok(Opened { stream, certificate })
}

/// Whether a connection was gone before it was accepted.
fn is_of_the_peer(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionRefused
    )
}

/// The address as one can connect to it: an unspecified one is this machine's.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address {
        SocketAddr::V4(v4) if v4.ip().is_unspecified() => std::net::Ipv4Addr::LOCALHOST.into(),
        SocketAddr::V6(v6) if v6.ip().is_unspecified() => std::net::Ipv6Addr::LOCALHOST.into(),
        SocketAddr::V4(_) | SocketAddr::V6(_) => address.ip(),
    };
    SocketAddr::new(ip, address.port())
}
