//! Checks that every step of the workers reached the client once, and that no job ran twice.

use std::collections::{BTreeMap, BTreeSet};

use nuncio_tokio::arcp::{EventKind, FinalStatus};
use serde::Deserialize;
use tokio::sync::mpsc::UnboundedReceiver;

use super::members::Done;
use crate::commands::demo::narration::narrate;
use crate::commands::demo::reports::Report;
use crate::commands::demo::stream::{Sent, Stream};
use crate::text::{count, print_line};

/// What the client received of each job.
#[derive(Default)]
pub(super) struct Ledger {
    stream: Stream,
    /// The messages of progress, by the name of the job.
    steps: BTreeMap<&'static str, Vec<String>>,
    ends: BTreeMap<&'static str, FinalStatus>,
}

#[derive(Deserialize)]
struct Progress {
    message: String,
}

impl Ledger {
    fn count(&mut self, report: Report) {
        match report {
            Report::Event(name, event) => {
                if event.kind == EventKind::Progress
                    && let Ok(Progress { message }) = event.body.parse()
                {
                    self.steps.entry(name).or_default().push(message);
                }
                self.stream.receive(event.seq, event.body.parse().ok());
            }
            Report::Ended(name, outcome) => {
                self.stream.receive(outcome.seq, None);
                self.ends.entry(name).or_insert(outcome.status);
            }
            Report::Session(report) => self.stream.session(&report),
        }
    }

    /// How many steps of a job the client has received.
    pub(super) fn steps(&self, job: &str) -> usize {
        self.steps.get(job).map_or(0, Vec::len)
    }

    /// How many jobs have ended for the client.
    pub(super) fn ended(&self) -> usize {
        self.ends.len()
    }

    pub(super) fn resumed(&self) -> bool {
        self.stream.resumed()
    }

    /// Compares what the client has received with what the killed server has left in the journal. Returns a sentence about it.
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

    /// Prints what was received and checks it. `jobs` are the jobs with their steps. Those of `ended_away` have ended while
    /// there was no server: they have their results, and may lack steps. The error is the first thing that is wrong.
    pub(super) fn close(
        &self,
        sent: &[Sent],
        done: &Done,
        jobs: &[(&str, u64)],
        ended_away: &BTreeSet<String>,
    ) -> Result<(), String> {
        print_line("");
        let checked = self.stream.check(sent);
        let expected: u64 = jobs.iter().map(|(_, to)| to).sum();
        let received: usize = self.steps.values().map(Vec::len).sum();
        let adopted = jobs.iter().filter(|(name, _)| !ended_away.contains(*name)).count();
        narrate(
            "pool",
            &format!(
                "made {}; {adopted} of {} jobs ran while the server was restarted",
                count(done.all_steps(), "step"),
                jobs.len()
            ),
        );
        for name in ended_away {
            narrate(name, "ended while there was no server: the router kept its result, and not its last steps");
        }
        let unheard = expected.saturating_sub(received as u64);
        let succeeded = self.ends.values().filter(|status| **status == FinalStatus::Success).count();
        let others =
            if unheard > 0 { format!("; the other {unheard} were made without a server") } else { String::new() };
        narrate(
            "jobs",
            &format!(
                "{succeeded} of {} succeeded; the client received {received} of {expected} steps{others}",
                jobs.len()
            ),
        );
        checked?;
        for (name, to) in jobs {
            let runs = done.runs.get(*name).map_or(0, Vec::len);
            if runs != 1 {
                return Err(format!("{name} was run {runs} times"));
            }
            let mut missing: Vec<String> = (1..=*to).map(|step| format!("step {step} of {to}")).collect();
            for step in self.steps.get(name).into_iter().flatten() {
                let Some(at) = missing.iter().position(|each| each == step) else {
                    return Err(format!("{step:?} of {name} was received twice"));
                };
                missing.remove(at);
            }
            if let Some(step) = missing.first().filter(|_| !ended_away.contains(*name)) {
                return Err(format!("{step:?} of {name} was lost"));
            }
        }
        let checks = [
            (done.all_steps() == expected, "the pool has not made every step once"),
            (adopted > 0, "no job ran over the restart"),
            (!ended_away.is_empty(), "no job ended while there was no server"),
            (succeeded == jobs.len(), "not every job succeeded"),
        ];
        if let Some((_, sentence)) = checks.iter().find(|(holds, _)| !holds) {
            return Err((*sentence).to_owned());
        }
        print_line("");
        let (all, ended) = (jobs.len(), ended_away.len());
        print_line(&format!(
            "OK: {}, jobs taken up again {all} ({adopted} ran, {ended} had ended), jobs lost 0, jobs run twice 0.",
            self.stream.summary()
        ));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::demo::session::SessionReport;

    const JOBS: [(&str, u64); 2] = [("count 1", 2), ("count 2", 2)];

    /// The result for a job of two steps, of which the client has received these, and which was run so often. Another one has
    /// ended while there was no server.
    fn close(steps: &[&str], runs: usize, status: FinalStatus) -> Result<(), String> {
        let mut ledger = Ledger::default();
        ledger.count(SessionReport::Resumed.into());
        ledger.stream.killed(&[]);
        ledger.steps.insert("count 1", steps.iter().map(|step| (*step).to_owned()).collect());
        ledger.ends.extend([("count 1", status), ("count 2", FinalStatus::Success)]);
        let mut done = Done::default();
        done.runs.extend([("count 1".to_owned(), vec!["worker-1"; runs]), ("count 2".to_owned(), vec!["worker-2"])]);
        done.steps.extend(JOBS.map(|(name, to)| (name.to_owned(), to)));
        ledger.close(&[], &done, &JOBS, &BTreeSet::from(["count 2".to_owned()]))
    }

    #[test]
    fn each_step_once_passes() {
        assert_eq!(close(&["step 1 of 2", "step 2 of 2"], 1, FinalStatus::Success), Ok(()));
    }

    #[test]
    fn a_lost_step_is_noticed() {
        let error = close(&["step 1 of 2"], 1, FinalStatus::Success);
        assert_eq!(error, Err("\"step 2 of 2\" of count 1 was lost".to_owned()));
    }

    #[test]
    fn a_doubled_step_is_noticed() {
        let error = close(&["step 1 of 2", "step 1 of 2", "step 2 of 2"], 1, FinalStatus::Success);
        assert_eq!(error, Err("\"step 1 of 2\" of count 1 was received twice".to_owned()));
    }

    #[test]
    fn a_job_that_runs_twice_or_fails_is_noticed() {
        let steps = ["step 1 of 2", "step 2 of 2"];
        assert_eq!(close(&steps, 2, FinalStatus::Success), Err("count 1 was run 2 times".to_owned()));
        assert_eq!(close(&steps, 1, FinalStatus::Error), Err("not every job succeeded".to_owned()));
    }
}
