//! What the wall clock shows.

use super::Runtime;
use crate::time::Time;

impl Runtime {
    /// Notes that the wall clock shows `wall` when it is `now`. Until the first call it shows the time of the inputs.
    ///
    /// The wall clock may be set either way. Timestamps follow it. The lease of a job is over once it has shown `expires_at`
    /// (§9.5), and no later than it would have shown that if it had not been set back (§14). Intervals, grace periods and
    /// ages do not follow it: they neither stall nor pass early when it is set.
    ///
    /// ```
    /// use nuncio_core::arcp::{Config, Runtime};
    /// use nuncio_core::time::Time;
    ///
    /// let now = Time(1_779_000_000_000_000);
    /// let mut runtime = Runtime::new(Config::default(), [7; 32], now);
    /// // The machine was asleep for an hour, or its clock was set.
    /// runtime.handle_wall(now, now.plus_secs(3_600));
    /// ```
    pub fn handle_wall(&mut self, now: Time, wall: Time) {
        self.input(now, |this| {
            this.clock.set_wall(wall);
            let (now, offset) = (this.clock.now(), this.clock.offset());
            this.jobs.follow_wall(now, offset, this.config.expiry_grace, &mut this.timers);
        });
    }
}
