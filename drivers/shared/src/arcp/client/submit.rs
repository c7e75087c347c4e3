use std::time::Duration;

use nuncio_core::arcp::{JobId, Json, client};
use nuncio_core::time::Time;
use nuncio_core::trace::TraceId;
use serde::Serialize;

use crate::arcp::value::{Invalid, InvalidValue};

/// A job to be submitted (§7.1).
///
/// A value that cannot be written as JSON is reported by [`Client::submit`](crate::arcp::Client::submit), which sends
/// nothing then.
///
/// ```
/// use std::time::Duration;
///
/// # use nuncio_shared::arcp::{LeaseRequest, Namespace, Submit};
/// let submit = Submit::new("weekly-report")
///     .input(&["2026-W19", "2026-W20"])
///     .lease(&LeaseRequest::new().allow(Namespace::NetFetch, "https://example.com/**").budget("USD", "2.50"))
///     .max_runtime(Duration::from_secs(600))
///     .idempotency_key("weekly-report-2026-W20");
/// ```
#[derive(Clone, Debug)]
#[must_use = "a job is submitted by `Client::submit`"]
pub struct Submit {
    agent: String,
    input: Option<Box<Json>>,
    lease: Option<Box<Json>>,
    expires_at: Option<Time>,
    idempotency_key: Option<String>,
    max_runtime_sec: Option<u32>,
    parent_job_id: Option<JobId>,
    delegate_id: Option<String>,
    trace_id: Option<TraceId>,
    extensions: Option<Box<Json>>,
    invalid: Invalid,
}

impl Submit {
    /// A job for an agent, `name` or `name@version`, without input and with an empty lease.
    pub fn new(agent: impl Into<String>) -> Submit {
        Submit {
            agent: agent.into(),
            input: None,
            lease: None,
            expires_at: None,
            idempotency_key: None,
            max_runtime_sec: None,
            parent_job_id: None,
            delegate_id: None,
            trace_id: None,
            extensions: None,
            invalid: Invalid::default(),
        }
    }

    /// Sets the input: any value that serde can write. A [`Json`] is sent as the text it is.
    pub fn input(mut self, input: &(impl Serialize + ?Sized)) -> Submit {
        self.input = self.invalid.json("input", input);
        self
    }

    /// Sets the lease (§9.2): a [`LeaseRequest`](crate::arcp::LeaseRequest), a [`Lease`](crate::arcp::Lease), or any value
    /// that serde writes as an object of namespaces and patterns, such as `json!({"fs.read": ["/workspace/**"]})`.
    pub fn lease(mut self, lease: &(impl Serialize + ?Sized)) -> Submit {
        self.lease = self.invalid.json("lease", lease);
        self
    }

    /// Sets when the lease ends (§9.5).
    pub fn expires_at(mut self, time: Time) -> Submit {
        self.expires_at = Some(time);
        self
    }

    /// Sets the key that makes a repeated submit the same job, 1 to 256 bytes (§7.2). Without one the client makes a key
    /// for its own repetitions after a lost connection.
    pub fn idempotency_key(mut self, key: impl Into<String>) -> Submit {
        self.idempotency_key = Some(key.into());
        self
    }

    /// Sets how long the agent may run, in whole seconds, rounded up.
    pub fn max_runtime(mut self, runtime: Duration) -> Submit {
        let seconds = runtime.as_secs().saturating_add(u64::from(runtime.subsec_nanos() > 0));
        self.max_runtime_sec = Some(u32::try_from(seconds).unwrap_or(u32::MAX));
        self
    }

    /// Sets the job that delegates this one, and the name of the delegation within it.
    pub fn parent(mut self, job_id: impl Into<JobId>, delegate_id: impl Into<String>) -> Submit {
        self.parent_job_id = Some(job_id.into());
        self.delegate_id = Some(delegate_id.into());
        self
    }

    /// Sets the trace of the job (§11). Without one it is that of the caller's span (ours; with the feature
    /// `opentelemetry`), or the runtime makes one.
    pub fn trace_id(mut self, trace_id: TraceId) -> Submit {
        self.trace_id = Some(trace_id);
        self
    }

    /// Sets the vendor extensions: an object whose keys begin with `x-vendor.`. With the feature `opentelemetry`, the W3C
    /// trace context of the caller's span is added as `x-vendor.opentelemetry.tracecontext`, unless that key is here, even
    /// if it is `null`.
    pub fn extensions(mut self, extensions: &(impl Serialize + ?Sized)) -> Submit {
        self.extensions = self.invalid.json("extensions", extensions);
        self
    }

    /// Adds a member to the extensions, in place of one of this name.
    #[cfg(feature = "caracal")]
    pub(crate) fn with_extension(mut self, name: &str, value: &Json) -> Submit {
        self.extensions = self.invalid.with_member("extensions", self.extensions.as_deref(), name, value);
        self
    }

    /// Sets the trace, unless one is set.
    #[cfg(feature = "caracal")]
    pub(crate) fn or_trace_id(mut self, trace_id: Option<TraceId>) -> Submit {
        self.trace_id = self.trace_id.or(trace_id);
        self
    }

    pub(crate) fn agent(&self) -> &str {
        &self.agent
    }

    /// With the context of a span, unless the caller has set one; its trace is the job's, unless the caller has set one.
    #[cfg(feature = "opentelemetry")]
    pub(super) fn below(&self, span: &tracing::Span) -> std::borrow::Cow<'_, Submit> {
        use super::span::opentelemetry::{extended, sent};
        let context = sent(span);
        let extended = context
            .and_then(|context| Some((extended(self.extensions.as_deref(), &context)?, context.parent.trace_id)));
        let Some((extensions, trace_id)) = extended else { return std::borrow::Cow::Borrowed(self) };
        let trace_id = self.trace_id.or(Some(trace_id));
        std::borrow::Cow::Owned(Submit { extensions: Some(extensions), trace_id, ..self.clone() })
    }

    /// The request for the machine, or the first value that could not be written.
    pub(super) fn request(&self) -> Result<client::SubmitArgs<'_>, InvalidValue> {
        self.invalid.check()?;
        Ok(client::SubmitArgs {
            agent: self.agent.as_str().into(),
            input: self.input.as_deref(),
            lease_request: self.lease.as_deref(),
            expires_at: self.expires_at,
            idempotency_key: self.idempotency_key.as_deref().map(Into::into),
            max_runtime_sec: self.max_runtime_sec,
            parent_job_id: self.parent_job_id.as_ref().map(|id| id.as_str().into()),
            delegate_id: self.delegate_id.as_deref().map(Into::into),
            trace_id: self.trace_id,
            extensions: self.extensions.as_deref(),
        })
    }
}
