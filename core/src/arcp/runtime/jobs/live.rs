//! The jobs that have not ended, counted by principal.

use alloc::collections::BTreeMap;
use alloc::sync::Arc;

use crate::arcp::runtime::config::Limits;
use crate::arcp::runtime::shares::Room;

/// How many jobs have not ended, and the bytes of their inputs and extensions: of all, and of each principal.
#[derive(Clone, Debug, Default)]
pub(super) struct Live {
    all: Room,
    principals: BTreeMap<Arc<str>, Room>,
}

impl Live {
    pub(super) fn all(&self) -> Room {
        self.all
    }

    fn of(&self, principal: &str) -> Room {
        self.principals.get(principal).copied().unwrap_or_default()
    }

    /// Returns the limit that leaves no place for another job of a principal, with an input and extensions of `bytes`.
    pub(super) fn without_place(
        &self,
        principal: &str,
        bytes: usize,
        limits: &Limits,
    ) -> Option<(&'static str, usize)> {
        let own = self.of(principal);
        if own.entries >= limits.jobs_per_principal {
            Some(("jobs_per_principal", limits.jobs_per_principal))
        } else if !has_place(self.all.entries, own.entries, 1, limits.jobs, 1) {
            Some(("jobs", limits.jobs))
        } else if own.bytes.saturating_add(bytes) > limits.input_bytes_per_principal {
            Some(("input_bytes_per_principal", limits.input_bytes_per_principal))
        } else if !has_place(self.all.bytes, own.bytes, bytes, limits.input_bytes, limits.frame_bytes) {
            Some(("input_bytes", limits.input_bytes))
        } else {
            None
        }
    }

    /// A job begins.
    pub(super) fn begin(&mut self, principal: &Arc<str>, bytes: usize) {
        self.change(principal, |room| {
            room.entries += 1;
            room.bytes += bytes;
        });
    }

    /// A job has ended, or was declined.
    pub(super) fn end(&mut self, principal: &Arc<str>) {
        self.change(principal, |room| room.entries = room.entries.saturating_sub(1));
    }

    /// The input of a job has other bytes than before.
    pub(super) fn resize(&mut self, principal: &Arc<str>, before: usize, after: usize) {
        self.change(principal, |room| room.bytes = (room.bytes + after).saturating_sub(before));
    }

    fn change(&mut self, principal: &Arc<str>, change: impl Fn(&mut Room)) {
        change(&mut self.all);
        let room = self.principals.entry(Arc::clone(principal)).or_default();
        change(room);
        if *room == Room::default() {
            self.principals.remove(principal);
        }
    }
}

/// Returns whether a principal that holds `own` of the `held` may have `more`. The last tenth of a room is for principals that
/// hold less than a hundredth of it, so that nobody takes the last place of another; a hundredth has to be enough for the
/// `least` that one of them needs.
fn has_place(held: usize, own: usize, more: usize, max: usize, least: usize) -> bool {
    let (after, share) = (held.saturating_add(more), max / 100);
    let kept = if share >= least { max / 10 } else { 0 };
    after <= max && (after <= max - kept || own.saturating_add(more) <= share)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Begins jobs of a principal until one has no place; returns how many there were, and the limit.
    fn fill(live: &mut Live, principal: &str, most: usize, bytes: usize) -> (usize, Option<&'static str>) {
        let (limits, principal) = (Limits::default(), Arc::from(principal));
        for begun in 0..most {
            if let Some((limit, _)) = live.without_place(&principal, bytes, &limits) {
                return (begun, Some(limit));
            }
            live.begin(&principal, bytes);
        }
        (most, None)
    }

    #[test]
    fn a_hundred_sessions_with_a_thousand_sleepers_leave_places_to_others() {
        let mut live = Live::default();
        assert_eq!(fill(&mut live, "a", 100_000, 0), (50_000, Some("jobs_per_principal")));
        // However many principals do so.
        assert_eq!(fill(&mut live, "b", 100_000, 0), (40_000, Some("jobs")));
        assert_eq!(fill(&mut live, "c", 100_000, 0), (1_000, Some("jobs")));
        assert_eq!(fill(&mut live, "d", 1_000, 0), (1_000, None));
    }

    #[test]
    fn inputs_of_a_megabyte_leave_room_to_others() {
        let mut live = Live::default();
        assert_eq!(fill(&mut live, "a", 4_000, 1 << 20), (512, Some("input_bytes_per_principal")));
        assert_eq!(fill(&mut live, "b", 4_000, 1 << 20), (409, Some("input_bytes")));
        assert_eq!(fill(&mut live, "c", 10, 1 << 20), (10, None));
    }
}
