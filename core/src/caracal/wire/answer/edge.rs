//! Answers about delegation edges: created, revoked, listed.

use alloc::boxed::Box;
use alloc::vec::Vec;

use serde::Deserialize;

use super::{MalformedAnswer, parse};
use crate::caracal::wire::ids::EdgeId;
use crate::json::Text;
use crate::time::Time;

/// An edge that was created.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreatedEdge {
    /// The id of the edge.
    pub edge: EdgeId,
    /// The scopes that were granted. A coordinator of the generation 1.0 may grant fewer than were asked for.
    pub scopes: Vec<Box<str>>,
    /// When the edge expires, if the coordinator says so.
    pub expires_at: Option<Time>,
}

/// The effect of a revocation, as far as the coordinator reports it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Revoked {
    /// The edges that were revoked.
    #[serde(rename = "revoked_edges")]
    pub edges: u64,
    /// The sessions that received authority by them.
    #[serde(rename = "affected_sessions")]
    pub sessions: u64,
    /// The sessions that were terminated, with those below them.
    #[serde(rename = "terminated_agents", alias = "terminated_sessions")]
    pub terminated: u64,
}

/// An edge into a session, as a coordinator lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InboundEdge {
    /// The id of the edge.
    pub edge: EdgeId,
    /// The status of the edge: `active`, `revoked` or `expired`.
    pub status: Box<str>,
    /// When the edge expires, if the coordinator says so.
    pub expires_at: Option<Time>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Body<'a> {
    #[serde(borrow)]
    id: Option<Text<'a>>,
    #[serde(borrow)]
    delegation_edge_id: Option<Text<'a>>,
    #[serde(borrow)]
    status: Option<Text<'a>>,
    #[serde(borrow)]
    scopes: Option<Vec<Text<'a>>>,
    #[serde(borrow)]
    expires_at: Option<Text<'a>>,
}

impl Body<'_> {
    fn edge(&self) -> Result<EdgeId, MalformedAnswer> {
        let id = self.delegation_edge_id.as_ref().or(self.id.as_ref()).ok_or(MalformedAnswer("it has no edge id"))?;
        EdgeId::new(id.as_str()).map_err(|_| MalformedAnswer("its edge id is malformed"))
    }

    fn expires_at(&self) -> Option<Time> {
        Time::parse_rfc3339(self.expires_at.as_ref()?.as_str())
    }
}

/// Reads the answer to a delegation, whose id is `delegation_edge_id` or `id`.
pub(crate) fn created(body: &[u8]) -> Result<CreatedEdge, MalformedAnswer> {
    let body: Body<'_> = parse(body)?;
    let scopes = body.scopes.iter().flatten().map(|scope| scope.as_str().into()).collect();
    Ok(CreatedEdge { edge: body.edge()?, scopes, expires_at: body.expires_at() })
}

/// Reads the answer to a revocation. An empty one reports no numbers.
pub(crate) fn revoked(body: &[u8]) -> Result<Revoked, MalformedAnswer> {
    if body.is_empty() { Ok(Revoked::default()) } else { parse(body) }
}

/// Reads a list of edges: an array, or an object with `items`.
pub(crate) fn inbound(body: &[u8]) -> Result<Vec<InboundEdge>, MalformedAnswer> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum List {
        Items { items: Vec<Item> },
        Array(Vec<Item>),
    }
    #[derive(Deserialize)]
    struct Item {
        id: Box<str>,
        #[serde(default)]
        status: Option<Box<str>>,
        #[serde(default)]
        expires_at: Option<Box<str>>,
    }
    let (List::Items { items } | List::Array(items)) = parse(body)?;
    let edges = items.into_iter().map(|item| {
        Ok(InboundEdge {
            edge: EdgeId::new(&item.id).map_err(|_| MalformedAnswer("an edge id is malformed"))?,
            status: item.status.unwrap_or_default(),
            expires_at: item.expires_at.as_deref().and_then(Time::parse_rfc3339),
        })
    });
    edges.collect()
}
