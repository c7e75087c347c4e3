//! The agents of a server, by name and version.

use std::collections::BTreeMap;
use std::sync::Arc;

use nuncio_core::arcp::{AgentSpec, OnRestart};

use super::work::{Agent, DynAgent};

/// The agents of a server, by name and version.
#[derive(Default)]
pub(crate) struct Registry {
    agents: BTreeMap<String, Entry>,
}

/// The agents of one name.
#[derive(Default)]
struct Entry {
    unversioned: Option<Arc<dyn DynAgent>>,
    /// The versions in the order in which they were added.
    versions: Vec<(String, Arc<dyn DynAgent>)>,
    default: Option<String>,
    max_concurrent: Option<u32>,
    on_restart: OnRestart,
}

impl Registry {
    /// Adds an agent as `name` or `name@version`, or replaces it.
    pub(crate) fn add(&mut self, name: &str, agent: impl Agent) {
        let agent = Arc::new(agent);
        match name.split_once('@') {
            None => self.entry(name).unversioned = Some(agent),
            Some((name, version)) => {
                let versions = &mut self.entry(name).versions;
                versions.retain(|(other, _)| other != version);
                versions.push((version.to_owned(), agent));
            }
        }
    }

    pub(crate) fn set_default(&mut self, name: &str, version: &str) {
        self.entry(name).default = Some(version.to_owned());
    }

    pub(crate) fn set_concurrency(&mut self, name: &str, max: u32) {
        self.entry(name).max_concurrent = Some(max);
    }

    pub(crate) fn set_on_restart(&mut self, name: &str, then: OnRestart) {
        self.entry(name).on_restart = then;
    }

    /// Returns the first contradiction among the names.
    pub(crate) fn fault(&self) -> Option<String> {
        self.agents.iter().find_map(|(name, entry)| {
            match (entry.unversioned.is_some(), entry.versions.is_empty()) {
                (false, true) => return Some(format!("the agent {name:?} has no implementation")),
                (true, false) => {
                    return Some(format!(
                        "the agent {name:?} is there with a version and without; give each a version, as in {name}@1"
                    ));
                }
                (true, true) | (false, false) => {}
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
            on_restart: entry.on_restart,
        })
    }

    pub(super) fn find(&self, name: &str, version: Option<&str>) -> Option<Arc<dyn DynAgent>> {
        let entry = self.agents.get(name)?;
        let Some(version) = version else { return entry.unversioned.clone() };
        entry.versions.iter().find(|(other, _)| other == version).map(|(_, agent)| Arc::clone(agent))
    }

    fn entry(&mut self, name: &str) -> &mut Entry {
        self.agents.entry(name.to_owned()).or_default()
    }
}

#[cfg(test)]
mod tests {
    use nuncio_core::arcp::Json;

    use super::*;
    use crate::arcp::agent::context::JobContext;
    use crate::arcp::agent::failure::Failure;
    use crate::arcp::agent::output::Output;

    struct Nothing;

    impl Agent for Nothing {
        async fn run(&self, _: Option<Box<Json>>, _: JobContext) -> Result<Output, Failure> {
            Err(Failure::internal("it is never run"))
        }
    }

    fn registry(names: &[&str]) -> Registry {
        let mut registry = Registry::default();
        for name in names {
            registry.add(name, Nothing);
        }
        registry
    }

    #[test]
    fn names_that_contradict_each_other_are_a_fault() {
        let fault = |names: &[&str], default: Option<&str>| {
            let mut registry = registry(names);
            if let Some(version) = default {
                registry.set_default("a", version);
            }
            registry.fault().unwrap_or_default()
        };
        assert_eq!(fault(&["a", "b@1", "b@2"], None), "");
        assert_eq!(fault(&["a@1", "a@2"], Some("1")), "");
        assert_eq!(fault(&["a@1"], Some("2")), r#"the agent "a" has no version "2" to be its default"#);
        assert_eq!(fault(&["a"], Some("1")), r#"the agent "a" has no version "1" to be its default"#);
        let both = r#"the agent "a" is there with a version and without; give each a version, as in a@1"#;
        assert_eq!(fault(&["a", "a@1"], None), both);
        assert_eq!(fault(&["b"], Some("1")), r#"the agent "a" has no implementation"#);
    }

    #[test]
    fn an_agent_is_found_by_its_name_and_version() {
        let mut registry = registry(&["a", "b@1", "b@2", "b@1"]);
        registry.set_concurrency("b", 7);
        registry.set_on_restart("b", OnRestart::Rerun);
        let is_found = |name, version| registry.find(name, version).is_some();
        assert!(is_found("a", None) && is_found("b", Some("1")) && is_found("b", Some("2")));
        assert!(!is_found("a", Some("1")) && !is_found("b", None) && !is_found("b", Some("3")) && !is_found("c", None));
        let specs: Vec<AgentSpec> = registry.specs().collect();
        let versions = vec!["2".to_owned(), "1".to_owned()];
        let b = AgentSpec { versions, max_concurrent: Some(7), on_restart: OnRestart::Rerun, ..AgentSpec::new("b") };
        assert_eq!(specs, [AgentSpec::new("a"), b], "a version that is added again is the newest");
    }
}
