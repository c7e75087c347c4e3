//! The router machine, and what its outputs cause.

use std::collections::{BTreeSet, HashMap};

use nuncio_core::cap::{Delivery, Router, RouterEvent, RouterJob, RouterOutput, RouterRecord, Subject, Topic};
use nuncio_core::time::Time;

use super::policy::PolicyCheck;
use crate::cap::bus::{Acknowledge, Message};
use crate::cap::node::hub::{Outputs, State};
use crate::cap::node::wire::{Manner, Order};
use crate::io::writer::Queue;

/// What the lock of a router guards.
pub(crate) struct RouterState {
    pub(super) machine: Router,
    /// Where records go; none if they are not kept.
    records: Option<Queue<RouterRecord>>,
    /// Messages of a durable stream that are not acknowledged yet.
    deliveries: HashMap<Delivery, Box<dyn Acknowledge>>,
    next: u64,
    /// Topics that no known worker serves, which was reported.
    unserved: BTreeSet<String>,
}

/// The most topics without a worker that are remembered.
const MAX_UNSERVED: usize = 256;

/// What a router does once its lock is free.
pub(crate) enum Action {
    Acknowledge(Box<dyn Acknowledge>),
    Check(RouterJob, Box<PolicyCheck>),
    Report(RouterEvent, Option<Reported>),
}

/// What is reported of a job.
pub(crate) struct Reported {
    pub(super) job_id: String,
    pub(super) topic: String,
    pub(super) submitter: String,
    /// Whether no worker is known that serves the topic, which was not reported yet.
    pub(super) is_unserved: bool,
}

impl RouterState {
    pub(super) fn new(machine: Router, records: Option<Queue<RouterRecord>>) -> RouterState {
        RouterState { machine, records, deliveries: HashMap::new(), next: 0, unserved: BTreeSet::new() }
    }

    /// Returns whether no worker is known that serves a topic, once until one is.
    fn is_unserved(&mut self, topic: &str) -> bool {
        let may_be_served = Topic::new(topic).is_ok_and(|topic| self.machine.may_be_served(&topic));
        if may_be_served {
            self.unserved.remove(topic);
            return false;
        }
        if self.unserved.len() >= MAX_UNSERVED {
            self.unserved.clear();
        }
        self.unserved.insert(topic.to_owned())
    }

    fn event(&mut self, event: RouterEvent) -> Action {
        let job = match &event {
            RouterEvent::Accepted { job }
            | RouterEvent::Approval { job, .. }
            | RouterEvent::Dispatched { job, .. }
            | RouterEvent::Running { job, .. }
            | RouterEvent::Retrying { job, .. }
            | RouterEvent::Ended { job, .. }
            | RouterEvent::Conflict { job, .. } => Some(*job),
            _ => None,
        };
        let mut reported = job.and_then(|job| self.machine.job(job)).map(|view| Reported {
            job_id: view.job_id.to_owned(),
            topic: view.topic.to_string(),
            submitter: view.submitter.to_owned(),
            is_unserved: false,
        });
        if let (RouterEvent::Dispatched { worker: None, .. }, Some(job)) = (&event, &mut reported) {
            job.is_unserved = self.is_unserved(&job.topic);
        }
        match event {
            RouterEvent::Check { job, request, trace_id, sender_id } => {
                Action::Check(job, Box::new(PolicyCheck { request: *request, trace_id, sender_id }))
            }
            other => Action::Report(other, reported),
        }
    }
}

impl State for RouterState {
    type Action = Action;

    fn connected(&mut self, now: Time) {
        self.machine.handle_connected(now);
    }

    fn disconnected(&mut self, now: Time) {
        self.machine.handle_disconnected(now);
    }

    fn survives(order: &Order) -> bool {
        matches!(order, Order::Publish { subject, .. } if *subject != Subject::Alert)
    }

    fn closed(&mut self, _now: Time) {}

    fn receive(
        &mut self,
        now: Time,
        subject: &Subject,
        message: &Message,
        acknowledgement: Option<Box<dyn Acknowledge>>,
    ) {
        // A packet that is not taken is not acknowledged, and comes again.
        let delivery = acknowledgement.filter(|_| self.machine.reading()).map(|acknowledgement| {
            self.next += 1;
            self.deliveries.insert(Delivery(self.next), acknowledgement);
            Delivery(self.next)
        });
        match subject {
            Subject::TrustChallenge | Subject::TrustAuthenticate => {
                let reply = message.reply.as_deref().unwrap_or_default();
                self.machine.handle_request(now, subject, &message.payload, reply);
            }
            _ => self.machine.handle_packet(now, subject, &message.payload, delivery),
        }
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

    fn dispatch(&mut self, now: Time, outputs: &mut Outputs<'_, Action>) {
        while let Some(output) = self.machine.poll_output() {
            match output {
                RouterOutput::Subscribe { subject } => {
                    let manner = if subject.is_durable() { Manner::Durable } else { Manner::Alone };
                    outputs.order(Order::Subscribe { subject, manner });
                }
                RouterOutput::Publish { subject, bytes } => outputs.order(Order::Publish { subject, bytes }),
                RouterOutput::Reply { to, bytes } => outputs.order(Order::Reply { to, bytes }),
                RouterOutput::Store { number, record } => match &self.records {
                    // The thread takes records for as long as this is there.
                    Some(records) => drop(records.send((number, record))),
                    None => self.machine.handle_stored(now, number),
                },
                RouterOutput::Acknowledge { delivery } => {
                    if let Some(acknowledgement) = self.deliveries.remove(&delivery) {
                        outputs.action(Action::Acknowledge(acknowledgement));
                    }
                }
                RouterOutput::Event(event) => outputs.action(self.event(event)),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use nuncio_core::cap::RouterConfig;

    use super::*;
    use crate::cap::node::bare;
    use crate::io::clock::Clock;

    #[test]
    fn packets_outlive_a_lost_connection_unless_they_are_alerts() {
        let publish = |subject| Order::Publish { subject, bytes: bytes::Bytes::new() };
        assert!(RouterState::survives(&publish(Subject::JobResult)));
        assert!(!RouterState::survives(&publish(Subject::Alert)));
        assert!(!RouterState::survives(&Order::Subscribe { subject: Subject::JobResult, manner: Manner::Alone }));
    }

    #[test]
    fn a_router_whose_bus_is_away_subscribes_again() {
        let (clock, (id, reading, verifier)) = (Clock::start(), bare::identity("router-1"));
        let machine = Router::new(RouterConfig::new(id, reading, verifier), [1; 32], clock.now());
        let hub = bare::hub(RouterState::new(machine, None), clock);
        let subscribed = || {
            hub.run(State::connected);
            bare::orders(&hub).iter().filter(|order| matches!(order, Order::Subscribe { .. })).count()
        };
        let subjects = subscribed();
        assert!(subjects > 0);
        assert_eq!(bare::deadline(&hub), hub.look(|state| state.machine.poll_timeout().map(|(at, _)| at)));
        hub.run(State::disconnected);
        assert_eq!(subscribed(), subjects);
    }
}
