//! Why an agent failed.

use std::error::Error;

use nuncio_core::arcp::{Denied, ErrorCode, Fault, InvalidBody, JobFailure, Json, Refused};
use serde::Serialize;
use serde_json::json;

/// Why an agent failed (§7.3). All of it is sent to the client.
///
/// ```
/// use nuncio_shared::arcp::{ErrorCode, Failure, JobContext};
///
/// async fn print(pages: u32, ctx: JobContext) -> Result<(), Failure> {
///     if pages == 0 {
///         return Err(Failure::invalid("there is nothing to print"));
///     }
///     // The client sees `INTERNAL_ERROR` with the details `{"code": "OUT_OF_PAPER"}`.
///     if pages > 100 {
///         return Err(Failure::custom("OUT_OF_PAPER", "the printer holds 100 pages"));
///     }
///     if ctx.is_cancelled() {
///         return Err(Failure::new(ErrorCode::Cancelled, "the job was cancelled"));
///     }
///     Ok(())
/// }
/// ```
#[derive(Clone, Debug)]
#[must_use = "a job fails when its agent returns the failure"]
pub struct Failure {
    code: String,
    message: String,
    details: Option<Box<Json>>,
}

impl Failure {
    /// Returns a failure with a code of §12.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Failure {
        Failure::custom(code.as_str(), message)
    }

    /// Returns a failure with a code of the agent's own. The client sees `INTERNAL_ERROR`, and `code` among the
    /// details of [`with_details`](Failure::with_details).
    ///
    /// The text of a code of §12 stands for that code, as in [`new`](Failure::new).
    pub fn custom(code: impl Into<String>, message: impl Into<String>) -> Failure {
        Failure { code: code.into(), message: message.into(), details: None }
    }

    /// Returns an `INVALID_REQUEST`: the input is not what the agent takes.
    pub fn invalid(message: impl Into<String>) -> Failure {
        Failure::new(ErrorCode::InvalidRequest, message)
    }

    /// Returns an `INTERNAL_ERROR`.
    pub fn internal(message: impl Into<String>) -> Failure {
        Failure::new(ErrorCode::InternalError, message)
    }

    /// Adds details, which must be a JSON object; any other value is ignored.
    pub fn with_details(mut self, details: &impl Serialize) -> Failure {
        let raw = serde_json::value::to_raw_value(details).ok();
        self.details = raw.filter(|raw| raw.get().starts_with('{'));
        self
    }
}

/// Turns errors that a client may see into a [`Failure`].
///
/// `?` alone does not take the errors of other libraries, since their texts may show what no client should see.
///
/// ```
/// use nuncio_shared::arcp::{Failure, JobContext, OrFail as _};
///
/// async fn count_words(path: String, ctx: JobContext) -> Result<usize, Failure> {
///     ctx.authorize("fs.read", &path)?;
///     let text = std::fs::read_to_string(&path).or_fail("the text cannot be read")?;
///     Ok(text.split_whitespace().count())
/// }
/// ```
///
/// The error of a `Result` is one of any type that converts into a boxed error: a [`std::error::Error`], a
/// `Box<dyn Error + Send + Sync>`, an `anyhow::Error`.
pub trait OrFail<T> {
    /// Returns the value, or an `INTERNAL_ERROR` with this sentence as its message.
    ///
    /// The texts of an error and of its sources are sent to the client as `cause` in the details. To show less than that,
    /// use `map_err` with [`Failure::internal`].
    fn or_fail(self, message: impl Into<String>) -> Result<T, Failure>;
}

impl<T, E: Into<Box<dyn Error + Send + Sync>>> OrFail<T> for Result<T, E> {
    fn or_fail(self, message: impl Into<String>) -> Result<T, Failure> {
        self.map_err(|error| {
            let error: Box<dyn Error + Send + Sync> = error.into();
            Failure::internal(message).with_details(&json!({ "cause": cause(&*error) }))
        })
    }
}

impl<T> OrFail<T> for Option<T> {
    fn or_fail(self, message: impl Into<String>) -> Result<T, Failure> {
        self.ok_or_else(|| Failure::internal(message))
    }
}

/// Returns the texts of an error and its sources.
fn cause(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        let more = source.to_string();
        // Some errors have the text of their source in their own.
        if !text.ends_with(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        next = source.source();
    }
    text
}

impl From<Fault> for Failure {
    fn from(fault: Fault) -> Failure {
        let details = fault.details.and_then(|details| serde_json::from_str(&details).ok());
        Failure { details, ..Failure::new(fault.code, fault.message) }
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

impl From<InvalidBody> for Failure {
    fn from(invalid: InvalidBody) -> Failure {
        Failure::internal(invalid.to_string())
    }
}

impl From<Failure> for JobFailure {
    fn from(failure: Failure) -> JobFailure {
        JobFailure { code: failure.code, message: failure.message, details: failure.details }
    }
}
