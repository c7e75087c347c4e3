//! Shutdown: by draining the jobs, or at once.

use super::Runtime;
use super::conns::conn::Ending;
use super::event::Event;
use super::jobs::job::Job;
use super::jobs::state::{Cause, JobState};
use crate::arcp::wire::error::{ErrorCode, Fault};
use crate::time::Time;

impl Runtime {
    /// Drains the runtime: it takes no new submits from here on, and [`Event::Drained`] comes once no job is left.
    ///
    /// Until then running jobs may still delegate, and clients may connect to list, watch and cancel jobs and to resume
    /// their sessions. After that, new sessions are refused, too.
    pub fn shutdown(&mut self, now: Time) {
        self.input(now, |this| {
            this.drain.begin();
            this.check_drained();
        });
    }

    pub(super) fn check_drained(&mut self) {
        if self.jobs.live() == 0 && self.drain.complete() {
            self.event(Event::Drained);
        }
    }

    /// Stops the runtime: ends every job with `INTERNAL_ERROR`, and closes every connection (1001) once its queue is empty.
    ///
    /// With a journal, the jobs that [`Runtime::restore`] lets go on do not end. They are left to it with
    /// [`Event::Left`]: no record follows, and commands for them are [`Refused::Stale`](crate::arcp::Refused::Stale).
    pub fn abort(&mut self, now: Time) {
        self.input(now, |this| {
            this.drain.begin();
            // Before other jobs end, so that no freed slot and no child's end changes anything for them.
            if this.durability.is_kept() {
                this.leave_jobs();
            }
            let fault =
                Fault::new(ErrorCode::InternalError, "the runtime is shutting down; submit the job again later");
            for id in this.jobs.ids() {
                match this.jobs.get(id).map(Job::state) {
                    Some(JobState::Asked) => this.drop_asked(id, fault.clone()),
                    Some(_) if this.jobs.get(id).is_some_and(Job::is_ending) => this.end_family_now(id),
                    Some(_) => this.end_fault(id, Cause::Aborted, fault.clone()),
                    None => {}
                }
            }
            for conn in this.conns.ids() {
                this.conns.leave(conn, Ending { code: 1001, reason: "the runtime is shutting down" });
            }
            this.check_drained();
        });
    }

    /// Leaves the jobs that go on after a restart to it.
    fn leave_jobs(&mut self) {
        for id in self.jobs.ids() {
            let goes_on = self.fate(id).is_ok() && self.credentials.of(id).is_empty();
            if goes_on && self.jobs.leave(id, &mut self.timers) {
                if let Some(agent) = self.jobs.get(id).map(|job| job.accepted().agent.clone()) {
                    self.agents.leave(&agent, id);
                }
                self.event(Event::Left { job: id });
            }
        }
    }
}

/// The answer to new work while the runtime shuts down (§12).
pub(super) fn shutting_down() -> Fault {
    Fault::new(ErrorCode::InternalError, "the runtime is shutting down; try again later")
}
