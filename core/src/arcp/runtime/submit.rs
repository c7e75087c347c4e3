//! `job.submit`: its checks in their order, and the making of a job (§7.1, §7.5).

use alloc::borrow::ToOwned;
use alloc::collections::BTreeSet;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use serde_json::value::RawValue;

use super::Runtime;
use super::frames::Request;
use super::repeat::{Record, digest};
use super::terms::{check_agent_ref, check_negotiated, parse_expiry, parse_lease, split_agent};
use crate::arcp::runtime::event::Timer;
use crate::arcp::runtime::host::{JobId, SessionKey};
use crate::arcp::runtime::job::{Deadlines, History, Job, JobState};
use crate::arcp::wire::error::{ErrorCode, Fault};
use crate::arcp::wire::feature::{Feature, Features};
use crate::arcp::wire::ids::JobUlid;
use crate::arcp::wire::job::Accepted;
use crate::arcp::wire::request::{self, Submit};
use crate::budget::Budget;
use crate::digest::sha256;
use crate::json::Text;
use crate::lease::Lease;
use crate::trace::TraceId;

/// A job that somebody asks for, by a submit or a delegation.
pub(super) struct Ask<'a> {
    pub(super) owner: Option<SessionKey>,
    pub(super) principal: Arc<str>,
    pub(super) features: Features,
    pub(super) small_chunks: bool,
    pub(super) agent: &'a str,
    pub(super) input: Option<&'a RawValue>,
    pub(super) lease: Result<Lease, Fault>,
    pub(super) expires_at: Option<&'a str>,
    pub(super) max_runtime_secs: Option<u64>,
    pub(super) parent: Option<JobId>,
    pub(super) delegate_id: Option<&'a str>,
    pub(super) trace_id: Option<TraceId>,
    pub(super) extensions: Option<&'a RawValue>,
}

impl Runtime {
    pub(super) fn on_submit(&mut self, key: SessionKey, request: &Request<'_>) -> Result<(), Fault> {
        if self.repeats(key, request.id)? {
            return Ok(());
        }
        let submit: Submit<'_> = request::decode(request.kind, request.envelope.payload)?;
        let idempotency_key = match submit.idempotency_key.as_ref().map(Text::as_str) {
            Some(text) if text.is_empty() || text.chars().count() > 256 => {
                return Err(Fault::invalid("an idempotency_key has 1 to 256 characters"));
            }
            text => text,
        };
        let max_runtime_secs = match submit.max_runtime_sec {
            Some(secs) if secs.0 == 0 || secs.0 > u64::from(u32::MAX) => {
                return Err(Fault::invalid("max_runtime_sec is 1 to 4294967295"));
            }
            secs => secs.map(|secs| secs.0),
        };
        check_agent_ref(submit.agent.as_str())?;
        let Some(session) = self.sessions.get(key) else { return Ok(()) };
        let (features, small_chunks) = (session.features, session.python || session.stdio);
        let principal = Arc::clone(&session.principal);
        let lease = parse_lease(submit.lease_request);
        let expires_at = submit.lease_constraints.as_ref().and_then(|c| c.expires_at.as_ref()).map(Text::as_str);
        check_negotiated(features, submit.agent.as_str(), lease.as_ref().ok(), expires_at)?;
        let record = idempotency_key.map(|text| {
            let record_key = (Arc::clone(&principal), sha256(text.as_bytes()));
            (record_key, digest(&submit, lease.as_ref().ok()))
        });
        if let Some((record_key, digest)) = &record
            && self.retries(key, request.id, record_key, digest)?
        {
            return Ok(());
        }
        self.closed_for_work()?;
        let parent = match &submit.parent_job_id {
            Some(named) => Some(self.parent_of(&principal, named.as_str())?),
            None => None,
        };
        let trace_id = match parent.and_then(|id| self.jobs.get(id)) {
            Some(parent) => Some(parent.accepted.trace_id),
            None => request.envelope.trace_id.as_ref().and_then(|text| TraceId::parse_lenient(text.as_str())),
        };
        let delegate_id = submit.delegate_id.as_ref().map(Text::as_str);
        if let (Some(parent), Some(delegate_id)) = (parent, delegate_id) {
            self.check_delegate_id(parent, delegate_id)?;
        }
        let id = self.ask_for(Ask {
            owner: Some(key),
            principal,
            features,
            small_chunks,
            agent: submit.agent.as_str(),
            input: submit.input,
            lease,
            expires_at,
            max_runtime_secs,
            parent,
            delegate_id,
            trace_id,
            extensions: request.envelope.extensions,
        })?;
        self.wait_for(key, request.id, id);
        if record.is_some() {
            self.make_record_room();
        }
        let Some(job) = self.jobs.get_mut(id) else { return Ok(()) };
        let ulid = job.accepted.id;
        if let Some((record_key, digest)) = record {
            job.key = Some(record_key.clone());
            self.record_order.insert(ulid, record_key.clone());
            let record = Record { digest, job: id, ulid, at: self.now, accepted: None, terminal: None };
            self.records.insert(record_key, record);
        }
        self.ask_host(id);
        Ok(())
    }

    /// The running job of the same principal that a submit names as its parent.
    fn parent_of(&self, principal: &str, named: &str) -> Result<JobId, Fault> {
        let found = JobUlid::parse(named).and_then(|ulid| self.job_ids.get(&ulid).copied());
        found
            .filter(|id| {
                self.jobs.get(*id).is_some_and(|job| job.state.is_running() && *job.accepted.principal == *principal)
            })
            .ok_or_else(|| Fault::new(ErrorCode::JobNotFound, "there is no such running parent job"))
    }

    /// Makes a job that the host is asked about, or says why not. The checks stand in the order of §7.1 and §10.
    pub(super) fn ask_for(&mut self, mut ask: Ask<'_>) -> Result<JobId, Fault> {
        let now = self.now;
        let (name, pinned) = split_agent(ask.agent);
        if let Some(parent) = ask.parent {
            self.may_delegate(parent, name)?;
        }
        let version = self.resolve(name, pinned)?;
        let lease = core::mem::replace(&mut ask.lease, Ok(Lease::default()))?;
        let max = self.frame_limit(ask.owner);
        if lease.to_json().len() > max / 2 {
            // Every answer about the job shows it.
            return Err(Fault::limit("frame_bytes", max as u64));
        }
        let asked_expiry = match ask.expires_at {
            Some(text) => Some(parse_expiry(text)?),
            None => None,
        };
        let expires_at = match ask.parent {
            Some(parent) => self.check_subset(parent, &lease, asked_expiry)?,
            None => asked_expiry,
        };
        if expires_at.is_some_and(|at| at <= now) {
            return Err(Fault::invalid("lease_constraints.expires_at is not in the future"));
        }
        let depth = self.check_limits(&ask)?;
        let granted = lease.budget().cloned();
        let parent_ulid = ask.parent.and_then(|id| self.jobs.get(id)).map(|parent| parent.accepted.id);
        if let (Some(amounts), Some(parent)) = (&granted, ask.parent) {
            self.set_aside(parent, amounts)?;
        }
        let submit_at = now.plus(self.config.submit_timeout);
        let accepted = Accepted {
            id: JobUlid(self.random.monotonic(now)),
            principal: ask.principal,
            agent: name.into(),
            version: version.map(Into::into),
            lease,
            expires_at,
            budget: None,
            parent: parent_ulid,
            delegate_id: ask.delegate_id.map(Into::into),
            trace_id: ask.trace_id.unwrap_or_else(|| self.mint_trace()),
            created_at: now,
            accepted_at: now,
        };
        let id = self.jobs.insert(Job {
            state: JobState::Asked,
            accepted: Arc::new(accepted),
            owner: ask.owner,
            features: ask.features,
            small_chunks: ask.small_chunks,
            input: ask.input.map(ToOwned::to_owned),
            extensions: ask.extensions.map(ToOwned::to_owned),
            max_runtime_secs: ask.max_runtime_secs,
            budget: granted.clone().map(Budget::new),
            granted,
            parent: ask.parent,
            children: Vec::new(),
            delegate_ids: BTreeSet::new(),
            depth,
            delegated_at: 0,
            credentials: Vec::new(),
            last_seq: 0,
            history: History::default(),
            watchers: Vec::new(),
            stream: None,
            gathered: None,
            tail: None,
            waiters: Vec::new(),
            key: None,
            expired: false,
            blocked: false,
            deadlines: Deadlines { submit: Some(submit_at), ..Deadlines::default() },
            terminal: None,
        });
        self.live_jobs += 1;
        if let Some(session) = ask.owner.and_then(|key| self.sessions.get_mut(key)) {
            session.jobs += 1;
        }
        if let Some(parent) = ask.parent.and_then(|id| self.jobs.get_mut(id)) {
            parent.children.push(id);
            if let Some(delegate_id) = ask.delegate_id {
                parent.delegate_ids.insert(delegate_id.into());
            }
        }
        self.arm(submit_at, Timer::Submit, id);
        Ok(id)
    }

    /// The limits that one more job may reach; what comes back is its depth.
    fn check_limits(&self, ask: &Ask<'_>) -> Result<u32, Fault> {
        let depth = ask.parent.and_then(|id| self.jobs.get(id)).map_or(0, |parent| parent.depth + 1);
        if depth > self.config.limits.delegation_depth {
            return Err(Fault::limit("delegation_depth", u64::from(self.config.limits.delegation_depth)));
        }
        let in_session = ask.owner.and_then(|key| self.sessions.get(key)).map_or(0, |session| session.jobs);
        let named = ask.parent.and_then(|id| self.jobs.get(id)).map_or(0, |parent| parent.delegate_ids.len());
        if ask.delegate_id.is_some() && named >= self.config.limits.delegations_per_job {
            return Err(Fault::limit("delegations_per_job", self.config.limits.delegations_per_job as u64));
        }
        if self.live_jobs >= self.config.limits.jobs {
            return Err(Fault::limit("jobs", self.config.limits.jobs as u64));
        }
        if in_session >= self.config.limits.jobs_per_session {
            return Err(Fault::limit("jobs_per_session", self.config.limits.jobs_per_session as u64));
        }
        if ask.features.has(Feature::ProvisionedCredentials) && self.revocations.len() >= self.config.limits.revocations
        {
            return Err(Fault::limit("revocations", self.config.limits.revocations as u64));
        }
        Ok(depth)
    }

    fn mint_trace(&mut self) -> TraceId {
        loop {
            if let Some(trace) = TraceId::from_bytes(self.random.random_u128().to_be_bytes()) {
                return trace;
            }
        }
    }

    /// The version that a reference means (§7.5); `None` for an agent without versions.
    fn resolve(&self, name: &str, pinned: Option<&str>) -> Result<Option<String>, Fault> {
        let agent = self
            .agents
            .get(name)
            .ok_or_else(|| Fault::new(ErrorCode::AgentNotAvailable, alloc::format!("there is no agent {name:?}")))?;
        match pinned {
            None => Ok(agent.spec.resolved_default().map(Into::into)),
            Some(version) if agent.spec.versions.iter().any(|known| known == version) => Ok(Some(version.into())),
            Some(version) => Err(Fault::new(
                ErrorCode::AgentVersionNotAvailable,
                alloc::format!("the agent {name:?} has no version {version:?}"),
            )),
        }
    }
}
