//! Why a job has no result.

use std::fmt;

use nuncio_core::arcp::client::{Outcome, Raw, RemoteFault};
use nuncio_core::arcp::{ErrorCode, FinalStatus};

use crate::arcp::error::{ClientError, SessionEnd};

/// A job that did not succeed (§7.3).
#[derive(Clone, Debug, thiserror::Error)]
#[error("the job {job_id} {}: {message} ({code}){}", ended(*.final_status), hint(*.retryable))]
#[non_exhaustive]
pub struct JobError {
    /// The job.
    pub job_id: String,
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
    pub(super) fn new(job_id: &str, outcome: &Outcome) -> Option<JobError> {
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
            job_id: job_id.to_owned(),
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
    /// The result is not what the caller takes.
    #[error("the result of the job is not what was expected: {0}")]
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
