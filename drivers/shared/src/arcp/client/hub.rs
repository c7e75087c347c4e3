//! The client machine behind one lock, and what becomes of its outputs.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::task::Waker;
use std::time::Duration;

use async_broadcast as broadcast;
use futures_channel::oneshot;
use futures_lite::future::or;
use nuncio_core::arcp::client::{ClientOutput, ClientRefused, HandleId, JobPage, RequestId, ResumePoint, Welcome};
use nuncio_core::arcp::{Client, ClientConfig};
use nuncio_core::time::Time;

use super::error::{ClientError, ConnectError, SessionEnd};
use super::ledger::Ledger;
use super::session::SessionEvent;
use super::slot::Slot;
use crate::io::Io;
use crate::io::clock::Clock;
use crate::io::pipe::Pipe;
use crate::io::sync::lock;
use crate::io::sync::{Signal, Watch};

/// What the tasks and handles of one client share.
pub(super) struct Hub {
    state: Mutex<State>,
    pub(super) clock: Clock,
    /// The next deadline has come nearer.
    pub(super) timer: Signal,
    /// A connection is wanted, or none ever again.
    pub(super) wanted: Signal,
    pub(super) welcome: Watch<Option<Arc<Welcome>>>,
    pub(super) end: Watch<Option<SessionEnd>>,
    pub(super) events: broadcast::Sender<SessionEvent>,
    /// Makes receivers; it takes nothing itself.
    pub(super) audience: broadcast::InactiveReceiver<SessionEvent>,
}

/// The machine and what the driver keeps beside it.
pub(super) struct State {
    pub(super) client: Client,
    pub(super) slots: HashMap<HandleId, Arc<Slot>>,
    pub(super) lists: HashMap<RequestId, oneshot::Sender<Result<JobPage, ClientError>>>,
    pub(super) cancels: HashMap<RequestId, oneshot::Sender<Result<(), ClientError>>>,
    pub(super) ledger: Ledger,
    pub(super) link: LinkState,
    pub(super) end: Option<SessionEnd>,
    armed: Time,
}

/// What is known of the connection.
#[derive(Default)]
pub(super) struct LinkState {
    /// Counts connections: what a former one reports is ignored.
    epoch: u64,
    /// The connection is upgraded: the machine knows of it.
    pub(super) opened: bool,
    pub(super) pipe: Option<Arc<Pipe>>,
    pub(super) wanted: Option<u32>,
    pub(super) welcomed: bool,
    /// How long the runtime keeps a lost session.
    pub(super) window: Option<Duration>,
    pub(super) lost_at: Option<Time>,
    /// How the last connection or attempt ended.
    pub(super) last: Option<ConnectError>,
}

/// What is done once the lock is free again.
#[derive(Default)]
pub(super) struct Effects {
    pub(super) pipes: Vec<Arc<Pipe>>,
    pub(super) wakers: Vec<Waker>,
    pub(super) events: Vec<SessionEvent>,
    pub(super) welcome: Option<Arc<Welcome>>,
    pub(super) wanted: bool,
    pub(super) end: Option<SessionEnd>,
}

/// Session events kept for an application that does not take them.
const KEPT_EVENTS: usize = 64;

impl Hub {
    pub(super) fn new(config: ClientConfig, seed: [u8; 32], resume: Option<ResumePoint>) -> Hub {
        let clock = Clock::start();
        let state = State {
            client: match resume {
                Some(point) => Client::resuming(config, seed, clock.now(), point),
                None => Client::new(config, seed, clock.now()),
            },
            slots: HashMap::new(),
            lists: HashMap::new(),
            cancels: HashMap::new(),
            ledger: Ledger::default(),
            link: LinkState { wanted: Some(0), ..LinkState::default() },
            end: None,
            armed: Time::MAX,
        };
        let (mut events, audience) = broadcast::broadcast(KEPT_EVENTS);
        events.set_overflow(true);
        Hub {
            state: Mutex::new(state),
            clock,
            timer: Signal::default(),
            wanted: Signal::default(),
            welcome: Watch::new(None),
            end: Watch::new(None),
            events,
            audience: audience.deactivate(),
        }
    }

    /// Runs one input, moves all outputs on in the machine's order, frees the lock, then wakes whom they concern.
    pub(super) fn run<R>(&self, input: impl FnOnce(&mut State, Time) -> R) -> R {
        let mut effects = Effects::default();
        let mut state = lock(&self.state);
        let now = self.clock.now();
        let answer = input(&mut state, now);
        state.drain(now, &mut effects);
        let nearer = state.arm();
        drop(state);
        if nearer {
            self.timer.notify();
        }
        self.perform(effects);
        answer
    }

    pub(super) fn look<R>(&self, look: impl FnOnce(&State) -> R) -> R {
        look(&lock(&self.state))
    }

    fn perform(&self, effects: Effects) {
        for pipe in effects.pipes {
            pipe.wake();
        }
        for waker in effects.wakers {
            waker.wake();
        }
        if effects.wanted {
            self.wanted.notify();
        }
        // Before the event: who hears of the end finds it told.
        if let Some(end) = effects.end {
            self.end.set(Some(end));
            self.wanted.notify();
            self.timer.notify();
        }
        for event in effects.events {
            self.announce(event);
        }
        // After the event: who waited for the first welcome and listens now is not told of it again.
        if let Some(welcome) = effects.welcome {
            self.welcome.set(Some(welcome));
        }
    }

    /// Tells whoever listens; nobody has to.
    pub(super) fn announce(&self, event: SessionEvent) {
        drop(self.events.try_broadcast(event));
    }

    /// Reports events as taken by the application.
    pub(super) fn taken(&self, indices: &mut Vec<u64>) {
        if !indices.is_empty() {
            self.run(|state, now| {
                for index in indices.drain(..) {
                    state.take(now, index);
                }
            });
        }
    }

    /// Ends the session from this side, because there is no way to the runtime.
    pub(super) fn give_up(&self, end: SessionEnd) {
        self.run(|state, now| {
            if state.end.is_none() {
                state.end = Some(end);
                state.link.detach();
                state.client.handle_close(now);
                state.client.close(now, None);
            }
        });
    }

    /// Tells the machine of its deadlines, until the session has ended.
    pub(super) async fn keep_time(self: Arc<Self>, io: Arc<dyn Io>) {
        while self.ended().is_none() {
            let due = self.clock.instant(self.look(|state| state.armed));
            let passed = async {
                io.sleep_until(due).await;
                true
            };
            let nearer = async {
                self.timer.notified().await;
                false
            };
            if or(passed, nearer).await {
                self.run(|state, now| {
                    state.armed = Time::MAX;
                    state.client.handle_timeout(now);
                });
            }
        }
    }

    /// Why the session has ended, if it has.
    pub(super) fn ended(&self) -> Option<SessionEnd> {
        self.end.value()
    }

    /// The error of a request whose answer cannot come any more.
    pub(super) fn gone(&self) -> ClientError {
        self.ended().map_or(ClientError::Refused(ClientRefused::Closed), ClientError::Ended)
    }
}

impl State {
    fn drain(&mut self, now: Time, effects: &mut Effects) {
        while let Some(output) = self.client.poll_output() {
            match output {
                ClientOutput::Send(frame) => {
                    if let Some(pipe) = &self.link.pipe {
                        pipe.push(frame);
                        effects.wake(pipe);
                    }
                }
                ClientOutput::Connect { attempt, .. } => {
                    self.link.wanted = Some(attempt);
                    effects.wanted = true;
                }
                ClientOutput::CloseTransport { code, reason } => {
                    if let Some(pipe) = self.link.detach() {
                        pipe.close(code, reason);
                        effects.wake(&pipe);
                    }
                }
                ClientOutput::Reading => {
                    if let Some(pipe) = &self.link.pipe {
                        pipe.read_on();
                        effects.wake(pipe);
                    }
                }
                ClientOutput::Event(event) => self.route(now, event, effects),
            }
        }
    }

    fn arm(&mut self) -> bool {
        let next = self.client.poll_timeout().map_or(Time::MAX, |(deadline, _)| deadline);
        let nearer = next < self.armed;
        if nearer {
            self.armed = next;
        }
        nearer
    }

    /// The error of a refused request: why the session is over, if that is the reason.
    pub(super) fn refusal(&self, refused: ClientRefused) -> ClientError {
        match (&self.end, refused) {
            (Some(end), ClientRefused::Closed) => ClientError::Ended(end.clone()),
            (_, refused) => ClientError::Refused(refused),
        }
    }

    /// An event was taken; the machine hears of it once all before it were, too.
    pub(super) fn take(&mut self, now: Time, index: u64) {
        let taken = self.ledger.take(index);
        if taken > 0 {
            self.client.handle_taken(now, taken);
        }
    }
}

impl LinkState {
    /// A connection that is tried or made now; the former one is ignored from now on.
    pub(super) fn attach(&mut self, pipe: Arc<Pipe>) -> u64 {
        self.epoch += 1;
        self.opened = false;
        self.pipe = Some(pipe);
        self.epoch
    }

    pub(super) fn detach(&mut self) -> Option<Arc<Pipe>> {
        self.epoch += 1;
        self.opened = false;
        self.pipe.take()
    }

    pub(super) fn is_current(&self, epoch: u64) -> bool {
        self.epoch == epoch
    }

    /// Whether a session lost at that time can still be there.
    pub(super) fn window_passed(&self, now: Time) -> Option<Duration> {
        let lost_for = Duration::from_micros(now.since(self.lost_at?));
        self.window.filter(|window| lost_for > *window)
    }
}

impl Effects {
    fn wake(&mut self, pipe: &Arc<Pipe>) {
        if !self.pipes.iter().any(|other| Arc::ptr_eq(other, pipe)) {
            self.pipes.push(Arc::clone(pipe));
        }
    }
}
