//! The state as JSON text, within the size of a frame.

use alloc::string::{String, ToString as _};
use core::time::Duration;

use super::{HostStatus, JournalStatus, PoolAgentStatus, PoolStatus, StatusCounts};
use crate::arcp::wire::dialect::Dialect;
use crate::arcp::wire::envelope::MAX_INTEGER;
use crate::json::Object;

/// The longest name of an agent or a topic, in bytes.
const MAX_NAME: usize = 256;
/// The longest sentence about a journal, in bytes.
const MAX_ERROR: usize = 1 << 10;

/// What a runtime says of itself.
pub(crate) struct Own {
    pub(crate) uptime: Duration,
    pub(crate) counts: StatusCounts,
}

/// The bytes that the members of an answer take that are always there, and those of a pool.
const MEMBERS: usize = 512;

/// Writes the answer to a request. It has about `room` bytes at most: shards, pools and agents beyond that are counted and
/// left out.
pub(crate) fn write(request_id: &str, dialect: Dialect, own: &Own, host: &HostStatus, room: usize) -> String {
    let shards = host.shards.iter().copied().reduce(StatusCounts::plus);
    let journal = host.journal.as_ref().map(|status| journal(status, room.saturating_sub(MEMBERS)));
    let mut left = room.saturating_sub(MEMBERS + journal.as_ref().map_or(0, String::len));
    let object = dialect.answers(Object::with_capacity(1024), Some(request_id));
    let object = members(object.value("uptime_sec", secs(own.uptime)), shards.unwrap_or(own.counts));
    let object = object.opt_json("journal", journal.as_deref());
    let object = list(object, "shards", &host.shards, &mut left, |shard, _| members(Object::new(), *shard).close());
    list(object, "pools", &host.pools, &mut left, pool).close()
}

/// Adds the items that there is room for, if there are any, and the number of those that are left out. `write` is told how
/// many bytes an item may have.
fn list<T>(
    object: Object,
    name: &'static str,
    items: &[T],
    left: &mut usize,
    write: impl Fn(&T, usize) -> String,
) -> Object {
    if items.is_empty() {
        return object;
    }
    let (mut rows, mut written) = (String::from("["), 0);
    for item in items {
        let row = write(item, *left);
        let Some(rest) = left.checked_sub(row.len() + 1) else { break };
        *left = rest;
        if written > 0 {
            rows.push(',');
        }
        rows.push_str(&row);
        written += 1;
    }
    rows.push(']');
    let left_out = Some(items.len() - written).filter(|items| *items > 0);
    let object = object.json(name, &rows);
    match left_out {
        Some(items) => object.named(&alloc::format!("{name}_left_out"), &items.to_string()),
        None => object,
    }
}

fn members(object: Object, counts: StatusCounts) -> Object {
    let sessions =
        Object::new().value("live", int(counts.sessions_live)).value("detached", int(counts.sessions_detached)).close();
    let jobs = Object::new()
        .value("pending", int(counts.jobs_pending))
        .value("running", int(counts.jobs_running))
        .value("cancelling", int(counts.jobs_cancelling))
        .value("kept", int(counts.jobs_kept))
        .close();
    let memory = Object::new().value("bytes", int(counts.bytes_held)).value("limit", int(counts.bytes_limit)).close();
    object
        .value("connections", int(counts.connections))
        .json("sessions", &sessions)
        .json("jobs", &jobs)
        .value("questions", int(counts.questions_open))
        .json("memory", &memory)
}

/// Leaves the sentence out if there is no room for it.
fn journal(journal: &JournalStatus, room: usize) -> String {
    let error = journal.error.as_deref().map(|error| start(error, MAX_ERROR));
    let whole = journal_with(journal, error);
    if whole.len() > room { journal_with(journal, None) } else { whole }
}

fn journal_with(journal: &JournalStatus, error: Option<&str>) -> String {
    Object::new()
        .opt_value("bytes", journal.bytes.map(int))
        .opt_value("max_bytes", journal.max_bytes.map(int))
        .opt_value("free_bytes", journal.free_bytes.map(int))
        .value("commits", int(journal.commits))
        .opt_value("last_commit_us", journal.last_commit.map(micros))
        .opt_value("committed_sec", journal.committed.map(secs))
        .opt_value("failing_sec", journal.failing.map(secs))
        .opt_text("error", error)
        .close()
}

fn pool(pool: &PoolStatus, room: usize) -> String {
    let bus = Object::new().plain("state", pool.bus.link.as_str()).value("since_sec", secs(pool.bus.since)).close();
    let mut left = room.saturating_sub(MEMBERS);
    list(Object::new().json("bus", &bus), "agents", &pool.agents, &mut left, |row, _| agent(row)).close()
}

fn agent(agent: &PoolAgentStatus) -> String {
    Object::new()
        .text("agent", start(&agent.agent, MAX_NAME))
        .text("topic", start(&agent.topic, MAX_NAME))
        .value("dispatched", int(agent.dispatched))
        .value("outstanding", int(agent.outstanding))
        .close()
}

fn start(text: &str, bytes: usize) -> &str {
    text.get(..text.floor_char_boundary(bytes)).unwrap_or_default()
}

fn int(value: u64) -> u64 {
    value.min(MAX_INTEGER)
}

fn secs(duration: Duration) -> u64 {
    int(duration.as_secs())
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).map_or(MAX_INTEGER, int)
}
