//! Reads the lines of a `baggage` header.

use super::Baggage;
use super::keys::{AUTHORITY, EDGE, HOP, MAX_BYTES, MAX_MEMBERS, PARENT_EDGE, PREFIX, SESSION};
use crate::caracal::wire::hop::Hop;
use crate::caracal::wire::ids::{AuthorityId, EdgeId, SessionId};
use crate::caracal::wire::percent::decode;

impl Baggage {
    /// Reads a `baggage` header, which may have several lines.
    ///
    /// Of two members with the same key the last one counts. Keys are case-sensitive; values are percent-decoded, where
    /// malformed escapes stay as they are. An id that is empty or too long is absent.
    ///
    /// The integration guide separates Caracal's members by `;`, which makes them properties of the first one. They are
    /// read as members where both the member and the property have a key that begins with `caracal.` (§7).
    ///
    /// A header of more than 8192 bytes or 64 members is ignored as a whole.
    pub fn read<'a>(lines: impl IntoIterator<Item = &'a str>) -> Baggage {
        let mut baggage = Baggage::default();
        let (mut bytes, mut members) = (0_usize, 0_usize);
        for line in lines {
            // The lines count as joined with a comma.
            bytes = bytes.saturating_add(line.len()).saturating_add(1);
            if bytes > MAX_BYTES.saturating_add(1) {
                return Baggage::default();
            }
            for member in line.split(',') {
                let added = baggage.read_member(member.trim_matches([' ', '\t']));
                members = members.saturating_add(added);
                if members > MAX_MEMBERS {
                    return Baggage::default();
                }
            }
        }
        baggage
    }

    /// Reads one member with its properties. Returns the number of members it holds.
    fn read_member(&mut self, member: &str) -> usize {
        let mut parts = member.split(';');
        let Some((key, value)) = parts.next().and_then(pair) else { return 0 };
        if !key.starts_with(PREFIX) || !self.set(key, value) {
            self.foreign.insert(key, member);
        }
        let properties = parts.filter_map(pair).filter(|(property, _)| property.starts_with(PREFIX));
        let mut count = 1_usize;
        for (property, value) in properties.filter(|_| key.starts_with(PREFIX)) {
            count = count.saturating_add(usize::from(self.set(property, value)));
        }
        count
    }

    /// Sets one of Caracal's members. Returns false for a key that is none of them.
    fn set(&mut self, key: &str, value: &str) -> bool {
        let value = decode(value);
        match key {
            SESSION => self.session = SessionId::new(&value).ok(),
            EDGE => self.edge = EdgeId::new(&value).ok(),
            PARENT_EDGE => self.parent_edge = EdgeId::new(&value).ok(),
            AUTHORITY => self.authority = AuthorityId::new(&value).ok(),
            HOP => self.hop = Hop::read(&value),
            _ => return false,
        }
        true
    }
}

/// Splits `key=value`. Returns `None` without an `=`, and for an empty key.
fn pair(text: &str) -> Option<(&str, &str)> {
    let (key, value) = text.split_once('=')?;
    let key = key.trim_matches([' ', '\t']);
    (!key.is_empty()).then(|| (key, value.trim_matches([' ', '\t'])))
}
