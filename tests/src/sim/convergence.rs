//! The end of every run: no more faults occur, and everything must come to rest in a bounded number of steps.

use std::collections::BTreeMap;
use std::fmt::Debug;

use arbitrary::Unstructured;

use super::Sim;
use crate::seeded::Draw;
use crate::world::SECOND;

/// The maximum number of rounds until everything is at rest; each lets a second or more pass.
const ROUNDS: usize = 260;

impl Sim {
    /// Ends the run: once no more faults occur, the host answers and the agents return, every job ends,
    /// every client learns the outcome, and every session that a client still has is sent everything that was predicted.
    pub(super) fn converge(&mut self) {
        self.converging = true;
        self.disk.stalled = false;
        for link in self.links.values_mut() {
            link.stalled = false;
            // Half-open connections are noticed.
            link.half_open = false;
        }
        for round in 0..ROUNDS {
            self.run_without_faults();
            // Checked before time passes: a client that waits longer than the heartbeat is lost and has to resume again.
            let unsettled = self.unsettled_parts();
            if unsettled.is_empty() {
                break;
            }
            every_run_converges(round + 1 < ROUNDS, &unsettled);
            self.wait(if round < 60 { SECOND } else { 10 * SECOND });
        }
        for peer in &self.peers {
            if let Some(session) = peer.session.as_ref().filter(|_| !peer.closed && peer.is_live()) {
                self.model.check_delivery(session);
            }
        }
        every_run_converges(self.disk.held.is_empty(), &self.disk.held);
        self.nothing_is_overdue();
    }

    /// Lets everything happen that is possible without letting time pass.
    fn run_without_faults(&mut self) {
        // With the bytes used up, every choice is the first one: the host agrees at once.
        let mut bytes = Unstructured::new(&[]);
        let draw = &mut Draw(&mut bytes);
        for _ in 0..50 {
            for who in 0..self.peers.len() {
                if !self.peers[who].closed {
                    self.connect(who);
                }
                self.take_events(who, usize::MAX);
            }
            let mut moved = self.deliver_all(true);
            while !self.host.questions.is_empty() {
                moved = true;
                self.answer(draw);
            }
            for job in self.host.running.clone() {
                moved = true;
                self.finish(job, true);
            }
            if !moved {
                return;
            }
        }
        every_run_converges(false, &"frames and questions never end");
    }

    /// Returns what has not come to rest, by part.
    fn unsettled_parts(&self) -> BTreeMap<&'static str, String> {
        let mut parts = BTreeMap::new();
        let live: Vec<_> = self.model.live().map(|(_, job)| format!("{} {:?}", job.id, job.state)).collect();
        if !live.is_empty() {
            parts.insert("jobs", live.join(", "));
        }
        if !self.host.running.is_empty() || !self.host.questions.is_empty() || !self.host.minted.is_empty() {
            let host = (&self.host.running, self.host.questions.len(), self.host.minted.len());
            parts.insert("host", format!("{host:?}"));
        }
        // A replay that a silent host never answered runs into its deadline.
        let reads = self.host.reads.iter().filter(|(_, replay, _)| self.runtime.asks(*replay)).count();
        if reads > 0 {
            parts.insert("reads", reads.to_string());
        }
        for peer in self.peers.iter().filter(|peer| !peer.closed) {
            let open = peer.handles.keys().filter(|handle| !peer.dropped.contains(*handle)).count();
            let settled = open == 0 && peer.untaken == 0 && (peer.is_live() || peer.leaving);
            if !settled {
                let state = (&peer.handles, peer.untaken, peer.link, peer.wants, &peer.client);
                parts.insert("client", format!("{state:?}"));
            }
        }
        parts
    }
}

/// Ours: once no more faults occur, everything comes to rest in a bounded number of steps.
fn every_run_converges(at_rest: bool, unsettled: &impl Debug) {
    assert!(at_rest, "ours every_run_converges: {unsettled:?}");
}
