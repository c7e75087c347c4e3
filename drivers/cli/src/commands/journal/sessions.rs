//! The sessions in a journal, for `nuncio replay`, which takes their ids.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::{fmt, mem};

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
    #[serde(flatten)]
    state: State,
}

/// What the last record about a session says of its connection.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(tag = "state", content = "since", rename_all = "snake_case")]
enum State {
    /// Its client is connected. If the server was killed, its client was connected then.
    Open,
    /// Its client has lost the connection at this time, and can resume the session.
    Disconnected(String),
    /// Its client has closed it at this time, and can still resume it.
    Closed(String),
    /// It can no longer be resumed. The journal may have dropped its records and still have events that it was sent.
    #[default]
    Over,
}

/// How many of the sessions that can be resumed are in which state.
#[derive(Clone, Copy, Default, Serialize)]
pub(super) struct States {
    pub(super) open: u64,
    pub(super) disconnected: u64,
    pub(super) closed: u64,
}

#[derive(Default)]
struct Found {
    principal: Option<String>,
    dialect: Option<&'static str>,
    opened_at: Option<Time>,
    events: u64,
    last_event_seq: u64,
    jobs: BTreeSet<JobUlid>,
    state: State,
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
    if let Record::SessionOpened(opened) = record {
        session.opened_at = Some(at);
        session.principal = Some(opened.principal.to_string());
        session.dialect = Some(opened.dialect.name());
    }
    session.state = mem::take(&mut session.state).after(record);
}

impl State {
    /// The state after a record about the session.
    fn after(self, record: &Record) -> State {
        match record {
            Record::SessionOpened(_) | Record::SessionToken(_) => State::Open,
            Record::SessionDetached { at, goodbye: true, .. } => State::Closed(at.to_rfc3339()),
            Record::SessionDetached { at, goodbye: false, .. } => State::Disconnected(at.to_rfc3339()),
            Record::SessionClosed { .. } => State::Over,
            _ => self,
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            State::Open => f.write_str("open"),
            State::Disconnected(at) => write!(f, "disconnected since {at}"),
            State::Closed(at) => write!(f, "closed by its client at {at}"),
            State::Over => f.write_str("over"),
        }
    }
}

impl States {
    pub(super) fn of(sessions: &[Session]) -> States {
        let mut states = States::default();
        for session in sessions {
            match session.state {
                State::Open => states.open += 1,
                State::Disconnected(_) => states.disconnected += 1,
                State::Closed(_) => states.closed += 1,
                State::Over => {}
            }
        }
        states
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
            state: found.state.clone(),
        }
    }

    pub(super) fn id(&self) -> &str {
        &self.session_id
    }

    /// Whether it is connected or can be resumed.
    pub(super) fn is_open(&self) -> bool {
        self.state != State::Over
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
            &session.state.to_string(),
        ])
    });
    [heading].into_iter().chain(rows).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SESSION: &str = "sess_01ARZ3NDEKTSV4RRFFQ69G5FAV";
    const DIGEST: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

    /// The sessions after these records: kinds, each with its own members.
    fn read(records: &[(&str, &str)]) -> Vec<Session> {
        let mut sessions = BTreeMap::new();
        for (kind, members) in records {
            let text = format!(r#"{{"v":1,"t":"{kind}",{members}}}"#).replace("SESSION", SESSION);
            note(&mut sessions, &Record::decode(text.as_bytes()).expect("a record"), Time(0));
        }
        sessions.iter().map(|(id, found)| Session::new(*id, found)).collect()
    }

    fn state(records: &[(&str, &str)]) -> String {
        let [session] = &read(records)[..] else { panic!("one session") };
        session.state.to_string()
    }

    #[test]
    fn the_last_record_about_the_connection_is_the_state() {
        let opened = format!(r#""session":"SESSION","principal":"me","features":[],"token":"{DIGEST}","at":0"#);
        let token = format!(r#""session":"SESSION","newest":"{DIGEST}""#);
        let opened = ("session_opened", opened.as_str());
        let resumed = ("session_token", token.as_str());
        let lost = ("session_detached", r#""session":"SESSION","at":1000000"#);
        let closed = ("session_detached", r#""session":"SESSION","at":2000000,"goodbye":true"#);
        let over = ("session_closed", r#""session":"SESSION""#);
        let acknowledged = ("acknowledged", r#""session":"SESSION","seq":1"#);
        assert_eq!(state(&[opened]), "open");
        assert_eq!(state(&[opened, lost]), "disconnected since 1970-01-01T00:00:01.000Z");
        assert_eq!(state(&[opened, closed]), "closed by its client at 1970-01-01T00:00:02.000Z");
        assert_eq!(state(&[opened, closed, acknowledged]), "closed by its client at 1970-01-01T00:00:02.000Z");
        for gone in [lost, closed] {
            assert_eq!(state(&[opened, gone, resumed]), "open");
            assert_eq!(state(&[opened, gone, over]), "over");
        }
    }

    #[test]
    fn a_session_of_which_only_events_are_left_is_over() {
        let event = r#""job":"job_01ARZ3NDEKTSV4RRFFQ69G5FAV","trace":"4bf92f3577b34da6a3ce929d0e0e4736","position":1,"seq":1,
            "to":[{"session":"SESSION","seq":1,"id":"01ARZ3NDEKTSV4RRFFQ69G5FAV"}],"payload":{}"#;
        let sessions = read(&[("job_event", event)]);
        assert_eq!((sessions[0].events, sessions[0].is_open()), (1, false));
    }
}
