//! `DELETE /agents/{id}`: ends a session and the sessions below it.

use super::Coordinator;
use super::event::Principal;
use super::ids::Uuid;
use super::record::Change;
use super::suspend::controlled;
use super::timers::ZoneKey;
use super::zone::Ending;
use crate::caracal::wire::answer::write::Reply;
use crate::caracal::wire::answer::write::fault::Refusal;
use crate::caracal::wire::request::session::LeaseGeneration;

impl Coordinator {
    pub(super) fn terminate(
        &mut self,
        key: ZoneKey,
        caller: &Principal,
        id: Uuid,
        reason: &str,
        lease: Option<LeaseGeneration>,
    ) -> Result<Reply, Refusal> {
        let zone = self.zone(key).ok_or(Refusal::SessionNotFound)?;
        let session = controlled(zone, caller, id)?;
        if !session.phase().is_live() {
            return Err(Refusal::SessionNotFound);
        }
        // Only the holder of the lease ends a service, so that a former holder does not end its successor.
        if session.facts().is_service && !caller.is_admin() {
            let lease = lease.ok_or(Refusal::LeaseRequired)?;
            if lease.number() != session.generation() {
                return Err(Refusal::LeaseFenced);
            }
        }
        self.end(key, &[id], reason, false);
        Ok(Reply::no_content())
    }

    /// Ends sessions that have not ended, with all that ends with them.
    pub(super) fn end(&mut self, key: ZoneKey, roots: &[Uuid], reason: &str, expired: bool) {
        let Some(zone) = self.zone(key) else { return };
        let ending = zone.ending(&self.config, roots, reason, expired);
        self.commit_ending(key, ending);
    }

    pub(super) fn commit_ending(&mut self, key: ZoneKey, Ending { sessions, edges }: Ending) {
        let Some(zone) = self.zone(key) else { return };
        let epoch = zone.epoch().saturating_add(u64::from(!edges.is_empty()));
        self.commit(key, Change::Ended { sessions, edges, epoch });
        self.forget_surplus(key);
    }
}
