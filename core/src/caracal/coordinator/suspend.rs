//! `PATCH /agents/{id}/suspend` and `…/resume`: suspends and resumes a session and the sessions below it.

use super::Coordinator;
use super::event::Principal;
use super::ids::Uuid;
use super::record::Change;
use super::sessions::Session;
use super::sessions::state::Phase;
use super::timers::ZoneKey;
use super::zone::Zone;
use crate::caracal::wire::answer::write::Reply;
use crate::caracal::wire::answer::write::fault::Refusal;
use crate::caracal::wire::answer::write::session::counted;

/// Returns a session that the caller may end, suspend or renew.
pub(super) fn controlled<'a>(zone: &'a Zone, caller: &Principal, id: Uuid) -> Result<&'a Session, Refusal> {
    let session = zone.sessions().get(id).ok_or(Refusal::SessionNotFound)?;
    if caller.controls(&session.facts().application) { Ok(session) } else { Err(Refusal::ApplicationOwnership) }
}

impl Coordinator {
    pub(super) fn suspend(&mut self, key: ZoneKey, caller: &Principal, id: Uuid) -> Result<Reply, Refusal> {
        let zone = self.zone(key).ok_or(Refusal::SessionNotFound)?;
        controlled(zone, caller, id)?;
        let sessions = zone.sessions().subtree(&[id], Session::is_active);
        if sessions.is_empty() {
            return Err(Refusal::NotActive);
        }
        let reply = Reply::json(200, counted("suspended", sessions.len()));
        self.commit(key, Change::Suspended { sessions, reason: "requested".into() });
        Ok(reply)
    }

    pub(super) fn resume(&mut self, key: ZoneKey, caller: &Principal, id: Uuid) -> Result<Reply, Refusal> {
        let zone = self.zone(key).ok_or(Refusal::SessionNotFound)?;
        let session = controlled(zone, caller, id)?;
        let parent = session.facts().parent.and_then(|parent| zone.sessions().get(parent));
        // A session cannot be active below a suspended one.
        if self.config.is_strict() && parent.is_some_and(|parent| !parent.is_active()) {
            return Err(Refusal::NotSuspended);
        }
        let sessions = zone.sessions().subtree(&[id], |session| session.phase() == Phase::Suspended);
        if sessions.is_empty() {
            return Err(Refusal::NotSuspended);
        }
        let reply = Reply::json(200, counted("resumed", sessions.len()));
        self.commit(key, Change::Resumed { sessions, until: self.clock.wall().plus(self.config.lease) });
        Ok(reply)
    }
}
