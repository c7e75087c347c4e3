//! What a restart does to the jobs that had not ended.

use alloc::string::String;
use alloc::vec::Vec;

use super::Restoring;
use crate::arcp::runtime::Runtime;
use crate::arcp::runtime::host::JobKey;
use crate::arcp::runtime::jobs::job::Job;
use crate::arcp::runtime::jobs::runs::Unfinished;
use crate::arcp::runtime::jobs::state::{Cause, JobState};
use crate::arcp::wire::agent::OnRestart;
use crate::arcp::wire::error::{ErrorCode, Fault};
use crate::arcp::wire::ids::JobUlid;

impl Restoring {
    /// Ends the jobs that cannot go on, and runs or queues the others.
    pub(super) fn go_on(&mut self) {
        let accepted: Vec<JobKey> = self.runtime.jobs.after(None).map(|(id, _)| id).collect();
        let (mut repeated, mut waiting) = (Vec::new(), Vec::new());
        // Children were made after their parents, so in reverse order the deepest end first.
        for id in accepted.into_iter().rev() {
            if self.runtime.jobs.get(id).is_none_or(|job| !job.state().is_live()) {
                continue;
            }
            match self.fate(id) {
                Ok(Unfinished::Repeatable) => repeated.push(id),
                Ok(_) => waiting.push(id),
                Err(fault) => {
                    self.restored.interrupted += 1;
                    self.runtime.end_fault(id, Cause::Aborted, fault);
                }
            }
        }
        self.restored.rerun = repeated.len() as u64;
        self.restored.waiting = waiting.len() as u64;
        // Those that were running have their slots before those that were waiting, and the oldest is the first of each.
        for id in repeated.into_iter().rev() {
            if let Some(job) = self.runtime.jobs.get_mut(id) {
                job.interrupt();
            }
            self.runtime.go_on(id);
        }
        for id in waiting.into_iter().rev() {
            self.runtime.go_on(id);
        }
    }

    /// Returns how a job goes on, or why it cannot.
    fn fate(&self, id: JobKey) -> Result<Unfinished, Fault> {
        let unfinished = self.runtime.fate(id)?;
        if self.runtime.jobs.get(id).is_some_and(|job| self.has_issued(job.ulid())) {
            let ulid = self.runtime.jobs.get(id).map(Job::ulid);
            return Err(self.runtime.restarted(ulid, "the runtime restarted and revokes the job's credentials"));
        }
        Ok(unfinished)
    }

    fn has_issued(&self, job: JobUlid) -> bool {
        self.issued.range((job, String::new())..).next().is_some_and(|((of, _), _)| *of == job)
    }
}

impl Runtime {
    /// Returns how a job goes on after a restart with the present agents, or why it cannot.
    pub(in crate::arcp::runtime) fn fate(&self, id: JobKey) -> Result<Unfinished, Fault> {
        let Some(job) = self.jobs.get(id) else { return Err(self.restarted(None, RESTARTED)) };
        let (accepted, lost) = (job.accepted(), |why| Err(self.restarted(Some(job.ulid()), why)));
        // A run begins without children. One that is cancelled or has found its lease expired can only end so.
        let may_go_on = matches!(job.state(), JobState::Pending | JobState::Running) && !job.is_expired();
        if job.parent().is_some() || !may_go_on {
            return lost(RESTARTED);
        }
        let unfinished = job.unfinished();
        if unfinished == Unfinished::Lost {
            return lost(RESTARTED);
        }
        let on_restart = match self.agents.still(&accepted.agent, accepted.version.as_deref()) {
            Ok(on_restart) => on_restart,
            Err(fault) if unfinished == Unfinished::Waiting => return Err(fault.with_detail("reason", REASON)),
            Err(_) => OnRestart::Fail,
        };
        if unfinished != Unfinished::Waiting && on_restart == OnRestart::Fail {
            return lost(RESTARTED);
        }
        if unfinished == Unfinished::Streaming {
            return lost("the runtime restarted when a part of the result had been sent");
        }
        Ok(unfinished)
    }
}

impl Runtime {
    /// Returns why a job does not go on. Under its key a submit would find it again. A client may have chosen the key for its
    /// user, who has given none.
    fn restarted(&self, job: Option<JobUlid>, why: &str) -> Fault {
        let has_key = job.is_some_and(|job| self.idempotency.key_of(job).is_some());
        let how = if has_key { ", not with the same key" } else { "" };
        let message = alloc::format!("{why}; submit the job again{how}");
        Fault::new(ErrorCode::InternalError, message).with_detail("reason", REASON)
    }

    /// Runs a restored job when its agent has a slot, unless its lease is over.
    fn go_on(&mut self, id: JobKey) {
        let (now, offset) = (self.clock.now(), self.clock.offset());
        let Some(job) = self.jobs.get_mut(id) else { return };
        if job.restore_lease(id, now, offset, self.config.expiry_grace, &mut self.timers) {
            self.enqueue(id);
        } else {
            self.end_expired(id);
        }
    }
}

/// The `reason` among the details of a job that a restart has ended.
const REASON: &str = "runtime restarted";

const RESTARTED: &str = "the runtime restarted";
