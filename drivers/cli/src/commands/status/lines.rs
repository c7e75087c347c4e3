//! The state as lines for people: a name, and what it is.

use std::time::Duration;

use nuncio_tokio::arcp::{BusLink, JournalStatus, PoolStatus, RuntimeStatus, StatusCounts, Welcome};

use crate::size;
use crate::text::count;
use crate::time::HumanDuration;

type Line = (&'static str, String);

pub(super) fn lines(status: &RuntimeStatus, welcome: Option<&Welcome>) -> Vec<Line> {
    let counts = &status.counts;
    let mut lines = Vec::new();
    if let Some(Welcome { runtime_name, runtime_version, .. }) = welcome {
        lines.push(("runtime", format!("{runtime_name} {runtime_version}")));
    }
    lines.push(("uptime", seconds(status.uptime)));
    lines.push(("connections", counts.connections.to_string()));
    lines.push(("sessions", sessions(counts)));
    lines.push(("jobs", jobs(counts)));
    lines.push(("questions", format!("{} open", counts.questions_open)));
    lines.push(("memory", format!("{} of {}", size::format(counts.bytes_held), size::format(counts.bytes_limit))));
    if let Some(status) = &status.journal {
        journal(status, &mut lines);
    }
    for (number, shard) in (1..).zip(&status.shards) {
        lines.push(("shard", format!("{number}: {}, {}", count(shard.sessions_live, "open session"), jobs(shard))));
    }
    left_out("shard", status.shards_left_out, &mut lines);
    for status in &status.pools {
        pool(status, &mut lines);
    }
    left_out("pool", status.pools_left_out, &mut lines);
    lines
}

/// The words are those of `nuncio journal`.
fn sessions(counts: &StatusCounts) -> String {
    format!("{} open, {} disconnected or closed by their clients", counts.sessions_live, counts.sessions_detached)
}

fn jobs(counts: &StatusCounts) -> String {
    format!(
        "{} running, {} waiting, {} cancelling, {} ended",
        counts.jobs_running, counts.jobs_pending, counts.jobs_cancelling, counts.jobs_kept
    )
}

fn journal(journal: &JournalStatus, lines: &mut Vec<Line>) {
    let taken = journal.bytes.map_or_else(|| "of unknown size".to_owned(), size::format);
    let limit = journal.max_bytes.map(|max| format!(" of at most {}", size::format(max))).unwrap_or_default();
    let free = journal.free_bytes.map(|free| format!(", {} free on its disk", size::format(free))).unwrap_or_default();
    lines.push(("journal", format!("{taken}{limit}{free}")));
    let mut commits = count(journal.commits, "commit");
    if let (Some(took), Some(ago)) = (journal.last_commit, journal.committed) {
        commits = format!("{commits}; the last one was {} ago and took {}", seconds(ago), short(took));
    }
    lines.push(("", commits));
    if let Some(since) = journal.failing {
        let why = journal.error.as_deref().map(|error| format!(": {error}")).unwrap_or_default();
        lines.push(("", format!("writes have failed for {}{why}", seconds(since))));
    }
}

fn pool(pool: &PoolStatus, lines: &mut Vec<Line>) {
    let link = match pool.bus.link {
        BusLink::Connected => "connected",
        BusLink::Disconnected => "not connected",
        _ => "closed",
    };
    lines.push(("pool", format!("{link} for {}", seconds(pool.bus.since))));
    for agent in &pool.agents {
        lines.push((
            "",
            format!(
                "{} ({}): {} dispatched, {} outstanding",
                agent.agent,
                agent.topic,
                count(agent.dispatched, "job"),
                agent.outstanding
            ),
        ));
    }
    left_out("agent", pool.agents_left_out, lines);
}

fn left_out(what: &str, number: u64, lines: &mut Vec<Line>) {
    if number > 0 {
        lines.push(("", format!("{} more", count(number, what))));
    }
}

/// Returns a duration in one unit: `850 µs`, `3.2 ms`, `1.5 s`.
fn short(duration: Duration) -> String {
    match duration.as_micros() {
        micros @ 0..1_000 => format!("{micros} µs"),
        1_000..1_000_000 => format!("{:.1} ms", duration.as_secs_f64() * 1e3),
        _ => format!("{:.1} s", duration.as_secs_f64()),
    }
}

/// Returns a duration in whole seconds, which is exact enough for people.
fn seconds(duration: Duration) -> String {
    HumanDuration::new(Duration::from_secs(duration.as_secs())).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(journal: &JournalStatus) -> Vec<String> {
        let mut lines = Vec::new();
        super::journal(journal, &mut lines);
        lines.into_iter().map(|(name, text)| format!("{name}|{text}")).collect()
    }

    #[test]
    fn a_journal_is_told_as_far_as_it_is_known() {
        assert_eq!(of(&JournalStatus::default()), ["journal|of unknown size", "|0 commits"]);
        let journal = JournalStatus {
            bytes: Some(80 << 10),
            max_bytes: Some(1 << 30),
            free_bytes: Some(3 << 30),
            commits: 1,
            last_commit: Some(Duration::from_nanos(850_999)),
            committed: Some(Duration::from_millis(61_900)),
            failing: Some(Duration::from_secs(3)),
            error: Some("the disk of the journal is full".to_owned()),
        };
        let shown = [
            "journal|80.0 KiB of at most 1.0 GiB, 3.0 GiB free on its disk",
            "|1 commit; the last one was 1m 1s ago and took 850 µs",
            "|writes have failed for 3s: the disk of the journal is full",
        ];
        assert_eq!(of(&journal), shown);
    }

    #[test]
    fn a_short_duration_has_one_unit() {
        let shown = [0, 999, 3_232, 1_500_000].map(|micros| short(Duration::from_micros(micros)));
        assert_eq!(shown, ["0 µs", "999 µs", "3.2 ms", "1.5 s"]);
    }

    #[test]
    fn what_is_left_out_is_counted() {
        let mut lines = Vec::new();
        for number in [0, 1, 2] {
            left_out("agent", number, &mut lines);
        }
        assert_eq!(lines, [("", "1 agent more".to_owned()), ("", "2 agents more".to_owned())]);
    }
}
