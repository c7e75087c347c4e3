//! What is in a journal, in numbers.

use std::path::Path;

use nuncio_tokio::arcp::journal::{JournalContents, JournalStats};
use nuncio_tokio::arcp::{FinalStatus, Time};
use serde::Serialize;

use super::sessions::Session;
use crate::size;

/// Sessions that are named in a line; `nuncio journal sessions` lists all.
const NAMED: usize = 3;

#[derive(Serialize)]
pub(super) struct Stats<'a> {
    file: &'a Path,
    file_bytes: u64,
    bytes: u64,
    records: u64,
    first_record: u64,
    last_record: u64,
    events: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    oldest_event: Option<String>,
    sessions: u64,
    session_ids: Vec<&'a str>,
    jobs: Jobs,
    credentials_unrevoked: u64,
    credentials_unanswered: u64,
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
    pub(super) fn new<'a>(
        file: &'a Path,
        file_bytes: u64,
        stats: &JournalStats,
        contents: &JournalContents,
        sessions: &'a [Session],
    ) -> Stats<'a> {
        Stats {
            file,
            file_bytes,
            bytes: stats.bytes,
            records: stats.records,
            first_record: stats.first,
            last_record: stats.last,
            events: contents.events,
            oldest_event: contents.oldest_event.map(Time::to_rfc3339),
            sessions: contents.sessions,
            session_ids: sessions.iter().filter(|session| session.is_open()).map(Session::id).collect(),
            jobs: Jobs {
                unfinished: contents.jobs_unfinished,
                success: contents.ended(FinalStatus::Success),
                error: contents.ended(FinalStatus::Error),
                cancelled: contents.ended(FinalStatus::Cancelled),
                timed_out: contents.ended(FinalStatus::TimedOut),
            },
            credentials_unrevoked: contents.credentials_unrevoked,
            credentials_unanswered: contents.credentials_unanswered,
        }
    }

    pub(super) fn lines(&self) -> Vec<String> {
        let Jobs { unfinished, success, error, cancelled, timed_out } = self.jobs;
        let oldest = self.oldest_event.as_ref().map(|at| format!(", the oldest of {at}")).unwrap_or_default();
        let rows = [
            ("file", self.file.display().to_string()),
            ("size", format!("{} on disk, {} in use", size::format(self.file_bytes), size::format(self.bytes))),
            ("records", format!("{}, numbered {} to {}", self.records, self.first_record, self.last_record)),
            ("events", format!("{}{oldest}", self.events)),
            ("sessions", format!("{} connected or resumable{}", self.sessions, self.named_sessions())),
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
            (named, _) => format!(", the last {named}: {}", ids.join(", ")),
        }
    }
}
