//! Handles a cancellation, which every worker receives.

use alloc::string::String;

use super::Worker;
use super::job::Verdict;
use crate::cap::wire::job::{ErrorCode, JobCancel, JobStatus};

impl Worker {
    /// Cancels a job. One that is not known may be a job whose request has not come yet.
    pub(super) fn on_cancel(&mut self, cancel: JobCancel) {
        let reason = if cancel.reason.is_empty() { String::from("the job was cancelled") } else { cancel.reason };
        let Some(key) = self.jobs.find(&cancel.job_id) else {
            let (limits, reason) = (self.config.limits, self.cut(reason));
            if cancel.job_id.len() <= limits.job_id_bytes {
                self.cancelled.remember(cancel.job_id, reason, limits.cancellations);
            }
            return;
        };
        // A cancellation of an earlier dispatch does not concern the present one.
        let own = self.jobs.get(key).and_then(|job| job.asker(&cancel.job_id)?.dispatch.as_ref());
        if cancel.dispatch.is_some() && own.is_some() && cancel.dispatch.as_ref() != own {
            return;
        }
        let verdict = Verdict::failed(JobStatus::CANCELLED, ErrorCode::UNSPECIFIED, self.cut(reason));
        // A job that has failed and can be tried again is not tried again, unless this is about the attempt that has failed.
        if cancel.dispatch.is_none()
            && let Some(job) = self.jobs.get_mut(key)
        {
            job.rule_out(verdict.clone());
        }
        self.settle(key, verdict);
    }
}
