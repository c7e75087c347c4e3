//! Packets of the production profile that were seen before (2.17, spec/19).

use alloc::collections::{BTreeMap, BTreeSet};

use sha2::{Digest as _, Sha256};

use super::production::Opened;
use super::rejection::NotAdmitted;
use crate::digest::Digest;
use crate::time::Time;

/// The packets that were admitted and could still be sent again. It is bounded: when it is full, packets are refused until
/// some have expired.
#[derive(Clone, Debug)]
pub struct ReplayWindow {
    /// By tenant, audience, sender and message id: the digest of the packet, and when it is forgotten.
    seen: BTreeMap<Digest, (Digest, Time)>,
    by_expiry: BTreeSet<(Time, Digest)>,
    capacity: usize,
}

/// Whether a packet is new.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// It was not seen before.
    First,
    /// It was seen before, and is dropped without an error: buses deliver packets more than once.
    Duplicate,
}

impl ReplayWindow {
    /// Returns an empty window that remembers at most some number of packets.
    pub fn new(capacity: usize) -> ReplayWindow {
        ReplayWindow { seen: BTreeMap::new(), by_expiry: BTreeSet::new(), capacity }
    }

    /// Remembers a packet, unless it was seen before.
    pub fn admit(&mut self, now: Time, opened: &Opened) -> Result<Admission, NotAdmitted> {
        self.forget(now);
        if opened.forgotten_at <= now {
            return Err(NotAdmitted::Expired);
        }
        let key = key(opened);
        if let Some((digest, _)) = self.seen.get(&key) {
            return if *digest == opened.digest { Ok(Admission::Duplicate) } else { Err(NotAdmitted::Conflict) };
        }
        if self.seen.len() >= self.capacity {
            return Err(NotAdmitted::Full(self.capacity));
        }
        self.seen.insert(key, (opened.digest, opened.forgotten_at));
        self.by_expiry.insert((opened.forgotten_at, key));
        Ok(Admission::First)
    }

    /// Returns the number of packets that are remembered.
    pub fn len(&self) -> usize {
        self.seen.len()
    }

    /// Returns whether no packet is remembered.
    pub fn is_empty(&self) -> bool {
        self.seen.is_empty()
    }

    /// Returns the approximate number of bytes that the window holds.
    pub fn bytes_held(&self) -> usize {
        self.seen.len() * (3 * size_of::<Digest>() + 2 * size_of::<Time>())
    }

    fn forget(&mut self, now: Time) {
        while let Some((_, key)) = self.by_expiry.first().filter(|(at, _)| *at <= now).copied() {
            self.by_expiry.pop_first();
            self.seen.remove(&key);
        }
    }
}

/// What names a packet: tenant, audience, sender and message id, as one digest, so that a packet takes little memory.
fn key(opened: &Opened) -> Digest {
    let packet = &opened.packet;
    let metadata = packet.signature_metadata.as_ref();
    let mut hasher = Sha256::new();
    let parts: [&[u8]; 4] = [
        packet.identity.as_ref().map_or(&[], |identity| identity.tenant_id.as_bytes()),
        metadata.map_or(&[], |metadata| metadata.audience.as_bytes()),
        packet.sender_id.as_bytes(),
        metadata.map_or(&[], |metadata| &metadata.message_id),
    ];
    for part in parts {
        hasher.update((part.len() as u64).to_be_bytes());
        hasher.update(part);
    }
    hasher.finalize().into()
}
