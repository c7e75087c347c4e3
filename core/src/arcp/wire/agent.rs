//! Agents as a runtime offers them (§6.2, §7.5).

use alloc::string::String;
use alloc::vec::Vec;

/// An agent that a runtime offers (§7.5).
///
/// ```
/// use nuncio_core::arcp::AgentSpec;
///
/// let agent = AgentSpec { versions: vec!["1".into(), "2".into()], ..AgentSpec::new("summarise") };
/// assert_eq!(agent.resolved_default(), Some("2"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentSpec {
    /// The bare name: `[a-z0-9][a-z0-9._-]*`.
    pub name: String,
    /// The versions, each `[a-zA-Z0-9.+_-]+`; empty for an agent without versions.
    pub versions: Vec<String>,
    /// The version that the bare name stands for. If it is absent, that is the last of `versions`.
    pub default: Option<String>,
    /// The number of jobs of the agent that may run at once, without a limit if it is absent. Further jobs wait in
    /// `pending`.
    pub max_concurrent: Option<u32>,
    /// What becomes of a job of the agent that runs when the runtime restarts.
    pub on_restart: OnRestart,
}

/// What becomes of a running job when the runtime restarts (ours). A job that has never run is run in either case.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnRestart {
    /// It ends with `INTERNAL_ERROR`.
    #[default]
    Fail,
    /// It is run again, with the same input and as the same job.
    Rerun,
}

impl AgentSpec {
    /// Creates an agent without versions and without a limit, whose jobs fail at a restart.
    pub fn new(name: impl Into<String>) -> AgentSpec {
        AgentSpec {
            name: name.into(),
            versions: Vec::new(),
            default: None,
            max_concurrent: None,
            on_restart: OnRestart::Fail,
        }
    }

    /// Returns the version that the bare name stands for, or `None` for an agent without versions.
    pub fn resolved_default(&self) -> Option<&str> {
        self.default.as_deref().or(self.versions.last().map(String::as_str))
    }
}
