//! The number of delegations before a call: [`Hop`] (§1.3).

use core::fmt;

/// The number of delegations on the way of a call, 0 to 32.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hop(u8);

impl Hop {
    /// No delegation.
    pub const ZERO: Hop = Hop(0);
    /// The largest number that is read; larger ones become this one.
    pub const MAX: Hop = Hop(32);
    /// The default of the largest number that is sent.
    pub const DEFAULT_LIMIT: Hop = Hop(10);

    /// Returns a number of hops, at most [`Hop::MAX`].
    pub const fn new(hops: u8) -> Hop {
        if hops > Self::MAX.0 { Self::MAX } else { Hop(hops) }
    }

    /// Reads the value of `caracal.hop`. Negative and malformed numbers are 0, and large ones are [`Hop::MAX`].
    ///
    /// The forms of the Python SDK 0.1.1 are read: white space around the digits, a sign, and single underscores
    /// between digits. Digits that are not ASCII are malformed.
    pub fn read(text: &str) -> Hop {
        Hop::parse(text).unwrap_or(Hop::ZERO)
    }

    /// Reads a number as [`Hop::read`] does. Returns `None` for what is no number.
    pub(in crate::caracal) fn parse(text: &str) -> Option<Hop> {
        let text = text.trim();
        let (negative, digits) = match text.strip_prefix('-') {
            Some(digits) => (true, digits),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        let (mut value, mut ends_a_group) = (0_u8, false);
        for byte in digits.bytes() {
            ends_a_group = match byte {
                b'0'..=b'9' => {
                    value = value.saturating_mul(10).saturating_add(byte.saturating_sub(b'0'));
                    true
                }
                b'_' if ends_a_group => false,
                _ => return None,
            };
        }
        ends_a_group.then(|| if negative { Hop::ZERO } else { Hop::new(value) })
    }

    /// Returns the number.
    pub const fn count(self) -> u8 {
        self.0
    }

    /// Returns this number plus one, at most [`Hop::MAX`].
    pub const fn next(self) -> Hop {
        Hop::new(self.0.saturating_add(1))
    }
}

impl fmt::Display for Hop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// A call would have more hops than the configuration allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the call would be hop {hop}, and at most {limit} are allowed")]
pub struct TooManyHops {
    /// The number of hops of the call.
    pub hop: Hop,
    /// The largest number that may be sent.
    pub limit: Hop,
}
