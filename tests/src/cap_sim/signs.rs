//! Signs that workers have their jobs, and requests that are lost before a worker has given one.

use std::collections::{BTreeMap, BTreeSet};

use nuncio_core::cap::{
    BusPacket, ComponentId, DecodeLimits, Payload, RouterJob, RouterJobState, RouterWorkerView, Subject, Topic,
};
use nuncio_core::time::Time;

use super::Sim;
use super::bus::Who;
use super::router::RouterHost;

/// The time in which a router misses a request that is lost, in seconds: three heartbeats.
const MISSED: u64 = 15;

/// What a worker has said since its last heartbeat.
#[derive(Debug, Default)]
pub(super) struct Said {
    jobs: BTreeSet<String>,
    has_beaten: bool,
}

/// The jobs that a router has sent and of which nothing was heard: by job and attempt, since when.
#[derive(Debug, Default)]
pub(super) struct Waits {
    since: BTreeMap<(RouterJob, u32), Option<Time>>,
    /// The workers that the router knew when this was checked last.
    workers: BTreeMap<String, Known>,
    /// The workers that have said to this router what they can do.
    joined: BTreeSet<String>,
    /// When the router has heard of each worker last.
    heard: BTreeMap<String, Time>,
}

/// What a router knows of a worker.
#[derive(Debug, PartialEq, Eq)]
struct Known {
    /// Its topics, if they are known.
    topics: Option<Vec<Topic>>,
    /// Whether the router has heard of the worker, and not only read its name in its records.
    has_joined: bool,
}

impl Known {
    fn may_serve(&self, topic: &Topic) -> bool {
        self.topics.as_ref().is_none_or(|own| own.contains(topic))
    }
}

impl Sim {
    /// Notes a packet that a worker has published.
    pub(super) fn said(&mut self, who: usize, payload: &Payload) {
        let said = &mut self.workers[who].said;
        match payload {
            Payload::JobProgress(progress) => {
                said.jobs.insert(progress.job_id.clone());
            }
            Payload::Heartbeat(_) => said.has_beaten = true,
            _ => {}
        }
    }

    /// Notes that the router hears of a worker. If it had not for too long, the worker was lost meanwhile, although the event that
    /// says so may still wait for the store: a job that was sent then was sent without knowing the worker.
    pub(super) fn note_heard(&mut self, subject: &Subject, bytes: &[u8]) {
        let now = self.now;
        let Some(host) = self.router.as_mut() else { return };
        if !matches!(subject, Subject::Heartbeat | Subject::Handshake) {
            return;
        }
        let Ok(packet) = BusPacket::decode(bytes, &DecodeLimits::default()) else { return };
        let before = host.waits.heard.insert(packet.sender_id.clone(), now);
        if before.is_some_and(|before| now >= before.plus_secs(MISSED)) {
            host.waits.workers.remove(&packet.sender_id);
        }
    }

    /// Ours: a worker has said something of each of its jobs by its next heartbeat.
    pub(super) fn every_job_gives_signs(&mut self, who: usize) {
        let host = &mut self.workers[who];
        if !std::mem::take(&mut host.said.has_beaten) {
            return;
        }
        let said = std::mem::take(&mut host.said.jobs);
        for id in self.workers[who].live_jobs() {
            assert!(said.contains(id), "ours every_job_gives_signs: {id} on worker {who}");
        }
    }

    /// Ours: a router sends a job again if no worker has reported it within three heartbeats, if it knows workers that may
    /// have it.
    pub(super) fn a_lost_request_is_missed(&mut self) {
        let (now, is_believed) = (self.now, self.bus.link(Who::Router).is_believed);
        let Some(host) = self.router.as_mut().filter(|_| is_believed) else { return };
        let workers = workers(host);
        let views = host.router.jobs().filter_map(|key| Some((key, host.router.job(key)?)));
        let sent = views.filter(|(_, view)| view.state == RouterJobState::Dispatched);
        let mut since = BTreeMap::new();
        for (key, view) in sent {
            let mut takers = workers.iter().filter(|(_, known)| known.may_serve(view.topic)).peekable();
            let is_known =
                |(id, known): (&String, &Known)| known.has_joined && host.waits.workers.get(id) == Some(known);
            let begins = (takers.peek().is_some() && takers.all(is_known)).then_some(now);
            let place = (key, view.attempts);
            let at = host.waits.since.get(&place).copied().unwrap_or(begins);
            let is_missed = at.is_none_or(|at| now < at.plus_secs(MISSED));
            assert!(is_missed, "ours a_lost_request_is_missed: {view:?} since {at:?}");
            since.insert(place, at);
        }
        (host.waits.since, host.waits.workers) = (since, workers);
    }

    /// A router that has a new connection begins to wait anew.
    pub(super) fn waits_begin_anew(&mut self) {
        if let Some(host) = &mut self.router {
            host.waits.since.clear();
        }
    }
}

impl Waits {
    /// Notes that the router has heard of a worker.
    pub(super) fn joined(&mut self, worker: &ComponentId) {
        self.joined.insert(worker.to_string());
    }

    /// Notes that the router has lost a worker.
    pub(super) fn lost(&mut self, worker: &ComponentId) {
        self.joined.remove(worker.as_str());
    }
}

/// Returns the workers that a router knows.
fn workers(host: &RouterHost) -> BTreeMap<String, Known> {
    let known = |view: &RouterWorkerView<'_>| Known {
        topics: view.is_known.then(|| host.router.topics(view.id).cloned().collect()),
        has_joined: host.waits.joined.contains(view.id.as_str()),
    };
    host.router.workers().map(|view| (view.id.to_string(), known(&view))).collect()
}
