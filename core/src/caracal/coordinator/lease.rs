//! `POST /agents/{id}/heartbeat` and `…/lease`: the lease of a service, with its fencing (§2.2).

use super::Coordinator;
use super::event::Principal;
use super::ids::Uuid;
use super::record::Change;
use super::sessions::Session;
use super::sessions::state::Phase;
use super::suspend::controlled;
use super::timers::ZoneKey;
use crate::caracal::wire::answer::write::Reply;
use crate::caracal::wire::answer::write::fault::Refusal;
use crate::caracal::wire::request::read::session::HeartbeatBody;
use crate::caracal::wire::request::session::LeaseGeneration;

/// The reason of a suspension by a lease that has lapsed.
pub(super) const LAPSED: &str = "service_heartbeat_lost";
/// The reason of an end by the end of an authority record.
pub(super) const SUBJECT_INACTIVE: &str = "subject_authority_inactive";

/// Refuses a session that has ended.
fn check_live(session: &Session) -> Result<(), Refusal> {
    match session.phase() {
        Phase::Active | Phase::Suspended => Ok(()),
        Phase::Terminated | Phase::Expired if session.reason() == Some(SUBJECT_INACTIVE) => {
            Err(Refusal::SubjectInactive)
        }
        Phase::Terminated | Phase::Expired => Err(Refusal::NotLive),
    }
}

impl Coordinator {
    pub(super) fn heartbeat(
        &mut self,
        key: ZoneKey,
        caller: &Principal,
        id: Uuid,
        body: &HeartbeatBody,
    ) -> Result<Reply, Refusal> {
        let zone = self.zone(key).ok_or(Refusal::SessionNotFound)?;
        let session = controlled(zone, caller, id)?;
        check_live(session)?;
        if self.config.is_head() {
            check_lease(session, body.lease)?;
            check_own_authority(caller)?;
        }
        if body.service.is_some() {
            return Err(Refusal::ServiceNotFound);
        }
        if self.config.is_head() {
            let generation = session.generation();
            let until = self.clock.wall().plus(self.config.lease);
            self.commit(key, Change::Leased { session: id, generation, until });
        }
        let zone = self.zone(key).ok_or(Refusal::SessionNotFound)?;
        let session = zone.sessions().get(id).ok_or(Refusal::SessionNotFound)?;
        let row = session.row(&zone.config().id);
        Ok(Reply::json(200, row.beaten(self.config.generation, self.clock.wall(), body.active_invocations)))
    }

    pub(super) fn acquire_lease(&mut self, key: ZoneKey, caller: &Principal, id: Uuid) -> Result<Reply, Refusal> {
        let zone = self.zone(key).ok_or(Refusal::SessionNotFound)?;
        let session = controlled(zone, caller, id)?;
        if !session.facts().is_service {
            return Err(Refusal::NotService);
        }
        check_live(session)?;
        if session.has_lapsed() {
            return Err(Refusal::LeaseExpired);
        }
        if session.phase() == Phase::Suspended {
            return Err(Refusal::Suspended);
        }
        check_own_authority(caller)?;
        let generation = session.generation().saturating_add(1);
        self.commit(key, Change::Leased { session: id, generation, until: self.clock.wall().plus(self.config.lease) });
        let zone = self.zone(key).ok_or(Refusal::SessionNotFound)?;
        let session = zone.sessions().get(id).ok_or(Refusal::SessionNotFound)?;
        Ok(Reply::json(200, session.row(&zone.config().id).leased()))
    }
}

/// A lease is renewed by its holder, until it has lapsed.
fn check_lease(session: &Session, lease: Option<LeaseGeneration>) -> Result<(), Refusal> {
    if !session.facts().is_service {
        return Err(Refusal::NotService);
    }
    if lease.map(LeaseGeneration::number) != Some(session.generation()) {
        return Err(Refusal::LeaseFenced);
    }
    if session.has_lapsed() { Err(Refusal::LeaseExpired) } else { Ok(()) }
}

/// A lease is held by an identity that can be revoked.
fn check_own_authority(caller: &Principal) -> Result<(), Refusal> {
    if caller.authority.is_some() { Ok(()) } else { Err(Refusal::AuthorityRequired) }
}
