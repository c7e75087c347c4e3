//! `session.jobs`, a page of jobs (§6.6).

use alloc::string::String;
use alloc::vec::Vec;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::maybe::Maybe;
use super::raw::Raw;
use crate::arcp::wire::envelope::Int;
use crate::arcp::wire::ids::{JobId, SessionId};
use crate::json::Text;
use crate::trace::TraceId;

/// A page of jobs (§6.6).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct JobPage {
    /// The jobs; Nuncio's runtime lists the oldest first.
    pub jobs: Vec<JobRow>,
    /// The cursor of the next page, for [`ListQuery::cursor`](crate::arcp::client::ListQuery::cursor). Absent on the
    /// last page.
    pub next_cursor: Option<String>,
}

/// A job in a [`JobPage`].
#[derive(Clone, Debug)]
pub struct JobRow {
    /// The job's id.
    pub job_id: JobId,
    /// The agent: `name@version`, or the bare name.
    pub agent: String,
    /// The state: `pending`, `running`, `success`, `error`, `cancelled` or `timed_out`, as the runtime says.
    pub status: String,
    /// The effective lease.
    pub lease: Option<Raw>,
    /// The job that delegated this one.
    pub parent_job_id: Option<JobId>,
    /// The `created_at`, or `submitted_at`, as it was written.
    pub created_at: Option<String>,
    /// The job's trace.
    pub trace_id: Option<TraceId>,
    /// The number of the job's last event, in the numbering of its owner.
    pub last_event_seq: Option<u64>,
    /// The session that owns the job, or has owned it last, as Nuncio's runtime says (ours).
    pub session_id: Option<SessionId>,
    /// Whether that session is closed, as Nuncio's runtime says (ours).
    pub session_closed: bool,
    /// How many seconds the agent may run, as Nuncio's runtime says (ours).
    pub max_runtime_sec: Option<u64>,
    /// How the job has ended, as Nuncio's runtime says (ours).
    pub ended: Option<ListedEnd>,
    /// What a running job is about, as Nuncio's runtime says (ours): `cancelling` of one that was asked to stop, `asking` of
    /// one that has an open question.
    pub phase: Option<String>,
}

/// How a job in a [`JobPage`] has ended (ours).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ListedEnd {
    /// When it has ended, as it was written.
    pub completed_at: String,
    /// The code of its error; absent for a job that succeeded.
    pub code: Option<String>,
    /// The message of its error.
    pub message: Option<String>,
}

/// A `session.jobs`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Jobs<'a> {
    #[serde(borrow)]
    jobs: Maybe<Vec<Maybe<Row<'a>>>>,
    #[serde(borrow)]
    next_cursor: Maybe<Text<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Row<'a> {
    #[serde(borrow)]
    job_id: Maybe<Text<'a>>,
    #[serde(borrow)]
    agent: Maybe<Text<'a>>,
    #[serde(borrow)]
    status: Maybe<Text<'a>>,
    #[serde(borrow)]
    lease: Option<&'a RawValue>,
    #[serde(borrow)]
    parent_job_id: Maybe<Text<'a>>,
    #[serde(borrow)]
    created_at: Maybe<Text<'a>>,
    #[serde(borrow)]
    submitted_at: Maybe<Text<'a>>,
    #[serde(borrow)]
    trace_id: Maybe<Text<'a>>,
    last_event_seq: Maybe<Int>,
    #[serde(borrow, rename = "x-vendor.nuncio.session_id")]
    session_id: Maybe<Text<'a>>,
    #[serde(rename = "x-vendor.nuncio.session_closed")]
    session_closed: Maybe<bool>,
    #[serde(rename = "x-vendor.nuncio.max_runtime_sec")]
    max_runtime_sec: Maybe<Int>,
    #[serde(borrow, rename = "x-vendor.nuncio.ended")]
    ended: Maybe<End<'a>>,
    #[serde(borrow, rename = "x-vendor.nuncio.phase")]
    phase: Maybe<Text<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct End<'a> {
    #[serde(borrow)]
    completed_at: Maybe<Text<'a>>,
    #[serde(borrow)]
    code: Maybe<Text<'a>>,
    #[serde(borrow)]
    message: Maybe<Text<'a>>,
}

impl End<'_> {
    fn read(&self) -> Option<ListedEnd> {
        let completed_at = self.completed_at.owned()?;
        Some(ListedEnd { completed_at, code: self.code.owned(), message: self.message.owned() })
    }
}

impl Jobs<'_> {
    /// Returns the page. Rows without a job id are left out.
    pub(crate) fn page(&self, frame: &Bytes) -> JobPage {
        JobPage {
            jobs: self.jobs.items().filter_map(|row| row.job(frame)).collect(),
            next_cursor: self.next_cursor.cursor(),
        }
    }
}

impl Row<'_> {
    fn job(&self, frame: &Bytes) -> Option<JobRow> {
        Some(JobRow {
            job_id: self.job_id.as_str()?.into(),
            agent: self.agent.owned().unwrap_or_default(),
            status: self.status.owned().unwrap_or_default(),
            lease: Raw::unless_null(frame, self.lease),
            parent_job_id: self.parent_job_id.as_str().map(JobId::from),
            created_at: self.created_at.owned().or_else(|| self.submitted_at.owned()),
            trace_id: self.trace_id.trace_id(),
            last_event_seq: self.last_event_seq.value(),
            session_id: self.session_id.as_str().map(SessionId::from),
            session_closed: self.session_closed.0 == Some(true),
            max_runtime_sec: self.max_runtime_sec.value(),
            ended: self.ended.0.as_ref().and_then(End::read),
            phase: self.phase.owned(),
        })
    }
}
