//! Listings that may take several turns (§6.6).

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;

use super::host::{ConnId, SessionKey};
use super::jobs::job::Job;
use super::validate;
use crate::arcp::wire::error::Fault;
use crate::arcp::wire::ids::JobUlid;
use crate::arcp::wire::request::ListFilter;
use crate::json::Text;
use crate::time::Time;

/// Every status that a job can have on the wire (§7.3).
const STATUSES: [&str; 6] = ["pending", "running", "success", "error", "cancelled", "timed_out"];
/// Which jobs a listing shows.
#[derive(Clone, Debug)]
pub(super) struct Filter {
    statuses: Option<Vec<&'static str>>,
    agent: Option<Box<str>>,
    created_after: Option<Time>,
    created_before: Option<Time>,
    ended_after: Option<Time>,
}

/// A listing of a connection, which may take several turns.
#[derive(Clone, Debug)]
pub(super) struct Listing {
    pub(super) conn: ConnId,
    pub(super) session: SessionKey,
    pub(super) request_id: Box<str>,
    pub(super) filter: Filter,
    pub(super) limit: u64,
    /// The last job that it has looked at.
    pub(super) after: Option<JobUlid>,
    pub(super) rows: String,
    pub(super) count: u64,
    /// The last job that it shows.
    pub(super) shown: Option<JobUlid>,
    /// Whether all of it is on record.
    pub(super) on_record: bool,
    /// Whether it is merged with those of other runtimes.
    pub(super) merged: bool,
}

impl Listing {
    pub(super) fn held(&self) -> usize {
        self.request_id.len() + self.rows.capacity() + 256
    }
}

impl Filter {
    pub(super) fn new(filter: ListFilter<'_>) -> Result<Filter, Fault> {
        if let Some(agent) = &filter.agent {
            validate::agent_ref(agent.as_str())?;
        }
        // A peer may name a status any number of times, but a job is compared with each of the six at most once.
        let statuses = filter.status.as_ref().map(|wanted| {
            STATUSES.into_iter().filter(|known| wanted.iter().any(|text| text.as_str() == *known)).collect()
        });
        Ok(Filter {
            statuses,
            created_after: time(filter.created_after.as_ref(), "created_after")?,
            created_before: time(filter.created_before.as_ref(), "created_before")?,
            ended_after: time(filter.ended_after.as_ref(), "x-vendor.nuncio.ended_after")?,
            agent: filter.agent.map(|agent| agent.as_str().into()),
        })
    }

    /// Returns whether the listing shows a job with this status. `ended` returns when it has ended, if it has.
    pub(super) fn matches(&self, job: &Job, status: &str, ended: impl FnOnce() -> Option<Time>) -> bool {
        let accepted = job.accepted();
        let (agent, version) = (&*accepted.agent, accepted.version.as_deref());
        self.created_after.is_none_or(|after| accepted.created_at > after)
            && self.created_before.is_none_or(|before| accepted.created_at < before)
            && self.statuses.as_ref().is_none_or(|wanted| wanted.contains(&status))
            && self.agent.as_ref().is_none_or(|wanted| match wanted.split_once('@') {
                Some((name, pinned)) => name == agent && version == Some(pinned),
                None => **wanted == *agent,
            })
            && self.ended_after.is_none_or(|after| ended().is_some_and(|at| at > after))
    }
}

fn time(text: Option<&Text<'_>>, name: &str) -> Result<Option<Time>, Fault> {
    text.map(|text| {
        Time::parse_rfc3339(text.as_str())
            .ok_or_else(|| Fault::invalid(alloc::format!("{name} is not an RFC 3339 time")))
    })
    .transpose()
}
