//! Identifiers of zones, applications, sessions, edges and authority records: texts that a coordinator assigns.

use alloc::sync::Arc;
use core::fmt;

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

macro_rules! opaque_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        ///
        /// It is any text of 1 to 256 bytes, and is escaped wherever it is sent.
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Checks a text and returns it as an id.
            pub fn new(text: &str) -> Result<$name, InvalidId> {
                check(text)?;
                Ok($name(text.into()))
            }

            /// Returns the text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0.escape_debug(), f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.0, f)
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
