//! Why a client cannot connect, its session ended, a request failed, or a job has no result.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use nuncio_core::arcp::client::{ClientRefused, CloseReason, Outcome, Raw, RemoteFault, RequestFailure};
use nuncio_core::arcp::{ErrorCode, FinalStatus, JobId};
use nuncio_link::InvalidUrl;

use crate::arcp::value::InvalidValue;

/// Why a client could not be made. From [`ClientBuilder::connect`](super::ClientBuilder::connect).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientBuildError {
    /// The URL cannot be used.
    #[error(transparent)]
    Url(#[from] InvalidUrl),
    /// The operating system gave no thread or no random numbers.
    #[error("the operating system refused a resource: {0}")]
    System(#[source] io::Error),
    /// The session could not be opened.
    #[error(transparent)]
    Session(#[from] SessionEnd),
}

impl ClientBuildError {
    /// Returns what the runtime said, if it refused the session.
    pub fn fault(&self) -> Option<&RemoteFault> {
        match self {
            ClientBuildError::Session(end) => end.fault(),
            ClientBuildError::Url(_) | ClientBuildError::System(_) => None,
        }
    }
}

/// Why a connection could not be made, or was lost before the session was live.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// The connector or the stream failed. With TLS (feature `tls`) the error may contain an `auth::TlsConnectError`.
    #[error("{0}")]
    Io(Arc<io::Error>),
    /// The connection was not upgraded within [`connect_timeout`](super::ClientBuilder::connect_timeout).
    #[error("the connection attempt timed out")]
    TimedOut,
    /// The server refused the WebSocket upgrade.
    #[error("{reason} to the request for a WebSocket")]
    Upgrade {
        /// The HTTP status.
        status: u16,
        /// What the server answered, with the status.
        reason: String,
    },
    /// The URL does not ask for TLS, and the server answered with an alert of TLS.
    #[error("the server seems to speak TLS at this port; try a wss:// URL")]
    Tls,
    /// The connection ended.
    #[error("{0}")]
    Ended(String),
    /// The runtime refused the session for now.
    #[error("{0}")]
    Refused(RemoteFault),
    /// The [`TokenSource`](super::TokenSource) has failed.
    #[error("the source of the bearer token has failed: {0}")]
    Token(Arc<dyn std::error::Error + Send + Sync>),
}

impl ConnectError {
    /// Whether another attempt at the same address must fail too: the server refuses the request itself, or the URL or
    /// the server's certificate cannot be used.
    pub(super) fn is_final(&self) -> bool {
        use io::ErrorKind;
        match self {
            ConnectError::Io(error) => {
                matches!(error.kind(), ErrorKind::Unsupported | ErrorKind::InvalidInput | ErrorKind::InvalidData)
            }
            ConnectError::Tls => true,
            // Request Timeout, Too Early and Too Many Requests ask for another attempt.
            ConnectError::Upgrade { status, .. } => (400..500).contains(status) && !matches!(*status, 408 | 425 | 429),
            ConnectError::TimedOut | ConnectError::Ended(_) | ConnectError::Refused(_) | ConnectError::Token(_) => {
                false
            }
        }
    }
}

/// Why a client's session ended. Jobs that were accepted go on in their runtime.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SessionEnd {
    /// The application closed the session, or the runtime refused it for good.
    #[error("the session is closed: {0}")]
    Closed(CloseReason),
    /// The session never became live: the first connection failed, as often as [`Reconnect`](super::Reconnect) says.
    #[error("{}{}: {last}", failed(last), tries(*.attempts))]
    #[non_exhaustive]
    Unreachable {
        /// The number of attempts.
        attempts: u32,
        /// Why the last one failed.
        last: ConnectError,
    },
    /// The connection was lost, and as many attempts to resume the session failed as [`Reconnect`](super::Reconnect) says.
    #[error("the connection was lost and {attempts} attempts to resume the session failed; the last error was: {last}")]
    #[non_exhaustive]
    GaveUp {
        /// The number of attempts.
        attempts: u32,
        /// Why the last one failed; with no attempts, why the connection was lost.
        last: ConnectError,
    },
    /// The connection was lost, and the runtime could not be reached for longer than it keeps a session.
    #[error(
        "the connection was lost and the session's resume window of {} seconds has passed; the last error was: {last}",
        window.as_secs()
    )]
    #[non_exhaustive]
    WindowPassed {
        /// The window that the runtime promised.
        window: Duration,
        /// Why the last attempt failed.
        last: ConnectError,
    },
}

/// What has failed. A runtime was reached if there is an answer.
fn failed(last: &ConnectError) -> &'static str {
    match last {
        ConnectError::Upgrade { .. } | ConnectError::Tls | ConnectError::Refused(_) | ConnectError::Token(_) => {
            "no session could be opened"
        }
        ConnectError::Io(_) | ConnectError::TimedOut | ConnectError::Ended(_) => "the runtime could not be reached",
    }
}

fn tries(attempts: u32) -> String {
    if attempts > 1 { format!(" in {attempts} attempts") } else { String::new() }
}

impl SessionEnd {
    /// Returns what the runtime said, if it ended or refused the session.
    pub fn fault(&self) -> Option<&RemoteFault> {
        match self {
            SessionEnd::Closed(CloseReason::Refused(fault))
            | SessionEnd::Unreachable { last: ConnectError::Refused(fault), .. }
            | SessionEnd::GaveUp { last: ConnectError::Refused(fault), .. }
            | SessionEnd::WindowPassed { last: ConnectError::Refused(fault), .. } => Some(fault),
            SessionEnd::Closed(_)
            | SessionEnd::Unreachable { .. }
            | SessionEnd::GaveUp { .. }
            | SessionEnd::WindowPassed { .. } => None,
        }
    }
}

/// Why a request of a client was not carried out.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// The session has ended.
    #[error(transparent)]
    Ended(#[from] SessionEnd),
    /// A value of the request cannot be written as JSON. Nothing was sent.
    #[error(transparent)]
    Invalid(#[from] InvalidValue),
    /// The client refuses the request. Nothing was sent.
    #[error(transparent)]
    Refused(#[from] ClientRefused),
    /// The runtime refused the request, or did not answer.
    #[error(transparent)]
    Failed(#[from] RequestFailure),
}

impl ClientError {
    /// Returns what the runtime said, if it refused the request. [`RemoteFault::known`] is its code.
    pub fn fault(&self) -> Option<&RemoteFault> {
        match self {
            ClientError::Failed(RequestFailure::Refused(fault)) => Some(fault),
            ClientError::Ended(end) => end.fault(),
            ClientError::Invalid(_) | ClientError::Refused(_) | ClientError::Failed(_) => None,
        }
    }
}

/// A job that did not succeed (§7.3).
#[derive(Clone, Debug, thiserror::Error)]
#[error("the job {job_id} {}: {message} ({code}){}", ended(*.final_status), hint(*.retryable))]
#[non_exhaustive]
pub struct JobError {
    /// The job.
    pub job_id: JobId,
    /// `error`, `cancelled` or `timed_out`.
    pub final_status: FinalStatus,
    /// What the runtime or the agent calls the failure. `CANCELLED`, `TIMEOUT` or `INTERNAL_ERROR`, as the status is,
    /// where they say nothing.
    pub code: RemoteCode,
    /// What happened and what to do, for people.
    pub message: String,
    /// A JSON object with more.
    pub details: Option<Raw>,
    /// Whether the runtime thinks that the same submit may succeed later.
    pub retryable: bool,
}

fn ended(status: FinalStatus) -> &'static str {
    match status {
        FinalStatus::Success => "succeeded",
        FinalStatus::Error => "failed",
        FinalStatus::Cancelled => "was cancelled",
        FinalStatus::TimedOut => "timed out",
    }
}

fn hint(retryable: bool) -> &'static str {
    if retryable { "; it may succeed if it is submitted again" } else { "" }
}

impl JobError {
    /// The error of an outcome; `None` for a success.
    pub(super) fn new(job_id: &JobId, outcome: &Outcome) -> Option<JobError> {
        let code = match outcome.status {
            FinalStatus::Success => return None,
            FinalStatus::Error => ErrorCode::InternalError,
            FinalStatus::Cancelled => ErrorCode::Cancelled,
            FinalStatus::TimedOut => ErrorCode::Timeout,
        };
        let fault = outcome.fault.clone().unwrap_or_else(|| RemoteFault {
            code: code.as_str().to_owned(),
            message: "the runtime gives no reason".to_owned(),
            retryable: false,
            details: None,
        });
        Some(JobError {
            job_id: job_id.clone(),
            final_status: outcome.status,
            code: RemoteCode::from(fault.code),
            message: fault.message,
            details: fault.details,
            retryable: fault.retryable,
        })
    }
}

/// An error code as a runtime wrote it.
///
/// ```
/// # use nuncio_shared::arcp::{ErrorCode, RemoteCode};
/// assert_eq!(RemoteCode::from("TIMEOUT".to_owned()), ErrorCode::Timeout);
/// assert_eq!(RemoteCode::from("OUT_OF_PAPER".to_owned()).as_str(), "OUT_OF_PAPER");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum RemoteCode {
    /// One of the 15 codes of the specification (§12).
    Known(ErrorCode),
    /// Any other text.
    Other(String),
}

impl RemoteCode {
    /// The text.
    pub fn as_str(&self) -> &str {
        match self {
            RemoteCode::Known(code) => code.as_str(),
            RemoteCode::Other(text) => text,
        }
    }

    /// The code, if it is one of the specification's.
    pub fn known(&self) -> Option<ErrorCode> {
        match self {
            RemoteCode::Known(code) => Some(*code),
            RemoteCode::Other(_) => None,
        }
    }
}

impl From<String> for RemoteCode {
    fn from(text: String) -> RemoteCode {
        ErrorCode::parse(&text).map_or(RemoteCode::Other(text), RemoteCode::Known)
    }
}

impl PartialEq<ErrorCode> for RemoteCode {
    fn eq(&self, code: &ErrorCode) -> bool {
        self.known() == Some(*code)
    }
}

impl fmt::Display for RemoteCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why there is no result of a job. From [`Client::call`](super::Client::call), [`Follow::result`](super::Follow::result)
/// and [`Follow::collect`](super::Follow::collect).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CallError {
    /// The job ended without success.
    #[error(transparent)]
    Job(#[from] JobError),
    /// The session ended first. A job that was accepted goes on in its runtime.
    #[error(transparent)]
    Session(#[from] SessionEnd),
    /// The job could not be submitted.
    #[error(transparent)]
    Request(ClientError),
    /// The streamed result is larger than the caller, or
    /// [`ClientBuilder::max_result_bytes`](super::ClientBuilder::max_result_bytes), allows.
    #[error("the result is larger than {cap} bytes; read it with `chunks`, or allow more")]
    TooLarge {
        /// The limit.
        cap: usize,
    },
    /// The streamed result cannot be put together.
    #[error("the streamed result is broken: {0}")]
    Broken(&'static str),
    /// Chunks of the streamed result were handed out before, or collected.
    #[error("{bytes} bytes of the streamed result were taken before; read all of it at one place")]
    Consumed {
        /// The bytes that are missing.
        bytes: u64,
    },
    /// The job ended before it was subscribed to, and the runtime no longer has its result.
    #[error("the runtime no longer has the result of the job")]
    Unknown,
    /// The runtime never said how the job ended, and no longer knows it. Jobs that a runtime sends nothing about are asked
    /// about after `ClientConfig::silence_timeout`.
    #[error("the runtime is silent about the job: it never said how the job ended, and no longer knows it")]
    Silent,
    /// The runtime has ended the subscription to the job, which may still run. Another one with history shows what has been
    /// missed.
    #[error("the runtime has ended the subscription before the job ended; subscribe again with history to go on")]
    Dropped,
    /// The result is not what the caller takes.
    #[error(
        "the result of the job does not have the expected type: {0}; `collect` reads a streamed result as text or bytes"
    )]
    Decode(#[source] serde_json::Error),
}

impl From<ClientError> for CallError {
    fn from(error: ClientError) -> CallError {
        match error {
            ClientError::Ended(end) => CallError::Session(end),
            error => CallError::Request(error),
        }
    }
}
