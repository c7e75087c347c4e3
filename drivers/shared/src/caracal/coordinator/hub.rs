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
use crate::io::timer::Armed;
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
    armed: Armed,
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
            armed: Armed::default(),
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
        let reading = self.clock.follow(guarded.wall);
        let (now, step) = guarded.read_clock(reading);
        input(&mut guarded, now);
        guarded.dispatch();
        let answers = guarded.release();
        let has_events = !guarded.events.is_empty();
        let is_earlier = guarded.armed.is_after(guarded.deadline());
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
        log(event);
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
        let next = guarded.deadline();
        guarded.armed.set(next)
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

fn log(event: &CoordinatorEvent) {
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

    fn deadline(&self) -> Option<Time> {
        self.machine.poll_timeout().map(|(at, _)| at)
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails where it unwraps nothing")]
mod tests {
    use std::pin::pin;
    use std::task::{Context, Waker};
    use std::time::Duration;

    use nuncio_core::caracal::{
        ApplicationId, AuthorityId, CoordinatorConfig, EdgeId, Generation, LIFECYCLE_SCOPE, Principal, SessionId,
        TokenServiceConfig, ZoneConfig, ZoneId,
    };

    use super::super::{key, timer};
    use super::*;
    use crate::io::by_hand::ByHand;
    use crate::io::clock::{TICK, monotonic};
    use crate::io::logged::logged;

    #[test]
    fn sessions_and_edges_that_come_and_go_are_logged_with_their_ids() {
        let (zone, session, edge) =
            (ZoneId::new("z1").unwrap(), SessionId::new("s-1").unwrap(), EdgeId::new("e-1").unwrap());
        let application = ApplicationId::new("app-a").unwrap();
        let of = |zone: &ZoneId| (zone.clone(), session.clone());
        let assert_logs = |event: CoordinatorEvent, parts: &[&str]| {
            let line = logged(|| log(&event));
            assert!(line.starts_with("INFO") && parts.iter().all(|part| line.contains(part)), "{line}");
        };
        let (z, s) = of(&zone);
        let started = CoordinatorEvent::Started { zone: z, session: s, parent: None, application };
        assert_logs(started, &["s-1", "app-a", "a session was opened"]);
        let (z, s) = of(&zone);
        let ended = CoordinatorEvent::Ended { zone: z, session: s, reason: "closed".into() };
        assert_logs(ended, &["s-1", "closed", "a session has ended"]);
        let (z, s) = of(&zone);
        let suspended = CoordinatorEvent::Suspended { zone: z, session: s, reason: "lease".into() };
        assert_logs(suspended, &["s-1", "lease", "a session was suspended"]);
        let created = CoordinatorEvent::EdgeCreated { zone: zone.clone(), edge: edge.clone(), epoch: 1 };
        assert_logs(created, &["e-1", "an edge was created"]);
        let revoked = CoordinatorEvent::EdgeRevoked { zone, edge, epoch: 2 };
        assert_logs(revoked, &["e-1", "an edge was revoked"]);
    }

    /// A timer that only looked once a second would suspend a service up to a second late.
    #[test]
    fn the_timer_waits_for_the_lease_of_a_service_that_was_opened_meanwhile() {
        let (zone, application) = (ZoneId::new("z1").unwrap(), ApplicationId::new("app-a").unwrap());
        let config = CoordinatorConfig::default().with(|config| {
            config.generation = Generation::Head;
            config.lease = Duration::from_millis(500);
            let applications = vec![application.clone()];
            config.zones.push(ZoneConfig { id: zone.clone(), applications, resources: None });
        });
        let (io, clock) = (Arc::new(ByHand::default()), Clock::start());
        let key = SigningKey::read(&key::generate().unwrap()).unwrap();
        let tokens = TokenService::new(TokenServiceConfig::new("nuncio", key.id()), [7; 32]);
        let machine = Coordinator::new(config, [7; 32], clock.now());
        let hub = Hub::new(machine, None, 0, (tokens, key), (clock, Arc::clone(&io) as Arc<dyn Io>), None);
        timer::start(&hub);
        io.poll();
        assert_eq!(io.timers().len(), 1);

        let caller = Principal {
            zone,
            subject: "app-a".into(),
            scopes: vec![LIFECYCLE_SCOPE.into()],
            authority: Some(AuthorityId::new("app-a").unwrap()),
            application,
        };
        let in_a_second = monotonic() + TICK;
        let request = IncomingRequest {
            method: "POST",
            target: "/zones/z1/agents",
            headers: &[],
            body: br#"{"application_id":"app-a","lifecycle":"service"}"#,
            caller: Ok(&caller),
        };
        let answered = pin!(hub.ask(&request)).poll(&mut Context::from_waker(Waker::noop()));
        assert!(answered.is_ready());
        io.poll();
        assert_eq!(io.timers().len(), 2);
        assert!(io.timers()[1] < in_a_second);
    }
}
