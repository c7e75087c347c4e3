//! What a worker says about itself: its subscriptions, its handshake, and its heartbeats.

use alloc::vec::{self, Vec};

use super::Worker;
use super::capability::{agent_name, handshake};
use super::output::{Load, WorkerOutput};
use super::phase::Phase;
use crate::cap::trust::session::TrustSession;
use crate::cap::wire::heartbeat::Heartbeat;
use crate::cap::wire::sign::SIGNS;
use crate::cap::wire::subject::Subject;
use crate::time::Time;

impl Worker {
    /// Notes that the bus is connected, without the subscriptions of an earlier connection. The worker subscribes,
    /// publishes the results that were made in the meantime, and sends its handshake. With trust, it opens its session
    /// first.
    pub fn handle_connected(&mut self, now: Time) {
        self.input(now, |this| {
            if !this.outbox.connect() {
                return;
            }
            if this.trust.is_none() {
                this.subscribe();
            }
            if this.phase != Phase::Drained {
                this.outbox.push(WorkerOutput::Subscribe { subject: Subject::JobCancel, group: false });
            }
            match &mut this.trust {
                Some(trust) if this.phase != Phase::Drained => trust.connect(this.clock.now()),
                Some(_) => {}
                None => this.announce(),
            }
        });
    }

    /// Subscribes to the subjects that jobs come on.
    pub(super) fn subscribe(&mut self) {
        for subject in self.subjects() {
            let group = matches!(subject, Subject::Topic(_));
            self.outbox.push(WorkerOutput::Subscribe { subject, group });
        }
    }

    /// Whether the worker has subscribed to the subjects that jobs come on.
    pub(super) fn is_subscribed(&self) -> bool {
        self.outbox.is_connected() && self.trust.as_ref().is_none_or(TrustSession::is_open)
    }

    /// Publishes the results that wait, the handshake, and a sign of each job; heartbeats follow.
    pub(super) fn announce(&mut self) {
        self.outbox.publish_unsent();
        if self.phase != Phase::Drained {
            self.shake_hands();
            self.give_signs();
            self.await_heartbeat();
        }
    }

    /// Sends the handshake: with the topics of the worker, or without any if it takes no more jobs.
    pub(super) fn shake_hands(&mut self) {
        let trace_id = alloc::format!("{:032x}", self.random.random_u128());
        let is_serving = self.phase == Phase::Serving;
        self.outbox.publish(Subject::Handshake, trace_id, handshake(&self.config, is_serving));
    }

    /// Takes no more jobs and sends no more heartbeats, until the worker has proved itself again.
    pub(super) fn withdraw(&mut self) {
        for subject in self.subjects() {
            self.outbox.push(WorkerOutput::Unsubscribe { subject });
        }
        self.presence.stop(&mut self.timers);
    }

    /// Notes that the bus is away. Jobs go on; what they publish waits if it is a result, and is dropped otherwise.
    pub fn handle_disconnected(&mut self, now: Time) {
        self.input(now, |this| {
            this.outbox.disconnect();
            if let Some(trust) = &mut this.trust {
                trust.disconnect(this.clock.now());
            }
            this.presence.stop(&mut this.timers);
        });
    }

    /// Sets the load that heartbeats report.
    pub fn set_load(&mut self, load: Load) {
        self.presence.set_load(load);
    }

    /// The subjects that jobs come on: its topics while it serves them, and its direct subject until its last job has ended,
    /// so that a request that is under way when it is stopped gets an answer.
    fn subjects(&self) -> vec::IntoIter<Subject> {
        let is_serving = self.phase == Phase::Serving;
        let topics = self.config.topics.iter().filter(|_| is_serving).cloned().map(Subject::Topic);
        let direct = Some(Subject::Direct(self.config.id.clone())).filter(|_| self.phase != Phase::Drained);
        let subjects: Vec<Subject> = topics.chain(direct).collect();
        subjects.into_iter()
    }

    fn await_heartbeat(&mut self) {
        let at = self.clock.now().plus(self.config.heartbeat_interval);
        self.presence.await_heartbeat(at, &mut self.timers);
    }

    /// Sends a heartbeat and the signs of silent jobs, and awaits the next one.
    pub(super) fn heartbeat(&mut self) {
        let load = self.presence.load();
        let active = self.jobs.running();
        // A router that has missed the handshake takes a worker that is being stopped for a full one.
        let parallel = if self.phase == Phase::Serving { self.config.limits.parallel } else { active };
        let heartbeat = Heartbeat {
            worker_id: self.config.id.as_str().into(),
            cpu_load: load.cpu,
            gpu_utilization: load.gpu,
            memory_load: load.memory,
            active_jobs: i32::try_from(active).unwrap_or(i32::MAX),
            pool: self.config.pool.clone(),
            max_parallel_jobs: i32::try_from(parallel).unwrap_or(i32::MAX),
            labels: self.config.labels.clone(),
            agent_name: agent_name(&self.config),
            // For routers that have missed the handshake.
            capabilities: alloc::vec![SIGNS.into()],
            ..Heartbeat::default()
        };
        let trace_id = self.config.id.as_str();
        self.outbox.publish(Subject::Heartbeat, trace_id, heartbeat);
        self.give_signs();
        self.await_heartbeat();
    }
}
