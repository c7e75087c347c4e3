//! A thread for tests. Its tasks are polled by hand, and its timers never pass.

use std::sync::Mutex;
use std::task::{Context, Waker};
use std::time::Instant;

use super::sync::lock;
use super::{BoxFuture, Io};

#[derive(Default)]
pub(crate) struct ByHand {
    tasks: Mutex<Vec<BoxFuture<'static, ()>>>,
    timers: Mutex<Vec<Instant>>,
}

impl Io for ByHand {
    fn spawn(&self, task: BoxFuture<'static, ()>) {
        lock(&self.tasks).push(task);
    }

    fn sleep_until(&self, at: Instant) -> BoxFuture<'static, ()> {
        lock(&self.timers).push(at);
        Box::pin(std::future::pending())
    }
}

impl ByHand {
    /// Polls every task once.
    pub(crate) fn poll(&self) {
        let mut tasks = std::mem::take(&mut *lock(&self.tasks));
        tasks.retain_mut(|task| task.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        lock(&self.tasks).extend(tasks);
    }

    /// Returns the times of the timers that were asked for.
    pub(crate) fn timers(&self) -> Vec<Instant> {
        lock(&self.timers).clone()
    }
}
