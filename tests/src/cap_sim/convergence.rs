//! The end of every run: no more faults occur, and everything must come to rest in a bounded number of rounds.

use std::collections::BTreeMap;
use std::fmt::Debug;

use arbitrary::Unstructured;

use super::Sim;
use super::bus::Who;
use super::params::Trust;
use crate::seeded::{Draw, note};
use crate::world::SECOND;

/// The maximum number of rounds until everything is at rest; each lets a second or more pass.
const ROUNDS: usize = 200;

impl Sim {
    /// Ends the run: everybody is connected again, handlers return, and every job ends on all sides.
    pub(super) fn converge(&mut self) {
        note(|| "healing".to_owned());
        self.converging = true;
        // With the bytes used up, every choice is the first one, and no fault occurs.
        let mut bytes = Unstructured::new(&[]);
        let draw = &mut Draw(&mut bytes);
        self.right_clocks(draw);
        self.end_faults_of_the_router(draw);
        // Clients come last: what they submit finds the router and the workers subscribed.
        for who in self.everybody().into_iter().rev() {
            self.bus.cut(who);
            self.reconnect(who, draw);
            self.settle(draw);
        }
        for round in 0..ROUNDS {
            self.settle(draw);
            let unsettled = self.unsettled_parts();
            if unsettled.is_empty() {
                break;
            }
            every_run_converges(round + 1 < ROUNDS, &unsettled);
            self.restart_drained_workers(draw);
            self.wait(if round < 60 { SECOND } else { 10 * SECOND }, draw);
        }
        self.all_sides_agree();
        every_run_converges(self.bus.is_quiet(), &"packets are still on their way");
    }

    /// Ours: at the end the router and all clients agree how each job has ended, if the router misses no result. If the
    /// router gives a job up, a client may have been told the result of a worker that came too late for the router. If two
    /// workers have got a job, whose results conflict, a client may have missed the first, which the router has taken.
    fn all_sides_agree(&mut self) {
        let Some(host) = &self.router else { return };
        let mut given_up = 0;
        for (id, job) in &self.model.jobs {
            let Some(view) = host.router.find_job(id).and_then(|key| host.router.job(key)) else {
                // A job that was refused has a result, and is not remembered.
                assert!(!job.is_acknowledged || !job.results.is_empty(), "ours nothing_acknowledged_is_lost: {id}");
                continue;
            };
            let status = view.state.status();
            if view.job_id == id && job.told.iter().any(|told| *told != status.0) {
                let is_own = self.opened(view.packet).is_some_and(|packet| packet.sender_id == "router");
                // With trust a result is refused if the session of its worker is over meanwhile, or if an attacker has
                // brought the request to a worker without a session, which believes clients.
                let is_missed = !host.params.is_durable || host.params.trust != Trust::Off;
                let is_reported = host.conflicts.contains(id);
                assert!(
                    is_own || is_missed || is_reported,
                    "spec/07 all_sides_agree: {id} is {status:?}, and clients were told {:?}",
                    job.told
                );
                given_up += 1;
            }
        }
        if given_up > 0 {
            *self.counts.entry("result after the router gave up").or_default() += given_up;
        }
    }

    /// Starts the workers again that have drained. A client that has submitted a job in vain too often waits for a new
    /// connection.
    fn restart_drained_workers(&mut self, draw: &mut Draw<'_, '_>) {
        let drained: Vec<usize> = (0..self.workers.len())
            .filter(|who| self.workers[*who].is_draining && self.workers[*who].is_idle())
            .collect();
        for who in &drained {
            self.reconnect(Who::Worker(*who), draw);
        }
        if !drained.is_empty() {
            for who in 0..self.clients.len() {
                self.bus.cut(Who::Client(who));
                self.reconnect(Who::Client(who), draw);
            }
        }
    }

    /// Returns what has not come to rest, by part.
    fn unsettled_parts(&self) -> BTreeMap<String, String> {
        let mut parts = BTreeMap::new();
        for (who, host) in self.clients.iter().enumerate().filter(|(_, host)| !host.awaited.is_empty()) {
            parts.insert(format!("client {who}"), format!("{:?}", host.awaited));
        }
        for (who, host) in self.workers.iter().enumerate().filter(|(_, host)| !host.is_idle()) {
            parts.insert(format!("worker {who}"), format!("{:?}", host.handlers));
        }
        if let Some(host) = self.router.as_ref().filter(|host| !host.is_quiet()) {
            let jobs = host.router.jobs().filter_map(|job| host.router.job(job));
            let live: Vec<_> = jobs.filter(|job| !job.state.is_terminal()).collect();
            parts.insert("router".into(), format!("{live:?}"));
        }
        if !self.bus.is_quiet() {
            parts.insert("bus".into(), "packets are on their way".into());
        }
        parts
    }
}

/// Ours: once no more faults occur, everything comes to rest in a bounded number of rounds.
fn every_run_converges(at_rest: bool, unsettled: &impl Debug) {
    assert!(at_rest, "ours every_run_converges: {unsettled:?}");
}
