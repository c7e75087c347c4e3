//! Publishes the results that the router makes, and publishes results again.

use alloc::string::String;

use bytes::Bytes;

use super::Router;
use super::job::Asker;
use super::output::RouterJob;
use crate::cap::wire::job::{ErrorCode, JobResult, JobStatus};
use crate::cap::wire::packet::{BusPacket, Payload};
use crate::cap::wire::subject::Subject;

/// How a job has ended, without the ids of the requests that it is the result of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Verdict {
    pub(super) status: JobStatus,
    pub(super) code: ErrorCode,
    pub(super) message: String,
}

impl Verdict {
    pub(super) fn new(status: JobStatus, code: ErrorCode, message: impl Into<String>) -> Verdict {
        Verdict { status, code, message: message.into() }
    }
}

impl Router {
    /// Publishes the router's own result for a request, and returns its packet; `None` if it could not be signed.
    pub(super) fn answer(&mut self, asker: &Asker, verdict: &Verdict) -> Option<Bytes> {
        let code = verdict.code.name().filter(|_| verdict.code != ErrorCode::UNSPECIFIED);
        let result = JobResult {
            status: verdict.status,
            error_code: code.unwrap_or_default().into(),
            error_message: self.cut(verdict.message.clone()),
            error_code_enum: verdict.code,
            ..JobResult::default()
        };
        self.publish_result(asker, result)
    }

    /// Publishes a result under the router's name for a request.
    fn publish_result(&mut self, asker: &Asker, result: JobResult) -> Option<Bytes> {
        let result = JobResult {
            job_id: asker.job_id.clone(),
            worker_id: self.config.id.as_str().into(),
            dispatch: asker.dispatch.clone(),
            identity: asker.identity.clone(),
            ..result
        };
        let bytes = self.seal(&Subject::JobResult, &asker.trace_id, result)?;
        self.outbox.send(Subject::JobResult, bytes.clone());
        Some(bytes)
    }

    /// Publishes the result of an ended job again: its packet for its own id, and a result of the router's own for the id of
    /// a request with the same idempotency key.
    pub(super) fn answer_again(&mut self, key: RouterJob, job_id: &str) {
        let Some(job) = self.jobs.get(key) else { return };
        let Some(outcome) = job.outcome() else { return };
        let (status, packet) = (job.state().status(), outcome.packet.clone());
        // In the production profile a packet has expired, or was seen before.
        if job.asker.job_id == job_id && !packet.is_empty() && self.production.is_none() {
            self.outbox.send(Subject::JobResult, packet);
            return;
        }
        let askers = core::iter::once(&job.asker).chain(&job.followers);
        let Some(asker) = askers.into_iter().find(|asker| asker.job_id == job_id).cloned() else { return };
        let decoded = BusPacket::decode(&packet, &self.config.reading.limits).ok().and_then(|packet| packet.payload);
        // A result that could not be signed was not kept, but its status was.
        let result = match decoded {
            Some(Payload::JobResult(result)) => *result,
            _ => JobResult { status, ..JobResult::default() },
        };
        self.publish_result(&asker, result);
    }
}
