//! `session.error`, and the error members of a terminal (§12).

use alloc::string::String;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::maybe::Maybe;
use super::raw::Raw;
use crate::arcp::wire::error::ErrorCode;
use crate::json::Text;

/// An error that a runtime sent. Any code is accepted, and `retryable` is what the runtime says.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{code}: {message}")]
pub struct RemoteFault {
    /// The code as it was written. [`RemoteFault::known`] parses it.
    pub code: String,
    /// A sentence for people.
    pub message: String,
    /// Whether a retry can help, as the runtime says.
    pub retryable: bool,
    /// The `details`, unless they are `null`.
    pub details: Option<Raw>,
}

impl RemoteFault {
    /// Returns the code, if it is one of §12.
    pub fn known(&self) -> Option<ErrorCode> {
        ErrorCode::parse(&self.code)
    }
}

/// A `session.error`, or the error members of a `job.error`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Error<'a> {
    #[serde(borrow)]
    pub(crate) request_id: Maybe<Text<'a>>,
    #[serde(borrow)]
    code: Maybe<Text<'a>>,
    #[serde(borrow)]
    message: Maybe<Text<'a>>,
    retryable: Maybe<bool>,
    #[serde(borrow)]
    details: Option<&'a RawValue>,
}

impl Error<'_> {
    /// Returns the fault, if there is a code.
    pub(crate) fn fault(&self, frame: &Bytes) -> Option<RemoteFault> {
        Some(RemoteFault {
            code: self.code.owned()?,
            message: self.message.owned().unwrap_or_default(),
            retryable: self.retryable.0.unwrap_or_default(),
            details: Raw::unless_null(frame, self.details),
        })
    }

    /// Returns whether this refuses a submit because its idempotency key belongs to `job` (§7.2).
    pub(crate) fn is_duplicate_of(&self, job: &str) -> bool {
        #[derive(Deserialize)]
        struct Details<'a> {
            #[serde(borrow)]
            existing_job_id: Text<'a>,
        }
        let details = self.details.and_then(|json| serde_json::from_str::<Details<'_>>(json.get()).ok());
        self.code.as_str() == Some(ErrorCode::DuplicateKey.as_str())
            && details.is_some_and(|details| details.existing_job_id.as_str() == job)
    }
}
