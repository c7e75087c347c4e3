//! Why the demonstration has failed.

use std::fmt;

use crate::error::Error;

/// Why the demonstration has failed.
#[derive(Debug)]
pub(super) struct Failure(pub(super) Error);

impl Failure {
    pub(super) fn check(what: impl fmt::Display) -> Failure {
        Failure(Error::NotFound(format!("the check failed: {what}")))
    }

    pub(super) fn system(error: std::io::Error) -> Failure {
        Failure(Error::System(error))
    }
}

impl<E: std::error::Error> From<E> for Failure {
    fn from(error: E) -> Failure {
        Failure::check(error)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}
