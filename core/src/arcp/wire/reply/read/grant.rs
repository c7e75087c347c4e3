//! `job.accepted` and `job.subscribed`: what a job was granted (§7.1, §7.6).

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::maybe::Maybe;
use super::raw::Raw;
use crate::arcp::wire::credential::Credential;
use crate::arcp::wire::envelope::Int;
use crate::arcp::wire::ids::JobId;
use crate::json::Text;
use crate::secret::Secret;
use crate::trace::TraceId;

/// What an accepted job was granted: a `job.accepted` (§7.1).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Accepted {
    /// The job's id.
    pub job_id: JobId,
    /// The resolved agent, if the runtime names it.
    pub agent: Option<String>,
    /// The effective lease.
    pub lease: Option<Raw>,
    /// The effective `lease_constraints`.
    pub lease_constraints: Option<Raw>,
    /// The budget: currencies, and decimals as they were written.
    pub budget: Vec<(String, String)>,
    /// The bearer credentials of this job. They must not be kept longer than the job (§9.8).
    pub credentials: Vec<Credential>,
    /// The job's trace.
    pub trace_id: Option<TraceId>,
    /// The job that delegated this one.
    pub parent_job_id: Option<JobId>,
    /// The name of the delegation within its parent.
    pub delegate_id: Option<String>,
    /// The time of acceptance as it was written.
    pub accepted_at: Option<String>,
}

/// A job as its subscriber may know it: a `job.subscribed` (§7.6).
///
/// Some runtimes replay the job's events before they say so. If these fill the limits of the client, the subscription begins
/// with the job's id alone.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Subscribed {
    /// The job's id.
    pub job_id: JobId,
    /// The state: `pending`, `running`, `success`, `error`, `cancelled` or `timed_out`, as the runtime says.
    pub current_status: Option<String>,
    /// The resolved agent.
    pub agent: Option<String>,
    /// The effective lease.
    pub lease: Option<Raw>,
    /// The effective `lease_constraints`.
    pub lease_constraints: Option<Raw>,
    /// What is left of the budget: currencies, and decimals as they were written.
    pub budget: Vec<(String, String)>,
    /// The bearer credentials of the job; only its submitter's principal sees them (§14).
    pub credentials: Vec<Credential>,
    /// The job that delegated this one.
    pub parent_job_id: Option<JobId>,
    /// The job's trace.
    pub trace_id: Option<TraceId>,
    /// When the job was accepted, as it was written; only Nuncio's runtime says it (ours).
    pub accepted_at: Option<String>,
    /// The number of the last event before the subscription, in the numbering of the job's owner: replayed events are
    /// up to this one, live events after it.
    pub subscribed_from: Option<u64>,
    /// Whether events are replayed.
    pub replayed: bool,
    /// Whether the replay begins later than was asked, because the runtime no longer has the older events.
    pub history_truncated: bool,
}

impl Subscribed {
    /// A subscription of which nothing but the job is known.
    pub(crate) fn unanswered(job: &str) -> Subscribed {
        Subscribed {
            job_id: job.into(),
            current_status: None,
            agent: None,
            lease: None,
            lease_constraints: None,
            budget: Vec::new(),
            credentials: Vec::new(),
            parent_job_id: None,
            trace_id: None,
            accepted_at: None,
            subscribed_from: None,
            replayed: false,
            history_truncated: false,
        }
    }
}

/// A `job.accepted` or `job.subscribed`, which have most members in common.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Grant<'a> {
    #[serde(borrow)]
    pub(crate) job_id: Maybe<Text<'a>>,
    #[serde(borrow)]
    pub(crate) parent_job_id: Maybe<Text<'a>>,
    #[serde(borrow)]
    delegate_id: Maybe<Text<'a>>,
    #[serde(borrow)]
    pub(crate) current_status: Maybe<Text<'a>>,
    #[serde(borrow)]
    agent: Maybe<Text<'a>>,
    #[serde(borrow)]
    lease: Option<&'a RawValue>,
    #[serde(borrow)]
    lease_constraints: Option<&'a RawValue>,
    #[serde(borrow)]
    budget: Maybe<BTreeMap<Text<'a>, &'a RawValue>>,
    #[serde(borrow)]
    credentials: Maybe<Vec<Maybe<CredentialEntry<'a>>>>,
    #[serde(borrow)]
    accepted_at: Maybe<Text<'a>>,
    #[serde(borrow)]
    trace_id: Maybe<Text<'a>>,
    subscribed_from: Maybe<Int>,
    replayed: Maybe<Flag>,
    history_truncated: Maybe<Flag>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct CredentialEntry<'a> {
    #[serde(borrow)]
    id: Maybe<Text<'a>>,
    #[serde(borrow)]
    scheme: Maybe<Text<'a>>,
    #[serde(borrow)]
    value: Maybe<Text<'a>>,
    #[serde(borrow)]
    endpoint: Maybe<Text<'a>>,
    #[serde(borrow)]
    profile: Maybe<Text<'a>>,
    constraints: Option<Box<RawValue>>,
}

/// A boolean, or a count that some runtimes send in its place.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(untagged)]
enum Flag {
    Bool(bool),
    Count(u64),
}

impl Maybe<Flag> {
    fn is_set(&self) -> bool {
        match self.0 {
            Some(Flag::Bool(set)) => set,
            Some(Flag::Count(count)) => count > 0,
            None => false,
        }
    }
}

impl Grant<'_> {
    /// Returns whether the job was delegated and not submitted (§10).
    pub(crate) fn is_delegated(&self) -> bool {
        self.parent_job_id.0.is_some() || self.delegate_id.0.is_some()
    }

    /// Returns the bearer credentials; those of unknown schemes are ignored (§9.8.1).
    fn credentials(&self) -> Vec<Credential> {
        let entries = self.credentials.items();
        let bearer = entries.filter(|entry| entry.scheme.as_str().is_none_or(|scheme| scheme == "bearer"));
        bearer
            .filter_map(|entry| {
                Some(Credential {
                    id: entry.id.owned()?,
                    value: Secret::new(entry.value.owned()?),
                    endpoint: entry.endpoint.owned().unwrap_or_default(),
                    profile: entry.profile.owned(),
                    constraints: entry.constraints.clone(),
                })
            })
            .collect()
    }

    fn budget(&self) -> Vec<(String, String)> {
        let counters = self.budget.0.iter().flatten();
        counters.filter_map(|(currency, left)| Some((currency.as_str().to_string(), decimal(left.get())?))).collect()
    }

    /// Returns the trace id of the payload or, failing that, of the envelope.
    fn trace(&self, on_envelope: Option<&Text<'_>>) -> Option<TraceId> {
        self.trace_id.trace_id().or_else(|| TraceId::parse_lenient(on_envelope?.as_str()))
    }

    /// Returns this as the grant of an accepted job. `trace` is the `trace_id` of the envelope.
    pub(crate) fn accepted(&self, frame: &Bytes, job_id: &str, trace: Option<&Text<'_>>) -> Accepted {
        Accepted {
            job_id: job_id.into(),
            agent: self.agent.owned(),
            lease: Raw::unless_null(frame, self.lease),
            lease_constraints: Raw::unless_null(frame, self.lease_constraints),
            budget: self.budget(),
            credentials: self.credentials(),
            trace_id: self.trace(trace),
            parent_job_id: self.parent_job_id.as_str().map(JobId::from),
            delegate_id: self.delegate_id.owned(),
            accepted_at: self.accepted_at.owned(),
        }
    }

    /// Returns this as the grant of a subscribed job. `trace` is the `trace_id` of the envelope.
    pub(crate) fn subscribed(&self, frame: &Bytes, job_id: &str, trace: Option<&Text<'_>>) -> Subscribed {
        Subscribed {
            job_id: job_id.into(),
            current_status: self.current_status.owned(),
            agent: self.agent.owned(),
            lease: Raw::unless_null(frame, self.lease),
            lease_constraints: Raw::unless_null(frame, self.lease_constraints),
            budget: self.budget(),
            credentials: self.credentials(),
            parent_job_id: self.parent_job_id.as_str().map(JobId::from),
            trace_id: self.trace(trace),
            accepted_at: self.accepted_at.owned(),
            subscribed_from: self.subscribed_from.value(),
            replayed: self.replayed.is_set(),
            history_truncated: self.history_truncated.is_set(),
        }
    }
}

/// Returns the decimal of a JSON number, of `"1.00"`, or of `"USD:1.00"`.
fn decimal(json: &str) -> Option<String> {
    if json.starts_with(|first: char| first == '-' || first.is_ascii_digit()) {
        return Some(json.to_string());
    }
    let Text(text) = serde_json::from_str(json).ok()?;
    let decimal = text.rsplit(':').next()?;
    (!decimal.is_empty()).then(|| decimal.to_string())
}
