//! What a machine has put out for one connection, until its writer takes it.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;

use super::sync::{Signal, lock};

/// A connection's queue between a machine and its two tasks. The machine's credit bounds it.
#[derive(Debug, Default)]
pub(crate) struct Pipe {
    queue: Mutex<Queue>,
    /// For the writer: there is something to take.
    pub(crate) writable: Signal,
    /// For the reader: the machine reads again, output was written, or the connection is to end.
    pub(crate) readable: Signal,
    /// Whether the next wake is the reader's, too.
    for_reader: AtomicBool,
}

#[derive(Debug, Default)]
struct Queue {
    frames: Vec<Bytes>,
    close: Option<(u16, &'static str)>,
    finish: bool,
    broken: bool,
    closing: bool,
}

/// What a writer has to do besides writing frames.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Orders {
    /// To end the link with this code and reason, after the frames.
    pub(crate) close: Option<(u16, &'static str)>,
    /// To end once everything is written.
    pub(crate) finish: bool,
}

impl Pipe {
    pub(crate) fn push(&self, frame: Bytes) {
        lock(&self.queue).frames.push(frame);
    }

    pub(crate) fn close(&self, code: u16, reason: &'static str) {
        let mut queue = lock(&self.queue);
        queue.close = Some((code, reason));
        queue.closing = true;
        self.for_reader.store(true, Ordering::SeqCst);
    }

    /// The machine reads again.
    pub(crate) fn read_on(&self) {
        self.for_reader.store(true, Ordering::SeqCst);
    }

    /// Wakes whom the queued concerns, after the machine's lock is free.
    pub(crate) fn wake(&self) {
        self.writable.notify();
        if self.for_reader.swap(false, Ordering::SeqCst) {
            self.readable.notify();
        }
    }

    /// Nothing more comes: the writer ends once everything is written.
    pub(crate) fn finish(&self) {
        lock(&self.queue).finish = true;
        self.writable.notify();
    }

    /// The writer could not write.
    pub(crate) fn broken(&self) {
        lock(&self.queue).broken = true;
        self.readable.notify();
    }

    /// Moves the frames to `frames`, which is empty.
    pub(crate) fn take(&self, frames: &mut Vec<Bytes>) -> Orders {
        let mut queue = lock(&self.queue);
        std::mem::swap(&mut queue.frames, frames);
        Orders { close: queue.close.take(), finish: queue.finish }
    }

    pub(crate) fn is_broken(&self) -> bool {
        lock(&self.queue).broken
    }

    /// Waits until the connection is to end. For whoever comes before the reader.
    pub(crate) async fn closing(&self) {
        while !self.is_closing() {
            self.readable.notified().await;
        }
    }

    pub(crate) fn is_closing(&self) -> bool {
        lock(&self.queue).closing
    }
}
