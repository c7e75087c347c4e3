//! The commands of the host: submit, cancel, forget.

use alloc::string::String;
use core::time::Duration;

use super::Client;
use super::output::{ClientJob, ClientRefused};
use crate::cap::wire::job::JobRequest;
use crate::cap::wire::subject::Subject;
use crate::time::Time;

impl Client {
    /// Submits a job and awaits its result for some time, or for ever. A request without a job id gets a random one; an empty
    /// trace too. While the bus is away the request waits.
    ///
    /// Errors: [`ClientRefused::Known`], [`ClientRefused::Limit`], and [`ClientRefused::Unsignable`] for a request that
    /// breaks a rule of the protocol.
    pub fn submit(
        &mut self,
        now: Time,
        mut request: JobRequest,
        trace_id: &str,
        wait: Option<Duration>,
    ) -> Result<ClientJob, ClientRefused> {
        self.advance(now);
        if request.job_id.is_empty() {
            request.job_id = self.name();
        }
        let trace_id = if trace_id.is_empty() { self.name() } else { String::from(trace_id) };
        if self.jobs.find(&request.job_id).is_some() {
            return Err(ClientRefused::Known);
        }
        let limits = self.config.limits;
        if self.jobs.len() >= limits.jobs {
            return Err(ClientRefused::Limit { limit: "jobs", max: limits.jobs });
        }
        let sealed = self.sealed(&Subject::JobSubmit, &trace_id, request.clone())?;
        let bytes = sealed.bytes.len();
        if self.jobs.bytes().saturating_add(bytes) > limits.request_bytes {
            return Err(ClientRefused::Limit { limit: "request_bytes", max: limits.request_bytes });
        }
        let wait_until = wait.map(|wait| self.clock.now().plus(wait));
        let job = self.jobs.add(request, trace_id, bytes, wait_until);
        self.publish_request(job, sealed);
        Ok(job)
    }

    /// Cancels a job. The client still waits for its result. The cancellation is sent again until the result arrives,
    /// with every request of the job that is sent again, and on the next connection if the bus is away.
    ///
    /// Errors: [`ClientRefused::Stale`] if the job has ended or was cancelled before.
    pub fn cancel(&mut self, now: Time, job: ClientJob, reason: &str) -> Result<(), ClientRefused> {
        self.advance(now);
        if !self.jobs.cancel(job, reason) {
            return Err(ClientRefused::Stale);
        }
        self.publish_cancel(job);
        Ok(())
    }

    /// Stops waiting for a job. The job itself continues, and the client emits no more events of it.
    ///
    /// Errors: [`ClientRefused::Stale`] if the job has ended.
    pub fn forget(&mut self, now: Time, job: ClientJob) -> Result<(), ClientRefused> {
        self.advance(now);
        if self.jobs.end(job) { Ok(()) } else { Err(ClientRefused::Stale) }
    }

    /// Returns 128 random bits in hexadecimal digits.
    fn name(&mut self) -> String {
        alloc::format!("{:032x}", self.random.random_u128())
    }
}
