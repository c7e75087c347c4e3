//! Restores a router from its records.

use alloc::collections::BTreeMap;
use alloc::string::String;

use super::Router;
use super::config::RouterConfig;
use super::job::state::RouterJobState;
use super::job::{Due, Job};
use super::output::{RouterEvent, RouterJob, RouterTimer};
use super::record::{Body, RecordKind, RestoreError, RouterRecord, RouterRecordError};
use crate::random::Random;
use crate::time::Time;

/// What the records say about one job, and about the worker of the same id, each with its number.
#[derive(Debug, Default)]
struct Rows {
    accepted: Option<(u64, Body)>,
    moved: Option<(u64, Body)>,
    ended: Option<(u64, Body)>,
    trusted: Option<(u64, Body)>,
}

impl Rows {
    fn take(&mut self, number: u64, record: RouterRecord) {
        let kind = record.kind();
        if record.replaces(RecordKind::Accepted) {
            self.accepted = None;
        }
        if record.replaces(RecordKind::Moved) {
            self.moved = None;
        }
        match kind {
            RecordKind::Accepted => self.accepted = Some((number, *record.0)),
            RecordKind::Moved => self.moved = Some((number, *record.0)),
            RecordKind::Ended => self.ended = Some((number, *record.0)),
            RecordKind::Forgotten => *self = Rows { trusted: self.trusted.take(), ..Rows::default() },
            RecordKind::Trusted => self.trusted = Some((number, *record.0)),
            RecordKind::Distrusted => self.trusted = None,
        }
    }
}

impl Router {
    /// Returns a router that continues with the jobs of its records. Each record comes with the number under which it
    /// was stored. The records of one job or worker come in the order of their numbers; jobs and workers may come in
    /// any order. Limits do not apply to jobs that were accepted.
    ///
    /// `now` is also the time of the wall clock, and records are judged by it: a deadline has passed if the wall clock
    /// says so. If the clock was set back since a record was made, the times in the record continue from the time of
    /// the record.
    ///
    /// A session is restored if its worker is enrolled for it in the settings and it has not expired.
    ///
    /// Waiting jobs are sent. Jobs at a worker are sent to it again once the bus is connected, so that the worker
    /// continues or publishes its result again. Open questions to the policy are asked again.
    ///
    /// Errors: a record cannot be used. The router does not guess its content.
    pub fn restore(
        config: RouterConfig,
        seed: [u8; 32],
        now: Time,
        records: impl IntoIterator<Item = (u64, RouterRecord)>,
    ) -> Result<Router, RestoreError> {
        let mut last = 0;
        let mut rows: BTreeMap<String, Rows> = BTreeMap::new();
        for (number, record) in records {
            last = last.max(number);
            rows.entry(record.job_id().into()).or_default().take(number, record);
        }
        let mut router = Router::new(config, seed, now);
        router.random = Random::resume(seed, last.into());
        router.outbox.resume(last);
        for (id, rows) in &mut rows {
            let Some((number, body)) = rows.trusted.take() else { continue };
            let restored = router.restore_session(id, body);
            restored.map_err(|reason| RestoreError { number, job_id: id.clone(), reason })?;
        }
        // In the order of acceptance or end, which is the one of the numbers.
        let mut rows: BTreeMap<(u64, String), Rows> = rows
            .into_iter()
            .filter_map(|(id, rows)| {
                let first = rows.ended.as_ref().or(rows.accepted.as_ref()).or(rows.moved.as_ref())?;
                Some(((first.0, id), rows))
            })
            .collect();
        while let Some(((number, job_id), rows)) = rows.pop_first() {
            router.restore_job(rows).map_err(|reason| RestoreError { number, job_id, reason })?;
        }
        router.input(now, |_| {});
        Ok(router)
    }

    fn restore_job(&mut self, rows: Rows) -> Result<(), RouterRecordError> {
        let now = self.clock.now();
        if let Some((_, body)) = rows.ended {
            self.jobs.restore(|key, order| Job::ended(key, body, order, now))?;
            return Ok(());
        }
        let (_, accepted) = rows.accepted.ok_or(RouterRecordError::Field("packet"))?;
        let mut due = Due::default();
        let key = self.jobs.restore(|key, order| {
            let (mut job, first) = Job::accepted(key, accepted, order, now)?;
            due = first;
            if let Some((_, body)) = rows.moved {
                due = job.moved(body, now)?;
            }
            Ok::<_, RouterRecordError>(job)
        })?;
        self.go_on(key, due);
        Ok(())
    }

    /// Continues a job in the state that it was recorded in.
    fn go_on(&mut self, key: RouterJob, due: Due) {
        let now = self.clock.now();
        let Some(job) = self.jobs.touch(key) else { return };
        job.heard_at = now;
        if let Some(at) = due.runtime {
            job.runtime.set(at, RouterTimer::Runtime, &mut self.timers);
        }
        let step = due.step.unwrap_or(now);
        let timer = match job.state() {
            RouterJobState::Pending => return self.ask(key),
            RouterJobState::Checking => return self.question(key),
            RouterJobState::Scheduled => return self.enqueue(key),
            RouterJobState::Approval => {
                let reason = job.reason.clone();
                self.outbox.event(RouterEvent::Approval { job: key, reason });
                RouterTimer::Approval
            }
            RouterJobState::Throttled => RouterTimer::Throttle,
            RouterJobState::Retrying => RouterTimer::Retry,
            RouterJobState::Cancelling => {
                let reason = job.reason.clone();
                self.publish_cancel(key, &reason);
                RouterTimer::Cancel
            }
            RouterJobState::Dispatched | RouterJobState::Running => RouterTimer::Dispatch,
            RouterJobState::Succeeded
            | RouterJobState::Failed
            | RouterJobState::FailedFatal
            | RouterJobState::Cancelled
            | RouterJobState::Denied
            | RouterJobState::TimedOut => return,
        };
        // While the router was away nothing could be heard of the job.
        let step = if timer == RouterTimer::Dispatch { now.plus(self.config.dispatch_timeout) } else { step };
        let Some(job) = self.jobs.touch(key) else { return };
        job.step.set(step, timer, &mut self.timers);
        if let Some(worker) = job.worker.clone() {
            // It is lost unless it is heard.
            let until = now.plus(self.config.worker_timeout());
            self.workers.hear(&worker, until, &mut self.timers);
            self.workers.assign(&worker, key);
        }
    }
}
