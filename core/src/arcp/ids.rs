//! Identifiers and the one random source they come from.

use alloc::string::String;
use core::fmt;

use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};
use ulid::Ulid;

use crate::time::Time;

/// An envelope id as we send it: an upper-case Crockford ULID (§5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct EnvelopeId(pub(crate) u128);

impl EnvelopeId {
    /// The id of a text that one of ours may be quoted as.
    pub(crate) fn parse(text: &str) -> Option<EnvelopeId> {
        parse_ulid(text).map(EnvelopeId)
    }

    pub(crate) fn push_to(self, out: &mut String) {
        push_ulid(self.0, out);
    }
}

fn push_ulid(value: u128, out: &mut String) {
    let mut buffer = [0; ulid::ULID_LEN];
    out.push_str(Ulid(value).array_to_str(&mut buffer));
}

fn parse_ulid(text: &str) -> Option<u128> {
    // A ULID has 128 bits in 26 characters: the first one is at most 7.
    let canonical = text.len() == ulid::ULID_LEN
        && text.as_bytes().first().is_some_and(|first| *first <= b'7')
        && text.bytes().all(|byte| byte.is_ascii_digit() || byte.is_ascii_uppercase());
    if !canonical {
        return None;
    }
    Ulid::from_string(text).ok().map(|ulid| ulid.0)
}

macro_rules! wire_id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub(crate) u128);

        impl $name {
            /// The id of its wire text; `None` for a text this runtime cannot have made.
            pub fn parse(text: &str) -> Option<$name> {
                text.strip_prefix($prefix).and_then(parse_ulid).map($name)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let mut buffer = [0; ulid::ULID_LEN];
                write!(f, concat!($prefix, "{}"), Ulid(self.0).array_to_str(&mut buffer))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = super::wire::Text::deserialize(deserializer)?;
                $name::parse(text.as_str()).ok_or_else(|| serde::de::Error::custom(concat!("no id with ", $prefix)))
            }
        }
    };
}

wire_id!(
    /// A session's id on the wire: `sess_` and a ULID straight from the CSPRNG.
    SessionId,
    "sess_"
);
wire_id!(
    /// A job's id on the wire: `job_` and a ULID that grows with every job.
    JobUlid,
    "job_"
);
wire_id!(
    /// A streamed result's id on the wire: `res_` and a ULID (§8.4).
    ResultId,
    "res_"
);

/// The seeded source of every id, nonce and token of one machine.
#[derive(Clone)]
pub(crate) struct Ids {
    rng: ChaCha20Rng,
    last: u128,
}

impl Ids {
    pub(crate) fn new(seed: [u8; 32]) -> Ids {
        Ids { rng: ChaCha20Rng::from_seed(seed), last: 0 }
    }

    /// The source of a runtime that goes on where another one, perhaps of the same seed, had made `last`.
    pub(crate) fn resume(seed: [u8; 32], last: u128) -> Ids {
        let mut mixed = seed.to_vec();
        mixed.extend_from_slice(&last.to_be_bytes());
        let mut ids = Ids { rng: ChaCha20Rng::from_seed(super::digest::sha256(&mixed)), last };
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

    pub(crate) fn envelope(&mut self, now: Time) -> EnvelopeId {
        EnvelopeId(self.monotonic(now))
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

impl fmt::Debug for Ids {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ids").finish_non_exhaustive()
    }
}
