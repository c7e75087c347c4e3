//! What the wall clock shows.

use super::Worker;
use crate::time::Time;

impl Worker {
    /// Notes that the wall clock shows `wall` when it is `now`. Until the first call it shows the time of the inputs.
    ///
    /// The wall clock may be set either way. Packets carry what it shows, and are judged by it as it is now: a packet of the
    /// production profile is refused if it has expired (spec/19), and a trust session is over once the wall clock has shown
    /// the end of its token (spec/14), and no later than if it had not been set back. Deadlines of jobs, heartbeats and
    /// pauses do not follow it.
    pub fn handle_wall(&mut self, now: Time, wall: Time) {
        self.input(now, |this| {
            this.clock.set_wall(wall);
            if let Some(trust) = &mut this.trust {
                trust.handle_wall(now, wall);
            }
        });
    }
}
