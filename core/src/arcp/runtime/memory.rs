//! The bytes that sessions and jobs hold, of all and of each principal, and who has to hold less.

use alloc::borrow::Cow;
use alloc::collections::BTreeMap;
use alloc::sync::Arc;

use crate::arcp::runtime::config::Limits;
use crate::arcp::runtime::shares::Room;

/// Payload bytes of the events that are kept of a job, and in a session, of a principal that has to hold less.
const SPARING: (usize, usize) = (64 << 10, 1 << 20);
/// The same, for a principal that holds too much.
const LEAST: (usize, usize) = (4 << 10, 64 << 10);

/// What a principal may still hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pressure {
    /// What the limits of its sessions and jobs allow.
    None,
    /// Less, because all together hold more than three quarters of what they may, and it holds more than its share.
    Some,
    /// The least, because it or all together hold too much.
    Full,
}

/// The bytes that are charged, and the entries: the jobs that sessions watch and that are not their own.
#[derive(Clone, Debug, Default)]
pub(super) struct Memory {
    all: usize,
    principals: BTreeMap<Arc<str>, Room>,
}

impl Memory {
    /// A session or job of a principal holds something else than before.
    pub(super) fn change(&mut self, principal: &Arc<str>, before: Room, after: Room) {
        if before == after {
            return;
        }
        self.all = (self.all + after.bytes).saturating_sub(before.bytes);
        let own = self.principals.entry(Arc::clone(principal)).or_default();
        own.bytes = (own.bytes + after.bytes).saturating_sub(before.bytes);
        own.entries = (own.entries + after.entries).saturating_sub(before.entries);
        if *own == Room::default() {
            self.principals.remove(principal);
        }
    }

    /// The bytes of all principals.
    pub(super) fn all(&self) -> usize {
        self.all
    }

    /// The bytes of one principal.
    pub(super) fn of(&self, principal: &str) -> usize {
        self.principals.get(principal).map_or(0, |own| own.bytes)
    }

    /// The jobs that the sessions of one principal watch and that are not their own.
    pub(super) fn subscriptions_of(&self, principal: &str) -> usize {
        self.principals.get(principal).map_or(0, |own| own.entries)
    }

    /// The bytes that each principal may hold, however much the others do.
    pub(super) fn share(&self, limits: &Limits) -> usize {
        limits.bytes / self.principals.len().max(1)
    }

    fn pressure(&self, principal: &str, limits: &Limits) -> Pressure {
        let own = self.of(principal);
        let over_share = own > self.share(limits);
        if own > limits.bytes_per_principal || (over_share && self.all > limits.bytes) {
            Pressure::Full
        } else if over_share && self.all > limits.bytes - limits.bytes / 4 {
            Pressure::Some
        } else {
            Pressure::None
        }
    }

    /// The limits of the sessions and jobs of a principal now.
    pub(super) fn limits<'a>(&self, principal: &str, limits: &'a Limits) -> Cow<'a, Limits> {
        let (history, log) = match self.pressure(principal, limits) {
            Pressure::None => return Cow::Borrowed(limits),
            Pressure::Some => SPARING,
            Pressure::Full => LEAST,
        };
        let mut less = limits.clone();
        less.history_bytes = less.history_bytes.min(history);
        less.log_bytes = less.log_bytes.min(log);
        Cow::Owned(less)
    }
}

/// The charge of a session or a job.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Charge {
    room: Room,
    /// Whether it may hold something else than it is charged.
    changed: bool,
}

impl Charge {
    /// Notes that it may hold something else; returns whether that is new.
    pub(super) fn mark(&mut self) -> bool {
        !core::mem::replace(&mut self.changed, true)
    }

    /// Charges what it holds now, and returns what it was charged before.
    pub(super) fn settle(&mut self, held: Room) -> Room {
        self.changed = false;
        core::mem::replace(&mut self.room, held)
    }

    pub(super) fn room(self) -> Room {
        self.room
    }
}
