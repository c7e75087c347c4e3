//! `POST /delegations`: creates an edge (§2.3).

use alloc::boxed::Box;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use super::Coordinator;
use super::attenuation::Asked;
use super::event::{IncomingRequest, Principal};
use super::ids::Uuid;
use super::receipts::Purpose;
use super::record::{Change, EdgeCreated};
use super::timers::ZoneKey;
use super::zone::Zone;
use crate::caracal::wire::answer::write::Reply;
use crate::caracal::wire::answer::write::fault::Refusal;
use crate::caracal::wire::limits::EdgeLimits;
use crate::caracal::wire::request::read::delegate::DelegateBody;
use crate::digest::Digest;
use crate::json::{Object, strings};
use crate::time::Time;

impl Coordinator {
    pub(super) fn delegate(
        &mut self,
        key: ZoneKey,
        caller: &Principal,
        request: &IncomingRequest<'_>,
        body: DelegateBody,
    ) -> Result<Reply, Refusal> {
        let is_head = self.config.is_head();
        let mut limits = EdgeLimits::read(&body.constraints, body.ttl, self.config.generation)
            .map_err(|invalid| Refusal::InvalidConstraint(invalid.0))?;
        let stated = body.expires_at.or(limits.expires_at);
        let ttl = if is_head { limits.ttl } else { body.ttl.map(crate::caracal::wire::request::spawn::Ttl::secs) };
        let lifetime = ttl.map(|secs| self.clock.wall().plus_secs(u64::from(secs)));
        let expires_at = stated.or(lifetime).ok_or(Refusal::ExpiryRequired)?;
        if !caller.owns(&body.issuer) && !caller.may("delegate_from", &body.issuer) {
            return Err(Refusal::IssuerOwnership);
        }
        // Receivers consent by their use of the edge since 1.0.
        let has_consent = is_head
            || body.receiver == body.issuer
            || caller.owns(&body.receiver)
            || caller.may("delegate_to", &body.receiver)
            || caller.is_admin();
        if !has_consent {
            return Err(Refusal::ReceiverConsent);
        }
        if body.source == body.target {
            return Err(Refusal::SelfDelegation);
        }
        if is_head {
            check_broad(caller, &body, &mut limits)?;
        } else if expires_at <= self.clock.wall() {
            return Err(Refusal::EdgeExpired);
        }
        let asked = delegation_digest(caller, &body, &limits, stated);
        let receipt = self.delegation_key(request)?;
        let zone = self.zone(key).ok_or(Refusal::EndpointNotFound)?;
        if let Some(digest) = receipt
            && let Some(reply) = self.receipt(zone, Purpose::Delegation, &body.issuer, digest, asked)?
        {
            return Ok(reply);
        }
        let (source, target) = endpoints(zone, &body)?;
        check_resources(zone, &body, &limits, is_head)?;
        let edge =
            Asked { source, scopes: &body.scopes, resource: body.resource.as_deref(), limits: &limits, expires_at };
        let narrowed = self.narrow(zone, &edge, body.parent_edge.as_deref())?;
        if zone.edges().leads(target, source) {
            return Err(Refusal::Cycle);
        }
        if expires_at <= self.clock.wall() {
            return Err(Refusal::EdgeExpired);
        }
        if zone.edges().active_count() >= self.config.limits.edges_per_zone {
            return Err(Refusal::EdgeLimit);
        }
        let epoch = zone.epoch().saturating_add(1);
        let facts = EdgeCreated {
            id: self.ids.next(self.clock.now()),
            source,
            target,
            issuer: body.issuer.clone(),
            receiver: body.receiver,
            parent: narrowed.parent,
            resource: body.resource,
            scopes: body.scopes,
            limits,
            hops: narrowed.hops,
            expires_at,
            at: self.clock.wall(),
            epoch,
        };
        let zone = self.zone(key).ok_or(Refusal::EndpointNotFound)?;
        let considered: Vec<String> = zone.authority_of(source).iter().map(|edge| edge.facts().id.text()).collect();
        let answer = super::edges::first_row(&zone.config().id, &facts).created(self.config.generation, &considered);
        let receipt =
            receipt.map(|digest| Box::new(self.new_receipt(request, Purpose::Delegation, digest, asked, &answer)));
        self.check_receipt(key, Purpose::Delegation, &body.issuer, receipt.as_deref())?;
        self.commit(key, Change::Delegated { edge: Arc::new(facts), receipt });
        Ok(Reply::json(201, answer))
    }
}

/// An edge without a resource needs a permission of its own (1.0).
fn check_broad(caller: &Principal, body: &DelegateBody, limits: &mut EdgeLimits) -> Result<(), Refusal> {
    if body.resource.is_some() || !limits.resources.is_empty() {
        return Ok(());
    }
    let is_allowed = caller.is_admin()
        || caller.has_scope("coordinator.delegate_broad")
        || caller.may("delegate_broad", &body.issuer);
    if !is_allowed {
        return Err(Refusal::BroadPermission);
    }
    if !limits.has("broad_reason") {
        limits.note("broad_reason", "\"resource_null_delegation\"");
    }
    limits.note("policy_approved", "true");
    Ok(())
}

/// Returns the sessions at the ends, which are active and belong to the applications that are named.
fn endpoints(zone: &Zone, body: &DelegateBody) -> Result<(Uuid, Uuid), Refusal> {
    let find = |id: &str| {
        let id = Uuid::parse(id)?;
        zone.sessions().get(id).filter(|session| session.is_active()).map(super::sessions::Session::facts)
    };
    let (Some(source), Some(target)) = (find(&body.source), find(&body.target)) else {
        return Err(Refusal::EndpointNotFound);
    };
    if source.application != body.issuer || target.application != body.receiver {
        return Err(Refusal::ApplicationMismatch);
    }
    Ok((source.id, target.id))
}

/// Checks that the resources exist and have the scopes.
fn check_resources(zone: &Zone, body: &DelegateBody, limits: &EdgeLimits, is_head: bool) -> Result<(), Refusal> {
    let lacks = |named: &str, list: &[Box<str>]| !list.iter().any(|item| **item == *named);
    if let Some(resource) = &body.resource
        && is_head
        && !limits.resources.is_empty()
        && lacks(resource, &limits.resources)
    {
        return Err(Refusal::ResourceMismatch);
    }
    let Some(listed) = &zone.config().resources else { return Ok(()) };
    // Those of 0.1 do not look at the constraint `resources`.
    let constraint = if is_head { &*limits.resources } else { &[] };
    let mut scopes = Vec::new();
    let mut is_limited = false;
    for id in body.resource.iter().chain(constraint) {
        let resource = listed.iter().find(|resource| resource.id == *id).ok_or(Refusal::ResourceNotFound)?;
        if !is_head && resource.application != body.issuer {
            return Err(Refusal::ResourceOwnership);
        }
        scopes.extend_from_slice(&resource.scopes);
        is_limited = true;
    }
    if is_limited && body.scopes.iter().any(|scope| lacks(scope, &scopes)) {
        return Err(Refusal::ScopesExceedResource);
    }
    Ok(())
}

/// Returns the digest of what is asked for. The order of the scopes does not count.
fn delegation_digest(caller: &Principal, body: &DelegateBody, limits: &EdgeLimits, stated: Option<Time>) -> Digest {
    let mut scopes: Vec<&str> = body.scopes.iter().map(|scope| &**scope).collect();
    scopes.sort_unstable();
    let object = Object::with_capacity(768)
        .text("client", caller.application.as_str())
        .text("subject", &caller.subject)
        .text("source", &body.source)
        .text("target", &body.target)
        .text("issuer", body.issuer.as_str())
        .text("receiver", body.receiver.as_str())
        .opt_text("parent", body.parent_edge.as_deref())
        .opt_text("resource", body.resource.as_deref())
        .json("scopes", &strings(scopes.into_iter()))
        .json("limits", &limits.json)
        .opt_value("expires_at", stated.map(|at| at.0));
    super::idempotency::digest(&object.close())
}
