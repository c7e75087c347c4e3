//! What is left for later turns.

use alloc::boxed::Box;
use alloc::collections::VecDeque;

use super::cancellation::Cancellation;
use super::event::Timer;
use super::host::{ConnId, JobKey, SessionKey};
use super::listing::Listing;
use super::timers::{Deadline, Timers};
use crate::time::Time;

/// Something that goes on in a later turn.
#[derive(Clone, Debug)]
pub(super) enum Rest {
    /// A listing that has not looked at all jobs.
    Listing(Box<Listing>),
    /// The histories of jobs that a session is sent.
    Histories(SessionKey),
    /// The rest of a large result.
    Result(JobKey),
    /// The end of a job that waits for the jobs below it.
    Family(JobKey),
    /// A cancellation that has not reached all jobs of a family.
    Cancellation(Box<Cancellation>),
}

/// What is not finished, in the order of the next turns.
#[derive(Clone, Debug)]
pub(super) struct Unfinished {
    rests: VecDeque<Rest>,
    deadline: Deadline,
}

impl Default for Unfinished {
    fn default() -> Unfinished {
        Unfinished { rests: VecDeque::new(), deadline: Deadline::new(Timer::Turn) }
    }
}

impl Unfinished {
    /// Puts something last, and sees that there is a turn.
    pub(super) fn push(&mut self, rest: Rest, now: Time, timers: &mut Timers) {
        self.rests.push_back(rest);
        self.arm(now, timers);
    }

    /// Begins a turn.
    pub(super) fn begin(&mut self) {
        self.deadline.passed();
    }

    pub(super) fn next(&mut self) -> Option<Rest> {
        self.rests.pop_front()
    }

    /// Sees that there is another turn if anything is left.
    pub(super) fn arm(&mut self, now: Time, timers: &mut Timers) {
        if !self.rests.is_empty() && self.deadline.is_clear() {
            self.deadline.set(now.plus_micros(1), ConnId::default(), timers);
        }
    }

    pub(super) fn held(&self) -> usize {
        self.rests.iter().map(Rest::held).sum()
    }
}

impl Rest {
    fn held(&self) -> usize {
        match self {
            Rest::Listing(listing) => listing.held(),
            Rest::Histories(_) | Rest::Result(_) | Rest::Family(_) => 64,
            Rest::Cancellation(cancellation) => cancellation.held(),
        }
    }
}
