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
    /// The ends of each job. The client receives the end again if it submits the job again with its key.
    ends: BTreeMap<&'static str, Vec<End>>,
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
                self.ends.entry(name).or_default().push(End::of(&outcome));
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

    /// How often the client has received the end of a job.
    pub(super) fn ends(&self, job: &str) -> usize {
        self.ends.get(job).map_or(0, Vec::len)
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
    pub(super) fn resubmitted(&mut self, same_job: bool) {
        self.same_job = same_job;
    }

    /// Prints what was received and checks it. The error is the first thing that is wrong.
    pub(super) fn close(&self, sent: &[Sent]) -> Result<(), String> {
        print_line("");
        let checked = self.stream.check(sent);
        let all = |name: &str, end: &End| self.ends.get(name).is_some_and(|ends| ends.iter().all(|each| each == end));
        let with = |names: [&'static str; 2], end: &End| names.into_iter().filter(|name| all(name, end)).collect();
        let interrupted: Vec<&str> = with(["slow 1", "slow 2"], &End::Restarted);
        let successes: Vec<&str> = with(["progress", "slow 3"], &End::Success);
        let counted = |names: &[&str], what: &str| format!("{} {what} ({})", names.len(), names.join(", "));
        let ended = counted(&interrupted, "ended by the kill");
        narrate("jobs", &format!("{ended}, {}", counted(&successes, "succeeded")));
        checked?;
        let checks = [
            (interrupted.len() == 2, "the two running jobs did not end with INTERNAL_ERROR, retryable"),
            (self.same_job && self.ends("slow 1") == 2, "the submit with the same key did not return the same job"),
            (successes.len() == 2, "the job before the kill or the one after it did not succeed"),
        ];
        if let Some((_, sentence)) = checks.iter().find(|(holds, _)| !holds) {
            return Err((*sentence).to_owned());
        }
        print_line("");
        print_line(&format!("OK: {}, events lost 0.", self.stream.summary()));
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
