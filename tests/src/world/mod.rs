//! A world with one runtime in virtual time: no IO, frames as JSON, a host that answers at once unless configured
//! otherwise, and rules that are checked on every frame.
//!
//! A [`World`] is for tests: it panics when a rule is broken.

#![expect(clippy::missing_panics_doc, reason = "everything here panics when a rule is broken")]
#![expect(clippy::needless_pass_by_value, reason = "payloads are written inline with json!")]

mod check;
mod client;
mod frame;
mod host;
mod journal;
mod pump;
mod shape;

use std::collections::{HashMap, VecDeque};

use nuncio_core::arcp::{
    AgentSpec, Config, ConnId, Event, JobKey, JobUlid, OnRestart, Record, Runtime, SendOrder, Timer, Via,
};
use nuncio_core::time::Time;
use serde_json::{Value, json};

pub(crate) use check::Checker;
pub use client::{ACCEPTED_REPLAY, FEATURES};
pub use frame::Frame;
pub use host::{NEEDS_APPROVAL, OnAuthenticate, OnSubmit, json_text};
pub use journal::OnReplay;
pub(crate) use journal::in_range;
pub(crate) use shape::is_id;

/// The time at which every world begins: 2026-05-13T19:30:00.000Z.
pub const START: Time = Time(1_778_700_600_000_000);
/// One second in the unit of [`Time`].
pub const SECOND: u64 = 1_000_000;
/// One millisecond in the unit of [`Time`].
pub const MILLI: u64 = 1_000;

/// A job with the names that both sides use for it.
#[derive(Clone, Debug)]
pub struct Job {
    /// The host's key.
    pub key: JobKey,
    /// The id on the wire.
    pub id: String,
    /// The job's `job.accepted`.
    pub accepted: Frame,
}

struct Transport {
    inbox: VecDeque<Frame>,
    /// Sizes in bytes of the frames that were sent and not yet reported as written.
    unsent: VecDeque<usize>,
    withheld: bool,
    close: Option<(u16, &'static str)>,
    gone: bool,
    readable: bool,
}

/// One runtime with its clients, its host and its journal.
pub struct World {
    /// The machine under test.
    pub runtime: Runtime,
    /// The current time.
    pub now: Time,
    /// The agents that a restarted runtime offers.
    pub agents: Vec<AgentSpec>,
    /// How [`Event::Authenticate`] is answered.
    pub on_authenticate: OnAuthenticate,
    /// How [`Event::Submitted`] is answered.
    pub on_submit: OnSubmit,
    /// Whether [`Event::Revoke`] is answered at once.
    pub auto_revoke: bool,
    /// How [`Event::Replay`] is answered.
    pub on_replay: OnReplay,
    /// The number of records that were read back from the journal.
    pub replayed: usize,
    /// Whether the journal has stalled: no store is reported as durable.
    pub journal_stalled: bool,
    /// Events for the host that no test has taken yet.
    pub events: VecDeque<Event>,
    /// The stored records, each with the number of frames sent before it.
    pub stored: Vec<(u64, Record)>,
    /// Every frame that was sent, with the store it waits for and its connection.
    pub history: Vec<(u64, ConnId, Frame)>,
    /// What each of these frames may overtake.
    pub orders: Vec<SendOrder>,
    transports: HashMap<ConnId, Transport>,
    checker: Checker,
    next_id: u64,
    last_store: u64,
    /// The number of the store that records each numbered frame.
    recorded: HashMap<(String, u64), u64>,
    durable: u64,
    /// Whether all stores of the runtime were made in this world, so that they count from 1.
    strict: bool,
}

impl Default for World {
    fn default() -> World {
        World::new()
    }
}

impl World {
    /// Creates a world with the default configuration.
    pub fn new() -> World {
        World::with(|_| {})
    }

    /// Creates a world with a changed configuration.
    ///
    /// Agents: `echo` and `slow` without versions, `ver` with versions 1.0.0 and 2.0.0 (the default), and `narrow`,
    /// which runs one job at a time. Tokens: `tok-alice` and `tok-alice2` for alice, `tok-bob` for bob.
    pub fn with(change: impl FnOnce(&mut Config)) -> World {
        let mut config = Config::default();
        change(&mut config);
        let mut checker = Checker::new();
        for (token, principal) in host::TOKENS {
            checker.principal(token, principal);
        }
        let mut runtime = Runtime::new(config, [7; 32], START);
        for spec in agents() {
            runtime.register(spec).expect("an agent");
        }
        World {
            runtime,
            now: START,
            agents: agents(),
            on_authenticate: OnAuthenticate::Table,
            on_submit: OnSubmit::Start,
            auto_revoke: true,
            on_replay: OnReplay::Answer,
            replayed: 0,
            journal_stalled: false,
            events: VecDeque::new(),
            stored: Vec::new(),
            history: Vec::new(),
            orders: Vec::new(),
            transports: HashMap::new(),
            checker,
            next_id: 0,
            last_store: 0,
            recorded: HashMap::new(),
            durable: 0,
            strict: true,
        }
    }

    /// Offers another agent, or another form of one.
    pub fn offer(&mut self, spec: AgentSpec) {
        self.agents.retain(|other| other.name != spec.name);
        self.agents.push(spec.clone());
        self.runtime.register(spec).expect("an agent");
    }

    /// Opens a TLS connection.
    pub fn open(&mut self) -> ConnId {
        self.open_via(Via::Tls)
    }

    /// Opens a TLS connection from an IP address.
    pub fn open_from(&mut self, address: &str) -> ConnId {
        let address = address.parse().expect("an IP address");
        let conn = self.runtime.handle_open_from(self.now, Via::Tls, address);
        self.opened(conn, Via::Tls)
    }

    /// Opens a connection of the given kind.
    pub fn open_via(&mut self, via: Via) -> ConnId {
        let conn = self.runtime.handle_open(self.now, via);
        self.opened(conn, via)
    }

    fn opened(&mut self, conn: ConnId, via: Via) -> ConnId {
        let config = self.runtime.config();
        let limit = if via == Via::Stdio { config.limits.stdio_frame_bytes } else { config.limits.frame_bytes };
        self.checker.opened(conn, limit);
        let transport = Transport {
            inbox: VecDeque::new(),
            unsent: VecDeque::new(),
            withheld: false,
            close: None,
            gone: false,
            readable: true,
        };
        self.transports.insert(conn, transport);
        self.pump();
        conn
    }

    /// Cuts a connection: its transport is lost.
    pub fn cut(&mut self, conn: ConnId) {
        self.checker.closed(conn);
        self.transport(conn).gone = true;
        self.runtime.handle_close(self.now, conn);
        self.pump();
    }

    /// Sends a message with this payload and returns its id.
    pub fn send(&mut self, conn: ConnId, kind: &str, payload: Value) -> String {
        let id = self.fresh_id();
        self.send_frame(conn, &json!({"arcp": "1.1", "id": id, "type": kind, "payload": payload}));
        id
    }

    /// Sends an envelope.
    pub fn send_frame(&mut self, conn: ConnId, frame: &Value) {
        self.send_text(conn, &frame.to_string());
    }

    /// Sends the text of a frame on a connection that the runtime reads from.
    pub fn send_text(&mut self, conn: ConnId, text: &str) {
        assert!(self.runtime.reading(conn), "the connection is not read from");
        self.send_bytes(conn, text.as_bytes());
    }

    /// Sends the bytes of a frame, whether or not the runtime reads from the connection.
    pub fn send_bytes(&mut self, conn: ConnId, frame: &[u8]) {
        if let Ok(text) = std::str::from_utf8(frame) {
            self.checker.received(conn, text);
        }
        self.runtime.handle_frame(self.now, conn, frame);
        self.pump();
    }

    /// Reports that the host holds this many bytes of an incomplete frame.
    pub fn buffered(&mut self, conn: ConnId, bytes: usize) {
        self.runtime.handle_buffered(self.now, conn, bytes);
        self.pump();
    }

    /// Reads the next frame.
    pub fn recv(&mut self, conn: ConnId) -> Frame {
        let closed = self.transports[&conn].close;
        self.try_recv(conn).unwrap_or_else(|| panic!("a frame was expected; closed: {closed:?}"))
    }

    /// Reads the next frame, if there is one.
    pub fn try_recv(&mut self, conn: ConnId) -> Option<Frame> {
        self.transport(conn).inbox.pop_front()
    }

    /// Reads the next frame, which must have this type.
    pub fn expect(&mut self, conn: ConnId, kind: &str) -> Frame {
        let frame = self.recv(conn);
        assert_eq!(frame.kind(), kind, "{frame:?}");
        frame
    }

    /// Reads the next frame, which must be a `job.event` of this kind.
    pub fn event(&mut self, conn: ConnId, kind: &str) -> Frame {
        let frame = self.expect(conn, "job.event");
        assert_eq!(frame.event(), kind, "{frame:?}");
        frame
    }

    /// Reads the next frame, which must be a `session.error` with this code.
    pub fn refusal(&mut self, conn: ConnId, code: &str) -> Frame {
        let frame = self.expect(conn, "session.error");
        assert_eq!(frame.payload()["code"], code, "{frame:?}");
        frame
    }

    /// Reads all frames in the inbox.
    pub fn drain(&mut self, conn: ConnId) -> Vec<Frame> {
        self.transport(conn).inbox.drain(..).collect()
    }

    /// Asserts that no frame is in the inbox.
    pub fn expect_nothing(&mut self, conn: ConnId) {
        let frames = self.drain(conn);
        assert!(frames.is_empty(), "no frame was expected: {frames:#?}");
    }

    /// Returns the close code if the runtime has closed the connection.
    pub fn closed(&self, conn: ConnId) -> Option<u16> {
        self.transports[&conn].close.map(|(code, _)| code)
    }

    /// Stops reporting frames of the connection as written.
    pub fn hold_writes(&mut self, conn: ConnId) {
        self.transport(conn).withheld = true;
    }

    /// Reports `frames` frames as written; later ones are still held back.
    pub fn report_written(&mut self, conn: ConnId, frames: usize) {
        for _ in 0..frames {
            self.transport(conn).unsent.pop_front();
        }
        self.runtime.handle_sent(self.now, conn, frames);
        self.pump();
    }

    /// Reports all frames as written, and does so from now on.
    pub fn release_writes(&mut self, conn: ConnId) {
        self.transport(conn).withheld = false;
        self.pump();
    }

    /// Returns the number of frames that were sent and not yet reported as written.
    pub fn unsent(&self, conn: ConnId) -> usize {
        self.transports[&conn].unsent.len()
    }

    /// Advances time; every timer fires at its deadline.
    pub fn advance(&mut self, micros: u64) {
        let until = self.now.plus_micros(micros);
        let mut here = 0;
        while let Some((at, timer)) = self.runtime.poll_timeout().filter(|(at, _)| *at <= until) {
            here = if at > self.now { 0 } else { here + 1 };
            assert!(here < 10_000, "the timer {timer:?} fires again and again");
            self.now = self.now.max(at);
            self.runtime.handle_timeout(self.now);
            self.pump();
        }
        self.now = until;
        self.runtime.handle_timeout(self.now);
        self.pump();
    }

    /// Sets the wall clock, which shows the time of the inputs at first. Time does not pass.
    pub fn set_wall(&mut self, wall: Time) {
        self.runtime.handle_wall(self.now, wall);
        self.runtime.handle_timeout(self.now);
        self.pump();
    }

    /// Returns the next deadline and its timer.
    pub fn timer(&self) -> Option<(Time, Timer)> {
        self.runtime.poll_timeout()
    }

    /// Takes turns until no work is left for a later one. None does more than twice the work of a turn, and another connection
    /// is answered between two of them. Returns how many turns there were.
    pub fn take_turns(&mut self, other: ConnId, turn_work: u64) -> usize {
        let mut turns = 0;
        while self.timer().is_some_and(|(_, timer)| timer == Timer::Turn) {
            self.send(other, "session.ping", json!({"nonce": "n"}));
            self.expect(other, "session.pong");
            let before = self.runtime.work_done();
            self.advance(1);
            let done = self.runtime.work_done() - before;
            assert!(done <= 2 * turn_work, "a turn of {done} units");
            turns += 1;
        }
        turns
    }

    /// Returns whether `Output::Reading` announced that the connection is read from again.
    pub fn reading_announced(&self, conn: ConnId) -> bool {
        self.transports[&conn].readable
    }

    /// Returns the host's key of a job.
    pub fn key(&self, id: &str) -> JobKey {
        self.runtime.find(JobUlid::parse(id).expect("a job id")).expect("a known job")
    }

    /// Takes the first host event that matches; panics if there is none.
    pub fn host_event<T>(&mut self, what: &str, fits: impl Fn(&Event) -> Option<T>) -> T {
        self.try_host_event(fits).unwrap_or_else(|| panic!("no such event for the host: {what}; {:#?}", self.events))
    }

    /// Takes the first host event that matches, if there is one.
    pub fn try_host_event<T>(&mut self, fits: impl Fn(&Event) -> Option<T>) -> Option<T> {
        let (index, found) = self.events.iter().enumerate().find_map(|(index, event)| Some((index, fits(event)?)))?;
        self.events.remove(index);
        Some(found)
    }

    /// Returns an id for the next frame.
    pub fn fresh_id(&mut self) -> String {
        self.next_id += 1;
        format!("msg_{}", self.next_id)
    }

    fn transport(&mut self, conn: ConnId) -> &mut Transport {
        self.transports.get_mut(&conn).expect("a connection of this world")
    }
}

/// The agents of every world.
fn agents() -> Vec<AgentSpec> {
    let agent = |name: &str, versions: &[&str], max_concurrent| AgentSpec {
        name: name.to_owned(),
        versions: versions.iter().map(|version| (*version).to_owned()).collect(),
        default: versions.last().map(|version| (*version).to_owned()),
        max_concurrent,
        on_restart: OnRestart::Fail,
    };
    vec![
        agent("echo", &[], None),
        agent("slow", &[], None),
        agent("ver", &["1.0.0", "2.0.0"], None),
        agent("narrow", &[], Some(1)),
    ]
}
