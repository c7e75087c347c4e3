//! A coordinator on HTTP/1.1, with hyper.

use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hyper::body::{Body as _, Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode, header};
use hyper_util::rt::{TokioIo, TokioTimer};
#[cfg(feature = "tls")]
use nuncio_shared::auth::ServerTls;
use nuncio_shared::caracal::{HttpRequest, Reply};
use nuncio_shared::io::{Address, CancellationToken, Complaints, Place, Places, Sanitized, reachable};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
#[cfg(feature = "tls")]
use tokio_util::compat::FuturesAsyncReadCompatExt as _;
use tracing::{debug, info, warn};

use super::Coordinator;
use crate::IdleLimit;

/// What a [`CoordinatorServer`] takes from a connection.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct HttpLimits {
    /// Connections at the same time. Another one ends the oldest on which no request is under way, and waits if there is none.
    /// Default: 1024.
    pub connections: usize,
    /// Bytes of the head of a request, at least 8 KiB. Default: 32 KiB.
    pub head_bytes: usize,
    /// Bytes of the body of a request. Default: 64 KiB.
    pub body_bytes: usize,
    /// The time for the handshake of TLS. Default: 10 s.
    pub handshake_timeout: Duration,
    /// The time from one answer to the end of the next request's head. Default: 75 s.
    pub head_timeout: Duration,
    /// The time for the body of a request. Default: 10 s.
    pub body_timeout: Duration,
    /// The time for an answer, in which the records before it become durable. Default: 30 s.
    pub answer_timeout: Duration,
}

impl Default for HttpLimits {
    fn default() -> HttpLimits {
        HttpLimits {
            connections: 1_024,
            head_bytes: 32 << 10,
            body_bytes: 64 << 10,
            handshake_timeout: Duration::from_secs(10),
            head_timeout: Duration::from_secs(75),
            body_timeout: Duration::from_secs(10),
            answer_timeout: Duration::from_secs(30),
        }
    }
}

impl HttpLimits {
    /// The time in which a byte has to move on a connection, so that a peer which does not read its answer is left.
    fn idle(&self) -> Duration {
        self.head_timeout.max(self.body_timeout) + self.answer_timeout
    }
}

/// The smallest buffer that hyper takes.
const MIN_HEAD_BYTES: usize = 8 << 10;

/// A coordinator that is served on a TCP socket. Dropping it ends its connections at once.
///
/// Without TLS, client secrets and tokens are sent in clear: beyond this machine use `listen_tls` (feature `tls`), or put a
/// proxy with TLS in front of it.
///
/// ```
/// use nuncio_tokio::caracal::{Coordinator, CoordinatorServer, HttpLimits, Secret};
///
/// # #[tokio::main]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let coordinator = Coordinator::builder().application("app-a", Secret::new("s3cret")).start()?;
/// let server = CoordinatorServer::listen(coordinator.clone(), "127.0.0.1:0", HttpLimits::default()).await?;
/// println!("CARACAL_COORDINATOR_URL={}", server.url());
/// server.stop().await;
/// coordinator.close().await;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct CoordinatorServer {
    address: SocketAddr,
    is_tls: bool,
    stop: CancellationToken,
    /// The task that accepts connections. It ends when all of them have.
    accepting: JoinSet<()>,
}

impl CoordinatorServer {
    /// Listens on an address, and serves the coordinator there on the runtime of the caller.
    pub async fn listen(
        coordinator: Coordinator,
        address: impl Into<Address>,
        limits: HttpLimits,
    ) -> io::Result<CoordinatorServer> {
        let security = Security::default();
        CoordinatorServer::serve(
            address.into(),
            Serving { coordinator, limits, security, stop: CancellationToken::new(), complaints: complaints() },
        )
        .await
    }

    /// Does the same for `https://`, with this certificate.
    #[cfg(feature = "tls")]
    pub async fn listen_tls(
        coordinator: Coordinator,
        address: impl Into<Address>,
        limits: HttpLimits,
        tls: ServerTls,
    ) -> io::Result<CoordinatorServer> {
        let security = Security { tls: Some(tls) };
        CoordinatorServer::serve(
            address.into(),
            Serving { coordinator, limits, security, stop: CancellationToken::new(), complaints: complaints() },
        )
        .await
    }

    async fn serve(address: Address, serving: Serving) -> io::Result<CoordinatorServer> {
        let listener = match address {
            Address::Sockets(addresses) => TcpListener::bind(&*addresses).await?,
            Address::Name(name) => TcpListener::bind(name).await?,
        };
        let (address, stop, is_tls) = (listener.local_addr()?, serving.stop.clone(), serving.security.is_tls());
        let mut accepting = JoinSet::new();
        accepting.spawn(accept(listener, Arc::new(serving)));
        Ok(CoordinatorServer { address, is_tls, stop, accepting })
    }

    /// Returns the address. If the port was given as 0, it has the one that the system has chosen.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns the URL for clients on this machine, such as `http://127.0.0.1:4000`, or `https://…` with TLS.
    pub fn url(&self) -> String {
        format!("{}://{}", if self.is_tls { "https" } else { "http" }, reachable(self.address))
    }

    /// Accepts no more connections and requests, and waits until those that are under way are answered.
    pub async fn stop(mut self) {
        self.stop.cancel();
        while self.accepting.join_next().await.is_some() {}
    }
}

/// What all connections need.
struct Serving {
    coordinator: Coordinator,
    limits: HttpLimits,
    security: Security,
    stop: CancellationToken,
    /// The lines about refusals, which clients cause.
    complaints: Mutex<Complaints>,
}

/// Bounds the refusals that are logged to 20 a second.
fn complaints() -> Mutex<Complaints> {
    Mutex::new(Complaints::new(20))
}

/// The TLS of a server, if it has some.
#[derive(Default)]
struct Security {
    #[cfg(feature = "tls")]
    tls: Option<ServerTls>,
}

impl Security {
    #[cfg(feature = "tls")]
    const fn is_tls(&self) -> bool {
        self.tls.is_some()
    }

    #[cfg(not(feature = "tls"))]
    #[expect(clippy::unused_self, reason = "it has a field with the feature tls")]
    const fn is_tls(&self) -> bool {
        false
    }
}

/// The pause after the system has refused a connection, such as for lack of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How long a connection may take to end by itself if no request of it is under way.
const STOP_GRACE: Duration = Duration::from_secs(1);

async fn accept(listener: TcpListener, serving: Arc<Serving>) {
    let mut connections = JoinSet::new();
    let mut complaints = Complaints::new(1);
    let mut places = Places::new(serving.limits.connections);
    'accepting: loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            // Those that have ended are forgotten.
            Some(_) = connections.join_next() => continue,
            () = serving.stop.cancelled() => break,
        };
        let (socket, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                if let Some(missed) = complaints.next() {
                    warn!(error = %Sanitized(&error), missed, "a connection could not be accepted");
                }
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        while connections.len() >= places.max() {
            places.displace();
            tokio::select! {
                _ = connections.join_next() => {}
                () = serving.stop.cancelled() => break 'accepting,
            }
        }
        connections.spawn(connected(socket, peer, Arc::clone(&serving), places.admit()));
    }
    drop(listener);
    places.end_all();
    while connections.join_next().await.is_some() {}
}

async fn connected(socket: TcpStream, peer: SocketAddr, serving: Arc<Serving>, place: Arc<Place>) {
    // Without the option, answers are delayed and nothing else goes wrong.
    drop(socket.set_nodelay(true));
    let socket = IdleLimit::new(socket, serving.limits.idle(), std::future::pending());
    #[cfg(feature = "tls")]
    if let Some(tls) = &serving.security.tls {
        let shaken = tokio::time::timeout(serving.limits.handshake_timeout, tls.shake_hands(crate::stream(socket)));
        let shaken = tokio::select! {
            shaken = shaken => shaken,
            () = place.ended() => return,
        };
        return match shaken {
            Ok(Ok((stream, _))) => serve(stream.compat(), peer, serving, place).await,
            Ok(Err(error)) => debug!(error = %Sanitized(&error), "a connection has no TLS"),
            Err(_) => debug!("a connection has no TLS in time"),
        };
    }
    serve(socket, peer, serving, place).await;
}

async fn serve(
    socket: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    peer: SocketAddr,
    serving: Arc<Serving>,
    place: Arc<Place>,
) {
    let limits = serving.limits;
    let asked = Arc::clone(&place);
    let service = service_fn(move |request: Request<Incoming>| {
        let (serving, asked) = (Arc::clone(&serving), Arc::clone(&asked));
        async move {
            asked.set_busy(true);
            let (method, path) = (request.method().clone(), request.uri().path().to_owned());
            let response = serving.respond(request).await;
            serving.log(peer, method.as_str(), &path, response.status());
            asked.set_busy(false);
            Ok::<_, std::convert::Infallible>(response)
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head_timeout)
        .max_buf_size(limits.head_bytes.max(MIN_HEAD_BYTES))
        .serve_connection(TokioIo::new(socket), service);
    let mut connection = pin!(connection);
    let ended = tokio::select! {
        ended = &mut connection => ended,
        () = place.ended() => {
            connection.as_mut().graceful_shutdown();
            match tokio::time::timeout(STOP_GRACE, &mut connection).await {
                Ok(ended) => ended,
                Err(_) if place.is_busy() => connection.await,
                // It may never get a request.
                Err(_) => return,
            }
        }
    };
    if let Err(error) = ended {
        debug!(error = %Sanitized(&error), "a connection has ended");
    }
}

impl Serving {
    /// Logs a request that was refused.
    fn log(&self, peer: SocketAddr, method: &str, path: &str, status: StatusCode) {
        if !status.is_client_error() && !status.is_server_error() {
            return;
        }
        let missed = self.complaints.lock().unwrap_or_else(PoisonError::into_inner).next();
        let Some(missed) = missed else { return };
        let (status, missed) = (status.as_u16(), (missed > 0).then_some(missed));
        match status {
            401 | 403 => warn!(%peer, method, path, status, missed, "a client was refused"),
            _ => info!(%peer, method, path, status, missed, "a request was refused"),
        }
    }

    async fn respond(&self, request: Request<Incoming>) -> Response<String> {
        let (head, body) = request.into_parts();
        let mut headers = Vec::with_capacity(head.headers.len());
        for (name, value) in &head.headers {
            match std::str::from_utf8(value.as_bytes()) {
                Ok(value) => headers.push((name.as_str(), value)),
                Err(_) => return fault(StatusCode::BAD_REQUEST, "invalid_header"),
            }
        }
        let body = match tokio::time::timeout(self.limits.body_timeout, collect(body, self.limits.body_bytes)).await {
            Ok(Ok(body)) => body,
            Ok(Err(Incomplete::TooLarge)) => return last(fault(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large")),
            Ok(Err(Incomplete::Broken)) => return last(fault(StatusCode::BAD_REQUEST, "incomplete_body")),
            Err(_) => return last(fault(StatusCode::REQUEST_TIMEOUT, "request_timeout")),
        };
        let target = head.uri.path_and_query().map_or("/", |target| target.as_str());
        let request = HttpRequest { method: head.method.as_str(), target, headers: &headers, body: &body };
        match tokio::time::timeout(self.limits.answer_timeout, self.coordinator.answer(&request)).await {
            Ok(reply) => written(&reply),
            Err(_) => written(&Reply::unavailable()),
        }
    }
}

/// Why a body is not there.
enum Incomplete {
    TooLarge,
    Broken,
}

async fn collect(mut body: Incoming, limit: usize) -> Result<Vec<u8>, Incomplete> {
    let mut bytes = Vec::new();
    while let Some(frame) = std::future::poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await {
        let data: Bytes = match frame.map_err(|_| Incomplete::Broken)?.into_data() {
            Ok(data) => data,
            // Trailers say nothing here.
            Err(_) => continue,
        };
        if bytes.len() + data.len() > limit {
            return Err(Incomplete::TooLarge);
        }
        bytes.extend_from_slice(&data);
    }
    Ok(bytes)
}

fn written(reply: &Reply) -> Response<String> {
    let mut response = Response::new(reply.body().unwrap_or_default().to_owned());
    *response.status_mut() = StatusCode::from_u16(reply.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    for field in reply.headers() {
        let name = header::HeaderName::from_static(field.name());
        match header::HeaderValue::from_str(field.value().expose()) {
            Ok(value) => drop(response.headers_mut().insert(name, value)),
            // The machine writes no value that a header cannot have.
            Err(_) => return fault(StatusCode::INTERNAL_SERVER_ERROR, "internal_error"),
        }
    }
    response
}

/// An answer to what is not a request that the coordinator can read.
fn fault(status: StatusCode, code: &str) -> Response<String> {
    let mut response = Response::new(format!(r#"{{"error":"{code}"}}"#));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/json; charset=utf-8"));
    response
}

/// The last answer of a connection, because the rest of the request was not read.
fn last(mut response: Response<String>) -> Response<String> {
    response.headers_mut().insert(header::CONNECTION, header::HeaderValue::from_static("close"));
    response
}
