//! The arguments of the requests that an application makes.

use alloc::borrow::Cow;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use serde_json::value::RawValue;

use crate::arcp::wire::feature::{Feature, Features};
use crate::json::Text;
use crate::time::Time;
use crate::trace::TraceId;

/// The longest idempotency key, in bytes (§7.2).
const MAX_IDEMPOTENCY_KEY: usize = 256;

/// The arguments of a `job.submit` (§7.1).
///
/// ```
/// use nuncio_core::arcp::Json;
/// use nuncio_core::arcp::client::SubmitArgs;
///
/// let lease = Json::from_string(r#"{"fs.read":["/ws/**"]}"#.to_owned())?;
/// let args = SubmitArgs { agent: "summarise@2".into(), lease_request: Some(&lease), ..SubmitArgs::default() };
/// assert_eq!(args.max_runtime_sec, None);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct SubmitArgs<'a> {
    /// The agent: `name` or `name@version` (§7.5).
    pub agent: Cow<'a, str>,
    /// The input: any JSON value.
    pub input: Option<&'a RawValue>,
    /// The lease: a JSON object of patterns by namespace (§9.2).
    pub lease_request: Option<&'a RawValue>,
    /// The expiry of the lease, `lease_constraints.expires_at` (§9.5).
    pub expires_at: Option<Time>,
    /// The idempotency key, of 1 to 256 bytes (§7.2). If it is absent, the client makes one (`auto-` and a ULID), so
    /// that it can repeat a submit whose answer was lost.
    pub idempotency_key: Option<Cow<'a, str>>,
    /// The seconds from the start of the agent until the job ends as `timed_out`; at least 1.
    pub max_runtime_sec: Option<u32>,
    /// The job that delegates this one (§10).
    pub parent_job_id: Option<Cow<'a, str>>,
    /// The name of the delegation within its parent (§10).
    pub delegate_id: Option<Cow<'a, str>>,
    /// The trace of the job (§11). If it is absent, the runtime starts one.
    pub trace_id: Option<TraceId>,
    /// The `extensions` of the envelope: a JSON object whose keys begin with `x-vendor.`.
    pub extensions: Option<&'a RawValue>,
}

impl SubmitArgs<'_> {
    /// Checks what a runtime would refuse as malformed, and returns the features that the submit uses (§6.2).
    ///
    /// # Errors
    ///
    /// A sentence that names the fault.
    pub(crate) fn check(&self) -> Result<Features, &'static str> {
        if self.agent.is_empty() {
            return Err("a submit must name an agent");
        }
        if self.max_runtime_sec == Some(0) {
            return Err("max_runtime_sec must be at least 1");
        }
        let mut uses = Features::NONE;
        if self.agent.contains('@') {
            uses = uses.with(Feature::AgentVersions);
        }
        if self.expires_at.is_some() {
            uses = uses.with(Feature::LeaseExpiresAt);
        }
        if let Some(lease) = self.lease_request {
            let lease: BTreeMap<Text<'_>, &RawValue> =
                serde_json::from_str(lease.get()).map_err(|_| "lease_request must be a JSON object")?;
            let names = |namespace: &str| lease.keys().any(|name| name.as_str() == namespace);
            if names("cost.budget") {
                uses = uses.with(Feature::CostBudget);
            }
            if names("model.use") {
                uses = uses.with(Feature::ModelUse);
            }
        }
        if self.idempotency_key.as_ref().is_some_and(|key| key.is_empty() || key.len() > MAX_IDEMPOTENCY_KEY) {
            return Err("an idempotency key must have 1 to 256 bytes");
        }
        if self.extensions.is_some_and(|extensions| !extensions.get().starts_with('{')) {
            return Err("extensions must be a JSON object");
        }
        Ok(uses)
    }
}

/// The arguments of a `session.list_jobs` (§6.6). The default lists all jobs.
#[derive(Clone, Debug, Default)]
pub struct ListQuery<'a> {
    /// Lists only jobs in one of these states: `pending`, `running`, `success`, `error`, `cancelled`, `timed_out`.
    pub status: Vec<Cow<'a, str>>,
    /// Lists only jobs of this agent. A bare name matches every version.
    pub agent: Option<Cow<'a, str>>,
    /// Lists only jobs created after this time.
    pub created_after: Option<Time>,
    /// Lists only jobs created before this time.
    pub created_before: Option<Time>,
    /// The length of the longest page wanted, 1 to 1000.
    pub limit: Option<u32>,
    /// The `next_cursor` of the page before.
    pub cursor: Option<Cow<'a, str>>,
}

/// The arguments of an `x-vendor.nuncio.list_questions` (ours). The default asks for the open questions of all jobs that the
/// principal may watch.
#[derive(Clone, Debug, Default)]
pub struct QuestionQuery<'a> {
    /// Lists only the questions of this job.
    pub job_id: Option<Cow<'a, str>>,
    /// The length of the longest page wanted.
    pub limit: Option<u32>,
    /// The `next_cursor` of the page before.
    pub cursor: Option<Cow<'a, str>>,
}

/// The arguments of an `x-vendor.nuncio.list_sessions` (ours). The default asks for the first page of all sessions that the
/// runtime shows to the principal.
#[derive(Clone, Debug, Default)]
pub struct SessionQuery<'a> {
    /// The length of the longest page wanted, 1 to 1000. Without it Nuncio's runtime sends up to 100 sessions.
    pub limit: Option<u32>,
    /// The `next_cursor` of the page before.
    pub cursor: Option<Cow<'a, str>>,
}

/// The arguments of a `job.subscribe` (§7.6), beside the job. The default replays nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Subscribe {
    /// Whether events from before the subscription are replayed first.
    pub history: bool,
    /// Replays only events after this one, in the numbering of the job's owner.
    pub from_event_seq: Option<u64>,
}
