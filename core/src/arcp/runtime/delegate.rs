//! Delegation: a job creates a child job with a part of its lease (§10).

use alloc::borrow::{Cow, ToOwned};
use alloc::string::String;
use alloc::sync::Arc;

use super::Runtime;
use super::host::{Delegate, Denied, JobKey};
use super::jobs::job::Job;
use super::sessions::session::Session;
use super::submit::Proposal;
use super::validate;
use crate::arcp::wire::body::Body;
use crate::arcp::wire::error::Fault;
use crate::arcp::wire::ids::{EnvelopeId, JobUlid};
use crate::arcp::wire::request::{Constraints, blame};
use crate::json::{Object, Text};
use crate::lease::Lease;
use crate::time::Time;

/// The maximum length of a `delegate_id` in bytes.
const MAX_DELEGATE_ID: usize = 256;

impl Runtime {
    /// Delegates a part of this job to a child job, with a part of its lease (§10). This emits the `delegate` event
    /// and, if the delegation is refused, the `tool_result` with the error. The child starts once the host has answered
    /// [`Event::Submitted`](crate::arcp::Event::Submitted); [`Event::Ended`](crate::arcp::Event::Ended) says how it
    /// ended.
    ///
    /// Errors: [`Denied::Fault`] (the job goes on), [`Denied::Blocked`], [`Denied::NotRunning`], and
    /// [`Denied::NeedsApproval`], before anything is emitted.
    pub fn delegate(&mut self, now: Time, job: JobKey, request: &Delegate<'_>) -> Result<JobKey, Denied> {
        self.input(now, |this| {
            this.running(job).map_err(|_| Denied::NotRunning)?;
            if this.jobs.is_family_ending(job) {
                return Err(Denied::NotRunning);
            }
            // Nothing is emitted before people have decided.
            if !this.config.ask_first.is_empty()
                && let Err(denied @ Denied::NeedsApproval(_)) =
                    this.may_delegate(job, validate::split_agent(&request.agent).0)
            {
                return Err(denied);
            }
            let delegate_id: Cow<'_, str> = match &request.delegate_id {
                Some(id) => Cow::Borrowed(id),
                None => {
                    let mut id = String::from("del_");
                    EnvelopeId::next(&mut this.random, this.clock.now()).push_to(&mut id);
                    Cow::Owned(id)
                }
            };
            // The child's id and lease stand in the event: clients that receive no `job.accepted` of a child follow it by
            // them. The id of a refused child is never used.
            let child = JobUlid(this.random.monotonic(this.clock.now()));
            let lease = validate::lease(request.lease_request.filter(|raw| raw.get() != "null"));
            let granted = lease.as_ref().map_or_else(|_| Lease::default().to_json(), Lease::to_json);
            let body = Object::new()
                .text("delegate_id", &delegate_id)
                .plain("child_job_id", child)
                .text("agent", &request.agent)
                .json("lease", &granted)
                .raw("input", request.input)
                .raw("lease_request", request.lease_request)
                .raw("lease_constraints", request.lease_constraints)
                .close();
            this.room(job, 2, body.len() + 4096)?;
            this.append(job, &Body::delegated(body), None);
            match this.propose_child(job, child, &delegate_id, lease, request) {
                Ok(child) => {
                    this.ask_host(child);
                    Ok(child)
                }
                Err(fault) => {
                    this.append(job, &Body::tool_error(&delegate_id, &fault), None);
                    if this.jobs.get(job).is_some_and(Job::is_expired) {
                        this.end_expired(job);
                    }
                    Err(Denied::Fault(fault))
                }
            }
        })
    }

    fn propose_child(
        &mut self,
        parent: JobKey,
        child: JobUlid,
        delegate_id: &str,
        lease: Result<Lease, Fault>,
        request: &Delegate<'_>,
    ) -> Result<JobKey, Fault> {
        self.check_delegate_id(parent, delegate_id)?;
        validate::agent_ref(&request.agent)?;
        let Some(job) = self.jobs.get(parent) else { return Err(Fault::invalid("the job is gone")) };
        let constraints: Constraints<'_> = match request.lease_constraints {
            Some(raw) => serde_json::from_str::<Option<Constraints<'_>>>(raw.get())
                .map_err(|error| Fault::invalid(alloc::format!("lease_constraints: {}", blame(&error))))?
                .unwrap_or_default(),
            None => Constraints::default(),
        };
        let expires_at = constraints.expires_at.as_ref().map(Text::as_str);
        let features = job.features();
        let extensions = job.extensions().map(ToOwned::to_owned);
        let owner = job.owner();
        let proposal = Proposal {
            id: Some(child),
            owner,
            principal: Arc::clone(&job.accepted().principal),
            features,
            small_chunks: job.has_small_chunks(),
            agent: &request.agent,
            input: request.input,
            lease,
            expires_at,
            max_runtime_secs: None,
            parent: Some(parent),
            delegate_id: Some(delegate_id),
            trace_id: Some(job.accepted().trace_id),
            extensions: extensions.as_deref(),
        };
        self.may_delegate(parent, validate::split_agent(&request.agent).0).map_err(|denied| denied.fault())?;
        validate::negotiated(features, &request.agent, proposal.lease.as_ref().ok(), expires_at)?;
        self.can_store()?;
        let child = self.propose(proposal)?;
        // The `delegate` event is the last of the owner's log.
        let at = owner.and_then(|key| self.sessions.get(key)).map_or(0, Session::last_seq);
        if let Some(child) = self.jobs.get_mut(child) {
            child.delegated(at);
        }
        Ok(child)
    }

    /// Refuses a name that is malformed, or that another delegation of the parent has.
    pub(super) fn check_delegate_id(&self, parent: JobKey, delegate_id: &str) -> Result<(), Fault> {
        if delegate_id.is_empty() || delegate_id.len() > MAX_DELEGATE_ID {
            return Err(Fault::invalid("a delegate_id has 1 to 256 bytes"));
        }
        if self.jobs.get(parent).is_some_and(|job| job.has_delegated(delegate_id)) {
            return Err(Fault::invalid("the parent has used this delegate_id before"));
        }
        Ok(())
    }
}
