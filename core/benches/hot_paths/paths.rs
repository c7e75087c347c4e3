//! The hot paths of the core. They are timed by the benchmark beside this file, and their instructions are counted by
//! `tests/counts`.

mod caracal;
mod client;
mod lease;
pub(crate) mod server;

use std::fmt;

/// A path: its name, what happens once, how it is set up and repeated, and how often it is repeated to be counted.
pub(crate) struct HotPath {
    pub(crate) name: &'static str,
    pub(crate) once: &'static str,
    pub(crate) run: fn(usize),
    pub(crate) times: usize,
}

impl fmt::Display for HotPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.name, self.once)
    }
}

const AMONG: &str =
    "a keyed job of one of 64 sessions, among so many live sessions, jobs, keys, deadlines and subscriptions";

pub(crate) const PATHS: [HotPath; 16] = [
    HotPath {
        name: "job",
        once: "a submit is accepted, emits one event and returns a result",
        run: server::jobs,
        times: 500,
    },
    HotPath {
        name: "frames4",
        once: "a submit is accepted, runs and returns a result: 4 frames in and out",
        run: |times| server::frames(times, 1),
        times: 500,
    },
    HotPath {
        name: "frames13",
        once: "the same with 10 events: 13 frames in and out",
        run: |times| server::frames(times, 10),
        times: 500,
    },
    HotPath { name: "keyed", once: "the same, with an idempotency key", run: server::keyed_jobs, times: 500 },
    HotPath { name: "event", once: "a log event of 300 bytes becomes a frame", run: server::events, times: 2_000 },
    HotPath { name: "among10", once: AMONG, run: |times| server::busy(10, times), times: 500 },
    HotPath { name: "among1000", once: AMONG, run: |times| server::busy(1_000, times), times: 500 },
    HotPath { name: "among10000", once: AMONG, run: |times| server::busy(10_000, times), times: 500 },
    HotPath { name: "ack", once: "an acknowledgement is read", run: server::acks, times: 2_000 },
    HotPath { name: "resume", once: "a session with 1 000 events is resumed", run: server::resumes, times: 20 },
    HotPath {
        name: "decode",
        once: "a client reads an event frame and returns the event",
        run: client::decodes,
        times: 2_000,
    },
    HotPath { name: "submit", once: "a client submits a job and reads its result", run: client::submits, times: 500 },
    HotPath {
        name: "check",
        once: "an operation is compared with a lease of 100 patterns",
        run: lease::checks,
        times: 2_000,
    },
    HotPath {
        name: "inclusion",
        once: "a lease of 100 patterns is compared with its parent",
        run: lease::inclusions,
        times: 50,
    },
    HotPath {
        name: "headers",
        once: "the headers of a Caracal context with an edge are written",
        run: caracal::writes,
        times: 5_000,
    },
    HotPath { name: "inbound", once: "these headers are read as a context", run: caracal::reads, times: 5_000 },
];
