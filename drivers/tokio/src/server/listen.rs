use std::io;
use std::net::{SocketAddr, TcpListener as StdListener};
use std::sync::Arc;
use std::time::Duration;

use nuncio_link::{HostPolicy, Link, OriginPolicy, ServerOptions};
use nuncio_shared::driver::Io as _;
use nuncio_shared::{CancellationToken, Connection, Door, Via};
use tokio::net::{TcpListener, TcpStream, ToSocketAddrs};
use tokio_util::compat::TokioAsyncReadCompatExt as _;
use tracing::{info, warn};

use super::Server;

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
        accepts.link = self.shared.link_options();
        if let Some(path) = options.path {
            accepts.path = path;
        }
        if let Some(origins) = options.origins {
            accepts.origins = origins;
        }
        let url = format!("ws://{}{}", reachable(address), accepts.path);
        let accepting = Accepting {
            door: self.shared.door(),
            options: Arc::new(accepts),
            via: options.via,
            stop: CancellationToken::new(),
            stopping: self.shared.stopping(),
        };
        let stop = accepting.stop.clone();
        let listener = {
            let _driver = self.io.handle().enter();
            TcpListener::from_std(listener)?
        };
        self.io.spawn(Box::pin(async move {
            while let Some((stream, peer)) = accepting.next(&listener).await {
                if accepting.attach(stream, peer).is_none() {
                    break;
                }
            }
        }));
        info!(%address, "listening");
        Ok(Listening { address, url, stop })
    }
}

struct Accepting {
    door: Door,
    options: Arc<ServerOptions>,
    via: Option<Via>,
    stop: CancellationToken,
    stopping: CancellationToken,
}

impl Accepting {
    /// The next connection; `None` when there are to be no more.
    async fn next(&self, listener: &TcpListener) -> Option<(TcpStream, SocketAddr)> {
        /// Without file descriptors or memory, trying again at once would only burn the processor.
        const PAUSE: Duration = Duration::from_millis(50);
        loop {
            let accepted = tokio::select! {
                () = self.stop.cancelled() => return None,
                () = self.stopping.cancelled() => return None,
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

    /// `None` once the server is gone.
    fn attach(&self, stream: TcpStream, peer: SocketAddr) -> Option<Connection> {
        // It only costs latency if the system does not want to.
        drop(stream.set_nodelay(true));
        let via = self.via.unwrap_or(if peer.ip().to_canonical().is_loopback() { Via::Loopback } else { Via::Plain });
        let link = Link::server(Arc::clone(&self.options));
        self.door.attach(Box::pin(stream.compat()), link, via, &peer.to_string())
    }
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
