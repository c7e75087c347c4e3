//! The outputs of a worker, the events among them, and what its host passes in.

use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use bytes::Bytes;

use crate::cap::signature::rejection::{NotAdmitted, Rejection, Unsignable};
use crate::cap::trust::session::output::{TrustFailure, TrustRequest};
use crate::cap::wire::common::ResourceRef;
use crate::cap::wire::job::{ErrorCode, JobStatus};
use crate::cap::wire::pointer::Pointer;
use crate::cap::wire::subject::Subject;
use crate::time::Time;

slotmap::new_key_type! {
    /// A job, as the host of a worker names it. On the bus it has the id that its submitter chose.
    pub struct WorkerJob;
}

/// Names one attempt of one job to read, run or store, so that a late answer is not taken for the answer to a later
/// attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Attempt {
    /// The job.
    pub job: WorkerJob,
    /// The number of the attempt, counted over everything that is tried for the job.
    pub number: u32,
}

/// An output of a worker. A driver acts on outputs in the order in which it polls them.
#[derive(Clone, Debug)]
pub enum WorkerOutput {
    /// Subscribe to a subject.
    Subscribe {
        /// The subject.
        subject: Subject,
        /// Whether the subscription joins the queue group that is named like the subject, so that each packet reaches one
        /// worker of all that have subscribed.
        group: bool,
    },
    /// End a subscription. Packets that were received already are passed in.
    Unsubscribe {
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
    /// Send a request, whose reply is passed in by [`Worker::replied`](super::Worker::replied). It carries secrets, so it is
    /// not to be logged or stored.
    Request {
        /// Names the request.
        id: TrustRequest,
        /// The subject.
        subject: Subject,
        /// The packet.
        bytes: Bytes,
    },
    /// Read the output that an earlier run of a job may have stored; see
    /// [`WorkerConfig::check_stored`](super::config::WorkerConfig::check_stored).
    /// [`Worker::looked`](super::Worker::looked) answers. The input is asked for at the same time.
    Look {
        /// The attempt.
        attempt: Attempt,
        /// Where the output would be.
        pointer: Pointer,
    },
    /// Read the input of a job. [`Worker::fetched`](super::Worker::fetched) answers.
    Fetch {
        /// The attempt.
        attempt: Attempt,
        /// Where the input is.
        pointer: Pointer,
    },
    /// Call the handler of a job; [`Worker::job`](super::Worker::job) shows the job.
    /// [`Worker::finish`](super::Worker::finish) or [`Worker::fail`](super::Worker::fail) answers.
    Run {
        /// The attempt.
        attempt: Attempt,
    },
    /// Stop the handler of a job, whose result is published already. Its answer is awaited and ignored.
    Stop {
        /// The attempt.
        attempt: Attempt,
    },
    /// Store the output of a job. [`Worker::stored`](super::Worker::stored) answers.
    Store {
        /// The attempt.
        attempt: Attempt,
        /// Where to store it.
        pointer: Pointer,
        /// The output.
        output: Bytes,
        /// The time for which it is stored.
        ttl: Duration,
    },
    /// An event for the application.
    Event(WorkerEvent),
}

/// An event for the application.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum WorkerEvent {
    /// A job was accepted.
    Accepted {
        /// The job.
        job: WorkerJob,
    },
    /// The handler of a job is called for the first time.
    Started {
        /// The job.
        job: WorkerJob,
    },
    /// An earlier run of a job has stored its output, so that its handler is not called.
    Recovered {
        /// The job.
        job: WorkerJob,
    },
    /// An attempt has failed, and another one follows.
    Retried {
        /// The job.
        job: WorkerJob,
        /// The number of attempts that have failed in a row.
        failures: u32,
        /// What has failed, as a sentence for people.
        message: String,
    },
    /// A job has its result. This is its last event. [`Worker::job`](super::Worker::job) shows the job until it is
    /// forgotten.
    Ended {
        /// The job.
        job: WorkerJob,
        /// The status that was published.
        status: JobStatus,
        /// The code of the error.
        code: ErrorCode,
        /// The error as a sentence for people, which may say more than the one that was published; see
        /// [`WorkerConfig::share_errors`](super::config::WorkerConfig::share_errors).
        message: String,
        /// The time from the first call of the handler, or from the arrival of the job if there was none.
        took: Duration,
    },
    /// A heartbeat was sent.
    HeartbeatSent,
    /// The scheduler trusts the worker, which has a new token.
    Trusted {
        /// When the token expires.
        expires_at: Time,
        /// Whether it has replaced another one.
        is_renewal: bool,
    },
    /// The worker could not prove itself; it tries again later. [`Worker::admits`](super::Worker::admits) says whether it
    /// takes jobs meanwhile.
    TrustFailed {
        /// Why.
        reason: TrustFailure,
    },
    /// The token has expired.
    TrustExpired,
    /// A packet was refused.
    Refused {
        /// The subject it came on.
        subject: Subject,
        /// Why.
        reason: RefusedPacket,
    },
    /// A packet of the worker's own could not be signed and was not sent.
    Unsendable {
        /// The subject it was for.
        subject: Subject,
        /// Why.
        reason: Unsignable,
    },
    /// A packet was sent whose signature receivers disagree about, because a map of it has a key that another key begins
    /// with; see [`MapOrder`](crate::cap::MapOrder). It is reported once for each subject.
    PrefixPair {
        /// The subject that it was sent on.
        subject: Subject,
    },
    /// The worker has drained: no job is left, no result waits, and no heartbeat follows.
    Drained,
}

/// Why a packet was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RefusedPacket {
    /// It is malformed, not valid, or not signed by a known key.
    #[error(transparent)]
    Rejected(#[from] Rejection),
    /// The worker takes no jobs now, because it has no session with its scheduler.
    #[error("the worker has no session with its scheduler, and takes no jobs")]
    NotTrusted,
    /// The packet was changed after it was admitted, or cannot be remembered (production profile).
    #[error(transparent)]
    NotAdmitted(#[from] NotAdmitted),
    /// The job is assigned to another worker (production profile).
    #[error("the job is assigned to another worker")]
    Assigned,
    /// A packet of this kind does not belong on this subject.
    #[error("a {0} does not belong on this subject")]
    Misplaced(&'static str),
    /// The job request has another topic than the subject that it came on.
    #[error("the topic {0:?} of the job request is not the subject that it came on")]
    Topic(String),
    /// The job id is longer than [`WorkerLimits::job_id_bytes`](super::config::WorkerLimits::job_id_bytes).
    #[error("the job id has {bytes} bytes, and at most {max} are allowed")]
    JobId {
        /// Its length in bytes.
        bytes: usize,
        /// The limit.
        max: usize,
    },
}

impl RefusedPacket {
    /// Returns the error code of the protocol for an alert about the packet (spec/16); `None` if it is no fault of the packet.
    pub fn code(&self) -> Option<ErrorCode> {
        match self {
            RefusedPacket::Rejected(rejection) => Some(rejection.code()),
            RefusedPacket::NotTrusted => None,
            RefusedPacket::NotAdmitted(reason) => Some(Rejection::from(*reason).code()),
            RefusedPacket::Assigned => Some(ErrorCode::JOB_PERMISSION_DENIED),
            RefusedPacket::Misplaced(_) | RefusedPacket::Topic(_) | RefusedPacket::JobId { .. } => {
                Some(ErrorCode::PROTOCOL_MALFORMED_PACKET)
            }
        }
    }
}

/// What reading an input or a stored output has given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fetched {
    /// The output was found.
    Found(Bytes),
    /// It is not there.
    Missing,
    /// The store could not be reached; the sentence is for people.
    Failed(String),
}

/// What a handler gives back: an output, and pointers to artifacts that it has stored itself.
///
/// ```
/// use bytes::Bytes;
/// use nuncio_core::cap::JobOutput;
///
/// let plain = JobOutput::from(Bytes::from_static(b"{}"));
/// let more = JobOutput { artifact_ptrs: vec!["redis://art:job-1:log".into()], ..plain };
/// assert_eq!(more.bytes, "{}");
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct JobOutput {
    /// The output, which the worker stores.
    pub bytes: Bytes,
    /// Pointers to artifacts.
    pub artifact_ptrs: Vec<String>,
    /// Artifacts in the structured form (2.17).
    pub artifact_refs: Vec<ResourceRef>,
}

impl From<Bytes> for JobOutput {
    fn from(bytes: Bytes) -> JobOutput {
        JobOutput { bytes, ..JobOutput::default() }
    }
}

/// How a handler fails.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobFailure {
    /// Whether another attempt may help.
    pub kind: FailureKind,
    /// The code; a code of an application is from 1000 to 9999.
    pub code: ErrorCode,
    /// The sentence for people. The submitter reads it if
    /// [`WorkerConfig::share_errors`](super::config::WorkerConfig::share_errors) is set.
    pub message: String,
}

/// Whether another attempt may help.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureKind {
    /// The worker tries again as its settings say; the last failure is `FAILED`.
    Plain,
    /// The same, but the last failure is `FAILED_RETRYABLE`, so that the job may be sent to another worker.
    Retryable,
    /// No attempt can succeed: `FAILED_FATAL` at once.
    Fatal,
    /// The input is not what the handler takes: `FAILED` at once.
    Input,
}

/// How far a job is.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Progress {
    /// How much of it is done, 0 to 100.
    pub percent: i32,
    /// The step of the job.
    pub step_id: String,
    /// A sentence for people.
    pub message: String,
    /// The pointer to an output so far, which the handler has stored.
    pub result_ptr: String,
    /// The same in the structured form (2.17).
    pub result_ref: Option<ResourceRef>,
    /// Pointers to artifacts.
    pub artifact_ptrs: Vec<String>,
    /// Artifacts in the structured form (2.17).
    pub artifact_refs: Vec<ResourceRef>,
}

/// The load of the machine, in percent, for heartbeats.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Load {
    /// Of its processors.
    pub cpu: f32,
    /// Of its graphics processors.
    pub gpu: f32,
    /// Of its memory.
    pub memory: f32,
}

/// Why a call of the host was refused. Nothing has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WorkerRefused {
    /// The job is gone, or a later attempt has begun.
    #[error("nothing waits for this: the job is gone, or a later attempt has begun")]
    Stale,
    /// A percentage is outside 0 to 100.
    #[error("progress is a percentage from 0 to 100")]
    Percent,
    /// Too many artifacts are named, or the pointer to one is too long.
    #[error("the worker's limit {limit} of {max} is reached")]
    Limit {
        /// The name of the limit.
        limit: &'static str,
        /// The limit.
        max: usize,
    },
}

/// The reason of a deadline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum WorkerTimer {
    /// The next heartbeat.
    Heartbeat,
    /// An input is not read, or an output not stored, in time.
    Io,
    /// The pause before a retry has ended.
    Retry,
    /// The time that a job may take has passed.
    Runtime,
    /// A reply of the scheduler is late, or the trust session must be renewed or has expired.
    Trust,
}
