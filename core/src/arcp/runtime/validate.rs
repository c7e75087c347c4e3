//! Checks of a request that do not depend on the runtime's state: agent references, leases, expiry, features (§6.2,
//! §7.5, §9).

use alloc::borrow::Cow;
use alloc::string::String;
use alloc::vec::Vec;

use serde_json::value::RawValue;

use super::host::Refused;
use crate::arcp::wire::agent::AgentSpec;
use crate::arcp::wire::error::Fault;
use crate::arcp::wire::feature::{Feature, Features};
use crate::lease::{Lease, Namespace};
use crate::time::Time;

/// The lease of a request; an absent one is empty.
pub(super) fn lease(raw: Option<&RawValue>) -> Result<Lease, Fault> {
    match raw {
        Some(raw) => lease_text(raw.get()),
        None => Ok(Lease::default()),
    }
}

/// Returns the lease of a JSON text.
pub(super) fn lease_text(json: &str) -> Result<Lease, Fault> {
    Lease::parse(json).map_err(|error| Fault::invalid(alloc::format!("lease_request: {error}")))
}

/// Refuses the use of features that were not negotiated (§6.2).
pub(super) fn negotiated(
    features: Features,
    agent: &str,
    lease: Option<&Lease>,
    expires_at: Option<&str>,
) -> Result<(), Fault> {
    let names = |namespace| lease.is_some_and(|lease| lease.names(&namespace));
    let used = [
        (Feature::AgentVersions, agent.contains('@')),
        (Feature::LeaseExpiresAt, expires_at.is_some()),
        (Feature::CostBudget, names(Namespace::CostBudget)),
        (Feature::ModelUse, names(Namespace::ModelUse)),
    ];
    match used.into_iter().find(|(feature, used)| *used && !features.has(*feature)) {
        Some((feature, _)) => Err(not_negotiated(feature)),
        None => Ok(()),
    }
}

pub(super) fn not_negotiated(feature: Feature) -> Fault {
    Fault::invalid(alloc::format!("this session did not negotiate the feature {}", feature.as_str()))
}

/// `expires_at` in UTC (§9.5): `Z`, or `+00:00`.
pub(super) fn expiry(text: &str) -> Result<Time, Fault> {
    let utc = text.ends_with(['Z', 'z']) || text.ends_with("+00:00");
    Time::parse_rfc3339(text).filter(|_| utc).ok_or_else(|| {
        Fault::invalid("lease_constraints.expires_at must be an RFC 3339 time in UTC, such as 2026-05-13T23:42:00Z")
    })
}

/// The name and the version of an agent reference.
pub(super) fn split_agent(agent: &str) -> (&str, Option<&str>) {
    agent.split_once('@').map_or((agent, None), |(name, version)| (name, Some(version)))
}

fn is_name(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_lowercase() || first.is_ascii_digit())
        && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"._-".contains(&byte))
        && name.len() <= 256
}

fn is_version(version: &str) -> bool {
    !version.is_empty()
        && version.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".+_-".contains(&byte))
        && version.len() <= 256
}

/// `name` or `name@version`, in the characters of §7.5.
pub(super) fn agent_ref(agent: &str) -> Result<(), Fault> {
    let (name, version) = split_agent(agent);
    if is_name(name) && version.is_none_or(is_version) {
        Ok(())
    } else {
        Err(Fault::invalid("agent must be name or name@version, the name of a-z 0-9 . _ -"))
    }
}

pub(super) fn agent_spec(spec: &AgentSpec) -> Result<(), Refused> {
    let refuse = |sentence: &'static str| Err(Refused::Invalid(Cow::Borrowed(sentence)));
    let name = &spec.name;
    if !is_name(name) {
        let rule = "the name of an agent starts with a-z or 0-9 and continues with a-z 0-9 . _ -";
        return Err(Refused::Invalid(alloc::format!("{rule}, and {name:?} does not").into()));
    }
    if let Some(version) = spec.versions.iter().find(|version| !is_version(version)) {
        let rule = "the version of an agent consists of a-z A-Z 0-9 . + _ -";
        return Err(Refused::Invalid(
            alloc::format!("{rule}, and the version {version:?} of {name:?} does not").into(),
        ));
    }
    let mut sorted: Vec<&String> = spec.versions.iter().collect();
    sorted.sort_unstable();
    sorted.dedup();
    if sorted.len() != spec.versions.len() {
        return refuse("two versions of the agent are the same");
    }
    if spec.default.as_ref().is_some_and(|default| !spec.versions.contains(default)) {
        return refuse("the default version of the agent is not one of its versions");
    }
    Ok(())
}
