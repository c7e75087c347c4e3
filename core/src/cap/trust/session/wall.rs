//! Follows the wall clock.

use super::TrustSession;
use super::state::TrustState;
use crate::time::Time;

impl TrustSession {
    /// Notes that the wall clock shows `wall` when it is `now`. Until the first call it shows the time of the inputs.
    ///
    /// The wall clock may be set either way. Answers are judged by it as it is now. A token expires once the wall clock
    /// has shown the time of its expiry; setting the clock back does not make it expire later. A token that expires
    /// earlier is renewed earlier. Pauses and the time for a reply do not follow it.
    pub fn handle_wall(&mut self, now: Time, wall: Time) {
        self.advance(now);
        self.clock.set_wall(wall);
        let Some(session) = &mut self.session else { return };
        session.expiry.follow(&self.clock);
        let Some(session) = self.session.as_ref().filter(|_| self.state == TrustState::Trusted) else { return };
        let renewal = self.clock.now().plus_micros(self.renewed_after(session));
        self.due = self.due.map(|due| due.min(renewal));
    }
}
