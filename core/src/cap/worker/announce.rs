//! What a worker says about itself: its subscriptions, its handshake, and its heartbeats.

use alloc::string::{String, ToString as _};
use alloc::vec::{self, Vec};

use super::Worker;
use super::output::{Load, WorkerEvent, WorkerOutput};
use super::phase::Phase;
use crate::cap::wire::handshake::{ComponentRole, Handshake};
use crate::cap::wire::heartbeat::Heartbeat;
use crate::cap::wire::packet::PROTOCOL_VERSION;
use crate::cap::wire::subject::Subject;
use crate::time::Time;

/// The longest name of an agent, in characters.
const AGENT_NAME: usize = 128;

impl Worker {
    /// Notes that the bus is there, without the subscriptions of an earlier connection. The worker subscribes, publishes the
    /// results that were made in the meantime, and sends its handshake.
    pub fn handle_connected(&mut self, now: Time) {
        self.input(now, |this| {
            if !this.outbox.connect() {
                return;
            }
            if this.phase == Phase::Serving {
                for subject in this.subjects() {
                    let group = matches!(subject, Subject::Topic(_));
                    this.outbox.push(WorkerOutput::Subscribe { subject, group });
                }
            }
            if this.phase != Phase::Drained {
                this.outbox.push(WorkerOutput::Subscribe { subject: Subject::JobCancel, group: false });
            }
            this.outbox.publish_unsent();
            if this.phase == Phase::Serving {
                this.handshake();
            }
            if this.phase != Phase::Drained {
                this.await_heartbeat();
            }
        });
    }

    /// Notes that the bus is away. Jobs go on; what they publish waits if it is a result, and is dropped otherwise.
    pub fn handle_disconnected(&mut self, now: Time) {
        self.input(now, |this| {
            this.outbox.disconnect();
            this.presence.stop(&mut this.timers);
        });
    }

    /// Sets the load that heartbeats report.
    pub fn set_load(&mut self, load: Load) {
        self.presence.set_load(load);
    }

    /// The subjects that jobs come on.
    pub(super) fn subjects(&self) -> vec::IntoIter<Subject> {
        let topics = self.config.topics.iter().cloned().map(Subject::Topic);
        let subjects: Vec<Subject> = topics.chain([Subject::Direct(self.config.id.clone())]).collect();
        subjects.into_iter()
    }

    fn handshake(&mut self) {
        let topics = || self.config.topics.iter().map(|topic| topic.as_str().to_string());
        let handshake = Handshake {
            component_id: self.config.id.as_str().into(),
            role: ComponentRole::WORKER,
            supported_versions: alloc::vec![PROTOCOL_VERSION],
            capabilities: topics().map(|topic| (topic, true)).collect(),
            sdk_version: self.config.sdk_version.clone(),
            ready_topics: topics().collect(),
            agent_name: self.agent_name(),
            ..Handshake::default()
        };
        let trace_id = alloc::format!("{:032x}", self.random.random_u128());
        self.outbox.publish(&self.config, self.now, Subject::Handshake, trace_id, handshake);
    }

    /// Returns the name of the agent without control characters and repeated white space, cut to its length (spec/14).
    fn agent_name(&self) -> String {
        let is_text = |each: &char| each.is_whitespace() || !each.is_control();
        let text: String = self.config.agent_name.chars().filter(is_text).collect();
        let words: Vec<&str> = text.split_whitespace().collect();
        words.join(" ").chars().take(AGENT_NAME).collect()
    }

    fn await_heartbeat(&mut self) {
        let at = self.now.plus(self.config.heartbeat_interval);
        self.presence.await_heartbeat(at, &mut self.timers);
    }

    /// Sends a heartbeat, and awaits the next one.
    pub(super) fn heartbeat(&mut self) {
        let load = self.presence.load();
        let heartbeat = Heartbeat {
            worker_id: self.config.id.as_str().into(),
            cpu_load: load.cpu,
            gpu_utilization: load.gpu,
            memory_load: load.memory,
            active_jobs: i32::try_from(self.jobs.running()).unwrap_or(i32::MAX),
            pool: self.config.pool.clone(),
            max_parallel_jobs: i32::try_from(self.config.limits.parallel).unwrap_or(i32::MAX),
            labels: self.config.labels.clone(),
            agent_name: self.agent_name(),
            ..Heartbeat::default()
        };
        let trace_id = self.config.id.as_str();
        self.outbox.publish(&self.config, self.now, Subject::Heartbeat, trace_id, heartbeat);
        self.outbox.event(WorkerEvent::HeartbeatSent);
        self.await_heartbeat();
    }
}
