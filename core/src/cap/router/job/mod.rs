//! One job of a router.

mod recorded;
pub(crate) mod state;

use alloc::collections::VecDeque;
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use bytes::Bytes;
use sha2::{Digest as _, Sha256};

pub(super) use self::recorded::Due;
use self::state::RouterJobState;
use super::decision::Constraints;
use super::output::RouterJob;
use super::queue::Lane;
use super::timers::{Deadline, Owner, Timers};
use crate::cap::wire::codec::write::MapOrder;
use crate::cap::wire::common::{DispatchIdentity, IdentityBinding};
use crate::cap::wire::job::{JobPriority, JobRequest, JobStatus};
use crate::cap::wire::subject::{ComponentId, InvalidSubject, Topic};
use crate::digest::{Digest, sha256};
use crate::time::Time;

/// An idempotency key and its tenant.
pub(super) type IdempotencyKey = (String, String);

/// Whom a result is for: one request.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Asker {
    pub(super) job_id: String,
    pub(super) trace_id: String,
    /// The sender of the request.
    pub(super) submitter: String,
    /// What tells two requests with the same job id apart.
    pub(super) digest: Digest,
    pub(super) dispatch: Option<DispatchIdentity>,
    pub(super) identity: Option<IdentityBinding>,
}

impl Asker {
    /// Reads whom a result is for; `identity` is the one that the packet has proven, if there is one.
    pub(super) fn of(
        request: &JobRequest,
        identity: Option<&IdentityBinding>,
        trace_id: &str,
        sender_id: &str,
    ) -> Asker {
        // Packets of 2.10 may have no trace, and a result has to have one.
        let trace_id = if trace_id.is_empty() { &request.job_id } else { trace_id };
        Asker {
            job_id: request.job_id.clone(),
            trace_id: trace_id.into(),
            submitter: sender_id.into(),
            digest: sha256(&request.encode(MapOrder::Lexicographic)),
            dispatch: request.dispatch.clone(),
            identity: identity.or(request.identity.as_ref()).cloned(),
        }
    }

    fn bytes(&self) -> usize {
        let texts = [&self.job_id, &self.trace_id, &self.submitter];
        size_of::<Asker>() + texts.iter().map(|text| text.len()).sum::<usize>()
    }
}

/// What a request says that the router needs to know.
#[derive(Clone, Debug)]
pub(super) struct Head {
    pub(super) topic: Topic,
    pub(super) idempotency: Option<IdempotencyKey>,
    /// The tenant that its packet has proven; empty if that is of another form than the one of the production profile.
    pub(super) tenant: String,
    /// The tenant that the job belongs to: the one that its packet has proven or, in another form, the one that it names.
    pub(super) owner: String,
    /// What tells two requests with the same idempotency key apart.
    pub(super) asks: Digest,
    /// The job that asked for this one; empty if none did.
    pub(super) parent: String,
    /// The order in which waiting jobs are sent, the lowest first.
    pub(super) rank: u8,
    /// The time that its budget allows.
    pub(super) deadline: Option<Duration>,
}

impl Head {
    /// Reads what a request says.
    ///
    /// Errors: the topic is not one.
    pub(super) fn of(request: &JobRequest, identity: Option<&IdentityBinding>) -> Result<Head, InvalidSubject> {
        let deadline = request.budget.as_ref().and_then(|budget| u64::try_from(budget.deadline_ms).ok());
        Ok(Head {
            topic: Topic::new(&request.topic)?,
            tenant: identity.map(|identity| identity.tenant_id.clone()).unwrap_or_default(),
            owner: owner(request, identity).into(),
            idempotency: idempotency_key(request, identity),
            asks: asks(request),
            parent: request.parent_job_id.clone(),
            rank: rank(request.priority),
            deadline: deadline.filter(|millis| *millis > 0).map(Duration::from_millis),
        })
    }

    /// Returns the lane in which the job waits to be sent.
    pub(super) fn lane(&self) -> Lane {
        (self.topic.clone(), self.tenant.clone())
    }

    fn bytes(&self) -> usize {
        let key = self.idempotency.as_ref().map_or(0, |(tenant, key)| tenant.len() + key.len());
        self.topic.as_str().len() + self.tenant.len() + self.owner.len() + key + self.parent.len()
    }
}

/// Returns the idempotency key of a request, if it has one.
fn idempotency_key(request: &JobRequest, identity: Option<&IdentityBinding>) -> Option<IdempotencyKey> {
    let meta = request.meta.as_ref().filter(|meta| !meta.idempotency_key.is_empty())?;
    Some((owner(request, identity).into(), meta.idempotency_key.clone()))
}

/// Returns the tenant that a request belongs to.
fn owner<'a>(request: &'a JobRequest, identity: Option<&'a IdentityBinding>) -> &'a str {
    let in_meta = request.meta.as_ref().map(|meta| &meta.tenant_id).filter(|tenant| !tenant.is_empty());
    identity.map_or(in_meta.unwrap_or(&request.tenant_id), |identity| &identity.tenant_id)
}

/// Returns the digest of what a request asks for: topic and input.
fn asks(request: &JobRequest) -> Digest {
    let mut hasher = Sha256::new();
    for text in [&request.topic, &request.context_ptr] {
        hasher.update((text.len() as u64).to_be_bytes());
        hasher.update(text.as_bytes());
    }
    hasher.finalize().into()
}

/// Returns the place of a priority in the order of dispatch. The specification says that higher values go first, by which a
/// batch would precede what somebody waits for; this order is ours.
fn rank(priority: JobPriority) -> u8 {
    match priority {
        JobPriority::CRITICAL => 0,
        JobPriority::INTERACTIVE => 1,
        JobPriority::BATCH => 3,
        _ => 2,
    }
}

/// How a job has ended.
#[derive(Clone, Debug)]
pub(super) struct Outcome {
    pub(super) at: Time,
    /// The packet of the result.
    pub(super) packet: Bytes,
}

/// How much of a job is on record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OnRecord {
    Nothing,
    Request,
    End,
}

/// One job of a router, from its request to the end of its retention.
#[derive(Clone, Debug)]
pub(super) struct Job {
    state: RouterJobState,
    pub(super) asker: Asker,
    pub(super) head: Head,
    /// The packet of the request; empty once the job has ended.
    packet: Bytes,
    /// Where the job stands among all, in the order of acceptance.
    pub(super) order: u64,
    pub(super) dispatched_at: Option<Time>,
    /// How often it was sent.
    pub(super) attempts: u32,
    /// Names the latest dispatch, if the router signs requests itself.
    pub(super) dispatch_id: String,
    /// How often nothing was heard of it or its worker was lost.
    pub(super) losses: u32,
    /// How often it has failed.
    pub(super) failures: u32,
    /// Whether its latest attempt has failed, and was not lost.
    pub(super) has_failed: bool,
    /// The digest of the last result that said that it has failed and can be tried again.
    pub(super) failure: Option<Digest>,
    /// The end of the session whose worker was asked for the result again.
    pub(super) asked_again: Option<Time>,
    /// Whether it was sent to its topic, so that any worker may have it.
    pub(super) on_topic: bool,
    /// When something was heard of it last, or it was sent.
    pub(super) heard_at: Time,
    /// The worker that has it, if it is known.
    pub(super) worker: Option<ComponentId>,
    /// The workers that it was sent to.
    pub(super) tried: Vec<ComponentId>,
    pub(super) constraints: Constraints,
    /// Why it waits or has to stop.
    pub(super) reason: String,
    pub(super) followers: Vec<Asker>,
    /// The latest progress packets.
    progress: VecDeque<Bytes>,
    outcome: Option<Outcome>,
    pub(super) on_record: OnRecord,
    /// Ends the present state.
    pub(super) step: Deadline,
    /// Bounds the job.
    pub(super) runtime: Deadline,
}

impl Job {
    pub(super) fn new(key: RouterJob, asker: Asker, head: Head, packet: Bytes, order: u64, now: Time) -> Job {
        Job {
            state: RouterJobState::Pending,
            asker,
            head,
            packet,
            order,
            dispatched_at: None,
            attempts: 0,
            dispatch_id: String::new(),
            losses: 0,
            failures: 0,
            has_failed: false,
            failure: None,
            asked_again: None,
            on_topic: false,
            heard_at: now,
            worker: None,
            tried: Vec::new(),
            constraints: Constraints::default(),
            reason: String::new(),
            followers: Vec::new(),
            progress: VecDeque::new(),
            outcome: None,
            on_record: OnRecord::Nothing,
            step: Deadline::new(Owner::Job(key)),
            runtime: Deadline::new(Owner::Job(key)),
        }
    }

    pub(super) fn state(&self) -> RouterJobState {
        self.state
    }

    pub(super) fn packet(&self) -> &Bytes {
        &self.packet
    }

    pub(super) fn outcome(&self) -> Option<&Outcome> {
        self.outcome.as_ref()
    }

    pub(super) fn progress(&self) -> &VecDeque<Bytes> {
        &self.progress
    }

    /// Changes the state by one of its transitions. The deadline of the state that is left is taken back.
    pub(super) fn pass(&mut self, transition: fn(&mut RouterJobState) -> bool, timers: &mut Timers) -> bool {
        let passes = transition(&mut self.state);
        if passes {
            self.step.clear(timers);
        }
        passes
    }

    /// Notes that the job was sent.
    pub(super) fn sent(&mut self, worker: Option<ComponentId>, now: Time) {
        self.attempts = self.attempts.saturating_add(1);
        self.dispatched_at.get_or_insert(now);
        self.worker = None;
        match worker {
            Some(worker) => self.assign(worker),
            None => self.on_topic = true,
        }
    }

    /// Returns the identity of the latest dispatch.
    pub(super) fn dispatch(&self) -> DispatchIdentity {
        DispatchIdentity {
            dispatch_id: self.dispatch_id.clone(),
            attempt: self.attempts.into(),
            assigned_worker_id: self.worker.as_ref().map(|worker| String::from(worker.as_str())).unwrap_or_default(),
            ..DispatchIdentity::default()
        }
    }

    /// Notes which worker has the job.
    pub(super) fn assign(&mut self, worker: ComponentId) {
        if !self.tried.contains(&worker) {
            self.tried.push(worker.clone());
        }
        self.worker = Some(worker);
    }

    /// Keeps a progress packet, and drops the oldest beyond a number.
    pub(super) fn keep_progress(&mut self, packet: Bytes, capacity: usize) {
        self.progress.push_back(packet);
        while self.progress.len() > capacity {
            self.progress.pop_front();
        }
    }

    /// Ends the job. Returns false if it has ended before.
    pub(super) fn end(&mut self, status: JobStatus, packet: Bytes, now: Time, timers: &mut Timers) -> bool {
        if !self.state.end(status) {
            return false;
        }
        self.step.clear(timers);
        self.runtime.clear(timers);
        self.outcome = Some(Outcome { at: now, packet });
        (self.packet, self.worker, self.tried) = (Bytes::new(), None, Vec::new());
        (self.progress, self.reason) = (VecDeque::new(), String::new());
        true
    }

    /// Returns the bytes that the job holds.
    pub(super) fn bytes(&self) -> usize {
        let progress: usize = self.progress.iter().map(Bytes::len).sum();
        let outcome = self.outcome.as_ref().map_or(0, |outcome| outcome.packet.len());
        let followers: usize = self.followers.iter().map(Asker::bytes).sum();
        let tried: usize = self.tried.iter().map(|worker| worker.as_str().len()).sum();
        let own = size_of::<Job>() + self.asker.bytes() + self.head.bytes() + self.reason.len();
        own + self.packet.len() + progress + outcome + followers + tried
    }
}
