//! Decides whether and when a call is tried again. The rules are those of the Python SDK 1.0.0 (§1.7).

use core::time::Duration;

use super::calls::{Entry, Purpose};
use super::config::ClientConfig;
use super::event::TransportFailure;
use crate::caracal::wire::answer::fault::CoordinatorFault;
use crate::caracal::wire::call::Call;
use crate::caracal::wire::request::spawn::Generation;

/// What follows the failure of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The call is repeated with another token.
    Refresh,
    /// The call is repeated. It may have been carried out if `uncertain`.
    Repeat { uncertain: bool },
    /// The call fails: the coordinator has refused it, or could not be reached.
    Fail,
    /// The call fails, and may have been carried out.
    Uncertain,
}

/// Judges a refusal.
pub(super) fn refused(config: &ClientConfig, entry: &Entry, fault: &CoordinatorFault) -> Verdict {
    // A refusal of this attempt does not say what became of an earlier one.
    let is_unclear = entry.is_uncertain() && matches!(fault.status, 401 | 429 | 500..);
    let verdict = verdict(config, entry, fault);
    if verdict == Verdict::Fail && is_unclear { Verdict::Uncertain } else { verdict }
}

fn verdict(config: &ClientConfig, entry: &Entry, fault: &CoordinatorFault) -> Verdict {
    match fault.status {
        401 if entry.is_refreshed() => Verdict::Fail,
        401 => Verdict::Refresh,
        // Both say that nothing was done.
        429 if fault.is("rate_limited") => repeat(config, entry, false).unwrap_or(Verdict::Fail),
        503 => repeat(config, entry, false).unwrap_or(Verdict::Fail),
        // A proxy says that it lost the coordinator's answer.
        502 | 504 => lost(config, entry),
        500.. if is_repeatable(config, entry) => repeat(config, entry, true).unwrap_or(Verdict::Fail),
        _ => Verdict::Fail,
    }
}

/// Judges a failure of the transport.
pub(super) fn failed(config: &ClientConfig, entry: &Entry, failure: TransportFailure) -> Verdict {
    match failure {
        TransportFailure::Lost => lost(config, entry),
        TransportFailure::NotSent => repeat(config, entry, false).unwrap_or(if entry.is_uncertain() {
            Verdict::Uncertain
        } else {
            Verdict::Fail
        }),
    }
}

/// Judges an attempt that may have been carried out.
fn lost(config: &ClientConfig, entry: &Entry) -> Verdict {
    let repeated = is_repeatable(config, entry).then(|| repeat(config, entry, true)).flatten();
    repeated.unwrap_or(Verdict::Uncertain)
}

fn repeat(config: &ClientConfig, entry: &Entry, uncertain: bool) -> Option<Verdict> {
    let allowed = match (entry.purpose(), entry.call()) {
        (Purpose::Heartbeat, _) => 0,
        (_, Call::Delegate(_)) => config.retries.min(1),
        (_, _) => config.retries,
    };
    (entry.retries() < allowed).then_some(Verdict::Repeat { uncertain })
}

/// Returns whether a call can be carried out twice without harm. Coordinators before 1.0 do not recognise the second
/// attempt of a spawn or a delegation.
fn is_repeatable(config: &ClientConfig, entry: &Entry) -> bool {
    match entry.call() {
        Call::Spawn(_) | Call::Delegate(_) => config.generation == Generation::Head,
        Call::Terminate { .. }
        | Call::Heartbeat { .. }
        | Call::AcquireLease { .. }
        | Call::Revoke { .. }
        | Call::Inbound { .. } => true,
    }
}

/// Returns the delay before the next attempt without its jitter.
pub(super) fn delay(entry: &Entry) -> Duration {
    Duration::from_millis(250).saturating_mul(entry.retries().saturating_add(1))
}

/// The longest jitter of a repeated call.
pub(super) const JITTER: Duration = Duration::from_millis(100);
/// The longest jitter of a call that is repeated with another token.
pub(super) const REFRESH_JITTER: Duration = Duration::from_millis(250);
