//! The commands and queries of the host.

use alloc::vec::Vec;

use super::Coordinator;
use super::commit::edge_id;
use super::event::{CoordinatorRefused, EdgeAuthority};
use super::ids::Uuid;
use super::lease::SUBJECT_INACTIVE;
use crate::caracal::wire::ids::{AuthorityId, EdgeId, SessionId, ZoneId};
use crate::time::Time;

impl Coordinator {
    /// Returns what a session may do by an edge at `now`, for a token service that is asked for a mandate.
    ///
    /// The source of an edge presents it in the generation 0.1, and its target in 1.0. Both have to be active.
    pub fn authority(
        &mut self,
        now: Time,
        zone: &ZoneId,
        session: &SessionId,
        edge: &EdgeId,
    ) -> Result<EdgeAuthority, CoordinatorRefused> {
        self.advance(now);
        self.lapse();
        let key = self.zone_key(zone.as_str()).ok_or(CoordinatorRefused::UnknownZone)?;
        let zone = self.zone(key).ok_or(CoordinatorRefused::UnknownZone)?;
        let session = Uuid::parse(session.as_str()).ok_or(CoordinatorRefused::SessionInactive)?;
        let id = Uuid::parse(edge.as_str()).ok_or(CoordinatorRefused::EdgeInactive)?;
        let edge = zone.edges().get(id).filter(|edge| edge.is_active()).ok_or(CoordinatorRefused::EdgeInactive)?;
        let facts = edge.facts();
        let presenter = if self.config.is_head() { facts.target } else { facts.source };
        let is_active = |id| zone.sessions().get(id).is_some_and(super::sessions::Session::is_active);
        if presenter != session || !is_active(facts.source) || !is_active(facts.target) {
            return Err(CoordinatorRefused::SessionInactive);
        }
        Ok(EdgeAuthority {
            scopes: facts.scopes.clone(),
            resources: edge.resources(),
            actions: facts.limits.actions.clone(),
            hops: facts.hops.saturating_sub(1),
            expires_at: facts.expires_at,
            path: zone.edges().path(id).into_iter().filter_map(edge_id).collect(),
            epoch: zone.epoch(),
        })
    }

    /// Reports that an authority record was revoked or has expired. Its sessions end, and those below them.
    pub fn authority_ended(
        &mut self,
        now: Time,
        zone: &ZoneId,
        authority: &AuthorityId,
    ) -> Result<(), CoordinatorRefused> {
        let key = self.zone_key(zone.as_str()).ok_or(CoordinatorRefused::UnknownZone)?;
        self.advance(now);
        self.lapse();
        let zone = self.zone(key).ok_or(CoordinatorRefused::UnknownZone)?;
        let sessions = zone.sessions().before(Uuid::MAX).filter(|session| session.phase().is_live());
        let roots: Vec<Uuid> = sessions
            .filter(|session| session.facts().authority == *authority)
            .map(|session| session.facts().id)
            .collect();
        if !roots.is_empty() {
            self.end(key, &roots, SUBJECT_INACTIVE, false);
        }
        Ok(())
    }
}
