//! What a worker has run before. A job runs again for its next attempt if it has failed in a way that can be tried again, and
//! never otherwise.

use std::collections::BTreeMap;

use nuncio_core::cap::{JobRequest, JobStatus, Payload, Subject, WorkerJob};
use nuncio_core::time::Time;

use super::Sim;
use super::bus::Flight;
use super::params::Mode;
use crate::world::MILLI;

/// The time after a failure in which a request without an attempt counts as one that the bus has doubled.
const RERUN_AFTER: u64 = 500 * MILLI;

/// What a worker has accepted in its present life.
#[derive(Debug, Default)]
pub(super) struct History {
    /// The latest job of each id, and of each idempotency key.
    latest: BTreeMap<Same, WorkerJob>,
    /// How each job has ended.
    ends: BTreeMap<WorkerJob, (JobStatus, Time)>,
    /// The highest attempt of each job that it was run for.
    attempts: BTreeMap<String, u64>,
    accepted: usize,
}

/// What makes two requests the same job.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Same {
    Id(String),
    Key(String),
}

/// Returns what makes a request the same job as others.
fn sames(request: &JobRequest) -> impl Iterator<Item = Same> {
    let key = request.meta.as_ref().map(|meta| meta.idempotency_key.clone()).filter(|key| !key.is_empty());
    [Some(Same::Id(request.job_id.clone())), key.map(Same::Key)].into_iter().flatten()
}

/// Returns the attempt that a request names, or 0.
fn attempt(request: &JobRequest) -> u64 {
    request.dispatch.as_ref().map_or(0, |dispatch| dispatch.attempt)
}

/// Whether a request has come on a subject of its topic, or on the direct subject.
fn is_placed(subject: &Subject, request: &JobRequest) -> bool {
    match subject {
        Subject::Topic(topic) => topic.as_str() == request.topic,
        subject => matches!(subject, Subject::Direct(_)),
    }
}

impl History {
    pub(super) fn ended(&mut self, job: WorkerJob, status: JobStatus, now: Time) {
        self.ends.insert(job, (status, now));
    }

    /// A cancellation between two attempts is the end of a job.
    pub(super) fn cancelled(&mut self, id: &str) {
        if let Some(job) = self.latest.get(&Same::Id(id.into()))
            && let Some((status, _)) = self.ends.get_mut(job)
        {
            *status = JobStatus::CANCELLED;
        }
    }

    /// Returns how the latest job has ended that is the same as a request by its id.
    fn end(&self, request: &JobRequest) -> Option<(JobStatus, Time)> {
        self.ends.get(self.latest.get(&Same::Id(request.job_id.clone()))?).copied()
    }

    /// Whether a request begins another attempt of a job that has failed in a way that can be tried again.
    fn is_next(&self, request: &JobRequest, (status, at): (JobStatus, Time), now: Time) -> bool {
        let is_later = match attempt(request) {
            0 => now >= at.plus_micros(RERUN_AFTER),
            attempt => attempt > self.attempts.get(&request.job_id).copied().unwrap_or(0),
        };
        status == JobStatus::FAILED_RETRYABLE && is_later
    }
}

impl Sim {
    /// Returns the request that is delivered to a worker if the worker has to run it again.
    pub(super) fn due_rerun(&self, who: usize, flight: &Flight) -> Option<(JobRequest, usize)> {
        let packet = self.opened(&flight.bytes)?;
        let Some(Payload::JobRequest(request)) = packet.payload else { return None };
        let is_believed = self.params.modes[who] == Mode::Off || packet.sender_id == "router";
        let (host, now) = (&self.workers[who], self.now);
        let has_room = host.worker.running() + host.worker.queued() < self.params.parallel + self.params.queued;
        let takes = has_room && is_believed && !host.is_draining && is_placed(&flight.subject, &request);
        // Requests with the same idempotency key share their attempts.
        let is_single = request.meta.is_none() && !self.forgets();
        let is_next = host.history.end(&request).is_some_and(|end| host.history.is_next(&request, end, now));
        (takes && is_single && is_next).then_some((*request, host.history.accepted))
    }

    /// spec/07: the next attempt of a job that has failed in a way that can be tried again is run, on the same worker too.
    pub(super) fn the_next_attempt_runs(&self, who: usize, due: Option<(JobRequest, usize)>) {
        if let Some((request, before)) = due {
            let runs = self.workers[who].history.accepted > before;
            assert!(runs, "spec/07 the_next_attempt_runs: {request:?} on worker {who}");
        }
    }

    /// Notes that a worker has accepted a job.
    pub(super) fn accepted_by_worker(&mut self, who: usize, job: WorkerJob) {
        let (forgets, now) = (self.forgets(), self.now);
        let host = &mut self.workers[who];
        let Some(view) = host.worker.job(job) else { return };
        let (history, mut is_rerun) = (&mut host.history, false);
        history.accepted += 1;
        let Some(request) = view.request else {
            // It has ended within the same input.
            history.latest.insert(Same::Id(view.job_id.into()), job);
            return;
        };
        for same in sames(request) {
            let Some(before) = history.latest.insert(same, job) else { continue };
            is_rerun = true;
            let end = history.ends.get(&before).copied();
            // Whether a request that shares its key with others was run before is not known from outside.
            let is_known = request.meta.is_none() || attempt(request) == 0;
            let runs_again = end.is_some_and(|end| {
                if is_known { history.is_next(request, end, now) } else { end.0 == JobStatus::FAILED_RETRYABLE }
            });
            assert!(forgets || runs_again, "spec/09 an_attempt_runs_once: {request:?} on worker {who} after {end:?}");
        }
        let last = history.attempts.entry(request.job_id.clone()).or_default();
        *last = attempt(request).max(*last);
        if is_rerun {
            self.count("run again");
        }
    }

    /// Notes that a request reaches a worker that runs its job already: this run is that of its attempt too.
    pub(super) fn joined(&mut self, who: usize, request: &JobRequest) {
        let history = &mut self.workers[who].history;
        let Some(job) = history.latest.get(&Same::Id(request.job_id.clone())) else { return };
        if !history.ends.contains_key(job) {
            let last = history.attempts.entry(request.job_id.clone()).or_default();
            *last = attempt(request).max(*last);
        }
    }
}
