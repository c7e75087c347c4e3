//! The words of a request that need no runtime to be judged: agent references, leases, expiry, features (§6.2, §7.5, §9).

use alloc::borrow::Cow;
use alloc::string::String;
use alloc::vec::Vec;

use serde_json::value::RawValue;

use crate::arcp::runtime::host::Refused;
use crate::arcp::wire::agent::AgentSpec;
use crate::arcp::wire::error::Fault;
use crate::arcp::wire::feature::{Feature, Features};
use crate::lease::{Lease, Namespace};
use crate::time::Time;

/// The lease of a request; an absent one is empty.
pub(super) fn parse_lease(raw: Option<&RawValue>) -> Result<Lease, Fault> {
    match raw {
        Some(raw) => Lease::parse(raw.get()).map_err(|error| Fault::invalid(alloc::format!("lease_request: {error}"))),
        None => Ok(Lease::default()),
    }
}

/// Nothing outside the negotiated features may be used (§6.2).
pub(super) fn check_negotiated(
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
        Some((feature, _)) => {
            Err(Fault::invalid(alloc::format!("this session did not negotiate the feature {}", feature.as_str())))
        }
        None => Ok(()),
    }
}

/// `expires_at` in UTC (§9.5): `Z`, or `+00:00`.
pub(super) fn parse_expiry(text: &str) -> Result<Time, Fault> {
    let utc = text.ends_with(['Z', 'z']) || text.ends_with("+00:00");
    Time::parse_rfc3339(text).filter(|_| utc).ok_or_else(|| {
        Fault::invalid("lease_constraints.expires_at must be an RFC 3339 time in UTC, such as 2026-05-13T23:42:00Z")
    })
}

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

/// `name` or `name@version` as §7.5 writes them.
pub(super) fn check_agent_ref(agent: &str) -> Result<(), Fault> {
    let (name, version) = split_agent(agent);
    if is_name(name) && version.is_none_or(is_version) {
        Ok(())
    } else {
        Err(Fault::invalid("agent must be name or name@version, the name of a-z 0-9 . _ -"))
    }
}

pub(super) fn check_agent(spec: &AgentSpec) -> Result<(), Refused> {
    let refuse = |sentence: &'static str| Err(Refused::Invalid(Cow::Borrowed(sentence)));
    if !is_name(&spec.name) {
        return refuse("an agent's name starts with a-z or 0-9 and goes on with a-z 0-9 . _ -");
    }
    if !spec.versions.iter().all(|version| is_version(version)) {
        return refuse("a version has the characters a-z A-Z 0-9 . + _ -");
    }
    let mut sorted: Vec<&String> = spec.versions.iter().collect();
    sorted.sort_unstable();
    sorted.dedup();
    if sorted.len() != spec.versions.len() {
        return refuse("an agent's versions are different from each other");
    }
    if spec.default.as_ref().is_some_and(|default| !spec.versions.contains(default)) {
        return refuse("the default version is one of the versions");
    }
    Ok(())
}
