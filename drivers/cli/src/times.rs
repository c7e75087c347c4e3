//! Durations and the time of day.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jiff::SignedDuration;
use nuncio_tokio::arcp::Time;

/// A time from now, or ago: `90s`, `10m`, `1h30m`.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let parsed: Result<SignedDuration, _> = text.parse();
    let duration = parsed.ok().and_then(|duration| Duration::try_from(duration).ok());
    duration.filter(|duration| !duration.is_zero()).ok_or_else(|| "write it as 90s, 10m or 1h30m".to_owned())
}

/// The time of day.
pub(crate) fn now() -> Time {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Time(u64::try_from(since.as_micros()).unwrap_or(u64::MAX))
}
