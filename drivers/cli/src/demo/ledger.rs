//! Whether everything that was sent was received, once, and what it cost.

use std::collections::BTreeSet;

use nuncio_core::budget::{Amount, Amounts, Budget, parse_amount};
use nuncio_tokio::arcp::{EventKind, FinalStatus, JobEvent, Product};
use serde::Deserialize;

use super::agents::{Emitted, PIECES};
use super::follow::{Metric, Report};
use super::say;
use crate::text::show;

const CURRENCY: &str = "USD";
/// What the agents charge: 0.15 and 0.25, and 0.20 in the delegated job.
const EXPECTED: &str = "0.6";

/// What the client received.
pub(super) struct Ledger {
    /// Numbers of events in the session.
    seqs: BTreeSet<u64>,
    twice: u64,
    /// Events that agents emitted, not the runtime.
    of_agents: u64,
    chunks: u64,
    bytes: usize,
    refused_tools: u64,
    resumed: u64,
    /// The client's own account of the charges it saw.
    budget: Budget,
    /// What the runtime says of the parent's budget.
    remaining: Option<Amount>,
    parent: Option<FinalStatus>,
    child: Option<FinalStatus>,
    result_complete: bool,
}

#[derive(Deserialize)]
struct Status {
    phase: String,
}

#[derive(Deserialize)]
struct Returned {
    error: Option<Denial>,
}

#[derive(Deserialize)]
struct Denial {
    code: String,
}

impl Ledger {
    pub(super) fn new(granted: &str) -> Ledger {
        let mut amounts = Amounts::new();
        if let Ok((currency, amount)) = parse_amount(granted) {
            // The first amount of a currency cannot overflow.
            let _infallible = amounts.add(currency, amount);
        }
        Ledger {
            seqs: BTreeSet::new(),
            twice: 0,
            of_agents: 0,
            chunks: 0,
            bytes: 0,
            refused_tools: 0,
            resumed: 0,
            budget: Budget::new(amounts),
            remaining: None,
            parent: None,
            child: None,
            result_complete: false,
        }
    }

    pub(super) fn count(&mut self, report: &Report) {
        match report {
            Report::Event { child, event } => self.event(*child, event),
            Report::Chunk { seq, bytes } => {
                self.received(*seq);
                self.of_agents += 1;
                self.chunks += 1;
                self.bytes += bytes;
            }
            Report::Ended { child, outcome } => {
                self.received(outcome.seq);
                if *child {
                    self.child = Some(outcome.status);
                } else {
                    self.parent = Some(outcome.status);
                    self.result_complete = matches!(outcome.result, Product::Streamed { complete: true, .. });
                }
            }
            Report::Resumed => self.resumed += 1,
            Report::Delegated { .. } | Report::Lost { .. } | Report::Trouble(_) => {}
        }
    }

    /// Whether both jobs have ended.
    pub(super) fn is_complete(&self) -> bool {
        self.parent.is_some() && self.child.is_some()
    }

    fn received(&mut self, seq: u64) {
        if !self.seqs.insert(seq) {
            self.twice += 1;
        }
    }

    fn event(&mut self, child: bool, event: &JobEvent) {
        self.received(event.seq);
        let of_runtime = match event.kind {
            EventKind::Status => event.body.parse::<Status>().is_ok_and(|status| status.phase == "running"),
            EventKind::Metric => event.body.parse().is_ok_and(|metric| self.metric(child, &metric)),
            EventKind::ToolResult => {
                let denial = event.body.parse::<Returned>().ok().and_then(|returned| returned.error);
                self.refused_tools += u64::from(denial.is_some_and(|denial| denial.code == "PERMISSION_DENIED"));
                false
            }
            EventKind::Log
            | EventKind::Thought
            | EventKind::ToolCall
            | EventKind::ArtifactRef
            | EventKind::Delegate
            | EventKind::Progress
            | EventKind::ResultChunk
            | EventKind::Other(_) => false,
        };
        self.of_agents += u64::from(!of_runtime);
    }

    /// Whether it is the runtime's own.
    fn metric(&mut self, child: bool, metric: &Metric<'_>) -> bool {
        let Ok(amount) = Amount::from_json_number(metric.value.get()) else { return false };
        if metric.name == "cost.budget.remaining" {
            if !child {
                self.remaining = Some(amount);
            }
            return true;
        }
        // A cost that cannot be counted is missed at the end.
        drop(self.budget.spend(CURRENCY, amount));
        false
    }

    /// States what was received and checks it; the sentence of the first thing that is wrong.
    pub(super) fn close(&self, emitted: &Emitted, cuts: u32) -> Result<(), String> {
        let numbered = self.seqs.last().copied().unwrap_or(0);
        let received = self.seqs.len() as u64;
        let lost = numbered.saturating_sub(received) + emitted.count().saturating_sub(self.of_agents);
        let own = self.budget.remaining_of(CURRENCY);
        let shown = |amount: Option<Amount>| amount.map_or_else(|| "nothing known".to_owned(), |is| is.to_string());
        let spent = self.budget.spent_of(CURRENCY);
        show("");
        say("agents", &format!("sent {}, received {}", emitted.count(), self.of_agents));
        say("session", &format!("sent {numbered}, received {received}, lost {lost}, twice {}", self.twice));
        say("result", &format!("{} bytes in {} chunks", self.bytes, self.chunks));
        say(
            "budget",
            &format!("spent USD {} of 1.00; USD {} remain, says the runtime", shown(spent), shown(self.remaining)),
        );
        let success = Some(FinalStatus::Success);
        let checks = [
            (cuts == 1, "the connection was to be cut once"),
            (self.resumed >= 1, "the client was to resume its session"),
            (lost == 0, "events were lost"),
            (self.twice == 0, "events came twice"),
            (emitted.count() == self.of_agents, "the client saw other events than the agents emitted"),
            (self.parent == success && self.child == success, "both jobs were to succeed"),
            (self.refused_tools == 1, "the lease was to refuse one tool call"),
            (self.result_complete && self.chunks == PIECES, "the streamed result was to be complete"),
            (spent == Amount::from_json_number(EXPECTED).ok(), "the charges do not add up"),
            (own.is_some() && own == self.remaining, "the runtime's budget is not what the charges leave"),
        ];
        if let Some((_, sentence)) = checks.iter().find(|(holds, _)| !holds) {
            return Err((*sentence).to_owned());
        }
        show("");
        show(&format!("OK: cut {cuts}, resumed {}, lost {lost}.", self.resumed));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(seqs: &[u64]) -> String {
        let mut ledger = Ledger::new("USD:1.00");
        ledger.count(&Report::Resumed);
        let emitted = Emitted::default();
        for seq in seqs {
            ledger.count(&Report::Chunk { seq: *seq, bytes: 1 });
            emitted.one_more();
        }
        ledger.close(&emitted, 1).expect_err("neither job has ended")
    }

    #[test]
    fn a_number_that_is_missing_is_a_loss() {
        assert_eq!(verdict(&[1, 3]), "events were lost");
    }

    #[test]
    fn a_number_that_comes_again_is_noticed() {
        assert_eq!(verdict(&[1, 2, 2]), "events came twice");
    }

    #[test]
    fn what_never_came_does_not_pass() {
        assert_eq!(verdict(&[]), "both jobs were to succeed");
    }
}
