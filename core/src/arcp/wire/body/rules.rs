//! The rules of §8.2 that go beyond the shape of a body.

use alloc::string::ToString;

use super::invalid::InvalidBody;
use super::meta::Meta;
use super::number::Number;
use crate::budget::Amount;

/// The phase of the `status` with which the runtime ends a subscription (§7.6).
pub(crate) const SUBSCRIPTION_DROPPED: &str = "subscription_dropped";

/// Checks the phase of a `status`.
pub(super) fn phase(phase: &str) -> Result<(), InvalidBody> {
    match phase {
        "credential_rotated" => Err(InvalidBody::new("a credential is rotated with rotate(), which redacts its value")),
        SUBSCRIPTION_DROPPED => Err(InvalidBody::new("subscription_dropped is emitted by the runtime alone")),
        _ => Ok(()),
    }
}

/// Checks a metric, and returns what it costs.
pub(super) fn metric(name: &str, value: &Number, unit: Option<&str>) -> Result<Meta, InvalidBody> {
    if name == "cost.budget.remaining" {
        return Err(InvalidBody::new("cost.budget.remaining is emitted by the runtime alone"));
    }
    if !name.starts_with("cost.") {
        return Ok(Meta::Plain);
    }
    if value.is_negative() {
        return Err(InvalidBody::new("a cost cannot be negative"));
    }
    Ok(match unit {
        Some(unit) => Meta::Cost { unit: unit.to_string(), amount: Amount::from_json_number(value.as_str()) },
        None => Meta::Plain,
    })
}

/// Checks the numbers of a `progress`.
pub(super) fn progress(current: &Number, total: Option<&Number>) -> Result<(), InvalidBody> {
    if current.is_negative() || total.is_some_and(Number::is_negative) {
        return Err(InvalidBody::new("progress cannot be negative"));
    }
    Ok(())
}
