//! The one notion of time: [`Time`], Unix microseconds, always an argument.

use alloc::string::String;
use core::fmt::Write as _;
use core::time::Duration;

use jiff::SignedDuration;
use jiff::civil::{DateTime, date};
use jiff::fmt::temporal::{Pieces, PiecesOffset};

// Civil times, not jiff::Timestamp: that ends a day before the year 9999 does.
const EPOCH: DateTime = date(1970, 1, 1).at(0, 0, 0, 0);

/// A point in time: microseconds since the Unix epoch, UTC.
///
/// A machine never reads a clock. Its driver samples the wall clock once, adds monotonic time, and passes the sum to
/// every `handle_*` method and command; a step back is clamped by the machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(pub u64);

/// Whole microseconds of a duration, saturating.
pub(crate) fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

impl Time {
    /// The end of time: what a deadline that can never pass is compared with.
    pub const MAX: Time = Time(u64::MAX);

    /// This time plus a duration in whole microseconds, saturating.
    pub fn plus(self, duration: Duration) -> Time {
        self.plus_micros(micros(duration))
    }

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

    /// Parses an RFC 3339 timestamp with any offset. Times before 1970 and, in UTC, after 9999 are `None`.
    pub fn parse_rfc3339(text: &str) -> Option<Time> {
        if text.len() > 64 || !has_form(text) {
            return None;
        }
        let pieces = Pieces::parse(text).ok()?;
        let local = pieces.date().to_datetime(pieces.time()?);
        let offset = match pieces.offset()? {
            PiecesOffset::Zulu => 0,
            PiecesOffset::Numeric(offset) => i64::from(offset.offset().seconds()),
            _ => return None,
        };
        let since = local.duration_since(EPOCH).checked_sub(SignedDuration::from_secs(offset))?;
        EPOCH.checked_add(since).ok()?;
        u64::try_from(since.as_micros()).ok().map(Time)
    }

    /// RFC 3339 in UTC with milliseconds and `Z`, the form every timestamp on the wire has.
    pub fn to_rfc3339(self) -> String {
        let since = SignedDuration::from_millis(i64::try_from(self.millis()).unwrap_or(i64::MAX));
        let at = EPOCH.saturating_add(since);
        let mut out = String::with_capacity(24);
        // Writing to a String cannot fail.
        let _ = write!(out, "{at:.3}Z");
        out
    }
}

/// `YYYY-MM-DDTHH:MM:SS[.digits](Z|+HH:MM|-HH:MM)`. jiff reads more: a zone annotation, an hour without minutes.
fn has_form(text: &str) -> bool {
    let Some((local, rest)) = text.split_at_checked(19) else { return false };
    let separators = [(4, b"--"), (7, b"--"), (10, b"Tt"), (13, b"::"), (16, b"::")];
    let dated =
        separators.iter().all(|(at, either)| local.as_bytes().get(*at).is_some_and(|byte| either.contains(byte)));
    let offset = match rest.strip_prefix('.') {
        Some(fraction) => fraction.trim_start_matches(|digit: char| digit.is_ascii_digit()),
        None => rest,
    };
    dated && matches!(offset.as_bytes(), b"Z" | b"z" | [b'+' | b'-', _, _, b':', _, _])
}
