//! The only source of randomness of a machine: ids that increase with time, ids that cannot be guessed, and tokens.

use alloc::string::String;
use core::fmt;

use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};

use crate::digest::sha256;
use crate::time::Time;

/// The random 80 bits of a ULID without their top bit, so that counting up within a millisecond cannot overflow them.
const RANDOM_BITS: u128 = (1 << 79) - 1;

/// A seeded CSPRNG (`ChaCha20`). The same seed and the same calls give the same values.
#[derive(Clone)]
pub(crate) struct Random {
    rng: ChaCha20Rng,
    /// The last monotonic ULID.
    last: u128,
}

impl Random {
    pub(crate) fn new(seed: [u8; 32]) -> Random {
        Random { rng: ChaCha20Rng::from_seed(seed), last: 0 }
    }

    /// Continues after a restart: `last` is the newest ULID on record of a machine that may have had the same seed.
    pub(crate) fn resume(seed: [u8; 32], last: u128) -> Random {
        let mut mixed = seed.to_vec();
        mixed.extend_from_slice(&last.to_be_bytes());
        let mut random = Random { rng: ChaCha20Rng::from_seed(sha256(&mixed)), last };
        // The former machine may have used later ULIDs for frames without a record, so the new ones begin in the next
        // millisecond.
        let millis = (last >> 80).saturating_add(u128::from(last > 0));
        random.last = (millis << 80) | (random.random_u128() & RANDOM_BITS);
        random
    }

    /// Returns a ULID greater than every one before. Within a millisecond it is the last one plus one.
    pub(crate) fn monotonic(&mut self, now: Time) -> u128 {
        let millis = u128::from(now.millis());
        self.last = if self.last >> 80 >= millis {
            self.last.saturating_add(1)
        } else {
            (millis << 80) | (self.random_u128() & RANDOM_BITS)
        };
        self.last
    }

    /// Returns 128 random bits.
    pub(crate) fn random_u128(&mut self) -> u128 {
        (u128::from(self.rng.next_u64()) << 64) | u128::from(self.rng.next_u64())
    }

    /// Returns a random number below `bound`, or 0 if that is 0.
    #[cfg(any(feature = "cap", feature = "caracal"))]
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        let scaled = u128::from(self.rng.next_u64()).saturating_mul(u128::from(bound)) >> 64;
        u64::try_from(scaled).unwrap_or(0)
    }

    /// Returns `prefix` followed by 256 random bits in hexadecimal digits.
    pub(crate) fn token(&mut self, prefix: &str) -> String {
        use fmt::Write as _;
        let mut bytes = [0; 32];
        self.rng.fill_bytes(&mut bytes);
        let mut out = String::from(prefix);
        for byte in bytes {
            // Writing to a String cannot fail.
            let _ = write!(out, "{byte:02x}");
        }
        out
    }
}

impl fmt::Debug for Random {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Random").finish_non_exhaustive()
    }
}
