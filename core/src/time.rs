//! Points in time: [`Time`], in microseconds since the Unix epoch.

use alloc::string::String;
use core::time::Duration;

use jiff::SignedDuration;
use jiff::civil::{DateTime, date};
use jiff::fmt::temporal::{Pieces, PiecesOffset};

// A civil time, because `jiff::Timestamp` ends a day before the year 9999 does.
const EPOCH: DateTime = date(1970, 1, 1).at(0, 0, 0, 0);

/// A point in time: microseconds since the Unix epoch, UTC.
///
/// A machine never reads a clock: its driver passes the present time to every `handle_*` method and command. A machine
/// ignores a step back and stays at the latest time that it has seen. What the wall clock shows is passed to `handle_wall`.
///
/// ```
/// use core::time::Duration;
///
/// use nuncio_core::time::Time;
///
/// let start = Time::parse_rfc3339("2026-11-21T01:00:00+01:00").unwrap();
/// assert_eq!(start.plus(Duration::from_millis(1_500)).to_rfc3339(), "2026-11-21T00:00:01.500Z");
/// assert!(start < Time::MAX);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(pub u64);

/// Returns the whole microseconds of a duration, saturating.
pub(crate) fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

impl Time {
    /// The latest time. A deadline at this time never passes.
    pub const MAX: Time = Time(u64::MAX);

    /// The last microsecond of the year 9999, the latest time that can be written as RFC 3339.
    pub(crate) const LATEST_WRITTEN: Time = Time(253_402_300_799_999_999);

    /// Returns this time plus the whole microseconds of a duration, saturating.
    pub fn plus(self, duration: Duration) -> Time {
        self.plus_micros(micros(duration))
    }

    /// Returns this time plus a number of microseconds, saturating.
    pub const fn plus_micros(self, micros: u64) -> Time {
        Time(self.0.saturating_add(micros))
    }

    /// Returns this time plus a number of milliseconds, saturating.
    pub const fn plus_millis(self, millis: u64) -> Time {
        self.plus_micros(millis.saturating_mul(1_000))
    }

    /// Returns this time plus a number of seconds, saturating.
    pub const fn plus_secs(self, secs: u64) -> Time {
        self.plus_micros(secs.saturating_mul(1_000_000))
    }

    /// Returns the microseconds from `earlier` to this time, or 0 if `earlier` is later.
    pub const fn since(self, earlier: Time) -> u64 {
        self.0.saturating_sub(earlier.0)
    }

    /// Returns the whole milliseconds since the Unix epoch.
    pub const fn millis(self) -> u64 {
        self.0 / 1_000
    }

    /// Parses an RFC 3339 timestamp with any offset.
    ///
    /// Returns `None` for a malformed one, and for a time that in UTC is before the year 1970 or after 9999.
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

    /// Returns this time as RFC 3339 in UTC with milliseconds and `Z`, the form of every timestamp that Nuncio sends.
    pub fn to_rfc3339(self) -> String {
        let mut out = String::with_capacity(24);
        self.push_rfc3339(&mut out);
        out
    }

    /// Appends what [`Time::to_rfc3339`] returns.
    pub(crate) fn push_rfc3339(self, out: &mut String) {
        let since = SignedDuration::from_millis(i64::try_from(self.millis()).unwrap_or(i64::MAX));
        let at = EPOCH.saturating_add(since);
        let (date, time) = (at.date(), at.time());
        push_digits(out, date.year().unsigned_abs().into(), 4, '-');
        push_digits(out, date.month().unsigned_abs().into(), 2, '-');
        push_digits(out, date.day().unsigned_abs().into(), 2, 'T');
        push_digits(out, time.hour().unsigned_abs().into(), 2, ':');
        push_digits(out, time.minute().unsigned_abs().into(), 2, ':');
        push_digits(out, time.second().unsigned_abs().into(), 2, '.');
        push_digits(out, time.millisecond().unsigned_abs().into(), 3, 'Z');
    }
}

/// Appends a number of this many digits, and what follows it. Every event has a timestamp, so this does without `fmt`.
fn push_digits(out: &mut String, number: u32, digits: u32, then: char) {
    for place in (0..digits).rev() {
        let digit = number / 10_u32.pow(place) % 10;
        out.push(char::from_digit(digit, 10).unwrap_or('0'));
    }
    out.push(then);
}

/// Returns whether a text has the form `YYYY-MM-DDTHH:MM:SS[.digits](Z|+HH:MM|-HH:MM)`. jiff also accepts others, such
/// as an offset without minutes or a zone annotation.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_with_all_their_digits() {
        assert_eq!(Time(0).to_rfc3339(), "1970-01-01T00:00:00.000Z");
        assert_eq!(Time(1_999).to_rfc3339(), "1970-01-01T00:00:00.001Z");
        assert_eq!(Time(951_786_123_045_678).to_rfc3339(), "2000-02-29T01:02:03.045Z");
        assert_eq!(Time::MAX.to_rfc3339(), "9999-12-31T23:59:59.999Z");
    }
}
