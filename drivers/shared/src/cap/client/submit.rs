//! A job to be submitted.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use nuncio_core::cap::{JobPriority, JobRequest};
use serde::Serialize;

use super::error::SubmitError;

/// A job to be submitted by [`Client::submit`](crate::cap::Client::submit).
///
/// ```
/// use std::time::Duration;
///
/// use nuncio_shared::cap::{JobPriority, Submit};
///
/// let submit = Submit::new("job.summarize")
///     .input(&["page 1", "page 2"])
///     .deadline(Duration::from_secs(60))
///     .priority(JobPriority::INTERACTIVE)
///     .label("tenant", "acme")
///     .idempotency_key("summary-2026-05-17");
/// ```
#[must_use = "a job is submitted by `Client::submit`"]
pub struct Submit {
    request: JobRequest,
    trace_id: String,
    input: Result<Bytes, serde_json::Error>,
    wait: Option<Duration>,
}

impl Submit {
    /// A job of a topic, whose input is `null`.
    pub fn new(topic: impl Into<String>) -> Submit {
        Submit {
            request: JobRequest { topic: topic.into(), ..JobRequest::default() },
            trace_id: String::new(),
            input: Ok(Bytes::from_static(b"null")),
            wait: None,
        }
    }

    /// Sets the input: any value that serde can write. One that cannot be written is reported when the job is submitted.
    pub fn input(mut self, input: &(impl Serialize + ?Sized)) -> Submit {
        self.input = serde_json::to_vec(input).map(Bytes::from);
        self
    }

    /// Sets the input as the bytes that the worker reads, which are JSON for most workers.
    pub fn raw_input(mut self, input: impl Into<Bytes>) -> Submit {
        self.input = Ok(input.into());
        self
    }

    /// Sets the id of the job. A job that is submitted again with its id is the same job. Default: a random one.
    pub fn job_id(mut self, id: impl Into<String>) -> Submit {
        self.request.job_id = id.into();
        self
    }

    /// Sets the trace, which all jobs of a tree share. Default: a random one.
    pub fn trace_id(mut self, id: impl Into<String>) -> Submit {
        self.trace_id = id.into();
        self
    }

    /// Sets the time that the job may take. Default: as long as it takes. It is rounded up to milliseconds.
    pub fn deadline(mut self, time: Duration) -> Submit {
        let millis = time.as_nanos().div_ceil(1_000_000).max(1);
        let budget = self.request.budget.get_or_insert_default();
        budget.deadline_ms = i64::try_from(millis).unwrap_or(i64::MAX);
        self
    }

    /// Sets how long the result is awaited. The job itself may go on; see [`deadline`](Submit::deadline). Default: for ever.
    pub fn wait(mut self, limit: Duration) -> Submit {
        self.wait = Some(limit);
        self
    }

    /// Sets the priority.
    pub fn priority(mut self, priority: JobPriority) -> Submit {
        self.request.priority = priority;
        self
    }

    /// Adds a label.
    pub fn label(mut self, name: impl Into<String>, value: impl Into<String>) -> Submit {
        self.request.labels.insert(name.into(), value.into());
        self
    }

    /// Adds an environment variable of the job. Its value travels in the packet, which everyone on the bus can read.
    pub fn env(mut self, name: impl Into<String>, value: impl Into<String>) -> Submit {
        self.request.env.0.insert(name.into(), value.into());
        self
    }

    /// Sets the job that asks for this one. A cancellation of that job reaches this one too.
    pub fn parent(mut self, job_id: impl Into<String>) -> Submit {
        self.request.parent_job_id = job_id.into();
        self
    }

    /// Sets the tenant.
    pub fn tenant(mut self, tenant: impl Into<String>) -> Submit {
        let tenant = tenant.into();
        self.request.meta.get_or_insert_default().tenant_id.clone_from(&tenant);
        self.request.tenant_id = tenant;
        self
    }

    /// Sets the key that makes a job with the same key the same job, for as long as the worker remembers it.
    pub fn idempotency_key(mut self, key: impl Into<String>) -> Submit {
        self.request.meta.get_or_insert_default().idempotency_key = key.into();
        self
    }

    /// Changes any field of the request. The pointer to the input is set when the job is submitted.
    pub fn configure(mut self, change: impl FnOnce(&mut JobRequest)) -> Submit {
        change(&mut self.request);
        self
    }

    pub(super) fn parts(self) -> Result<Parts, SubmitError> {
        let Submit { request, trace_id, input, wait } = self;
        Ok(Parts { request, trace_id, input: input.map_err(SubmitError::Input)?, wait })
    }
}

impl fmt::Debug for Submit {
    /// Does not show the input.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Submit").field("request", &self.request).finish_non_exhaustive()
    }
}

/// The parts of a job to be submitted.
pub(super) struct Parts {
    pub(super) request: JobRequest,
    pub(super) trace_id: String,
    pub(super) input: Bytes,
    pub(super) wait: Option<Duration>,
}
