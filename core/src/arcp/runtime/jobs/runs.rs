//! The runs of a job, and what its agent leaves for the next one (ours).

use core::time::Duration;

use bytes::Bytes;

use crate::time::Time;

/// The runs of a job.
#[derive(Clone, Debug, Default)]
pub(super) struct Runs {
    /// When it ran for the first time.
    pub(super) since: Option<Time>,
    /// When it began to wait for a slot of its agent, or once it has one, to run; `None` if it has not since the last restart.
    phase: Option<Time>,
    /// Runs that a restart has interrupted.
    pub(super) restarts: u32,
    /// Whether its request is on record.
    pub(super) recorded: bool,
    /// Whether a run is on record as one that may be repeated.
    pub(super) repeatable: bool,
    /// Whether a part of its result is on record.
    pub(super) streamed: bool,
    pub(super) note: Option<Bytes>,
    pub(super) notes: u64,
}

impl Runs {
    /// Begins to wait for a slot.
    pub(super) fn wait(&mut self, now: Time) {
        self.phase = Some(now);
    }

    /// Begins a run, and returns when the first one began.
    pub(super) fn begin(&mut self, now: Time) -> Time {
        self.phase = Some(now);
        *self.since.get_or_insert(now)
    }

    /// Returns how long it has waited for a slot, or once it has one, has run; `None` if it has not since the last restart.
    pub(super) fn in_phase(&self, now: Time) -> Option<Duration> {
        Some(Duration::from_micros(now.since(self.phase?)))
    }

    pub(super) fn end(&mut self) {
        self.note = None;
    }

    pub(super) fn held(&self) -> usize {
        self.note.as_ref().map_or(0, Bytes::len)
    }
}

/// Whether a job goes on after a restart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unfinished {
    /// It has never run, and its request is on record.
    Waiting,
    /// It was running, and its run may be repeated.
    Repeatable,
    /// It was running, and has streamed a part of its result.
    Streaming,
    /// It can only end.
    Lost,
}
