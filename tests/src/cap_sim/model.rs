//! What is known of every job from outside of the machines, and the rules that follow from it.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use nuncio_core::cap::{ErrorCode, FailureKind, JobRequest, JobResult, JobStatus, Pointer};
use nuncio_core::time::Time;

use super::blobs::Blobs;
use super::trust::tenant_of;

/// One job, by the id that its submitter chose.
#[derive(Clone, Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "independent facts")]
pub(super) struct Job {
    pub(super) request: JobRequest,
    /// The client that has submitted it first.
    pub(super) submitter: usize,
    /// Whether the router has acknowledged its request.
    pub(super) is_acknowledged: bool,
    /// Whether somebody who may cancel it has done so.
    pub(super) is_cancelled: bool,
    /// Whether the router has told the workers to stop it, because it was cancelled or too late.
    pub(super) is_stopped: bool,
    /// Whether its input is gone or was never there.
    pub(super) has_no_input: bool,
    /// What its handlers have returned.
    pub(super) outputs: BTreeSet<Bytes>,
    /// How its handlers have failed.
    pub(super) failures: Vec<FailureKind>,
    /// The results that workers and the router have published.
    pub(super) results: Vec<JobResult>,
    /// What clients were told.
    pub(super) told: BTreeSet<i32>,
}

#[derive(Debug, Default)]
pub(super) struct Model {
    pub(super) jobs: BTreeMap<String, Job>,
    /// Whether packets prove the tenant of their sender, as they do in the production profile.
    pub(super) has_tenants: bool,
}

/// Returns what makes two requests of a tenant the same job.
fn key(request: &JobRequest) -> Option<&str> {
    request.meta.as_ref().map(|meta| meta.idempotency_key.as_str()).filter(|key| !key.is_empty())
}

impl Job {
    fn has_failed_retryable(&self) -> bool {
        self.results.iter().any(|result| result.status == JobStatus::FAILED_RETRYABLE)
    }
}

impl Model {
    pub(super) fn submitted(&mut self, request: &JobRequest, submitter: usize) {
        let job = self.jobs.entry(request.job_id.clone()).or_default();
        job.request = request.clone();
        job.submitter = submitter;
    }

    pub(super) fn job(&mut self, id: &str) -> &mut Job {
        self.jobs.get_mut(id).unwrap_or_else(|| panic!("ours every_job_was_submitted: {id:?}"))
    }

    pub(super) fn cancelled(&mut self, id: &str) {
        if let Some(job) = self.jobs.get_mut(id) {
            job.is_cancelled = true;
        }
    }

    /// Returns a job and those with the same idempotency key, whose result it may share.
    fn same(&self, id: &str) -> Vec<&Job> {
        let Some(own) = self.jobs.get(id) else { return Vec::new() };
        let shares_key = |job: &Job| key(&own.request).is_some_and(|own| key(&job.request) == Some(own));
        let shares = |job: &&Job| job.request.job_id == id || (shares_key(job) && self.tenant(job) == self.tenant(own));
        self.jobs.values().filter(shares).collect()
    }

    /// spec/07: a result says what has happened.
    pub(super) fn every_result_has_a_cause(&self, now: Time, result: &JobResult, blobs: &Blobs, has_runtime: bool) {
        let same = self.same(&result.job_id);
        assert!(!same.is_empty(), "spec/07 every_result_has_a_cause: nobody has submitted {result:?}");
        let failed =
            |kinds: &[FailureKind]| same.iter().any(|job| kinds.iter().any(|kind| job.failures.contains(kind)));
        let code = result.error_code_enum;
        let has_cause = match result.status {
            JobStatus::SUCCEEDED => return self.every_success_was_returned(now, result, blobs),
            JobStatus::CANCELLED => same.iter().any(|job| job.is_stopped || self.is_cancelled(job)),
            JobStatus::TIMEOUT => {
                has_runtime
                    || same.iter().any(|job| job.request.budget.as_ref().is_some_and(|budget| budget.deadline_ms > 0))
            }
            JobStatus::FAILED => match code {
                ErrorCode::JOB_DUPLICATE => same.len() > 1,
                ErrorCode::JOB_NOT_FOUND => same.iter().any(|job| job.has_no_input),
                ErrorCode::JOB_INVALID_INPUT => {
                    let is_bad = |job: &&Job| Pointer::parse(&job.request.context_ptr).is_err();
                    failed(&[FailureKind::Input]) || same.iter().any(is_bad)
                }
                _ => failed(&[FailureKind::Plain]),
            },
            JobStatus::FAILED_RETRYABLE => match code {
                ErrorCode::JOB_RESOURCE_EXHAUSTED
                | ErrorCode::JOB_WORKER_UNAVAILABLE
                | ErrorCode::TRANSPORT_CONNECTION_LOST => true,
                _ => failed(&[FailureKind::Retryable]),
            },
            JobStatus::FAILED_FATAL => failed(&[FailureKind::Fatal]),
            _ => false,
        };
        assert!(has_cause, "spec/07 every_result_has_a_cause: {result:?} of {same:#?}");
    }

    /// Returns the tenant of a job, if packets prove it.
    fn tenant(&self, job: &Job) -> &'static str {
        if self.has_tenants { tenant_of(&format!("client-{}", job.submitter)) } else { "" }
    }

    /// Whether somebody has cancelled a job, or a job of its tenant that has asked for it.
    fn is_cancelled(&self, job: &Job) -> bool {
        let above = self.jobs.get(&job.request.parent_job_id);
        let above = above.filter(|above| self.tenant(above) == self.tenant(job));
        job.is_cancelled || above.is_some_and(|above| self.is_cancelled(above))
    }

    /// spec/07: a result of the router's own says what has happened, as far as it is known from outside.
    pub(super) fn every_router_result_has_a_cause(
        &self,
        now: Time,
        result: &JobResult,
        blobs: &Blobs,
        (has_runtime, asks): (bool, bool),
    ) {
        let same = self.same(&result.job_id);
        assert!(!same.is_empty(), "spec/07 every_router_result_has_a_cause: nobody has submitted {result:?}");
        let has_deadline = |job: &&Job| job.request.budget.as_ref().is_some_and(|budget| budget.deadline_ms > 0);
        let by_worker = || same.iter().any(|job| job.results.iter().any(|other| other.status == result.status));
        let has_cause = match result.status {
            JobStatus::SUCCEEDED => return self.every_success_was_returned(now, result, blobs),
            JobStatus::CANCELLED => same.iter().any(|job| self.is_cancelled(job)),
            // Without an answer in time a job is denied.
            JobStatus::DENIED => asks,
            JobStatus::TIMEOUT => {
                // A job of which nothing is heard is too late as well.
                let is_silent = result.error_message.starts_with("nothing was heard");
                is_silent || has_runtime || asks || same.iter().any(has_deadline)
            }
            JobStatus::FAILED => match result.error_code_enum {
                ErrorCode::JOB_DUPLICATE => same.len() > 1,
                ErrorCode::JOB_WORKER_UNAVAILABLE => true,
                _ => by_worker() || same.iter().any(|job| job.has_failed_retryable()),
            },
            JobStatus::FAILED_FATAL => by_worker(),
            _ => false,
        };
        assert!(has_cause, "spec/07 every_router_result_has_a_cause: {result:?} of {same:#?}");
    }

    /// spec/04: a success names what a handler has returned, and it is stored.
    fn every_success_was_returned(&self, now: Time, result: &JobResult, blobs: &Blobs) {
        let pointer = Pointer::parse(&result.result_ptr);
        let stored = pointer.ok().and_then(|pointer| blobs.read(now, &pointer));
        let returned = |output: &Bytes| self.same(&result.job_id).iter().any(|job| job.outputs.contains(output));
        let is_fine = stored.as_ref().is_some_and(returned);
        assert!(is_fine, "spec/04 every_success_was_returned: {result:?} names {stored:?}");
    }

    /// spec/07: a client believes what was published by those whose keys it has, and nothing else.
    pub(super) fn only_published_results_are_believed(&mut self, result: &JobResult) {
        let job = self.job(&result.job_id);
        let is_known = job.results.contains(result);
        assert!(is_known, "spec/07 only_published_results_are_believed: {result:?} is none of {:?}", job.results);
        job.told.insert(result.status.0);
    }
}
