//! Signals between tasks, on any async runtime.

use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;

use atomic_waker::AtomicWaker;
use event_listener::Event;
use futures_lite::FutureExt as _;

/// Wakes the one task that waits for it. A wake-up that comes before the task waits is kept; several such wake-ups
/// count as one.
#[derive(Debug, Default)]
pub struct Signal {
    set: AtomicBool,
    waiter: AtomicWaker,
}

impl Signal {
    /// Wakes the task that waits. If none waits, the next call of [`notified`](Signal::notified) returns at once.
    pub fn notify(&self) {
        self.set.store(true, Ordering::SeqCst);
        self.waiter.wake();
    }

    /// Waits for a wake-up. Only one task may wait at a time. No wake-up is lost if the future is dropped.
    pub async fn notified(&self) {
        std::future::poll_fn(|cx| {
            if self.set.swap(false, Ordering::SeqCst) {
                return Poll::Ready(());
            }
            self.waiter.register(cx.waker());
            // It may have been set before the waker was registered.
            if self.set.swap(false, Ordering::SeqCst) { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }
}

/// Tells any number of tasks to stop. It cannot be reset. Clones share their state.
///
/// ```
/// # futures_lite::future::block_on(async {
/// use nuncio_shared::io::CancellationToken;
///
/// let token = CancellationToken::new();
/// let clone = token.clone();
/// token.cancel();
/// clone.cancelled().await;
/// # })
/// ```
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
    /// Returns a token that is not cancelled.
    pub fn new() -> CancellationToken {
        CancellationToken::default()
    }

    /// Cancels the token and all its clones.
    pub fn cancel(&self) {
        self.state.cancelled.store(true, Ordering::SeqCst);
        self.state.event.notify(usize::MAX);
    }

    /// Returns whether the token is cancelled.
    pub fn is_cancelled(&self) -> bool {
        self.state.cancelled.load(Ordering::SeqCst)
    }

    /// Waits until the token is cancelled.
    pub async fn cancelled(&self) {
        while !self.is_cancelled() {
            let event = self.state.event.listen();
            // It may have been cancelled before this task listened.
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

/// A value whose changes tasks can wait for.
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

    /// Waits until `find` returns something for the value.
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

/// Returns the output of an application's future, or `None` if it panics.
pub(crate) async fn caught<T>(hook: impl Future<Output = T>) -> Option<T> {
    AssertUnwindSafe(hook).catch_unwind().await.ok()
}

/// Locks a mutex, even if a thread has panicked while it held the lock: a panic on one connection must not end all of
/// them.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
