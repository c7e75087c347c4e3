//! Turns: how much is done at once, and what goes on in a later turn.
//!
//! ```text
//! handle_frame, handle_frame, ... until is_turn_over      the host lets others have the machine between turns
//! handle_timeout(Turn)                                    a listing that is not finished goes on, one turn at a time
//! ```

use super::Runtime;

impl Runtime {
    /// Begins a turn: the host has just been given the machine, and hands in frames until [`Runtime::is_turn_over`].
    pub fn begin_turn(&mut self) {
        self.work.begin_turn();
    }

    /// Returns whether [`Limits::turn_work`](crate::arcp::Limits::turn_work) was done since [`Runtime::begin_turn`]. The
    /// host then lets others have the machine before it hands in the next frame.
    pub fn is_turn_over(&self) -> bool {
        self.work.in_turn() >= self.config.limits.turn_work
    }

    /// Returns the units of work that were done since the runtime was made; see
    /// [`Limits::turn_work`](crate::arcp::Limits::turn_work).
    pub fn work_done(&self) -> u64 {
        self.work.done()
    }

    /// Goes on with listings that are not finished, each for a turn's work at most, until the turn is over.
    pub(super) fn take_turn(&mut self) {
        self.unfinished.begin();
        while let Some(listing) = self.unfinished.next() {
            self.walk(listing);
            if self.is_turn_over() {
                break;
            }
        }
        self.unfinished.rest(self.clock.now(), &mut self.timers);
    }
}
