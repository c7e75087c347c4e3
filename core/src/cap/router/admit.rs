//! Which workers get jobs.

use super::Router;
use super::workers::Worker;
use crate::cap::wire::subject::Topic;

impl Router {
    /// Whether a worker may be given jobs of a topic: it speaks the version of the protocol that requests have and, if workers
    /// need a session, has one that allows the topic. Its packets are verified before it is known.
    pub(super) fn admits(&self, worker: &Worker, topic: &Topic) -> bool {
        let session = || self.trust.as_ref().and_then(|trust| trust.session(self.now, worker.id.as_str()));
        worker.speaks && (!self.config.trust.is_required() || session().is_some_and(|session| session.serves(topic)))
    }
}
