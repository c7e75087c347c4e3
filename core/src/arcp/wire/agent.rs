//! Agents as a welcome lists them (§6.2, §7.5).

use alloc::string::String;
use alloc::vec::Vec;

/// An agent a runtime has on offer (§7.5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentSpec {
    /// `[a-z0-9][a-z0-9._-]*`
    pub name: String,
    /// The versions on offer, each `[a-zA-Z0-9.+_-]+`; empty for an agent without versions.
    pub versions: Vec<String>,
    /// What a bare name resolves to; the last of `versions` if it says nothing.
    pub default: Option<String>,
    /// Jobs of the agent that may run at once; further ones wait in `pending`.
    pub max_concurrent: Option<u32>,
}

impl AgentSpec {
    /// An agent without versions and without a limit.
    pub fn new(name: impl Into<String>) -> AgentSpec {
        AgentSpec { name: name.into(), versions: Vec::new(), default: None, max_concurrent: None }
    }

    /// The version a bare name resolves to.
    pub fn resolved_default(&self) -> Option<&str> {
        self.default.as_deref().or(self.versions.last().map(String::as_str))
    }
}
