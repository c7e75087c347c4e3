//! What is in a journal, in numbers.

use std::path::Path;

use nuncio_tokio::arcp::journal::{JournalContents, JournalStats};
use nuncio_tokio::arcp::{FinalStatus, Time};
use serde::Serialize;

use super::sessions::{Session, States};
use crate::size;

/// Sessions that are named in a line; `nuncio journal sessions` lists all.
const NAMED: usize = 3;

/// What is in the files of all shards together.
#[derive(Serialize)]
pub(super) struct Stats<'a> {
    /// The first of them.
    file: &'a Path,
    file_bytes: u64,
    bytes: u64,
    records: u64,
    /// Whether some records were deleted.
    #[serde(skip)]
    lacks_records: bool,
    /// The numbers of the records, if there is one file: each has numbers of its own.
    #[serde(flatten)]
    numbers: Option<Numbers>,
    /// The files, if there are several.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    files: &'a [File<'a>],
    events: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    oldest_event: Option<String>,
    sessions: u64,
    session_states: States,
    session_ids: Vec<&'a str>,
    jobs: Jobs,
    credentials_unrevoked: u64,
    credentials_unanswered: u64,
}

#[derive(Clone, Copy, Serialize)]
struct Numbers {
    first_record: u64,
    last_record: u64,
}

/// The file of one shard.
#[derive(Serialize)]
pub(super) struct File<'a> {
    file: &'a Path,
    file_bytes: u64,
    bytes: u64,
    records: u64,
    #[serde(flatten)]
    numbers: Numbers,
    #[serde(skip)]
    contents: JournalContents,
}

impl File<'_> {
    pub(super) fn new<'a>(
        file: &'a Path,
        file_bytes: u64,
        stats: &JournalStats,
        contents: JournalContents,
    ) -> File<'a> {
        let numbers = Numbers { first_record: stats.first, last_record: stats.last };
        File { file, file_bytes, bytes: stats.bytes, records: stats.records, numbers, contents }
    }
}

/// Whether a file has fewer records than were written. Their numbers begin with 1. How many were deleted is unknown: the newest
/// may be among them.
pub(super) fn lacks_records(records: u64, last: u64) -> bool {
    records < last
}

#[derive(Serialize)]
struct Jobs {
    unfinished: u64,
    success: u64,
    error: u64,
    cancelled: u64,
    timed_out: u64,
}

impl Stats<'_> {
    /// Sums up the files of all shards. There is at least one.
    pub(super) fn new<'a>(shards: &'a [File<'a>], sessions: &'a [Session]) -> Stats<'a> {
        let sum = |of: fn(&File<'_>) -> u64| shards.iter().map(of).sum::<u64>();
        let ended = |status| shards.iter().map(|shard| shard.contents.ended(status)).sum();
        let oldest = shards.iter().filter_map(|shard| shard.contents.oldest_event).min();
        let (only, several) = match shards {
            [only] => (Some(only), &[][..]),
            several => (None, several),
        };
        Stats {
            file: shards.first().map_or(Path::new(""), |shard| shard.file),
            file_bytes: sum(|shard| shard.file_bytes),
            bytes: sum(|shard| shard.bytes),
            records: sum(|shard| shard.records),
            lacks_records: shards.iter().any(|shard| lacks_records(shard.records, shard.numbers.last_record)),
            numbers: only.map(|only| only.numbers),
            files: several,
            events: sum(|shard| shard.contents.events),
            oldest_event: oldest.map(Time::to_rfc3339),
            sessions: sum(|shard| shard.contents.sessions),
            session_states: States::of(sessions),
            session_ids: sessions.iter().filter(|session| session.is_open()).map(Session::id).collect(),
            jobs: Jobs {
                unfinished: sum(|shard| shard.contents.jobs_unfinished),
                success: ended(FinalStatus::Success),
                error: ended(FinalStatus::Error),
                cancelled: ended(FinalStatus::Cancelled),
                timed_out: ended(FinalStatus::TimedOut),
            },
            credentials_unrevoked: sum(|shard| shard.contents.credentials_unrevoked),
            credentials_unanswered: sum(|shard| shard.contents.credentials_unanswered),
        }
    }

    pub(super) fn lines(&self) -> Vec<String> {
        let States { open, disconnected, closed } = self.session_states;
        let Jobs { unfinished, success, error, cancelled, timed_out } = self.jobs;
        let oldest = self.oldest_event.as_ref().map(|at| format!(", the oldest of {at}")).unwrap_or_default();
        let records = match self.numbers {
            Some(Numbers { first_record, last_record }) => {
                format!("{}, numbered {first_record} to {last_record}", self.records)
            }
            None => self.records.to_string(),
        };
        let deleted = if self.lacks_records { "; compaction has deleted others" } else { "" };
        let file = match self.files.last() {
            Some(last) => format!("{} to {}", self.file.display(), last.file.display()),
            None => self.file.display().to_string(),
        };
        let rows = [
            ("file", file),
            ("size", format!("{} on disk, {} in use", size::format(self.file_bytes), size::format(self.bytes))),
            ("records", records + deleted),
            ("events", format!("{}{oldest}", self.events)),
            ("sessions", format!("{} connected or resumable{}", self.sessions, self.named_sessions())),
            ("", format!("{open} open, {disconnected} disconnected, {closed} closed by their clients")),
            (
                "jobs",
                format!(
                    "{unfinished} unfinished, {success} success, {error} error, {cancelled} cancelled, \
                     {timed_out} timed out"
                ),
            ),
            (
                "credentials",
                format!(
                    "{} not revoked, {} requested without an answer",
                    self.credentials_unrevoked, self.credentials_unanswered
                ),
            ),
        ];
        rows.iter().map(|(name, text)| format!("{name:<11} {text}")).collect()
    }

    /// The ids of the last sessions.
    fn named_sessions(&self) -> String {
        let ids: Vec<&str> = self.session_ids.iter().rev().take(NAMED).copied().collect();
        match (ids.len(), self.session_ids.len()) {
            (0, _) => String::new(),
            (named, all) if named == all => format!(": {}", ids.join(", ")),
            (named, _) => format!(", the {named} opened last: {}", ids.join(", ")),
        }
    }
}
