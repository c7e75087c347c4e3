//! Signals between tasks, on any async runtime.

use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};
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

/// A mutex whose holders can give way. A mutex of the standard library can be had again and again by a thread that
/// releases it only to take it: the threads that wait need some time to wake up, and come too late.
#[derive(Debug, Default)]
pub(crate) struct Turnstile<T> {
    value: Mutex<T>,
    /// Held by the first of those that wait.
    first: Mutex<()>,
}

impl<T> Turnstile<T> {
    pub(crate) fn new(value: T) -> Turnstile<T> {
        Turnstile { value: Mutex::new(value), first: Mutex::new(()) }
    }

    /// Locks the value, even if a thread has panicked while it held the lock.
    pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
        match self.value.try_lock() {
            Ok(guard) => guard,
            Err(TryLockError::Poisoned(error)) => error.into_inner(),
            Err(TryLockError::WouldBlock) => {
                let _first = lock(&self.first);
                lock(&self.value)
            }
        }
    }

    /// Waits until the thread that has waited longest, if one waits, has the lock. For a thread that has held the lock for
    /// long and has released it.
    pub(crate) fn give_way(&self) {
        drop(lock(&self.first));
    }
}

/// Locks a mutex, even if a thread has panicked while it held the lock: a panic on one connection must not end all of
/// them.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn a_thread_that_gives_way_lets_the_one_that_waits_go_first() {
        let turnstile = Turnstile::new(Vec::new());
        thread::scope(|scope| {
            for turn in 0..100 {
                let mut held = turnstile.lock();
                held.push("mine");
                let other = scope.spawn(|| turnstile.lock().push("other"));
                // It waits, or is about to.
                while turnstile.first.try_lock().is_ok() {
                    thread::yield_now();
                }
                drop(held);
                turnstile.give_way();
                assert_eq!(turnstile.lock().last(), Some(&"other"), "turn {turn}");
                assert!(other.join().is_ok());
            }
        });
    }

    #[test]
    fn nothing_is_waited_for_if_no_thread_waits() {
        let turnstile = Turnstile::new(0);
        *turnstile.lock() += 1;
        turnstile.give_way();
        assert_eq!(*turnstile.lock(), 1);
    }
}
