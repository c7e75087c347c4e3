//! The idempotency receipts of a zone: [`Receipts`].

use alloc::boxed::Box;
use alloc::collections::BTreeMap;

use super::event::CoordinatorTimer;
use super::ids::Uuid;
use super::record::Receipt;
use super::timers::{Deadline, Timers, ZoneKey};
use crate::caracal::wire::ids::ApplicationId;
use crate::digest::Digest;
use crate::time::Time;

/// What a key was used for. The keys of sessions and edges, and those of two applications, do not meet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Purpose {
    Spawn,
    Delegation,
}

#[derive(Clone, Debug)]
struct Entry {
    receipt: Box<Receipt>,
    application: ApplicationId,
    purpose: Purpose,
    deadline: Deadline,
}

/// The receipts, by the session or edge that each is for.
#[derive(Clone, Debug, Default)]
pub(super) struct Receipts {
    map: BTreeMap<Uuid, Entry>,
    keys: BTreeMap<(Purpose, Digest), BTreeMap<ApplicationId, Uuid>>,
    bytes: usize,
}

impl Receipts {
    /// Returns the receipt of a key, and the session or edge that it is for.
    pub(super) fn find(&self, purpose: Purpose, application: &ApplicationId, key: &Digest) -> Option<(Uuid, &Receipt)> {
        let id = self.keys.get(&(purpose, *key))?.get(application)?;
        self.map.get(id).map(|entry| (*id, &*entry.receipt))
    }

    /// Returns the number of receipts of an application.
    pub(super) fn count(&self, purpose: Purpose, application: &ApplicationId) -> usize {
        let entries = self.map.values();
        entries.filter(|entry| entry.purpose == purpose && entry.application == *application).count()
    }

    pub(super) fn bytes_held(&self) -> usize {
        self.bytes
    }

    /// Adds a receipt, which is valid until `until`.
    pub(super) fn add(
        &mut self,
        (zone, id): (ZoneKey, Uuid),
        purpose: Purpose,
        application: &ApplicationId,
        receipt: Box<Receipt>,
        until: Time,
        timers: &mut Timers,
    ) {
        let mut deadline = Deadline::new(CoordinatorTimer::Receipt, zone, id);
        deadline.set(until, timers);
        self.bytes = self.bytes.saturating_add(size(&receipt));
        self.keys.entry((purpose, receipt.key)).or_default().insert(application.clone(), id);
        self.map.insert(id, Entry { receipt, application: application.clone(), purpose, deadline });
    }

    /// Forgets the receipt of a session or an edge.
    pub(super) fn forget(&mut self, id: Uuid, timers: &mut Timers) {
        let Some(mut entry) = self.map.remove(&id) else { return };
        entry.deadline.clear(timers);
        self.bytes = self.bytes.saturating_sub(size(&entry.receipt));
        let key = (entry.purpose, entry.receipt.key);
        if let Some(ids) = self.keys.get_mut(&key) {
            if ids.get(&entry.application) == Some(&id) {
                ids.remove(&entry.application);
            }
            if ids.is_empty() {
                self.keys.remove(&key);
            }
        }
    }
}

fn size(receipt: &Receipt) -> usize {
    receipt.body.len().saturating_add(512)
}
