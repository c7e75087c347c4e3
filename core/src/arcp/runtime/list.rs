//! `session.list_jobs` (§6.6): the oldest job first, with a cursor that stays valid while jobs are added and removed.

use alloc::string::String;
use alloc::vec::Vec;

use super::Runtime;
use super::config::Access;
use super::dispatch::Request;
use super::host::SessionKey;
use super::jobs::job::Job;
use super::reply::To;
use super::validate;
use crate::arcp::wire::error::Fault;
use crate::arcp::wire::feature::Feature;
use crate::arcp::wire::ids::JobUlid;
use crate::arcp::wire::reply;
use crate::arcp::wire::request::{self, ListFilter};
use crate::json::Text;
use crate::time::Time;

/// Every status that a job can have on the wire (§7.3).
const STATUSES: [&str; 6] = ["pending", "running", "success", "error", "cancelled", "timed_out"];
/// Rows of a page whose request names no limit.
const DEFAULT_LIMIT: u64 = 100;
/// An upper bound of the frame's bytes around the rows, including the repeated request id.
const FRAME_ROOM: usize = 2048;

/// Which jobs a listing shows.
struct Filter<'a> {
    statuses: Option<Vec<&'static str>>,
    agent: Option<Text<'a>>,
    created_after: Option<Time>,
    created_before: Option<Time>,
}

impl<'a> Filter<'a> {
    fn new(filter: ListFilter<'a>) -> Result<Filter<'a>, Fault> {
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
            agent: filter.agent,
        })
    }

    fn matches(&self, job: &Job) -> bool {
        let accepted = job.accepted();
        let (agent, version) = (&*accepted.agent, accepted.version.as_deref());
        self.created_after.is_none_or(|after| accepted.created_at > after)
            && self.created_before.is_none_or(|before| accepted.created_at < before)
            && self.statuses.as_ref().is_none_or(|wanted| wanted.contains(&job.state().as_str()))
            && self.agent.as_ref().is_none_or(|wanted| match wanted.as_str().split_once('@') {
                Some((name, pinned)) => name == agent && version == Some(pinned),
                None => wanted.as_str() == agent,
            })
    }
}

impl Runtime {
    pub(super) fn on_list(&mut self, key: SessionKey, request: &Request<'_>) -> Result<(), Fault> {
        let list: request::ListJobs<'_> = request::decode(request.kind, request.envelope.payload)?;
        self.needs(key, Feature::ListJobs)?;
        let max = self.config.limits.list_page as u64;
        let limit = list.limit.map_or(DEFAULT_LIMIT.min(max), |limit| limit.0);
        if limit == 0 || limit > max {
            return Err(Fault::invalid(alloc::format!("limit is 1 to {max}")));
        }
        let after = match &list.cursor {
            Some(cursor) => Some(
                JobUlid::parse(cursor.as_str())
                    .ok_or_else(|| Fault::invalid("the cursor is not one that session.jobs gave"))?,
            ),
            None => None,
        };
        let filter = Filter::new(list.filter.unwrap_or_default())?;
        let Some(session) = self.sessions.get(key) else { return Ok(()) };
        let room = self.frame_limit(Some(key)).saturating_sub(FRAME_ROOM);
        let (mut rows, mut count, mut shown, mut next) = (String::new(), 0, None, None);
        for (_, job) in self.jobs.after(after) {
            if !filter.matches(job) || self.access(session, job.accepted()) == Access::Hidden {
                continue;
            }
            let row = reply::row(job.accepted(), session.form(), job.state().as_str(), job.last_seq());
            if count == limit || (count > 0 && rows.len() + row.len() > room) {
                next = shown;
                break;
            }
            if count > 0 {
                rows.push(',');
            }
            rows.push_str(&row);
            count += 1;
            shown = Some(job.ulid());
        }
        let payload = reply::jobs(request.id, session.dialect(), &rows, next);
        let to = To { request_id: Some(request.id), job: None };
        self.reply(key, to, "session.jobs", &payload);
        Ok(())
    }
}

fn time(text: Option<&Text<'_>>, name: &str) -> Result<Option<Time>, Fault> {
    text.map(|text| {
        Time::parse_rfc3339(text.as_str())
            .ok_or_else(|| Fault::invalid(alloc::format!("{name} is not an RFC 3339 time")))
    })
    .transpose()
}
