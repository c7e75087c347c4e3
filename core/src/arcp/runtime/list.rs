//! `session.list_jobs` (§6.6): oldest first, by a cursor that stays good while jobs come and go.

use alloc::string::String;
use alloc::vec::Vec;
use core::ops::Bound;

use super::Runtime;
use super::frames::Request;
use super::terms::check_agent_ref;
use crate::arcp::runtime::config::Access;
use crate::arcp::runtime::host::SessionKey;
use crate::arcp::wire::error::Fault;
use crate::arcp::wire::feature::Feature;
use crate::arcp::wire::ids::JobUlid;
use crate::arcp::wire::reply;
use crate::arcp::wire::request::{self, ListFilter};
use crate::json::Text;
use crate::time::Time;

/// Every status a job has on the wire (§7.3).
const STATUSES: [&str; 6] = ["pending", "running", "success", "error", "cancelled", "timed_out"];
/// Rows where the request says nothing.
const DEFAULT_LIMIT: u64 = 100;
/// Room for the frame around the rows, the echoed request id included.
const FRAME_ROOM: usize = 2048;

impl Runtime {
    pub(super) fn on_list(&mut self, key: SessionKey, request: &Request<'_>) -> Result<(), Fault> {
        let list: request::ListJobs<'_> = request::decode(request.kind, request.envelope.payload)?;
        self.needs(key, Feature::ListJobs)?;
        let limit = list.limit.map_or(DEFAULT_LIMIT.min(self.config.limits.list_page as u64), |limit| limit.0);
        if limit == 0 || limit > self.config.limits.list_page as u64 {
            return Err(Fault::invalid(alloc::format!("limit is 1 to {}", self.config.limits.list_page)));
        }
        let after = match &list.cursor {
            Some(cursor) => Bound::Excluded(
                JobUlid::parse(cursor.as_str())
                    .ok_or_else(|| Fault::invalid("the cursor is none that session.jobs gave"))?,
            ),
            None => Bound::Unbounded,
        };
        let filter = list.filter.unwrap_or_default();
        if let Some(agent) = &filter.agent {
            check_agent_ref(agent.as_str())?;
        }
        let created_after = time(filter.created_after.as_ref(), "created_after")?;
        let created_before = time(filter.created_before.as_ref(), "created_before")?;
        let Some(session) = self.sessions.get(key) else { return Ok(()) };
        // A peer may name a status any number of times; each job is compared with each of the six once at most.
        let statuses: Option<Vec<&str>> = filter.status.as_ref().map(|wanted| {
            STATUSES.into_iter().filter(|known| wanted.iter().any(|text| text.as_str() == *known)).collect()
        });
        let room = self.frame_limit(Some(key)).saturating_sub(FRAME_ROOM);
        let (mut rows, mut count, mut shown, mut next) = (String::new(), 0, None, None);
        for (ulid, id) in self.job_ids.range((after, Bound::Unbounded)) {
            let Some(job) = self.jobs.get(*id) else { continue };
            let created = job.accepted.created_at;
            let wanted = created_after.is_none_or(|after| created > after)
                && created_before.is_none_or(|before| created < before)
                && statuses.as_ref().is_none_or(|wanted| wanted.contains(&job.state.as_str()))
                && fits_agent(&filter, &job.accepted.agent, job.accepted.version.as_deref())
                && self.access(session, &job.accepted) != Access::Hidden;
            if !wanted {
                continue;
            }
            let row = reply::row(&job.accepted, session.form(), job.state.as_str(), job.last_seq);
            if count == limit || (count > 0 && rows.len() + row.len() > room) {
                next = shown;
                break;
            }
            if count > 0 {
                rows.push(',');
            }
            rows.push_str(&row);
            count += 1;
            shown = Some(*ulid);
        }
        let payload = reply::jobs(request.id, &rows, next);
        self.reply(key, "session.jobs", None, &payload);
        Ok(())
    }
}

fn fits_agent(filter: &ListFilter<'_>, agent: &str, version: Option<&str>) -> bool {
    filter.agent.as_ref().is_none_or(|wanted| match wanted.as_str().split_once('@') {
        Some((name, pinned)) => name == agent && version == Some(pinned),
        None => wanted.as_str() == agent,
    })
}

fn time(text: Option<&Text<'_>>, name: &str) -> Result<Option<Time>, Fault> {
    text.map(|text| {
        Time::parse_rfc3339(text.as_str()).ok_or_else(|| Fault::invalid(alloc::format!("{name} is no RFC 3339 time")))
    })
    .transpose()
}
