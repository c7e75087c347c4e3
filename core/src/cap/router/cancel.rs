//! Cancellations (spec/07, spec/08).

use alloc::collections::VecDeque;
use alloc::string::String;

use super::Router;
use super::answer::Verdict;
use super::job::state::RouterJobState;
use super::output::{RefusedByRouter, RouterJob, RouterTimer};
use crate::cap::wire::common::IdentityBinding;
use crate::cap::wire::job::{ErrorCode, JobCancel, JobStatus};

impl Router {
    /// Cancels a job and the live jobs that it has asked for. The sender has to be the one that has submitted the job, or an
    /// operator; that is ours. A job that is not known may be one whose request has not come yet.
    pub(super) fn on_cancel(
        &mut self,
        cancel: JobCancel,
        identity: Option<&IdentityBinding>,
        sender: &str,
    ) -> Result<(), RefusedByRouter> {
        let limits = &self.config.limits;
        let max = limits.job_id_bytes;
        if cancel.job_id.len() > max {
            return Err(RefusedByRouter::JobId { bytes: cancel.job_id.len(), max });
        }
        let reason =
            if cancel.reason.is_empty() { String::from("the job was cancelled") } else { self.cut(cancel.reason) };
        let Some(key) = self.jobs.find(&cancel.job_id) else {
            let tenant = identity.map_or("", |identity| &identity.tenant_id);
            self.cancelled.remember(&cancel.job_id, (sender, tenant), reason, limits.cancellations);
            return Ok(());
        };
        let Some(job) = self.jobs.get(key).filter(|job| !job.state().is_terminal()) else { return Ok(()) };
        let mut askers = core::iter::once(&job.asker).chain(&job.followers);
        let Some(asker) = askers.find(|asker| asker.job_id == cancel.job_id) else { return Ok(()) };
        // In the production profile nobody cancels jobs of another tenant.
        let tenants = identity.zip(asker.identity.as_ref());
        let is_of_tenant = tenants.is_none_or(|(own, other)| own.tenant_id == other.tenant_id);
        if !is_of_tenant || !self.may_cancel(sender, &asker.submitter) {
            return Err(RefusedByRouter::CancelDenied(sender.into()));
        }
        // A cancellation of an earlier dispatch does not concern the present one.
        if cancel.dispatch.is_some_and(|dispatch| self.config.resigns() && dispatch.attempt < u64::from(job.attempts)) {
            return Ok(());
        }
        if job.asker.job_id == cancel.job_id {
            self.cancel(key, &reason);
        } else {
            // The job goes on for the others that have asked for it.
            let asker = asker.clone();
            self.jobs.unfollow(key, &asker.job_id);
            self.answer(&asker, &Verdict::new(JobStatus::CANCELLED, ErrorCode::UNSPECIFIED, reason));
        }
        Ok(())
    }

    /// Whether a sender may cancel a job.
    pub(super) fn may_cancel(&self, sender: &str, submitter: &str) -> bool {
        sender == submitter || self.config.operators.contains(sender)
    }

    /// Cancels a job and the live jobs of its tenant that it has asked for, and those that these have asked for.
    pub(super) fn cancel(&mut self, key: RouterJob, reason: &str) {
        let mut rest = VecDeque::from([key]);
        let mut children = self.config.limits.children;
        while let Some(key) = rest.pop_front() {
            let Some(job) = self.jobs.get(key) else { continue };
            let before = rest.len();
            // A job that is being cancelled has cancelled its children before.
            if job.state() != RouterJobState::Cancelling {
                rest.extend(self.jobs.children(job).filter(|child| *child != key).take(children));
            }
            children -= rest.len() - before;
            self.cancel_one(key, reason);
        }
    }

    fn cancel_one(&mut self, key: RouterJob, reason: &str) {
        let Some(job) = self.jobs.get(key) else { return };
        let (state, was_sent) = (job.state(), job.attempts > 0);
        if state.is_terminal() {
            return;
        }
        let until = self.clock.now().plus(self.config.cancel_timeout);
        if !state.is_at_worker() {
            self.settle(key, &Verdict::new(JobStatus::CANCELLED, ErrorCode::UNSPECIFIED, reason));
        } else if let Some(job) = self.jobs.change(key)
            && job.pass(RouterJobState::stop, &mut self.timers)
        {
            job.step.set(until, RouterTimer::Cancel, &mut self.timers);
            job.reason = reason.into();
        }
        // A worker of which nothing was heard may run it all the same.
        if was_sent {
            self.publish_cancel(key, reason);
        }
    }
}
