//! `job.submit`: the checks in their order, and the creation of a job (§7.1, §7.5).

use alloc::borrow::ToOwned;
use alloc::sync::Arc;

use serde_json::value::RawValue;

use super::Runtime;
use super::dispatch::Request;
use super::event::Event;
use super::host::{JobKey, SessionKey};
use super::jobs::job::{Job, JobSpec};
use super::record::Record;
use super::retry::fingerprint;
use super::sessions::session::Session;
use super::shutdown::shutting_down;
use super::validate;
use crate::arcp::wire::error::{ErrorCode, Fault};
use crate::arcp::wire::feature::{Feature, Features};
use crate::arcp::wire::ids::JobUlid;
use crate::arcp::wire::job::Accepted;
use crate::arcp::wire::request::capabilities::translate;
use crate::arcp::wire::request::{self, Submit};
use crate::digest::sha256;
use crate::json::Text;
use crate::lease::Lease;
use crate::trace::TraceId;

/// A request for a job, by a submit or a delegation.
pub(super) struct Proposal<'a> {
    /// The id that was set aside for a delegated job.
    pub(super) id: Option<JobUlid>,
    pub(super) owner: Option<SessionKey>,
    pub(super) principal: Arc<str>,
    pub(super) features: Features,
    pub(super) small_chunks: bool,
    pub(super) agent: &'a str,
    pub(super) input: Option<&'a RawValue>,
    pub(super) lease: Result<Lease, Fault>,
    pub(super) expires_at: Option<&'a str>,
    pub(super) max_runtime_secs: Option<u64>,
    pub(super) parent: Option<JobKey>,
    pub(super) delegate_id: Option<&'a str>,
    pub(super) trace_id: Option<TraceId>,
    pub(super) extensions: Option<&'a RawValue>,
}

impl Runtime {
    pub(super) fn on_submit(&mut self, key: SessionKey, request: &Request<'_>) -> Result<(), Fault> {
        if self.answer_repeated(key, request.id)? {
            return Ok(());
        }
        let submit: Submit<'_> = request::decode(request.kind, request.envelope.payload)?;
        let idempotency_key = idempotency_key(&submit)?;
        let max_runtime_secs = max_runtime_secs(&submit)?;
        validate::agent_ref(submit.agent.as_str())?;
        let Some(session) = self.sessions.get(key) else { return Ok(()) };
        let (features, small_chunks) = (session.features(), session.dialect().row().small_chunks || session.is_stdio());
        let principal = Arc::clone(session.principal());
        let lists_capabilities = session.dialect().row().lease_capabilities;
        let max_budget = submit.lease_constraints.as_ref().and_then(|c| c.max_budget).filter(|_| lists_capabilities);
        let translated = match submit.lease_request.filter(|_| lists_capabilities) {
            Some(raw) => translate(raw, max_budget)?,
            None => None,
        };
        if max_budget.is_some() && translated.is_none() {
            // A bound that cannot be kept is not dropped.
            return Err(Fault::invalid("lease_constraints.max_budget needs a lease_request that lists capabilities"));
        }
        let lease = match &translated {
            Some(translated) => validate::lease_text(&translated.lease),
            None => validate::lease(submit.lease_request),
        };
        let constrained = submit.lease_constraints.as_ref().and_then(|c| c.expires_at.as_ref()).map(Text::as_str);
        let expires_at = constrained.or(translated.as_ref().and_then(|translated| translated.expires_at.as_deref()));
        validate::negotiated(features, submit.agent.as_str(), lease.as_ref().ok(), expires_at)?;
        let record = idempotency_key.map(|text| {
            let record_key = (sha256(text.as_bytes()), Arc::clone(&principal));
            (record_key, fingerprint(&submit, lease.as_ref().ok(), expires_at, max_budget.map(RawValue::get)))
        });
        if let Some((record_key, fingerprint)) = &record
            && self.answer_retried(key, request.id, record_key, fingerprint)?
        {
            return Ok(());
        }
        if self.drain.is_draining() {
            return Err(shutting_down());
        }
        self.can_store()?;
        self.make_journal_room(&principal)?;
        self.check_rate(&principal)?;
        let parent = match &submit.parent_job_id {
            Some(named) => Some(self.parent_of(&principal, named.as_str())?),
            None => None,
        };
        let trace_id = match parent.and_then(|id| self.jobs.get(id)) {
            Some(parent) => Some(parent.accepted().trace_id),
            None => request.envelope.trace_id.as_ref().and_then(|text| TraceId::parse_lenient(text.as_str())),
        };
        let delegate_id = submit.delegate_id.as_ref().map(Text::as_str);
        if let (Some(parent), Some(delegate_id)) = (parent, delegate_id) {
            self.check_delegate_id(parent, delegate_id)?;
        }
        let id = self.propose(Proposal {
            id: None,
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
        self.await_answer(key, request.id, id);
        if let Some((record_key, fingerprint)) = record {
            self.make_idempotency_room(&record_key.1);
            if let Some(job) = self.jobs.get(id) {
                self.idempotency.begin(record_key, fingerprint, id, job.ulid(), self.clock.now());
            }
        }
        self.ask_host(id);
        Ok(())
    }

    /// Refuses a submit of a principal that submits too often, and counts it otherwise.
    fn check_rate(&mut self, principal: &Arc<str>) -> Result<(), Fault> {
        const SECOND: u64 = 1_000_000;
        let Some(times) = self.config.limits.submits_per_second else { return Ok(()) };
        let now = self.clock.now();
        if !self.submits.allows(&**principal, now, times, SECOND) {
            return Err(Fault::limit("submits_per_second", u64::from(times)));
        }
        self.submits.note(principal, now, times, SECOND);
        Ok(())
    }

    /// Returns the running job of the same principal that a submit names as its parent.
    fn parent_of(&self, principal: &str, named: &str) -> Result<JobKey, Fault> {
        let found = JobUlid::parse(named).and_then(|ulid| self.jobs.find(ulid));
        let fits = |id: &JobKey| {
            let job = self.jobs.get(*id);
            let is_own = job.is_some_and(|job| job.state().is_running() && *job.accepted().principal == *principal);
            is_own && !self.jobs.is_family_ending(*id)
        };
        found
            .filter(fits)
            .ok_or_else(|| Fault::new(ErrorCode::JobNotFound, "there is no running parent job with this id"))
    }

    /// Creates a job that the host is asked about, or returns why not. The checks are in the order of §7.1 and §10.
    pub(super) fn propose(&mut self, mut proposal: Proposal<'_>) -> Result<JobKey, Fault> {
        let (now, wall) = (self.clock.now(), self.clock.wall());
        let (name, pinned) = validate::split_agent(proposal.agent);
        if let Some(parent) = proposal.parent {
            self.may_delegate(parent, name).map_err(|denied| denied.fault())?;
        }
        let version = self.agents.resolve(name, pinned)?;
        let lease = core::mem::replace(&mut proposal.lease, Ok(Lease::default()))?;
        let max = self.frame_limit(proposal.owner);
        if !lease.is_empty() && lease.to_json().len() > max / 2 {
            // Every answer about the job contains it.
            return Err(Fault::limit("frame_bytes", max as u64));
        }
        let asked_expiry = proposal.expires_at.map(validate::expiry).transpose()?;
        let expires_at = match proposal.parent {
            Some(parent) => self.check_subset(parent, &lease, asked_expiry)?,
            None => asked_expiry,
        };
        if expires_at.is_some_and(|at| at <= wall) {
            return Err(Fault::invalid("lease_constraints.expires_at is not in the future"));
        }
        self.check_limits(&proposal)?;
        if let (Some(amounts), Some(parent)) = (lease.budget(), proposal.parent) {
            self.jobs.set_aside(parent, amounts)?;
        }
        let parent = proposal.parent.and_then(|id| self.jobs.get(id)).map(Job::ulid);
        let accepted = Accepted {
            id: proposal.id.unwrap_or_else(|| JobUlid(self.random.monotonic(now))),
            principal: proposal.principal,
            agent: name.into(),
            version: version.map(Into::into),
            lease,
            expires_at,
            budget: None,
            parent,
            delegate_id: proposal.delegate_id.map(Into::into),
            trace_id: proposal.trace_id.unwrap_or_else(|| TraceId::random(&mut self.random)),
            created_at: wall,
            accepted_at: wall,
        };
        let spec = JobSpec {
            accepted,
            owner: proposal.owner,
            session: proposal.owner.and_then(|key| self.sessions.get(key)).map(Session::id),
            features: proposal.features,
            small_chunks: proposal.small_chunks,
            input: proposal.input.map(|input| Arc::from(input.to_owned())),
            extensions: proposal.extensions.map(ToOwned::to_owned),
            max_runtime_secs: proposal.max_runtime_secs,
            parent: proposal.parent,
        };
        if let Some(session) = proposal.owner.and_then(|key| self.sessions.get_mut(key)) {
            session.job_begins();
        }
        Ok(self.jobs.ask(spec, now.plus(self.config.submit_timeout), &mut self.timers))
    }

    /// Refuses a job that would exceed a limit.
    fn check_limits(&self, proposal: &Proposal<'_>) -> Result<(), Fault> {
        let limits = &self.config.limits;
        let parent = proposal.parent.and_then(|id| self.jobs.get(id));
        if parent.is_some_and(|parent| parent.depth() >= limits.delegation_depth) {
            return Err(Fault::limit("delegation_depth", u64::from(limits.delegation_depth)));
        }
        let named = parent.map_or(0, Job::delegations);
        if proposal.delegate_id.is_some() && named >= limits.delegations_per_job {
            return Err(Fault::limit("delegations_per_job", limits.delegations_per_job as u64));
        }
        let asked = [proposal.input, proposal.extensions].into_iter().flatten().map(|raw| raw.get().len()).sum();
        if let Some((limit, max)) = self.jobs.without_place(&proposal.principal, asked, limits) {
            return Err(Fault::limit(limit, max as u64));
        }
        let held = self.memory.of(&proposal.principal).saturating_add(asked);
        if held > limits.bytes_per_principal {
            return Err(Fault::limit("bytes_per_principal", limits.bytes_per_principal as u64));
        }
        let all = self.memory.all().saturating_add(asked);
        if all > limits.bytes && held > self.memory.share(limits) {
            return Err(Fault::limit("bytes", limits.bytes as u64));
        }
        let in_session = proposal.owner.and_then(|key| self.sessions.get(key)).map_or(0, Session::jobs);
        if in_session >= limits.jobs_per_session {
            return Err(Fault::limit("jobs_per_session", limits.jobs_per_session as u64));
        }
        let credentials = proposal.features.has(Feature::ProvisionedCredentials);
        if credentials && self.credentials.unrevoked() >= limits.revocations {
            return Err(Fault::limit("revocations", limits.revocations as u64));
        }
        Ok(())
    }

    /// Asks the host about a job, and for its credentials if the session may see them. The question is recorded first,
    /// because the host may mint credentials and crash before it answers.
    pub(super) fn ask_host(&mut self, id: JobKey) {
        let Some(job) = self.jobs.get(id) else { return };
        let credentials = job.has(Feature::ProvisionedCredentials);
        if credentials {
            self.outputs.store(Record::CredentialsAsked { job: job.ulid() });
        }
        self.event(Event::Submitted { job: id, credentials });
    }
}

fn idempotency_key<'a>(submit: &'a Submit<'_>) -> Result<Option<&'a str>, Fault> {
    match submit.idempotency_key.as_ref().map(Text::as_str) {
        Some(text) if text.is_empty() || text.chars().count() > 256 => {
            Err(Fault::invalid("an idempotency_key has 1 to 256 characters"))
        }
        text => Ok(text),
    }
}

fn max_runtime_secs(submit: &Submit<'_>) -> Result<Option<u64>, Fault> {
    match submit.max_runtime_sec {
        Some(secs) if secs.0 == 0 || secs.0 > u64::from(u32::MAX) => {
            Err(Fault::invalid("max_runtime_sec is 1 to 4294967295"))
        }
        secs => Ok(secs.map(|secs| secs.0)),
    }
}
