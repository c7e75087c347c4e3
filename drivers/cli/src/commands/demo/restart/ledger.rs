//! Checks that the client received everything that the journal says was sent, once, before and after the kill.

use std::collections::BTreeMap;

use nuncio_tokio::arcp::{FinalStatus, Outcome};
use serde::Deserialize;
use tokio::sync::mpsc::UnboundedReceiver;

use crate::commands::demo::narration::narrate;
use crate::commands::demo::reports::Report;
use crate::commands::demo::stream::{Sent, Stream};
use crate::text::print_line;

/// What the client received.
#[derive(Default)]
pub(super) struct Ledger {
    stream: Stream,
    steps: BTreeMap<&'static str, u64>,
    /// The first end of each job.
    ends: BTreeMap<&'static str, End>,
    same_job: bool,
}

/// How a job ended.
#[derive(Debug, PartialEq, Eq)]
enum End {
    Success,
    /// The error of a job that was interrupted by a restart.
    Restarted,
    Other,
}

#[derive(Deserialize)]
struct Details {
    reason: String,
}

impl Ledger {
    fn count(&mut self, report: Report) {
        match report {
            Report::Event(name, event) => {
                *self.steps.entry(name).or_default() += u64::from(Report::is_step(&event));
                self.stream.receive(event.seq, event.body.parse().ok());
            }
            Report::Ended(name, outcome) => {
                self.stream.receive(outcome.seq, None);
                self.ends.entry(name).or_insert_with(|| End::of(&outcome));
            }
            Report::Session(report) => self.stream.session(&report),
        }
    }

    pub(super) fn steps(&self, job: &str) -> u64 {
        self.steps.get(job).copied().unwrap_or(0)
    }

    pub(super) fn resumed(&self) -> bool {
        self.stream.resumed()
    }

    pub(super) fn ended(&self, job: &str) -> bool {
        self.ends.contains_key(job)
    }

    /// Compares what the client has received with what the killed runtime has left in the journal. Returns a sentence about it.
    pub(super) fn killed(&mut self, left: &[Sent]) -> String {
        self.stream.killed(left);
        self.stream.at_the_kill()
    }

    /// Receives, prints and counts reports until `condition` holds.
    pub(super) async fn until(&mut self, inbox: &mut UnboundedReceiver<Report>, condition: impl Fn(&Ledger) -> bool) {
        while !condition(self) {
            let Some(report) = inbox.recv().await else { return };
            report.narrate();
            self.count(report);
        }
    }

    /// Notes whether submitting again with the same key returned the same job.
    pub(super) fn retried(&mut self, same_job: bool) {
        self.same_job = same_job;
    }

    /// Prints what was received and checks it. The error is the first thing that is wrong.
    pub(super) fn close(&self, sent: &[Sent]) -> Result<(), String> {
        print_line("");
        let checked = self.stream.check(sent);
        let ends = |names: &[&str], end: &End| names.iter().filter(|name| self.ends.get(*name) == Some(end)).count();
        let interrupted = ends(&["slow 1", "slow 2"], &End::Restarted);
        let successes = ends(&["progress", "slow 3"], &End::Success);
        narrate("jobs", &format!("{interrupted} ended by the kill and can be retried, {successes} succeeded"));
        checked?;
        let checks = [
            (interrupted == 2, "the two running jobs did not end with INTERNAL_ERROR, retryable"),
            (
                self.same_job && ends(&["retry"], &End::Restarted) == 1,
                "the retry with the same key is not the same job",
            ),
            (successes == 2, "the job before the kill or the one after it did not succeed"),
        ];
        if let Some((_, sentence)) = checks.iter().find(|(holds, _)| !holds) {
            return Err((*sentence).to_owned());
        }
        print_line("");
        print_line(&format!("OK: {}, lost 0.", self.stream.summary()));
        Ok(())
    }
}

impl End {
    fn of(outcome: &Outcome) -> End {
        let restarted = outcome.fault.as_ref().is_some_and(|fault| {
            let details: Option<Details> = fault.details.as_ref().and_then(|details| details.parse().ok());
            let is_reason = details.is_some_and(|details| details.reason == "runtime restarted");
            fault.code == "INTERNAL_ERROR" && fault.retryable && is_reason
        });
        match outcome.status {
            FinalStatus::Success => End::Success,
            FinalStatus::Error if restarted => End::Restarted,
            FinalStatus::Error | FinalStatus::Cancelled | FinalStatus::TimedOut => End::Other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::demo::session::SessionReport;

    #[test]
    fn a_job_that_did_not_end_is_noticed() {
        let mut ledger = Ledger::default();
        ledger.count(SessionReport::Resumed.into());
        ledger.killed(&[]);
        let expected = "the two running jobs did not end with INTERNAL_ERROR, retryable";
        assert_eq!(ledger.close(&[]), Err(expected.to_owned()));
    }
}
