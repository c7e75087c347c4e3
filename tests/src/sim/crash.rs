//! The process crashes, at any point between a store and the outputs that depend on it, or is stopped and then killed, and is
//! restored from the journal.

use nuncio_core::arcp::{Output, Runtime, Via};
use serde_json::json;

use super::host::TOKENS;
use super::model::{Recovered, rules};
use super::{RERUN, Sim, agents, note};
use crate::seeded::Draw;
use crate::world::Frame;

/// The maximum number of crashes in a run.
const CRASHES: u32 = 4;

impl Sim {
    pub(super) fn crash(&mut self, draw: &mut Draw<'_, '_>) {
        if !self.disk.is_kept() || self.crashes >= CRASHES {
            return;
        }
        self.crashes += 1;
        self.work_without_commit(draw);
        if draw.chance(30) {
            self.stop();
        }
        self.count("crashed");
        // Any number of the uncommitted records may survive, in order.
        let torn = usize::try_from(self.last_store - self.disk.committed).unwrap_or(0);
        let left = self.disk.committed + draw.below(torn + 1) as u64;
        if left > self.disk.committed && left < self.last_store {
            self.count("torn tail");
        }
        note(|| format!("  crash: of {} stores {left} are left", self.last_store));
        let sessions = self.peers.iter().filter(|peer| !peer.closed).filter_map(|peer| peer.session.clone());
        let open: Vec<String> = sessions.filter(|session| self.model.knows_session(session)).collect();
        self.lose_uncommitted(left, draw);
        let lost = self.model.crashed(&Recovered::of(&self.disk.records), &RERUN);
        for _ in 0..lost {
            self.count("job lost in a crash");
        }
        for session in open {
            rules::no_welcomed_session_is_lost(&session, self.model.knows_session(&session));
        }
        self.count_stored_as_sent();
        self.restore(left);
        self.fire_timers();
        self.every_session_can_be_resumed();
    }

    /// The process is stopped before it is gone: its runtime ends the jobs that do not go on after a restart.
    fn stop(&mut self) {
        self.count("stopped");
        note(|| "  the runtime is stopped".to_owned());
        let before = Recovered::of(&self.disk.records);
        self.model.stop();
        self.runtime.abort(self.now);
        self.drain();
        self.model.stopped(&before, &RERUN);
    }

    /// Starts some work whose records are not committed before the crash.
    fn work_without_commit(&mut self, draw: &mut Draw<'_, '_>) {
        for _ in 0..draw.below(5) {
            match draw.below(4) {
                0 => {
                    let links: Vec<usize> = self.links.keys().copied().collect();
                    let link = draw.pick(&links).copied().unwrap_or_default();
                    self.write_up(link, usize::MAX);
                    self.deliver_up(link, 1 + draw.below(3));
                }
                1 => self.answer(draw),
                2 => self.command(draw),
                _ => self.act_agent(draw),
            }
        }
    }

    /// Drops connections, agents, everything in memory, and the records after `left`.
    fn lose_uncommitted(&mut self, left: u64, draw: &mut Draw<'_, '_>) {
        self.disk.records.retain(|(seq, _)| *seq <= left);
        self.disk.held.clear();
        self.disk.paused = false;
        self.disk.committed = left;
        self.disk.last_ended = None;
        self.last_store = left;
        for link in self.links.values_mut().filter(|link| !link.runtime_done) {
            // Frames already given to the socket may still arrive.
            let down = draw.below(link.down.len() + 1);
            link.cut(down, 0);
            link.down_queue.clear();
            link.runtime_done = true;
            link.closed = true;
        }
        self.by_conn.clear();
        self.invariants.crashed(left);
        self.host.crash();
        for (value, minted) in &self.host.minted {
            let recorded = minted.stored.is_some_and(|stored| stored <= left);
            rules::credentials_are_recorded_before_they_are_shown(value, recorded, minted.shown);
        }
    }

    /// Counts frames that were stored but not sent as sent, as a restarted runtime does. Only hostile peers resume from
    /// frames that they have not received.
    fn count_stored_as_sent(&mut self) {
        for (_, record) in &self.disk.records {
            for target in record.targets() {
                if !self.model.knows_session(&target.session.to_string()) {
                    let (_, text) = record.frame(target.session).expect("a target has a frame");
                    self.invariants.recorded(&Frame::parse(std::str::from_utf8(&text).expect("a frame is UTF-8")));
                }
            }
        }
    }

    fn restore(&mut self, left: u64) {
        let mut seed = [8; 32];
        seed[..4].copy_from_slice(&self.crashes.to_be_bytes());
        let records = self.disk.read();
        let recovered = Recovered::of(&self.disk.records);
        let (again, waiting) = recovered.going_on(&RERUN);
        let running = recovered.running() - again - waiting;
        let (runtime, restored) =
            Runtime::restore(self.params.config(), agents(), seed, self.now, records).expect("good names");
        note(|| format!("  {restored:?}"));
        self.runtime = runtime;
        assert!(restored.is_clean(), "restart: {restored:?}, {:?}", self.ignored_records());
        assert_eq!(restored.last_store, left, "restart: the number of the last surviving record");
        assert_eq!(restored.interrupted, running as u64, "restart: the number of interrupted jobs");
        assert_eq!(restored.rerun, again as u64, "restart: the number of jobs that are run again");
        assert_eq!(restored.waiting, waiting as u64, "restart: the number of jobs that had not run");
        for (count, what) in [(running, "interrupted"), (again, "run again"), (waiting, "waited over a restart")] {
            for _ in 0..count {
                self.count(what);
            }
        }
        self.count("restored");
        self.drain();
        self.model.restarted();
        self.set_wall(self.wall());
    }

    /// Returns the records that a restart ignores.
    fn ignored_records(&self) -> Vec<String> {
        let records = self.disk.read();
        let ignored = |count: usize| {
            let first = records.iter().take(count).cloned();
            Runtime::restore(self.params.config(), agents(), [0; 32], self.now, first).expect("good names").1.ignored
        };
        let over = (0..records.len()).filter(|at| ignored(at + 1) > ignored(*at));
        over.map(|at| format!("{} {}", records[at].0, String::from_utf8_lossy(&records[at].1.encode()))).collect()
    }

    /// §6.3: after a crash, every client can resume with its newest token and from its last event.
    fn every_session_can_be_resumed(&self) {
        if self.params.log_events < 1_000 || self.params.retention.is_some() {
            return;
        }
        for peer in self.peers.iter().filter(|peer| !peer.closed) {
            let (Some(session), Some(token)) = (&peer.session, &peer.token) else { continue };
            if !self.model.knows_session(session) {
                continue;
            }
            let last = self.invariants.highest(session);
            let bearer = TOKENS.iter().find(|(_, principal)| *principal == peer.principal).expect("a principal").0;
            let hello = json!({"arcp": "1.1", "id": "probe", "type": "session.hello", "payload": {
                "auth": {"scheme": "bearer", "token": bearer},
                "resume": {"session_id": session, "resume_token": token, "last_event_seq": last},
            }});
            let mut runtime = self.runtime.clone();
            let conn = runtime.handle_open(self.now, Via::Tls);
            runtime.handle_frame(self.now, conn, hello.to_string().as_bytes());
            runtime.admit(self.now, conn, peer.principal).expect("the connection is waiting for this answer");
            let mut welcomed = false;
            let mut next = last + 1;
            while let Some(output) = runtime.poll_output() {
                let Output::Send { frame, .. } = output else { continue };
                let frame = Frame::parse(std::str::from_utf8(&frame).expect("a frame is UTF-8"));
                assert_ne!(frame.kind(), "session.error", "§6.3 every_session_can_be_resumed: {session}: {frame:?}");
                welcomed |= frame.kind() == "session.welcome";
                if let Some(seq) = frame.seq() {
                    assert_eq!(seq, next, "§8.3 event_numbers_have_no_gap: {frame:?}");
                    next += 1;
                }
            }
            assert!(welcomed, "§6.3 every_session_can_be_resumed: {session} gets no welcome");
        }
    }
}
