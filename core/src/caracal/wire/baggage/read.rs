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
        let mut reader = Reader::default();
        for line in lines {
            reader.line(line);
        }
        reader.baggage()
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

/// Reads the lines of a header one after another.
#[derive(Default)]
pub(in crate::caracal) struct Reader {
    baggage: Baggage,
    bytes: usize,
    members: usize,
}

impl Reader {
    /// Reads a line. The lines count as joined with a comma.
    pub(in crate::caracal) fn line(&mut self, line: &str) {
        self.bytes = self.bytes.saturating_add(line.len()).saturating_add(1);
        for member in line.split(',') {
            if self.is_too_large() {
                return;
            }
            let added = self.baggage.read_member(member.trim_matches([' ', '\t']));
            self.members = self.members.saturating_add(added);
        }
    }

    /// Returns what the lines hold, which is nothing if they are too large.
    pub(in crate::caracal) fn baggage(self) -> Baggage {
        if self.is_too_large() { Baggage::default() } else { self.baggage }
    }

    const fn is_too_large(&self) -> bool {
        self.bytes > MAX_BYTES.saturating_add(1) || self.members > MAX_MEMBERS
    }
}

/// Splits `key=value`. Returns `None` without an `=`, and for an empty key.
fn pair(text: &str) -> Option<(&str, &str)> {
    // Keys are short: a plain loop is done before a search of whole words has begun.
    let at = text.bytes().position(|byte| byte == b'=')?;
    let (key, value) = (text.get(..at)?, text.get(at.saturating_add(1)..)?);
    let key = key.trim_matches([' ', '\t']);
    (!key.is_empty()).then(|| (key, value.trim_matches([' ', '\t'])))
}
