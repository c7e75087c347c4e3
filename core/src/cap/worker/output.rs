//! The outputs of a worker, the events among them, and what its host passes in.

use alloc::string::String;
use core::time::Duration;

use bytes::Bytes;

use crate::cap::signature::rejection::{Rejection, Unsignable};
use crate::cap::wire::job::{ErrorCode, JobStatus};
use crate::cap::wire::pointer::Pointer;
use crate::cap::wire::subject::Subject;

slotmap::new_key_type! {
    /// A job, as the host of a worker names it. On the bus it has the id that its submitter chose.
    pub struct WorkerJob;
}

/// Names one attempt of one job to read, run or store, so that an answer that comes too late is not taken for that of a
/// later attempt.
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
    /// A job has its result. This is its last event.
    Ended {
        /// The job.
        job: WorkerJob,
        /// The status that was published.
        status: JobStatus,
    },
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
    /// The worker has drained: no job is left, and no heartbeat follows.
    Drained,
}

/// Why a packet was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RefusedPacket {
    /// It is malformed, not valid, or not signed by a known key.
    #[error(transparent)]
    Rejected(#[from] Rejection),
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

/// What reading an input has given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fetched {
    /// The input.
    Found(Bytes),
    /// There is no such input.
    Missing,
    /// The store could not be reached; the sentence is for people.
    Failed(String),
}

/// How a handler fails.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobFailure {
    /// Whether another attempt may help.
    pub kind: FailureKind,
    /// The code; a code of an application is from 1000 to 9999.
    pub code: ErrorCode,
    /// The sentence for people, which the submitter reads.
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
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// How much of it is done, 0 to 100.
    pub percent: i32,
    /// The step of the job.
    pub step_id: String,
    /// A sentence for people.
    pub message: String,
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
}

/// The reason of a deadline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum WorkerTimer {
    /// The next heartbeat.
    Heartbeat,
    /// An input is not read, or an output not stored, in time.
    Io,
    /// The pause before a retry is over.
    Retry,
    /// The time that a job may take is over.
    Runtime,
}
