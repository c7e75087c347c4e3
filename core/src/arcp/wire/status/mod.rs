//! The state of a runtime and of its host, as operators read it (ours).
//!
//! ```text
//! runtime:  StatusCounts, HostStatus  --write.rs-->  x-vendor.nuncio.status  --read.rs-->  RuntimeStatus  :client
//! ```

mod read;
mod write;

use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

pub(crate) use self::write::{Own, write};

/// The type of the request for the state.
pub(crate) const READ_STATUS: &str = "x-vendor.nuncio.read_status";
/// The type of its answer.
pub(crate) const STATUS: &str = "x-vendor.nuncio.status";

/// What a runtime holds, as numbers (ours).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StatusCounts {
    /// Connections, welcomed or not.
    pub connections: u64,
    /// Sessions with a connection.
    pub sessions_live: u64,
    /// Sessions without a connection, which can be resumed.
    pub sessions_detached: u64,
    /// Jobs that wait for the host's answer or for a slot of their agent.
    pub jobs_pending: u64,
    /// Jobs whose agent runs.
    pub jobs_running: u64,
    /// Jobs whose agent runs and was asked to stop.
    pub jobs_cancelling: u64,
    /// Ended jobs that are still kept.
    pub jobs_kept: u64,
    /// Questions to people that are open.
    pub questions_open: u64,
    /// Bytes that sessions, jobs and connections hold.
    pub bytes_held: u64,
    /// The most that they may hold: [`Limits::bytes`](crate::arcp::Limits::bytes).
    pub bytes_limit: u64,
}

impl StatusCounts {
    /// Returns the sum of both.
    #[must_use]
    pub const fn plus(self, other: StatusCounts) -> StatusCounts {
        StatusCounts {
            connections: self.connections.saturating_add(other.connections),
            sessions_live: self.sessions_live.saturating_add(other.sessions_live),
            sessions_detached: self.sessions_detached.saturating_add(other.sessions_detached),
            jobs_pending: self.jobs_pending.saturating_add(other.jobs_pending),
            jobs_running: self.jobs_running.saturating_add(other.jobs_running),
            jobs_cancelling: self.jobs_cancelling.saturating_add(other.jobs_cancelling),
            jobs_kept: self.jobs_kept.saturating_add(other.jobs_kept),
            questions_open: self.questions_open.saturating_add(other.questions_open),
            bytes_held: self.bytes_held.saturating_add(other.bytes_held),
            bytes_limit: self.bytes_limit.saturating_add(other.bytes_limit),
        }
    }
}

/// What only the host of a runtime knows: its answer to [`Event::Status`](crate::arcp::Event::Status) (ours).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HostStatus {
    /// The runtimes that the host runs as one server, the one that asks among them, in an order that stays the same. Empty if
    /// that is the only one.
    pub shards: Vec<StatusCounts>,
    /// The journal, if there is one.
    pub journal: Option<JournalStatus>,
    /// The pools of workers that agents hand their jobs to.
    pub pools: Vec<PoolStatus>,
}

/// How a journal does (ours).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JournalStatus {
    /// The bytes that it takes, if they are known.
    pub bytes: Option<u64>,
    /// The bytes above which its oldest events are deleted, if there is a limit.
    pub max_bytes: Option<u64>,
    /// The bytes that its disk has left, if they are known.
    pub free_bytes: Option<u64>,
    /// The number of commits that have succeeded since the host began.
    pub commits: u64,
    /// How long the last of them has taken; `None` before the first one.
    pub last_commit: Option<Duration>,
    /// How long it is ago.
    pub committed: Option<Duration>,
    /// Since when the journal cannot be written; `None` while it can.
    pub failing: Option<Duration>,
    /// Why it cannot be written, as a sentence for people. At most 1 KiB of it is sent.
    pub error: Option<String>,
}

/// A pool of workers that agents hand their jobs to (ours).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolStatus {
    /// The connection to the bus of the pool.
    pub bus: BusStatus,
    /// The agents whose jobs run on the pool, in the order of their names.
    pub agents: Vec<PoolAgentStatus>,
    /// How many more agents there are than a frame has room for. A host leaves it at 0.
    pub agents_left_out: u64,
}

/// The connection to the bus of a pool (ours).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BusStatus {
    /// Whether there is one.
    pub link: BusLink,
    /// Since when it is so.
    pub since: Duration,
}

/// Whether there is a connection to a bus (ours).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BusLink {
    /// `connected`: messages are exchanged.
    Connected,
    /// `disconnected`: the server of the bus is not reached, and is tried again.
    Disconnected,
    /// `closed`: it is not tried again.
    Closed,
}

impl BusLink {
    const ALL: [BusLink; 3] = [BusLink::Connected, BusLink::Disconnected, BusLink::Closed];

    /// Returns the name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            BusLink::Connected => "connected",
            BusLink::Disconnected => "disconnected",
            BusLink::Closed => "closed",
        }
    }

    fn parse(name: &str) -> Option<BusLink> {
        BusLink::ALL.into_iter().find(|link| link.as_str() == name)
    }
}

/// An agent whose jobs run on a pool (ours).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PoolAgentStatus {
    /// The name of the agent. At most 256 bytes of it are sent.
    pub agent: String,
    /// The topic of its workers. At most 256 bytes of it are sent.
    pub topic: String,
    /// Jobs that were handed to the pool since the host began.
    pub dispatched: u64,
    /// Those of them that have no result yet.
    pub outstanding: u64,
}

/// The state of a runtime and of its host, as a client reads it (ours).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RuntimeStatus {
    /// How long the runtime has been running.
    pub uptime: Duration,
    /// What it holds, over all its shards.
    pub counts: StatusCounts,
    /// What each of its shards holds; empty if it has only one.
    pub shards: Vec<StatusCounts>,
    /// How many more shards there are than a frame has room for.
    pub shards_left_out: u64,
    /// The journal, if there is one.
    pub journal: Option<JournalStatus>,
    /// The pools of workers that agents hand their jobs to.
    pub pools: Vec<PoolStatus>,
    /// How many more pools there are than a frame has room for.
    pub pools_left_out: u64,
}
