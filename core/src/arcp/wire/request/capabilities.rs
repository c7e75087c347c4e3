//! The Ruby SDK's form of a `lease_request`, and what it means in the specification's.
//!
//! ```text
//! {"capabilities":["tool.call:llm.*","net.fetch"],"cost.budget":["USD:1.0"],"model.use":["tier/*"],"expires_at":"…"}
//! {"tool.call":["llm.*"],"net.fetch":["**"],"cost.budget":["USD:1.0"],"model.use":["tier/*"]}
//! ```

use alloc::borrow::Cow;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::arcp::wire::error::Fault;
use crate::budget::{Amounts, parse_amount};
use crate::json::{Object, Text, strings};
use crate::lease::Namespace;

/// A `lease_request` that lists capabilities.
#[derive(Deserialize)]
struct Requested<'a> {
    #[serde(borrow)]
    capabilities: Option<Vec<Text<'a>>>,
    #[serde(borrow, rename = "cost.budget")]
    budget: Option<Vec<Text<'a>>>,
    #[serde(borrow, rename = "model.use")]
    models: Option<Vec<Text<'a>>>,
    #[serde(borrow)]
    expires_at: Option<Text<'a>>,
}

/// What a list of capabilities asks for.
pub(crate) struct Translated {
    /// The JSON text of the `lease_request`.
    pub(crate) lease: String,
    /// The expiry that stands in the lease.
    pub(crate) expires_at: Option<String>,
}

/// Translates a `lease_request` that lists capabilities; `None` for any other, which has the specification's form or is
/// refused as that.
///
/// A capability is a namespace, which means all of it, or a namespace and a pattern. One of a namespace that is unknown
/// grants nothing. `max_budget` bounds the amounts.
///
/// # Errors
///
/// `INVALID_REQUEST` if `max_budget` is not a list of amounts.
pub(crate) fn translate(raw: &RawValue, max_budget: Option<&RawValue>) -> Result<Option<Translated>, Fault> {
    let Ok(requested) = serde_json::from_str::<Requested<'_>>(raw.get()) else { return Ok(None) };
    let Some(capabilities) = requested.capabilities else { return Ok(None) };
    let mut grants: Vec<(&str, Vec<Cow<'_, str>>)> = Vec::new();
    for capability in &capabilities {
        let (name, pattern) =
            capability.as_str().split_once(':').map_or((capability.as_str(), None), |(name, text)| (name, Some(text)));
        let Some(namespace) = Namespace::parse(name).filter(|namespace| *namespace != Namespace::CostBudget) else {
            continue;
        };
        let pattern = Cow::Borrowed(pattern.unwrap_or_else(|| everything(&namespace)));
        match grants.iter_mut().find(|(known, _)| *known == name) {
            Some((_, patterns)) => patterns.push(pattern),
            None => grants.push((name, [pattern].into())),
        }
    }
    let budget = bounded(requested.budget.as_deref(), max_budget)?;
    if let Some(budget) = budget {
        grants.push(("cost.budget", budget));
    }
    if let Some(models) = &requested.models {
        let models = models.iter().map(|model| Cow::Borrowed(model.as_str()));
        match grants.iter_mut().find(|(known, _)| *known == "model.use") {
            Some((_, patterns)) => patterns.extend(models),
            None => grants.push(("model.use", models.collect())),
        }
    }
    let lease = grants
        .iter()
        .fold(Object::new(), |object, (name, patterns)| object.named(name, &strings(patterns.iter().map(Cow::as_ref))));
    Ok(Some(Translated { lease: lease.close(), expires_at: requested.expires_at.map(|at| at.as_str().to_string()) }))
}

/// Returns the pattern that matches every target of a namespace.
fn everything(namespace: &Namespace) -> &'static str {
    if namespace.as_str().starts_with("fs.") { "/**" } else { "**" }
}

/// Returns the entries of `cost.budget`, none of which is larger than that of its currency in `max_budget`.
fn bounded<'a>(
    budget: Option<&'a [Text<'a>]>,
    max_budget: Option<&'a RawValue>,
) -> Result<Option<Vec<Cow<'a, str>>>, Fault> {
    let as_given = budget.map(|budget| budget.iter().map(|entry| Cow::Borrowed(entry.as_str())).collect());
    let Some(max_budget) = max_budget else { return Ok(as_given) };
    let invalid = || Fault::invalid("lease_constraints.max_budget is a list of amounts, such as [\"USD:2.0\"]");
    let max: Vec<Text<'_>> = serde_json::from_str(max_budget.get()).map_err(|_| invalid())?;
    let max = sums(&max).ok_or_else(invalid)?;
    let Some(budget) = budget else { return Ok((!max.is_empty()).then(|| entries(&max, &max))) };
    // Entries that are no amounts are refused with the lease.
    Ok(sums(budget).map_or(as_given, |asked| Some(entries(&asked, &max))))
}

/// Returns the sums of a list of amounts by currency; `None` if one of them is not an amount.
fn sums(entries: &[Text<'_>]) -> Option<Amounts> {
    let mut amounts = Amounts::new();
    for entry in entries {
        let (currency, amount) = parse_amount(entry.as_str()).ok()?;
        amounts.add(currency, amount).ok()?;
    }
    Some(amounts)
}

fn entries<'a>(asked: &Amounts, max: &Amounts) -> Vec<Cow<'a, str>> {
    let bounded = asked.iter().map(|(currency, amount)| {
        let amount = max.of(currency.as_str()).map_or(amount, |max| amount.min(max));
        Cow::Owned(alloc::format!("{}:{amount}", currency.as_str()))
    });
    bounded.collect()
}
