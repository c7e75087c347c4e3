//! The queue between a machine and the tasks of one connection.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, OnceLock, Weak};

use bytes::Bytes;

use super::sync::{Signal, lock};

/// Writes the frames of a pipe.
pub(crate) trait Outlet: Send + Sync {
    /// Writes what is queued on the calling thread if nothing is being written and the stream takes it, and wakes the writer
    /// otherwise. It never waits.
    fn write_now(&self);
}

/// The frames that a machine has sent on a connection and its writer has not taken yet, and the signals of both tasks.
/// The machine's credit bounds the number of frames.
#[derive(Default)]
pub(crate) struct Pipe {
    queue: Mutex<Queue>,
    /// Wakes the writer: there is something to take.
    pub(crate) writable: Signal,
    /// Wakes the reader: the machine reads again, the link accepts input again, or the connection is being closed.
    pub(crate) readable: Signal,
    /// Whether the next [`wake`](Pipe::wake) concerns the reader, too.
    for_reader: AtomicBool,
    /// Where any thread may write.
    outlet: OnceLock<Weak<dyn Outlet>>,
}

#[derive(Debug, Default)]
struct Queue {
    frames: Vec<Bytes>,
    close: Option<(u16, &'static str)>,
    finish: bool,
    /// Writing has failed.
    broken: bool,
    closing: bool,
}

/// What a writer does after it has written the frames.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Orders {
    /// Closes the link with this code and reason.
    pub(crate) close: Option<(u16, &'static str)>,
    /// Ends the writer.
    pub(crate) finish: bool,
}

impl Pipe {
    /// Queues a frame.
    pub(crate) fn push(&self, frame: Bytes) {
        lock(&self.queue).frames.push(frame);
    }

    /// Closes the connection with this code and reason after the queued frames.
    pub(crate) fn close(&self, code: u16, reason: &'static str) {
        let mut queue = lock(&self.queue);
        queue.close = Some((code, reason));
        queue.closing = true;
        self.for_reader.store(true, Ordering::SeqCst);
    }

    /// Notes that the machine reads again.
    pub(crate) fn read_on(&self) {
        self.for_reader.store(true, Ordering::SeqCst);
    }

    /// Lets any thread write.
    pub(crate) fn set_outlet(&self, outlet: Weak<dyn Outlet>) {
        // There is one writer, which is set once.
        drop(self.outlet.set(outlet));
    }

    /// Wakes the tasks. It is called once the machine's lock is free.
    pub(crate) fn wake(&self) {
        self.writable.notify();
        self.wake_reader();
    }

    /// Writes what is queued on this thread if that is possible, and otherwise wakes the tasks, like [`wake`](Pipe::wake).
    pub(crate) fn write_now(&self) {
        match self.outlet.get().and_then(Weak::upgrade) {
            Some(outlet) => outlet.write_now(),
            None => self.writable.notify(),
        }
        self.wake_reader();
    }

    fn wake_reader(&self) {
        if self.for_reader.swap(false, Ordering::SeqCst) {
            self.readable.notify();
        }
    }

    /// Ends the writer once everything is written.
    pub(crate) fn finish(&self) {
        lock(&self.queue).finish = true;
        self.writable.notify();
    }

    /// Notes that writing has failed.
    pub(crate) fn broken(&self) {
        lock(&self.queue).broken = true;
        self.readable.notify();
    }

    /// Swaps the queued frames with `frames`, which is empty.
    pub(crate) fn take(&self, frames: &mut Vec<Bytes>) -> Orders {
        let mut queue = lock(&self.queue);
        std::mem::swap(&mut queue.frames, frames);
        Orders { close: queue.close.take(), finish: queue.finish }
    }

    pub(crate) fn is_broken(&self) -> bool {
        lock(&self.queue).broken
    }

    /// Waits until the connection is being closed. It takes the reader's wake-ups, so it is for the time before there is
    /// a reader.
    pub(crate) async fn closing(&self) {
        while !self.is_closing() {
            self.readable.notified().await;
        }
    }

    pub(crate) fn is_closing(&self) -> bool {
        lock(&self.queue).closing
    }
}

impl fmt::Debug for Pipe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pipe").field("queue", &self.queue).finish_non_exhaustive()
    }
}
