//! The payloads that a client sends, as JSON text.

use alloc::borrow::Cow;
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;

use serde_json::value::RawValue;

use crate::arcp::wire::feature::{Feature, Features};
use crate::json::{Object, Text};
use crate::time::Time;
use crate::trace::TraceId;

/// The longest idempotency key, in bytes (§7.2).
const MAX_IDEMPOTENCY_KEY: usize = 256;

/// A `job.submit` (§7.1).
///
/// ```
/// use nuncio_core::arcp::Json;
/// use nuncio_core::arcp::client::Submit;
///
/// let lease = Json::from_string(r#"{"fs.read":["/ws/**"]}"#.to_owned())?;
/// let submit = Submit { agent: "summarise@2".into(), lease_request: Some(&lease), ..Submit::default() };
/// assert_eq!(submit.max_runtime_sec, None);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Submit<'a> {
    /// The agent: `name` or `name@version` (§7.5).
    pub agent: Cow<'a, str>,
    /// The input: any JSON value.
    pub input: Option<&'a RawValue>,
    /// The lease: a JSON object of patterns by namespace (§9.2).
    pub lease_request: Option<&'a RawValue>,
    /// The expiry of the lease, `lease_constraints.expires_at` (§9.5).
    pub expires_at: Option<Time>,
    /// The idempotency key, of 1 to 256 bytes (§7.2). If it is absent, the client makes one (`auto-` and a ULID), so that
    /// it can repeat a submit whose answer was lost.
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

impl Submit<'_> {
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

/// A `session.list_jobs` (§6.6). The default lists all jobs.
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

/// The options of a `job.subscribe` (§7.6). The default replays nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Subscribe {
    /// Whether events from before the subscription are replayed first.
    pub history: bool,
    /// Replays only events after this one, in the numbering of the job's owner.
    pub from_event_seq: Option<u64>,
}

/// A `session.hello` (§6.2).
pub(crate) struct Hello<'a> {
    pub(crate) name: &'a str,
    pub(crate) version: &'a str,
    pub(crate) token: &'a str,
    pub(crate) features: Features,
    pub(crate) resume: Option<Resume<'a>>,
}

/// The `resume` of a hello (§6.3).
pub(crate) struct Resume<'a> {
    pub(crate) session_id: &'a str,
    pub(crate) token: &'a str,
    pub(crate) last_event_seq: u64,
}

pub(crate) fn hello(hello: &Hello<'_>) -> String {
    let features = serde_json::to_string(&hello.features).unwrap_or_default();
    let capabilities = Object::new().json("encodings", "[\"json\"]").json("features", &features).close();
    let client = Object::new().text("name", hello.name).text("version", hello.version).close();
    let auth = Object::new().text("scheme", "bearer").text("token", hello.token).close();
    let resume = hello.resume.as_ref().map(|resume| {
        Object::new()
            .text("session_id", resume.session_id)
            .text("resume_token", resume.token)
            .value("last_event_seq", resume.last_event_seq)
            .close()
    });
    Object::with_capacity(512)
        .json("client", &client)
        .json("auth", &auth)
        .json("capabilities", &capabilities)
        .opt_json("resume", resume.as_deref())
        .close()
}

/// `session.ping` (§6.4)
pub(crate) fn ping(nonce: &str, now: Time) -> String {
    Object::new().plain("nonce", nonce).plain("sent_at", now.to_rfc3339()).close()
}

/// `session.pong` (§6.4)
pub(crate) fn pong(nonce: &str, now: Time) -> String {
    Object::new().text("ping_nonce", nonce).plain("received_at", now.to_rfc3339()).close()
}

/// `session.ack` (§6.5)
pub(crate) fn ack(seq: u64) -> String {
    Object::new().value("last_processed_seq", seq).close()
}

/// `session.list_jobs` (§6.6)
pub(crate) fn list_jobs(query: &ListQuery<'_>) -> String {
    let filtered = !query.status.is_empty()
        || query.agent.is_some()
        || query.created_after.is_some()
        || query.created_before.is_some();
    let filter = filtered.then(|| {
        let names: Vec<&str> = query.status.iter().map(|name| &**name).collect();
        let status = (!names.is_empty()).then(|| serde_json::to_string(&names).unwrap_or_default());
        Object::new()
            .opt_json("status", status.as_deref())
            .opt_text("agent", query.agent.as_deref())
            .opt_plain("created_after", query.created_after.map(Time::to_rfc3339))
            .opt_plain("created_before", query.created_before.map(Time::to_rfc3339))
            .close()
    });
    Object::new()
        .opt_json("filter", filter.as_deref())
        .opt_value("limit", query.limit)
        .opt_text("cursor", query.cursor.as_deref())
        .close()
}

/// `session.close` (§6.7)
pub(crate) fn close(reason: Option<&str>) -> String {
    Object::new().opt_text("reason", reason).close()
}

/// `job.submit` (§7.1)
pub(crate) fn submit(submit: &Submit<'_>, idempotency_key: &str) -> String {
    let constraints = submit.expires_at.map(|at| Object::new().plain("expires_at", at.to_rfc3339()).close());
    Object::new()
        .text("agent", &submit.agent)
        .raw("input", submit.input)
        .raw("lease_request", submit.lease_request)
        .opt_json("lease_constraints", constraints.as_deref())
        .text("idempotency_key", idempotency_key)
        .opt_value("max_runtime_sec", submit.max_runtime_sec)
        .opt_text("parent_job_id", submit.parent_job_id.as_deref())
        .opt_text("delegate_id", submit.delegate_id.as_deref())
        .close()
}

/// `job.cancel` (§7.4). Some runtimes look for the job in the payload, and some require a reason.
pub(crate) fn cancel(job_id: &str, reason: Option<&str>) -> String {
    Object::new().plain("job_id", job_id).text("reason", reason.unwrap_or("cancelled by the client")).close()
}

/// `job.subscribe` (§7.6)
pub(crate) fn subscribe(job_id: &str, subscribe: Subscribe) -> String {
    Object::new()
        .plain("job_id", job_id)
        .opt_value("from_event_seq", subscribe.from_event_seq)
        .value("history", subscribe.history)
        .close()
}

/// `job.unsubscribe` (§7.6)
pub(crate) fn unsubscribe(job_id: &str) -> String {
    Object::new().plain("job_id", job_id).close()
}
