//! Why an agent failed.

use nuncio_core::arcp::{self, Denied, ErrorCode, Fault, Json, Refused};
use serde::Serialize;

/// Why an agent failed (§7.3). All of it is sent to the client.
#[derive(Clone, Debug)]
pub struct Failure {
    code: String,
    message: String,
    details: Option<Box<Json>>,
}

impl Failure {
    /// Returns a failure with a code, preferably one of [`ErrorCode`]. The client sees any other code as `INTERNAL_ERROR`
    /// with the code in the details.
    pub fn new(code: impl AsRef<str>, message: impl Into<String>) -> Failure {
        Failure { code: code.as_ref().to_owned(), message: message.into(), details: None }
    }

    /// Returns an `INVALID_REQUEST`: the input is not what the agent takes.
    pub fn invalid(message: impl Into<String>) -> Failure {
        Failure::new(ErrorCode::InvalidRequest.as_str(), message)
    }

    /// Returns an `INTERNAL_ERROR`.
    pub fn internal(message: impl Into<String>) -> Failure {
        Failure::new(ErrorCode::InternalError.as_str(), message)
    }

    /// Adds details, which must be a JSON object; any other value is ignored.
    pub fn with_details(mut self, details: &impl Serialize) -> Failure {
        let raw = serde_json::value::to_raw_value(details).ok();
        self.details = raw.filter(|raw| raw.get().starts_with('{'));
        self
    }
}

impl From<Fault> for Failure {
    fn from(fault: Fault) -> Failure {
        let details = fault.details.and_then(|details| serde_json::from_str(&details).ok());
        Failure { details, ..Failure::new(fault.code.as_str(), fault.message) }
    }
}

impl From<Denied> for Failure {
    fn from(denied: Denied) -> Failure {
        denied.fault().into()
    }
}

impl From<Refused> for Failure {
    fn from(refused: Refused) -> Failure {
        Failure::internal(refused.to_string())
    }
}

impl From<arcp::InvalidBody> for Failure {
    fn from(invalid: arcp::InvalidBody) -> Failure {
        Failure::internal(invalid.to_string())
    }
}

impl From<Failure> for arcp::Failure {
    fn from(failure: Failure) -> arcp::Failure {
        arcp::Failure { code: failure.code, message: failure.message, details: failure.details }
    }
}
