//! How a job ends, as the messages of its program and its exit say. No IO.

use nuncio_tokio::arcp::{Failure, Json, Output};
use serde::Serialize;

/// How a program says that its job ends, before the program itself ends.
#[derive(Debug, Default)]
pub(crate) struct Ending {
    result: Option<Box<Json>>,
    failure: Option<Failure>,
    streamed: bool,
    /// The first line that could not be read, and why.
    unreadable: Option<String>,
    /// The first line that may have been a misspelled result, and why it was none.
    unknown: Option<String>,
}

impl Ending {
    pub(crate) fn result(&mut self, result: Box<Json>) -> Result<(), &'static str> {
        if self.streamed {
            return Err("the result is already being streamed as chunks");
        }
        if self.result.is_some() {
            return Err("the result was already given; the first one counts");
        }
        self.result = Some(result);
        Ok(())
    }

    pub(crate) fn chunk(&mut self) -> Result<(), &'static str> {
        if self.result.is_some() {
            return Err("the result was already given as a whole");
        }
        self.streamed = true;
        Ok(())
    }

    pub(crate) fn failure(&mut self, failure: Failure) -> Result<(), &'static str> {
        if self.failure.is_some() {
            return Err("the error was already given; the first one counts");
        }
        self.failure = Some(failure);
        Ok(())
    }

    /// Notes a line that could not be read, without which the job must not succeed.
    pub(crate) fn unreadable(&mut self, line: u64, reason: &str) {
        self.unreadable.get_or_insert_with(|| format!("line {line} of the program's output cannot be read: {reason}"));
    }

    /// Notes a line that may have been a misspelled result, without which the job succeeds only if it has another one.
    pub(crate) fn unknown(&mut self, line: u64, reason: &str) {
        self.unknown
            .get_or_insert_with(|| format!("the program gave no result, and line {line} is no message: {reason}"));
    }

    /// How the job ends, after the program has ended as `ended` says.
    pub(crate) fn conclude(self, success: bool, ended: &str, details: &impl Serialize) -> Result<Output, Failure> {
        match (self.failure, self.unreadable, success) {
            (Some(failure), ..) => Err(failure),
            (None, _, false) => {
                Err(Failure::internal(format!("the program of the agent {ended}")).with_details(details))
            }
            (None, Some(unreadable), true) => Err(Failure::internal(unreadable).with_details(details)),
            (None, None, true) if self.streamed => Ok(Output::Streamed { summary: None }),
            (None, None, true) if self.result.is_none() && self.unknown.is_some() => {
                Err(Failure::internal(self.unknown.unwrap_or_default()).with_details(details))
            }
            (None, None, true) => Ok(Output::Inline(self.result.unwrap_or_else(|| Json::NULL.to_owned()))),
        }
    }
}
