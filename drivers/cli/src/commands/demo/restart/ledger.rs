//! Checks that the client received everything that the journal says was sent, once, before and after the kill.

use std::collections::{BTreeMap, BTreeSet};

use nuncio_tokio::arcp::{FinalStatus, Outcome};
use serde::Deserialize;
use serde_json::Value;
use tokio::sync::mpsc::UnboundedReceiver;

use super::reports::Report;
use crate::commands::demo::narration::narrate;
use crate::commands::demo::session::SessionReport;
use crate::text::{count, print_line};

/// A numbered frame in the journal.
pub(super) struct Sent {
    pub(super) seq: u64,
    /// The body, if the frame is an event.
    pub(super) body: Option<Value>,
}

/// What the client received.
#[derive(Default)]
pub(super) struct Ledger {
    /// The bodies of events, by the number of their frame.
    received: BTreeMap<u64, Option<Value>>,
    twice: u64,
    steps: BTreeMap<&'static str, u64>,
    /// The first end of each job.
    ends: BTreeMap<&'static str, End>,
    resumed: u64,
    kills: u64,
    /// Frames in the journal at the kill.
    stored: usize,
    /// Frames that the client had received at the kill.
    seen: usize,
    /// Those of them that the journal did not have.
    unstored: usize,
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
                self.receive(event.seq, event.body.parse().ok());
            }
            Report::Ended(name, outcome) => {
                self.receive(outcome.seq, None);
                self.ends.entry(name).or_insert_with(|| End::of(&outcome));
            }
            Report::Session(SessionReport::Resumed) => self.resumed += 1,
            Report::Session(SessionReport::Lost(_) | SessionReport::Trouble(_)) => {}
        }
    }

    fn receive(&mut self, seq: u64, body: Option<Value>) {
        self.twice += u64::from(self.received.insert(seq, body).is_some());
    }

    pub(super) fn steps(&self, job: &str) -> u64 {
        self.steps.get(job).copied().unwrap_or(0)
    }

    pub(super) fn resumed(&self) -> bool {
        self.resumed > 0
    }

    pub(super) fn ended(&self, job: &str) -> bool {
        self.ends.contains_key(job)
    }

    /// Compares what the client has received with what the killed runtime has left in the journal.
    pub(super) fn killed(&mut self, left: &[Sent]) {
        let stored: BTreeSet<u64> = left.iter().map(|sent| sent.seq).collect();
        self.kills += 1;
        self.stored = stored.len();
        self.seen = self.received.len();
        self.unstored = self.received.keys().filter(|seq| !stored.contains(seq)).count();
    }

    /// Receives, prints and counts reports until `condition` holds.
    pub(super) async fn until(&mut self, inbox: &mut UnboundedReceiver<Report>, condition: impl Fn(&Ledger) -> bool) {
        while !condition(self) {
            let Some(report) = inbox.recv().await else { return };
            report.narrate();
            self.count(report);
        }
    }

    /// The journal and the client at the kill, in a sentence.
    pub(super) fn at_the_kill(&self) -> String {
        format!(
            "the journal has {} of the session, the client has received {}",
            count(self.stored as u64, "event"),
            self.seen
        )
    }

    /// Notes whether submitting again with the same key returned the same job.
    pub(super) fn retried(&mut self, same_job: bool) {
        self.same_job = same_job;
    }

    /// Prints what was received and checks it. The error is the first thing that is wrong.
    pub(super) fn close(&self, sent: &[Sent]) -> Result<(), String> {
        let lost = sent.iter().filter(|sent| !self.received.contains_key(&sent.seq)).count();
        let changed = sent.iter().filter(|sent| self.received.get(&sent.seq).is_some_and(|body| *body != sent.body));
        let (changed, gapless) = (changed.count(), sent.iter().map(|sent| sent.seq).eq(1..=sent.len() as u64));
        let received = self.received.len();
        print_line("");
        narrate("journal", &format!("sent {}, of which {} before the kill", sent.len(), self.stored));
        narrate("session", &format!("received {received}, lost {lost}, twice {}, changed {changed}", self.twice));
        let ends = |names: &[&str], end: &End| names.iter().filter(|name| self.ends.get(*name) == Some(end)).count();
        let interrupted = ends(&["slow 1", "slow 2"], &End::Restarted);
        let successes = ends(&["progress", "slow 3"], &End::Success);
        narrate("jobs", &format!("{interrupted} ended by the kill and can be retried, {successes} succeeded"));
        let checks = [
            (self.kills == 1, "the runtime was not killed exactly once"),
            (self.resumed >= 1, "the client did not resume its session"),
            (self.unstored == 0, "the client had received events that the journal did not have"),
            (gapless, "the numbers of the session have a gap"),
            (lost == 0, "events were lost"),
            (self.twice == 0, "events were received twice"),
            (changed == 0, "events were changed"),
            (received == sent.len(), "the client received events that were never sent"),
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
        print_line(&format!(
            "OK: killed {}, restarted {}, resumed {}, lost {lost}.",
            self.kills, self.kills, self.resumed
        ));
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

    fn sent(seqs: &[u64]) -> Vec<Sent> {
        seqs.iter().map(|seq| Sent { seq: *seq, body: Some(Value::from(*seq)) }).collect()
    }

    /// The error for a client that has received these frames, if `seqs` were sent, `before` of them before the kill.
    fn error(received: &[(u64, u64)], seqs: &[u64], before: usize) -> String {
        let mut ledger = Ledger::default();
        ledger.count(SessionReport::Resumed.into());
        for (seq, body) in received {
            ledger.receive(*seq, Some(Value::from(*body)));
        }
        ledger.killed(&sent(&seqs[..before]));
        ledger.close(&sent(seqs)).expect_err("no job has ended")
    }

    #[test]
    fn an_event_missing_from_the_journal_is_noticed() {
        assert_eq!(
            error(&[(1, 1), (2, 2)], &[1, 2], 1),
            "the client had received events that the journal did not have"
        );
    }

    #[test]
    fn a_gap_in_the_journal_is_noticed() {
        assert_eq!(error(&[(1, 1)], &[1, 3], 2), "the numbers of the session have a gap");
    }

    #[test]
    fn a_missing_event_is_a_loss() {
        assert_eq!(error(&[(1, 1), (3, 3)], &[1, 2, 3], 3), "events were lost");
    }

    #[test]
    fn a_repeated_event_is_noticed() {
        assert_eq!(error(&[(1, 1), (1, 1)], &[1], 1), "events were received twice");
    }

    #[test]
    fn a_changed_event_is_noticed() {
        assert_eq!(error(&[(1, 1), (2, 7)], &[1, 2], 2), "events were changed");
    }

    #[test]
    fn a_job_that_did_not_end_is_noticed() {
        let expected = "the two running jobs did not end with INTERNAL_ERROR, retryable";
        assert_eq!(error(&[(1, 1)], &[1], 1), expected);
    }
}
