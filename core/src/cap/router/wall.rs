//! Follows the wall clock.

use super::Router;
use crate::time::Time;

impl Router {
    /// Notes that the wall clock shows `wall` when it is `now`. Until the first call it shows the time of the inputs.
    ///
    /// The wall clock may be set either way. Packets carry its time, and packets of the production profile are judged
    /// by it as it is now (spec/19). A trust session ends once the wall clock has shown the end of its token (spec/14);
    /// setting the clock back does not make it end later. Records have its time. Deadlines of jobs, missed heartbeats,
    /// pauses and ages do not follow the wall clock.
    pub fn handle_wall(&mut self, now: Time, wall: Time) {
        self.input(now, |this| {
            this.clock.set_wall(wall);
            if let Some(trust) = &mut this.trust {
                trust.handle_wall(now, wall);
            }
        });
    }
}
