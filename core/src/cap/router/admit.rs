//! Decides which workers get jobs.

use super::Router;
use super::job::Job;
use super::workers::Worker;

impl Router {
    /// Whether a worker may be given a job: it speaks the version of the protocol that requests have and, if workers need a
    /// session, has one that allows the topic and, in the production profile, is of the job's tenant. Its packets are verified
    /// before it is known.
    pub(super) fn admits(&self, worker: &Worker, job: &Job) -> bool {
        if !worker.speaks || !self.config.trust.is_required() {
            return worker.speaks;
        }
        let session = self.trust.as_ref().and_then(|trust| trust.session(self.clock.now(), worker.id.as_str()));
        session.is_some_and(|session| {
            let is_of_tenant = self.production.is_none() || job.head.tenant == session.enrollment.tenant_id;
            is_of_tenant && session.serves(&job.head.topic)
        })
    }
}
