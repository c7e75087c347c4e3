//! The state as a client reads it. A member of an unexpected type counts as absent.

use alloc::vec::Vec;
use core::time::Duration;

use serde::Deserialize;

use super::{BusLink, BusStatus, JournalStatus, PoolAgentStatus, PoolStatus, RuntimeStatus, StatusCounts};
use crate::arcp::wire::envelope::{Envelope, Int};
use crate::arcp::wire::reply::read::{Maybe, payload};
use crate::json::Text;

impl RuntimeStatus {
    /// Reads an `x-vendor.nuncio.status`.
    pub(crate) fn read(envelope: &Envelope<'_>) -> RuntimeStatus {
        let reply: Reply<'_> = payload(envelope);
        // On its own, because its members stand beside those of the reply.
        let counts: Counts = payload(envelope);
        RuntimeStatus {
            uptime: secs(&reply.uptime_sec).unwrap_or_default(),
            counts: counts.counts(),
            shards: rows(&reply.shards, |shard| Some(shard.counts())),
            shards_left_out: number(&reply.shards_left_out),
            journal: reply.journal.0.as_ref().map(Journal::status),
            pools: rows(&reply.pools, Pool::status),
            pools_left_out: number(&reply.pools_left_out),
        }
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Reply<'a> {
    uptime_sec: Maybe<Int>,
    shards: Rows<Counts>,
    shards_left_out: Maybe<Int>,
    #[serde(borrow)]
    journal: Maybe<Journal<'a>>,
    #[serde(borrow)]
    pools: Rows<Pool<'a>>,
    pools_left_out: Maybe<Int>,
}

type Rows<T> = Maybe<Vec<Maybe<T>>>;

#[derive(Default, Deserialize)]
#[serde(default)]
struct Counts {
    connections: Maybe<Int>,
    sessions: Maybe<Sessions>,
    jobs: Maybe<Jobs>,
    questions: Maybe<Int>,
    memory: Maybe<Memory>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Sessions {
    live: Maybe<Int>,
    detached: Maybe<Int>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Jobs {
    pending: Maybe<Int>,
    running: Maybe<Int>,
    cancelling: Maybe<Int>,
    kept: Maybe<Int>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Memory {
    bytes: Maybe<Int>,
    limit: Maybe<Int>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Journal<'a> {
    bytes: Maybe<Int>,
    max_bytes: Maybe<Int>,
    free_bytes: Maybe<Int>,
    commits: Maybe<Int>,
    last_commit_us: Maybe<Int>,
    committed_sec: Maybe<Int>,
    failing_sec: Maybe<Int>,
    #[serde(borrow)]
    error: Maybe<Text<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Pool<'a> {
    #[serde(borrow)]
    bus: Maybe<Bus<'a>>,
    #[serde(borrow)]
    agents: Rows<Agent<'a>>,
    agents_left_out: Maybe<Int>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Bus<'a> {
    #[serde(borrow)]
    state: Maybe<Text<'a>>,
    since_sec: Maybe<Int>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Agent<'a> {
    #[serde(borrow)]
    agent: Maybe<Text<'a>>,
    #[serde(borrow)]
    topic: Maybe<Text<'a>>,
    dispatched: Maybe<Int>,
    outstanding: Maybe<Int>,
}

impl Counts {
    fn counts(&self) -> StatusCounts {
        let mut counts = StatusCounts {
            connections: number(&self.connections),
            questions_open: number(&self.questions),
            ..StatusCounts::default()
        };
        if let Some(sessions) = &self.sessions.0 {
            counts.sessions_live = number(&sessions.live);
            counts.sessions_detached = number(&sessions.detached);
        }
        if let Some(jobs) = &self.jobs.0 {
            counts.jobs_pending = number(&jobs.pending);
            counts.jobs_running = number(&jobs.running);
            counts.jobs_cancelling = number(&jobs.cancelling);
            counts.jobs_kept = number(&jobs.kept);
        }
        if let Some(memory) = &self.memory.0 {
            counts.bytes_held = number(&memory.bytes);
            counts.bytes_limit = number(&memory.limit);
        }
        counts
    }
}

impl Journal<'_> {
    fn status(&self) -> JournalStatus {
        JournalStatus {
            bytes: self.bytes.value(),
            max_bytes: self.max_bytes.value(),
            free_bytes: self.free_bytes.value(),
            commits: number(&self.commits),
            last_commit: self.last_commit_us.value().map(Duration::from_micros),
            committed: secs(&self.committed_sec),
            failing: secs(&self.failing_sec),
            error: self.error.owned(),
        }
    }
}

impl Pool<'_> {
    /// A pool whose connection has no known state is left out.
    fn status(&self) -> Option<PoolStatus> {
        let bus = self.bus.0.as_ref()?;
        Some(PoolStatus {
            bus: BusStatus {
                link: BusLink::parse(bus.state.as_str()?)?,
                since: secs(&bus.since_sec).unwrap_or_default(),
            },
            agents: rows(&self.agents, Agent::status),
            agents_left_out: number(&self.agents_left_out),
        })
    }
}

impl Agent<'_> {
    fn status(&self) -> Option<PoolAgentStatus> {
        Some(PoolAgentStatus {
            agent: self.agent.owned()?,
            topic: self.topic.owned().unwrap_or_default(),
            dispatched: number(&self.dispatched),
            outstanding: number(&self.outstanding),
        })
    }
}

fn rows<T, U>(rows: &Rows<T>, read: impl Fn(&T) -> Option<U>) -> Vec<U> {
    rows.0.iter().flatten().filter_map(|row| row.0.as_ref()).filter_map(read).collect()
}

fn number(value: &Maybe<Int>) -> u64 {
    value.value().unwrap_or_default()
}

fn secs(value: &Maybe<Int>) -> Option<Duration> {
    value.value().map(Duration::from_secs)
}
