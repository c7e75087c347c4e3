//! Cancellation (§7.4).

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;

use super::Runtime;
use super::cancellation::Cancellation;
use super::dispatch::Request;
use super::end::{MAX_MESSAGE, cancelled};
use super::event::Event;
use super::host::{JobKey, SessionKey};
use super::jobs::job::Job;
use super::jobs::state::{Cause, JobState};
use super::reply::To;
use super::sessions::session::Session;
use super::unfinished::Rest;
use super::work;
use crate::arcp::wire::error::{ErrorCode, Fault};
use crate::arcp::wire::{reply, request};

impl Runtime {
    pub(super) fn on_cancel(&mut self, key: SessionKey, request: &Request<'_>) -> Result<(), Fault> {
        let cancel: request::Cancel<'_> = request::decode(request.kind, request.envelope.payload)?;
        if let (Some(inner), Some(outer)) = (&cancel.job_id, &request.envelope.job_id)
            && inner != outer
        {
            return Err(Fault::invalid("the message names two different jobs"));
        }
        let named = request::job_id(cancel.job_id, request.envelope.job_id.as_ref())?;
        let Some(id) = self.visible_here(key, request, &named)? else { return Ok(()) };
        let reason: Option<String> = cancel.reason.map(|reason| reason.as_str().chars().take(MAX_MESSAGE).collect());
        let Some(job) = self.jobs.get(id) else { return Ok(()) };
        if !self.may_cancel(key, job) {
            return Err(self.may_not_cancel(key, job));
        }
        if !job.state().is_live() || job.is_ending() {
            // The terminal in the session's log is the answer.
            self.tell_guest_done(key, request.id);
            return Ok(());
        }
        let dialect = self.sessions.get(key).map(Session::dialect).unwrap_or_default();
        let payload = reply::cancelled(request.id, dialect, job.ulid(), reason.as_deref());
        self.reply(key, To { request_id: Some(request.id), job: Some(id) }, "job.cancelled", &payload);
        self.go_on_with_cancellation(Cancellation { open: Vec::from([id]), reason });
        Ok(())
    }

    /// Says whether the session or its principal is the wrong one.
    fn may_not_cancel(&self, key: SessionKey, job: &Job) -> Fault {
        let is_owners = self.sessions.get(key).is_some_and(|session| *session.principal() == job.accepted().principal);
        let (message, reason) = if is_owners {
            ("only the session that submitted a job may cancel it", "session")
        } else {
            ("the job is that of another principal; that principal may cancel it, and so may operators", "principal")
        };
        Fault::new(ErrorCode::PermissionDenied, message).with_detail("reason", reason)
    }

    /// Goes on with a cancellation, until it has reached all jobs or the turn is over.
    pub(super) fn go_on_with_cancellation(&mut self, mut cancellation: Cancellation) {
        while let Some(id) = cancellation.open.pop() {
            if self.is_input_long() {
                cancellation.open.push(id);
                return self.leave_to_later_turn(Rest::Cancellation(Box::new(cancellation)));
            }
            self.work.charge(work::ENDED);
            match self.jobs.get(id).map(Job::state) {
                Some(JobState::Asked) => self.drop_asked(id, cancelled()),
                Some(JobState::Pending) => self.end_cancelled(id, Cause::Cancelled),
                _ if self.cancel_running(id, cancellation.reason.as_deref()) => {
                    cancellation.open.extend(self.jobs.get(id).into_iter().flat_map(Job::children).rev());
                }
                _ => {}
            }
        }
    }

    /// Asks the agent of a running job to stop. Returns whether it was asked; the jobs below it must then be asked too.
    fn cancel_running(&mut self, id: JobKey, reason: Option<&str>) -> bool {
        if self.jobs.get(id).is_some_and(Job::is_ending) {
            return false;
        }
        let deadline = self.clock.now().plus(self.config.cancel_grace);
        if !self.jobs.cancel(id, deadline, &mut self.timers) {
            return false;
        }
        if self.jobs.get(id).is_some_and(|job| job.output().has_rest()) {
            // Its agent has already returned.
            self.end_cancelled(id, Cause::GraceOver);
            return false;
        }
        self.record_doom(id, true);
        self.event(Event::Cancel { job: id, reason: reason.map(Into::into), deadline });
        true
    }
}
