//! Signs of silent jobs. They are Nuncio's own: a worker that sends them announces it, and a router notices a lost
//! request sooner.

use super::job::JobProgress;

/// The capability of a worker that gives a sign of each of its jobs with every heartbeat: progress of the job, or progress of
/// the step [`SIGN_STEP`] if the job has made none.
pub(crate) const SIGNS: &str = "x-nuncio-signs";

/// The step of progress that says only that a worker has the job.
pub(crate) const SIGN_STEP: &str = "x-nuncio-sign";

impl JobProgress {
    /// Returns whether the progress says only that a worker has the job. It is meant for routers and not for people. Its
    /// percentage is that of the progress before it.
    pub fn is_sign(&self) -> bool {
        self.step_id == SIGN_STEP
    }
}
