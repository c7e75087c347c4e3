//! All deadlines of a worker in one ordered set. The owner of a deadline holds it as a [`Deadline`].

use alloc::collections::BTreeSet;

use super::output::{WorkerJob, WorkerTimer};
use crate::time::Time;

/// The armed deadlines: when, why, and the job that they belong to.
#[derive(Clone, Debug, Default)]
pub(super) struct Timers(BTreeSet<(Time, WorkerTimer, Option<WorkerJob>)>);

impl Timers {
    /// The earliest deadline.
    pub(super) fn next(&self) -> Option<(Time, WorkerTimer)> {
        self.0.first().map(|(at, timer, _)| (*at, *timer))
    }

    /// Takes out the earliest deadline that has passed.
    pub(super) fn expired(&mut self, now: Time) -> Option<(WorkerTimer, Option<WorkerJob>)> {
        self.0.first().filter(|(at, _, _)| *at <= now)?;
        self.0.pop_first().map(|(_, timer, job)| (timer, job))
    }
}

/// A deadline of one thing, which is armed or not.
#[derive(Clone, Copy, Debug)]
pub(super) struct Deadline {
    timer: WorkerTimer,
    job: Option<WorkerJob>,
    at: Option<Time>,
}

impl Deadline {
    pub(super) const fn new(timer: WorkerTimer, job: Option<WorkerJob>) -> Deadline {
        Deadline { timer, job, at: None }
    }

    /// Returns the time, if the deadline is armed.
    pub(super) fn at(&self) -> Option<Time> {
        self.at
    }

    /// Arms the deadline, in place of an earlier one. One at the end of time never passes.
    pub(super) fn set(&mut self, at: Time, timers: &mut Timers) {
        self.clear(timers);
        self.at = Some(at);
        if at < Time::MAX {
            timers.0.insert((at, self.timer, self.job));
        }
    }

    /// Takes the deadline back.
    pub(super) fn clear(&mut self, timers: &mut Timers) {
        if let Some(at) = self.at.take() {
            timers.0.remove(&(at, self.timer, self.job));
        }
    }
}
