//! The members of other tools in a `baggage` header, which are passed on as they were written.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;

use super::keys::{AUTHORITY, EDGE, HOP, MAX_BYTES, MAX_MEMBERS, PARENT_EDGE, SESSION};

/// Members of a `baggage` header that are not Caracal's own: at most 64, of at most 8192 bytes together.
///
/// They are kept as they were written, with their properties, and are sent in the order of their keys.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ForeignBaggage(BTreeMap<Box<str>, Box<str>>);

impl ForeignBaggage {
    /// Adds all members of another header, which replace those of the same key.
    #[must_use]
    pub fn merged(&self, other: &ForeignBaggage) -> ForeignBaggage {
        let mut merged = other.clone();
        for (key, member) in &self.0 {
            if !merged.0.contains_key(key) {
                merged.insert(key, member);
            }
        }
        merged
    }

    /// Returns whether there are no members.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the members in the order of their keys, each as it is written in the header: `key=value;properties`.
    pub fn members(&self) -> impl Iterator<Item = &str> {
        self.0.values().map(|member| &**member)
    }

    /// Adds or replaces a member, if it can be sent on: its key is a token, the rest is printable ASCII, and the limits
    /// are kept.
    pub(super) fn insert(&mut self, key: &str, member: &str) {
        let own = [SESSION, EDGE, PARENT_EDGE, AUTHORITY, HOP].contains(&key);
        let is_printable = member.bytes().all(|byte| matches!(byte, b' '..=b'~') && byte != b',');
        let others = || self.0.iter().filter(|(held, _)| &***held != key);
        let bytes = others().map(|(_, held)| held.len().saturating_add(1)).sum::<usize>();
        let fits = others().count() < MAX_MEMBERS && bytes.saturating_add(member.len()) <= MAX_BYTES;
        if !own && is_token(key) && is_printable && fits {
            self.0.insert(key.into(), member.into());
        }
    }
}

/// Returns whether a text is a token (RFC 7230 §3.2.6).
fn is_token(text: &str) -> bool {
    let is_special = |byte: u8| b"!#$%&'*+-.^_`|~".contains(&byte);
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || is_special(byte))
}
