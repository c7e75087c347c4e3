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

#[cfg(test)]
mod tests {
    use super::*;

    fn json(text: &str) -> Box<Json> {
        serde_json::from_str(text).unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    /// How a job ends: its result, or the debug form of its failure.
    fn end(success: bool, say: impl FnOnce(&mut Ending)) -> String {
        let mut ending = Ending::default();
        say(&mut ending);
        match ending.conclude(success, "ended with exit status 3", &serde_json::json!({"exit_status": 3})) {
            Ok(Output::Inline(json)) => json.get().to_owned(),
            Ok(Output::Streamed { .. }) => "streamed".to_owned(),
            Err(failure) => format!("{failure:?}"),
        }
    }

    #[test]
    fn a_program_gives_one_result_in_one_way() {
        let mut ending = Ending::default();
        assert_eq!(ending.result(json("1")), Ok(()));
        assert!(ending.result(json("2")).is_err_and(|why| why.contains("the first one counts")));
        assert!(ending.chunk().is_err_and(|why| why.contains("as a whole")));
        let mut ending = Ending::default();
        assert_eq!((ending.chunk(), ending.chunk()), (Ok(()), Ok(())));
        assert!(ending.result(json("1")).is_err_and(|why| why.contains("as chunks")));
        let mut ending = Ending::default();
        assert_eq!(ending.failure(Failure::internal("first")), Ok(()));
        assert!(ending.failure(Failure::internal("second")).is_err());
    }

    #[test]
    fn a_job_ends_as_its_program_says_or_exits() {
        assert_eq!(end(true, |_| ()), "null");
        assert_eq!(end(true, |ending| assert_eq!(ending.result(json("7")), Ok(()))), "7");
        assert_eq!(end(true, |ending| assert_eq!(ending.chunk(), Ok(()))), "streamed");
        for success in [true, false] {
            let said = end(success, |ending| {
                assert_eq!(ending.result(json("7")), Ok(()));
                assert_eq!(ending.failure(Failure::internal("no money")), Ok(()));
                ending.unreadable(1, "it is cut off");
            });
            assert!(said.contains("no money"), "{said}");
        }
        let said = end(false, |ending| assert_eq!(ending.result(json("7")), Ok(())));
        assert!(
            said.contains("the program of the agent ended with exit status 3") && said.contains("exit_status"),
            "{said}"
        );
    }

    #[test]
    fn the_first_line_that_cannot_be_read_fails_the_job() {
        let said = end(true, |ending| {
            assert_eq!(ending.result(json("7")), Ok(()));
            ending.unreadable(2, "it is cut off");
            ending.unreadable(3, "it is too long");
        });
        assert!(said.contains("line 2 of the program's output cannot be read: it is cut off"), "{said}");
        assert!(!said.contains("line 3"), "{said}");
    }

    #[test]
    fn a_line_that_is_no_message_fails_a_job_without_a_result() {
        let said = end(true, |ending| {
            ending.unknown(4, "it has a member that is not known");
            ending.unknown(5, "another");
        });
        assert!(said.contains("the program gave no result, and line 4 is no message"), "{said}");
        assert_eq!(
            end(true, |ending| {
                ending.unknown(4, "why");
                assert_eq!(ending.result(json("7")), Ok(()));
            }),
            "7"
        );
        assert_eq!(
            end(true, |ending| {
                ending.unknown(4, "why");
                assert_eq!(ending.chunk(), Ok(()));
            }),
            "streamed"
        );
    }
}
