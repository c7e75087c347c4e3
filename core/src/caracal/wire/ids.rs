//! Identifiers of zones, applications, sessions, edges and authority records: texts that a coordinator assigns.

use alloc::sync::Arc;
use core::cmp::Ordering;
use core::fmt;
use core::hash::{Hash, Hasher};

use arrayvec::ArrayString;

/// Why a text is not an id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidId {
    /// The text is empty.
    #[error("an id must not be empty")]
    Empty,
    /// The text is longer than 256 bytes (ours), so that the four ids of a `baggage` header fit into its 8192 bytes.
    #[error("an id must have at most 256 bytes")]
    TooLong,
    /// The text is `.` or `..`, which would be resolved as a segment of a path (ours).
    #[error("an id must not be `.` or `..`")]
    DotSegment,
}

const MAX_BYTES: usize = 256;

fn check(text: &str) -> Result<(), InvalidId> {
    match text {
        "" => Err(InvalidId::Empty),
        "." | ".." => Err(InvalidId::DotSegment),
        _ if text.len() > MAX_BYTES => Err(InvalidId::TooLong),
        _ => Ok(()),
    }
}

/// The text of an id. Coordinators assign UUIDs, which are held without an allocation: each request that is read has some.
#[derive(Clone)]
enum Text {
    Short(ArrayString<36>),
    Long(Arc<str>),
}

impl Text {
    fn new(text: &str) -> Text {
        ArrayString::from(text).map_or_else(|_| Text::Long(text.into()), Text::Short)
    }

    fn as_str(&self) -> &str {
        match self {
            Text::Short(text) => text,
            Text::Long(text) => text,
        }
    }
}

impl PartialEq for Text {
    fn eq(&self, other: &Text) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for Text {}

impl PartialOrd for Text {
    fn partial_cmp(&self, other: &Text) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Text {
    fn cmp(&self, other: &Text) -> Ordering {
        self.as_str().cmp(other.as_str())
    }
}

impl Hash for Text {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}

macro_rules! opaque_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        ///
        /// It is any text of 1 to 256 bytes, and is escaped wherever it is sent.
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Text);

        impl $name {
            /// Checks a text and returns it as an id.
            pub fn new(text: &str) -> Result<$name, InvalidId> {
                check(text)?;
                Ok($name(Text::new(text)))
            }

            /// Returns the text.
            pub fn as_str(&self) -> &str {
                self.0.as_str()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.as_str().escape_debug(), f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(self.as_str(), f)
            }
        }
    };
}

opaque_id!(
    /// The id of a zone.
    ZoneId
);
opaque_id!(
    /// The id of an application (`application_id`, also called `client_id`).
    ApplicationId
);
opaque_id!(
    /// The id of an agent session.
    SessionId
);
opaque_id!(
    /// The id of a delegation edge.
    EdgeId
);
opaque_id!(
    /// The id of an authority record (`sid`), which coordinators call the subject's session.
    AuthorityId
);
