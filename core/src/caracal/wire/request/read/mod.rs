//! Reads requests to a coordinator: the operation that method and path name, the query and the body.
//!
//! ```text
//! mod.rs      method and path --> Operation;  query
//! body.rs     a JSON object, member by member, and what is wrong with it
//! spawn.rs, session.rs, delegate.rs     the bodies of the calls
//! ```

pub(crate) mod body;
pub(crate) mod delegate;
pub(crate) mod session;
pub(crate) mod spawn;

use alloc::borrow::Cow;
use alloc::vec::Vec;

use percent_encoding::percent_decode_str;

/// A call to a coordinator, with the ids of its path without escapes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Operation<'a> {
    Spawn,
    Sessions,
    Session(Cow<'a, str>),
    Children(Cow<'a, str>),
    Suspend(Cow<'a, str>),
    Resume(Cow<'a, str>),
    Terminate(Cow<'a, str>),
    Heartbeat(Cow<'a, str>),
    /// 1.0 only.
    AcquireLease(Cow<'a, str>),
    Delegate,
    /// 1.0 only.
    ActiveEdges,
    Inbound(Cow<'a, str>),
    /// 1.0 only: a session and an edge.
    InboundEdge(Cow<'a, str>, Cow<'a, str>),
    Outbound(Cow<'a, str>),
    Traverse(Cow<'a, str>),
    Revoke(Cow<'a, str>),
}

impl Operation<'_> {
    /// Returns the ids of the path.
    pub(crate) fn ids(&self) -> impl Iterator<Item = &str> {
        let (first, second) = match self {
            Operation::Spawn | Operation::Sessions | Operation::Delegate | Operation::ActiveEdges => (None, None),
            Operation::InboundEdge(session, edge) => (Some(session), Some(edge)),
            Operation::Session(id)
            | Operation::Children(id)
            | Operation::Suspend(id)
            | Operation::Resume(id)
            | Operation::Terminate(id)
            | Operation::Heartbeat(id)
            | Operation::AcquireLease(id)
            | Operation::Inbound(id)
            | Operation::Outbound(id)
            | Operation::Traverse(id)
            | Operation::Revoke(id) => (Some(id), None),
        };
        first.into_iter().chain(second).map(|id| &**id)
    }

    /// Returns whether only coordinators of the generation 1.0 know the call.
    pub(crate) const fn is_head_only(&self) -> bool {
        matches!(self, Operation::AcquireLease(_) | Operation::ActiveEdges | Operation::InboundEdge(..))
    }
}

/// Reads the method and the path of a request. Returns the zone and the call, or `None` for any other path.
pub(crate) fn route<'a>(method: &str, path: &'a str) -> Option<(Cow<'a, str>, Operation<'a>)> {
    let segments: Vec<&str> = path.strip_prefix("/zones/")?.split('/').take(7).collect();
    let (zone, rest) = segments.split_first()?;
    let text = |segment: &'a str| percent_decode_str(segment).decode_utf8().ok().filter(|text| !text.is_empty());
    let operation = match (method, rest) {
        ("POST", ["agents"]) => Operation::Spawn,
        ("GET", ["agents"]) => Operation::Sessions,
        ("GET", ["agents", id]) => Operation::Session(text(id)?),
        ("GET", ["agents", id, "children"]) => Operation::Children(text(id)?),
        ("PATCH", ["agents", id, "suspend"]) => Operation::Suspend(text(id)?),
        ("PATCH", ["agents", id, "resume"]) => Operation::Resume(text(id)?),
        ("DELETE", ["agents", id]) => Operation::Terminate(text(id)?),
        ("POST", ["agents", id, "heartbeat"]) => Operation::Heartbeat(text(id)?),
        ("POST", ["agents", id, "lease"]) => Operation::AcquireLease(text(id)?),
        ("POST", ["delegations"]) => Operation::Delegate,
        ("GET", ["delegations", "active"]) => Operation::ActiveEdges,
        ("GET", ["delegations", "inbound", session]) => Operation::Inbound(text(session)?),
        ("GET", ["delegations", "inbound", session, edge]) => Operation::InboundEdge(text(session)?, text(edge)?),
        ("GET", ["delegations", "outbound", session]) => Operation::Outbound(text(session)?),
        ("GET", ["delegations", edge, "traverse"]) => Operation::Traverse(text(edge)?),
        ("PATCH", ["delegations", edge, "revoke"]) => Operation::Revoke(text(edge)?),
        _ => return None,
    };
    Some((text(zone)?, operation))
}

/// Returns whether a text has the form of an id in a path of the generation 1.0: 1 to 128 of `A-Z a-z 0-9 _ . - :`.
pub(crate) fn is_path_id(text: &str) -> bool {
    let is_char = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-' | b':');
    (1..=128).contains(&text.len()) && text.bytes().all(is_char)
}

/// The query of a listing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ListQuery<'a> {
    pub(crate) limit: Option<usize>,
    pub(crate) cursor: Option<Cow<'a, str>>,
    /// `active`, `suspended`, `terminated` or `expired`.
    pub(crate) status: Option<Cow<'a, str>>,
    /// Whether only services, or only tasks, are listed.
    pub(crate) service: Option<bool>,
    pub(crate) application: Option<Cow<'a, str>>,
    pub(crate) label: Option<Cow<'a, str>>,
}

impl<'a> ListQuery<'a> {
    /// Reads a query. `None` means that it is malformed; members that are not known are skipped, as are those of the
    /// generation 1.0 without `filters`.
    pub(crate) fn read(query: &'a str, filters: bool) -> Option<ListQuery<'a>> {
        let mut list = ListQuery::default();
        for (name, value) in pairs(query)? {
            match &*name {
                "limit" => list.limit = Some(value.parse().ok()?),
                "cursor" => list.cursor = Some(filled(value)?),
                "status" if filters => {
                    let known = ["active", "suspended", "terminated", "expired"];
                    list.status = Some(value).filter(|value| known.contains(&&**value));
                    list.status.as_ref()?;
                }
                "lifecycle" if filters => {
                    list.service = Some(match &*value {
                        "service" => true,
                        "task" => false,
                        _ => return None,
                    });
                }
                "application_id" if filters => list.application = Some(filled(value)?),
                "label" if filters => list.label = Some(filled(value)?),
                _ => {}
            }
        }
        Some(list)
    }
}

/// Reads the `reason` of a termination: 1 to 256 characters, `requested` without one. `None` means that it is malformed.
pub(crate) fn reason(query: &str) -> Option<Cow<'_, str>> {
    let mut reason = Cow::Borrowed("requested");
    for (name, value) in pairs(query)? {
        if name == "reason" {
            reason = filled(value).filter(|reason| reason.chars().count() <= 256)?;
        }
    }
    Some(reason)
}

fn filled(value: Cow<'_, str>) -> Option<Cow<'_, str>> {
    if value.is_empty() { None } else { Some(value) }
}

/// Returns the names and values of a query or a form without escapes, or `None` if one is not UTF-8.
pub(crate) fn pairs(query: &str) -> Option<Vec<(Cow<'_, str>, Cow<'_, str>)>> {
    let text = |text| unescape(text);
    let pairs = query.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        Some((text(name)?, text(value)?))
    });
    pairs.collect()
}

fn unescape(text: &str) -> Option<Cow<'_, str>> {
    if text.contains('+') {
        let spaced = text.replace('+', " ");
        let decoded = percent_decode_str(&spaced).decode_utf8().ok()?;
        Some(Cow::Owned(decoded.into_owned()))
    } else {
        percent_decode_str(text).decode_utf8().ok()
    }
}
