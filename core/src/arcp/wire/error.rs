//! The error codes of §12, and the fault that a refusal reports.

use alloc::borrow::Cow;
use alloc::string::{String, ToString};
use serde::Serialize;

/// An error code of the specification (§12).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ErrorCode {
    /// The lease or the policy does not allow the operation.
    PermissionDenied,
    /// A delegation asks for more than its parent's lease allows (§9.4).
    LeaseSubsetViolation,
    /// The job does not exist, or is not visible to the principal.
    JobNotFound,
    /// The idempotency key was used before with other parameters (§7.2).
    DuplicateKey,
    /// There is no agent of this name.
    AgentNotAvailable,
    /// The agent does not have this version (§7.5).
    AgentVersionNotAvailable,
    /// The job was cancelled by its client (§7.4).
    Cancelled,
    /// The job ran longer than `max_runtime_sec`.
    Timeout,
    /// The session can no longer be resumed from this event (§6.3).
    ResumeWindowExpired,
    /// Nothing was received from the peer for two heartbeat intervals (§6.4).
    HeartbeatLost,
    /// The lease has expired (§9.5).
    LeaseExpired,
    /// A counter of `cost.budget` is at or below zero (§9.6).
    BudgetExhausted,
    /// The message is malformed, or uses a feature that was not negotiated.
    InvalidRequest,
    /// The authentication is missing or invalid (§6.1).
    Unauthenticated,
    /// The runtime has a fault, or a limit of it is reached. This is the only retryable code.
    InternalError,
}

impl ErrorCode {
    /// All codes, in the order of §12.
    pub const ALL: [ErrorCode; 15] = [
        ErrorCode::PermissionDenied,
        ErrorCode::LeaseSubsetViolation,
        ErrorCode::JobNotFound,
        ErrorCode::DuplicateKey,
        ErrorCode::AgentNotAvailable,
        ErrorCode::AgentVersionNotAvailable,
        ErrorCode::Cancelled,
        ErrorCode::Timeout,
        ErrorCode::ResumeWindowExpired,
        ErrorCode::HeartbeatLost,
        ErrorCode::LeaseExpired,
        ErrorCode::BudgetExhausted,
        ErrorCode::InvalidRequest,
        ErrorCode::Unauthenticated,
        ErrorCode::InternalError,
    ];

    /// Returns the code as it is written on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            ErrorCode::PermissionDenied => "PERMISSION_DENIED",
            ErrorCode::LeaseSubsetViolation => "LEASE_SUBSET_VIOLATION",
            ErrorCode::JobNotFound => "JOB_NOT_FOUND",
            ErrorCode::DuplicateKey => "DUPLICATE_KEY",
            ErrorCode::AgentNotAvailable => "AGENT_NOT_AVAILABLE",
            ErrorCode::AgentVersionNotAvailable => "AGENT_VERSION_NOT_AVAILABLE",
            ErrorCode::Cancelled => "CANCELLED",
            ErrorCode::Timeout => "TIMEOUT",
            ErrorCode::ResumeWindowExpired => "RESUME_WINDOW_EXPIRED",
            ErrorCode::HeartbeatLost => "HEARTBEAT_LOST",
            ErrorCode::LeaseExpired => "LEASE_EXPIRED",
            ErrorCode::BudgetExhausted => "BUDGET_EXHAUSTED",
            ErrorCode::InvalidRequest => "INVALID_REQUEST",
            ErrorCode::Unauthenticated => "UNAUTHENTICATED",
            ErrorCode::InternalError => "INTERNAL_ERROR",
        }
    }

    /// Returns the code that is written like this, or `None` if it is not one of §12.
    pub fn parse(text: &str) -> Option<ErrorCode> {
        ErrorCode::ALL.into_iter().find(|code| code.as_str() == text)
    }

    /// Returns whether a retry can help, which is true for `INTERNAL_ERROR` alone (§12).
    pub const fn retryable(self) -> bool {
        matches!(self, ErrorCode::InternalError)
    }
}

impl Serialize for ErrorCode {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// Why a request was refused or a job failed: a code, a sentence for people, and details for programs.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}: {message}", code.as_str())]
pub struct Fault {
    /// The code of §12.
    pub code: ErrorCode,
    /// A sentence that says what happened and what to do. It is never empty, and shows nothing internal.
    pub message: Cow<'static, str>,
    /// The JSON text of an object, if there is something to add.
    pub details: Option<String>,
}

impl Fault {
    /// Creates a fault without details.
    pub fn new(code: ErrorCode, message: impl Into<Cow<'static, str>>) -> Fault {
        Fault { code, message: message.into(), details: None }
    }

    /// Creates an `INVALID_REQUEST`.
    pub fn invalid(message: impl Into<Cow<'static, str>>) -> Fault {
        Fault::new(ErrorCode::InvalidRequest, message)
    }

    /// Creates the `INTERNAL_ERROR` of a limit of [`Config`](crate::arcp::Config) that is reached, with the details
    /// `{limit, max}` (ours).
    pub fn limit(limit: &'static str, max: u64) -> Fault {
        Fault {
            code: ErrorCode::InternalError,
            message: Cow::Owned(alloc::format!("the runtime's limit {limit} of {max} is reached; try again later")),
            details: Some(alloc::format!("{{\"limit\":\"{limit}\",\"max\":{max}}}")),
        }
    }

    /// Returns the fault with the details `{key: text}`.
    pub fn with_detail(mut self, key: &'static str, text: &str) -> Fault {
        let text = serde_json::Value::from(text).to_string();
        self.details = Some(alloc::format!("{{\"{key}\":{text}}}"));
        self
    }
}
