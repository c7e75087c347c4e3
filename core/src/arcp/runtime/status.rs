//! The state of the runtime and of its host, for operators: `x-vendor.nuncio.read_status` (ours).

use core::time::Duration;

use super::Runtime;
use super::dispatch::Request;
use super::event::Event;
use super::host::{Refused, SessionKey, StatusId};
use super::reply::To;
use super::sessions::session::Session;
use super::status_requests::Asker;
use super::work;
use crate::arcp::wire::error::{ErrorCode, Fault};
use crate::arcp::wire::feature::Feature;
use crate::arcp::wire::request;
use crate::arcp::wire::status::{self, HostStatus, Own, StatusCounts};
use crate::time::Time;

/// An upper bound of the frame's bytes around the payload, including the repeated request id.
const FRAME_ROOM: usize = 2048;

impl Runtime {
    /// Takes a request for the state, and asks the host for its part.
    pub(super) fn on_read_status(&mut self, key: SessionKey, request: &Request<'_>) -> Result<(), Fault> {
        let request::ReadStatus {} = request::decode(request.kind, request.envelope.payload)?;
        let Some(session) = self.sessions.get(key) else { return Ok(()) };
        if !self.config.is_operator(session.principal()) {
            return Err(Fault::new(ErrorCode::PermissionDenied, "only an operator may read the state of the runtime"));
        }
        self.needs(key, Feature::Status)?;
        let asker = Asker { conn: request.conn, session: key, request_id: request.id.into() };
        let until = self.clock.now().plus(self.config.status_timeout);
        let request = self.status_requests.add(asker, until, &self.config.limits, &mut self.timers)?;
        self.event(Event::Status { request });
        Ok(())
    }

    /// Answers [`Event::Status`] with what only the host knows. The operator gets it together with what the runtime knows. Like
    /// [`Runtime::stats`], it visits every session and job.
    ///
    /// Errors: [`Refused::Stale`] if nothing was asked, or the answer is too late.
    ///
    /// ```
    /// # use nuncio_core::arcp::{Event, HostStatus, JournalStatus, Refused, Runtime};
    /// # use nuncio_core::time::Time;
    /// fn answer(runtime: &mut Runtime, now: Time, event: &Event) -> Result<(), Refused> {
    ///     let Event::Status { request } = event else { return Ok(()) };
    ///     let journal = JournalStatus { bytes: Some(81_920), ..JournalStatus::default() };
    ///     runtime.tell_status(now, *request, &HostStatus { journal: Some(journal), ..HostStatus::default() })
    /// }
    /// ```
    pub fn tell_status(&mut self, now: Time, request: StatusId, host: &HostStatus) -> Result<(), Refused> {
        self.input(now, |this| {
            let asker = this.status_requests.take(request, &mut this.timers)?;
            let key = asker.session;
            let Some(session) = this.sessions.get(key).filter(|session| session.conn() == Some(asker.conn)) else {
                // A client that has resumed on another connection asks again.
                return Ok(());
            };
            let uptime = Duration::from_micros(this.clock.now().since(this.status_requests.began()));
            let room = this.frame_limit(Some(key)).saturating_sub(FRAME_ROOM);
            let own = Own { uptime, counts: this.counts() };
            let payload = status::write(&asker.request_id, session.dialect(), &own, host, room);
            // Every session and every job was visited.
            let visited = this.sessions.len() + this.jobs.iter().len();
            this.work.charge(visited as u64 + payload.len() as u64 / work::FRAME_BYTES);
            let to = To { request_id: Some(&asker.request_id), job: None };
            this.reply_even_if_stuck(key, to, status::STATUS, &payload);
            Ok(())
        })
    }

    /// Returns what the runtime holds, as its operators see it: for a host that runs several runtimes as one server
    /// ([`HostStatus::shards`]). It visits every session and job.
    pub fn counts(&self) -> StatusCounts {
        let stats = self.stats();
        StatusCounts {
            connections: stats.connections as u64,
            sessions_live: stats.sessions_live as u64,
            sessions_detached: stats.sessions_detached as u64,
            jobs_pending: stats.jobs_pending as u64,
            jobs_running: stats.jobs_running as u64,
            jobs_cancelling: stats.jobs_cancelling as u64,
            jobs_kept: stats.jobs_kept as u64,
            questions_open: stats.questions_open as u64,
            bytes_held: stats.bytes_held as u64,
            bytes_limit: self.config.limits.bytes as u64,
        }
    }

    /// Refuses a request that the host has not answered in time.
    pub(super) fn status_lapsed(&mut self, request: StatusId) {
        // It was answered in the meantime otherwise.
        let Ok(asker) = self.status_requests.take(request, &mut self.timers) else { return };
        let conn = self.sessions.get(asker.session).and_then(Session::conn).filter(|conn| *conn == asker.conn);
        if let Some(conn) = conn {
            let fault =
                Fault::new(ErrorCode::InternalError, "the host did not tell its state in time; try again later");
            self.refuse(conn, Some(&asker.request_id), &fault);
        }
    }
}
