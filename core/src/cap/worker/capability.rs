//! What a worker says about itself in its handshake.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;

use super::config::{WorkerConfig, WorkerTrust};
use crate::cap::signature::generic::Authentication;
use crate::cap::trust::settings::TrustSettings;
use crate::cap::wire::handshake::{ComponentRole, Handshake};
use crate::cap::wire::packet::PROTOCOL_VERSION;
use crate::cap::wire::sign::SIGNS;
use crate::cap::wire::subject::Topic;
use crate::cap::wire::validate::is_capability;

/// The longest name of an agent, in characters.
const AGENT_NAME: usize = 128;

/// Returns what a worker says about itself. Without its topics it gets no jobs.
pub(super) fn handshake(config: &WorkerConfig, with_topics: bool) -> Handshake {
    let topics = || config.topics.iter().filter(|_| with_topics).map(Topic::as_str);
    let sdk_version = config.trust.settings().map_or(config.sdk_version.as_str(), TrustSettings::sdk_version);
    Handshake {
        component_id: config.id.as_str().into(),
        role: ComponentRole::WORKER,
        supported_versions: alloc::vec![PROTOCOL_VERSION],
        capabilities: capabilities(config, topics()),
        sdk_version: sdk_version.into(),
        ready_topics: topics().map(String::from).collect(),
        agent_name: agent_name(config),
        ..Handshake::default()
    }
}

/// Returns what a worker can do: its topics, and the features of the protocol (spec/14).
///
/// With trust, topics are left out that cannot be the name of a feature, and those that another one begins with: receivers
/// would not verify the signature. `ready_topics` has them all.
fn capabilities<'a>(config: &WorkerConfig, topics: impl Iterator<Item = &'a str>) -> BTreeMap<String, bool> {
    let is_signed = config.signer.is_some() && !matches!(config.reading.authentication, Authentication::Unsigned);
    let features = ["cancel", "conformance.core", "error_codes", "heartbeats", "progress", SIGNS].into_iter();
    let names = features.chain(is_signed.then_some("signatures"));
    let names: BTreeSet<&str> = names.chain(topics).collect();
    let is_strict = !matches!(config.trust, WorkerTrust::Off);
    let begins_another = |name: &str| names.iter().any(|other| *other != name && other.starts_with(name));
    let is_named = |name: &&str| !is_strict || is_capability(name) && !begins_another(name);
    names.iter().copied().filter(is_named).map(|name| (name.to_string(), true)).collect()
}

/// Returns the name of the agent without control characters and repeated white space, cut to its length (spec/14).
pub(super) fn agent_name(config: &WorkerConfig) -> String {
    let is_text = |each: &char| each.is_whitespace() || !each.is_control();
    let text: String = config.agent_name.chars().filter(is_text).collect();
    let words: Vec<&str> = text.split_whitespace().collect();
    words.join(" ").chars().take(AGENT_NAME).collect()
}
