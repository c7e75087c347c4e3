//! `session.list_jobs` (§6.6): the oldest job first, with a cursor that stays valid while jobs are added and removed.

use alloc::boxed::Box;
use alloc::string::String;

use super::Runtime;
use super::conns::conn::Conn;
use super::dispatch::Request;
use super::host::{JobKey, SessionKey};
use super::inquiries::Listed;
use super::jobs::job::Job;
use super::jobs::state::JobState;
use super::listing::{Filter, Listing};
use super::policy::Access;
use super::reply::To;
use super::unfinished::Rest;
use super::work;
use crate::arcp::wire::dialect::Dialect;
use crate::arcp::wire::error::Fault;
use crate::arcp::wire::feature::Feature;
use crate::arcp::wire::ids::JobUlid;
use crate::arcp::wire::job::JobEnd;
use crate::arcp::wire::reply;
use crate::arcp::wire::request;
use crate::time::Time;

impl Runtime {
    pub(super) fn on_list(&mut self, key: SessionKey, request: &Request<'_>) -> Result<(), Fault> {
        let list: request::ListJobs<'_> = request::decode(request.kind, request.envelope.payload)?;
        self.needs(key, Feature::ListJobs)?;
        let limit = self.page_limit(list.limit)?;
        let after = match &list.cursor {
            Some(cursor) => Some(
                JobUlid::parse(cursor.as_str())
                    .ok_or_else(|| Fault::invalid("the cursor is not one that session.jobs gave"))?,
            ),
            None => None,
        };
        let filter = Filter::new(list.filter.unwrap_or_default())?;
        let room = self.page_room(key);
        let merged = self.list_elsewhere(key, request, Listed::Jobs, limit, room);
        self.walk(Listing {
            conn: request.conn,
            session: key,
            request_id: request.id.into(),
            filter,
            limit,
            after,
            rows: String::new(),
            count: 0,
            shown: None,
            on_record: true,
            merged,
        });
        Ok(())
    }

    /// Returns how a job has ended, for a row of a client that reads it.
    fn end_of<'a>(&self, job: &'a Job, status: &str, dialect: Dialect) -> Option<JobEnd<'a>> {
        let at = self.shown_end(job, status).filter(|_| dialect == Dialect::NUNCIO)?;
        Some(JobEnd { at, fault: job.terminal().and_then(|end| end.fault()) })
    }

    /// Returns when a job has ended, if the status that is shown says that it has.
    fn shown_end(&self, job: &Job, status: &str) -> Option<Time> {
        let at = self.jobs.ended_at(job).filter(|_| status == job.state().as_str())?;
        Some(self.clock.offset().wall(at).min(Time::LATEST_WRITTEN))
    }

    /// Looks at the next jobs of a listing, at no more than one turn's work. It is answered, or goes on in a later turn;
    /// until then nothing more is read from its connection.
    pub(super) fn walk(&mut self, mut listing: Listing) {
        let key = listing.session;
        let Some(session) = self.sessions.get(key).filter(|session| session.conn() == Some(listing.conn)) else {
            // A client that has resumed on another connection asks again.
            return;
        };
        let room = self.page_room(key);
        let (mut looked, most) = (0, (self.config.limits.turn_work / work::LISTED).max(1));
        let principal = session.principal();
        let others = self.sees_all(principal) || self.config.policy.shows_others(principal);
        let jobs: Box<dyn Iterator<Item = (JobKey, &Job)>> = if others {
            Box::new(self.jobs.after(listing.after))
        } else {
            Box::new(self.jobs.of_principal(principal, listing.after))
        };
        // While nothing can be stored, a list shows what is on record, and waits for nothing.
        let durable = self.is_stuck().then(|| self.durability.durable());
        listing.on_record &= durable.is_some();
        let (mut next, mut finished) = (None, true);
        for (_, job) in jobs {
            if looked == most {
                finished = false;
                break;
            }
            looked += 1;
            listing.after = Some(job.ulid());
            let Some(status) = job.status_on_record(durable) else { continue };
            if !listing.filter.matches(job, status, || self.shown_end(job, status))
                || self.access(session, job.accepted()) == Access::Hidden
            {
                continue;
            }
            let ours = if session.dialect() == Dialect::NUNCIO {
                reply::RowExtras {
                    session: job.session(),
                    session_closed: job.owner().and_then(|key| self.sessions.get(key)).is_none(),
                    max_runtime_secs: job.max_runtime_secs(),
                    end: self.end_of(job, status, session.dialect()),
                    phase: phase_of(job, status),
                }
            } else {
                reply::RowExtras::default()
            };
            let row = reply::row(job.accepted(), session.form(), status, job.last_seq(), &ours);
            if listing.count == listing.limit || (listing.count > 0 && listing.rows.len() + row.len() > room) {
                next = listing.shown;
                break;
            }
            if listing.count > 0 {
                listing.rows.push(',');
            }
            listing.rows.push_str(&row);
            listing.count += 1;
            listing.shown = Some(job.ulid());
        }
        let dialect = session.dialect();
        self.work.charge(looked * work::LISTED + listing.rows.len() as u64 / work::FRAME_BYTES);
        if finished {
            let payload = reply::jobs(&listing.request_id, dialect, &listing.rows, next);
            let to = To { request_id: Some(&listing.request_id), job: None };
            if listing.merged {
                self.merge_own(key, &listing.request_id, &payload);
            } else if listing.on_record {
                self.answer(key, to, "session.jobs", &payload);
            } else {
                self.reply(key, to, "session.jobs", &payload);
            }
            if self.conns.get_mut(listing.conn).is_some_and(Conn::end_listing) {
                self.outputs.reading(listing.conn);
            }
        } else {
            if self.conns.get_mut(listing.conn).is_some_and(Conn::begin_listing) {
                self.outputs.not_reading(listing.conn);
            }
            self.leave_to_later_turn(Rest::Listing(Box::new(listing)));
        }
    }
}

/// Returns what a running job is about, for a row of a client that reads it.
fn phase_of(job: &Job, status: &str) -> Option<&'static str> {
    let is_running = job.state() == JobState::Running && job.state().as_str() == status;
    if job.state() == JobState::Cancelling {
        Some("cancelling")
    } else if is_running && job.questions().open() > 0 {
        Some("asking")
    } else {
        None
    }
}
