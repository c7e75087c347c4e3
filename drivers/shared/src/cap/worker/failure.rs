//! Why a handler has failed.

use std::error::Error;

use nuncio_core::cap::{ErrorCode, FailureKind, JobFailure};

/// Why a handler has failed. Its message is sent to the submitter, unless the worker's
/// [`share_errors`](nuncio_core::cap::WorkerConfig::share_errors) is off.
///
/// Every error of the standard library's trait turns into a failure by `?`: another attempt may help, and the message is the
/// error's text with those of its sources.
///
/// ```
/// use nuncio_shared::cap::{ErrorCode, Failure, JobContext};
///
/// async fn print(ctx: JobContext, pages: String) -> Result<u32, Failure> {
///     let pages: u32 = pages.parse()?;
///     match pages {
///         0 => Err(Failure::invalid_input("there is nothing to print")),
///         1..=100 => Ok(pages),
///         // A code of the application's own is from 1000 to 9999.
///         101..=999 => Err(Failure::retryable("the printer is out of paper").code(ErrorCode(1_001))),
///         _ => Err(Failure::fatal("no printer takes that much")),
///     }
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "a job fails when its handler returns the failure"]
pub struct Failure {
    kind: FailureKind,
    code: ErrorCode,
    message: String,
}

impl Failure {
    /// Returns a failure after which the worker tries again as its settings say; the last one is `FAILED`.
    pub fn new(message: impl Into<String>) -> Failure {
        Failure::of(FailureKind::Plain, message)
    }

    /// The same, but the last one is `FAILED_RETRYABLE`, so that a router tries the job again, on this worker or on
    /// another one.
    pub fn retryable(message: impl Into<String>) -> Failure {
        Failure::of(FailureKind::Retryable, message)
    }

    /// Returns a failure that no further attempt can avoid: `FAILED_FATAL` at once.
    pub fn fatal(message: impl Into<String>) -> Failure {
        Failure::of(FailureKind::Fatal, message)
    }

    /// Returns a failure of the input: `FAILED` with `JOB_INVALID_INPUT` at once.
    pub fn invalid_input(message: impl Into<String>) -> Failure {
        Failure::of(FailureKind::Input, message).code(ErrorCode::JOB_INVALID_INPUT)
    }

    fn of(kind: FailureKind, message: impl Into<String>) -> Failure {
        Failure { kind, code: ErrorCode::UNSPECIFIED, message: message.into() }
    }

    /// Sets the code. One of an application is from 1000 to 9999.
    pub fn code(mut self, code: ErrorCode) -> Failure {
        self.code = code;
        self
    }

    /// Returns the message.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Returns whether another attempt may help.
    pub fn kind(&self) -> FailureKind {
        self.kind
    }
}

impl<E: Error + Send + Sync + 'static> From<E> for Failure {
    fn from(error: E) -> Failure {
        let mut message = error.to_string();
        let mut next = error.source();
        while let Some(source) = next {
            let more = source.to_string();
            // Some errors have the text of their source in their own.
            if !message.ends_with(&more) {
                message.push_str(": ");
                message.push_str(&more);
            }
            next = source.source();
        }
        Failure::new(message)
    }
}

impl From<Failure> for JobFailure {
    fn from(failure: Failure) -> JobFailure {
        JobFailure { kind: failure.kind, code: failure.code, message: failure.message }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("{text}")]
    struct Caused {
        text: &'static str,
        source: Option<Box<Caused>>,
    }

    #[test]
    fn the_message_of_an_error_has_the_causes_that_it_does_not_name_itself() {
        let caused = |text, source: Option<Caused>| Caused { text, source: source.map(Box::new) };
        let disk = || caused("no disk", None);
        let named = caused("cannot save: no disk", Some(disk()));
        assert_eq!(Failure::from(named).message(), "cannot save: no disk");
        let unnamed = caused("cannot run", Some(caused("cannot save", Some(disk()))));
        assert_eq!(Failure::from(unnamed).message(), "cannot run: cannot save: no disk");
    }
}
