//! `POST /agents`: opens a session (§2.2).

use alloc::boxed::Box;
use alloc::sync::Arc;

use super::Coordinator;
use super::event::{IncomingRequest, Principal};
use super::ids::Uuid;
use super::receipts::Purpose;
use super::record::{Change, EdgeCreated, SessionOpened};
use super::sessions::first_row;
use super::timers::ZoneKey;
use super::zone::Zone;
use crate::caracal::wire::answer::write::Reply;
use crate::caracal::wire::answer::write::fault::Refusal;
use crate::caracal::wire::ids::AuthorityId;
use crate::caracal::wire::request::read::spawn::SpawnBody;
use crate::caracal::wire::request::spawn::Ttl;
use crate::json::{Object, strings};

impl Coordinator {
    pub(super) fn spawn(
        &mut self,
        key: ZoneKey,
        caller: &Principal,
        request: &IncomingRequest<'_>,
        body: &SpawnBody,
    ) -> Result<Reply, Refusal> {
        let zone = self.zone(key).ok_or(Refusal::ApplicationNotFound)?;
        let authority = body.authority.clone().or_else(|| caller.authority.clone()).ok_or(Refusal::SubjectRequired)?;
        let application = &body.application;
        if !caller.owns(application) && !caller.may("spawn_for", application) {
            return Err(Refusal::ApplicationOwnership);
        }
        let asked = self.spawn_digest(caller, body, &authority);
        let receipt = match self.spawn_key(zone, request, body, &authority)? {
            super::idempotency::Key::None => None,
            super::idempotency::Key::Merged(reply) => return Ok(reply),
            super::idempotency::Key::Given(digest) => {
                match self.receipt(zone, Purpose::Spawn, application, digest, asked)? {
                    Some(reply) => return Ok(reply),
                    None => Some(digest),
                }
            }
        };
        if !zone.has(application) {
            return Err(Refusal::ApplicationNotFound);
        }
        let parent = body.parent.as_deref().map(|parent| Uuid::parse(parent).ok_or(Refusal::ParentNotFound));
        check_authority(zone, caller, &authority, parent.as_ref().and_then(|parent| parent.as_ref().ok()))?;
        self.check_room(zone, body)?;
        let depth = match parent.transpose()? {
            Some(parent) => self.check_parent(zone, caller, body, parent)?,
            None => 0,
        };
        let metadata = body.metadata.as_ref().map_or("{}", |metadata| metadata.get());
        let inherited = inherited_edge(zone, body)?.map(|edge| edge.facts().clone());
        if inherited.is_some() && zone.edges().active_count() >= self.config.limits.edges_per_zone {
            return Err(Refusal::EdgeLimit);
        }
        let epoch = zone.epoch().saturating_add(1);
        let is_service = body.service;
        let facts = SessionOpened {
            id: self.ids.next(self.clock.now()),
            application: application.clone(),
            parent: body.parent.as_deref().and_then(Uuid::parse),
            authority,
            is_service,
            labels: body.labels.clone(),
            depth,
            ttl_secs: (!is_service).then_some(body.ttl.unwrap_or(self.config.default_ttl).secs()),
            metadata: crate::json::on_one_line(metadata).into(),
            at: self.clock.wall(),
            lease_until: is_service.then(|| self.clock.wall().plus(self.config.lease)),
        };
        let inherited = inherited.map(|parent| EdgeCreated {
            id: self.ids.next(self.clock.now()),
            source: parent.target,
            target: facts.id,
            issuer: parent.receiver.clone(),
            receiver: application.clone(),
            parent: Some(parent.id),
            at: self.clock.wall(),
            epoch,
            ..parent
        });
        let edge = inherited.as_ref().map(|edge| edge.id.text());
        let Some(zone) = self.zone(key) else { return Err(Refusal::ApplicationNotFound) };
        let answer = first_row(&zone.config().id, &facts).opened(self.config.generation, edge);
        let receipt = receipt.map(|digest| Box::new(self.new_receipt(request, Purpose::Spawn, digest, asked, &answer)));
        self.check_receipt(key, Purpose::Spawn, application, receipt.as_deref())?;
        self.commit(key, Change::Opened { session: Arc::new(facts), inherited: inherited.map(Arc::new), receipt });
        Ok(Reply::json(201, answer))
    }

    fn check_room(&self, zone: &Zone, body: &SpawnBody) -> Result<(), Refusal> {
        let limits = &self.config.limits;
        if zone.sessions().live_count() >= limits.sessions_per_zone {
            return Err(Refusal::ZoneLimit);
        }
        if zone.sessions().live_of(&body.application) >= limits.sessions_per_application {
            return Err(Refusal::ApplicationLimit);
        }
        if body.metadata.as_ref().is_some_and(|metadata| metadata.get().len() > limits.metadata_bytes) {
            return Err(Refusal::BodyTooLarge);
        }
        Ok(())
    }

    /// Returns the depth of a session below this parent.
    fn check_parent(&self, zone: &Zone, caller: &Principal, body: &SpawnBody, id: Uuid) -> Result<u32, Refusal> {
        let limits = &self.config.limits;
        let parent = zone.sessions().get(id).filter(|parent| parent.is_active()).ok_or(Refusal::ParentNotFound)?;
        let facts = parent.facts();
        if body.service && !facts.is_service {
            return Err(Refusal::TaskParent);
        }
        if facts.application != body.application && !caller.may("spawn_under", &facts.application) {
            return Err(Refusal::ParentOwnership);
        }
        if parent.child_count() >= limits.children {
            return Err(Refusal::ChildrenLimit);
        }
        let depth = facts.depth.saturating_add(1);
        if depth > limits.depth {
            return Err(Refusal::DepthLimit);
        }
        Ok(depth)
    }

    /// Returns the digest of what is asked for, in which the defaults are written out.
    fn spawn_digest(&self, caller: &Principal, body: &SpawnBody, authority: &AuthorityId) -> crate::digest::Digest {
        let ttl = body.ttl.or((!body.service).then_some(self.config.default_ttl)).map(Ttl::secs);
        let object = Object::with_capacity(512)
            .text("client", caller.application.as_str())
            .text("subject", &caller.subject)
            .text("application", body.application.as_str())
            .text("authority", authority.as_str())
            .opt_text("parent", body.parent.as_deref())
            .opt_text("kind", body.kind)
            .value("service", body.service)
            .json("labels", &strings(body.labels.iter().map(|label| &**label)))
            .opt_value("ttl", ttl)
            .value("inherits", body.inherits)
            .opt_text("inherited", body.inherited_edge.as_deref())
            .json("metadata", body.metadata.as_ref().map_or("{}", |metadata| metadata.get()));
        super::idempotency::digest(&object.close())
    }
}

/// A session acts for the authority record of its token, or for that of its parent.
fn check_authority(
    zone: &Zone,
    caller: &Principal,
    authority: &AuthorityId,
    parent: Option<&Uuid>,
) -> Result<(), Refusal> {
    let of_parent = parent.and_then(|parent| zone.sessions().live(*parent)).map(|parent| &parent.facts().authority);
    let is_own = caller.authority.as_ref() == Some(authority) || of_parent == Some(authority);
    if is_own || caller.is_admin() { Ok(()) } else { Err(Refusal::SubjectNotFound) }
}

/// Returns the edge that a session inherits from its parent: the active one into the parent, if there is one (1.0).
fn inherited_edge<'a>(zone: &'a Zone, body: &SpawnBody) -> Result<Option<&'a super::edges::Edge>, Refusal> {
    let Some(parent) = body.parent.as_deref().and_then(Uuid::parse).filter(|_| body.inherits) else { return Ok(None) };
    let wanted = match body.inherited_edge.as_deref() {
        Some(edge) => Some(Uuid::parse(edge).ok_or(Refusal::InheritedInactive)?),
        None => None,
    };
    let edges = zone.edges().inbound(parent).filter(|edge| {
        edge.facts().receiver == body.application && wanted.is_none_or(|wanted| edge.facts().id == wanted)
    });
    let edges: alloc::vec::Vec<_> = edges.collect();
    let mut active = edges.iter().filter(|edge| edge.is_active());
    match (active.next(), active.next()) {
        (Some(edge), None) => Ok(Some(edge)),
        (Some(_), Some(_)) => Err(Refusal::InheritedAmbiguous),
        (None, _) if wanted.is_some() || !edges.is_empty() => Err(Refusal::InheritedInactive),
        (None, _) => Ok(None),
    }
}
