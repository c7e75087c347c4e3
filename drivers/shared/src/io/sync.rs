//! Waking without an async runtime.

use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;

use atomic_waker::AtomicWaker;
use event_listener::Event;
use futures_lite::FutureExt as _;

/// Wakes the one task that waits for it. A wake that comes first is kept, and is one however often it came.
#[derive(Debug, Default)]
pub struct Signal {
    set: AtomicBool,
    waiter: AtomicWaker,
}

impl Signal {
    /// Wakes the waiter, or the next one.
    pub fn notify(&self) {
        self.set.store(true, Ordering::SeqCst);
        self.waiter.wake();
    }

    /// Waits for a wake. Dropped while it waits, none is lost. Only one task may wait at a time.
    pub async fn notified(&self) {
        std::future::poll_fn(|cx| {
            if self.set.swap(false, Ordering::SeqCst) {
                return Poll::Ready(());
            }
            self.waiter.register(cx.waker());
            // It may have been set before the waker was there.
            if self.set.swap(false, Ordering::SeqCst) { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }
}

/// Tells any number of tasks, once and for ever, that something is to stop.
#[derive(Clone, Default)]
pub struct CancellationToken {
    state: Arc<Cancellation>,
}

#[derive(Default)]
struct Cancellation {
    cancelled: AtomicBool,
    event: Event,
}

impl CancellationToken {
    /// A token that nobody has cancelled.
    pub fn new() -> CancellationToken {
        CancellationToken::default()
    }

    /// Cancels it, and with it all clones.
    pub fn cancel(&self) {
        self.state.cancelled.store(true, Ordering::SeqCst);
        self.state.event.notify(usize::MAX);
    }

    /// Whether it was cancelled.
    pub fn is_cancelled(&self) -> bool {
        self.state.cancelled.load(Ordering::SeqCst)
    }

    /// Waits until it is cancelled.
    pub async fn cancelled(&self) {
        while !self.is_cancelled() {
            let event = self.state.event.listen();
            // It may have been cancelled before anybody listened.
            if self.is_cancelled() {
                return;
            }
            event.await;
        }
    }
}

impl std::fmt::Debug for CancellationToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CancellationToken").field("cancelled", &self.is_cancelled()).finish()
    }
}

/// A value that tasks wait to see change.
#[derive(Debug)]
pub(crate) struct Watch<T> {
    value: Mutex<T>,
    changed: Event,
}

impl<T: Clone> Watch<T> {
    pub(crate) fn new(value: T) -> Watch<T> {
        Watch { value: Mutex::new(value), changed: Event::new() }
    }

    pub(crate) fn value(&self) -> T {
        lock(&self.value).clone()
    }

    pub(crate) fn set(&self, value: T) {
        *lock(&self.value) = value;
        self.changed.notify(usize::MAX);
    }

    /// Waits until `find` finds something in the value.
    pub(crate) async fn wait<R>(&self, mut find: impl FnMut(&T) -> Option<R>) -> R {
        loop {
            let changed = self.changed.listen();
            if let Some(found) = find(&lock(&self.value)) {
                return found;
            }
            changed.await;
        }
    }
}

/// What a hook of the application answers; `None` if it panicked.
pub(crate) async fn caught<T>(hook: impl Future<Output = T>) -> Option<T> {
    AssertUnwindSafe(hook).catch_unwind().await.ok()
}

/// Locks, also after a panic under the lock: that is a defect, and it is better met by one wrong connection than by an
/// end of all.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
