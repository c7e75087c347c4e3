//! Heartbeats and handshakes, which show the live workers (spec/05, spec/14).

use alloc::vec::Vec;

use super::Router;
use super::job::Job;
use super::output::{RefusedByRouter, RouterEvent, RouterJob};
use crate::cap::wire::handshake::{ComponentRole, Handshake};
use crate::cap::wire::heartbeat::Heartbeat;
use crate::cap::wire::packet::PROTOCOL_VERSION;
use crate::cap::wire::sign::SIGNS;
use crate::cap::wire::subject::{ComponentId, Topic};
use crate::secret::Secret;

impl Router {
    pub(super) fn on_heartbeat(
        &mut self,
        heartbeat: &Heartbeat,
        sender: &str,
        token: &Secret,
    ) -> Result<(), RefusedByRouter> {
        self.trusted(sender, token)?;
        let worker = self.hear(sender)?;
        self.know(&worker);
        self.workers.load(&worker, heartbeat);
        self.queue.wake_all();
        // A worker that is busy may well be with the jobs that it was given, unless it says of which it is.
        if heartbeat.active_jobs > 0 && !self.workers.gives_signs(&worker) {
            for job in self.jobs_of(&worker) {
                self.heard(job);
            }
        }
        Ok(())
    }

    /// Takes in a handshake. Those of other components than workers say nothing that the router needs.
    pub(super) fn on_handshake(
        &mut self,
        handshake: &Handshake,
        sender: &str,
        token: &Secret,
    ) -> Result<(), RefusedByRouter> {
        if handshake.role != ComponentRole::WORKER {
            return Ok(());
        }
        self.trusted(sender, token)?;
        let worker = self.hear(sender)?;
        let topics = handshake.ready_topics.iter().filter_map(|topic| Topic::new(topic).ok());
        let topics = topics.take(self.config.limits.worker_topics).collect();
        let versions = &handshake.supported_versions;
        // A worker that names no version is of 2.10.
        let speaks = versions.is_empty() || versions.contains(&PROTOCOL_VERSION);
        self.workers.serve(&worker, topics, speaks);
        self.workers.sign(&worker, handshake.capabilities.get(SIGNS).copied().unwrap_or_default());
        self.queue.wake_all();
        // It was started again, or was away: it may have lost its jobs, and its results may have been lost (ours). Without a
        // topic it is being stopped, and has its jobs.
        if !handshake.ready_topics.is_empty() {
            for job in self.jobs_of(&worker) {
                self.resend(job);
            }
        }
        Ok(())
    }

    /// Takes the topics of a worker whose handshake was missed from its session, if workers need one.
    fn know(&mut self, worker: &ComponentId) {
        let is_known = self.workers.get(worker).is_none_or(|worker| worker.topics.is_some());
        if is_known || !self.config.trust.is_required() {
            return;
        }
        let session = self.trust.as_ref().and_then(|trust| trust.session(self.clock.now(), worker.as_str()));
        let named = session.map(|session| session.topics()).unwrap_or_default();
        let topics = named.into_iter().filter_map(|topic| Topic::new(topic).ok());
        let topics = topics.take(self.config.limits.worker_topics).collect();
        self.workers.serve(worker, topics, true);
    }

    /// Notes a sign of life of a worker, which is its sender.
    fn hear(&mut self, sender: &str) -> Result<ComponentId, RefusedByRouter> {
        let worker =
            ComponentId::new(sender).map_err(|problem| RefusedByRouter::Sender { sender: sender.into(), problem })?;
        let max = self.config.limits.workers;
        if self.workers.len() >= max && self.workers.get(&worker).is_none() {
            return Err(RefusedByRouter::Limit { limit: "workers", max });
        }
        let until = self.clock.now().plus(self.config.worker_timeout());
        if self.workers.hear(&worker, until, &mut self.timers) {
            self.adopt(&worker);
            self.outbox.event(RouterEvent::WorkerJoined { worker: worker.clone() });
        }
        Ok(worker)
    }

    /// Gives a worker that was not known the jobs that it has: those of which it has reported before it was heard of
    /// otherwise, or that it was sent by the router whose records these are.
    fn adopt(&mut self, worker: &ComponentId) {
        let has = |job: &Job| job.worker.as_ref() == Some(worker) && !job.state().is_terminal();
        let jobs: Vec<RouterJob> = self.jobs.keys().filter(|key| self.jobs.get(*key).is_some_and(has)).collect();
        for job in jobs {
            self.workers.assign(worker, job);
        }
    }

    fn jobs_of(&self, worker: &ComponentId) -> Vec<RouterJob> {
        self.workers.get(worker).map(|worker| worker.jobs.iter().copied().collect()).unwrap_or_default()
    }
}
