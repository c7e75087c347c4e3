//! The level of a log event.

use std::borrow::Cow;
use std::fmt;

/// The level of a [`log`](crate::arcp::JobContext::log) event (§8.2).
///
/// The specification lists no levels. Clients of other implementations know at least the four that have a name here, and
/// some of them drop an event with another one, so that the runtime sends one of the four in its place.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Level {
    /// `debug`
    Debug,
    /// `info`
    Info,
    /// `warn`
    Warn,
    /// `error`
    Error,
    /// Any other text, such as `trace`, which the runtime sends as the nearest of the four: here as `debug`.
    Custom(Cow<'static, str>),
}

impl Level {
    /// Returns the level as it is written on the wire.
    pub fn as_str(&self) -> &str {
        match self {
            Level::Debug => "debug",
            Level::Info => "info",
            Level::Warn => "warn",
            Level::Error => "error",
            Level::Custom(text) => text,
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
