//! The largest allowed difference between clocks.

use crate::cap::wire::known::Timestamp;
use crate::time::Time;

/// How far the clocks of both sides may differ, in microseconds (spec/14).
pub(super) const SKEW: u64 = 60_000_000;

/// Returns whether a timestamp is within 60 s of the present time, in either direction and inclusive.
pub(super) fn is_near(at: Option<&Timestamp>, now: Time) -> bool {
    at.and_then(Timestamp::to_time).is_some_and(|at| at.0.abs_diff(now.0) <= SKEW)
}

/// Returns whether a timestamp is still to come.
pub(super) fn is_future(at: Option<&Timestamp>, now: Time) -> bool {
    at.and_then(Timestamp::to_time).is_some_and(|at| at > now)
}
