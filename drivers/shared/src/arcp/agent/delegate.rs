//! Work given to another agent (§10).

use std::collections::BTreeMap;

use bytes::Bytes;
use futures_channel::oneshot;
use nuncio_core::arcp::{Delegate, Denied, Fault, FinalStatus, JobId, Json};
#[cfg(feature = "caracal")]
use nuncio_core::lease::Lease;
use nuncio_core::time::Time;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::failure::Failure;
use super::job::Ended;
use crate::arcp::value::Invalid;

/// Work for another agent of the same runtime (§10), for [`JobContext::delegate`](crate::arcp::JobContext::delegate).
///
/// ```
/// # use nuncio_shared::arcp::{Delegation, Failure, JobContext, LeaseRequest, Namespace};
/// async fn summarise(pages: Vec<String>, ctx: JobContext) -> Result<usize, Failure> {
///     let search = Delegation::new("search")
///         .input(&pages)
///         .lease(&LeaseRequest::new().allow(Namespace::ToolCall, "search.*").budget("USD", "0.10"));
///     let mut child = ctx.delegate(&search).await?;
///     // A child that fails is an error; `outcome` tells how it ended in any case.
///     let found: Vec<String> = child.result().await?;
///     Ok(found.len())
/// }
/// ```
#[derive(Clone, Debug)]
#[must_use = "work is delegated by `JobContext::delegate`"]
pub struct Delegation {
    agent: String,
    delegate_id: Option<String>,
    input: Option<Box<Json>>,
    lease_request: Option<Box<Json>>,
    lease_constraints: Option<Box<Json>>,
    invalid: Invalid,
}

impl Delegation {
    /// Work for an agent, `name` or `name@version`, with an empty lease and no input.
    pub fn new(agent: impl Into<String>) -> Delegation {
        Delegation {
            agent: agent.into(),
            delegate_id: None,
            input: None,
            lease_request: None,
            lease_constraints: None,
            invalid: Invalid::default(),
        }
    }

    /// Sets the name of the delegation within its parent; by default the runtime makes one.
    pub fn delegate_id(mut self, id: impl Into<String>) -> Delegation {
        self.delegate_id = Some(id.into());
        self
    }

    /// Sets the input: any value that serde can write.
    pub fn input(mut self, input: &(impl Serialize + ?Sized)) -> Delegation {
        self.input = self.invalid.json("input", input);
        self
    }

    /// Sets the lease, which must be within the parent's: a [`LeaseRequest`](crate::arcp::LeaseRequest), a
    /// [`Lease`](crate::arcp::Lease) such as the parent's own, or any value that serde writes as an object of namespaces
    /// and patterns.
    pub fn lease(mut self, lease: &(impl Serialize + ?Sized)) -> Delegation {
        self.lease_request = self.invalid.json("lease", lease);
        self
    }

    /// Sets when the child's lease ends; by default it ends with its parent's.
    pub fn expires_at(self, time: Time) -> Delegation {
        self.lease_constraints(&BTreeMap::from([("expires_at", time.to_rfc3339())]))
    }

    /// Sets the `lease_constraints` as an object.
    pub fn lease_constraints(mut self, constraints: &(impl Serialize + ?Sized)) -> Delegation {
        self.lease_constraints = self.invalid.json("lease constraints", constraints);
        self
    }

    /// Returns the lease, which allows nothing if none is set; an error if it is malformed.
    #[cfg(feature = "caracal")]
    pub(crate) fn lease_asked(&self) -> Result<Lease, Fault> {
        self.invalid.check().map_err(|invalid| Fault::invalid(invalid.to_string()))?;
        let json = self.lease_request.as_deref().map_or("{}", Json::get);
        Lease::parse(if json == "null" { "{}" } else { json }).map_err(|error| Fault::invalid(error.to_string()))
    }

    /// Returns when the lease ends, if that is set and can be read.
    #[cfg(feature = "caracal")]
    pub(crate) fn expiry_asked(&self) -> Option<Time> {
        let constraints: BTreeMap<String, &Json> =
            serde_json::from_str(self.lease_constraints.as_deref()?.get()).ok()?;
        let expiry: String = serde_json::from_str(constraints.get("expires_at")?.get()).ok()?;
        Time::parse_rfc3339(&expiry)
    }

    /// The request for the machine, or the first value that could not be written.
    pub(crate) fn request(&self) -> Result<Delegate<'_>, Denied> {
        self.invalid.check().map_err(|invalid| Fault::invalid(invalid.to_string()))?;
        Ok(Delegate {
            delegate_id: self.delegate_id.as_deref().map(Into::into),
            agent: self.agent.as_str().into(),
            input: self.input.as_deref(),
            lease_request: self.lease_request.as_deref(),
            lease_constraints: self.lease_constraints.as_deref(),
        })
    }
}

/// A delegated job. It runs on when this is dropped.
#[derive(Debug)]
pub struct Child {
    id: Option<JobId>,
    ended: oneshot::Receiver<Ended>,
    outcome: Option<ChildOutcome>,
}

impl Child {
    pub(crate) fn new(id: Option<JobId>, ended: oneshot::Receiver<Ended>) -> Child {
        Child { id, ended, outcome: None }
    }

    /// The child's id on the wire; `None` if it was declined at once.
    pub fn job_id(&self) -> Option<&JobId> {
        self.id.as_ref()
    }

    /// Waits for the child's end, and reads its inline result. It can be called again.
    ///
    /// # Errors
    ///
    /// [`ChildError`] if the child did not succeed, or if its result is not an inline one of this type.
    pub async fn result<T: DeserializeOwned>(&mut self) -> Result<T, ChildError> {
        self.outcome().await.parse()
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
#[non_exhaustive]
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
    ///
    /// # Errors
    ///
    /// [`ChildError`] if the child did not succeed, or if its result is not an inline one of this type.
    pub fn parse<T: DeserializeOwned>(&self) -> Result<T, ChildError> {
        if self.status != FinalStatus::Success {
            return Err(ChildError::Failed { status: self.status, fault: self.fault.clone() });
        }
        let result = self.result().ok_or(ChildError::NotInline)?;
        serde_json::from_str(result).map_err(ChildError::Unexpected)
    }
}

/// Why there is no result of a delegated job to read.
///
/// An agent that ends with it fails with `INTERNAL_ERROR` and its text. To fail in another way, match on it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ChildError {
    /// The child did not succeed.
    #[error("the delegated job ended with {}{}", status.as_str(), because(fault.as_ref()))]
    Failed {
        /// `error`, `cancelled` or `timed_out`.
        status: FinalStatus,
        /// Why, if it is known: the runtime may have ended first.
        fault: Option<Fault>,
    },
    /// The child succeeded without an inline result: it streamed its result, or has none.
    #[error("the delegated job has no inline result")]
    NotInline,
    /// The result is not of the type that was asked for.
    #[error("the delegated job has a result of another type: {0}")]
    Unexpected(#[source] serde_json::Error),
}

fn because(fault: Option<&Fault>) -> String {
    fault.map_or_else(String::new, |fault| format!(": {fault}"))
}

impl From<ChildError> for Failure {
    fn from(error: ChildError) -> Failure {
        Failure::internal(error.to_string())
    }
}
