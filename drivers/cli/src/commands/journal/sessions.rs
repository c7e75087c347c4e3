//! The sessions in a journal, for `nuncio replay`, which takes their ids.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use nuncio_core::arcp::{JobUlid, Record, SessionUlid};
use nuncio_tokio::arcp::Time;
use nuncio_tokio::arcp::journal::{JournalError, SqliteJournal};
use serde::Serialize;

use crate::text::sanitize;

#[derive(Serialize)]
pub(super) struct Session {
    session_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    principal: Option<String>,
    /// The form of the protocol that the client is spoken to in.
    #[serde(skip_serializing_if = "Option::is_none")]
    dialect: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    opened_at: Option<String>,
    /// Events of the session that the journal holds.
    events: u64,
    /// The number of the last one in the session; 0 if there is none.
    last_event_seq: u64,
    jobs: Vec<String>,
    closed: bool,
}

#[derive(Default)]
struct Found {
    principal: Option<String>,
    dialect: Option<&'static str>,
    opened_at: Option<Time>,
    events: u64,
    last_event_seq: u64,
    jobs: BTreeSet<JobUlid>,
    closed: bool,
}

/// Reads the sessions of one shard.
pub(super) fn read(journal: &SqliteJournal) -> Result<Vec<Session>, JournalError> {
    let mut sessions = BTreeMap::new();
    let mut last = 0;
    while let Some(committed) = journal.after(last)? {
        last = committed.last;
        for (_, record) in &committed.records {
            note(&mut sessions, record, committed.at);
        }
    }
    Ok(sessions.iter().map(|(id, found)| Session::new(*id, found)).collect())
}

/// Sorts the sessions of all shards, oldest first.
pub(super) fn sorted(mut sessions: Vec<Session>) -> Vec<Session> {
    sessions.sort_by(|left, right| left.opened_at.cmp(&right.opened_at));
    sessions
}

fn note(sessions: &mut BTreeMap<SessionUlid, Found>, record: &Record, at: Time) {
    for target in record.targets() {
        let session = sessions.entry(target.session).or_default();
        session.events += 1;
        session.last_event_seq = session.last_event_seq.max(target.seq);
        session.jobs.extend(record.job());
    }
    let Some(id) = record.session() else { return };
    let session = sessions.entry(id).or_default();
    session.jobs.extend(record.job());
    match record {
        Record::SessionOpened(opened) => {
            session.opened_at = Some(at);
            session.principal = Some(opened.principal.to_string());
            session.dialect = Some(opened.dialect.name());
        }
        Record::SessionClosed { .. } => session.closed = true,
        _ => {}
    }
}

impl Session {
    fn new(id: SessionUlid, found: &Found) -> Session {
        Session {
            session_id: id.to_string(),
            principal: found.principal.clone(),
            dialect: found.dialect,
            opened_at: found.opened_at.map(Time::to_rfc3339),
            events: found.events,
            last_event_seq: found.last_event_seq,
            jobs: found.jobs.iter().map(ToString::to_string).collect(),
            closed: found.closed,
        }
    }

    pub(super) fn id(&self) -> &str {
        &self.session_id
    }

    /// Whether it is connected or can be resumed.
    pub(super) fn is_open(&self) -> bool {
        !self.closed
    }
}

/// A heading and a line per session.
pub(super) fn table(sessions: &[Session]) -> Vec<String> {
    let line = |[id, opened, dialect, principal, jobs, events, last, state]: [&str; 8]| {
        format!("{id:<31}  {opened:<24}  {dialect:<14}  {principal:<16}  {jobs:>5}  {events:>7}  {last:>8}  {state}")
    };
    let heading = line(["SESSION", "OPENED", "DIALECT", "PRINCIPAL", "JOBS", "EVENTS", "LAST SEQ", "STATE"]);
    let rows = sessions.iter().map(|session| {
        line([
            &session.session_id,
            session.opened_at.as_deref().unwrap_or("-"),
            session.dialect.unwrap_or("-"),
            &session.principal.as_deref().map_or(Cow::Borrowed("-"), sanitize),
            &session.jobs.len().to_string(),
            &session.events.to_string(),
            &session.last_event_seq.to_string(),
            if session.closed { "closed" } else { "open" },
        ])
    });
    [heading].into_iter().chain(rows).collect()
}
