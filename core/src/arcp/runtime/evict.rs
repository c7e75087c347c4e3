//! Removes ended jobs and idempotency records that are too old, oldest first, or too many: those of the principal that holds
//! most.

use super::conns::conn::Conn;
use super::host::{ConnId, JobKey};
use super::record::Record;
use super::sessions::session::Session;
use super::{Runtime, work};
use crate::arcp::wire::error::Fault;
use crate::arcp::wire::ids::JobUlid;
use crate::time::{Time, micros};

impl Runtime {
    /// Removes what is too old or too much, and arms the deadline for the next removal. If much is too old at once, as after the
    /// machine was suspended, the rest of it is removed in later turns.
    pub(super) fn evict(&mut self) {
        let (now, retention) = (self.clock.now(), micros(self.config.job_retention));
        let too_old = |at| now.since(at) >= retention;
        while let Some(id) = self.jobs.surplus(&self.config.limits, |at| !self.is_input_long() && too_old(at)) {
            self.work.charge(work::REMOVED);
            self.evict_job(id);
        }
        self.evict_idempotency();
        self.arm_eviction();
    }

    /// Removes an ended job that no longer has room.
    pub(super) fn evict_job(&mut self, id: JobKey) {
        // Ends the subscriptions whose replay of the job's history is not finished.
        for key in self.jobs.get(id).map(|job| job.watchers().to_vec()).unwrap_or_default() {
            self.drop_subscription(key, id);
        }
        self.forget_job(id);
    }

    /// Charges what sessions and jobs hold to their principals.
    pub(super) fn account(&mut self) {
        let period = self.period();
        self.sessions.account(&mut self.memory, period);
        self.jobs.account(&mut self.memory, period);
    }

    /// Charges what has changed. If sessions and jobs hold too many bytes, removes an ended job of the principal whose ended
    /// jobs hold most, or closes a connection that too many bytes wait for, and returns true.
    pub(super) fn relieve(&mut self) -> bool {
        self.account();
        let limits = &self.config.limits;
        if self.memory.all() > limits.bytes
            && let Some(id) = self.jobs.heaviest_ended()
        {
            self.evict_job(id);
            return true;
        }
        let hoarder = self.sessions.hoarder(|principal, bytes| self.memory.has_too_much(principal, bytes, limits));
        let conn = hoarder.and_then(|key| self.sessions.get(key)).and_then(Session::conn);
        if let Some(conn) = conn {
            self.cut_hoarder(conn);
        }
        conn.is_some()
    }

    /// Closes a connection that many bytes wait for; its session can be resumed. A peer that reads is told why.
    fn cut_hoarder(&mut self, conn: ConnId) {
        const REASON: &str = "too many bytes wait for the connections of the principal";
        if self.conns.get(conn).is_some_and(Conn::is_written) {
            let limits = &self.config.limits;
            let (name, max) = if self.memory.all() > limits.bytes {
                ("bytes", limits.bytes)
            } else {
                ("bytes_per_principal", limits.bytes_per_principal)
            };
            self.announce_fault(conn, &Fault::limit(name, max as u64));
            self.end_connection(conn, 1013, REASON);
        } else {
            self.cut(conn, 1013, REASON);
        }
    }

    /// Removes what is too much while records are restored. Age is checked at the end.
    pub(super) fn evict_restored(&mut self) {
        while let Some(id) = self.jobs.restored_surplus(&self.config.limits) {
            self.forget_job(id);
        }
        self.evict_idempotency();
    }

    fn evict_idempotency(&mut self) {
        let (now, window) = (self.clock.now(), micros(self.config.idempotency_window));
        let too_old = |at| now.since(at) >= window;
        while let Some(ulid) = self.idempotency.surplus(&self.config.limits, |at| !self.is_input_long() && too_old(at))
        {
            self.work.charge(work::REMOVED);
            self.forget_key(ulid);
        }
    }

    fn arm_eviction(&mut self) {
        let job = self.jobs.oldest_ended_at().map(|at| at.plus(self.config.job_retention));
        let record = self.idempotency.oldest_at().map(|at| at.plus(self.config.idempotency_window));
        let next: Option<Time> = job.into_iter().chain(record).min();
        let next = next.map(|at| at.max(self.clock.now().plus_micros(1)));
        if next != self.eviction.at() {
            match next {
                Some(at) => self.eviction.set(at, JobKey::default(), &mut self.timers),
                None => self.eviction.clear(JobKey::default(), &mut self.timers),
            }
        }
    }

    /// Removes an ended job. The answer to its idempotency key is kept.
    pub(super) fn forget_job(&mut self, id: JobKey) {
        let Some(forgotten) = self.jobs.forget(id) else { return };
        self.record(|_| Some(Record::JobForgotten { job: forgotten.ulid }));
        for key in forgotten.watchers {
            if let Some(session) = self.sessions.get_mut(key) {
                session.unwatch(id);
            }
        }
        self.idempotency.outlive(forgotten.ulid, forgotten.terminal);
    }

    /// Removes an idempotency record, so that its key may be used again.
    pub(super) fn forget_key(&mut self, job: JobUlid) {
        if self.idempotency.forget(job) == Some(true) {
            self.record(|_| Some(Record::KeyForgotten { job }));
        }
    }

    /// Removes an idempotency record if another one of a principal would exceed a limit.
    pub(super) fn make_idempotency_room(&mut self, principal: &str) {
        while let Some(ulid) = self.idempotency.displaced(principal, &self.config.limits) {
            self.forget_key(ulid);
        }
    }
}
