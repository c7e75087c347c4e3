//! The machine behind one lock, and the answers that wait for their records.

use std::collections::{HashMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};

use futures_channel::oneshot;
use futures_lite::future::or;
use nuncio_core::caracal::{
    Coordinator, CoordinatorEvent, CoordinatorOutput, CoordinatorRecord, IncomingId, IncomingRequest, Reply,
    TokenService,
};
use nuncio_core::time::Time;
use tracing::{error, info};

use super::key::SigningKey;
use crate::io::clock::{Clock, Reading, WallClock, WallStep};
use crate::io::sync::{CancellationToken, Signal, lock};
use crate::io::writer::Queue;
use crate::io::{Io, Sanitized};

/// A function of the application that is told of events.
pub(crate) type OnEvent = Box<dyn Fn(&CoordinatorEvent) + Send + Sync>;

/// What the tasks and handles of a coordinator share.
pub(crate) struct Hub {
    guarded: Mutex<Guarded>,
    pub(crate) tokens: Mutex<TokenService>,
    pub(crate) key: SigningKey,
    pub(crate) clock: Clock,
    pub(crate) io: Arc<dyn Io>,
    /// Notified when the next deadline has moved to an earlier time.
    pub(crate) timer: Signal,
    on_event: Option<OnEvent>,
    /// Held while events are reported, so that they are reported in their order.
    reporting: Mutex<()>,
    stopped: CancellationToken,
}

struct Guarded {
    machine: Coordinator,
    /// What the machine was told of the wall clock.
    wall: WallClock,
    /// Where records go; none if they are not kept.
    records: Option<Queue<CoordinatorRecord>>,
    /// The number of the last record that is durable.
    stored: u64,
    /// What waits for records, in the machine's order, with the number of the record.
    gate: VecDeque<(u64, Effect)>,
    /// Events that wait for no record any more, and are not reported yet.
    events: VecDeque<CoordinatorEvent>,
    waiting: HashMap<IncomingId, oneshot::Sender<Reply>>,
    next: u64,
    /// The time that the timer waits for.
    armed: Option<Time>,
}

/// What waits for records.
enum Effect {
    Respond(IncomingId, Reply),
    Report(CoordinatorEvent),
}

impl Hub {
    pub(crate) fn new(
        machine: Coordinator,
        records: Option<Queue<CoordinatorRecord>>,
        stored: u64,
        (tokens, key): (TokenService, SigningKey),
        (clock, io): (Clock, Arc<dyn Io>),
        on_event: Option<OnEvent>,
    ) -> Arc<Hub> {
        let guarded = Guarded {
            machine,
            wall: WallClock::new(clock.read()),
            records,
            stored,
            gate: VecDeque::new(),
            events: VecDeque::new(),
            waiting: HashMap::new(),
            next: 0,
            armed: None,
        };
        Arc::new(Hub {
            guarded: Mutex::new(guarded),
            tokens: Mutex::new(tokens),
            key,
            clock,
            io,
            timer: Signal::default(),
            on_event,
            reporting: Mutex::new(()),
            stopped: CancellationToken::new(),
        })
    }

    /// Has the machine answer a request. Returns `None` if the coordinator ends before that.
    pub(crate) async fn ask(&self, request: &IncomingRequest<'_>) -> Option<Reply> {
        let (asker, answered) = oneshot::channel();
        self.run(|guarded, now| {
            guarded.next += 1;
            let id = IncomingId(guarded.next);
            guarded.waiting.insert(id, asker);
            guarded.machine.handle_request(now, id, request);
        });
        let answered = async { answered.await.ok() };
        or(answered, async {
            self.stopped.cancelled().await;
            None
        })
        .await
    }

    /// Tells the machine the time.
    pub(crate) fn expire(&self) {
        self.run(|guarded, now| guarded.machine.handle_timeout(now));
    }

    /// Reports that all records up to this number are durable.
    pub(crate) fn stored(&self, upto: u64) {
        self.run(|guarded, _| guarded.stored = guarded.stored.max(upto));
    }

    /// Runs one input, dispatches the machine's outputs in their order, releases the lock, then answers and reports.
    fn run(&self, input: impl FnOnce(&mut Guarded, Time)) {
        let mut guarded = lock(&self.guarded);
        let (now, step) = guarded.read_clock(self.clock.read());
        input(&mut guarded, now);
        guarded.dispatch();
        let answers = guarded.release();
        let has_events = !guarded.events.is_empty();
        let is_earlier = guarded.is_earlier();
        drop(guarded);
        if is_earlier {
            self.timer.notify();
        }
        if let Some(step) = step {
            step.log();
        }
        for (asker, reply) in answers {
            // Whoever asked may have gone.
            drop(asker.send(reply));
        }
        if has_events {
            let _order = lock(&self.reporting);
            while let Some(event) = self.next_event() {
                self.report(&event);
            }
        }
    }

    fn next_event(&self) -> Option<CoordinatorEvent> {
        lock(&self.guarded).events.pop_front()
    }

    fn report(&self, event: &CoordinatorEvent) {
        match event {
            CoordinatorEvent::Started { session, application, .. } => {
                info!(session = %Sanitized(&session), application = %Sanitized(&application), "a session was opened");
            }
            CoordinatorEvent::Ended { session, reason, .. } => {
                info!(session = %Sanitized(&session), ?reason, "a session has ended");
            }
            CoordinatorEvent::Suspended { session, reason, .. } => {
                info!(session = %Sanitized(&session), ?reason, "a session was suspended");
            }
            CoordinatorEvent::EdgeCreated { edge, .. } => info!(edge = %Sanitized(&edge), "an edge was created"),
            CoordinatorEvent::EdgeRevoked { edge, .. } => info!(edge = %Sanitized(&edge), "an edge was revoked"),
            _ => {}
        }
        if let Some(on_event) = &self.on_event
            && catch_unwind(AssertUnwindSafe(|| on_event(event))).is_err()
        {
            error!("the function that is told of events has panicked");
        }
    }

    /// Looks at the machine.
    pub(crate) fn look<T>(&self, look: impl FnOnce(&Coordinator) -> T) -> T {
        look(&lock(&self.guarded).machine)
    }

    /// Returns the next deadline, which the timer waits for from now on.
    pub(crate) fn arm(&self) -> Option<Time> {
        let mut guarded = lock(&self.guarded);
        guarded.armed = guarded.machine.poll_timeout().map(|(at, _)| at);
        guarded.armed
    }

    /// Ends all tasks, and lets the thread of the records end.
    pub(crate) fn stop(&self) {
        self.stopped.cancel();
        lock(&self.guarded).records = None;
    }

    pub(crate) async fn stopped(&self) {
        self.stopped.cancelled().await;
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.stopped.is_cancelled()
    }
}

impl Guarded {
    /// Tells the machine of the wall clock if that was set. Returns the time of the next input, and the step if it is to be
    /// logged.
    fn read_clock(&mut self, reading: Reading) -> (Time, Option<WallStep>) {
        let machine = &mut self.machine;
        (reading.now, self.wall.follow(reading, |now, wall| machine.handle_wall(now, wall)))
    }

    fn dispatch(&mut self) {
        while let Some(output) = self.machine.poll_output() {
            match output {
                CoordinatorOutput::Store { seq, record } => {
                    // Once the coordinator has ended, what depends on a record is never said.
                    if let Some(records) = &self.records {
                        drop(records.send((seq, record)));
                    }
                }
                CoordinatorOutput::Respond { id, reply, after } => {
                    self.gate.push_back((after, Effect::Respond(id, reply)));
                }
                CoordinatorOutput::Event { event, after } => self.gate.push_back((after, Effect::Report(event))),
            }
        }
    }

    /// Takes the answers that wait for no record any more, and lets the events before them go too.
    fn release(&mut self) -> Vec<(oneshot::Sender<Reply>, Reply)> {
        let mut answers = Vec::new();
        while self.gate.front().is_some_and(|(after, _)| *after <= self.stored) {
            match self.gate.pop_front() {
                Some((_, Effect::Respond(id, reply))) => {
                    answers.extend(self.waiting.remove(&id).map(|asker| (asker, reply)));
                }
                Some((_, Effect::Report(event))) => self.events.push_back(event),
                None => break,
            }
        }
        answers
    }

    /// Returns whether a deadline is earlier than the one that the timer waits for.
    fn is_earlier(&self) -> bool {
        match (self.machine.poll_timeout(), self.armed) {
            (Some((next, _)), Some(armed)) => next < armed,
            (Some(_), None) => true,
            (None, _) => false,
        }
    }
}
