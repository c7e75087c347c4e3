//! Reads the lines of a `baggage` header.

use memchr::{memchr, memchr2};

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
}

/// Reads the lines of a header one after another.
#[derive(Default)]
pub(in crate::caracal) struct Reader {
    baggage: Baggage,
    /// Whether the last `caracal.hop` is a number.
    hop_is_number: Option<bool>,
    bytes: usize,
    members: usize,
}

impl Reader {
    /// Reads a line. The lines count as joined with a comma.
    pub(in crate::caracal) fn line(&mut self, line: &str) {
        self.bytes = self.bytes.saturating_add(line.len()).saturating_add(1);
        if self.is_too_large() {
            return;
        }
        // Those that Caracal sends are.
        let is_plain = memchr2(b';', b'%', line.as_bytes()).is_none();
        let mut rest = Some(line);
        while let Some(line) = rest.filter(|_| !self.is_too_large()) {
            let (member, others) = cut(line, b',');
            let member = trim(member);
            let is_read = is_plain && self.read_plain(member);
            let added = if is_read { 1 } else { self.read_member(member) };
            self.members = self.members.saturating_add(added);
            rest = others;
        }
    }

    /// Returns whether the value of `caracal.hop` is a number, if there is one.
    pub(in crate::caracal) const fn hop_is_number(&self) -> Option<bool> {
        if self.is_too_large() { None } else { self.hop_is_number }
    }

    /// Returns what the lines hold, which is nothing if they are too large.
    pub(in crate::caracal) fn baggage(self) -> Baggage {
        if self.is_too_large() { Baggage::default() } else { self.baggage }
    }

    /// Reads one of Caracal's members as its services write it: without spaces around its key, escapes or properties. Returns
    /// false, having read nothing, for any other member.
    fn read_plain(&mut self, member: &str) -> bool {
        let Some(own) = member.strip_prefix(PREFIX) else { return false };
        let value = |key: &str| own.strip_prefix(key.get(PREFIX.len()..)?)?.strip_prefix('=').map(trim);
        if let Some(value) = value(SESSION) {
            self.baggage.session = SessionId::new(value).ok();
        } else if let Some(value) = value(EDGE) {
            self.baggage.edge = EdgeId::new(value).ok();
        } else if let Some(value) = value(HOP) {
            self.set_hop(value);
        } else if let Some(value) = value(PARENT_EDGE) {
            self.baggage.parent_edge = EdgeId::new(value).ok();
        } else if let Some(value) = value(AUTHORITY) {
            self.baggage.authority = AuthorityId::new(value).ok();
        } else {
            return false;
        }
        true
    }

    /// Reads one member with its properties. Returns the number of members it holds.
    fn read_member(&mut self, member: &str) -> usize {
        let (first, properties) = cut(member, b';');
        let Some((key, value)) = pair(first) else { return 0 };
        if !key.starts_with(PREFIX) {
            self.baggage.foreign.insert(key, member);
            return 1;
        }
        let value = decode(value);
        if !self.set(key, &value) {
            self.baggage.foreign.insert(key, member);
        }
        let properties = properties.into_iter().flat_map(|properties| properties.split(';')).filter_map(pair);
        let own = properties.filter(|(property, _)| property.starts_with(PREFIX));
        own.fold(1, |count: usize, (property, value)| {
            count.saturating_add(usize::from(self.set(property, &decode(value))))
        })
    }

    /// Sets one of Caracal's members. Returns false for a key that is none of them.
    fn set(&mut self, key: &str, value: &str) -> bool {
        match key {
            SESSION => self.baggage.session = SessionId::new(value).ok(),
            EDGE => self.baggage.edge = EdgeId::new(value).ok(),
            PARENT_EDGE => self.baggage.parent_edge = EdgeId::new(value).ok(),
            AUTHORITY => self.baggage.authority = AuthorityId::new(value).ok(),
            HOP => self.set_hop(value),
            _ => return false,
        }
        true
    }

    fn set_hop(&mut self, value: &str) {
        let hop = Hop::parse(value);
        (self.baggage.hop, self.hop_is_number) = (hop.unwrap_or(Hop::ZERO), Some(hop.is_some()));
    }

    const fn is_too_large(&self) -> bool {
        self.bytes > MAX_BYTES.saturating_add(1) || self.members > MAX_MEMBERS
    }
}

/// Splits `key=value`. Returns `None` without an `=`, and for an empty key.
fn pair(text: &str) -> Option<(&str, &str)> {
    // Keys are short: a plain loop is done before a search of whole words has begun.
    let known = if text.starts_with(PREFIX) { PREFIX.len() } else { 0 };
    let at = text.as_bytes().get(known..)?.iter().position(|byte| *byte == b'=')?.saturating_add(known);
    let (key, value) = (text.get(..at)?, text.get(at.saturating_add(1)..)?);
    let key = trim(key);
    (!key.is_empty()).then(|| (key, trim(value)))
}

/// Splits a text at the first of its separators, which is ASCII. Without one, there is nothing behind it.
fn cut(text: &str, separator: u8) -> (&str, Option<&str>) {
    let Some(at) = memchr(separator, text.as_bytes()) else { return (text, None) };
    (text.get(..at).unwrap_or_default(), text.get(at.saturating_add(1)..))
}

/// Returns a text without the spaces and tabs at its ends. Few have any.
fn trim(text: &str) -> &str {
    let is_blank = |byte: Option<&u8>| matches!(byte, Some(b' ' | b'\t'));
    let bytes = text.as_bytes();
    if is_blank(bytes.first()) || is_blank(bytes.last()) { text.trim_matches([' ', '\t']) } else { text }
}
