//! The 15 error codes of §12 and the fault every refusal is made of.

use alloc::borrow::Cow;
use alloc::string::{String, ToString};
use serde::Serialize;

/// An error code of the specification (§12).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ErrorCode {
    /// The lease, or the policy, does not allow the operation.
    PermissionDenied,
    /// A delegation asked for more than the parent's lease holds (§9.4).
    LeaseSubsetViolation,
    /// The job does not exist or is not visible to the principal.
    JobNotFound,
    /// An idempotency key was used before with other parameters (§7.2).
    DuplicateKey,
    /// No such agent is registered.
    AgentNotAvailable,
    /// The agent has no such version (§7.5).
    AgentVersionNotAvailable,
    /// The job ended because its client cancelled it (§7.4).
    Cancelled,
    /// The job ran longer than `max_runtime_sec`.
    Timeout,
    /// The session can no longer be resumed from there (§6.3).
    ResumeWindowExpired,
    /// Nothing was heard from the peer for two intervals (§6.4).
    HeartbeatLost,
    /// `expires_at` of the lease has passed (§9.5).
    LeaseExpired,
    /// A `cost.budget` counter is at or below zero (§9.6).
    BudgetExhausted,
    /// The message is malformed, or uses what was not negotiated.
    InvalidRequest,
    /// Missing or invalid authentication (§6.1).
    Unauthenticated,
    /// A fault or a limit of the runtime; the only retryable code.
    InternalError,
}

impl ErrorCode {
    /// Every code, in the order of §12.
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

    /// The code as it stands on the wire.
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

    /// The code of a wire text, if it is one of the 15.
    pub fn parse(text: &str) -> Option<ErrorCode> {
        ErrorCode::ALL.into_iter().find(|code| code.as_str() == text)
    }

    /// Whether a retry can help: true for `INTERNAL_ERROR` alone (§12).
    pub const fn retryable(self) -> bool {
        matches!(self, ErrorCode::InternalError)
    }
}

impl Serialize for ErrorCode {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// Why something was refused or failed: a code, a sentence for people, details for machines.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}: {message}", code.as_str())]
pub struct Fault {
    /// The code of §12.
    pub code: ErrorCode,
    /// What happened and what to do; never empty, never an internal.
    pub message: Cow<'static, str>,
    /// A JSON object, absent if there is nothing to add.
    pub details: Option<String>,
}

impl Fault {
    /// A fault without details.
    pub fn new(code: ErrorCode, message: impl Into<Cow<'static, str>>) -> Fault {
        Fault { code, message: message.into(), details: None }
    }

    /// `INVALID_REQUEST` with a sentence.
    pub fn invalid(message: impl Into<Cow<'static, str>>) -> Fault {
        Fault::new(ErrorCode::InvalidRequest, message)
    }

    /// `INTERNAL_ERROR` because a limit of [`Config`](crate::arcp::Config) was reached: details `{limit,max}` (ours).
    pub fn limit(limit: &'static str, max: u64) -> Fault {
        Fault {
            code: ErrorCode::InternalError,
            message: Cow::Owned(alloc::format!("the runtime's limit {limit} of {max} is reached; try again later")),
            details: Some(alloc::format!("{{\"limit\":\"{limit}\",\"max\":{max}}}")),
        }
    }

    /// The same fault with a details object `{key: text}`.
    pub fn with_detail(mut self, key: &'static str, text: &str) -> Fault {
        let text = serde_json::Value::from(text).to_string();
        self.details = Some(alloc::format!("{{\"{key}\":{text}}}"));
        self
    }
}
