//! Frames that were given to the driver and not yet reported as written.

use alloc::collections::VecDeque;

use crate::arcp::runtime::config::Limits;
use crate::arcp::runtime::host::JobKey;
use crate::time::Time;

/// A frame that was given to the driver.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Outstanding {
    pub(crate) bytes: usize,
    /// Its number, if it is an event.
    pub(crate) seq: Option<u64>,
    /// The job it subscribed to, if that has to be known.
    pub(crate) subscribed: Option<JobKey>,
}

/// The result of a report of written frames.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Written {
    /// The last event among them.
    pub(crate) seq: Option<u64>,
    /// Whether a `job.subscribed` that events are timed from was among them.
    pub(crate) subscribed: bool,
}

/// The credit window of one connection.
#[derive(Clone, Debug)]
pub(super) struct Credit {
    outstanding: VecDeque<Outstanding>,
    bytes: usize,
    last_written: Time,
}

impl Credit {
    pub(super) fn new(now: Time) -> Credit {
        Credit { outstanding: VecDeque::new(), bytes: 0, last_written: now }
    }

    /// Returns whether there is credit for a frame of this length. A single frame always has credit.
    pub(super) fn allows(&self, bytes: usize, limits: &Limits) -> bool {
        self.outstanding.is_empty()
            || (self.outstanding.len() < limits.send_window && self.bytes + bytes <= limits.send_window_bytes)
    }

    pub(super) fn take(&mut self, frame: Outstanding, now: Time) {
        if self.outstanding.is_empty() {
            self.last_written = now;
        }
        self.outstanding.push_back(frame);
        self.bytes += frame.bytes;
    }

    /// Notes that the driver has written a number of frames. More than were given are ignored.
    pub(super) fn give_back(&mut self, frames: usize, now: Time) -> Written {
        let mut written = Written::default();
        for _ in 0..frames {
            let Some(frame) = self.outstanding.pop_front() else { break };
            self.bytes -= frame.bytes;
            self.last_written = now;
            written.seq = frame.seq.or(written.seq);
            written.subscribed |= frame.subscribed.is_some();
        }
        written
    }

    /// Returns since when no frame was written although some are outstanding.
    pub(super) fn waiting_since(&self) -> Option<Time> {
        (!self.outstanding.is_empty()).then_some(self.last_written)
    }

    /// The bytes of the frames that are not written yet.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn held(&self) -> usize {
        self.outstanding.len() * 40
    }
}
