//! The `Retry-After` header.

use core::time::Duration;

use jiff::fmt::rfc2822::DateTimeParser;

use crate::time::{Time, micros};

/// Returns the delay that a `Retry-After` header asks for: a number of seconds, or a date. A date in the past is no
/// delay. Returns `None` for any other text.
pub(crate) fn delay(value: &str, now: Time) -> Option<Duration> {
    let value = value.trim();
    if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
        // More seconds than fit into a number are as long as any delay can be.
        return Some(Duration::from_secs(value.parse().unwrap_or(u64::MAX)));
    }
    let at = DateTimeParser::new().parse_timestamp(value).ok()?;
    let at = Time(u64::try_from(at.as_microsecond()).ok()?);
    Some(Duration::from_micros(at.since(now)))
}

/// Returns a delay in microseconds, at most `limit`.
pub(crate) fn capped(delay: Duration, limit: Duration) -> u64 {
    micros(delay.min(limit))
}
