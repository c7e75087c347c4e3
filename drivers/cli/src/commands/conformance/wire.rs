//! A connection that sends and receives frames as they are, valid or not.
//!
//! It is no ARCP client: nothing is checked, repeated or resumed. WebSocket pings and, unless a check says otherwise, pings of
//! the session are answered, because a check may wait on another connection.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use futures_lite::{AsyncReadExt as _, AsyncWriteExt as _};
use nuncio_tokio::Tokio;
use nuncio_tokio::arcp::HostPolicy;
use nuncio_tokio::auth::{Authorities, ClientTls};
use nuncio_tokio::io::{Stream, connect};
use nuncio_tokio::link::{Cause, ClientOptions, Closed, Link, LinkEvent, ServerOptions};
use serde_json::{Value, json};
use tokio::time::{Instant, timeout, timeout_at};

use super::finding::{Judged, broken};
use super::frame::kind;
use super::transcript::{Direction, Transcript};
use crate::error::of_web_server;

/// The longest frame that is received.
const MAX_FRAME: usize = 64 << 20;

/// The frames of all connections of a check.
pub(super) type Log = Rc<RefCell<Transcript>>;

/// What came of waiting for a frame.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Arrival {
    Frame(Value),
    /// A message that is no JSON object.
    Garbage,
    /// The connection has ended; the code of the close frame, if one came.
    Ended(Option<u16>),
    /// Nothing came in time.
    Silence,
}

/// How a connection has ended: the code of the close frame, if one came.
#[derive(Clone, Copy)]
struct Goodbye(Option<u16>);

pub(super) struct Wire {
    link: Link,
    stream: Stream,
    log: Log,
    connection: usize,
    patience: Duration,
    sent: u32,
    ended: Option<Goodbye>,
    /// Whether pings of the session are answered.
    pub(super) answers_pings: bool,
    /// The session, once there is one.
    pub(super) session_id: String,
    /// All frames received so far, in order.
    pub(super) seen: Vec<Value>,
}

impl Wire {
    /// Connects to a runtime, without a hello.
    ///
    /// Errors: [`Unsupported`](std::io::ErrorKind::Unsupported) if the server answers with another HTTP status than that of a
    /// WebSocket.
    pub(super) async fn dial(
        url: &ClientOptions,
        tls: Option<&ClientTls>,
        patience: Duration,
        log: &Log,
    ) -> std::io::Result<Wire> {
        let timer = |at: std::time::Instant| -> nuncio_tokio::io::BoxFuture<'static, ()> {
            Box::pin(tokio::time::sleep_until(at.into()))
        };
        let dialled = async {
            let stream = connect::<Tokio>(url.host().to_owned(), url.port(), timer).await?;
            match (url.tls(), tls) {
                (false, _) => Ok(stream),
                (true, Some(tls)) => tls.shake_hands(stream, url.host()).await,
                (true, None) => {
                    let tls = ClientTls::new(Authorities::system().map_err(std::io::Error::other)?);
                    tls.map_err(std::io::Error::other)?.shake_hands(stream, url.host()).await
                }
            }
        };
        let stream = timeout(patience, dialled).await.map_err(|_| std::io::ErrorKind::TimedOut)??;
        let mut url = url.clone();
        url.link.max_message = MAX_FRAME;
        let mut wire = Wire::over(Link::client(&url), stream, patience, log);
        match wire.event(Instant::now() + patience).await {
            Some(LinkEvent::Open(_)) => Ok(wire),
            Some(LinkEvent::Closed(Closed { cause: Cause::Refused { status }, reason, .. })) => {
                let sentence = format!("{reason}{}", of_web_server(status));
                Err(std::io::Error::new(std::io::ErrorKind::Unsupported, sentence))
            }
            Some(LinkEvent::Closed(closed)) => Err(std::io::Error::other(closed.reason)),
            Some(LinkEvent::Frame(_)) | None => Err(std::io::ErrorKind::TimedOut.into()),
        }
    }

    /// Waits for the upgrade of a client that has connected.
    pub(super) async fn accept(stream: Stream, patience: Duration, log: &Log) -> Option<Wire> {
        let options = ServerOptions::new(HostPolicy::Any);
        let mut wire = Wire::over(Link::server(options.into()), stream, patience, log);
        let event = wire.event(Instant::now() + patience).await;
        wire.flush().await;
        matches!(event, Some(LinkEvent::Open(_))).then_some(wire)
    }

    fn over(link: Link, stream: Stream, patience: Duration, log: &Log) -> Wire {
        let connection = log.borrow_mut().connect();
        let (session_id, seen) = (String::new(), Vec::new());
        let log = Rc::clone(log);
        Wire { link, stream, log, connection, patience, sent: 0, ended: None, answers_pings: true, session_id, seen }
    }

    /// Returns an envelope with a new id.
    pub(super) fn envelope(&mut self, kind: &str, payload: &Value) -> Value {
        self.sent += 1;
        // The form of a ULID, which some runtimes require.
        let id = format!("01M7XXZ4{:08}{:010}", self.connection, self.sent);
        let mut frame = json!({"arcp": "1.1", "id": id, "type": kind, "payload": payload});
        if !self.session_id.is_empty() {
            frame["session_id"] = self.session_id.as_str().into();
        }
        frame
    }

    /// Sends a request and returns its id.
    pub(super) async fn request(&mut self, kind: &str, payload: &Value) -> String {
        let frame = self.envelope(kind, payload);
        self.send(&frame).await;
        super::frame::text(&frame, "/id").to_owned()
    }

    pub(super) async fn send(&mut self, frame: &Value) {
        self.send_text(&frame.to_string()).await;
    }

    /// Sends any text. That the connection has ended shows when a frame is awaited.
    pub(super) async fn send_text(&mut self, frame: &str) {
        self.log.borrow_mut().add(self.connection, Direction::Sent, frame);
        self.link.send(frame.as_bytes());
        self.flush().await;
    }

    /// Waits for the next frame, for as long as `limit`. Pings of the session do not count as frames unless the check
    /// answers them itself.
    pub(super) async fn arrival(&mut self, limit: Duration) -> Arrival {
        let deadline = Instant::now() + limit;
        loop {
            if let Some(Goodbye(code)) = self.ended {
                return Arrival::Ended(code);
            }
            match self.event(deadline).await {
                None => return Arrival::Silence,
                Some(LinkEvent::Open(_)) => {}
                Some(LinkEvent::Closed(closed)) => {
                    let code = matches!(closed.cause, Cause::Peer).then_some(closed.code);
                    let note = format!("(the connection ended: {} {})", closed.code, closed.reason);
                    self.log.borrow_mut().add(self.connection, Direction::Received, note.trim_end());
                    self.ended = Some(Goodbye(code));
                }
                Some(LinkEvent::Frame(text)) => {
                    self.log.borrow_mut().add(self.connection, Direction::Received, &text);
                    let Ok(frame @ Value::Object(_)) = serde_json::from_str::<Value>(&text) else {
                        return Arrival::Garbage;
                    };
                    self.seen.push(frame.clone());
                    if kind(&frame) != "session.ping" || !self.answers_pings {
                        return Arrival::Frame(frame);
                    }
                    self.pong(&frame).await;
                }
            }
        }
    }

    /// Answers a ping of the session.
    pub(super) async fn pong(&mut self, ping: &Value) {
        let received_at = crate::time::now().to_rfc3339();
        let payload = json!({"ping_nonce": ping["payload"]["nonce"], "received_at": received_at});
        self.request("session.pong", &payload).await;
    }

    /// Waits for the next frame, without which the rule is broken.
    pub(super) async fn next(&mut self, what: &str) -> Judged<Value> {
        match self.arrival(self.patience).await {
            Arrival::Frame(frame) => Ok(frame),
            Arrival::Garbage => broken(format!("a message that is no JSON object came instead of {what}")),
            Arrival::Ended(Some(code)) => broken(format!("the connection was closed ({code}) before {what} came")),
            Arrival::Ended(None) => broken(format!("the connection broke before {what} came")),
            Arrival::Silence => broken(format!("{what} did not come within {} s", self.patience.as_secs())),
        }
    }

    /// Waits for the first frame that meets the condition, among those seen from `from` on and those to come.
    pub(super) async fn until(&mut self, from: usize, what: &str, meets: impl Fn(&Value) -> bool) -> Judged<Value> {
        let mut place = from;
        loop {
            while let Some(frame) = self.seen.get(place) {
                if meets(frame) {
                    return Ok(frame.clone());
                }
                place += 1;
            }
            self.next(what).await?;
        }
    }

    /// Reads until the connection ends; returns the code of the close frame.
    pub(super) async fn ending(&mut self, why: &str) -> Judged<Option<u16>> {
        let mut frames = 0;
        loop {
            match self.arrival(self.patience).await {
                Arrival::Ended(code) => return Ok(code),
                Arrival::Silence => return broken(format!("the connection stays open {why}")),
                Arrival::Frame(_) | Arrival::Garbage if frames >= 10_000 => {
                    return broken(format!("frames go on {why}"));
                }
                Arrival::Frame(_) | Arrival::Garbage => frames += 1,
            }
        }
    }

    /// Breaks the connection without a goodbye; returns what was received.
    pub(super) fn cut(self) -> Vec<Value> {
        self.log.borrow_mut().add(self.connection, Direction::Sent, "(the connection is cut)");
        self.seen
    }

    /// Closes the connection with a close frame.
    pub(super) async fn close(&mut self) {
        self.link.close(nuncio_tokio::link::code::NORMAL, "done");
        self.flush().await;
    }

    /// Waits for an event of the link; `None` once the deadline has passed.
    async fn event(&mut self, deadline: Instant) -> Option<LinkEvent> {
        let mut bytes = vec![0; 16 * 1024];
        loop {
            let event = self.link.poll_event();
            self.flush().await;
            if event.is_some() {
                return event;
            }
            match timeout_at(deadline, self.stream.read(&mut bytes)).await {
                Err(_) => return None,
                Ok(Ok(0) | Err(_)) => self.link.receive_end(),
                Ok(Ok(count)) => self.link.receive(bytes.get(..count).unwrap_or_default()),
            }
        }
    }

    /// Writes what waits. A peer that does not read, or has gone, is noticed when a frame is awaited.
    async fn flush(&mut self) {
        let mut bytes = Vec::new();
        self.link.take_output(&mut bytes);
        if !bytes.is_empty() {
            let written = async {
                self.stream.write_all(&bytes).await?;
                self.stream.flush().await
            };
            drop(timeout(self.patience, written).await);
        }
    }
}
