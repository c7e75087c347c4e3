//! Packets of the production profile that were seen before (2.17, spec/19).

use alloc::collections::{BTreeMap, BTreeSet};

use sha2::{Digest as _, Sha256};

use super::production::Opened;
use super::rejection::NotAdmitted;
use crate::digest::Digest;
use crate::time::Time;

/// The packets that were admitted and could still be sent again. It is bounded: when it is full, packets are refused until
/// some have expired.
///
/// Packets expire by the wall clock, which may be set back. So a packet that has expired is still remembered until its place
/// is needed, and once it is forgotten, no packet is admitted that expires as early as it did. No packet is admitted twice,
/// however the clock is set.
#[derive(Clone, Debug)]
pub struct ReplayWindow {
    /// By tenant, audience, sender and message id: the digest of the packet, and when it has expired.
    seen: BTreeMap<Digest, (Digest, Time)>,
    by_expiry: BTreeSet<(Time, Digest)>,
    capacity: usize,
    /// What the wall clock showed last.
    wall: Time,
    /// The latest time that the wall clock has shown.
    latest: Time,
    /// When the last packet that was forgotten had expired.
    forgotten: Time,
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
        let (wall, latest, forgotten) = (Time(0), Time(0), Time(0));
        ReplayWindow { seen: BTreeMap::new(), by_expiry: BTreeSet::new(), capacity, wall, latest, forgotten }
    }

    /// Remembers a packet, unless it was seen before. `wall` is what the wall clock shows now; it may be earlier than before.
    pub fn admit(&mut self, wall: Time, opened: &Opened) -> Result<Admission, NotAdmitted> {
        self.wall = wall;
        self.latest = self.latest.max(wall);
        if opened.forgotten_at <= wall {
            return Err(NotAdmitted::Expired);
        }
        let key = key(opened);
        if let Some((digest, _)) = self.seen.get(&key) {
            return if *digest == opened.digest { Ok(Admission::Duplicate) } else { Err(NotAdmitted::Conflict) };
        }
        // It may be one of those that were forgotten.
        if opened.forgotten_at <= self.forgotten {
            return Err(NotAdmitted::Expired);
        }
        self.make_room()?;
        self.seen.insert(key, (opened.digest, opened.forgotten_at));
        self.by_expiry.insert((opened.forgotten_at, key));
        Ok(Admission::First)
    }

    /// Returns the number of packets that are remembered and have not expired.
    pub fn len(&self) -> usize {
        self.by_expiry.iter().rev().take_while(|(at, _)| *at > self.wall).count()
    }

    /// Returns whether no packet is remembered that has not expired.
    pub fn is_empty(&self) -> bool {
        self.by_expiry.last().is_none_or(|(at, _)| *at <= self.wall)
    }

    /// Returns the approximate number of bytes that the window holds.
    pub fn bytes_held(&self) -> usize {
        self.seen.len() * (3 * size_of::<Digest>() + 2 * size_of::<Time>())
    }

    /// Forgets packets that have expired, if there is no place for another one.
    fn make_room(&mut self) -> Result<(), NotAdmitted> {
        while self.seen.len() >= self.capacity {
            let first = self.by_expiry.first().copied().filter(|(at, _)| *at <= self.latest);
            let (at, key) = first.ok_or(NotAdmitted::Full(self.capacity))?;
            self.by_expiry.pop_first();
            self.seen.remove(&key);
            self.forgotten = self.forgotten.max(at);
        }
        Ok(())
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
