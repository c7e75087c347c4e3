//! Authority: operations, delegation and the budget of a family (§9.3–§9.6, §10).

use alloc::borrow::Cow;
use alloc::string::ToString;
use alloc::sync::Arc;

use super::Runtime;
use super::submit::Ask;
use super::terms::{check_agent_ref, check_negotiated, parse_lease, split_agent};
use crate::arcp::runtime::host::{Delegate, Denied, JobId, Refused};
use crate::arcp::runtime::job::JobEvent;
use crate::arcp::wire::body::Body;
use crate::arcp::wire::error::{ErrorCode, Fault};
use crate::arcp::wire::ids::EnvelopeId;
use crate::arcp::wire::request::{Constraints, blame};
use crate::budget::Amounts;
use crate::json::Object;
use crate::json::Text;
use crate::lease::{Namespace, Operation};
use crate::time::Time;

/// A `delegate_id` is at most this long.
const MAX_DELEGATE_ID: usize = 256;

impl Runtime {
    /// Whether a running job may do this, now: expired, then pattern, then budget (§9.3).
    ///
    /// Errors: [`Denied::Fault`] with `LEASE_EXPIRED`, `PERMISSION_DENIED` or `BUDGET_EXHAUSTED`;
    /// [`Denied::NotRunning`]. After `LEASE_EXPIRED` the job can only end so (§9.5).
    pub fn authorize(&mut self, now: Time, job: JobId, operation: &Operation) -> Result<(), Denied> {
        self.input(now, |this| {
            this.running(job).map_err(|_| Denied::NotRunning)?;
            this.check(job, operation).map_err(Denied::Fault)
        })
    }

    fn check(&mut self, id: JobId, operation: &Operation) -> Result<(), Fault> {
        let now = self.now;
        let Some(job) = self.jobs.get_mut(id) else { return Ok(()) };
        if job.accepted.expires_at.is_some_and(|at| now >= at) {
            let first = !core::mem::replace(&mut job.expired, true);
            if first {
                self.journal_doom(id, false);
            }
            return Err(Fault::new(ErrorCode::LeaseExpired, "the job's lease has expired"));
        }
        let lease = &job.accepted.lease;
        let model = *operation.namespace() == Namespace::ModelUse;
        let free = model && self.config.models_without_lease && !lease.names(&Namespace::ModelUse);
        if !free && !lease.covers(operation) {
            let message =
                alloc::format!("the lease does not cover {} {:?}", operation.namespace().as_str(), operation.target());
            return Err(Fault::new(ErrorCode::PermissionDenied, message));
        }
        if model {
            return Ok(());
        }
        match self.exhausted(id) {
            Some(currency) => {
                let message = alloc::format!("the budget in {} is used up", currency.as_str());
                Err(Fault::new(ErrorCode::BudgetExhausted, message))
            }
            None => Ok(()),
        }
    }

    /// A parent may delegate to this agent: the pattern is checked against the bare name.
    pub(super) fn may_delegate(&mut self, parent: JobId, agent: &str) -> Result<(), Fault> {
        match Operation::new(Namespace::AgentDelegate.as_str(), agent) {
            Ok(operation) => self.check(parent, &operation),
            Err(error) => Err(Fault::new(ErrorCode::PermissionDenied, error.to_string())),
        }
    }

    /// A child's lease is within its parent's (§9.4); what comes back is the child's effective expiry.
    pub(super) fn check_subset(
        &self,
        parent: JobId,
        lease: &crate::lease::Lease,
        expires_at: Option<Time>,
    ) -> Result<Option<Time>, Fault> {
        let Some(parent) = self.jobs.get(parent) else { return Ok(expires_at) };
        let violation = |message: alloc::string::String| Fault::new(ErrorCode::LeaseSubsetViolation, message);
        let mut work = self.config.limits.pattern_work;
        parent.accepted.lease.includes(lease, &mut work).map_err(|error| violation(error.to_string()))?;
        match (parent.accepted.expires_at, expires_at) {
            (Some(ours), Some(theirs)) if theirs > ours => {
                Err(violation("the lease would expire after its parent's".to_string()))
            }
            (Some(ours), None) => Ok(Some(ours)),
            (_, theirs) => Ok(theirs),
        }
    }

    /// Sets a child's amounts aside (ours).
    pub(super) fn set_aside(&mut self, parent: JobId, amounts: &Amounts) -> Result<(), Fault> {
        let violation = |message: alloc::string::String| Fault::new(ErrorCode::LeaseSubsetViolation, message);
        let budget = self.jobs.get_mut(parent).and_then(|job| job.budget.as_mut());
        let budget = budget.ok_or_else(|| violation("the parent's lease has no cost.budget".to_string()))?;
        budget.set_aside(amounts).map_err(|error| violation(error.to_string()))
    }

    pub(super) fn check_delegate_id(&self, parent: JobId, delegate_id: &str) -> Result<(), Fault> {
        if delegate_id.is_empty() || delegate_id.len() > MAX_DELEGATE_ID {
            return Err(Fault::invalid("a delegate_id has 1 to 256 bytes"));
        }
        match self.jobs.get(parent) {
            Some(job) if job.delegate_ids.contains(delegate_id) => {
                Err(Fault::invalid("the parent has used this delegate_id before"))
            }
            _ => Ok(()),
        }
    }

    /// Asks for a child job that does a part of this one, with a part of its lease (§10). The `delegate` event and, if it
    /// is refused, the `tool_result` with the error are emitted here. The child starts once the host has answered
    /// [`Event::Submitted`](crate::arcp::Event::Submitted); [`Event::Ended`](crate::arcp::Event::Ended) tells how it ended.
    ///
    /// Errors: [`Denied::Fault`] (the job goes on), [`Denied::Blocked`], [`Denied::NotRunning`].
    pub fn delegate(&mut self, now: Time, job: JobId, request: &Delegate<'_>) -> Result<JobId, Denied> {
        self.input(now, |this| {
            this.running(job).map_err(|_| Denied::NotRunning)?;
            let delegate_id: Cow<'_, str> = match &request.delegate_id {
                Some(id) => Cow::Borrowed(id),
                None => {
                    let mut id = alloc::string::String::from("del_");
                    EnvelopeId::next(&mut this.random, this.now).push_to(&mut id);
                    Cow::Owned(id)
                }
            };
            let body = Object::new()
                .text("delegate_id", &delegate_id)
                .text("agent", &request.agent)
                .raw("input", request.input)
                .raw("lease_request", request.lease_request)
                .raw("lease_constraints", request.lease_constraints)
                .close();
            match this.room(job, 2, body.len() + 4096) {
                Ok(()) => {}
                Err(Refused::Blocked) => return Err(Denied::Blocked),
                Err(refused) => return Err(Denied::Fault(Fault::invalid(refused.to_string()))),
            }
            this.append(job, &Body::delegated(body), None);
            let made = this.delegated(job, &delegate_id, request);
            match made {
                Ok(child) => {
                    let owner = this.jobs.get(job).and_then(|job| job.owner).and_then(|key| this.sessions.get(key));
                    let seq = owner.map_or(0, |session| session.log.next() - 1);
                    if let Some(child) = this.jobs.get_mut(child) {
                        child.delegated_at = seq;
                    }
                    this.ask_host(child);
                    Ok(child)
                }
                Err(fault) => {
                    this.append(job, &Body::tool_error(&delegate_id, &fault), None);
                    if this.jobs.get(job).is_some_and(|job| job.expired) {
                        this.end_expired(job, JobEvent::Expire);
                    }
                    Err(Denied::Fault(fault))
                }
            }
        })
    }

    fn delegated(&mut self, parent: JobId, delegate_id: &str, request: &Delegate<'_>) -> Result<JobId, Fault> {
        self.check_delegate_id(parent, delegate_id)?;
        check_agent_ref(&request.agent)?;
        let Some(job) = self.jobs.get(parent) else { return Err(Fault::invalid("the job is gone")) };
        let constraints: Constraints<'_> = match request.lease_constraints {
            Some(raw) => serde_json::from_str::<Option<Constraints<'_>>>(raw.get())
                .map_err(|error| Fault::invalid(alloc::format!("lease_constraints: {}", blame(&error))))?
                .unwrap_or_default(),
            None => Constraints::default(),
        };
        let expires_at = constraints.expires_at.as_ref().map(Text::as_str);
        let lease = parse_lease(request.lease_request.filter(|raw| raw.get() != "null"));
        let features = job.features;
        let ask = Ask {
            owner: job.owner,
            principal: Arc::clone(&job.accepted.principal),
            features,
            small_chunks: job.small_chunks,
            agent: &request.agent,
            input: request.input,
            lease,
            expires_at,
            max_runtime_secs: None,
            parent: Some(parent),
            delegate_id: Some(delegate_id),
            trace_id: Some(job.accepted.trace_id),
            extensions: None,
        };
        self.may_delegate(parent, split_agent(&request.agent).0)?;
        check_negotiated(features, &request.agent, ask.lease.as_ref().ok(), expires_at)?;
        self.closed_for_work()?;
        let extensions = self.jobs.get(parent).and_then(|job| job.extensions.clone());
        let child = self.ask_for(ask)?;
        if let Some(child) = self.jobs.get_mut(child) {
            child.extensions = extensions;
        }
        Ok(child)
    }
}
