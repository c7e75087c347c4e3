//! The idempotency key of a call: [`IdempotencyKey`].

use core::fmt;

use super::header::HeaderValue;

/// The idempotency key of one logical call, which is repeated with every attempt: 128 random bits.
///
/// The Python SDK 0.1.1 derives its keys from the parent and the kind of a session, so that two children of one parent
/// become one session. A random key makes each call its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct IdempotencyKey(u128);

impl IdempotencyKey {
    /// Returns the key with these random bits.
    pub const fn from_random(bits: u128) -> IdempotencyKey {
        IdempotencyKey(bits)
    }

    pub(super) fn to_header(self) -> HeaderValue {
        HeaderValue::trusted(alloc::format!("{self}"))
    }
}

impl fmt::Display for IdempotencyKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}
