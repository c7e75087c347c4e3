//! The end of every run: nothing goes wrong any more, and everything must come to rest in a bounded number of steps.

use std::collections::BTreeMap;

use arbitrary::Unstructured;

use super::Sim;
use super::draw::Draw;
use crate::world::SECOND;

/// Rounds of healing; each one lets time pass by a second or more.
const ROUNDS: usize = 260;

impl Sim {
    /// `live_after_healing`: transports hold, the host answers, agents return; then every job has ended, every client has
    /// been told, every session that a client still has was sent all that was foretold.
    pub(super) fn heal(&mut self) {
        self.healing = true;
        self.disk.stuck = false;
        for link in self.links.values_mut() {
            link.stalled = false;
            // What was half open is found out.
            link.half_open = false;
        }
        for round in 0..ROUNDS {
            self.mend();
            // Not after time has passed: who waits for more than a heartbeat at once is lost, and comes back.
            if self.healed() {
                break;
            }
            assert!(round + 1 < ROUNDS, "live_after_healing: {}", self.unhealed());
            self.wait(if round < 60 { SECOND } else { 10 * SECOND });
        }
        for peer in &self.peers {
            if let Some(session) = peer.session.as_ref().filter(|_| !peer.closed && peer.is_live()) {
                self.model.delivered(session);
            }
        }
        let held = &self.disk.held;
        assert!(held.is_empty(), "live_after_healing: these wait for a journal that is up to date: {held:?}");
        self.quiet();
    }

    fn mend(&mut self) {
        // The first of every choice: yes, and at once.
        let mut bytes = Unstructured::new(&[]);
        let draw = &mut Draw(&mut bytes);
        for _ in 0..50 {
            for who in 0..self.peers.len() {
                if !self.peers[who].closed {
                    self.connect(who);
                }
                self.take(who, usize::MAX);
            }
            let mut moved = self.carry(true);
            while !self.host.asks.is_empty() {
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
        panic!("live_after_healing: the peers do not come to rest");
    }

    fn healed(&self) -> bool {
        self.unhealed_parts().is_empty()
    }

    fn unhealed(&self) -> String {
        format!("{:?}", self.unhealed_parts())
    }

    fn unhealed_parts(&self) -> BTreeMap<&'static str, String> {
        let mut parts = BTreeMap::new();
        let live: Vec<_> = self.model.live().map(|(_, job)| format!("{} {:?}", job.id, job.state)).collect();
        if !live.is_empty() {
            parts.insert("jobs", live.join(", "));
        }
        if !self.host.running.is_empty() || !self.host.asks.is_empty() || !self.host.minted.is_empty() {
            let host = (&self.host.running, self.host.asks.len(), self.host.minted.len());
            parts.insert("host", format!("{host:?}"));
        }
        // Questions that a silent host has lost run into their deadline.
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
