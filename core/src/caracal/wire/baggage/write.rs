//! Writes a `baggage` header.

use alloc::string::String;
use core::fmt::Write as _;

use super::Baggage;
use super::keys::{AUTHORITY, EDGE, HOP, MAX_BYTES, MAX_MEMBERS, PARENT_EDGE, SESSION};
use crate::caracal::wire::header::HeaderValue;
use crate::caracal::wire::hop::{Hop, TooManyHops};
use crate::caracal::wire::ids::{AuthorityId, EdgeId, SessionId};
use crate::caracal::wire::percent::push_encoded;

impl Baggage {
    /// Returns the value of the header: Caracal's members in the order of the Python SDK, then those of other tools as
    /// far as the limits of 8192 bytes and 64 members allow.
    ///
    /// A hop above `limit` is refused, so that calls in a circle end.
    pub fn to_header(&self, limit: Hop) -> Result<HeaderValue, TooManyHops> {
        if self.hop > limit {
            return Err(TooManyHops { hop: self.hop, limit });
        }
        let mut out = String::with_capacity(192);
        let ids = [
            (SESSION, self.session.as_ref().map(SessionId::as_str)),
            (EDGE, self.edge.as_ref().map(EdgeId::as_str)),
            (PARENT_EDGE, self.parent_edge.as_ref().map(EdgeId::as_str)),
            (AUTHORITY, self.authority.as_ref().map(AuthorityId::as_str)),
        ];
        let mut members = 1_usize;
        for (key, value) in ids {
            let Some(value) = value else { continue };
            out.push_str(key);
            out.push('=');
            push_encoded(&mut out, value);
            out.push(',');
            members = members.saturating_add(1);
        }
        // Writing to a String cannot fail.
        let _ = write!(out, "{HOP}={}", self.hop);
        for member in self.foreign.members() {
            if members < MAX_MEMBERS && out.len().saturating_add(member.len()) < MAX_BYTES {
                out.push(',');
                out.push_str(member);
                members = members.saturating_add(1);
            }
        }
        Ok(HeaderValue::trusted(out))
    }
}
