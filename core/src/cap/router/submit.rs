//! Jobs that are submitted: accepted, answered as before, or refused.

use bytes::Bytes;

use super::Router;
use super::answer::Verdict;
use super::job::{Asker, Head};
use super::jobs::asks_the_same;
use super::output::{RefusedByRouter, RouterEvent, RouterJob};
use crate::cap::wire::common::IdentityBinding;
use crate::cap::wire::job::{ErrorCode, JobRequest, JobStatus};
use crate::cap::wire::subject::Subject;
use crate::time::micros;

impl Router {
    pub(super) fn on_submit(
        &mut self,
        request: &JobRequest,
        identity: Option<&IdentityBinding>,
        trace_id: &str,
        sender: &str,
        bytes: &[u8],
    ) -> Result<(), RefusedByRouter> {
        let max = self.config.limits.job_id_bytes;
        if request.job_id.len() > max {
            return Err(RefusedByRouter::JobId { bytes: request.job_id.len(), max });
        }
        let asker = Asker::of(request, identity, trace_id, sender);
        if let Some(key) = self.jobs.find(&request.job_id) {
            return self.repeat(key, &asker);
        }
        let head = match Head::of(request, identity) {
            Ok(head) => head,
            Err(problem) => {
                let refused = RefusedByRouter::Topic { topic: request.topic.clone(), problem };
                let message = alloc::format!("{refused}");
                self.answer(&asker, &Verdict::new(JobStatus::FAILED, ErrorCode::JOB_INVALID_INPUT, message));
                return Err(refused);
            }
        };
        if let Some(key) = self.jobs.find_same(&head) {
            self.follow(key, asker, &head);
            return Ok(());
        }
        let limits = &self.config.limits;
        if bytes.len() > limits.job_bytes {
            let message =
                alloc::format!("the packet has {} bytes, and at most {} are allowed", bytes.len(), limits.job_bytes);
            self.answer(&asker, &Verdict::new(JobStatus::FAILED, ErrorCode::JOB_RESOURCE_EXHAUSTED, message));
            return Ok(());
        }
        if let Some(limit) = self.jobs.limit(&head.topic, bytes.len(), limits) {
            let message = alloc::format!("the router has as many jobs as it can have: its limit {limit} is reached");
            let code = ErrorCode::JOB_RESOURCE_EXHAUSTED;
            self.answer(&asker, &Verdict::new(JobStatus::FAILED_RETRYABLE, code, message));
            return Ok(());
        }
        let cancelled = {
            let (config, submitter) = (&self.config, &asker.submitter);
            let may_cancel = |sender: &str| sender == submitter || config.operators.contains(sender);
            self.cancelled.take(&asker.job_id, &head.tenant, may_cancel)
        };
        let key = self.jobs.accept(asker, head, Bytes::copy_from_slice(bytes), self.clock.now());
        self.outbox.event(RouterEvent::Accepted { job: key });
        match cancelled {
            Some(reason) => self.cancel(key, &reason),
            None => self.ask(key),
        }
        Ok(())
    }

    /// Answers a request that came before: with the result of its job, or with the latest that was heard of it.
    ///
    /// Another request with the same job id is refused by an alert and an event. It gets no result, because that would be
    /// taken for the result of the first; that is ours.
    fn repeat(&mut self, key: RouterJob, asker: &Asker) -> Result<(), RefusedByRouter> {
        let Some(job) = self.jobs.get(key) else { return Ok(()) };
        let mut known = core::iter::once(&job.asker).chain(&job.followers);
        let is_same = known.any(|known| {
            known.job_id == asker.job_id && known.digest == asker.digest && known.submitter == asker.submitter
        });
        if !is_same {
            return Err(RefusedByRouter::Duplicate(asker.job_id.clone()));
        }
        if job.state().is_terminal() {
            self.answer_again(key, &asker.job_id);
            return Ok(());
        }
        if job.asker.job_id == asker.job_id {
            for packet in job.progress() {
                self.outbox.send(Subject::JobProgress, packet.clone());
            }
        }
        // Its submitter has heard nothing for a while, and neither has the router: a result may be lost.
        if self.clock.now().since(job.heard_at) >= micros(self.config.dispatch_timeout) {
            self.resend(key);
            if let Some(job) = self.jobs.touch(key) {
                job.heard_at = self.clock.now();
            }
        }
        Ok(())
    }

    /// Answers a request with the idempotency key of another job (spec/03, spec/09): it gets the same outcome if it asks for
    /// the same.
    fn follow(&mut self, key: RouterJob, asker: Asker, head: &Head) {
        let Some(job) = self.jobs.get(key) else { return };
        if !asks_the_same(job, head) {
            let message = "another job has the same idempotency key";
            self.answer(&asker, &Verdict::new(JobStatus::FAILED, ErrorCode::JOB_DUPLICATE, message));
            return;
        }
        if job.followers.len() >= self.config.limits.followers {
            let message = "too many requests have the same idempotency key";
            let code = ErrorCode::JOB_RESOURCE_EXHAUSTED;
            self.answer(&asker, &Verdict::new(JobStatus::FAILED_RETRYABLE, code, message));
            return;
        }
        let (is_ended, id) = (job.state().is_terminal(), asker.job_id.clone());
        self.jobs.follow(key, asker);
        if is_ended {
            self.answer_again(key, &id);
        }
    }
}
