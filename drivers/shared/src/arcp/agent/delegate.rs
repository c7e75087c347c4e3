//! Work given to another agent (§10).

use bytes::Bytes;
use futures_channel::oneshot;
use nuncio_core::arcp::{Delegate, Fault, FinalStatus, JobUlid, Json};
use nuncio_core::time::Time;
use serde::Serialize;

use crate::arcp::agent::job::Ended;

/// What is asked of a sub-agent.
#[derive(Clone, Debug)]
pub struct Delegation {
    agent: String,
    delegate_id: Option<String>,
    input: Option<Box<Json>>,
    lease_request: Option<Box<Json>>,
    lease_constraints: Option<Box<Json>>,
}

impl Delegation {
    /// Work for an agent, `name` or `name@version`, with an empty lease and no input.
    pub fn new(agent: impl Into<String>) -> Delegation {
        Delegation { agent: agent.into(), delegate_id: None, input: None, lease_request: None, lease_constraints: None }
    }

    /// Names the delegation within its parent; by default the runtime does.
    pub fn delegate_id(mut self, id: impl Into<String>) -> Delegation {
        self.delegate_id = Some(id.into());
        self
    }

    /// The input, any value serde can write.
    pub fn input(mut self, input: &impl Serialize) -> Result<Delegation, serde_json::Error> {
        self.input = Some(serde_json::value::to_raw_value(input)?);
        Ok(self)
    }

    /// The lease: an object of namespaces and patterns, within the parent's.
    pub fn lease(mut self, lease: &impl Serialize) -> Result<Delegation, serde_json::Error> {
        self.lease_request = Some(serde_json::value::to_raw_value(lease)?);
        Ok(self)
    }

    /// When the child's lease ends; by default with its parent's.
    pub fn expires_at(mut self, time: Time) -> Delegation {
        self.lease_constraints =
            serde_json::value::RawValue::from_string(format!("{{\"expires_at\":\"{}\"}}", time.to_rfc3339())).ok();
        self
    }

    /// The raw `lease_constraints`.
    pub fn lease_constraints(mut self, constraints: &impl Serialize) -> Result<Delegation, serde_json::Error> {
        self.lease_constraints = Some(serde_json::value::to_raw_value(constraints)?);
        Ok(self)
    }

    pub(crate) fn request(&self) -> Delegate<'_> {
        Delegate {
            delegate_id: self.delegate_id.as_deref().map(Into::into),
            agent: self.agent.as_str().into(),
            input: self.input.as_deref(),
            lease_request: self.lease_request.as_deref(),
            lease_constraints: self.lease_constraints.as_deref(),
        }
    }
}

/// A delegated job. It runs on when this is dropped.
#[derive(Debug)]
pub struct Child {
    id: Option<JobUlid>,
    ended: oneshot::Receiver<Ended>,
    outcome: Option<ChildOutcome>,
}

impl Child {
    pub(crate) fn new(id: Option<JobUlid>, ended: oneshot::Receiver<Ended>) -> Child {
        Child { id, ended, outcome: None }
    }

    /// The child's id on the wire; `None` if it was declined at once.
    pub fn job_id(&self) -> Option<JobUlid> {
        self.id
    }

    /// Waits for the child's end. Dropped while it waits, nothing is lost; it can be asked again.
    pub async fn outcome(&mut self) -> ChildOutcome {
        if let Some(outcome) = &self.outcome {
            return outcome.clone();
        }
        let outcome = match (&mut self.ended).await {
            Ok(ended) => ChildOutcome { status: ended.status, fault: ended.fault, result: ended.result },
            Err(_) => ChildOutcome { status: FinalStatus::Error, fault: None, result: None },
        };
        self.outcome.insert(outcome).clone()
    }
}

/// How a delegated job ended.
#[derive(Clone, Debug)]
pub struct ChildOutcome {
    /// Its `final_status`.
    pub status: FinalStatus,
    /// Why, unless it succeeded. Absent, too, where the runtime went away first.
    pub fault: Option<Fault>,
    result: Option<Bytes>,
}

impl ChildOutcome {
    /// The inline result as JSON text; `None` for a streamed one, and without success.
    pub fn result(&self) -> Option<&str> {
        self.result.as_deref().and_then(|bytes| std::str::from_utf8(bytes).ok())
    }

    /// The inline result, read by serde.
    pub fn parse<T: serde::de::DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        serde_json::from_str(self.result().unwrap_or("null"))
    }
}
