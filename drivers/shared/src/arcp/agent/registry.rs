//! The agents of a server.

use std::collections::BTreeMap;
use std::sync::Arc;

use nuncio_core::arcp::AgentSpec;

use super::Agent;

/// The agents of a server, by name and version.
#[derive(Default)]
pub(crate) struct Registry {
    agents: BTreeMap<String, Entry>,
}

#[derive(Default)]
struct Entry {
    unversioned: Option<Arc<dyn Agent>>,
    /// In the order they were added.
    versions: Vec<(String, Arc<dyn Agent>)>,
    default: Option<String>,
    max_concurrent: Option<u32>,
}

impl Registry {
    pub(crate) fn add(&mut self, agent: &str, run: Arc<dyn Agent>) {
        match agent.split_once('@') {
            None => self.entry(agent).unversioned = Some(run),
            Some((name, version)) => {
                let versions = &mut self.entry(name).versions;
                versions.retain(|(other, _)| other != version);
                versions.push((version.to_owned(), run));
            }
        }
    }

    pub(crate) fn set_default(&mut self, name: &str, version: &str) {
        self.entry(name).default = Some(version.to_owned());
    }

    pub(crate) fn set_concurrency(&mut self, name: &str, max: u32) {
        self.entry(name).max_concurrent = Some(max);
    }

    /// The first thing that makes no sense among the names.
    pub(crate) fn fault(&self) -> Option<String> {
        self.agents.iter().find_map(|(name, entry)| {
            if entry.unversioned.is_some() != entry.versions.is_empty() {
                let what = if entry.versions.is_empty() { "no implementation" } else { "both a version and none" };
                return Some(format!("the agent {name:?} has {what}"));
            }
            let default = entry.default.as_ref()?;
            let known = entry.versions.iter().any(|(version, _)| version == default);
            (!known).then(|| format!("the agent {name:?} has no version {default:?} to be its default"))
        })
    }

    pub(crate) fn specs(&self) -> impl Iterator<Item = AgentSpec> {
        self.agents.iter().map(|(name, entry)| AgentSpec {
            name: name.clone(),
            versions: entry.versions.iter().map(|(version, _)| version.clone()).collect(),
            default: entry.default.clone(),
            max_concurrent: entry.max_concurrent,
        })
    }

    pub(crate) fn find(&self, name: &str, version: Option<&str>) -> Option<Arc<dyn Agent>> {
        let entry = self.agents.get(name)?;
        let Some(version) = version else { return entry.unversioned.clone() };
        entry.versions.iter().find(|(other, _)| other == version).map(|(_, run)| Arc::clone(run))
    }

    fn entry(&mut self, name: &str) -> &mut Entry {
        self.agents.entry(name.to_owned()).or_default()
    }
}
