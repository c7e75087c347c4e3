//! Follows the wall clock.

use alloc::vec::Vec;

use super::Coordinator;
use super::ids::Uuid;
use super::record::Change;
use super::timers::ZoneKey;
use crate::time::Time;

impl Coordinator {
    /// Notes that the wall clock shows `wall` when it is `now`. Until the first call it shows the time of the inputs, or after a
    /// restart that of [`Coordinator::restore`].
    ///
    /// The wall clock may be set either way. Answers show its time. An edge expires once the wall clock has shown the
    /// time of its expiry; setting the clock back does not make it expire later. Lifetimes of sessions, leases,
    /// receipts and retention do not follow the wall clock.
    pub fn handle_wall(&mut self, now: Time, wall: Time) {
        self.advance(now);
        self.lapse();
        self.clock.set_wall(wall);
        for key in self.zone_keys() {
            let edges = self.follow_wall(key);
            // An edge says itself when it expires, but not that the clock has shown that time before it was set back.
            if !edges.is_empty() {
                self.commit(key, Change::Expired { edges });
                self.forget_surplus(key);
            }
        }
    }

    /// Has the edges of all zones follow the wall clock.
    pub(super) fn follow_walls(&mut self) {
        for key in self.zone_keys() {
            self.follow_wall(key);
        }
    }

    /// Has the edges of a zone follow the wall clock. Returns those that are over because of that.
    fn follow_wall(&mut self, key: ZoneKey) -> Vec<Uuid> {
        let zone = usize::try_from(key).ok().and_then(|at| self.zones.get_mut(at));
        zone.map(|zone| zone.follow_wall(&self.clock, &mut self.timers)).unwrap_or_default()
    }
}
