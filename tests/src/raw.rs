//! A blocking WebSocket conversation in plain JSON frames, for frames that no client library would send or show.
//!
//! Every wait has a deadline far beyond what a working runtime needs ([`PATIENCE`]); if no frame arrives by then, it
//! panics and shows the last frames received. Nothing is answered or sent automatically except the WebSocket protocol's
//! own pongs.

use std::io::ErrorKind;
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tungstenite::{Error, Message, WebSocket};

pub use crate::world::FEATURES;

/// How long to wait for a frame before the test fails.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// A connection and, after the welcome, its session.
#[derive(Debug)]
pub struct Wire {
    socket: WebSocket<TcpStream>,
    requests: u32,
    /// All frames received so far, in order.
    pub seen: Vec<Value>,
    /// The session id from the last welcome, or empty before it.
    pub session_id: String,
    /// The newest resume token, or empty before the welcome.
    pub resume_token: String,
}

/// How a connection ended: the close code, or `None` if it ended without a close frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ended(pub Option<u16>);

/// What a client needs to resume a session (§6.3).
#[derive(Debug, Clone)]
pub struct ResumePoint {
    /// The session id.
    pub session_id: String,
    /// The newest resume token.
    pub resume_token: String,
    /// The highest `event_seq` received.
    pub last_event_seq: u64,
}

impl Wire {
    /// Connects and upgrades, without sending a frame.
    ///
    /// # Panics
    /// If the address does not accept a WebSocket.
    pub fn open(url: &str) -> Self {
        let address = url.strip_prefix("ws://").and_then(|rest| rest.split('/').next()).unwrap_or(url);
        let stream = TcpStream::connect(address).unwrap_or_else(|e| panic!("{address} refuses a connection: {e}"));
        stream.set_nodelay(true).expect("the option exists");
        stream.set_read_timeout(Some(PATIENCE)).expect("the timeout is not zero");
        let (socket, _) = tungstenite::client(url, stream).unwrap_or_else(|e| panic!("{url} does not upgrade: {e}"));
        Self { socket, requests: 0, seen: Vec::new(), session_id: String::new(), resume_token: String::new() }
    }

    /// Opens a session with every feature.
    pub fn connect(url: &str, token: &str) -> Self {
        Self::connect_with(url, token, &FEATURES)
    }

    /// Opens a session with these features.
    pub fn connect_with(url: &str, token: &str, features: &[&str]) -> Self {
        let mut wire = Self::open(url);
        wire.send(&hello(token, features, &Value::Null));
        wire.welcomed();
        wire
    }

    /// Resumes a session on a new connection; the replay is still to be received.
    pub fn resume(url: &str, token: &str, point: &ResumePoint) -> Self {
        let mut wire = Self::open(url);
        wire.send(&hello(token, &FEATURES, &point.json()));
        wire.welcomed();
        wire
    }

    /// Attempts a resume that must be refused; returns the error code and how the connection ended.
    pub fn resume_refused(url: &str, token: &str, point: &ResumePoint) -> (String, Ended) {
        let mut wire = Self::open(url);
        wire.send(&hello(token, &FEATURES, &point.json()));
        let error = wire.until_type("session.error");
        (text(&error, "/payload/code"), wire.ending())
    }

    /// Takes the session id and the resume token from the welcome, which must be the next frame.
    ///
    /// # Panics
    /// If the next frame is not a welcome or the connection ends.
    pub fn welcomed(&mut self) {
        let welcome = self.receive().expect("the connection stays open");
        assert_eq!(welcome["type"], "session.welcome", "{welcome}");
        self.session_id = text(&welcome, "/payload/session_id");
        self.resume_token = text(&welcome, "/payload/resume_token");
    }

    /// Sends a value as a text frame.
    pub fn send(&mut self, frame: &Value) {
        self.send_text(&frame.to_string());
    }

    /// Sends any text as a text frame.
    ///
    /// # Panics
    /// If the connection is closed.
    pub fn send_text(&mut self, frame: &str) {
        self.socket.send(Message::text(frame)).expect("the connection takes a frame");
    }

    /// Sends a request in a new envelope and returns its id.
    pub fn request(&mut self, kind: &str, payload: &Value) -> String {
        let frame = self.envelope(kind, payload);
        self.send(&frame);
        text(&frame, "/id")
    }

    /// Returns a request in a new envelope, without sending it.
    pub fn envelope(&mut self, kind: &str, payload: &Value) -> Value {
        self.requests += 1;
        let port = self.socket.get_ref().local_addr().map_or(0, |a| a.port());
        json!({
            "arcp": "1.1", "id": ulid(port, self.requests), "type": kind, "session_id": self.session_id, "payload": payload,
        })
    }

    /// Receives the next frame.
    ///
    /// # Errors
    /// How the connection ended, if it has.
    ///
    /// # Panics
    /// If no frame arrives in time, or one that is not a JSON object.
    pub fn receive(&mut self) -> Result<Value, Ended> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self.socket.read() {
                Ok(Message::Text(frame)) => {
                    let frame: Value = serde_json::from_str(&frame).expect("a frame is JSON");
                    assert!(frame.is_object(), "a frame is an object: {frame}");
                    self.seen.push(frame.clone());
                    return Ok(frame);
                }
                Ok(Message::Close(frame)) => return Err(Ended(frame.map(|f| f.code.into()))),
                Ok(Message::Binary(_)) => panic!("the runtime sends text frames only"),
                Ok(_) => assert!(Instant::now() < deadline, "only control frames arrived: {self}"),
                Err(Error::Io(e)) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                    panic!("no frame arrived: {self}")
                }
                Err(_) => return Err(Ended(None)),
            }
        }
    }

    /// Receives the next frame without a number, skipping the events and terminals of jobs.
    ///
    /// # Panics
    /// If the connection ends first.
    pub fn receive_past_events(&mut self) -> Value {
        loop {
            let frame = self.receive().unwrap_or_else(|ended| panic!("the connection ended ({ended:?}): {self}"));
            if frame["event_seq"].is_null() {
                return frame;
            }
        }
    }

    /// Returns the first frame, among those already received and those still to come, that meets the condition.
    ///
    /// # Panics
    /// If the connection ends first.
    pub fn until(&mut self, what: &str, condition: impl Fn(&Value) -> bool) -> Value {
        if let Some(found) = self.seen.iter().find(|f| condition(f)) {
            return found.clone();
        }
        loop {
            match self.receive() {
                Ok(frame) if condition(&frame) => return frame,
                Ok(_) => (),
                Err(ended) => panic!("the connection ended ({ended:?}) before {what}: {self}"),
            }
        }
    }

    /// Returns the first frame of a type, as [`Wire::until`] does.
    pub fn until_type(&mut self, kind: &str) -> Value {
        self.until(kind, |f| f["type"] == kind)
    }

    /// Returns the answer to a request: the frame whose `request_id` names it.
    pub fn answer(&mut self, request: &str) -> Value {
        self.until(&format!("the answer to {request}"), |f| {
            f.pointer("/payload/request_id").is_some_and(|r| r == request)
        })
    }

    /// Sends a request that must be refused; returns the code of the `session.error`.
    ///
    /// # Panics
    /// If it gets another answer, or none.
    pub fn refused(&mut self, kind: &str, payload: &Value) -> String {
        let request = self.request(kind, payload);
        let error = self.answer(&request);
        assert_eq!(error["type"], "session.error", "{error}");
        text(&error, "/payload/code")
    }

    /// Submits a job that must be accepted; returns its `job.accepted`.
    ///
    /// # Panics
    /// If it gets another answer, or none.
    pub fn submit(&mut self, payload: &Value) -> Value {
        let request = self.request("job.submit", payload);
        let accepted = self.answer(&request);
        assert_eq!(accepted["type"], "job.accepted", "{accepted}");
        accepted
    }

    /// Submits a job and waits until it ends; returns its id and its terminal.
    pub fn run(&mut self, payload: &Value) -> (String, Value) {
        let job = job_id(&self.submit(payload));
        let terminal = self.terminal(&job);
        (job, terminal)
    }

    /// Waits for the terminal of a job.
    pub fn terminal(&mut self, job: &str) -> Value {
        self.until(&format!("the terminal of {job}"), |f| is_terminal(f) && f["job_id"] == job)
    }

    /// Lists all jobs that this session can see, over all pages.
    pub fn list(&mut self) -> Vec<Value> {
        let (mut jobs, mut cursor) = (Vec::new(), Value::Null);
        loop {
            let request = self.request("session.list_jobs", &json!({"limit": 1000, "cursor": cursor}));
            let page = self.answer(&request);
            jobs.extend(page["payload"]["jobs"].as_array().into_iter().flatten().cloned());
            cursor = page["payload"]["next_cursor"].clone();
            if cursor.is_null() {
                return jobs;
            }
        }
    }

    /// Receives until the connection ends; returns how it ended.
    pub fn ending(&mut self) -> Ended {
        loop {
            if let Err(ended) = self.receive() {
                return ended;
            }
        }
    }

    /// Returns the events received for a job as (kind, body).
    pub fn events(&self, job: &str) -> Vec<(String, Value)> {
        let of_job = self.seen.iter().filter(|f| f["type"] == "job.event" && f["job_id"] == job);
        of_job.map(|f| (text(f, "/payload/kind"), f["payload"]["body"].clone())).collect()
    }

    /// Returns the terminals received for a job.
    pub fn terminals(&self, job: &str) -> Vec<&Value> {
        self.seen.iter().filter(|f| is_terminal(f) && f["job_id"] == job).collect()
    }

    /// Returns the point from which this client could resume.
    pub fn point(&self) -> ResumePoint {
        let (session_id, resume_token) = (self.session_id.clone(), self.resume_token.clone());
        ResumePoint { session_id, resume_token, last_event_seq: seqs(&self.seen).last().copied().unwrap_or(0) }
    }

    /// Breaks the connection as a network failure would: without a close frame, and discarding what is unread.
    pub fn cut(self) -> Vec<Value> {
        self.breaker().cut();
        self.seen
    }

    /// Returns a handle that can end the connection from another thread.
    ///
    /// # Panics
    /// If the socket cannot be cloned.
    pub fn breaker(&self) -> Breaker {
        Breaker(self.socket.get_ref().try_clone().expect("a socket can be cloned"))
    }

    /// Sends a binary frame.
    ///
    /// # Panics
    /// If the connection is closed.
    pub fn send_binary(&mut self, bytes: &[u8]) {
        self.socket.send(Message::binary(bytes.to_vec())).expect("the connection takes a frame");
    }

    /// Ends the sending direction of the connection; frames can still be received.
    ///
    /// # Panics
    /// If the socket is closed.
    pub fn half_close(&self) {
        self.socket.get_ref().shutdown(Shutdown::Write).expect("the socket is open");
    }

    /// Sends frames until the connection breaks; returns how many were sent.
    pub fn send_until_broken(&mut self, frames: impl Iterator<Item = Value>) -> usize {
        frames.take_while(|frame| self.socket.send(Message::text(frame.to_string())).is_ok()).count()
    }
}

impl std::fmt::Display for Wire {
    /// Shows the last frames received, for failure messages.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "{} frames received, the last of them:", self.seen.len())?;
        self.seen.iter().rev().take(8).rev().try_for_each(|frame| writeln!(f, "  {frame:.400}"))
    }
}

/// A handle that ends a connection from another thread; see [`Wire::breaker`].
#[derive(Debug)]
pub struct Breaker(TcpStream);

impl Breaker {
    /// Ends the connection in both directions.
    pub fn cut(&self) {
        // It may already be shut down.
        drop(self.0.shutdown(Shutdown::Both));
    }
}

impl ResumePoint {
    /// Returns the `resume` member of a hello.
    pub fn json(&self) -> Value {
        json!({"session_id": self.session_id, "resume_token": self.resume_token, "last_event_seq": self.last_event_seq})
    }
}

/// Returns a `session.hello`, without `resume` if that is null.
pub fn hello(token: &str, features: &[&str], resume: &Value) -> Value {
    let mut payload = json!({
        "client": {"name": "nuncio-raw", "version": "1"},
        "auth": {"scheme": "bearer", "token": token},
        "capabilities": {"encodings": ["json"], "features": features},
    });
    if !resume.is_null() {
        payload["resume"] = resume.clone();
    }
    json!({"arcp": "1.1", "id": ulid(0, 0), "type": "session.hello", "payload": payload})
}

/// Returns an id in the form of a ULID, which some runtimes require.
fn ulid(connection: u16, request: u32) -> String {
    format!("01M7XXZ4{connection:08}{request:010}")
}

/// Returns the string at a JSON pointer, or an empty one if there is none.
pub fn text(frame: &Value, pointer: &str) -> String {
    frame.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned()
}

/// Returns the id of the job that a frame belongs to.
pub fn job_id(frame: &Value) -> String {
    text(frame, "/job_id")
}

/// Returns the numbers of the numbered frames, in order.
pub fn seqs<'a>(frames: impl IntoIterator<Item = &'a Value>) -> Vec<u64> {
    frames.into_iter().filter_map(|f| f["event_seq"].as_u64()).collect()
}

/// Asserts that the frames are numbered 1, 2, 3, … without a gap or a repetition (§8.3).
///
/// # Panics
/// If they are not.
pub fn assert_gapless<'a>(frames: impl IntoIterator<Item = &'a Value>) {
    let seqs = seqs(frames);
    assert!(!seqs.is_empty(), "no frame is numbered");
    let broken = seqs.iter().zip(1..).find(|&(&got, want)| got != want);
    assert_eq!(broken, None, "(got, want) of the first wrong number of {}", seqs.len());
}

/// Returns whether a frame is the terminal of a job.
pub fn is_terminal(frame: &Value) -> bool {
    frame["type"] == "job.result" || frame["type"] == "job.error"
}
