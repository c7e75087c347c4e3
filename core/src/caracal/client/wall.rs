//! Follows the wall clock.

use super::Client;
use crate::time::Time;

impl Client {
    /// Notes that the wall clock shows `wall` when it is `now`. Until the first call it shows the time of the inputs.
    ///
    /// The wall clock may be set either way. A token is replaced before the wall clock shows the time of its expiry;
    /// setting the clock back does not make this later. Dates of the coordinator, which are the end of a lease and
    /// `Retry-After`, are judged by the wall clock when they arrive. After that, lifetimes, leases, pauses and limits
    /// do not follow the wall clock.
    pub fn handle_wall(&mut self, now: Time, wall: Time) {
        self.advance(now);
        self.clock.set_wall(wall);
        self.tokens.follow_wall(&self.clock);
    }
}
