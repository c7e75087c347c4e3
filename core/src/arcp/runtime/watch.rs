//! Starts and ends the watching of jobs by sessions (§7.6).

use bytes::Bytes;

use super::Runtime;
use super::host::{JobKey, SessionKey};
use super::sessions::watches::Role;
use crate::arcp::wire::body::{Body, SUBSCRIPTION_DROPPED};
use crate::arcp::wire::reply;

impl Runtime {
    /// Lets a session watch a job from now on.
    pub(super) fn watch(&mut self, key: SessionKey, id: JobKey, role: Role) {
        let (Some(session), Some(job)) = (self.sessions.get_mut(key), self.jobs.get_mut(id)) else { return };
        session.watch(id, job.accepted(), role);
        job.add_watcher(key);
    }

    /// Ends a session's watching of a job.
    pub(super) fn unwatch(&mut self, key: SessionKey, id: JobKey) {
        if let Some(session) = self.sessions.get_mut(key) {
            session.unwatch(id);
        }
        if let Some(job) = self.jobs.get_mut(id) {
            job.remove_watcher(key);
        }
    }

    /// Ends a subscription that would make an agent wait, with a last event of its job.
    pub(super) fn drop_subscription(&mut self, key: SessionKey, id: JobKey) {
        let body = Body::status_unchecked(
            SUBSCRIPTION_DROPPED,
            Some("this session does not keep up with the job; subscribe again with history to go on"),
        );
        let payload = Bytes::from(reply::event(&body, self.clock.text()));
        self.show_alone(key, id, "job.event", &payload, None);
        if let Some(head) = self.sessions.get(key).and_then(|session| session.watch_head(id)) {
            self.tell_guest_dropped(key, &head);
        }
        self.record_unwatched(key, id);
        self.unwatch(key, id);
    }
}
