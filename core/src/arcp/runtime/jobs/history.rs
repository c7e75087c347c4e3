//! The last events of a job, as later subscribers read them (§7.6).

use alloc::collections::VecDeque;

use bytes::Bytes;

use crate::arcp::wire::feature::Features;

/// An event of a job that later subscribers can read, with its number in the owner's session.
#[derive(Clone, Debug)]
pub(crate) struct Past {
    pub(crate) seq: u64,
    pub(crate) needs: Features,
    pub(crate) payload: Bytes,
}

/// The last events of a job. Positions count from the first event the job ever had.
#[derive(Clone, Debug, Default)]
pub(crate) struct History {
    events: VecDeque<Past>,
    first: u64,
    bytes: usize,
    /// The number, in the owner's session, of the last event that was dropped.
    dropped_to: u64,
}

impl History {
    pub(crate) fn push(&mut self, past: Past, max_events: usize, max_bytes: usize) {
        self.bytes += past.payload.len() + 64;
        self.events.push_back(past);
        while self.events.len() > max_events || self.bytes > max_bytes {
            self.drop_first();
        }
    }

    fn drop_first(&mut self) {
        if let Some(past) = self.events.pop_front() {
            self.bytes -= past.payload.len() + 64;
            self.dropped_to = past.seq;
            self.first += 1;
        }
    }

    /// The position of the first event that is kept.
    pub(crate) fn begin(&self) -> u64 {
        self.first
    }

    /// Restores a gap: the next event has this position and this number in the owner's session. If events are missing
    /// before it, all earlier ones are dropped.
    pub(crate) fn skip_to(&mut self, position: u64, seq: u64) {
        if position != self.end() {
            while !self.events.is_empty() {
                self.drop_first();
            }
            self.first = position;
            self.dropped_to = seq.saturating_sub(1);
        }
    }

    /// The position after the last event.
    pub(crate) fn end(&self) -> u64 {
        self.first + self.events.len() as u64
    }

    /// The position of the first event after `seq`, a number in the owner's session, and whether events in between were
    /// dropped.
    pub(crate) fn after(&self, seq: u64) -> (u64, bool) {
        let skipped = self.events.partition_point(|past| past.seq <= seq) as u64;
        (self.first + skipped, self.first > 0 && seq < self.dropped_to)
    }

    /// The event at a position: `Err` if it was dropped, `None` if there is none yet.
    pub(crate) fn at(&self, position: u64) -> Result<Option<&Past>, ()> {
        let index = position.checked_sub(self.first).ok_or(())?;
        Ok(usize::try_from(index).ok().and_then(|index| self.events.get(index)))
    }

    pub(crate) fn held(&self) -> usize {
        self.bytes
    }
}
