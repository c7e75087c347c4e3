//! The client machine with the jobs that are awaited, and what its outputs cause.

use std::collections::HashMap;
use std::sync::Arc;
use std::task::Waker;

use nuncio_core::cap::{Client, ClientEvent, ClientJob, ClientOutput, Subject};
use nuncio_core::time::Time;
use tracing::warn;

use super::error::NoResult;
use super::progress::ProgressEvent;
use super::slot::Slot;
use crate::cap::blob::BlobStore;
use crate::cap::bus::{Acknowledge, Message};
use crate::cap::node::hub::{Hub, Outputs, Role, State};
use crate::cap::node::wire::{Manner, Order};
use crate::io::Sanitized;

/// What the lock of a client guards.
pub(crate) struct ClientState {
    pub(super) machine: Client,
    slots: HashMap<ClientJob, Arc<Slot>>,
    /// Readers to wake, because the bus was closed.
    closing: Vec<Waker>,
    pub(super) is_closed: bool,
}

/// What a client does once its lock is free.
pub(crate) enum Action {
    Wake(Waker),
    Log(ClientEvent),
}

impl ClientState {
    pub(super) fn new(machine: Client) -> ClientState {
        ClientState { machine, slots: HashMap::new(), closing: Vec::new(), is_closed: false }
    }

    /// Adds a job that was submitted.
    pub(super) fn add(&mut self, job: ClientJob) -> Arc<Slot> {
        let slot = Arc::default();
        self.slots.insert(job, Arc::clone(&slot));
        slot
    }

    /// Stops waiting for a job.
    pub(super) fn forget(&mut self, now: Time, job: ClientJob) {
        if self.slots.remove(&job).is_some() {
            // It has ended if this is refused.
            drop(self.machine.forget(now, job));
        }
    }

    fn event(&mut self, event: ClientEvent) -> Option<Action> {
        let waker = match event {
            ClientEvent::Progress { job, progress, sent_at } => {
                self.slots.get(&job)?.push(ProgressEvent::new(*progress, sent_at))
            }
            ClientEvent::Ended { job, result } => self.slots.remove(&job)?.end(Ok(*result)),
            ClientEvent::NoResult { job, unheard } => {
                let reason = unheard.map_or(NoResult::TimedOut, |requests| NoResult::Unheard { requests });
                self.slots.remove(&job)?.end(Err(reason))
            }
            other => return Some(Action::Log(other)),
        };
        waker.map(Action::Wake)
    }
}

impl State for ClientState {
    type Action = Action;

    fn connected(&mut self, now: Time) {
        self.machine.handle_connected(now);
    }

    fn disconnected(&mut self, now: Time) {
        self.machine.handle_disconnected(now);
    }

    /// The machine sends everything again.
    fn survives(_order: &Order) -> bool {
        false
    }

    fn closed(&mut self, _now: Time) {
        self.is_closed = true;
        for (_, slot) in self.slots.drain() {
            self.closing.extend(slot.end(Err(NoResult::Closed)));
        }
    }

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
        for waker in self.closing.drain(..) {
            outputs.action(Action::Wake(waker));
        }
        while let Some(output) = self.machine.poll_output() {
            match output {
                ClientOutput::Subscribe { subject } => {
                    outputs.order(Order::Subscribe { subject, manner: Manner::Alone });
                }
                ClientOutput::Publish { subject, bytes } => outputs.order(Order::Publish { subject, bytes }),
                ClientOutput::Event(event) => {
                    if let Some(action) = self.event(event) {
                        outputs.action(action);
                    }
                }
            }
        }
    }
}

/// The parts of a client beside its machine.
pub(crate) struct ClientRole {
    pub(super) id: String,
    /// The principal of the identity that packets are sealed with, if they are.
    pub(super) sealed_principal: Option<String>,
    pub(super) store: Arc<dyn BlobStore>,
    pub(super) input_ttl: Option<std::time::Duration>,
    pub(super) io_timeout: std::time::Duration,
    pub(super) max_output: usize,
}

impl Role for ClientRole {
    type State = ClientState;

    fn perform(_hub: &Arc<Hub<ClientRole>>, action: Action) {
        match action {
            Action::Wake(waker) => waker.wake(),
            Action::Log(event) => log(&event),
        }
    }
}

fn log(event: &ClientEvent) {
    match event {
        ClientEvent::Refused { subject, reason } => {
            warn!(subject = %Sanitized(subject), error = %Sanitized(reason), "a packet was refused");
        }
        ClientEvent::PrefixPair { .. } => {
            warn!("receivers disagree about the signature, because a map has a key that another key begins with");
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use nuncio_core::cap::{ClientConfig, JobRequest, Rejection};

    use super::*;
    use crate::cap::node::bare;
    use crate::io::clock::Clock;
    use crate::io::logged::logged;

    #[test]
    fn the_deadline_is_that_of_the_machine() {
        let (clock, (id, reading, verifier)) = (Clock::start(), bare::identity("client-1"));
        let machine = Client::new(ClientConfig::new(id, reading, verifier), [1; 32], clock.now());
        let hub = bare::hub(ClientState::new(machine), clock);
        hub.run(State::connected);
        assert_eq!(bare::deadline(&hub), None, "nothing is awaited");
        let request = JobRequest { job_id: "job-1".into(), topic: "job.echo".into(), ..JobRequest::default() };
        hub.run(|state, now| state.machine.submit(now, request, "", Some(Duration::from_secs(5))))
            .expect("it is valid");
        assert!(bare::deadline(&hub).is_some_and(|at| at <= clock.now().plus_secs(5)));
    }

    #[test]
    fn packets_that_are_refused_or_disagreed_about_are_logged() {
        let refused = ClientEvent::Refused { subject: Subject::JobResult, reason: Rejection::Unsigned };
        let line = logged(|| log(&refused));
        assert!(line.starts_with("WARN") && line.contains("sys.job.result") && line.contains("a packet was refused"));
        let line = logged(|| log(&ClientEvent::PrefixPair { job: ClientJob::default() }));
        assert!(line.starts_with("WARN") && line.contains("receivers disagree about the signature"), "{line}");
    }
}
