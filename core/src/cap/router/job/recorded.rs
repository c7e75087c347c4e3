//! Converts a job to a record and back.

use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use bytes::Bytes;

use super::state::RouterJobState;
use super::{Asker, Head, Job, OnRecord, Outcome};
use crate::cap::router::decision::Constraints;
use crate::cap::router::output::RouterJob;
use crate::cap::router::record::{Body, FollowerBody, RecordKind, RouterRecord, RouterRecordError};
use crate::cap::wire::codec::limits::DecodeLimits;
use crate::cap::wire::packet::{BusPacket, Payload};
use crate::cap::wire::subject::{ComponentId, Topic};
use crate::clock::Clock;
use crate::digest::Digest;
use crate::time::{Time, micros};

/// The states by their numbers in records, which never change.
const STATES: [(i32, RouterJobState); 15] = [
    (1, RouterJobState::Pending),
    (2, RouterJobState::Checking),
    (3, RouterJobState::Approval),
    (4, RouterJobState::Throttled),
    (5, RouterJobState::Scheduled),
    (6, RouterJobState::Dispatched),
    (7, RouterJobState::Running),
    (8, RouterJobState::Retrying),
    (9, RouterJobState::Cancelling),
    (10, RouterJobState::Succeeded),
    (11, RouterJobState::Failed),
    (12, RouterJobState::FailedFatal),
    (13, RouterJobState::Cancelled),
    (14, RouterJobState::Denied),
    (15, RouterJobState::TimedOut),
];

/// Restored deadlines are armed by the router, which knows what they are for.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::cap::router) struct Due {
    pub(in crate::cap::router) step: Option<Time>,
    pub(in crate::cap::router) runtime: Option<Time>,
}

fn digest(bytes: &[u8], field: &'static str) -> Result<Digest, RouterRecordError> {
    bytes.try_into().map_err(|_| RouterRecordError::Field(field))
}

fn time(micros: u64) -> Option<Time> {
    Some(micros).filter(|micros| *micros > 0).map(Time)
}

fn small(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

impl Job {
    /// Returns the next record of the job. Its times are those of the wall clock, because a restarted router has no other time
    /// in common with this one.
    pub(in crate::cap::router) fn record(&mut self, clock: &Clock) -> RouterRecord {
        let wall = |at: Time| clock.wall_at(at).0;
        let number = STATES.iter().find(|(_, state)| *state == self.state).map_or(0, |(number, _)| *number);
        let followers = self.followers.iter().map(follower).collect();
        if let Some(outcome) = &self.outcome {
            self.on_record = OnRecord::End;
            let (tenant, key) = self.head.idempotency.clone().unwrap_or_default();
            let body = Body {
                at: wall(outcome.at),
                packet: outcome.packet.to_vec(),
                state: number,
                followers,
                submitter: self.asker.submitter.clone(),
                trace_id: self.asker.trace_id.clone(),
                digest: self.asker.digest.to_vec(),
                tenant,
                key,
                asks: self.head.asks.to_vec(),
                topic: self.head.topic.as_str().into(),
                identity: self.asker.identity.clone(),
                ..Body::default()
            };
            return RouterRecord::new(RecordKind::Ended, &self.asker.job_id, body);
        }
        let body = Body {
            state: number,
            attempts: self.attempts.into(),
            dispatch_id: self.dispatch_id.clone(),
            losses: self.losses.into(),
            failures: self.failures.into(),
            worker: self.worker.as_ref().map(|worker| String::from(worker.as_str())).unwrap_or_default(),
            tried: self.tried.iter().map(|worker| worker.as_str().into()).collect(),
            runtime_until: self.runtime.at().map_or(0, wall),
            step_until: self.step.at().map_or(0, wall),
            max_runtime: self.constraints.max_runtime.map_or(0, micros),
            max_retries: self.constraints.max_retries.map_or(0, |retries| u64::from(retries) + 1),
            redacted_context_ptr: self.constraints.redacted_context_ptr.clone().unwrap_or_default(),
            reason: self.reason.clone(),
            followers,
            failure: self.failure.map(|digest| digest.to_vec()).unwrap_or_default(),
            on_topic: self.on_topic,
            dispatched_at: self.dispatched_at.map_or(0, wall),
            at: clock.wall().0,
            ..Body::default()
        };
        if self.on_record == OnRecord::Nothing {
            self.on_record = OnRecord::Request;
            let body = Body { packet: self.packet.to_vec(), ..body };
            return RouterRecord::new(RecordKind::Accepted, &self.asker.job_id, body);
        }
        RouterRecord::new(RecordKind::Moved, &self.asker.job_id, body)
    }

    /// Reads a job that was accepted.
    pub(in crate::cap::router) fn accepted(
        key: RouterJob,
        body: Body,
        order: u64,
        now: Time,
    ) -> Result<(Job, Due), RouterRecordError> {
        let limits = DecodeLimits::default().with(|limits| limits.bytes = usize::MAX);
        let packet = BusPacket::decode(&body.packet, &limits)?;
        let Some(Payload::JobRequest(request)) = packet.payload else {
            return Err(RouterRecordError::Field("packet"));
        };
        // A packet of the production profile has proven its identity when it was accepted.
        let identity = packet.identity.as_ref().filter(|_| packet.signature_metadata.is_some());
        let asker = Asker::of(&request, identity, &packet.trace_id, &packet.sender_id);
        let head = Head::of(&request, identity).map_err(|_| RouterRecordError::Field("packet"))?;
        let mut job = Job::new(key, asker, head, Bytes::from(body.packet.clone()), order, Time(body.at).min(now));
        job.on_record = OnRecord::Request;
        let due = job.moved(body, now)?;
        Ok((job, due))
    }

    /// Takes in where the job stood. `now` is what the wall clock shows; if it was set back since the record was made, the times
    /// in it go on from the time of the record.
    pub(in crate::cap::router) fn moved(&mut self, body: Body, now: Time) -> Result<Due, RouterRecordError> {
        let worker = |id: &String| ComponentId::new(id).map_err(|_| RouterRecordError::Field("worker"));
        self.state = state(&body)?;
        self.attempts = small(body.attempts);
        self.dispatch_id = body.dispatch_id;
        self.losses = small(body.losses);
        self.failures = small(body.failures);
        self.failure = if body.failure.is_empty() { None } else { Some(digest(&body.failure, "failure")?) };
        self.worker = if body.worker.is_empty() { None } else { Some(worker(&body.worker)?) };
        self.tried = body.tried.iter().map(worker).collect::<Result<Vec<_>, _>>()?;
        self.constraints = Constraints {
            max_runtime: Some(body.max_runtime).filter(|micros| *micros > 0).map(Duration::from_micros),
            max_retries: body.max_retries.checked_sub(1).map(small),
            redacted_context_ptr: Some(body.redacted_context_ptr).filter(|pointer| !pointer.is_empty()),
        };
        self.on_topic = body.on_topic;
        self.reason = body.reason;
        self.followers = followers(body.followers)?;
        let behind = Time(body.at).since(now);
        let time = |micros: u64| time(micros).map(|at| Time(at.0.saturating_sub(behind)));
        self.dispatched_at = time(body.dispatched_at);
        Ok(Due { step: time(body.step_until), runtime: time(body.runtime_until) })
    }

    /// Reads a job that has ended.
    pub(in crate::cap::router) fn ended(
        key: RouterJob,
        body: Body,
        order: u64,
        now: Time,
    ) -> Result<Job, RouterRecordError> {
        let state = state(&body)?;
        if !state.is_terminal() {
            return Err(RouterRecordError::Field("state"));
        }
        let asker = Asker {
            digest: digest(&body.digest, "digest")?,
            job_id: body.job_id,
            trace_id: body.trace_id,
            submitter: body.submitter,
            dispatch: None,
            identity: body.identity,
        };
        let head = Head {
            topic: Topic::new(&body.topic).map_err(|_| RouterRecordError::Field("topic"))?,
            idempotency: if body.key.is_empty() { None } else { Some((body.tenant, body.key)) },
            tenant: String::new(),
            owner: String::new(),
            asks: digest(&body.asks, "asks")?,
            parent: String::new(),
            rank: 0,
            deadline: None,
        };
        let at = Time(body.at).min(now);
        let mut job = Job::new(key, asker, head, Bytes::new(), order, at);
        job.state = state;
        job.followers = followers(body.followers)?;
        job.outcome = Some(Outcome { at, packet: Bytes::from(body.packet) });
        job.on_record = OnRecord::End;
        Ok(job)
    }
}

fn state(body: &Body) -> Result<RouterJobState, RouterRecordError> {
    let state = STATES.iter().find(|(number, _)| *number == body.state);
    state.map(|(_, state)| *state).ok_or(RouterRecordError::Field("state"))
}

fn follower(asker: &Asker) -> FollowerBody {
    FollowerBody {
        job_id: asker.job_id.clone(),
        trace_id: asker.trace_id.clone(),
        submitter: asker.submitter.clone(),
        digest: asker.digest.to_vec(),
        dispatch: asker.dispatch.clone(),
        identity: asker.identity.clone(),
        ..FollowerBody::default()
    }
}

fn followers(bodies: Vec<FollowerBody>) -> Result<Vec<Asker>, RouterRecordError> {
    let asker = |body: FollowerBody| {
        Ok(Asker {
            digest: digest(&body.digest, "followers.digest")?,
            job_id: body.job_id,
            trace_id: body.trace_id,
            submitter: body.submitter,
            dispatch: body.dispatch,
            identity: body.identity,
        })
    };
    bodies.into_iter().map(asker).collect()
}
