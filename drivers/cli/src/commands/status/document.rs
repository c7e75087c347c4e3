//! The state as JSON, with the names of the wire (core/docs/arcp.md, "Status").

use nuncio_tokio::arcp::{JournalStatus, PoolAgentStatus, PoolStatus, RuntimeStatus, StatusCounts};
use serde::Serialize;

#[derive(Serialize)]
pub(super) struct Document<'a> {
    uptime_sec: u64,
    #[serde(flatten)]
    counts: Counts,
    #[serde(skip_serializing_if = "Option::is_none")]
    journal: Option<Journal<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    shards: Vec<Counts>,
    #[serde(skip_serializing_if = "is_zero")]
    shards_left_out: u64,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pools: Vec<Pool<'a>>,
    #[serde(skip_serializing_if = "is_zero")]
    pools_left_out: u64,
}

#[derive(Serialize)]
struct Counts {
    connections: u64,
    sessions: Sessions,
    jobs: Jobs,
    questions: u64,
    memory: Memory,
}

#[derive(Serialize)]
struct Sessions {
    live: u64,
    detached: u64,
}

#[derive(Serialize)]
struct Jobs {
    pending: u64,
    running: u64,
    cancelling: u64,
    kept: u64,
}

#[derive(Serialize)]
struct Memory {
    bytes: u64,
    limit: u64,
}

#[derive(Serialize)]
struct Journal<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    free_bytes: Option<u64>,
    commits: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_commit_us: Option<u128>,
    #[serde(skip_serializing_if = "Option::is_none")]
    committed_sec: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    failing_sec: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a str>,
}

#[derive(Serialize)]
struct Pool<'a> {
    bus: Bus,
    agents: Vec<Agent<'a>>,
    #[serde(skip_serializing_if = "is_zero")]
    agents_left_out: u64,
}

#[derive(Serialize)]
struct Bus {
    state: &'static str,
    since_sec: u64,
}

#[derive(Serialize)]
struct Agent<'a> {
    agent: &'a str,
    topic: &'a str,
    dispatched: u64,
    outstanding: u64,
}

impl<'a> Document<'a> {
    pub(super) fn of(status: &'a RuntimeStatus) -> Document<'a> {
        Document {
            uptime_sec: status.uptime.as_secs(),
            counts: Counts::of(&status.counts),
            journal: status.journal.as_ref().map(Journal::of),
            shards: status.shards.iter().map(Counts::of).collect(),
            shards_left_out: status.shards_left_out,
            pools: status.pools.iter().map(Pool::of).collect(),
            pools_left_out: status.pools_left_out,
        }
    }
}

impl Counts {
    fn of(counts: &StatusCounts) -> Counts {
        Counts {
            connections: counts.connections,
            sessions: Sessions { live: counts.sessions_live, detached: counts.sessions_detached },
            jobs: Jobs {
                pending: counts.jobs_pending,
                running: counts.jobs_running,
                cancelling: counts.jobs_cancelling,
                kept: counts.jobs_kept,
            },
            questions: counts.questions_open,
            memory: Memory { bytes: counts.bytes_held, limit: counts.bytes_limit },
        }
    }
}

impl<'a> Journal<'a> {
    fn of(journal: &'a JournalStatus) -> Journal<'a> {
        Journal {
            bytes: journal.bytes,
            max_bytes: journal.max_bytes,
            free_bytes: journal.free_bytes,
            commits: journal.commits,
            last_commit_us: journal.last_commit.map(|took| took.as_micros()),
            committed_sec: journal.committed.map(|ago| ago.as_secs()),
            failing_sec: journal.failing.map(|since| since.as_secs()),
            error: journal.error.as_deref(),
        }
    }
}

impl<'a> Pool<'a> {
    fn of(pool: &'a PoolStatus) -> Pool<'a> {
        let agent = |row: &'a PoolAgentStatus| Agent {
            agent: &row.agent,
            topic: &row.topic,
            dispatched: row.dispatched,
            outstanding: row.outstanding,
        };
        Pool {
            bus: Bus { state: pool.bus.link.as_str(), since_sec: pool.bus.since.as_secs() },
            agents: pool.agents.iter().map(agent).collect(),
            agents_left_out: pool.agents_left_out,
        }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}
