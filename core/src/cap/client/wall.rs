//! Follows the wall clock.

use super::Client;
use crate::time::Time;

impl Client {
    /// Notes that the wall clock shows `wall` when it is `now`. Until the first call it shows the time of the inputs.
    ///
    /// The wall clock may be set either way. Packets carry its time, and packets of the production profile are judged
    /// by it as it is now (spec/19). The time to wait for a job, and the pauses before a packet is sent again, do not
    /// follow the wall clock.
    pub fn handle_wall(&mut self, now: Time, wall: Time) {
        self.advance(now);
        self.clock.set_wall(wall);
    }
}
