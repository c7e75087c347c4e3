//! Checks that everything that was sent was received, once, and what it cost.

use std::collections::BTreeSet;

use nuncio_core::budget::{Amount, Amounts, Budget, parse_amount};
use nuncio_tokio::arcp::{EventKind, FinalStatus, JobEvent, Product};
use serde::Deserialize;

use super::agents::{CHUNKS, Emitted};
use super::reports::{Metric, Report};
use crate::commands::demo::narration::narrate;
use crate::commands::demo::session::SessionReport;
use crate::text::print_line;

const CURRENCY: &str = "USD";
/// What the agents charge: 0.15 and 0.25, and 0.20 in the delegated job.
const EXPECTED_COST: &str = "0.6";

/// What the client received.
pub(super) struct Ledger {
    /// The numbers of the events in the session.
    seqs: BTreeSet<u64>,
    twice: u64,
    /// Events that were emitted by agents and not by the runtime.
    of_agents: u64,
    chunks: u64,
    bytes: usize,
    refused_tools: u64,
    resumed: u64,
    /// The client's own account of the charges it received.
    budget: Budget,
    /// The parent's budget, as the runtime reported it last.
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
            Report::Session(SessionReport::Resumed) => self.resumed += 1,
            Report::Delegated { .. } | Report::Session(SessionReport::Lost(_) | SessionReport::Trouble(_)) => {}
        }
    }

    /// Returns whether both jobs have ended.
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

    /// Counts a metric. Returns whether the runtime emitted it.
    fn metric(&mut self, child: bool, metric: &Metric<'_>) -> bool {
        let Ok(amount) = Amount::from_json_number(metric.value.get()) else { return false };
        if metric.name == "cost.budget.remaining" {
            if !child {
                self.remaining = Some(amount);
            }
            return true;
        }
        // A charge that cannot be added is missing at the end.
        drop(self.budget.spend(CURRENCY, amount));
        false
    }

    /// Prints what was received and checks it. The error is the first thing that is wrong.
    pub(super) fn close(&self, emitted: &Emitted, cuts: u32) -> Result<(), String> {
        let numbered = self.seqs.last().copied().unwrap_or(0);
        let received = self.seqs.len() as u64;
        let lost = numbered.saturating_sub(received) + emitted.count().saturating_sub(self.of_agents);
        let own = self.budget.remaining_of(CURRENCY);
        let text = |amount: Option<Amount>| amount.map_or_else(|| "unknown".to_owned(), |amount| amount.to_string());
        let spent = self.budget.spent_of(CURRENCY);
        print_line("");
        narrate(
            "agents",
            &format!("emitted {} events, of which the client received {}", emitted.count(), self.of_agents),
        );
        narrate(
            "runtime",
            &format!(
                "sent {numbered} events, its own included: the client received {received}; {lost} were lost, {} came twice",
                self.twice
            ),
        );
        narrate("report", &format!("streamed a result of {} bytes in {} chunks", self.bytes, self.chunks));
        narrate(
            "jobs",
            &format!(
                "report and search spent USD {} of 1.00; according to the runtime, USD {} remain",
                text(spent),
                text(self.remaining)
            ),
        );
        let success = Some(FinalStatus::Success);
        let checks = [
            (cuts == 1, "the connection was not cut exactly once"),
            (self.resumed >= 1, "the client did not resume its session"),
            (lost == 0, "events were lost"),
            (self.twice == 0, "events were received twice"),
            (emitted.count() == self.of_agents, "the client received other events than the agents emitted"),
            (self.parent == success && self.child == success, "one of the two jobs did not succeed"),
            (self.refused_tools == 1, "the lease did not refuse exactly one tool call"),
            (self.result_complete && self.chunks == CHUNKS, "the streamed result is not complete"),
            (spent == Amount::from_json_number(EXPECTED_COST).ok(), "the charges do not add up"),
            (own.is_some() && own == self.remaining, "the runtime's budget is not what remains after the charges"),
        ];
        if let Some((_, sentence)) = checks.iter().find(|(holds, _)| !holds) {
            return Err((*sentence).to_owned());
        }
        print_line("");
        print_line(&format!("OK: cut {cuts}, resumed {}, events lost {lost}.", self.resumed));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(seqs: &[u64]) -> String {
        let mut ledger = Ledger::new("USD:1.00");
        ledger.count(&SessionReport::Resumed.into());
        let emitted = Emitted::default();
        for seq in seqs {
            ledger.count(&Report::Chunk { seq: *seq, bytes: 1 });
            emitted.one_more();
        }
        ledger.close(&emitted, 1).expect_err("neither job has ended")
    }

    #[test]
    fn a_missing_number_is_a_loss() {
        assert_eq!(error(&[1, 3]), "events were lost");
    }

    #[test]
    fn a_repeated_number_is_noticed() {
        assert_eq!(error(&[1, 2, 2]), "events were received twice");
    }

    #[test]
    fn nothing_received_does_not_pass() {
        assert_eq!(error(&[]), "one of the two jobs did not succeed");
    }
}
