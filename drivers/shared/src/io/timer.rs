//! The deadlines of a machine.

use futures_lite::future::{or, pending, yield_now};
use nuncio_core::time::Time;

use super::Io;
use super::clock::Clock;
use super::sync::Signal;

/// Calls `expire` whenever a deadline has passed. `arm` returns the next deadline, and `nearer` is notified when it has moved
/// to an earlier time.
pub(crate) async fn watch_deadlines(
    io: &dyn Io,
    clock: &Clock,
    nearer: &Signal,
    arm: impl Fn() -> Option<Time>,
    expire: impl Fn(),
) {
    loop {
        let passed = async {
            match arm() {
                Some(at) => io.sleep_until(clock.instant(at)).await,
                None => pending().await,
            }
            true
        };
        let moved = async {
            nearer.notified().await;
            false
        };
        if or(passed, moved).await {
            expire();
            // A timer that has passed already is ready at once; the other tasks of the thread have to run as well.
            yield_now().await;
        }
    }
}
