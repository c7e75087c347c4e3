//! Which jobs the runtime is silent about.

use alloc::collections::BTreeSet;

use slotmap::SecondaryMap;

use super::jobs::JobKey;
use crate::time::Time;

/// When jobs were last heard of, and the jobs that the client is asking about. All times are on the reading clock.
#[derive(Clone, Debug, Default)]
pub(super) struct Silence {
    jobs: SecondaryMap<JobKey, Heard>,
    /// The jobs that are watched, by the time at which they count as silent unless they were heard of since then.
    due: BTreeSet<(Time, JobKey)>,
    /// When the session was last welcomed.
    welcomed: Time,
    /// The silent jobs that the next survey looks for.
    waiting: BTreeSet<JobKey>,
    /// The silent jobs that the present survey has not found.
    doubted: BTreeSet<JobKey>,
    /// The pages of the present survey that were asked for; 0 if there is no survey.
    pages: u32,
}

#[derive(Clone, Copy, Debug)]
struct Heard {
    /// When the last frame of the job was received.
    at: Time,
    /// When the job counts as silent, if it is watched.
    due: Option<Time>,
}

impl Silence {
    /// Records that a frame of a job was received.
    pub(super) fn heard(&mut self, job: JobKey, now: Time) {
        match self.jobs.get_mut(job) {
            Some(heard) => heard.at = now,
            None => {
                self.jobs.insert(job, Heard { at: now, due: None });
            }
        }
    }

    /// Returns when the last frame of a job was received, or when the session was last welcomed if that is later.
    pub(super) fn last_heard(&self, job: JobKey) -> Time {
        self.jobs.get(job).map_or(self.welcomed, |heard| heard.at.max(self.welcomed))
    }

    /// Watches a job, which counts as silent at `due`.
    pub(super) fn watch(&mut self, job: JobKey, due: Time) {
        if let Some(heard) = self.jobs.get_mut(job) {
            if let Some(former) = heard.due.replace(due) {
                self.due.remove(&(former, job));
            }
            self.due.insert((due, job));
        }
    }

    /// Forgets a job that no handle follows any more.
    pub(super) fn forget(&mut self, job: JobKey) {
        if let Some(due) = self.jobs.remove(job).and_then(|heard| heard.due) {
            self.due.remove(&(due, job));
        }
        self.waiting.remove(&job);
        self.doubted.remove(&job);
    }

    /// Records that the session was welcomed. No job counts as silent because of the time before.
    pub(super) fn welcomed(&mut self, now: Time) {
        self.welcomed = now;
    }

    /// Returns when a job counts as silent first.
    pub(super) fn first_due(&self) -> Option<Time> {
        self.due.first().map(|(due, _)| *due)
    }

    /// Takes the next job that counts as silent now, unless it was heard of. It is not watched any more.
    pub(super) fn take_due(&mut self, now: Time) -> Option<JobKey> {
        let (due, job) = self.due.first().copied().filter(|(due, _)| *due <= now)?;
        self.due.remove(&(due, job));
        if let Some(heard) = self.jobs.get_mut(job) {
            heard.due = None;
        }
        Some(job)
    }

    /// Looks for a silent job in the next survey.
    pub(super) fn doubt(&mut self, job: JobKey) {
        self.waiting.insert(job);
    }

    /// Begins a survey for the jobs that wait for one. Returns false if there are none, or a survey is under way.
    pub(super) fn begin_survey(&mut self) -> bool {
        if self.pages > 0 || self.waiting.is_empty() {
            return false;
        }
        self.doubted = core::mem::take(&mut self.waiting);
        true
    }

    /// Records that a page of the survey is asked for.
    pub(super) fn turn_page(&mut self) {
        self.pages = self.pages.saturating_add(1);
    }

    /// Records that the survey has found a job. Returns whether it looked for it.
    pub(super) fn find(&mut self, job: JobKey) -> bool {
        self.doubted.remove(&job)
    }

    /// Returns whether the survey has found every job, and the number of its pages.
    pub(super) fn survey(&self) -> (bool, u32) {
        (self.doubted.is_empty(), self.pages)
    }

    /// Ends the survey. Returns the jobs that it has not found.
    pub(super) fn end_survey(&mut self) -> BTreeSet<JobKey> {
        self.pages = 0;
        core::mem::take(&mut self.doubted)
    }

    /// Returns an upper estimate of the memory held, in bytes.
    pub(super) fn bytes_held(&self) -> usize {
        let entries = self.due.len().saturating_add(self.doubted.len()).saturating_add(self.waiting.len());
        let jobs = self.jobs.len().saturating_mul(size_of::<Heard>());
        entries.saturating_mul(size_of::<(Time, JobKey)>()).saturating_add(jobs)
    }
}
