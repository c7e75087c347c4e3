//! The ids that a coordinator makes: UUIDs of version 7, which increase with time.

use alloc::string::String;
use core::fmt;

use crate::random::Random;
use crate::time::Time;

/// The id of a session or an edge.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Uuid(u128);

/// The bits of a UUID that are random, or counted up within a millisecond.
const FREE_BITS: u32 = 74;
const FREE: u128 = (1 << FREE_BITS) - 1;
const LOW_BITS: u32 = 62;

impl Uuid {
    /// The id below all others.
    pub(crate) const MIN: Uuid = Uuid(0);
    /// The id above all others.
    pub(crate) const MAX: Uuid = Uuid(u128::MAX);

    /// Reads an id in the one form in which it is written. Any other text is the id of nothing.
    pub(crate) fn parse(text: &str) -> Option<Uuid> {
        if text.len() != 36 {
            return None;
        }
        let mut number = 0_u128;
        for (at, byte) in text.bytes().enumerate() {
            let digit = match (at, byte) {
                (8 | 13 | 18 | 23, b'-') => continue,
                (8 | 13 | 18 | 23, _) => return None,
                (_, b'0'..=b'9') => byte.wrapping_sub(b'0'),
                (_, b'a'..=b'f') => byte.wrapping_sub(b'a').wrapping_add(10),
                _ => return None,
            };
            number = (number << 4) | u128::from(digit);
        }
        Some(Uuid(number))
    }

    pub(crate) fn text(self) -> String {
        alloc::format!("{self}")
    }

    /// Returns the milliseconds and the free bits, which together increase from id to id.
    const fn ordinal(self) -> u128 {
        let millis = self.0 >> 80;
        let high = (self.0 >> 64) & 0xfff;
        let low = self.0 & ((1 << LOW_BITS) - 1);
        (millis << FREE_BITS) | (high << LOW_BITS) | low
    }

    const fn from_ordinal(ordinal: u128) -> Uuid {
        let millis = (ordinal >> FREE_BITS) & ((1 << 48) - 1);
        let high = (ordinal >> LOW_BITS) & 0xfff;
        let low = ordinal & ((1 << LOW_BITS) - 1);
        Uuid((millis << 80) | (7 << 76) | (high << 64) | (0b10 << 62) | low)
    }
}

impl fmt::Display for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let group = |shift: u32| (self.0 >> shift) & 0xffff;
        let (first, last) = (self.0 >> 96, self.0 & 0xffff_ffff_ffff);
        write!(f, "{first:08x}-{:04x}-{:04x}-{:04x}-{last:012x}", group(80), group(64), group(48))
    }
}

impl fmt::Debug for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Makes ids, each greater than those before.
#[derive(Clone, Debug)]
pub(super) struct NewIds {
    random: Random,
    last: u128,
}

impl NewIds {
    pub(super) fn new(seed: [u8; 32]) -> NewIds {
        NewIds { random: Random::new(seed), last: 0 }
    }

    /// Continues after a restart: `last` is the greatest id on record. The random numbers are others than before, even
    /// with the same seed, and the ids begin in the next millisecond, because the former machine may have made more.
    pub(super) fn resume(seed: [u8; 32], last: Uuid) -> NewIds {
        let mut random = Random::resume(seed, last.0);
        let millis = (last.ordinal() >> FREE_BITS).saturating_add(u128::from(last != Uuid::MIN));
        let last = (millis << FREE_BITS) | (random.random_u128() & (FREE >> 1));
        NewIds { random, last }
    }

    pub(super) fn next(&mut self, now: Time) -> Uuid {
        let millis = u128::from(now.millis()) << FREE_BITS;
        // The top bit is left free, so that counting up within a millisecond does not reach the next one.
        let fresh = millis | (self.random.random_u128() & (FREE >> 1));
        self.last = if self.last < millis { fresh } else { self.last.saturating_add(1) };
        Uuid::from_ordinal(self.last)
    }
}

#[cfg(test)]
mod tests {
    use super::{NewIds, Uuid};
    use crate::time::Time;

    #[test]
    fn ids_are_uuids_of_version_7_and_increase() {
        let mut ids = NewIds::new([7; 32]);
        let mut last = Uuid::MIN;
        for millis in [5, 5, 5, 4, 1_779_000_000_000, 1_779_000_000_000] {
            let id = ids.next(Time(0).plus_millis(millis));
            let text = id.text();
            assert!(id > last, "{text}");
            assert_eq!((&text[14..15], text[19..20].contains(['8', '9', 'a', 'b'])), ("7", true), "{text}");
            assert_eq!(Uuid::parse(&text), Some(id));
            last = id;
        }
        let mut resumed = NewIds::resume([7; 32], last);
        assert!(resumed.next(Time(0)) > last);
        for text in ["", "01a1fbd0-492c-722d-8ce2-f7cfa228fe6", "01A1FBD0-492c-722d-8ce2-f7cfa228fe66", "nope"] {
            assert_eq!(Uuid::parse(text), None);
        }
    }
}
