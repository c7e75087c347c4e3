//! The identifiers of the wire (§5): as texts, since every runtime makes its own, and the ULIDs that Nuncio makes.

use alloc::string::String;
use alloc::sync::Arc;
use core::borrow::Borrow;
use core::fmt;

use ulid::Ulid;

use crate::json::Text;
use crate::random::Random;
use crate::time::Time;

/// The bytes of a ULID's text.
pub(crate) const ULID_BYTES: usize = ulid::ULID_LEN;
/// The longest id of a peer that is kept, in bytes.
pub(crate) const MAX_ID_BYTES: usize = 256;

/// Returns whether an id of a peer can be kept, and written into an envelope without escapes.
pub(crate) fn is_plain(id: &str) -> bool {
    let plain = |byte: u8| byte >= 0x20 && byte != b'"' && byte != b'\\';
    !id.is_empty() && id.len() <= MAX_ID_BYTES && id.bytes().all(plain)
}

/// The id of an envelope that Nuncio sends: an upper-case Crockford ULID.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct EnvelopeId(pub(crate) u128);

impl EnvelopeId {
    /// Returns a new id, greater than every one before.
    pub(crate) fn next(random: &mut Random, now: Time) -> EnvelopeId {
        EnvelopeId(random.monotonic(now))
    }

    /// Parses the text of an id that a peer quotes. Returns `None` for an id that Nuncio cannot have sent.
    pub(crate) fn parse(text: &str) -> Option<EnvelopeId> {
        parse_ulid(text).map(EnvelopeId)
    }

    /// Appends the text of the id.
    pub(crate) fn push_to(self, out: &mut String) {
        out.push_str(self.text(&mut [0; ULID_BYTES]));
    }

    /// Writes the text of the id into a buffer.
    pub(crate) fn text(self, buffer: &mut [u8; ULID_BYTES]) -> &str {
        Ulid(self.0).array_to_str(buffer)
    }
}

/// The id of a frame that answers a request.
#[derive(Clone, Copy, Debug)]
pub(crate) enum ReplyId<'a> {
    /// One of its own.
    Own(EnvelopeId),
    /// That of the request, in the dialects that want it.
    Request(&'a str),
}

fn parse_ulid(text: &str) -> Option<u128> {
    // A ULID has 128 bits in 26 characters, so the first one is at most 7.
    let canonical = text.len() == ulid::ULID_LEN
        && text.as_bytes().first().is_some_and(|first| *first <= b'7')
        && text.bytes().all(|byte| byte.is_ascii_digit() || byte.is_ascii_uppercase());
    if !canonical {
        return None;
    }
    Ulid::from_string(text).ok().map(|ulid| ulid.0)
}

/// Returns whether a text is an upper-case ULID.
pub(crate) fn is_ulid(text: &str) -> bool {
    parse_ulid(text).is_some()
}

/// Returns whether a text is a lower-case UUID of version 7.
pub(crate) fn is_uuid7(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(place, byte)| match place {
            8 | 13 | 18 | 23 => byte == b'-',
            14 => byte == b'7',
            _ => byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte),
        })
}

macro_rules! wire_id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub(crate) u128);

        impl $name {
            /// Parses the id as it is written on the wire. Returns `None` for an id that Nuncio cannot have made.
            pub fn parse(text: &str) -> Option<$name> {
                text.strip_prefix($prefix).and_then(parse_ulid).map($name)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let mut buffer = [0; ULID_BYTES];
                f.write_str($prefix)?;
                f.write_str(Ulid(self.0).array_to_str(&mut buffer))
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
                $name::parse(text.as_str()).ok_or_else(|| {
                    serde::de::Error::custom(concat!("an id must be ", $prefix, " followed by a ULID"))
                })
            }
        }
    };
}

wire_id!(
    /// The id of a session: `sess_` and 128 random bits, written as a ULID.
    SessionUlid,
    "sess_"
);
wire_id!(
    /// The id of a job: `job_` and a ULID that is greater with every job.
    JobUlid,
    "job_"
);
wire_id!(
    /// The id of a streamed result: `res_` and a ULID (§8.4).
    ResultId,
    "res_"
);

impl SessionUlid {
    /// Appends the id as it is written on the wire.
    pub(crate) fn push_to(self, out: &mut String) {
        out.push_str("sess_");
        EnvelopeId(self.0).push_to(out);
    }
}

impl JobUlid {
    /// Appends the id as it is written on the wire.
    pub(crate) fn push_to(self, out: &mut String) {
        out.push_str("job_");
        EnvelopeId(self.0).push_to(out);
    }
}

macro_rules! peer_id {
    ($(#[$doc:meta])* $name:ident, $ulid:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Returns the text of the id.
            pub fn as_str(&self) -> &str {
                &self.0
            }

            /// Returns the ULID of an id that Nuncio made. Returns `None` for an id of another runtime.
            pub fn ulid(&self) -> Option<$ulid> {
                $ulid::parse(&self.0)
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> $name {
                $name(text.into())
            }
        }

        impl From<&$name> for $name {
            fn from(id: &$name) -> $name {
                id.clone()
            }
        }

        impl From<String> for $name {
            fn from(text: String) -> $name {
                $name(text.into())
            }
        }

        impl From<$ulid> for $name {
            fn from(id: $ulid) -> $name {
                $name(alloc::format!("{id}").into())
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl PartialEq<str> for $name {
            fn eq(&self, text: &str) -> bool {
                *self.0 == *text
            }
        }

        impl PartialEq<&str> for $name {
            fn eq(&self, text: &&str) -> bool {
                *self.0 == **text
            }
        }

        impl PartialEq<String> for $name {
            fn eq(&self, text: &String) -> bool {
                *self.0 == **text
            }
        }

        impl PartialEq<$name> for str {
            fn eq(&self, id: &$name) -> bool {
                *self == *id.0
            }
        }

        impl PartialEq<$name> for &str {
            fn eq(&self, id: &$name) -> bool {
                **self == *id.0
            }
        }

        impl PartialEq<$name> for String {
            fn eq(&self, id: &$name) -> bool {
                **self == *id.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.0, f)
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                Text::deserialize(deserializer).map(|text| $name::from(text.as_str()))
            }
        }
    };
}

peer_id!(
    /// The id of a job, as its runtime made it. A clone shares the text.
    ///
    /// Every runtime makes ids of its own, so any text is an id: `JobId::from(text)`. [`ulid`](JobId::ulid) tells whether
    /// Nuncio can have made it.
    ///
    /// ```
    /// use nuncio_core::arcp::JobId;
    ///
    /// let id = JobId::from("0197f0aa-6c1d-7cc0-8e2b-3c5d6e7f8a9b");
    /// assert_eq!(id, "0197f0aa-6c1d-7cc0-8e2b-3c5d6e7f8a9b");
    /// assert_eq!(id.ulid(), None, "Nuncio's ids are job_ and a ULID");
    /// ```
    JobId,
    JobUlid
);
peer_id!(
    /// The id of a session, as its runtime made it. A clone shares the text. Any text is an id, as of a [`JobId`].
    SessionId,
    SessionUlid
);
