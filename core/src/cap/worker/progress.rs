//! Progress of a job that runs, and signs of jobs that make none.

use super::Worker;
use super::job::state::WorkerJobState;
use super::output::{Attempt, Progress, WorkerRefused};
use crate::cap::wire::job::{JobProgress, JobStatus};
use crate::cap::wire::sign::SIGN_STEP;
use crate::cap::wire::subject::Subject;
use crate::time::Time;

impl Worker {
    /// Publishes how far a job is. While the bus is away it is dropped.
    ///
    /// Errors: [`WorkerRefused::Percent`]; [`WorkerRefused::Limit`] if it names too many artifacts;
    /// [`WorkerRefused::Stale`] if the handler of this attempt does not run.
    pub fn progress(&mut self, now: Time, attempt: Attempt, progress: &Progress) -> Result<(), WorkerRefused> {
        self.input(now, |this| {
            if !(0..=100).contains(&progress.percent) {
                return Err(WorkerRefused::Percent);
            }
            this.check_artifacts(&progress.artifact_ptrs, &progress.artifact_refs)?;
            this.check_artifacts(core::slice::from_ref(&progress.result_ptr), progress.result_ref.as_slice())?;
            let job = this.jobs.awaited(attempt, WorkerJobState::Running)?;
            if this.outbox.is_connected() {
                job.say(progress.percent);
            }
            for asker in job.askers().to_vec() {
                let packet = JobProgress {
                    job_id: asker.job_id,
                    step_id: progress.step_id.clone(),
                    percent: progress.percent,
                    message: this.cut(progress.message.clone()),
                    result_ptr: progress.result_ptr.clone(),
                    artifact_ptrs: progress.artifact_ptrs.clone(),
                    status: JobStatus::RUNNING,
                    dispatch: asker.dispatch,
                    identity: asker.identity,
                    result_ref: progress.result_ref.clone(),
                    artifact_refs: progress.artifact_refs.clone(),
                    ..JobProgress::default()
                };
                this.outbox.publish(Subject::JobProgress, asker.trace_id, packet);
            }
            Ok(())
        })
    }

    /// Publishes a sign of each job that has no result yet and has made no progress since the last signs.
    pub(super) fn give_signs(&mut self) {
        for (asker, percent, status) in self.jobs.take_silent() {
            let sign = JobProgress {
                job_id: asker.job_id,
                step_id: SIGN_STEP.into(),
                percent,
                status,
                dispatch: asker.dispatch,
                identity: asker.identity,
                ..JobProgress::default()
            };
            self.outbox.publish(Subject::JobProgress, asker.trace_id, sign);
        }
    }
}
