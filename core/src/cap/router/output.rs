//! The outputs of a router, the events among them, and what its host passes in.

use alloc::boxed::Box;
use alloc::string::String;

use bytes::Bytes;

use super::record::RouterRecord;
use crate::cap::signature::rejection::{Rejection, Unsignable};
use crate::cap::trust::authority::output::AuthorityEvent;
use crate::cap::wire::job::{ErrorCode, JobRequest, JobStatus};
use crate::cap::wire::subject::{ComponentId, InvalidSubject, Subject};

slotmap::new_key_type! {
    /// A job, as the host of a router names it. On the bus it has the id that its submitter chose.
    pub struct RouterJob;
}

/// A message of a durable stream, as the host names it. It is acknowledged by [`RouterOutput::Acknowledge`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Delivery(pub u64);

/// An output of a router. A driver acts on outputs in the order in which it polls them.
///
/// An output that depends on a record is emitted after [`Router::handle_stored`](super::Router::handle_stored) has
/// reported the record as durable.
#[derive(Clone, Debug)]
pub enum RouterOutput {
    /// Subscribe to a subject, without a queue group.
    Subscribe {
        /// The subject.
        subject: Subject,
    },
    /// Publish a packet.
    Publish {
        /// The subject.
        subject: Subject,
        /// The packet.
        bytes: Bytes,
    },
    /// Answer a request of the trust handshake on the subject that it came with. The packet carries secrets, so it is not
    /// to be logged or stored.
    Reply {
        /// The reply subject, as it was passed in.
        to: String,
        /// The packet.
        bytes: Bytes,
    },
    /// Store a record. [`Router::handle_stored`](super::Router::handle_stored) follows once it is durable.
    Store {
        /// The number of the record. Numbers count up from 1.
        number: u64,
        /// The record.
        record: RouterRecord,
    },
    /// Acknowledge a message of a durable stream: its effects are stored, or it has no effects to store.
    Acknowledge {
        /// The message.
        delivery: Delivery,
    },
    /// An event for the application.
    Event(RouterEvent),
}

/// An event for the application.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum RouterEvent {
    /// A job was accepted.
    Accepted {
        /// The job.
        job: RouterJob,
    },
    /// May a job run? [`Router::decide`](super::Router::decide) answers. Without an answer in time the job is denied.
    Check {
        /// The job.
        job: RouterJob,
        /// Its request.
        request: Box<JobRequest>,
        /// Its trace.
        trace_id: String,
        /// Its submitter.
        sender_id: String,
    },
    /// A person has to approve a job. [`Router::decide`](super::Router::decide) answers. Without an answer in time the job
    /// is denied.
    Approval {
        /// The job.
        job: RouterJob,
        /// Why.
        reason: String,
    },
    /// A job was sent to its topic or to a worker.
    Dispatched {
        /// The job.
        job: RouterJob,
        /// The worker, if the job was not sent to its topic.
        worker: Option<ComponentId>,
        /// How often it was sent so far.
        attempt: u32,
    },
    /// A worker runs a job.
    Running {
        /// The job.
        job: RouterJob,
        /// The worker.
        worker: ComponentId,
    },
    /// A job will be sent again.
    Retrying {
        /// The job.
        job: RouterJob,
        /// What has happened to the last attempt.
        reason: String,
    },
    /// A job has ended. This is its last event, except for a [`RouterEvent::Conflict`].
    Ended {
        /// The job.
        job: RouterJob,
        /// Its last status.
        status: JobStatus,
    },
    /// A result came for a job that has ended with another status, and was ignored (spec/07).
    Conflict {
        /// The job.
        job: RouterJob,
        /// How the job has ended.
        ended: JobStatus,
        /// The status of the result that was ignored.
        ignored: JobStatus,
    },
    /// A worker announced itself.
    WorkerJoined {
        /// The worker.
        worker: ComponentId,
    },
    /// Nothing was heard of a worker for too long.
    WorkerLost {
        /// The worker.
        worker: ComponentId,
    },
    /// Something has happened to the trust session of a worker.
    Trust(AuthorityEvent),
    /// A packet was refused.
    Refused {
        /// The subject it came on.
        subject: Subject,
        /// Why.
        reason: RefusedByRouter,
    },
    /// A packet of the router's own could not be signed and was not sent.
    Unsendable {
        /// The subject it was for.
        subject: Subject,
        /// Why.
        reason: Unsignable,
    },
    /// A packet of the router's own was sent whose signature receivers disagree about; see
    /// [`MapOrder`](crate::cap::MapOrder). It is reported once for each subject.
    PrefixPair {
        /// The subject that it was sent on.
        subject: Subject,
    },
}

/// Why a packet was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RefusedByRouter {
    /// It is malformed, not valid, or not signed by a known key.
    #[error(transparent)]
    Rejected(#[from] Rejection),
    /// A packet of this kind does not belong on this subject.
    #[error("a {0} does not belong on this subject")]
    Misplaced(&'static str),
    /// The job id is longer than [`RouterLimits::job_id_bytes`](super::config::RouterLimits::job_id_bytes).
    #[error("the job id has {bytes} bytes, and at most {max} are allowed")]
    JobId {
        /// Its length in bytes.
        bytes: usize,
        /// The limit.
        max: usize,
    },
    /// The topic of a job is not one.
    #[error("the topic {topic:?} is not valid: {problem}")]
    Topic {
        /// The topic.
        topic: String,
        /// What is wrong with it.
        problem: InvalidSubject,
    },
    /// Another request has the same job id.
    #[error("another request has the job id {0:?}")]
    Duplicate(String),
    /// The sender may not cancel the job.
    #[error("{0:?} may not cancel this job")]
    CancelDenied(String),
    /// The sender's id cannot be the one of a worker.
    #[error("the sender {sender:?} cannot be a worker: {problem}")]
    Sender {
        /// The sender.
        sender: String,
        /// What is wrong with its id.
        problem: InvalidSubject,
    },
    /// The sender is not a worker that the job was sent to.
    #[error("the job was not sent to {0:?}")]
    NotAssigned(String),
    /// The sender needs a trust session, and the packet does not carry the token of one that is valid.
    #[error("{0:?} has no trust session, or its packet does not carry the token")]
    NotTrusted(String),
    /// A result has a status that is not one of a result.
    #[error("the status {0:?} is not one of a result")]
    Status(JobStatus),
    /// A limit of the router is reached.
    #[error("the router's limit {limit} of {max} is reached")]
    Limit {
        /// The name of the limit.
        limit: &'static str,
        /// The limit.
        max: usize,
    },
}

impl RefusedByRouter {
    /// Returns the error code of the protocol for an alert about the packet (spec/16).
    pub fn code(&self) -> ErrorCode {
        match self {
            RefusedByRouter::Rejected(rejection) => rejection.code(),
            RefusedByRouter::Misplaced(_)
            | RefusedByRouter::JobId { .. }
            | RefusedByRouter::Topic { .. }
            | RefusedByRouter::Sender { .. }
            | RefusedByRouter::Status(_) => ErrorCode::PROTOCOL_MALFORMED_PACKET,
            RefusedByRouter::Duplicate(_) => ErrorCode::JOB_DUPLICATE,
            RefusedByRouter::CancelDenied(_) | RefusedByRouter::NotTrusted(_) | RefusedByRouter::NotAssigned(_) => {
                ErrorCode::JOB_PERMISSION_DENIED
            }
            RefusedByRouter::Limit { .. } => ErrorCode::JOB_RESOURCE_EXHAUSTED,
        }
    }
}

/// Why a call of the host was refused. Nothing has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RouterRefused {
    /// The job is gone, or awaits no decision.
    #[error("the job is gone, or awaits no decision")]
    Stale,
    /// A redacted input needs requests that the router signs.
    #[error("the input of a request can be redacted only if the router signs requests itself")]
    Redaction,
}

/// The reason of a deadline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RouterTimer {
    /// The policy has not answered in time.
    Check,
    /// No person has approved a job in time.
    Approval,
    /// The pause of a throttled job has ended.
    Throttle,
    /// No worker came for a job in time.
    Worker,
    /// Nothing was heard of a job in time.
    Dispatch,
    /// The pause before a job is sent again has ended.
    Retry,
    /// A worker has not ended a cancelled job in time.
    Cancel,
    /// The time that a job may take has passed.
    Runtime,
    /// Nothing was heard of a worker in time.
    Heartbeat,
}
