//! The work that is done, in units, so that no turn takes long.

/// Units of work for a frame of any length.
pub(super) const FRAME: u64 = 200;
/// Bytes of a frame that are read and copied for one unit of work.
pub(super) const FRAME_BYTES: u64 = 4;
/// Units of work for a job that a listing looks at.
pub(super) const LISTED: u64 = 20;
/// Units of work for an event of a history that is sent or passed over, besides its bytes.
pub(super) const REPLAYED: u64 = 20;
/// Events in a log that are passed over for one unit of work.
pub(super) const PASSED: u64 = 16;
/// Bytes of an event that are made and copied for one unit of work.
pub(super) const EVENT_BYTES: u64 = 8;
/// Units of work for an ended job, or an idempotency record, that is removed.
pub(super) const REMOVED: u64 = 100;
/// Units of work for a job that ends, or is cancelled, because one above it is.
pub(super) const ENDED: u64 = 1_000;
/// Units of work for a deadline.
pub(super) const DEADLINE: u64 = 500;

/// The work that was done, in units of some tens of nanoseconds.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Work {
    done: u64,
    /// What was done before the present turn.
    before: u64,
    /// What was done before the present input.
    before_input: u64,
}

impl Work {
    pub(super) fn charge(&mut self, units: u64) {
        self.done = self.done.saturating_add(units);
    }

    pub(super) fn done(self) -> u64 {
        self.done
    }

    pub(super) fn begin_turn(&mut self) {
        self.before = self.done;
    }

    pub(super) fn in_turn(self) -> u64 {
        self.done - self.before
    }

    pub(super) fn begin_input(&mut self) {
        self.before_input = self.done;
    }

    pub(super) fn in_input(self) -> u64 {
        self.done - self.before_input
    }
}
