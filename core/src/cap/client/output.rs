//! The outputs of a client, the events among them, and why a call is refused.

use alloc::boxed::Box;

use bytes::Bytes;

use crate::cap::signature::rejection::{Rejection, Unsignable};
use crate::cap::wire::job::{JobProgress, JobResult};
use crate::cap::wire::subject::Subject;
use crate::time::Time;

slotmap::new_key_type! {
    /// A job, as the host of a client names it.
    pub struct ClientJob;
}

/// An output of a client. A driver acts on outputs in the order in which it polls them.
#[derive(Clone, Debug)]
pub enum ClientOutput {
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
    /// An event for the application.
    Event(ClientEvent),
}

/// An event for the application.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum ClientEvent {
    /// How far a job is. Progress that says only that a worker has the job ([`JobProgress::is_sign`]) is left out.
    Progress {
        /// The job.
        job: ClientJob,
        /// What its worker says.
        progress: Box<JobProgress>,
        /// When the worker has sent it, by the worker's clock; `None` if the packet does not say so. Progress that a router
        /// sends again keeps its time.
        sent_at: Option<Time>,
    },
    /// A job has ended. This is its last event.
    Ended {
        /// The job.
        job: ClientJob,
        /// Its result.
        result: Box<JobResult>,
    },
    /// The time to wait for a job has ended, and this is its last event. The job itself may continue. To stop it,
    /// cancel it before.
    NoResult {
        /// The job.
        job: ClientJob,
        /// How often its request was sent if nothing was heard of the job at all; 0 if the bus was never there.
        unheard: Option<u32>,
    },
    /// A packet was refused.
    Refused {
        /// The subject it came on.
        subject: Subject,
        /// Why.
        reason: Rejection,
    },
    /// A packet was sent whose signature receivers disagree about, because a map of it has a key that another key begins
    /// with; see [`MapOrder`](crate::cap::MapOrder).
    PrefixPair {
        /// The job.
        job: ClientJob,
    },
}

/// Why a call of the host was refused. Nothing has changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ClientRefused {
    /// The job has ended, or was cancelled before.
    #[error("the job has ended, or was cancelled before")]
    Stale,
    /// The result of a job with this id is awaited already.
    #[error("the result of a job with this id is awaited already")]
    Known,
    /// Too many results are awaited.
    #[error("the client's limit {limit} of {max} is reached")]
    Limit {
        /// The name of the limit.
        limit: &'static str,
        /// The limit.
        max: usize,
    },
    /// The request cannot be signed.
    #[error(transparent)]
    Unsignable(#[from] Unsignable),
}

/// The reason of a deadline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ClientTimer {
    /// A request is sent again.
    Resubmit,
    /// A cancellation is sent again.
    Cancel,
    /// The time to wait for a job has ended.
    Wait,
}
