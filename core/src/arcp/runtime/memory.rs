//! The bytes that sessions and jobs hold, of all and of each principal, and who has to hold less.

use alloc::borrow::Cow;
use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;

use slotmap::{Key, SlotMap};

use crate::arcp::runtime::config::Limits;
use crate::arcp::runtime::stored::{Period, Stored};

/// Payload bytes of the events that are kept of a job, and in a session, of a principal that has to hold less.
const SPARING: (usize, usize) = (64 << 10, 1 << 20);
/// The same, for a principal that holds too much.
const LEAST: (usize, usize) = (4 << 10, 64 << 10);

/// Bytes that may wait for the connections of a principal, whatever else it holds.
const SMALL: usize = 1 << 20;

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

/// What a session or a job holds, or all those of a principal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Holding {
    /// Bytes in memory.
    pub(super) bytes: usize,
    /// The jobs that a session watches and that are not its own.
    pub(super) watched: usize,
    /// Bytes of records in the journal.
    pub(super) stored: u64,
}

/// What is charged, to all and to each principal.
#[derive(Clone, Debug, Default)]
pub(super) struct Memory {
    all: usize,
    principals: BTreeMap<Arc<str>, Holding>,
}

impl Memory {
    /// A session or job of a principal holds something else than before.
    pub(super) fn change(&mut self, principal: &Arc<str>, before: Holding, after: Holding) {
        if before == after {
            return;
        }
        self.all = (self.all + after.bytes).saturating_sub(before.bytes);
        let own = match self.principals.get_mut(principal) {
            Some(own) => own,
            None => self.principals.entry(Arc::clone(principal)).or_default(),
        };
        own.bytes = (own.bytes + after.bytes).saturating_sub(before.bytes);
        own.watched = (own.watched + after.watched).saturating_sub(before.watched);
        own.stored = own.stored.saturating_add(after.stored).saturating_sub(before.stored);
        if *own == Holding::default() {
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
        self.principals.get(principal).map_or(0, |own| own.watched)
    }

    /// The bytes that the sessions and jobs of one principal have in the journal.
    pub(super) fn stored_of(&self, principal: &str) -> u64 {
        self.principals.get(principal).map_or(0, |own| own.stored)
    }

    /// The bytes that each principal may hold, however much the others do.
    pub(super) fn share(&self, limits: &Limits) -> usize {
        limits.bytes / self.principals.len().max(1)
    }

    /// Whether a principal holds too much, alone or because all do, and `part` of it is not a small part.
    pub(super) fn has_too_much(&self, principal: &str, part: usize, limits: &Limits) -> bool {
        let may = self.share(limits).min(limits.bytes_per_principal);
        part > (may / 4).max(SMALL) && self.pressure(principal, limits) == Pressure::Full
    }

    fn pressure(&self, principal: &str, limits: &Limits) -> Pressure {
        // No principal holds more than all do.
        if self.all <= (limits.bytes - limits.bytes / 4).min(limits.bytes_per_principal) {
            return Pressure::None;
        }
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

/// A session or a job: what it holds is charged to its principal.
pub(super) trait Holder {
    fn principal(&self) -> &Arc<str>;
    /// What it holds now, in memory.
    fn holding(&self) -> Holding;
    fn charge(&self) -> &Charge;
    fn charge_mut(&mut self) -> &mut Charge;
}

/// What a session or a job is charged.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Charge {
    charged: Holding,
    /// Whether it may hold something else than it is charged.
    changed: bool,
    /// What it has in the journal.
    stored: Stored,
}

impl Charge {
    /// Charges the bytes of a record.
    pub(super) fn store(&mut self, bytes: u64, period: Period) {
        self.stored.add(bytes, period);
    }

    /// Charges what is held now. Returns what was charged before, and is now.
    fn settle(&mut self, held: Holding, period: Period) -> (Holding, Holding) {
        let after = Holding { stored: self.stored.counted(period), ..held };
        self.changed = false;
        (core::mem::replace(&mut self.charged, after), after)
    }
}

/// The sessions or jobs of a table whose charges have to change.
#[derive(Clone, Debug)]
pub(super) struct Charges<K> {
    /// Those that may hold something else than they are charged.
    changed: Vec<K>,
    /// What those were charged that were removed.
    freed: Vec<(Arc<str>, Holding)>,
}

impl<K> Default for Charges<K> {
    fn default() -> Charges<K> {
        Charges { changed: Vec::new(), freed: Vec::new() }
    }
}

impl<K: Key> Charges<K> {
    /// Notes that a session or job may hold something else than it is charged.
    pub(super) fn mark<H: Holder>(&mut self, table: &mut SlotMap<K, H>, key: K) {
        if let Some(holder) = table.get_mut(key)
            && !core::mem::replace(&mut holder.charge_mut().changed, true)
        {
            self.changed.push(key);
        }
    }

    /// Notes that a session or job was removed.
    pub(super) fn free<H: Holder>(&mut self, removed: &H) {
        self.freed.push((Arc::clone(removed.principal()), removed.charge().charged));
    }

    /// Charges what the sessions or jobs hold now.
    pub(super) fn settle<H: Holder>(&mut self, table: &mut SlotMap<K, H>, memory: &mut Memory, period: Period) {
        for (principal, before) in self.freed.drain(..) {
            memory.change(&principal, before, Holding::default());
        }
        while let Some(key) = self.changed.pop() {
            let Some(holder) = table.get_mut(key) else { continue };
            let held = holder.holding();
            let (before, after) = holder.charge_mut().settle(held, period);
            memory.change(holder.principal(), before, after);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_principal_has_to_hold_less_beyond_its_own_limit_or_its_share_of_all() {
        let limits = Limits { bytes: 1_000, bytes_per_principal: 700, ..Limits::default() };
        let (a, b): (Arc<str>, Arc<str>) = ("a".into(), "b".into());
        let pressures = |of_a: usize, of_b: usize| {
            let mut memory = Memory::default();
            for (principal, bytes) in [(&a, of_a), (&b, of_b)] {
                memory.change(principal, Holding::default(), Holding { bytes, ..Holding::default() });
            }
            [memory.pressure("a", &limits), memory.pressure("b", &limits)]
        };
        assert_eq!(pressures(650, 100), [Pressure::None, Pressure::None]);
        assert_eq!(pressures(650, 101), [Pressure::Some, Pressure::None]);
        assert_eq!(pressures(701, 1), [Pressure::Full, Pressure::None]);
        assert_eq!(pressures(600, 401), [Pressure::Full, Pressure::None]);
        assert_eq!(pressures(400, 351), [Pressure::None, Pressure::None]);
    }
}
