//! `x-vendor.nuncio.sessions`, a page of sessions (ours).

use alloc::string::String;
use alloc::vec::Vec;

use serde::Deserialize;

use super::maybe::Maybe;
use crate::arcp::wire::envelope::Int;
use crate::arcp::wire::ids::SessionId;
use crate::json::Text;

/// A page of sessions (ours).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SessionPage {
    /// The sessions; Nuncio's runtime lists them in the order of their ids, which are random.
    pub sessions: Vec<SessionRow>,
    /// The cursor of the next page, for [`SessionQuery::cursor`](crate::arcp::client::SessionQuery::cursor). Absent on the
    /// last page. A page with a cursor may be shorter than the limit.
    pub next_cursor: Option<String>,
}

/// A session in a [`SessionPage`] (ours).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SessionRow {
    /// The session's id.
    pub session_id: SessionId,
    /// The principal that the session belongs to.
    pub principal: String,
    /// The state, as the runtime says: `live` with a connection, `detached` if its connection was lost, `closed` if its client
    /// has closed it.
    pub state: String,
    /// The number of its jobs that have not ended.
    pub jobs: u64,
    /// The name of the dialect that the runtime speaks with its client, such as `spec` or `nuncio`.
    pub dialect: String,
    /// The number of the session's last event, 0 before the first.
    pub last_event_seq: u64,
    /// Until when a session without a connection can be resumed, as it was written: a timestamp of RFC 3339. Absent for a live
    /// session.
    pub resumable_until: Option<String>,
}

/// An `x-vendor.nuncio.sessions`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Sessions<'a> {
    #[serde(borrow)]
    sessions: Maybe<Vec<Maybe<Row<'a>>>>,
    #[serde(borrow)]
    next_cursor: Maybe<Text<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Row<'a> {
    #[serde(borrow)]
    session_id: Maybe<Text<'a>>,
    #[serde(borrow)]
    principal: Maybe<Text<'a>>,
    #[serde(borrow)]
    state: Maybe<Text<'a>>,
    jobs: Maybe<Int>,
    #[serde(borrow)]
    dialect: Maybe<Text<'a>>,
    last_event_seq: Maybe<Int>,
    #[serde(borrow)]
    resumable_until: Maybe<Text<'a>>,
}

impl Sessions<'_> {
    /// Returns the page. Rows without a session id are left out.
    pub(crate) fn page(&self) -> SessionPage {
        SessionPage {
            sessions: self.sessions.items().filter_map(Row::session).collect(),
            next_cursor: self.next_cursor.cursor(),
        }
    }
}

impl Row<'_> {
    fn session(&self) -> Option<SessionRow> {
        Some(SessionRow {
            session_id: self.session_id.as_str()?.into(),
            principal: self.principal.owned().unwrap_or_default(),
            state: self.state.owned().unwrap_or_default(),
            jobs: self.jobs.value().unwrap_or_default(),
            dialect: self.dialect.owned().unwrap_or_default(),
            last_event_seq: self.last_event_seq.value().unwrap_or_default(),
            resumable_until: self.resumable_until.owned(),
        })
    }
}
