//! Follows the wall clock.

use super::Worker;
use crate::time::Time;

impl Worker {
    /// Notes that the wall clock shows `wall` when it is `now`. Until the first call it shows the time of the inputs.
    ///
    /// The wall clock may be set either way. Packets carry its time and are judged by it as it is now: a packet of the
    /// production profile is refused if it has expired (spec/19). A trust session ends once the wall clock has shown
    /// the end of its token (spec/14); setting the clock back does not make it end later. Deadlines of jobs, heartbeats
    /// and pauses do not follow the wall clock.
    pub fn handle_wall(&mut self, now: Time, wall: Time) {
        self.input(now, |this| {
            this.clock.set_wall(wall);
            if let Some(trust) = &mut this.trust {
                trust.handle_wall(now, wall);
            }
        });
    }
}
