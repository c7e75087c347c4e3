//! The one source of randomness of a machine.

use alloc::string::String;
use core::fmt;

use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};

use crate::digest::sha256;
use crate::time::Time;

/// The seeded source of every id, nonce and token of one machine.
#[derive(Clone)]
pub(crate) struct Random {
    rng: ChaCha20Rng,
    last: u128,
}

impl Random {
    pub(crate) fn new(seed: [u8; 32]) -> Random {
        Random { rng: ChaCha20Rng::from_seed(seed), last: 0 }
    }

    /// The source of a runtime that goes on where another one, perhaps of the same seed, had made `last`.
    pub(crate) fn resume(seed: [u8; 32], last: u128) -> Random {
        let mut mixed = seed.to_vec();
        mixed.extend_from_slice(&last.to_be_bytes());
        let mut ids = Random { rng: ChaCha20Rng::from_seed(sha256(&mixed)), last };
        // Frames that are not recorded had ids, too: a later millisecond is out of their way.
        let millis = (last >> 80).saturating_add(u128::from(last > 0));
        ids.last = (millis << 80) | (ids.random_u128() & ((1 << 79) - 1));
        ids
    }

    /// A ULID greater than every one before: +1 within a millisecond.
    pub(crate) fn monotonic(&mut self, now: Time) -> u128 {
        let millis = now.millis();
        self.last = if self.last >> 80 >= u128::from(millis) {
            self.last.saturating_add(1)
        } else {
            // The top bit of the random part stays clear, so that +1 has room within the millisecond.
            let random = self.random_u128() & ((1 << 79) - 1);
            (u128::from(millis) << 80) | random
        };
        self.last
    }

    /// 128 bits that say nothing about any other id.
    pub(crate) fn random_u128(&mut self) -> u128 {
        (u128::from(self.rng.next_u64()) << 64) | u128::from(self.rng.next_u64())
    }

    /// `prefix` and 256 random bits in hex.
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
