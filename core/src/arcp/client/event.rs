//! The outputs of a client, and the events among them.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt;

use bytes::Bytes;

use super::types::{ChunkEvent, HandleId, JobEvent, Outcome, RequestId, Welcome};
use crate::arcp::wire::credential::Credential;
use crate::arcp::wire::reply::read::{
    Accepted, AnsweredQuestion, JobPage, QuestionPage, RemoteFault, SessionPage, Subscribed,
};
use crate::arcp::wire::status::RuntimeStatus;

/// An output of a client. A driver acts on them in their order.
#[derive(Clone)]
pub enum ClientOutput {
    /// The frame is to be written to the transport. [`Client::handle_sent`](super::Client::handle_sent) reports that it
    /// was.
    Send(Bytes),
    /// A transport is to be opened. [`Client::handle_open`](super::Client::handle_open) reports that it was;
    /// [`Client::handle_connect_failed`](super::Client::handle_connect_failed) reports a failure and asks again. A
    /// driver opens the first transport without being asked.
    Connect {
        /// Failed attempts since the last welcome, from 0. The delay before the next attempt depends on them.
        attempt: u32,
        /// Whether there is a session to resume.
        resume: bool,
        /// Whether the runtime has refused the token, so that a newer one is asked for first and handed in by
        /// [`Client::renew`](super::Client::renew). Only with
        /// [`ClientConfig::renews_token`](super::ClientConfig::renews_token).
        renew: bool,
    },
    /// The transport is to be closed once all frames before this output were written. The client counts it as lost, so
    /// that its end need not be reported.
    CloseTransport {
        /// A WebSocket close code.
        code: u16,
        /// A sentence for people.
        reason: &'static str,
    },
    /// [`Client::reading`](super::Client::reading) is true again.
    Reading,
    /// The event is for the application. [`Client::handle_taken`](super::Client::handle_taken) reports that it took it.
    Event(ClientEvent),
}

impl fmt::Debug for ClientOutput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // A hello contains tokens.
            ClientOutput::Send(frame) => f.debug_tuple("Send").field(&frame.len()).finish(),
            ClientOutput::Connect { attempt, resume, renew } => {
                let mut connect = f.debug_struct("Connect");
                connect.field("attempt", attempt).field("resume", resume).field("renew", renew).finish()
            }
            ClientOutput::CloseTransport { code, reason } => {
                f.debug_struct("CloseTransport").field("code", code).field("reason", reason).finish()
            }
            ClientOutput::Reading => f.write_str("Reading"),
            ClientOutput::Event(event) => f.debug_tuple("Event").field(event).finish(),
        }
    }
}

/// An event for the application. The large ones are boxed, so that the frequent ones stay small.
#[derive(Clone, Debug)]
pub enum ClientEvent {
    /// A session is live: it was opened or resumed.
    Welcome(Box<Welcome>),
    /// The transport was lost. The session and its jobs go on, and a [`ClientOutput::Connect`] follows.
    Lost(LostReason),
    /// A submit was accepted (§7.1).
    Accepted {
        /// The handle of the submit.
        handle: HandleId,
        /// What the job was granted.
        accepted: Box<Accepted>,
    },
    /// A job of this session has delegated a job (§10). The child has a handle of its own, which can be cancelled and
    /// released like any other.
    Child {
        /// The handle of the child.
        handle: HandleId,
        /// The handle of the parent, if the application still follows it.
        parent: Option<HandleId>,
        /// What the child was granted. Its `parent_job_id` and `delegate_id` name the delegation.
        accepted: Box<Accepted>,
    },
    /// A subscription has begun (§7.6). Some runtimes replay events of the job before they say so; if these fill
    /// [`ClientLimits`](super::ClientLimits), it begins with the job's id alone, and the answer is not reported.
    Subscribed {
        /// The handle of the subscription.
        handle: HandleId,
        /// The job, as the subscriber may know it.
        subscribed: Box<Subscribed>,
    },
    /// The runtime has sent the credentials of an accepted job again, as they are valid now. It does so after a resume.
    Credentials {
        /// The job's handle.
        handle: HandleId,
        /// All credentials of the job.
        credentials: Vec<Credential>,
    },
    /// A job has emitted an event (§8.2). The events of a session arrive once and in order.
    Job(JobEvent),
    /// A chunk of a streamed result was received (§8.4). Chunks arrive in order and without gaps.
    Chunk(ChunkEvent),
    /// A streamed result cannot be assembled. No more chunks follow, but the terminal event does.
    ChunkFault {
        /// The job's handle.
        handle: HandleId,
        /// A sentence that says why.
        reason: &'static str,
    },
    /// The job has ended (§7.3). This is the last event of its handle.
    Terminal {
        /// The job's handle, which is dead now.
        handle: HandleId,
        /// How the job ended.
        outcome: Box<Outcome>,
    },
    /// A cancel has reached the runtime, or was overtaken by the end of the job (§7.4). The terminal event follows.
    Cancelled {
        /// The cancel.
        request: RequestId,
        /// The job's handle.
        handle: HandleId,
        /// Whether the runtime has acknowledged the cancel, before the job ended.
        acknowledged: bool,
    },
    /// A page of jobs was received (§6.6).
    Jobs {
        /// The list request.
        request: RequestId,
        /// The page.
        page: Box<JobPage>,
    },
    /// The runtime has taken an answer to a question (ours). If the transport was lost before, it may have been sent more
    /// than once; it counts once.
    Answered {
        /// The answer's request.
        request: RequestId,
        /// The answer that counts.
        answered: Box<AnsweredQuestion>,
    },
    /// A page of open questions was received (ours).
    Questions {
        /// The request.
        request: RequestId,
        /// The page.
        page: Box<QuestionPage>,
    },
    /// A page of sessions was received (ours).
    Sessions {
        /// The request.
        request: RequestId,
        /// The page.
        page: Box<SessionPage>,
    },
    /// The state of the runtime was received (ours).
    Status {
        /// The request.
        request: RequestId,
        /// The state.
        status: Box<RuntimeStatus>,
    },
    /// A request was refused or not answered. This never ends a job that was accepted.
    RequestFailed {
        /// The request.
        request: Failed,
        /// The reason.
        why: Box<RequestFailure>,
    },
    /// The runtime has sent an error that belongs to no request of the client.
    Notice(Box<RemoteFault>),
    /// The events with the numbers `from..=to` were lost: they were still missing after a resume (§8.3), or belong to a
    /// job that was not accepted before the client ran out of room for them.
    Gap {
        /// The first lost number.
        from: u64,
        /// The last lost number.
        to: u64,
    },
    /// The client is closed. This is the last event, and every handle is dead.
    Closed(Box<CloseReason>),
}

/// The request that a [`ClientEvent::RequestFailed`] is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failed {
    /// A submit. Its handle is dead.
    Submit(HandleId),
    /// A subscribe. Its handle is dead.
    Subscribe(HandleId),
    /// A cancel. Its job goes on.
    Cancel(RequestId, HandleId),
    /// A list.
    List(RequestId),
    /// An answer to a question.
    Answer(RequestId),
    /// A list of open questions.
    Questions(RequestId),
    /// A list of sessions.
    Sessions(RequestId),
    /// A request for the state of the runtime.
    Status(RequestId),
}

/// Why a request failed.
#[derive(Clone, Debug, thiserror::Error)]
pub enum RequestFailure {
    /// The runtime refused the request.
    #[error(transparent)]
    Refused(RemoteFault),
    /// The runtime did not answer within [`ClientConfig::request_timeout`](super::ClientConfig::request_timeout).
    #[error("the runtime did not answer in time")]
    TimedOut,
    /// The request was queued before the welcome, and the session does not have the feature that it needs (§6.2).
    #[error("the session did not negotiate {0}")]
    NotNegotiated(&'static str),
    /// The runtime closed the transport because the request was too large (1009). It is not sent again, because that
    /// would close the next transport as well.
    #[error("the runtime does not take a request of {bytes} bytes")]
    TooLarge {
        /// Bytes of the request.
        bytes: usize,
    },
    /// The client was closed before the request was answered.
    #[error("the client was closed before the runtime answered")]
    Closed,
}

fn missing(from: u64, to: u64) -> alloc::string::String {
    if from == to {
        alloc::format!("event {from} is missing")
    } else {
        alloc::format!("events {from} to {to} are missing")
    }
}

/// Why a transport was lost.
#[derive(Clone, Debug, thiserror::Error)]
pub enum LostReason {
    /// The driver reported it.
    #[error("the transport was lost")]
    Transport,
    /// Nothing was received for two heartbeat intervals, or the runtime says that it received nothing (§6.4).
    #[error("the runtime sent nothing for two heartbeat intervals")]
    Heartbeat,
    /// Event numbers are missing. The session is resumed once to receive them again (§8.3).
    #[error("{}", missing(*.from, *.to))]
    Gap {
        /// The first missing number.
        from: u64,
        /// The last missing number.
        to: u64,
    },
    /// The runtime did not answer the hello in time.
    #[error("the runtime did not answer the hello in time")]
    Greeting,
    /// The runtime refused the session, but a later attempt can succeed.
    #[error(transparent)]
    Refused(RemoteFault),
    /// The runtime began a new session instead of resuming the old one. The client asks for the old one once more, in
    /// the form of the specification's `session.resume` (§6.3).
    #[error("the runtime began a new session; the client asks for the old session again")]
    Replaced,
    /// The runtime closed the session of its own accord.
    #[error("the runtime closed the session")]
    Goodbye,
}

/// Why a client is closed.
#[derive(Clone, Debug, thiserror::Error)]
pub enum CloseReason {
    /// The application closed it.
    #[error("the application closed the client")]
    Asked,
    /// The runtime refused the session for good: with `UNAUTHENTICATED`, where there is no newer token,
    /// `RESUME_WINDOW_EXPIRED`, or `PERMISSION_DENIED` for a resume. Jobs that were accepted go on.
    #[error(transparent)]
    Refused(RemoteFault),
    /// The runtime answered a resume with another session.
    #[error("the runtime began a new session instead of resuming the old one")]
    SessionReplaced,
    /// Another client has resumed the session and receives its events from now on. Its jobs go on.
    #[error("another client has resumed the session")]
    TakenOver,
    /// The runtime does not speak ARCP: a frame was too large, or too many were malformed. The sentence says which.
    #[error("{0}")]
    Protocol(&'static str),
}

/// The reason of a deadline of [`Client::poll_timeout`](super::Client::poll_timeout).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ClientTimer {
    /// The runtime has not welcomed the client.
    Greeting,
    /// A ping is due, or the runtime counts as silent (§6.4).
    Heartbeat,
    /// An acknowledgement is due (§6.5).
    Ack,
    /// A request was not answered, or the terminal message of an ended job was not received.
    Request,
    /// Nothing was received about a job for a while, and the runtime is asked about it.
    Silence,
    /// The runtime has not answered the `session.close`.
    Closing,
}
