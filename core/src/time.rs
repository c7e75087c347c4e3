//! The one notion of time: [`Time`], Unix microseconds, always an argument.

use alloc::string::String;
use core::fmt::Write as _;

/// A point in time: microseconds since the Unix epoch, UTC.
///
/// A machine never reads a clock. Its driver samples the wall clock once, adds monotonic time, and passes the sum to
/// every `handle_*` method and command; a step back is clamped by the machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(pub u64);

impl Time {
    /// The end of time: what a deadline that can never pass is compared with.
    pub const MAX: Time = Time(u64::MAX);

    /// This time plus a number of microseconds, saturating.
    pub const fn plus_micros(self, micros: u64) -> Time {
        Time(self.0.saturating_add(micros))
    }

    /// This time plus a number of milliseconds, saturating.
    pub const fn plus_millis(self, millis: u64) -> Time {
        self.plus_micros(millis.saturating_mul(1_000))
    }

    /// This time plus a number of seconds, saturating.
    pub const fn plus_secs(self, secs: u64) -> Time {
        self.plus_micros(secs.saturating_mul(1_000_000))
    }

    /// Microseconds from `earlier` to this time; 0 if `earlier` is later.
    pub const fn since(self, earlier: Time) -> u64 {
        self.0.saturating_sub(earlier.0)
    }

    /// Whole milliseconds since the epoch.
    pub const fn millis(self) -> u64 {
        self.0 / 1_000
    }

    /// Parses an RFC 3339 timestamp with any offset. Times before 1970 are `None`.
    pub fn parse_rfc3339(text: &str) -> Option<Time> {
        // jiff also reads what RFC 3339 does not have: a zone annotation, an hour without minutes.
        if text.len() > 64 || text.contains(['[', ' ']) || !text.is_ascii() {
            return None;
        }
        let timestamp: jiff::Timestamp = text.parse().ok()?;
        u64::try_from(timestamp.as_microsecond()).ok().map(Time)
    }

    /// RFC 3339 in UTC with milliseconds and `Z`, the form every timestamp on the wire has.
    pub fn to_rfc3339(self) -> String {
        let micros = i64::try_from(self.millis().saturating_mul(1_000)).unwrap_or(i64::MAX);
        let timestamp = jiff::Timestamp::from_microsecond(micros).unwrap_or(jiff::Timestamp::MAX);
        let mut out = String::with_capacity(24);
        // Writing to a String cannot fail.
        let _ = write!(out, "{timestamp:.3}");
        out
    }
}
