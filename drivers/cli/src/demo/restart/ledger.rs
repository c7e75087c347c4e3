//! Whether everything the journal says was sent came to the client, once, on both sides of the kill.

use std::collections::{BTreeMap, BTreeSet};

use nuncio_tokio::arcp::{FinalStatus, Outcome};
use serde::Deserialize;
use serde_json::Value;

use super::super::say;
use super::watch::Report;
use crate::text::{count, show};

/// A numbered frame, as the journal has it.
pub(super) struct Sent {
    pub(super) seq: u64,
    /// Of an event.
    pub(super) body: Option<Value>,
}

/// What the client received.
#[derive(Default)]
pub(super) struct Ledger {
    /// By number; the bodies of events.
    received: BTreeMap<u64, Option<Value>>,
    twice: u64,
    steps: BTreeMap<&'static str, u64>,
    /// The first end of each job.
    ends: BTreeMap<&'static str, End>,
    resumed: u64,
    kills: u64,
    /// Frames of the journal at the kill, and how many the client had; those it had and the journal not.
    kept: usize,
    seen: usize,
    unkept: usize,
    same_job: bool,
}

/// How a job ended.
#[derive(Debug, PartialEq, Eq)]
enum End {
    Success,
    /// As §12 has it for a runtime that was restarted.
    Restarted,
    Otherwise,
}

#[derive(Deserialize)]
struct Details {
    reason: String,
}

impl Ledger {
    pub(super) fn count(&mut self, report: Report) {
        match report {
            Report::Event(name, event) => {
                *self.steps.entry(name).or_default() += u64::from(Report::is_step(&event));
                self.receive(event.seq, event.body.parse().ok());
            }
            Report::Ended(name, outcome) => {
                self.receive(outcome.seq, None);
                self.ends.entry(name).or_insert_with(|| End::of(&outcome));
            }
            Report::Resumed => self.resumed += 1,
            Report::Lost(_) | Report::Trouble(_) => {}
        }
    }

    fn receive(&mut self, seq: u64, body: Option<Value>) {
        self.twice += u64::from(self.received.insert(seq, body).is_some());
    }

    pub(super) fn steps(&self, job: &str) -> u64 {
        self.steps.get(job).copied().unwrap_or(0)
    }

    pub(super) fn ended(&self, job: &str) -> bool {
        self.ends.contains_key(job)
    }

    /// The runtime was killed, and this is what it leaves.
    pub(super) fn killed(&mut self, left: &[Sent]) {
        let kept: BTreeSet<u64> = left.iter().map(|sent| sent.seq).collect();
        self.kills += 1;
        self.kept = kept.len();
        self.seen = self.received.len();
        self.unkept = self.received.keys().filter(|seq| !kept.contains(seq)).count();
    }

    pub(super) fn at_the_kill(&self) -> String {
        format!(
            "the journal has {} of the session, the client has read {}",
            count(self.kept as u64, "event"),
            self.seen
        )
    }

    /// A job was submitted again with its key.
    pub(super) fn retried(&mut self, same_job: bool) {
        self.same_job = same_job;
    }

    /// States what was received and checks it; the sentence of the first thing that is wrong.
    pub(super) fn close(&self, sent: &[Sent]) -> Result<(), String> {
        let lost = sent.iter().filter(|sent| !self.received.contains_key(&sent.seq)).count();
        let others = sent.iter().filter(|sent| self.received.get(&sent.seq).is_some_and(|body| *body != sent.body));
        let (others, gapless) = (others.count(), sent.iter().map(|sent| sent.seq).eq(1..=sent.len() as u64));
        let received = self.received.len();
        show("");
        say("journal", &format!("sent {}, of which {} before the kill", sent.len(), self.kept));
        say("session", &format!("received {received}, lost {lost}, twice {}, changed {others}", self.twice));
        let ends = |names: &[&str], end: &End| names.iter().filter(|name| self.ends.get(*name) == Some(end)).count();
        let interrupted = ends(&["slow 1", "slow 2"], &End::Restarted);
        let successes = ends(&["progress", "slow 3"], &End::Success);
        say("jobs", &format!("{interrupted} ended by the kill and may be run again, {successes} successes"));
        let checks = [
            (self.kills == 1, "the runtime was to be killed once"),
            (self.resumed >= 1, "the client was to resume its session"),
            (self.unkept == 0, "the client had seen what the journal did not have"),
            (gapless, "the numbers of the session have a gap"),
            (lost == 0, "events were lost"),
            (self.twice == 0, "events came twice"),
            (others == 0, "events are not what was sent"),
            (received == sent.len(), "the client received what was never sent"),
            (interrupted == 2, "the two jobs that ran were to end with INTERNAL_ERROR, retryable"),
            (
                self.same_job && ends(&["retry"], &End::Restarted) == 1,
                "the retry with the same key was to be the same job",
            ),
            (successes == 2, "the job before the kill and the one after were to succeed"),
        ];
        if let Some((_, sentence)) = checks.iter().find(|(holds, _)| !holds) {
            return Err((*sentence).to_owned());
        }
        show("");
        show(&format!("OK: killed {}, restarted {}, resumed {}, lost {lost}.", self.kills, self.kills, self.resumed));
        Ok(())
    }
}

impl End {
    fn of(outcome: &Outcome) -> End {
        let restarted = outcome.fault.as_ref().is_some_and(|fault| {
            let details: Option<Details> = fault.details.as_ref().and_then(|details| details.parse().ok());
            let told = details.is_some_and(|details| details.reason == "runtime restarted");
            fault.code == "INTERNAL_ERROR" && fault.retryable && told
        });
        match outcome.status {
            FinalStatus::Success => End::Success,
            FinalStatus::Error if restarted => End::Restarted,
            FinalStatus::Error | FinalStatus::Cancelled | FinalStatus::TimedOut => End::Otherwise,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(seqs: &[u64]) -> Vec<Sent> {
        seqs.iter().map(|seq| Sent { seq: *seq, body: Some(Value::from(*seq)) }).collect()
    }

    /// Of a client that has read these, where these were sent, and so many of them before the kill.
    fn verdict(received: &[(u64, u64)], seqs: &[u64], before: usize) -> String {
        let mut ledger = Ledger::default();
        ledger.count(Report::Resumed);
        for (seq, body) in received {
            ledger.receive(*seq, Some(Value::from(*body)));
        }
        ledger.killed(&sent(&seqs[..before]));
        ledger.close(&sent(seqs)).expect_err("no job has ended")
    }

    #[test]
    fn what_the_journal_has_not_is_noticed() {
        assert_eq!(verdict(&[(1, 1), (2, 2)], &[1, 2], 1), "the client had seen what the journal did not have");
    }

    #[test]
    fn a_gap_in_the_journal_is_noticed() {
        assert_eq!(verdict(&[(1, 1)], &[1, 3], 2), "the numbers of the session have a gap");
    }

    #[test]
    fn what_did_not_come_is_a_loss() {
        assert_eq!(verdict(&[(1, 1), (3, 3)], &[1, 2, 3], 3), "events were lost");
    }

    #[test]
    fn what_comes_again_is_noticed() {
        assert_eq!(verdict(&[(1, 1), (1, 1)], &[1], 1), "events came twice");
    }

    #[test]
    fn what_changed_is_noticed() {
        assert_eq!(verdict(&[(1, 1), (2, 7)], &[1, 2], 2), "events are not what was sent");
    }

    #[test]
    fn jobs_that_did_not_end_are_noticed() {
        let expected = "the two jobs that ran were to end with INTERNAL_ERROR, retryable";
        assert_eq!(verdict(&[(1, 1)], &[1], 1), expected);
    }
}
