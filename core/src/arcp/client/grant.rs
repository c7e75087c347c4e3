//! `job.accepted` and `job.subscribed`: what a job was granted.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::message::{Maybe, some_raw};
use super::value::{Accepted, Subscribed};
use crate::arcp::wire::credential::Credential;
use crate::arcp::wire::envelope::Int;
use crate::json::Text;
use crate::secret::Secret;
use crate::trace::TraceId;

/// `job.accepted` and `job.subscribed`, whose members overlap.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct GrantPayload<'a> {
    #[serde(borrow)]
    pub(super) job_id: Maybe<Text<'a>>,
    #[serde(borrow)]
    pub(super) request_id: Maybe<Text<'a>>,
    #[serde(borrow)]
    pub(super) parent_job_id: Maybe<Text<'a>>,
    #[serde(borrow)]
    pub(super) delegate_id: Maybe<Text<'a>>,
    #[serde(borrow)]
    pub(super) current_status: Maybe<Text<'a>>,
    #[serde(borrow)]
    agent: Maybe<Text<'a>>,
    #[serde(borrow)]
    lease: Option<&'a RawValue>,
    #[serde(borrow)]
    lease_constraints: Option<&'a RawValue>,
    #[serde(borrow)]
    budget: Maybe<BTreeMap<Text<'a>, &'a RawValue>>,
    #[serde(borrow)]
    credentials: Maybe<Vec<Maybe<CredentialPayload<'a>>>>,
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
struct CredentialPayload<'a> {
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

/// A boolean, or the number of something.
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

impl GrantPayload<'_> {
    pub(super) fn credentials(&self) -> Vec<Credential> {
        let all = self.credentials.0.iter().flatten().filter_map(|one| one.0.as_ref());
        // Schemes that are not known are ignored (§9.8.1).
        let bearer = all.filter(|one| one.scheme.as_str().is_none_or(|scheme| scheme == "bearer"));
        bearer
            .filter_map(|one| {
                Some(Credential {
                    id: one.id.owned()?,
                    value: Secret::new(one.value.owned()?),
                    endpoint: one.endpoint.owned().unwrap_or_default(),
                    profile: one.profile.owned(),
                    constraints: one.constraints.clone(),
                })
            })
            .collect()
    }

    fn budget(&self) -> Vec<(String, String)> {
        let counters = self.budget.0.iter().flatten();
        counters.filter_map(|(currency, left)| Some((currency.as_str().to_string(), amount(left.get())?))).collect()
    }

    pub(super) fn accepted(&self, frame: &Bytes, job_id: &str, trace: Option<&Text<'_>>) -> Accepted {
        Accepted {
            job_id: job_id.to_string(),
            agent: self.agent.owned(),
            lease: some_raw(frame, self.lease),
            lease_constraints: some_raw(frame, self.lease_constraints),
            budget: self.budget(),
            credentials: self.credentials(),
            trace_id: self.trace(trace),
            parent_job_id: self.parent_job_id.owned(),
            delegate_id: self.delegate_id.owned(),
            accepted_at: self.accepted_at.owned(),
        }
    }

    pub(super) fn subscribed(&self, frame: &Bytes, job_id: &str, trace: Option<&Text<'_>>) -> Subscribed {
        Subscribed {
            job_id: job_id.to_string(),
            current_status: self.current_status.owned(),
            agent: self.agent.owned(),
            lease: some_raw(frame, self.lease),
            lease_constraints: some_raw(frame, self.lease_constraints),
            budget: self.budget(),
            credentials: self.credentials(),
            parent_job_id: self.parent_job_id.owned(),
            trace_id: self.trace(trace),
            subscribed_from: self.subscribed_from.value(),
            replayed: self.replayed.is_set(),
            history_truncated: self.history_truncated.is_set(),
        }
    }

    fn trace(&self, envelope: Option<&Text<'_>>) -> Option<TraceId> {
        self.trace_id.trace().or_else(|| TraceId::parse_lenient(envelope?.as_str()))
    }
}

/// A decimal of a number, of `"1.00"`, or of `"USD:1.00"`.
fn amount(json: &str) -> Option<String> {
    if json.starts_with(|first: char| first == '-' || first.is_ascii_digit()) {
        return Some(json.to_string());
    }
    let Text(text) = serde_json::from_str(json).ok()?;
    let decimal = text.rsplit(':').next()?;
    (!decimal.is_empty()).then(|| decimal.to_string())
}
