//! `PATCH /delegations/{id}/revoke`: revokes an edge, and everything whose authority comes from it (§2.3).

use alloc::collections::BTreeSet;

use super::Coordinator;
use super::event::Principal;
use super::ids::Uuid;
use super::timers::ZoneKey;
use crate::caracal::wire::answer::write::Reply;
use crate::caracal::wire::answer::write::edge::revoked;
use crate::caracal::wire::answer::write::fault::Refusal;

impl Coordinator {
    pub(super) fn revoke(&mut self, key: ZoneKey, caller: &Principal, id: Uuid) -> Result<Reply, Refusal> {
        let zone = self.zone(key).ok_or(Refusal::EdgeNotFound)?;
        let edge = zone.edges().get(id).ok_or(Refusal::EdgeNotFound)?;
        let issuer = &edge.facts().issuer;
        if !caller.owns(issuer) && !caller.may("delegate_from", issuer) && !caller.is_admin() {
            return Err(Refusal::IssuerOwnership);
        }
        if edge.is_revoked() {
            return Err(Refusal::EdgeNotFound);
        }
        let (ending, targets) = zone.revocation(&self.config, id);
        let targets = targets.iter().filter_map(|target| zone.sessions().get(*target));
        let authorities: BTreeSet<&str> = targets.map(|target| target.facts().authority.as_str()).collect();
        let (edges, sessions) = (ending.edges.len(), ending.sessions.len());
        let reply = Reply::json(200, revoked(self.config.generation, edges, authorities.len(), sessions));
        self.commit_ending(key, ending);
        Ok(reply)
    }
}
