use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use futures_lite::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use futures_rustls::TlsAcceptor;
use futures_rustls::rustls::ServerConfig;
use futures_rustls::rustls::crypto::ring::default_provider;
use futures_rustls::rustls::pki_types::PrivatePkcs8KeyDer;
use nuncio_shared::auth::{Authorities, ClientTls};
use smol::Async;

use super::caracal::{ApplicationId, BearerToken, Caracal, CaracalBuilder, TokenSource, ZoneId};

/// A request that the server has received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    /// The number of its connection.
    pub(crate) connection: usize,
    /// The method and the target.
    pub(crate) line: String,
    headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Seen {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(held, _)| held == name).map(|(_, value)| &**value)
    }
}

/// What the server does about a request.
#[derive(Clone, Debug)]
pub(crate) enum Answer {
    Reply {
        status: u16,
        headers: &'static str,
        body: String,
    },
    /// Closes the connection without an answer.
    Close,
    /// Answers, and closes the connection without saying so before.
    ReplyAndClose(u16, String),
    /// Never answers.
    Hang,
}

pub(crate) fn reply(status: u16, body: impl Into<String>) -> Answer {
    Answer::Reply { status, headers: "", body: body.into() }
}

/// An HTTP/1.1 server, independent of the code under test.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    scheme: &'static str,
    seen: Arc<Mutex<Vec<Seen>>>,
    changed: Arc<event::Changed>,
    _task: smol::Task<()>,
}

/// Wakes those who wait for another request.
mod event {
    use std::sync::Mutex;
    use std::task::{Poll, Waker};

    #[derive(Default)]
    pub(crate) struct Changed(Mutex<Vec<Waker>>);

    impl Changed {
        pub(crate) fn notify(&self) {
            self.0.lock().unwrap().drain(..).for_each(Waker::wake);
        }

        pub(crate) async fn wait<T>(&self, mut look: impl FnMut() -> Option<T>) -> T {
            std::future::poll_fn(|cx| {
                self.0.lock().unwrap().push(cx.waker().clone());
                look().map_or(Poll::Pending, Poll::Ready)
            })
            .await
        }
    }
}

impl Server {
    /// Starts a server that answers with what `answer` returns for each request, which is given its number.
    pub(crate) fn start(answer: impl Fn(usize, &Seen) -> Answer + Send + Sync + 'static) -> Server {
        Server::serve("http", None, Arc::new(answer))
    }

    /// Starts a server with TLS, and returns the configuration of the clients that trust its certificate.
    pub(crate) fn start_tls(answer: impl Fn(usize, &Seen) -> Answer + Send + Sync + 'static) -> (Server, ClientTls) {
        let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
        let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
        let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .and_then(|builder| {
                builder.with_no_client_auth().with_single_cert(vec![made.cert.der().clone()], key.into())
            });
        let acceptor = TlsAcceptor::from(Arc::new(config.unwrap()));
        let trusted = Authorities::from_pem(made.cert.pem().as_bytes()).unwrap();
        (Server::serve("https", Some(acceptor), Arc::new(answer)), ClientTls::new(trusted).unwrap())
    }

    fn serve(scheme: &'static str, tls: Option<TlsAcceptor>, answer: Arc<Script>) -> Server {
        let listener = Async::<TcpListener>::bind(([127, 0, 0, 1], 0)).unwrap();
        let address = listener.get_ref().local_addr().unwrap();
        let (seen, changed) = (Arc::new(Mutex::new(Vec::new())), Arc::new(event::Changed::default()));
        let shared = Shared { answer, seen: Arc::clone(&seen), changed: Arc::clone(&changed) };
        let connections = AtomicUsize::new(0);
        let task = smol::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let connection = connections.fetch_add(1, Ordering::Relaxed);
                let (shared, tls) = (shared.clone(), tls.clone());
                smol::spawn(async move {
                    match tls {
                        None => shared.serve(connection, stream).await,
                        // A client that does not trust the certificate goes away.
                        Some(tls) => {
                            if let Ok(stream) = tls.accept(stream).await {
                                shared.serve(connection, stream).await;
                            }
                        }
                    }
                })
                .detach();
            }
        });
        Server { address, scheme, seen, changed, _task: task }
    }

    /// Starts a coordinator that opens sessions `s-1`, `s-2`, … and edges `e-1`, `e-2`, ….
    pub(crate) fn coordinator() -> Server {
        let (sessions, edges) = (AtomicUsize::new(0), AtomicUsize::new(0));
        Server::start(move |_, request| coordinator_answer(&sessions, &edges, request))
    }

    pub(crate) fn url(&self) -> String {
        format!("{}://{}", self.scheme, self.address)
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    /// Returns the methods and targets of all requests.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.seen().into_iter().map(|seen| seen.line).collect()
    }

    /// Waits until there were this many requests.
    pub(crate) async fn await_requests(&self, count: usize) -> Vec<Seen> {
        self.changed.wait(|| Some(self.seen()).filter(|seen| seen.len() >= count)).await
    }
}

/// Answers as a coordinator of 0.1 does that is asked for nothing wrong.
pub(crate) fn coordinator_answer(sessions: &AtomicUsize, edges: &AtomicUsize, request: &Seen) -> Answer {
    let next = |count: &AtomicUsize| count.fetch_add(1, Ordering::Relaxed) + 1;
    match request.line.split_once(' ').unwrap() {
        ("POST", path) if path.ends_with("/agents") => reply(201, format!(r#"{{"id":"s-{}"}}"#, next(sessions))),
        ("POST", path) if path.ends_with("/delegations") => {
            reply(201, format!(r#"{{"id":"e-{}","scopes":["read"]}}"#, next(edges)))
        }
        ("DELETE", _) => reply(204, ""),
        ("PATCH", _) => reply(200, r#"{"revoked_edges":1,"affected_sessions":1,"terminated_agents":1}"#),
        ("GET", _) => reply(200, r#"{"items":[{"id":"e-7","status":"active"}]}"#),
        (method, path) => panic!("{method} {path}"),
    }
}

/// Returns the answer to a request with this number.
type Script = dyn Fn(usize, &Seen) -> Answer + Send + Sync;

#[derive(Clone)]
struct Shared {
    answer: Arc<Script>,
    seen: Arc<Mutex<Vec<Seen>>>,
    changed: Arc<event::Changed>,
}

impl Shared {
    async fn serve(self, connection: usize, mut stream: impl AsyncRead + AsyncWrite + Unpin) {
        let mut bytes = Vec::new();
        while let Some(request) = read(connection, &mut stream, &mut bytes).await {
            let number = {
                let mut seen = self.seen.lock().unwrap();
                seen.push(request.clone());
                seen.len() - 1
            };
            self.changed.notify();
            let (status, headers, body, closes) = match (self.answer)(number, &request) {
                Answer::Reply { status, headers, body } => (status, headers, body, false),
                Answer::ReplyAndClose(status, body) => (status, "", body, true),
                Answer::Close => return,
                Answer::Hang => std::future::pending().await,
            };
            let length = if status == 204 { String::new() } else { format!("content-length: {}\r\n", body.len()) };
            let text = format!("HTTP/1.1 {status} X\r\n{headers}{length}\r\n{body}");
            if stream.write_all(text.as_bytes()).await.is_err() || stream.flush().await.is_err() || closes {
                return;
            }
        }
    }
}

/// Reads a request. The bytes that follow it stay in `bytes`.
async fn read(connection: usize, stream: &mut (impl AsyncRead + Unpin), bytes: &mut Vec<u8>) -> Option<Seen> {
    let mut buffer = [0; 4096];
    loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
            let mut lines = head.split("\r\n");
            let line = lines.next().unwrap().strip_suffix(" HTTP/1.1").unwrap().to_owned();
            let headers: Vec<(String, String)> = lines
                .map(|line| line.split_once(": ").unwrap())
                .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
                .collect();
            let length = headers.iter().find(|(name, _)| name == "content-length");
            let length: usize = length.map_or(0, |(_, value)| value.parse().unwrap());
            let all = end + 4 + length;
            if bytes.len() >= all {
                let body = String::from_utf8(bytes[end + 4..all].to_vec()).unwrap();
                bytes.drain(..all);
                return Some(Seen { connection, line, headers, body });
            }
        }
        match stream.read(&mut buffer).await {
            Ok(0) | Err(_) => return None,
            Ok(count) => bytes.extend_from_slice(&buffer[..count]),
        }
    }
}

pub(crate) fn builder(coordinator: &str) -> CaracalBuilder {
    Caracal::builder(coordinator, ZoneId::new("z1").unwrap(), ApplicationId::new("app-a").unwrap())
}

pub(crate) fn token(text: &str) -> BearerToken {
    BearerToken::new(text).unwrap()
}

/// Returns another application of a coordinator.
pub(crate) fn named(coordinator: &Server, name: &str) -> Caracal {
    let builder = Caracal::builder(&coordinator.url(), ZoneId::new("z1").unwrap(), ApplicationId::new(name).unwrap());
    builder.token(TokenSource::fixed(token("jwt-placeholder"))).build().unwrap()
}

/// Returns an application of a coordinator with a fixed token.
pub(crate) fn application(coordinator: &Server) -> Caracal {
    builder(&coordinator.url()).token(TokenSource::fixed(token("jwt-placeholder"))).build().unwrap()
}
