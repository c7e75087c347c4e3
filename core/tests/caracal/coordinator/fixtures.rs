//! The recorded exchanges of the Python SDK 0.1.1 with the coordinator of its time, played to this one.

use std::collections::BTreeMap;

use nuncio_core::caracal::{CredentialFault, Enforcement, Generation, Principal};
use serde_json::Value;

use super::support::{Server, config, principal};
use crate::fixtures::{Message, exchanges};

/// The ids of one side, by those of the other.
#[derive(Default)]
struct Ids(BTreeMap<String, String>);

impl Ids {
    /// Replaces recorded ids by those that this coordinator has made.
    fn translate(&self, text: &str) -> String {
        self.0.iter().fold(text.to_owned(), |text, (recorded, ours)| text.replace(recorded, ours))
    }
}

/// Who sends a recorded request. The recordings have the same token everywhere.
fn caller(name: &str, request: &Message) -> Result<Principal, CredentialFault> {
    if request.header("authorization") == Some("Bearer opaque") {
        return Err(CredentialFault::Invalid);
    }
    Ok(match name {
        _ if name.starts_with("35-") || name.starts_with("43-") => principal("app-b", &[]),
        _ if name.starts_with("40-") => principal("app-a", &["coordinator.delegate_to:app-b"]),
        _ => principal("app-a", &[]),
    })
}

/// Compares two bodies in which ids are translated and times may differ.
fn compare(name: &str, recorded: &str, ours: &str) {
    let read = |text: &str| {
        let mut value: Value = serde_json::from_str(text).unwrap();
        for member in ["spawned_at", "expires_at", "created_at"] {
            if let Some(time) = value.get_mut(member) {
                assert!(time.as_str().is_some_and(|time| time.len() == 24 && time.ends_with('Z')), "{name}: {time}");
                *time = Value::Null;
            }
        }
        value
    };
    assert_eq!(read(ours), read(recorded), "{name}");
    // The members have the recorded order, too.
    let names = |text: &str| -> Vec<String> { text.split('"').skip(1).step_by(2).map(str::to_owned).collect() };
    let shape = |text: &str| names(text).into_iter().filter(|name| !name.ends_with('Z')).collect::<Vec<_>>();
    assert_eq!(shape(ours), shape(recorded), "{name}");
}

fn replay(enforcement: Enforcement, expect: impl Fn(&str) -> Option<u16>) {
    let mut server = Server::of(config(Generation::May, enforcement));
    let mut ids = Ids::default();
    for (name, request, response) in exchanges() {
        if !name.ends_with("-coordinator") {
            continue;
        }
        let caller = caller(&name, &request);
        let (method, path) = request.line();
        let path = ids.translate(path.strip_prefix("/zones/z1").unwrap());
        let body = ids.translate(&request.body);
        let headers: Vec<(&str, &str)> = request.headers().collect();
        let reply = server.send(caller.as_ref().map_err(|fault| *fault), method, &path, &headers, &body);
        let status = expect(&name).unwrap_or_else(|| response.status());
        assert_eq!(reply.status(), status, "{name}: {:?}", reply.body());
        if status != response.status() {
            continue;
        }
        let content_type = reply.headers().iter().find(|field| field.name() == "content-type");
        assert_eq!(content_type.map(|field| field.value().expose()), response.header("content-type"), "{name}");
        let ours = reply.body().unwrap_or_default();
        if let (Ok(Value::Object(recorded)), Ok(Value::Object(made))) =
            (serde_json::from_str(&response.body), serde_json::from_str(ours))
            && let (Some(recorded), Some(made)) = (recorded.get("id"), made.get("id"))
        {
            ids.0.insert(recorded.as_str().unwrap().to_owned(), made.as_str().unwrap().to_owned());
        }
        let recorded = ids.translate(&response.body);
        if recorded.is_empty() {
            assert_eq!(ours, "", "{name}");
        } else {
            compare(&name, &recorded, ours);
        }
    }
}

#[test]
fn s1_1_the_recorded_exchanges_have_the_same_answers() {
    replay(Enforcement::Deployed, |_| None);
}

/// A strict coordinator does not merge the two siblings of B1: each request opens a session, each can be ended. (The
/// recorded keys name the recorded parent, so that they are not seen to be derived; but their bodies differ.)
#[test]
fn s1_1_a_strict_coordinator_differs_in_the_listed_bug_alone() {
    replay(Enforcement::Strict, |name| match name.get(..2) {
        Some("13") => Some(409),
        _ => None,
    });
}
