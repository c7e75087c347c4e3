//! `session.welcome` (§6.2).

use alloc::string::String;
use alloc::vec::Vec;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::maybe::Maybe;
use crate::arcp::wire::envelope::Int;
use crate::arcp::wire::feature::{Feature, Features};
use crate::json::Text;

/// An agent that a runtime offers (§7.5).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AgentInfo {
    /// The bare name.
    pub name: String,
    /// The versions; empty if the agent has none or the runtime does not list them.
    pub versions: Vec<String>,
    /// The version that the bare name stands for.
    pub default: Option<String>,
}

/// A `session.welcome`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Welcome<'a> {
    #[serde(borrow)]
    pub(crate) session_id: Maybe<Text<'a>>,
    #[serde(borrow)]
    runtime: Maybe<RuntimeInfo<'a>>,
    // The Ruby SDK has these two in the place of `runtime`.
    #[serde(borrow)]
    runtime_name: Maybe<Text<'a>>,
    #[serde(borrow)]
    runtime_version: Maybe<Text<'a>>,
    #[serde(borrow)]
    pub(crate) resume_token: Maybe<Text<'a>>,
    pub(crate) resume_window_sec: Maybe<Int>,
    pub(crate) heartbeat_interval_sec: Maybe<Int>,
    #[serde(borrow)]
    capabilities: Maybe<Capabilities<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct RuntimeInfo<'a> {
    #[serde(borrow)]
    name: Maybe<Text<'a>>,
    #[serde(borrow)]
    version: Maybe<Text<'a>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Capabilities<'a> {
    #[serde(borrow)]
    features: Maybe<Vec<Maybe<Text<'a>>>>,
    #[serde(borrow)]
    agents: Maybe<Vec<&'a RawValue>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Agent<'a> {
    #[serde(borrow)]
    name: Maybe<Text<'a>>,
    #[serde(borrow)]
    versions: Maybe<Vec<Maybe<Text<'a>>>>,
    #[serde(borrow, rename = "default")]
    default_version: Maybe<Text<'a>>,
}

impl Welcome<'_> {
    /// Returns the features that the runtime names. Some runtimes name all of theirs, and not only the negotiated ones.
    pub(crate) fn features(&self) -> Features {
        self.feature_names().filter_map(Feature::parse).collect()
    }

    /// Returns whether there are at least two features, in alphabetical order.
    pub(crate) fn has_sorted_features(&self) -> bool {
        self.feature_names().nth(1).is_some() && self.feature_names().is_sorted()
    }

    fn feature_names(&self) -> impl Iterator<Item = &str> {
        let names = self.capabilities.0.iter().flat_map(|capabilities| capabilities.features.0.iter().flatten());
        names.filter_map(Maybe::as_str)
    }

    /// Returns whether the runtime names itself in the payload itself, and not in `runtime`.
    pub(crate) fn is_flat(&self) -> bool {
        self.runtime.0.is_none() && self.runtime_name.0.is_some()
    }

    /// Returns the agents, which runtimes send as names or as objects.
    pub(crate) fn agents(&self) -> Vec<AgentInfo> {
        let agents = self.capabilities.0.iter().flat_map(|capabilities| capabilities.agents.0.iter().flatten());
        agents.filter_map(|entry| agent(entry.get())).collect()
    }

    /// Returns `runtime.name`; empty if there is none.
    pub(crate) fn runtime_name(&self) -> String {
        let name = self.runtime.0.as_ref().map_or(&self.runtime_name, |runtime| &runtime.name);
        name.owned().unwrap_or_default()
    }

    /// Returns `runtime.version`; empty if there is none.
    pub(crate) fn runtime_version(&self) -> String {
        let version = self.runtime.0.as_ref().map_or(&self.runtime_version, |runtime| &runtime.version);
        version.owned().unwrap_or_default()
    }
}

/// Returns whether an envelope has a `timestamp`, as those of the C# SDK do.
pub(crate) fn has_timestamp(frame: &str) -> bool {
    #[derive(Deserialize)]
    struct Stamped<'a> {
        #[serde(borrow)]
        timestamp: Option<&'a RawValue>,
    }
    serde_json::from_str::<Stamped<'_>>(frame).is_ok_and(|envelope| envelope.timestamp.is_some())
}

fn agent(json: &str) -> Option<AgentInfo> {
    if let Ok(name) = serde_json::from_str::<Text<'_>>(json) {
        return Some(AgentInfo { name: name.0.into_owned(), versions: Vec::new(), default: None });
    }
    let agent: Agent<'_> = serde_json::from_str(json).ok()?;
    Some(AgentInfo {
        name: agent.name.owned()?,
        versions: agent.versions.0.iter().flatten().filter_map(Maybe::owned).collect(),
        default: agent.default_version.owned(),
    })
}
