//! Turns: how much is done at once, and what goes on in a later turn.
//!
//! ```text
//! handle_frame, handle_frame, ... until is_turn_over      the host lets others have the machine between turns
//! handle_timeout(Turn)                                    what is not finished goes on, one turn at a time: listings,
//!                                                         histories that sessions are sent, rests of large results,
//!                                                         the ends and cancellations of large families
//! ```

use super::Runtime;
use super::unfinished::Rest;

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

    /// Returns whether a turn's work was done for the present input. What remains goes on in a later turn.
    pub(super) fn is_input_long(&self) -> bool {
        self.work.in_input() >= self.config.limits.turn_work
    }

    /// Leaves something to a later turn.
    pub(super) fn leave_to_later_turn(&mut self, rest: Rest) {
        self.unfinished.push(rest, self.clock.now(), &mut self.timers);
    }

    /// Goes on with what is not finished, each for a turn's work at most, until the turn is over.
    pub(super) fn take_turn(&mut self) {
        self.unfinished.begin();
        while let Some(rest) = self.unfinished.next() {
            let left_to_flush = match rest {
                Rest::Listing(listing) => {
                    self.walk(*listing);
                    false
                }
                Rest::Histories(session) => self.go_on_with_histories(session),
                Rest::Result(job) => self.go_on_with_result(job),
                Rest::Family(job) => {
                    self.go_on_with_family(job);
                    false
                }
                Rest::Cancellation(cancellation) => {
                    self.go_on_with_cancellation(*cancellation);
                    false
                }
            };
            // What the flush does is not counted yet. It may be all that the turn allows.
            if left_to_flush || self.is_turn_over() {
                break;
            }
        }
        self.unfinished.arm(self.clock.now(), &mut self.timers);
    }
}
