//! Frames of jobs whose `job.accepted` has not arrived.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::vec::Vec;

use bytes::Bytes;

use super::config::ClientLimits;

/// Frames of unknown jobs, oldest first.
#[derive(Clone, Debug, Default)]
pub(super) struct Held {
    frames: VecDeque<HeldFrame>,
    bytes: usize,
}

#[derive(Clone, Debug)]
struct HeldFrame {
    job: Box<str>,
    seq: u64,
    frame: Bytes,
}

impl Held {
    /// Holds a frame.
    pub(super) fn push(&mut self, job: &str, seq: u64, frame: Bytes) {
        self.bytes = self.bytes.saturating_add(frame.len());
        self.frames.push_back(HeldFrame { job: Box::from(job), seq, frame });
    }

    /// Drops the oldest frame if the limits are exceeded, and returns its number.
    pub(super) fn drop_excess(&mut self, limits: &ClientLimits) -> Option<u64> {
        if self.frames.len() <= limits.held_events && self.bytes <= limits.held_bytes {
            return None;
        }
        let dropped = self.frames.pop_front()?;
        self.bytes = self.bytes.saturating_sub(dropped.frame.len());
        Some(dropped.seq)
    }

    /// Returns whether a frame of this job is held.
    pub(super) fn holds(&self, job: &str) -> bool {
        self.frames.iter().any(|held| &*held.job == job)
    }

    /// Takes all frames of a job, in the order in which they were received.
    pub(super) fn take(&mut self, job: &str) -> Vec<Bytes> {
        let mut taken = Vec::new();
        if self.frames.is_empty() {
            return taken;
        }
        self.frames.retain(|held| {
            let other = &*held.job != job;
            if !other {
                self.bytes = self.bytes.saturating_sub(held.frame.len());
                taken.push(held.frame.clone());
            }
            other
        });
        taken
    }

    /// Drops all frames.
    pub(super) fn clear(&mut self) {
        *self = Held::default();
    }

    /// Returns the number of bytes held.
    pub(super) fn bytes_held(&self) -> usize {
        self.bytes
    }
}
