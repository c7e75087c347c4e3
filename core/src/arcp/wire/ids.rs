//! Identifiers as they stand on the wire (§5).

use alloc::string::String;
use core::fmt;

use ulid::Ulid;

use crate::json::Text;
use crate::random::Random;
use crate::time::Time;

/// An envelope id as we send it: an upper-case Crockford ULID (§5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct EnvelopeId(pub(crate) u128);

impl EnvelopeId {
    /// The id of the next frame a machine sends.
    pub(crate) fn next(random: &mut Random, now: Time) -> EnvelopeId {
        EnvelopeId(random.monotonic(now))
    }

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
                let text = Text::deserialize(deserializer)?;
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
