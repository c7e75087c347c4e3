//! Follows the wall clock.

use super::TrustAuthority;
use crate::time::Time;

impl TrustAuthority {
    /// Notes that the wall clock shows `wall` when it is `now`. Until the first call it shows the time of the inputs.
    ///
    /// The wall clock may be set either way. Requests are judged by it as it is now. A session or a challenge expires
    /// once the wall clock has shown the time of its expiry; setting the clock back does not make it expire later.
    pub fn handle_wall(&mut self, now: Time, wall: Time) {
        self.clock.advance(now);
        self.clock.set_wall(wall);
        for record in self.workers.values_mut() {
            record.follow_wall(&self.clock);
        }
    }
}
