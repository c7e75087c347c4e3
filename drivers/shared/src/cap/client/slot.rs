//! What waits for the handle of one job.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::task::{Context, Poll, Waker};

use nuncio_core::cap::JobResult;

use super::error::NoResult;
use super::progress::ProgressEvent;
use crate::io::sync::lock;

/// The progress that the handle of a job has not read yet, and its result.
#[derive(Debug, Default)]
pub(super) struct Slot(Mutex<Queue>);

#[derive(Debug, Default)]
struct Queue {
    progress: VecDeque<ProgressEvent>,
    end: Option<Result<JobResult, NoResult>>,
    waker: Option<Waker>,
}

/// The progress that waits for a handle; then the oldest is dropped.
const KEPT: usize = 64;

impl Slot {
    /// Adds progress. Returns the reader to wake.
    pub(super) fn push(&self, progress: ProgressEvent) -> Option<Waker> {
        let mut queue = lock(&self.0);
        if queue.progress.len() >= KEPT {
            queue.progress.pop_front();
        }
        queue.progress.push_back(progress);
        queue.waker.take()
    }

    /// Ends the job. Returns the reader to wake.
    pub(super) fn end(&self, end: Result<JobResult, NoResult>) -> Option<Waker> {
        let mut queue = lock(&self.0);
        queue.end.get_or_insert(end);
        queue.waker.take()
    }

    /// Returns the next progress, or `None` once the job has ended.
    pub(super) fn poll_progress(&self, cx: &Context<'_>) -> Poll<Option<ProgressEvent>> {
        self.poll(cx, |queue| match queue.progress.pop_front() {
            Some(progress) => Some(Some(progress)),
            None => queue.end.is_some().then_some(None),
        })
    }

    /// Returns how the job has ended, without the progress before it.
    pub(super) fn poll_end(&self, cx: &Context<'_>) -> Poll<Result<JobResult, NoResult>> {
        self.poll(cx, |queue| queue.end.clone())
    }

    pub(super) fn has_ended(&self) -> bool {
        lock(&self.0).end.is_some()
    }

    fn poll<T>(&self, cx: &Context<'_>, find: impl FnOnce(&mut Queue) -> Option<T>) -> Poll<T> {
        let mut queue = lock(&self.0);
        if let Some(found) = find(&mut queue) {
            return Poll::Ready(found);
        }
        let former = queue.waker.replace(cx.waker().clone());
        drop(queue);
        drop(former);
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn progress(percent: i32) -> ProgressEvent {
        ProgressEvent::new(nuncio_core::cap::JobProgress { percent, ..Default::default() }, None)
    }

    fn read(slot: &Slot) -> Vec<i32> {
        let next = || match slot.poll_progress(&Context::from_waker(Waker::noop())) {
            Poll::Ready(Some(progress)) => Some(progress.percent),
            Poll::Ready(None) | Poll::Pending => None,
        };
        std::iter::from_fn(next).collect()
    }

    #[test]
    fn the_oldest_progress_that_nobody_reads_is_dropped() {
        let slot = Slot::default();
        for percent in 1..=64 {
            slot.push(progress(percent));
        }
        assert_eq!(read(&slot), (1..=64).collect::<Vec<_>>());
        for percent in 1..=100 {
            slot.push(progress(percent));
        }
        assert_eq!(read(&slot), (37..=100).collect::<Vec<_>>());
    }

    #[test]
    fn a_job_ends_once_and_after_its_progress() {
        let (slot, cx) = (Slot::default(), Context::from_waker(Waker::noop()));
        assert!(slot.poll_progress(&cx).is_pending() && !slot.has_ended());
        assert!(slot.push(progress(1)).is_some(), "the reader waits");
        assert!(slot.push(progress(2)).is_none(), "it was woken");
        assert!(slot.poll_end(&cx).is_pending());
        assert!(slot.end(Err(NoResult::TimedOut)).is_some(), "the reader waits");
        slot.end(Err(NoResult::Closed));
        assert!(slot.has_ended());
        assert_eq!(read(&slot), [1, 2]);
        assert!(matches!(slot.poll_progress(&cx), Poll::Ready(None)));
        assert!(matches!(slot.poll_end(&cx), Poll::Ready(Err(NoResult::TimedOut))));
    }
}
