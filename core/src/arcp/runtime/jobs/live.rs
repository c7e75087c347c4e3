//! The jobs that have not ended, counted by principal.

use alloc::collections::BTreeMap;
use alloc::sync::Arc;

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

    pub(super) fn of(&self, principal: &str) -> Room {
        self.principals.get(principal).copied().unwrap_or_default()
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
