//! The live page of a server, on an address of its own or as routes of an axum application.
//!
//! ```no_run
//! use nuncio_tokio::arcp::{Failure, JobContext, ListenOptions, Server};
//! use nuncio_tokio::auth::StaticTokens;
//! use nuncio_tokio::console::ConsoleServer;
//!
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! async fn echo(input: String, _: JobContext) -> Result<String, Failure> {
//!     Ok(input)
//! }
//!
//! let server = Server::builder().verifier(StaticTokens::new().with("secret", "me")).agent("echo", echo).build()?;
//! let console = ConsoleServer::listen(&server, "127.0.0.1:7778", ListenOptions::default()).await?;
//! println!("open {} and log in with the token", console.url());
//! # Ok(())
//! # }
//! ```
//!
//! A browser that shows the page is an ordinary client. It sends a token in its hello, and sees and does what the policy
//! lets its principal see and do.
//!
//! # Origins
//!
//! A browser names the page that opens a WebSocket in the header `Origin`. The address of the console accepts its own page
//! only: the origin has to be the host and port that the request itself names. So the page works under each name and behind
//! each proxy that keeps the `Host`, pages of other sites are refused before they can try a token, and which pages may
//! connect to the other addresses of the server does not change. No cookie is set or read, so that a page of another site
//! could do nothing in the name of a user who has logged in.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::body::{Body, Bytes, Frame, Incoming, SizeHint};
use hyper::header::{HeaderName, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode, header};
use hyper_util::rt::{TokioIo, TokioTimer};
use nuncio_link::{HostPolicy, OriginPolicy};
use nuncio_shared::arcp::{ListenOptions, Via};
use nuncio_shared::auth::PeerCertificate;
use nuncio_shared::io::{Address, Complaints, Places, Sanitized, for_small_port, reachable};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
#[cfg(feature = "tls")]
use tokio_util::compat::FuturesAsyncReadCompatExt as _;
use tracing::{debug, warn};

use crate::arcp::{MountOptions, Server, upgrade};

pub use nuncio_shared::console::{Reply, answer, paths};

/// The time that a connection has for everything before it is a WebSocket: TLS, requests and answers.
const LIFETIME: Duration = Duration::from_secs(30);
/// The bytes of a request's head.
const HEAD_BYTES: usize = 16 << 10;
/// The headers of a request.
const HEADERS: usize = 100;
/// The pause after the system has refused a connection, such as for lack of file descriptors.
const PAUSE: Duration = Duration::from_millis(100);
/// The path of the WebSocket, beside the page.
const ENDPOINT: &str = "/arcp";

/// The live page of a server on an address of its own, with the WebSocket that it uses at `/arcp`. Dropping it closes the
/// socket; each WebSocket that is open goes on and ends with the server.
///
/// There are at most 64 connections that carry no WebSocket, or [fewer](nuncio_shared::io::for_small_port) if this process may
/// open few files, each for at most 30 s: another one displaces the oldest. For a WebSocket the limits of the server hold.
#[derive(Debug)]
pub struct ConsoleServer {
    address: SocketAddr,
    is_tls: bool,
    _accepting: JoinSet<()>,
}

impl ConsoleServer {
    /// Listens on an address, and serves the page there on the runtime of the caller. The options are those of
    /// [`Server::listen_with`], except that the path is `/arcp`, and that by default the page itself may connect.
    pub async fn listen(
        server: &Server,
        address: impl Into<Address>,
        options: ListenOptions,
    ) -> io::Result<ConsoleServer> {
        let listener = match address.into() {
            Address::Sockets(addresses) => TcpListener::bind(&*addresses).await?,
            Address::Name(name) => TcpListener::bind(name).await?,
        };
        let address = listener.local_addr()?;
        let hosts = options.hosts.unwrap_or(if address.ip().to_canonical().is_loopback() {
            HostPolicy::Loopback
        } else {
            HostPolicy::Any
        });
        let mount = MountOptions::new(hosts).origins(options.origins.unwrap_or(OriginPolicy::SameHost));
        let serving = Serving {
            server: server.clone(),
            mount: if options.behind_proxy { mount.behind_proxy() } else { mount },
            via: options.via,
            #[cfg(feature = "tls")]
            tls: options.tls,
        };
        let is_tls = serving.is_tls();
        let mut accepting = JoinSet::new();
        accepting.spawn(accept(listener, Arc::new(serving)));
        Ok(ConsoleServer { address, is_tls, _accepting: accepting })
    }

    /// Returns the address. If the port was given as 0, it has the one that the system has chosen.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns the URL for browsers on this machine, such as `http://127.0.0.1:7778/`.
    pub fn url(&self) -> String {
        format!("{}://{}/", if self.is_tls { "https" } else { "http" }, reachable(self.address))
    }
}

/// Returns routes with the page, and the WebSocket that it uses at `/arcp` beside it, for an axum application. The page is at
/// `/`; below another path, [nest](axum::Router::nest) the routes under a path that ends with a slash, such as `/console/`.
///
/// [`MountOptions`] say which hosts and pages may connect: with [`OriginPolicy::SameHost`] only the page itself.
///
/// ```
/// use nuncio_tokio::arcp::{MountOptions, OriginPolicy, Server};
///
/// # fn app(server: Server) -> Result<axum::Router, Box<dyn std::error::Error>> {
/// let options = MountOptions::for_hosts(["agents.example"])?.origins(OriginPolicy::SameHost);
/// let app = axum::Router::new().nest("/console/", nuncio_tokio::console::router(server, options));
/// # Ok(app)
/// # }
/// ```
#[cfg(feature = "axum")]
pub fn router<S>(server: Server, options: MountOptions) -> axum::Router<S>
where
    S: Clone + Send + Sync + 'static,
{
    let mut router = axum::Router::new().route(ENDPOINT, crate::arcp::axum::handler_with(server, options));
    for path in paths() {
        let file =
            move |request: axum::extract::Request| async move { page(&request, path).map(axum::body::Body::new) };
        router = router.route(path, axum::routing::any(file));
    }
    router
}

/// What all connections need.
struct Serving {
    server: Server,
    mount: MountOptions,
    via: Option<Via>,
    #[cfg(feature = "tls")]
    tls: Option<nuncio_shared::auth::ServerTls>,
}

async fn accept(listener: TcpListener, serving: Arc<Serving>) {
    // For connections that carry no WebSocket.
    let mut places = Places::new(for_small_port());
    let mut connections = JoinSet::new();
    let mut complaints = Complaints::new(1);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            // Those that have ended are forgotten.
            Some(_) = connections.join_next() => continue,
        };
        match accepted {
            Ok((socket, peer)) => {
                let (serving, place) = (Arc::clone(&serving), places.admit());
                connections.spawn(async move {
                    tokio::select! {
                        () = serving.connected(socket, peer) => {}
                        () = tokio::time::sleep(LIFETIME) => {}
                        () = place.ended() => {}
                    }
                });
            }
            Err(error) => {
                if let Some(missed) = complaints.next() {
                    warn!(error = %Sanitized(&error), missed, "a connection to the console could not be accepted");
                }
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

impl Serving {
    #[cfg(feature = "tls")]
    const fn is_tls(&self) -> bool {
        self.tls.is_some()
    }

    #[cfg(not(feature = "tls"))]
    #[expect(clippy::unused_self, reason = "it has a field with the feature tls")]
    const fn is_tls(&self) -> bool {
        false
    }

    /// Serves a connection until it has ended or is a WebSocket.
    async fn connected(&self, socket: TcpStream, peer: SocketAddr) {
        // Without the option, answers are delayed and nothing else goes wrong.
        drop(socket.set_nodelay(true));
        #[cfg(feature = "tls")]
        if let Some(tls) = &self.tls {
            return match tls.shake_hands(crate::stream(socket)).await {
                Ok((stream, certificate)) => self.serve(stream.compat(), peer, Via::Tls, certificate).await,
                Err(error) => debug!(error = %Sanitized(&error), "a connection to the console has no TLS"),
            };
        }
        let is_loopback = peer.ip().to_canonical().is_loopback();
        self.serve(socket, peer, if is_loopback { Via::Loopback } else { Via::Plain }, None).await;
    }

    async fn serve(
        &self,
        socket: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
        peer: SocketAddr,
        via: Via,
        certificate: Option<PeerCertificate>,
    ) {
        let mut mount = self.mount.clone().via(self.via.unwrap_or(via)).peer(peer);
        if let Some(certificate) = certificate {
            mount = mount.certificate(certificate);
        }
        let service = service_fn(|mut request: Request<Incoming>| {
            let response = if request.uri().path() == ENDPOINT {
                upgrade(&self.server, &mut request, &mount).map(|text| Page(Some(text.into())))
            } else {
                let path = request.uri().path().to_owned();
                page(&request, &path)
            };
            std::future::ready(Ok::<_, Infallible>(response))
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(LIFETIME)
            .max_buf_size(HEAD_BYTES)
            .max_headers(HEADERS)
            .serve_connection(TokioIo::new(socket), service)
            .with_upgrades();
        if let Err(error) = connection.await {
            debug!(error = %Sanitized(&error), "a connection to the console has ended");
        }
    }
}

/// Answers a request for the page. `path` is that within the page.
fn page<B>(request: &Request<B>, path: &str) -> Response<Page> {
    let tags = request.headers().get(header::IF_NONE_MATCH).and_then(|tags| tags.to_str().ok());
    let reply = answer(request.method().as_str(), path, tags);
    let mut response = Response::new(Page((!reply.body().is_empty()).then(|| Bytes::from_static(reply.body()))));
    *response.status_mut() = StatusCode::from_u16(reply.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    for (name, value) in reply.headers() {
        // The headers are constants and numbers.
        if let Ok(value) = HeaderValue::from_str(&value) {
            response.headers_mut().insert(HeaderName::from_static(name), value);
        }
    }
    response
}

/// A body that is sent in one piece.
struct Page(Option<Bytes>);

impl Body for Page {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.0.take().map(|bytes| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.0.as_ref().map_or(0, |bytes| bytes.len() as u64))
    }
}
