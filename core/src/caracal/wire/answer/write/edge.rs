//! Answers about edges.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;

use crate::caracal::wire::ids::{ApplicationId, ZoneId};
use crate::caracal::wire::limits::EdgeLimits;
use crate::caracal::wire::request::spawn::Generation;
use crate::json::{Object, strings};
use crate::time::Time;

/// An edge, as it is answered.
#[derive(Clone, Debug)]
pub(crate) struct EdgeRow<'a> {
    pub(crate) id: String,
    pub(crate) zone: &'a ZoneId,
    pub(crate) source: String,
    pub(crate) target: String,
    pub(crate) issuer: &'a ApplicationId,
    pub(crate) receiver: &'a ApplicationId,
    pub(crate) parent: Option<String>,
    pub(crate) resource: Option<&'a str>,
    pub(crate) scopes: &'a [Box<str>],
    pub(crate) limits: &'a EdgeLimits,
    pub(crate) status: &'static str,
    pub(crate) expires_at: Time,
    pub(crate) version: u64,
    pub(crate) revoked_at: Option<Time>,
    pub(crate) created_at: Time,
}

impl EdgeRow<'_> {
    /// Writes the answer to a delegation. `considered` are the edges into the source that the edge could follow.
    pub(crate) fn created(&self, generation: Generation, considered: &[String]) -> String {
        if generation == Generation::May {
            return self.object("id", generation).close();
        }
        let is_broad = self.resource.is_none() && self.limits.resources.is_empty();
        let warnings: &[&str] = if is_broad { &["resource_null_delegation_broadens_resource_matching"] } else { &[] };
        let reasons = [
            "same_zone_endpoints_active",
            if is_broad { "broad_delegation_elevated" } else { "resource_scope_checked" },
            if self.parent.is_some() { "parent_authority_narrowed" } else { "source_authority_root" },
            "typed_constraints_validated",
        ];
        let resources: Vec<&str> = match self.resource {
            Some(resource) if self.limits.resources.is_empty() => Vec::from([resource]),
            Some(_) | None => self.limits.resources.iter().map(|resource| &**resource).collect(),
        };
        let effective = Object::with_capacity(512)
            .plain("source_session_id", &self.source)
            .plain("target_session_id", &self.target)
            .null_or_plain("parent_edge_id", self.parent.as_ref());
        let effective = match self.resource {
            Some(resource) => effective.text("resource_id", resource),
            None => effective.value("resource_id", "null"),
        };
        let effective = effective
            .json("resources", &strings(resources.into_iter()))
            .json("scopes", &strings(self.scopes.iter().map(|scope| &**scope)))
            .plain("expires_at", self.expires_at.to_rfc3339())
            .value("max_hops", self.limits.max_hops.unwrap_or(1));
        let effective = match self.limits.ttl {
            Some(secs) => effective.value("ttl_seconds", secs),
            None => effective.value("ttl_seconds", "null"),
        };
        let effective = effective
            .value("broad", is_broad)
            .json("parent_edges_considered", &strings(considered.iter().map(|edge| &**edge)));
        self.object("delegation_edge_id", generation)
            .json("warnings", &strings(warnings.iter().copied()))
            .json("allow_reason", &strings(reasons.into_iter()))
            .json("effective_authority", &effective.close())
            .close()
    }

    /// Writes an item of a listing.
    pub(crate) fn listed(&self, generation: Generation) -> String {
        self.object("id", generation).close()
    }

    /// Writes the answer to the question whether an edge is active.
    pub(crate) fn active(&self) -> String {
        Object::new().plain("id", &self.id).plain("status", self.status).close()
    }

    fn object(&self, id: &'static str, generation: Generation) -> Object {
        let object = Object::with_capacity(768)
            .plain(id, &self.id)
            .text("zone_id", self.zone.as_str())
            .plain("source_session_id", &self.source)
            .plain("target_session_id", &self.target)
            .text("issuer_application_id", self.issuer.as_str())
            .text("receiver_application_id", self.receiver.as_str());
        let object = match generation {
            Generation::May => object,
            Generation::Head => object.null_or_plain("parent_edge_id", self.parent.as_ref()),
        };
        let object = match self.resource {
            Some(resource) => object.text("resource_id", resource),
            None => object.value("resource_id", "null"),
        };
        object
            .json("scopes", &strings(self.scopes.iter().map(|scope| &**scope)))
            .json("constraints_json", &self.limits.json)
            .plain("status", self.status)
            .plain("expires_at", self.expires_at.to_rfc3339())
            .value("edge_version", self.version)
            .null_or_plain("revoked_at", self.revoked_at.map(Time::to_rfc3339))
            .plain("created_at", self.created_at.to_rfc3339())
    }
}

/// Writes the answer to a revocation.
pub(crate) fn revoked(generation: Generation, edges: usize, authorities: usize, terminated: usize) -> String {
    let sessions = match generation {
        Generation::May => "terminated_agents",
        Generation::Head => "terminated_sessions",
    };
    Object::new()
        .value("revoked_edges", edges)
        .value("affected_sessions", authorities)
        .value(sessions, terminated)
        .close()
}

/// Writes a step of a traversal.
pub(crate) fn step(row: &EdgeRow<'_>, depth: usize) -> String {
    Object::new()
        .plain("id", &row.id)
        .plain("source_session_id", &row.source)
        .plain("target_session_id", &row.target)
        .value("depth", depth)
        .close()
}
