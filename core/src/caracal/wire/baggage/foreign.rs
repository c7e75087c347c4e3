//! The members of other tools in a `baggage` header, which are passed on as they were written.

use alloc::sync::Arc;
use alloc::vec::Vec;

use super::keys::{AUTHORITY, EDGE, HOP, MAX_BYTES, MAX_MEMBERS, PARENT_EDGE, SESSION};

/// Members of a `baggage` header that are not Caracal's own: at most 64, of at most 8192 bytes together.
///
/// They are kept as they were written, with their properties, and are sent in the order of their keys.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ForeignBaggage {
    /// In the order of their keys, each of which occurs once.
    members: Vec<Member>,
    /// The bytes of all members, and of a comma after each.
    bytes: usize,
}

/// A member. Clones share its text.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Member {
    text: Arc<str>,
    /// The length of the key, with which the text begins.
    key: usize,
}

impl Member {
    fn key(&self) -> &str {
        self.text.get(..self.key).unwrap_or_default()
    }
}

impl ForeignBaggage {
    /// Adds all members of another header, which replace those of the same key.
    #[must_use]
    pub fn merged(&self, other: &ForeignBaggage) -> ForeignBaggage {
        let mut merged = other.clone();
        for member in &self.members {
            let place = merged.place(member.key());
            if place.is_err() && merged.fits(place, member.text.len()) {
                merged.put(place, member.clone());
            }
        }
        merged
    }

    /// Returns whether there are no members.
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// Returns the members in the order of their keys, each as it is written in the header: `key=value;properties`.
    pub fn members(&self) -> impl Iterator<Item = &str> {
        self.members.iter().map(|member| &*member.text)
    }

    /// Adds or replaces a member, if it can be sent on: its key is a token, the rest is printable ASCII, and the limits
    /// are kept.
    pub(super) fn insert(&mut self, key: &str, member: &str) {
        let own = [SESSION, EDGE, PARENT_EDGE, AUTHORITY, HOP].contains(&key);
        let is_printable = member.bytes().all(|byte| matches!(byte, b' '..=b'~') && byte != b',');
        // A member begins with its key; nothing else is kept.
        if !own && is_token(key) && is_printable && member.starts_with(key) {
            let place = self.place(key);
            if self.fits(place, member.len()) {
                self.put(place, Member { text: member.into(), key: key.len() });
            }
        }
    }

    /// Returns where the member of a key is, or else where it would be.
    fn place(&self, key: &str) -> Result<usize, usize> {
        self.members.binary_search_by(|member| member.key().cmp(key))
    }

    /// Returns whether the limits are kept with a member of this length at a place.
    fn fits(&self, place: Result<usize, usize>, len: usize) -> bool {
        let former = place.ok().and_then(|at| self.members.get(at));
        let others = self.members.len().saturating_sub(usize::from(former.is_some()));
        let bytes = self.bytes.saturating_sub(former.map_or(0, |former| former.text.len().saturating_add(1)));
        others < MAX_MEMBERS && bytes.saturating_add(len) <= MAX_BYTES
    }

    /// Adds or replaces the member at a place.
    fn put(&mut self, place: Result<usize, usize>, member: Member) {
        let mut bytes = self.bytes.saturating_add(member.text.len()).saturating_add(1);
        match place {
            Ok(at) => {
                if let Some(former) = self.members.get_mut(at) {
                    bytes = bytes.saturating_sub(former.text.len()).saturating_sub(1);
                    *former = member;
                }
            }
            Err(at) => self.members.insert(at, member),
        }
        self.bytes = bytes;
    }
}

/// Returns whether a text is a token (RFC 7230 §3.2.6).
fn is_token(text: &str) -> bool {
    let is_special = |byte: u8| b"!#$%&'*+-.^_`|~".contains(&byte);
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || is_special(byte))
}
