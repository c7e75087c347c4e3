//! The connections that were neither welcomed nor refused, in the order in which they were opened.

use alloc::collections::{BTreeMap, BTreeSet};
use core::net::IpAddr;

use crate::arcp::runtime::config::Limits;
use crate::arcp::runtime::host::ConnId;

/// What the connections of one peer have in common: its IPv4 address, or the first 64 bits of its IPv6 address, which is
/// what one household or server has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Origin(u128);

impl Origin {
    pub(super) fn of(address: IpAddr) -> Origin {
        match address.to_canonical() {
            IpAddr::V4(address) => Origin(u128::from(address.to_ipv6_mapped())),
            IpAddr::V6(address) => Origin(u128::from(address) & !u128::from(u64::MAX)),
        }
    }
}

/// The position of a connection among all that were opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place(u64);

/// A limit that is exceeded, and the connection that has to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Surplus {
    pub(crate) conn: ConnId,
    pub(crate) limit: &'static str,
    pub(crate) max: usize,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    conn: ConnId,
    origin: Option<Origin>,
    /// Bytes of incomplete frames that its driver holds.
    bytes: usize,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Ungreeted {
    entries: BTreeMap<Place, Entry>,
    origins: BTreeMap<Origin, BTreeSet<Place>>,
    /// The connections of which the driver holds bytes.
    holding: BTreeSet<Place>,
    bytes: usize,
    opened: u64,
}

impl Ungreeted {
    /// Returns the place of the next connection.
    pub(super) fn next(&mut self) -> Place {
        self.opened += 1;
        Place(self.opened)
    }

    pub(super) fn insert(&mut self, place: Place, conn: ConnId, origin: Option<Origin>) {
        self.entries.insert(place, Entry { conn, origin, bytes: 0 });
        if let Some(origin) = origin {
            self.origins.entry(origin).or_default().insert(place);
        }
    }

    /// Removes a connection that is welcomed, refused or lost. It may have been removed before.
    pub(super) fn remove(&mut self, place: Place) {
        let Some(entry) = self.entries.remove(&place) else { return };
        self.bytes -= entry.bytes;
        self.holding.remove(&place);
        if let Some(origin) = entry.origin
            && let Some(places) = self.origins.get_mut(&origin)
        {
            places.remove(&place);
            if places.is_empty() {
                self.origins.remove(&origin);
            }
        }
    }

    /// The origin of a connection that has one.
    pub(super) fn origin(&self, place: Place) -> Option<Origin> {
        self.entries.get(&place)?.origin
    }

    /// Notes how many bytes of incomplete frames the driver holds of a connection.
    pub(super) fn buffered(&mut self, place: Place, bytes: usize) {
        let Some(entry) = self.entries.get_mut(&place) else { return };
        self.bytes = self.bytes - entry.bytes + bytes;
        entry.bytes = bytes;
        if bytes > 0 {
            self.holding.insert(place);
        } else {
            self.holding.remove(&place);
        }
    }

    /// Returns the oldest connection, if the newest one makes too many of its origin or of all.
    pub(super) fn surplus(&self, newest: Place, limits: &Limits) -> Option<Surplus> {
        let origin = self.entries.get(&newest)?.origin;
        let places = origin.and_then(|origin| self.origins.get(&origin));
        if let Some(places) = places.filter(|places| places.len() > limits.ungreeted_per_address) {
            return self.surplus_of(places.first(), "ungreeted_per_address", limits.ungreeted_per_address);
        }
        if self.entries.len() <= limits.ungreeted {
            return None;
        }
        self.surplus_of(self.entries.keys().next(), "ungreeted", limits.ungreeted)
    }

    /// Returns the oldest connection of which the driver holds bytes, if it holds too many of all.
    pub(super) fn hoarder(&self, limits: &Limits) -> Option<Surplus> {
        if self.bytes <= limits.ungreeted_bytes {
            return None;
        }
        self.surplus_of(self.holding.first(), "ungreeted_bytes", limits.ungreeted_bytes)
    }

    /// Returns the oldest connection.
    pub(super) fn oldest(&self) -> Option<ConnId> {
        self.entries.values().next().map(|entry| entry.conn)
    }

    fn surplus_of(&self, place: Option<&Place>, limit: &'static str, max: usize) -> Option<Surplus> {
        let conn = self.entries.get(place?)?.conn;
        Some(Surplus { conn, limit, max })
    }

    pub(super) fn held(&self) -> usize {
        self.bytes + self.entries.len() * 96
    }
}
