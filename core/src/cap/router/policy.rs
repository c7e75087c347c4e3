//! The policy: whether a job may run (spec/06).

use alloc::string::String;

use super::Router;
use super::answer::Verdict;
use super::config::Policy;
use super::decision::{Constraints, Decision};
use super::job::state::RouterJobState;
use super::output::{RouterEvent, RouterJob, RouterRefused, RouterTimer};
use crate::cap::wire::job::{ErrorCode, JobProgress, JobStatus};
use crate::cap::wire::packet::{BusPacket, Payload};
use crate::cap::wire::subject::Subject;
use crate::time::Time;

impl Router {
    /// Asks the policy about a job that was accepted, or whose pause is over.
    pub(super) fn ask(&mut self, key: RouterJob) {
        let Some(job) = self.jobs.change(key) else { return };
        if self.config.policy == Policy::AllowAll && job.state() == RouterJobState::Pending {
            self.allow(key, Constraints::default());
        } else if job.pass(RouterJobState::check, &mut self.timers) {
            self.question(key);
        }
    }

    /// Emits the question about a job that is being checked.
    pub(super) fn question(&mut self, key: RouterJob) {
        let until = self.clock.now().plus(self.config.check_timeout);
        let Some(job) = self.jobs.change(key) else { return };
        job.step.set(until, RouterTimer::Check, &mut self.timers);
        let packet = BusPacket::decode(job.packet(), &self.config.reading.limits);
        // The packet was read in the same way when it was accepted.
        if let Ok(BusPacket { payload: Some(Payload::JobRequest(request)), .. }) = packet {
            let (trace_id, sender_id) = (job.asker.trace_id.clone(), job.asker.submitter.clone());
            self.outbox.event(RouterEvent::Check { job: key, request, trace_id, sender_id });
        }
    }

    /// Answers [`RouterEvent::Check`] or [`RouterEvent::Approval`].
    ///
    /// Errors: [`RouterRefused::Stale`] if the job awaits no decision; [`RouterRefused::Redaction`].
    pub fn decide(&mut self, now: Time, job: RouterJob, decision: Decision) -> Result<(), RouterRefused> {
        self.input(now, |this| {
            let state = this.jobs.get(job).ok_or(RouterRefused::Stale)?.state();
            let is_asked = match decision {
                Decision::RequireHuman { .. } => state == RouterJobState::Checking,
                Decision::Allow
                | Decision::AllowWith(_)
                | Decision::Deny { .. }
                | Decision::Quarantine { .. }
                | Decision::Throttle { .. } => {
                    matches!(state, RouterJobState::Checking | RouterJobState::Approval)
                }
            };
            if !is_asked {
                return Err(RouterRefused::Stale);
            }
            match decision {
                Decision::Allow => this.allow(job, Constraints::default()),
                Decision::AllowWith(constraints) => {
                    if constraints.redacted_context_ptr.is_some() && !this.config.resigns() {
                        return Err(RouterRefused::Redaction);
                    }
                    this.allow(job, constraints);
                }
                Decision::Deny { reason } => this.deny(job, reason),
                Decision::Quarantine { reason } => {
                    let verdict = Verdict::new(JobStatus::DENIED, ErrorCode::SAFETY_POLICY_VIOLATION, reason);
                    this.give_up(job, &verdict);
                }
                Decision::RequireHuman { reason } => this.hold(job, reason),
                Decision::Throttle { delay } => {
                    let until = this.clock.now().plus(delay);
                    if let Some(job) = this.jobs.change(job)
                        && job.pass(RouterJobState::throttle, &mut this.timers)
                    {
                        job.step.set(until, RouterTimer::Throttle, &mut this.timers);
                    }
                }
            }
            Ok(())
        })
    }

    fn allow(&mut self, key: RouterJob, constraints: Constraints) {
        if let Some(job) = self.jobs.change(key)
            && job.pass(RouterJobState::schedule, &mut self.timers)
        {
            job.constraints = constraints;
            job.reason = String::new();
            self.enqueue(key);
        }
    }

    /// Denies a job.
    pub(super) fn deny(&mut self, key: RouterJob, reason: impl Into<String>) {
        self.settle(key, &Verdict::new(JobStatus::DENIED, ErrorCode::SAFETY_DENIED, reason));
    }

    /// Lets a job wait for a person, and says so to its submitter.
    fn hold(&mut self, key: RouterJob, reason: String) {
        let until = self.clock.now().plus(self.config.approval_timeout);
        let reason = self.cut(reason);
        let Some(job) = self.jobs.change(key) else { return };
        if !job.pass(RouterJobState::hold, &mut self.timers) {
            return;
        }
        job.step.set(until, RouterTimer::Approval, &mut self.timers);
        job.reason.clone_from(&reason);
        let progress = JobProgress {
            job_id: job.asker.job_id.clone(),
            message: alloc::format!("a person has to approve the job: {reason}"),
            status: JobStatus::SCHEDULED,
            identity: job.asker.identity.clone(),
            ..JobProgress::default()
        };
        let trace_id = job.asker.trace_id.clone();
        if let Some(bytes) = self.seal(&Subject::JobProgress, &trace_id, progress) {
            self.keep_progress(key, &bytes);
            self.outbox.send(Subject::JobProgress, bytes);
        }
        self.outbox.event(RouterEvent::Approval { job: key, reason });
    }
}
