//! What the wall clock shows.

use super::Client;
use crate::time::Time;

impl Client {
    /// Notes that the wall clock shows `wall` when it is `now`. Until the first call it shows the time of the inputs.
    ///
    /// The wall clock may be set either way. A token is replaced before the wall clock shows the time of its expiry, and no later
    /// than if it had not been set back. What the coordinator says in dates is judged by the wall clock as it is then: the end
    /// of a lease, and `Retry-After`. After that, lifetimes, leases, pauses and limits do not follow it.
    pub fn handle_wall(&mut self, now: Time, wall: Time) {
        self.advance(now);
        self.clock.set_wall(wall);
        self.tokens.follow_wall(&self.clock);
    }
}
