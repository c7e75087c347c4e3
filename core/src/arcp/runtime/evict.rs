//! Ended jobs and idempotency records grow old and make room, the oldest first.

use super::Runtime;
use crate::arcp::runtime::event::Timer;
use crate::arcp::runtime::host::JobId;
use crate::arcp::runtime::record::Record;
use crate::arcp::wire::ids::JobUlid;
use crate::time::{Time, micros};

impl Runtime {
    /// Lets go of what is too old or too much.
    pub(super) fn evict(&mut self) {
        let now = self.now;
        let retention = micros(self.config.job_retention);
        while let Some((at, id)) = self.ended.front().copied() {
            let over = self.ended.len() > self.config.limits.retained_jobs
                || self.ended_bytes > self.config.limits.retained_bytes;
            if !over && now.since(at) < retention {
                break;
            }
            self.ended.pop_front();
            // Whoever is still being shown its history hears that the rest will not come.
            for key in self.jobs.get(id).map(|job| job.watchers.clone()).unwrap_or_default() {
                self.drop_subscription(key, id);
            }
            self.forget_job(id);
        }
        self.evict_records();
        self.arm_eviction();
    }

    /// Keeps ended jobs within their limits while records are restored. Those that somebody is being shown wait until all
    /// numbers are known, and no other goes in their place; age is looked at in the end.
    pub(super) fn evict_restored(&mut self) {
        loop {
            let (mut waiting, mut bytes) = (0, 0);
            for job in self.ended.iter().map_while(|(_, id)| self.jobs.get(*id)) {
                if job.watchers.is_empty() {
                    break;
                }
                waiting += 1;
                bytes += job.held();
            }
            let over = self.ended.len() - waiting > self.config.limits.retained_jobs
                || self.ended_bytes.saturating_sub(bytes) > self.config.limits.retained_bytes;
            let Some((_, id)) = self.ended.get(waiting).copied().filter(|_| over) else { break };
            self.ended.remove(waiting);
            self.forget_job(id);
        }
        self.evict_records();
    }

    fn evict_records(&mut self) {
        let now = self.now;
        let keep = micros(self.config.idempotency_window);
        loop {
            let over = self.records.len() > self.config.limits.idempotency_records
                || self.record_bytes > self.config.limits.idempotency_bytes;
            let old = self.oldest_record().filter(|(_, at)| now.since(*at) >= keep);
            match if over { self.oldest_ended_record() } else { old } {
                Some((ulid, _)) => self.forget_record(ulid),
                None => break,
            }
        }
    }

    fn arm_eviction(&mut self) {
        let job = self.ended.front().map(|(at, _)| at.plus(self.config.job_retention));
        let record = self.oldest_record().map(|(_, at)| at.plus(self.config.idempotency_window));
        let next = match (job, record) {
            (Some(job), Some(record)) => Some(job.min(record)),
            (job, record) => job.or(record),
        };
        if next != self.eviction_at {
            self.timers.disarm(self.eviction_at, Timer::Eviction, 0);
            self.eviction_at = next.map(|at| at.max(self.now.plus_micros(1)));
            if let Some(at) = self.eviction_at {
                self.timers.arm(at, Timer::Eviction, 0);
            }
        }
    }

    pub(super) fn forget_job(&mut self, id: JobId) {
        let Some(job) = self.jobs.remove(id) else { return };
        let job_ulid = job.accepted.id;
        self.journal(|_| Some(Record::JobForgotten { job: job_ulid }));
        self.ended_bytes = self.ended_bytes.saturating_sub(job.held());
        self.job_ids.remove(&job.accepted.id);
        for key in &job.watchers {
            if let Some(session) = self.sessions.get_mut(*key) {
                session.watches.remove(&id);
                session.replaying.remove(&id);
            }
        }
        if let Some(record) = job.key.and_then(|key| self.records.get_mut(&key)) {
            record.terminal = job.terminal;
            self.record_bytes += record.held();
        }
    }

    /// The oldest record, and when it was made.
    fn oldest_record(&self) -> Option<(JobUlid, Time)> {
        let (ulid, key) = self.record_order.first_key_value()?;
        self.records.get(key).map(|record| (*ulid, record.at))
    }

    /// The oldest record whose job has ended.
    fn oldest_ended_record(&self) -> Option<(JobUlid, Time)> {
        self.record_order.iter().find_map(|(ulid, key)| {
            let record = self.records.get(key)?;
            let ended = self.jobs.get(record.job).is_none_or(|job| job.terminal.is_some());
            ended.then_some((*ulid, record.at))
        })
    }

    pub(super) fn forget_record(&mut self, ulid: JobUlid) {
        let Some(record) = self.record_order.remove(&ulid).and_then(|key| self.records.remove(&key)) else { return };
        if record.accepted.is_some() {
            self.journal(|_| Some(Record::KeyForgotten { job: ulid }));
        }
        if let Some(job) = self.jobs.get_mut(record.job) {
            job.key = None;
        } else {
            self.record_bytes = self.record_bytes.saturating_sub(record.held());
        }
    }

    /// Room for one more record: the oldest of an ended job goes, or the oldest of all.
    pub(super) fn make_record_room(&mut self) {
        while self.records.len() >= self.config.limits.idempotency_records.max(1) {
            match self.oldest_ended_record().or_else(|| self.oldest_record()) {
                Some((ulid, _)) => self.forget_record(ulid),
                None => return,
            }
        }
    }
}

impl super::repeat::Record {
    /// Bytes held once the job itself is gone.
    fn held(&self) -> usize {
        self.accepted.as_ref().map_or(0, |accepted| accepted.held())
            + self.terminal.as_ref().map_or(0, |terminal| terminal.held())
    }
}
