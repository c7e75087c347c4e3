//! What a client puts out.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt;

use bytes::Bytes;

use super::types::{ChunkEvent, HandleId, JobEvent, Outcome, RequestId, Welcome};
use crate::arcp::wire::credential::Credential;
use crate::arcp::wire::reply::read::{Accepted, JobPage, RemoteFault, Subscribed};

/// What a client puts out, in one order. A driver acts on them in that order.
#[derive(Clone)]
pub enum ClientOutput {
    /// A frame for the transport; [`Client::handle_sent`](super::Client::handle_sent) reports that it was written.
    Send(Bytes),
    /// A transport is wanted: connect, then call `handle_open`; if that fails, call `handle_connect_failed`, which asks
    /// again. The first transport is opened without being asked for.
    Connect {
        /// Failed attempts since the last welcome, from 0: what a backoff is computed from.
        attempt: u32,
        /// Whether there is a session to resume.
        resume: bool,
    },
    /// The transport is to be closed once what was sent before is written. It is gone for the client: a
    /// `handle_close` for it is not needed.
    CloseTransport {
        /// A WebSocket close code.
        code: u16,
        /// For people.
        reason: &'static str,
    },
    /// [`Client::reading`](super::Client::reading) is true again.
    Reading,
    /// Something for the application. [`Client::handle_taken`](super::Client::handle_taken) reports that it took it.
    Event(ClientEvent),
}

impl fmt::Debug for ClientOutput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // A hello holds tokens.
            ClientOutput::Send(frame) => f.debug_tuple("Send").field(&frame.len()).finish(),
            ClientOutput::Connect { attempt, resume } => {
                f.debug_struct("Connect").field("attempt", attempt).field("resume", resume).finish()
            }
            ClientOutput::CloseTransport { code, reason } => {
                f.debug_struct("CloseTransport").field("code", code).field("reason", reason).finish()
            }
            ClientOutput::Reading => f.write_str("Reading"),
            ClientOutput::Event(event) => f.debug_tuple("Event").field(event).finish(),
        }
    }
}

/// What the application is told. Large ones are boxed, so that the frequent ones stay small.
#[derive(Clone, Debug)]
pub enum ClientEvent {
    /// A session is live: it was opened, or resumed.
    Welcome(Box<Welcome>),
    /// The transport is gone; the session and its jobs are not. A `Connect` follows.
    Lost(LostReason),
    /// A submit was accepted (§7.1).
    Accepted {
        /// The submit's handle.
        handle: HandleId,
        /// What was granted.
        accepted: Box<Accepted>,
    },
    /// A job delegated by one of this session's jobs was accepted: a handle of its own, which can be followed,
    /// cancelled and released like any other (§10).
    Child {
        /// The new handle.
        handle: HandleId,
        /// The parent's handle, if it is still followed.
        parent: Option<HandleId>,
        /// What was granted; `parent_job_id` and `delegate_id` say by whom.
        accepted: Box<Accepted>,
    },
    /// A subscription has begun (§7.6). A runtime that replays first shows events of the handle before this.
    Subscribed {
        /// The subscription's handle.
        handle: HandleId,
        /// What may be known of the job.
        subscribed: Box<Subscribed>,
    },
    /// The credentials of an accepted job, as they are valid now: they came again after a resume.
    Credentials {
        /// The job's handle.
        handle: HandleId,
        /// All of them.
        credentials: Vec<Credential>,
    },
    /// An event of a job (§8.2), each (session, seq) once and in order.
    Job(JobEvent),
    /// A piece of a streamed result (§8.4), in order and without gaps.
    Chunk(ChunkEvent),
    /// A streamed result cannot be put together: what is wrong with it. No more chunks follow; the terminal does.
    ChunkFault {
        /// The job's handle.
        handle: HandleId,
        /// A sentence.
        reason: &'static str,
    },
    /// The job has ended (§7.3). The last event of a handle.
    Terminal {
        /// The job's handle, dead from now on.
        handle: HandleId,
        /// How it ended.
        outcome: Box<Outcome>,
    },
    /// A cancel has reached the runtime (§7.4). The terminal follows.
    Cancelled {
        /// The cancel.
        request: RequestId,
        /// The job's handle.
        handle: HandleId,
        /// Whether `job.cancelled` said so; if not, the terminal did.
        acknowledged: bool,
    },
    /// A page of jobs (§6.6).
    Jobs {
        /// The request.
        request: RequestId,
        /// The page.
        page: Box<JobPage>,
    },
    /// A request was refused, or nobody answered it. It never is a job's end: an accepted job goes on.
    RequestFailed {
        /// Which.
        request: Failed,
        /// Why.
        why: Box<RequestFailure>,
    },
    /// A complaint of the runtime that belongs to no request of ours.
    Notice(Box<RemoteFault>),
    /// Events that will not come any more, `from..=to`: a gap that was still there after a resume (§8.3), or events of
    /// a job that was never accepted and for which there was no more room.
    Gap {
        /// The first lost number.
        from: u64,
        /// The last lost number.
        to: u64,
    },
    /// The end: nothing follows, every handle is dead.
    Closed(Box<CloseReason>),
}

/// The request a [`ClientEvent::RequestFailed`] is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failed {
    /// A submit; its handle is dead.
    Submit(HandleId),
    /// A subscribe; its handle is dead.
    Subscribe(HandleId),
    /// A cancel; its job goes on.
    Cancel(RequestId, HandleId),
    /// A list.
    List(RequestId),
}

/// Why a request failed.
#[derive(Clone, Debug, thiserror::Error)]
pub enum RequestFailure {
    /// The runtime refused it.
    #[error(transparent)]
    Refused(RemoteFault),
    /// There was no answer within [`ClientConfig::request_timeout`](super::ClientConfig::request_timeout).
    #[error("the runtime did not answer in time")]
    TimedOut,
    /// It was queued before the welcome, and the session does not have the feature it needs (§6.2).
    #[error("the session did not negotiate {0}")]
    NotNegotiated(&'static str),
    /// The runtime closed the connection on it (1009): it takes no frame as large as this. Sent again it would close the
    /// next one, too.
    #[error("the runtime does not take a request as large as this one: {bytes} bytes")]
    TooLarge {
        /// Bytes of the request.
        bytes: usize,
    },
    /// The client was closed first.
    #[error("the client was closed before the runtime answered")]
    Closed,
}

/// Why a transport is gone.
#[derive(Clone, Debug, thiserror::Error)]
pub enum LostReason {
    /// The driver said so.
    #[error("the transport was lost")]
    Transport,
    /// Nothing was received for two heartbeat intervals, or the runtime says it heard nothing (§6.4).
    #[error("nothing was heard from the runtime for two heartbeat intervals")]
    Heartbeat,
    /// Event numbers are missing: the session is resumed once to get them (§8.3).
    #[error("the events from {from} to {to} are missing")]
    Gap {
        /// The first missing number.
        from: u64,
        /// The last missing number.
        to: u64,
    },
    /// There was no welcome in time.
    #[error("the runtime did not welcome the client in time")]
    Greeting,
    /// The runtime refused the session for now.
    #[error(transparent)]
    Refused(RemoteFault),
    /// The runtime closed the session without being asked.
    #[error("the runtime said goodbye")]
    Goodbye,
}

/// Why a client is closed.
#[derive(Clone, Debug, thiserror::Error)]
pub enum CloseReason {
    /// The application asked for it.
    #[error("the application closed the client")]
    Asked,
    /// The runtime refused the session for good: `UNAUTHENTICATED`, `RESUME_WINDOW_EXPIRED`, or
    /// `PERMISSION_DENIED` on a resume. Jobs that were accepted go on.
    #[error(transparent)]
    Refused(RemoteFault),
    /// The runtime answered a resume with another session.
    #[error("the runtime began a new session instead of resuming the old one")]
    SessionReplaced,
    /// What the runtime sends is no ARCP: too large, or malformed too often.
    #[error("{0}")]
    Protocol(&'static str),
}

/// The next deadline's reason, as [`Client::poll_timeout`](super::Client::poll_timeout) names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ClientTimer {
    /// No welcome.
    Greeting,
    /// Ping, or give the runtime up (§6.4).
    Heartbeat,
    /// Acknowledge (§6.5).
    Ack,
    /// A request was not answered, or the terminal of an ended job did not come.
    Request,
    /// No `session.closed`.
    Closing,
}
