//! The expiry of a job's lease (§9.5).

use crate::arcp::runtime::event::Timer;
use crate::arcp::runtime::host::JobKey;
use crate::arcp::runtime::timers::{Deadline, Timers};
use crate::time::Time;

/// When a job's lease is over, in the time of the machine. This time may become earlier, but never later: a wall clock that
/// is set back gives no authority back (§14).
#[derive(Clone, Debug)]
pub(super) struct Expiry {
    /// From when on every operation is refused; `None` if the lease does not expire.
    over: Option<Time>,
    /// When the grace is over.
    deadline: Deadline,
    /// Whether an operation was refused: the job can only end so.
    refused: bool,
}

impl Expiry {
    pub(super) fn new() -> Expiry {
        Expiry { over: None, deadline: Deadline::new(Timer::Expiry), refused: false }
    }

    /// Has the lease end at `over`, unless it ends earlier, and the job when the grace after that is over.
    pub(super) fn limit(&mut self, over: Time, ends: Time, id: JobKey, timers: &mut Timers) {
        if self.over.is_none_or(|earlier| over < earlier) {
            self.over = Some(over);
            self.deadline.set(ends, id, timers);
        }
    }

    /// From when on every operation is refused; `None` if the lease does not expire.
    pub(super) fn over(&self) -> Option<Time> {
        self.over
    }

    /// Notes that an operation was refused. Returns whether it is the first one.
    pub(super) fn refuse(&mut self) -> bool {
        !core::mem::replace(&mut self.refused, true)
    }

    pub(super) fn is_refused(&self) -> bool {
        self.refused
    }

    pub(super) fn clear(&mut self, id: JobKey, timers: &mut Timers) {
        self.deadline.clear(id, timers);
    }
}
