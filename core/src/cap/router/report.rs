//! What workers report: results and progress.

use bytes::Bytes;

use super::Router;
use super::answer::Verdict;
use super::job::Job;
use super::job::state::RouterJobState;
use super::output::{RefusedByRouter, RouterEvent, RouterJob, RouterTimer};
use crate::cap::wire::common::DispatchIdentity;
use crate::cap::wire::job::{JobProgress, JobResult, JobStatus};
use crate::cap::wire::subject::ComponentId;
use crate::digest::sha256;
use crate::secret::Secret;

impl Router {
    /// Takes in the result of a worker. Results of jobs that are not known belong to others.
    pub(super) fn on_result(
        &mut self,
        result: &JobResult,
        sender: &str,
        token: &Secret,
        bytes: &[u8],
    ) -> Result<(), RefusedByRouter> {
        let Some((key, job)) = self.own(&result.job_id) else { return Ok(()) };
        if let Err(refused) = self.proven(sender, token) {
            self.ask_again(key, sender);
            return Err(refused);
        }
        let state = job.state();
        if state.is_terminal() {
            self.conflict(key, result.status);
            return Ok(());
        }
        Router::sender_of(job, sender)?;
        if self.is_stale(job, result.dispatch.as_ref()) {
            return Ok(());
        }
        match result.status {
            JobStatus::FAILED_RETRYABLE => self.on_retryable(key, result, bytes),
            status if state.can_end(status) => self.conclude(key, status, Bytes::copy_from_slice(bytes)),
            // These are said by progress, and a result of this kind does not end the job.
            JobStatus::PENDING | JobStatus::SCHEDULED | JobStatus::DISPATCHED | JobStatus::RUNNING => {}
            status => return Err(RefusedByRouter::Status(status)),
        }
        Ok(())
    }

    /// Checks that a report is of a worker with a session, if workers need one. In the production profile its seal has shown
    /// that.
    fn proven(&self, sender: &str, token: &Secret) -> Result<(), RefusedByRouter> {
        if self.production.is_some() { Ok(()) } else { self.trusted(sender, token) }
    }

    /// Asks a worker with a session for a result that it has sent without the token: the session may have been renewed while
    /// the result was under way. It is asked once for each token, because it may not have got that one yet.
    fn ask_again(&mut self, key: RouterJob, sender: &str) {
        let session = self.trust.as_ref().and_then(|trust| trust.session(self.clock.now(), sender));
        let Some(until) = session.map(|session| session.expires_at) else { return };
        let Some(job) = self.jobs.touch(key) else { return };
        let is_its = job.worker.as_ref().is_some_and(|own| own.as_str() == sender);
        if is_its && job.asked_again.replace(until) != Some(until) {
            self.resend(key);
        }
    }

    /// Reports a result that conflicts with the one that a job has (spec/07).
    fn conflict(&mut self, job: RouterJob, ignored: JobStatus) {
        let Some(state) = self.jobs.get(job).map(Job::state) else { return };
        let ended = state.status();
        // A worker that is told to stop a job that took too long reports that it was cancelled.
        let is_expected = ended == JobStatus::TIMEOUT && ignored == JobStatus::CANCELLED;
        let is_last = RouterJobState::Running.can_end(ignored);
        if ended != ignored && is_last && !is_expected {
            self.outbox.event(RouterEvent::Conflict { job, ended, ignored });
        }
    }

    /// A worker has failed, and another attempt may succeed (spec/07).
    fn on_retryable(&mut self, key: RouterJob, result: &JobResult, bytes: &[u8]) {
        let digest = sha256(bytes);
        let Some(job) = self.jobs.change(key) else { return };
        // The bus may deliver the same failure twice.
        if job.failure.replace(digest) == Some(digest) || job.state() == RouterJobState::Retrying {
            return;
        }
        let message = result.error_message.clone();
        self.fail(key, &Verdict::new(JobStatus::FAILED, result.error_code_enum, message));
    }

    /// Takes in progress, which is a sign that a worker runs the job.
    pub(super) fn on_progress(
        &mut self,
        progress: &JobProgress,
        sender: &str,
        token: &Secret,
        bytes: &[u8],
    ) -> Result<(), RefusedByRouter> {
        let Some((key, job)) = self.own(&progress.job_id) else { return Ok(()) };
        if job.state().is_terminal() {
            return Ok(());
        }
        self.proven(sender, token)?;
        let worker = Router::sender_of(job, sender)?;
        // A sign that was given before the failure, and comes after it, does not take the job back.
        let is_over = progress.is_sign() && job.has_failed && job.state() == RouterJobState::Retrying;
        // What the router publishes again for a repeated request comes back to it. It says nothing new.
        let came_before = job.progress().iter().any(|kept| **kept == *bytes);
        if is_over || came_before || self.is_stale(job, progress.dispatch.as_ref()) {
            return Ok(());
        }
        if !progress.is_sign() {
            self.keep_progress(key, bytes);
        }
        let now = self.clock.now();
        let Some(job) = self.jobs.touch(key) else { return Ok(()) };
        job.heard_at = now;
        let runs = job.pass(RouterJobState::run, &mut self.timers);
        if runs {
            self.queue.remove(&job.head.lane(), (job.head.rank, job.order, key));
            if let Some(job) = self.jobs.change(key) {
                job.assign(worker.clone());
            }
            self.workers.assign(&worker, key);
            self.outbox.event(RouterEvent::Running { job: key, worker });
        }
        self.heard(key);
        Ok(())
    }

    /// Keeps a progress packet for a request that is repeated. In the production profile it would not be admitted again.
    pub(super) fn keep_progress(&mut self, key: RouterJob, bytes: &[u8]) {
        let limits = &self.config.limits;
        if self.production.is_none()
            && bytes.len() <= limits.progress_bytes
            && let Some(job) = self.jobs.touch(key)
        {
            job.keep_progress(Bytes::copy_from_slice(bytes), limits.progress);
        }
    }

    /// Awaits the next sign of a job at a worker.
    pub(super) fn heard(&mut self, key: RouterJob) {
        let until = self.clock.now().plus(self.config.dispatch_timeout);
        if let Some(job) = self.jobs.touch(key)
            && matches!(job.state(), RouterJobState::Dispatched | RouterJobState::Running)
        {
            job.step.set(until, RouterTimer::Dispatch, &mut self.timers);
        }
    }

    /// Returns the job of an id, but not for the id of a request that follows it.
    fn own(&self, id: &str) -> Option<(RouterJob, &Job)> {
        let key = self.jobs.find(id)?;
        self.jobs.get(key).filter(|job| job.asker.job_id == id).map(|job| (key, job))
    }

    /// Checks that a job was sent to a worker: by its direct subject, or by its topic, which any worker may have.
    fn sender_of(job: &Job, sender: &str) -> Result<ComponentId, RefusedByRouter> {
        let worker =
            ComponentId::new(sender).map_err(|problem| RefusedByRouter::Sender { sender: sender.into(), problem })?;
        if job.on_topic || job.tried.contains(&worker) {
            Ok(worker)
        } else {
            Err(RefusedByRouter::NotAssigned(sender.into()))
        }
    }

    /// Whether a report belongs to an earlier dispatch. Only requests that the router signs itself have a dispatch, and in the
    /// production profile every report has to name the present one.
    fn is_stale(&self, job: &Job, dispatch: Option<&DispatchIdentity>) -> bool {
        if self.production.is_some() {
            return dispatch != Some(&job.dispatch());
        }
        self.config.resigns() && dispatch.is_some_and(|dispatch| dispatch.attempt < u64::from(job.attempts))
    }
}
