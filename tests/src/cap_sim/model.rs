//! What is known of every job from outside of the machines, and the rules that follow from it.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use nuncio_core::cap::{ErrorCode, FailureKind, JobRequest, JobResult, JobStatus, Pointer};
use nuncio_core::time::Time;

use super::blobs::Blobs;

/// One job, by the id that its submitter chose.
#[derive(Clone, Debug, Default)]
pub(super) struct Job {
    pub(super) request: JobRequest,
    /// Whether somebody who may cancel it has done so.
    pub(super) is_cancelled: bool,
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
}

/// Returns what makes two requests the same job: tenant and idempotency key.
fn key(request: &JobRequest) -> Option<&str> {
    request.meta.as_ref().map(|meta| meta.idempotency_key.as_str()).filter(|key| !key.is_empty())
}

impl Model {
    pub(super) fn submitted(&mut self, request: &JobRequest) {
        let job = self.jobs.entry(request.job_id.clone()).or_default();
        job.request = request.clone();
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
        let shares = |job: &&Job| {
            job.request.job_id == id || key(&own.request).is_some_and(|own| key(&job.request) == Some(own))
        };
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
            JobStatus::CANCELLED => same.iter().any(|job| job.is_cancelled),
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
