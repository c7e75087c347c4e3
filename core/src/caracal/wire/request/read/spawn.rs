//! The body of a spawn.

use alloc::borrow::ToOwned;
use alloc::boxed::Box;
use alloc::vec::Vec;

use serde_json::value::RawValue;

use super::body::{Body, Issue};
use crate::caracal::wire::ids::{ApplicationId, AuthorityId};
use crate::caracal::wire::request::spawn::{Generation, Kind, Ttl};
use crate::json::Text;

/// The most labels of a session, and the characters of each.
const MAX_LABELS: usize = 32;
const MAX_LABEL_CHARS: usize = 64;

/// A session that is asked for.
#[derive(Clone, Debug)]
pub(crate) struct SpawnBody {
    pub(crate) application: ApplicationId,
    pub(crate) authority: Option<AuthorityId>,
    pub(crate) parent: Option<Box<str>>,
    /// The `kind` as it was sent, which is part of the idempotency keys of the SDK 0.1.1.
    pub(crate) kind: Option<&'static str>,
    pub(crate) service: bool,
    pub(crate) labels: Vec<Box<str>>,
    pub(crate) ttl: Option<Ttl>,
    /// Whether the edge that the parent acts by is passed on to the session (1.0 only).
    pub(crate) inherits: bool,
    pub(crate) inherited_edge: Option<Box<str>>,
    /// A JSON object.
    pub(crate) metadata: Option<Box<RawValue>>,
}

impl SpawnBody {
    /// Reads a body.
    pub(crate) fn read(mut body: Body<'_>, generation: Generation) -> Result<SpawnBody, Vec<Issue>> {
        let head = generation == Generation::Head;
        let application = body.required_text("application_id");
        let authority = body.text(if head { "subject_session_id" } else { "session_sid" });
        let parent = body.nullable_text("parent_id").filter(|parent| !parent.as_str().is_empty());
        let kinds = [Kind::Service, Kind::Instance, Kind::Ephemeral].map(Kind::as_str);
        let (kind, lifecycle) =
            if head { (None, body.word("lifecycle", &["task", "service"])) } else { (body.word("kind", &kinds), None) };
        let labels = if head { labels(&mut body) } else { Vec::new() };
        let ttl = body.integer("ttl_seconds", 1, u64::from(Ttl::MAX.secs()));
        let (mut inherits, mut inherited_edge) = (false, None);
        if head {
            inherits = body.word("parent_authority", &["inherit", "none"]) != Some("none");
            inherited_edge = body.text("inherit_parent_edge_id").map(|edge| edge.as_str().into());
            // A session that is for a federated user must not become one of the application.
            if body.text("subject_token").is_some() {
                body.custom("subject_token", "this coordinator opens no sessions for federated users");
            }
        }
        let metadata = body.object("metadata", "record").map(ToOwned::to_owned);
        let service = lifecycle == Some("service");
        if service && ttl.is_some() {
            body.custom("ttl_seconds", "service sessions are lease-renewed and do not accept ttl_seconds");
        }
        let application = id(&mut body, "application_id", application.as_ref(), ApplicationId::new);
        let member = if head { "subject_session_id" } else { "session_sid" };
        let authority = id(&mut body, member, authority.as_ref(), AuthorityId::new);
        let value = application.map(|application| SpawnBody {
            application,
            authority,
            parent: parent.map(|parent| parent.as_str().into()),
            kind,
            service,
            labels,
            ttl: ttl.and_then(|secs| Ttl::from_secs(u32::try_from(secs).ok()?)),
            inherits,
            inherited_edge,
            metadata,
        });
        body.finish(value)
    }
}

fn labels(body: &mut Body<'_>) -> Vec<Box<str>> {
    let labels: Vec<Box<str>> = body.texts("labels").iter().map(|label| label.trim().into()).collect();
    if labels.len() > MAX_LABELS {
        body.custom("labels", "Too big: expected array to have <=32 items");
    }
    if labels.iter().any(|label| label.is_empty() || label.chars().count() > MAX_LABEL_CHARS) {
        body.custom("labels", "a label has 1 to 64 characters");
    }
    labels
}

/// Checks a text as an id. An id that cannot be one is an issue.
pub(super) fn id<T, E: core::fmt::Display>(
    body: &mut Body<'_>,
    member: &str,
    text: Option<&Text<'_>>,
    check: fn(&str) -> Result<T, E>,
) -> Option<T> {
    match check(text?.as_str()) {
        Ok(id) => Some(id),
        Err(error) => {
            body.custom(member, &alloc::format!("{error}"));
            None
        }
    }
}
