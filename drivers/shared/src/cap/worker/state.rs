//! The worker machine with the jobs that its driver runs, and what its outputs cause.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use nuncio_core::cap::{
    Attempt, JobStatus, Pointer, Subject, TrustRequest, Worker, WorkerEvent, WorkerJob, WorkerOutput, WorkerTimer,
};
use nuncio_core::time::Time;

use super::job::Job;
use crate::cap::bus::{Acknowledge, Message};
use crate::cap::node::hub::{Outputs, State};
use crate::cap::node::wire::{Manner, Order};

/// What the lock of a worker guards.
pub(crate) struct WorkerState {
    pub(super) machine: Worker,
    /// The jobs that have no result yet.
    jobs: HashMap<WorkerJob, Arc<Job>>,
}

/// What a worker does once its lock is free.
pub(crate) enum Action {
    Look { attempt: Attempt, pointer: Pointer },
    Fetch { attempt: Attempt, pointer: Pointer },
    Run { attempt: Attempt, call: u32, job: Arc<Job>, input: Option<Bytes> },
    Stop(Arc<Job>),
    Store { attempt: Attempt, pointer: Pointer, output: Bytes, ttl: Duration },
    Request { id: TrustRequest, subject: Subject, bytes: Bytes },
    Report(Report),
    Drained,
}

/// What a worker logs and counts.
pub(crate) enum Report {
    Accepted {
        job: Arc<Job>,
    },
    Ended {
        ids: Ids,
        status: JobStatus,
        message: String,
        took: Duration,
    },
    Heartbeat,
    /// Anything else.
    Event(WorkerEvent, Option<Ids>),
}

/// The ids of a job, for logs and metrics.
pub(crate) struct Ids {
    pub(super) job_id: String,
    pub(super) trace_id: String,
    pub(super) topic: String,
    pub(super) sender_id: String,
}

impl WorkerState {
    pub(super) fn new(machine: Worker) -> WorkerState {
        WorkerState { machine, jobs: HashMap::new() }
    }

    /// Returns whether the next deadline is a heartbeat.
    pub(super) fn awaits_heartbeat(&self) -> bool {
        matches!(self.machine.poll_timeout(), Some((_, WorkerTimer::Heartbeat)))
    }

    fn ids(&self, job: WorkerJob) -> Option<Ids> {
        let view = self.machine.job(job)?;
        Some(Ids {
            job_id: view.job_id.to_owned(),
            trace_id: view.trace_id.to_owned(),
            topic: view.topic.to_owned(),
            sender_id: view.sender_id.to_owned(),
        })
    }

    fn event(&mut self, event: WorkerEvent, outputs: &mut Outputs<'_, Action>) {
        let report = match event {
            WorkerEvent::Accepted { job: key } => {
                let Some(job) = self.accepted(key) else { return };
                Report::Accepted { job }
            }
            WorkerEvent::Ended { job: key, status, message, took, .. } => {
                self.jobs.remove(&key);
                let Some(ids) = self.ids(key) else { return };
                Report::Ended { ids, status, message, took }
            }
            WorkerEvent::HeartbeatSent => Report::Heartbeat,
            WorkerEvent::Drained => return outputs.action(Action::Drained),
            other => {
                let job = match &other {
                    WorkerEvent::Recovered { job } | WorkerEvent::Retried { job, .. } => Some(*job),
                    _ => None,
                };
                let ids = job.and_then(|job| self.ids(job));
                Report::Event(other, ids)
            }
        };
        outputs.action(Action::Report(report));
    }

    fn accepted(&mut self, key: WorkerJob) -> Option<Arc<Job>> {
        let view = self.machine.job(key)?;
        let job = Arc::new(Job {
            trace_id: view.trace_id.to_owned(),
            sender_id: view.sender_id.to_owned(),
            request: view.request?.clone(),
            deadline: view.deadline,
            cancelled: crate::io::CancellationToken::new(),
        });
        self.jobs.insert(key, Arc::clone(&job));
        Some(job)
    }
}

impl State for WorkerState {
    type Action = Action;

    fn connected(&mut self, now: Time) {
        self.machine.handle_connected(now);
    }

    fn disconnected(&mut self, now: Time) {
        self.machine.handle_disconnected(now);
    }

    fn survives(order: &Order) -> bool {
        matches!(order, Order::Publish { subject: Subject::JobResult, .. })
    }

    fn closed(&mut self, _now: Time) {}

    fn receive(
        &mut self,
        now: Time,
        subject: &Subject,
        message: &Message,
        _acknowledgement: Option<Box<dyn Acknowledge>>,
    ) {
        self.machine.handle_packet(now, subject, &message.payload);
    }

    fn wall_set(&mut self, now: Time, wall: Time) {
        self.machine.handle_wall(now, wall);
    }

    fn expire(&mut self, now: Time) {
        self.machine.handle_timeout(now);
    }

    fn deadline(&self) -> Option<Time> {
        self.machine.poll_timeout().map(|(at, _)| at)
    }

    fn dispatch(&mut self, _now: Time, outputs: &mut Outputs<'_, Action>) {
        while let Some(output) = self.machine.poll_output() {
            match output {
                WorkerOutput::Subscribe { subject, group } => {
                    let manner = if group { Manner::Group } else { Manner::Alone };
                    outputs.order(Order::Subscribe { subject, manner });
                }
                WorkerOutput::Unsubscribe { subject } => outputs.order(Order::Unsubscribe { subject }),
                WorkerOutput::Publish { subject, bytes } => outputs.order(Order::Publish { subject, bytes }),
                WorkerOutput::Request { id, subject, bytes } => outputs.action(Action::Request { id, subject, bytes }),
                WorkerOutput::Look { attempt, pointer } => outputs.action(Action::Look { attempt, pointer }),
                WorkerOutput::Fetch { attempt, pointer } => outputs.action(Action::Fetch { attempt, pointer }),
                WorkerOutput::Run { attempt } => {
                    let view = self.machine.job(attempt.job).map(|view| (view.call, view.input.cloned()));
                    if let (Some((call, input)), Some(job)) = (view, self.jobs.get(&attempt.job)) {
                        outputs.action(Action::Run { attempt, call, job: Arc::clone(job), input });
                    }
                }
                WorkerOutput::Stop { attempt } => {
                    if let Some(job) = self.jobs.get(&attempt.job) {
                        outputs.action(Action::Stop(Arc::clone(job)));
                    }
                }
                WorkerOutput::Store { attempt, pointer, output, ttl } => {
                    outputs.action(Action::Store { attempt, pointer, output, ttl });
                }
                WorkerOutput::Event(event) => self.event(event, outputs),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use nuncio_core::cap::{BusPacket, DecodeLimits, WorkerConfig};

    use super::*;
    use crate::cap::node::bare;
    use crate::io::clock::Clock;

    #[test]
    fn results_outlive_a_lost_connection_and_nothing_else_does() {
        let publish = |subject| Order::Publish { subject, bytes: Bytes::new() };
        assert!(WorkerState::survives(&publish(Subject::JobResult)));
        assert!(!WorkerState::survives(&publish(Subject::Heartbeat)));
        assert!(!WorkerState::survives(&publish(Subject::JobProgress)));
        assert!(!WorkerState::survives(&Order::Unsubscribe { subject: Subject::JobResult }));
    }

    #[test]
    fn heartbeats_have_the_time_of_the_wall_clock_that_was_set() {
        let (clock, (id, reading, verifier)) = (Clock::start(), bare::identity("worker-1"));
        let machine = Worker::new(WorkerConfig::new(id, reading, verifier), [1; 32], clock.now());
        let hub = bare::hub(WorkerState::new(machine), clock);
        hub.run(State::connected);
        let day = Duration::from_hours(24);
        hub.run(|state, now| state.wall_set(now, now.plus(day)));
        bare::orders(&hub);
        hub.run(|state, now| state.expire(now.plus_secs(3_600)));
        let orders = bare::orders(&hub);
        let [Order::Publish { bytes, .. }] = &orders[..] else { panic!("{orders:?}") };
        let packet = BusPacket::decode(bytes, &DecodeLimits::default()).expect("a packet");
        let shown = packet.created_at.expect("packets have a time").seconds;
        let expected = clock.now().plus(day).plus_secs(3_600).0 / 1_000_000;
        assert!(shown.abs_diff(expected.cast_signed()) < 3_600, "{shown} {expected}");
    }

    #[test]
    fn a_worker_whose_bus_is_away_subscribes_again_and_sends_no_heartbeats_meanwhile() {
        let (clock, (id, reading, verifier)) = (Clock::start(), bare::identity("worker-1"));
        let machine = Worker::new(WorkerConfig::new(id, reading, verifier), [1; 32], clock.now());
        let hub = bare::hub(WorkerState::new(machine), clock);
        let subscribed = || {
            hub.run(State::connected);
            bare::orders(&hub).iter().filter(|order| matches!(order, Order::Subscribe { .. })).count()
        };
        let expire = |hours: u64| {
            hub.run(|state, now| state.expire(now.plus_secs(3_600 * hours)));
            bare::orders(&hub)
        };
        let subjects = subscribed();
        assert!(subjects > 0);
        assert!(bare::deadline(&hub).is_some() && hub.look(WorkerState::awaits_heartbeat));
        let beats = expire(1);
        assert!(matches!(&beats[..], [Order::Publish { subject: Subject::Heartbeat, .. }]), "{beats:?}");
        hub.run(State::disconnected);
        assert!(!hub.look(WorkerState::awaits_heartbeat));
        assert!(expire(2).is_empty());
        assert_eq!(subscribed(), subjects);
    }
}
