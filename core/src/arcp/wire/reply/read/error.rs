//! `session.error`, and the faults that runtimes report (§12).

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

    /// Returns the fault of the error members of a payload, if there is a code.
    pub(super) fn read(
        frame: &Bytes,
        code: &Maybe<Text<'_>>,
        message: &Maybe<Text<'_>>,
        retryable: &Maybe<bool>,
        details: Option<&RawValue>,
    ) -> Option<RemoteFault> {
        Some(RemoteFault {
            code: code.owned()?,
            message: message.owned().unwrap_or_default(),
            retryable: retryable.0.unwrap_or_default(),
            details: Raw::unless_null(frame, details),
        })
    }
}

/// A `session.error`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Error<'a> {
    #[serde(borrow)]
    code: Maybe<Text<'a>>,
    #[serde(borrow)]
    message: Maybe<Text<'a>>,
    retryable: Maybe<bool>,
    #[serde(borrow)]
    details: Option<&'a RawValue>,
    /// The `details` of the C# SDK: a text.
    #[serde(borrow)]
    detail: Option<&'a RawValue>,
}

impl Error<'_> {
    /// Returns the fault, if there is a code.
    pub(crate) fn fault(&self, frame: &Bytes) -> Option<RemoteFault> {
        RemoteFault::read(frame, &self.code, &self.message, &self.retryable, self.details.or(self.detail))
    }
}
