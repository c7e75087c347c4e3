//! Who is enrolled at the router: workers are revoked, lose their session, and are enrolled again, with their agent or another.

use nuncio_core::cap::RecordKind;

use super::Sim;
use super::bus::Who;
use super::trust::{AGENT, enrollment};
use crate::seeded::{Draw, note};

/// An agent that no worker belongs to.
const OTHER: &str = "other";

impl Sim {
    /// Revokes a worker or its session, or enrolls it.
    pub(super) fn change_trust(&mut self, draw: &mut Draw<'_, '_>) {
        let who = draw.below(self.workers.len());
        match draw.below(4) {
            0 => self.revoke(who),
            1 => self.revoke_session(who),
            2 => self.enroll(who, OTHER),
            _ => self.enroll(who, AGENT),
        }
        self.drain_router(draw);
    }

    /// Enrolls all workers as those that they say they are.
    pub(super) fn enroll_everybody(&mut self, draw: &mut Draw<'_, '_>) {
        for who in 0..self.workers.len() {
            if self.sessions.enrolled.get(&who).is_some_and(|agent| *agent == AGENT) {
                continue;
            }
            self.enroll(who, AGENT);
            self.drain_router(draw);
        }
    }

    fn revoke(&mut self, who: usize) {
        note(|| format!("  worker {who} is revoked"));
        self.count("worker revoked");
        let (now, worker) = (self.at(Who::Router), format!("worker-{who}"));
        let was_enrolled = self.sessions.enrolled.remove(&who).is_some();
        let Some(host) = &mut self.router else { return };
        assert_eq!(host.router.revoke(now, &worker), was_enrolled, "spec/14 a_revoked_session_is_over: {worker}");
        self.is_over(&worker);
    }

    fn revoke_session(&mut self, who: usize) {
        note(|| format!("  the session of worker {who} is revoked"));
        self.count("session revoked");
        let (now, worker) = (self.at(Who::Router), format!("worker-{who}"));
        let Some(host) = &mut self.router else { return };
        host.router.revoke_session(now, &worker);
        self.is_over(&worker);
    }

    fn enroll(&mut self, who: usize, agent: &'static str) {
        note(|| format!("  worker {who} is enrolled with the agent {agent:?}"));
        let (now, (worker, enrollment)) = (self.at(Who::Router), enrollment(who, agent));
        let before = self.sessions.enrolled.insert(who, agent);
        let Some(host) = &mut self.router else { return };
        host.router.enroll(now, &worker, enrollment).expect("a good enrollment");
        if before.is_some_and(|before| before != agent) {
            self.count("enrolled with another agent");
            self.is_over(&worker);
        }
    }

    /// spec/14: a session that was revoked, or whose worker has another agent, is over at once.
    fn is_over(&mut self, worker: &str) {
        let now = self.at(Who::Router);
        let authority = self.router.as_ref().and_then(|host| host.router.authority());
        let is_there = authority.is_some_and(|authority| authority.session(now, worker).is_some());
        assert!(!is_there, "spec/14 a_revoked_session_is_over: {worker}");
        if let Some(last) = self.sessions.granted.get_mut(worker).and_then(|granted| granted.last_mut()) {
            last.is_revoked = true;
        }
    }

    /// Whether the last record of a worker's session is its end: a token whose answer comes out later is revoked already.
    pub(super) fn is_revoked_in_the_records(&self, worker: &str) -> bool {
        let Some(host) = &self.router else { return false };
        let of_session = |kind: RecordKind| matches!(kind, RecordKind::Trusted | RecordKind::Distrusted);
        let last = host.records().rev().find(|record| record.job_id() == worker && of_session(record.kind()));
        last.is_some_and(|record| record.kind() == RecordKind::Distrusted)
    }

    /// After a crash a session is over if that was stored, or if its worker is not enrolled with its agent any more.
    pub(super) fn sessions_are_restored(&mut self) {
        for who in 0..self.workers.len() {
            let worker = format!("worker-{who}");
            let is_enrolled = self.sessions.enrolled.get(&who) == Some(&AGENT);
            let is_revoked = !is_enrolled || self.is_revoked_in_the_records(&worker);
            if is_revoked {
                self.is_over(&worker);
            } else if let Some(last) = self.sessions.granted.get_mut(&worker).and_then(|granted| granted.last_mut()) {
                last.is_revoked = false;
            }
        }
    }
}
