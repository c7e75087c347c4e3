//! Listings of sessions and edges, the latest first, with a cursor that stays valid while more are added.

use alloc::borrow::Cow;
use alloc::collections::BTreeSet;
use alloc::string::String;
use alloc::vec::Vec;

use super::Coordinator;
use super::edges::Edge;
use super::event::Principal;
use super::ids::Uuid;
use super::sessions::Session;
use super::timers::ZoneKey;
use super::zone::Zone;
use crate::caracal::wire::answer::write::edge::step;
use crate::caracal::wire::answer::write::fault::Refusal;
use crate::caracal::wire::answer::write::{Reply, page};
use crate::caracal::wire::request::read::ListQuery;

/// The items of a page whose request names no limit.
const DEFAULT_PAGE: usize = 100;

/// A traversal has at most this many steps, as coordinators have always had it.
const MAX_STEPS: usize = 10;

impl Coordinator {
    pub(super) fn list_sessions(
        &self,
        key: ZoneKey,
        query: &ListQuery<'_>,
        parent: Option<Uuid>,
    ) -> Result<Reply, Refusal> {
        let zone = self.zone(key).ok_or(Refusal::ApplicationNotFound)?;
        // Those of 0.1 answer children as an array, all at once.
        let is_plain = parent.is_some() && !self.config.is_head();
        let cursor = self.cursor(query, |id| zone.sessions().get(id).is_some())?;
        let matching = |session: &&Session| {
            let facts = session.facts();
            parent.is_none_or(|parent| facts.parent == Some(parent))
                && query.status.as_ref().is_none_or(|status| **status == *session.phase().as_str())
                && query.service.is_none_or(|service| service == facts.is_service)
                && query.application.as_ref().is_none_or(|wanted| **wanted == *facts.application.as_str())
                && query.label.as_ref().is_none_or(|wanted| facts.labels.iter().any(|label| **label == **wanted))
        };
        let sessions = zone.sessions().before(cursor).filter(matching);
        let row = |session: &Session| {
            let row = session.row(&zone.config().id);
            (
                session.facts().id,
                if is_plain { row.opened(self.config.generation, None) } else { row.shown(self.config.generation) },
            )
        };
        if is_plain {
            let mut rows: Vec<String> = sessions.map(|session| row(session).1).collect();
            rows.reverse();
            return Ok(Reply::json(200, alloc::format!("[{}]", rows.join(","))));
        }
        Ok(self.page(query, sessions.map(row)))
    }

    pub(super) fn show_session(&self, key: ZoneKey, id: Uuid) -> Result<Reply, Refusal> {
        let zone = self.zone(key).ok_or(Refusal::SessionNotFound)?;
        let session = zone.sessions().get(id).ok_or(Refusal::SessionNotFound)?;
        Ok(Reply::json(200, session.row(&zone.config().id).shown(self.config.generation)))
    }

    pub(super) fn list_edges(
        &self,
        key: ZoneKey,
        caller: &Principal,
        session: Uuid,
        query: &ListQuery<'_>,
        is_inbound: bool,
    ) -> Result<Reply, Refusal> {
        let zone = self.zone(key).ok_or(Refusal::SessionNotFound)?;
        let is_limited = self.is_limited(caller);
        if is_limited {
            let session = zone.sessions().get(session).ok_or(Refusal::SessionNotFound)?;
            if !caller.owns(&session.facts().application) {
                return Err(Refusal::SessionNotFound);
            }
        }
        let ends_here = |edge: &Edge| {
            let facts = edge.facts();
            (if is_inbound { facts.target } else { facts.source }) == session && is_seen(edge, caller, is_limited)
        };
        let cursor = self.cursor(query, |id| zone.edges().get(id).is_some_and(ends_here))?;
        let edges: Vec<&Edge> =
            if is_inbound { zone.edges().inbound(session).collect() } else { zone.edges().outbound(session).collect() };
        let edges = edges.into_iter().rev().filter(|edge| edge.facts().id < cursor && ends_here(edge));
        Ok(self.page(query, edges.map(|edge| self.edge_item(zone, edge))))
    }

    pub(super) fn list_active_edges(
        &self,
        key: ZoneKey,
        caller: &Principal,
        query: &ListQuery<'_>,
    ) -> Result<Reply, Refusal> {
        let zone = self.zone(key).ok_or(Refusal::EdgeNotFound)?;
        let is_limited = self.is_limited(caller);
        let is_shown = |edge: &Edge| is_seen(edge, caller, is_limited);
        let cursor = self.cursor(query, |id| zone.edges().get(id).is_some_and(is_shown))?;
        let edges = zone.edges().before(cursor).filter(|edge| edge.is_active() && is_shown(edge));
        Ok(self.page(query, edges.map(|edge| self.edge_item(zone, edge))))
    }

    pub(super) fn show_inbound_edge(
        &self,
        key: ZoneKey,
        caller: &Principal,
        session: Uuid,
        id: Uuid,
    ) -> Result<Reply, Refusal> {
        let zone = self.zone(key).ok_or(Refusal::EdgeNotFound)?;
        let edge = zone.edges().get(id).filter(|edge| edge.is_active() && edge.facts().target == session);
        let edge = edge.filter(|edge| caller.is_admin() || caller.owns(&edge.facts().receiver));
        let edge = edge.ok_or(Refusal::EdgeNotFound)?;
        Ok(Reply::json(200, edge.row(&zone.config().id).active()))
    }

    /// Lists an edge and the active ones that begin where it ends, with their distance.
    pub(super) fn traverse(&self, key: ZoneKey, caller: &Principal, id: Uuid) -> Result<Reply, Refusal> {
        let zone = self.zone(key).ok_or(Refusal::EdgeNotFound)?;
        if self.config.is_head() && !caller.is_admin() {
            return Err(Refusal::AdminRequired);
        }
        let mut rows = Vec::new();
        let mut level: BTreeSet<Uuid> = zone.edges().get(id).map(|edge| edge.facts().id).into_iter().collect();
        let mut seen = level.clone();
        for depth in 1..=MAX_STEPS {
            let edges: Vec<&Edge> = level.iter().filter_map(|id| zone.edges().get(*id)).collect();
            let active: Vec<&Edge> = edges.into_iter().filter(|edge| edge.is_active()).collect();
            rows.extend(active.iter().map(|edge| step(&edge.row(&zone.config().id), depth)));
            let next = active.iter().flat_map(|edge| zone.edges().outbound(edge.facts().target));
            level = next.map(|edge| edge.facts().id).filter(|id| seen.insert(*id)).collect();
        }
        Ok(Reply::json(200, alloc::format!("[{}]", rows.join(","))))
    }

    /// Whether a caller sees only the edges of its own application. Those of 0.1 show all.
    fn is_limited(&self, caller: &Principal) -> bool {
        (self.config.is_head() || self.config.is_strict()) && !caller.is_admin()
    }

    fn edge_item(&self, zone: &Zone, edge: &Edge) -> (Uuid, String) {
        (edge.facts().id, edge.row(&zone.config().id).listed(self.config.generation))
    }

    fn cursor(&self, query: &ListQuery<'_>, is_known: impl Fn(Uuid) -> bool) -> Result<Uuid, Refusal> {
        if query.limit.is_some_and(|limit| !(1..=self.config.limits.list_page).contains(&limit)) {
            return Err(Refusal::InvalidQuery);
        }
        match query.cursor.as_ref().map(Cow::as_ref) {
            Some(cursor) => Uuid::parse(cursor).filter(|id| is_known(*id)).ok_or(Refusal::InvalidCursor),
            None => Ok(Uuid::MAX),
        }
    }

    fn page(&self, query: &ListQuery<'_>, items: impl Iterator<Item = (Uuid, String)>) -> Reply {
        let limit = query.limit.unwrap_or(DEFAULT_PAGE).min(self.config.limits.list_page);
        let items: Vec<(Uuid, String)> = items.take(limit).collect();
        let next = items.last().filter(|_| items.len() == limit).map(|(id, _)| id.text());
        let items: Vec<String> = items.into_iter().map(|(_, item)| item).collect();
        Reply::json(200, page(&items, next))
    }
}

fn is_seen(edge: &Edge, caller: &Principal, is_limited: bool) -> bool {
    !is_limited || caller.owns(&edge.facts().issuer) || caller.owns(&edge.facts().receiver)
}
