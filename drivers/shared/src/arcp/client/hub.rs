//! The client machine behind one lock, and the signals of the tasks and handles that share it.

use std::sync::{Arc, Mutex};

use async_broadcast as broadcast;
use futures_lite::future::or;
use nuncio_core::arcp::client::{ClientRefused, ResumePoint, Welcome};
use nuncio_core::arcp::{Client, ClientConfig};
use nuncio_core::time::Time;

use super::action::{Actions, Host};
use super::dispatch::State;
use super::error::{ClientError, SessionEnd};
use super::session::SessionEvent;
use crate::io::Io;
use crate::io::clock::Clock;
use crate::io::sync::{Signal, Watch, lock};

/// The state that the tasks and handles of one client share.
pub(super) struct Hub {
    state: Mutex<State>,
    pub(super) clock: Clock,
    /// Notified when the next deadline has moved to an earlier time.
    pub(super) timer: Signal,
    /// Notified when the machine asks for a connection, and when the session has ended.
    pub(super) wanted: Signal,
    pub(super) welcome: Watch<Option<Arc<Welcome>>>,
    pub(super) end: Watch<Option<SessionEnd>>,
    pub(super) events: broadcast::Sender<SessionEvent>,
    /// Keeps the channel open while it has no receivers, and makes new ones.
    pub(super) audience: broadcast::InactiveReceiver<SessionEvent>,
}

/// The number of session events that wait for the application; then the oldest is dropped.
const KEPT_EVENTS: usize = 64;

impl Hub {
    pub(super) fn new(config: ClientConfig, seed: [u8; 32], resume: Option<ResumePoint>) -> Hub {
        let clock = Clock::start();
        let client = match resume {
            Some(point) => Client::resuming(config, seed, clock.now(), point),
            None => Client::new(config, seed, clock.now()),
        };
        let (mut events, audience) = broadcast::broadcast(KEPT_EVENTS);
        events.set_overflow(true);
        Hub {
            state: Mutex::new(State::new(client)),
            clock,
            timer: Signal::default(),
            wanted: Signal::default(),
            welcome: Watch::new(None),
            end: Watch::new(None),
            events,
            audience: audience.deactivate(),
        }
    }

    /// Runs one input, dispatches the machine's outputs in their order, releases the lock, then performs the actions.
    pub(super) fn run<R>(&self, input: impl FnOnce(&mut State, Time) -> R) -> R {
        self.run_with(input, |_| false)
    }

    /// Runs a request of the application. If nothing else is under way, the calling thread sends it, so that no other has to be
    /// woken; if there is, requests are gathered.
    pub(super) fn request<R>(&self, input: impl FnOnce(&mut State, Time) -> R) -> R {
        self.run_with(input, |state| state.slots.len() <= 1)
    }

    fn run_with<R>(&self, input: impl FnOnce(&mut State, Time) -> R, write_now: impl FnOnce(&State) -> bool) -> R {
        let mut actions = Actions::default();
        let mut state = lock(&self.state);
        let now = self.clock.now();
        let answer = input(&mut state, now);
        state.dispatch(now, &mut actions);
        let earlier = state.arm();
        let write_now = write_now(&state);
        drop(state);
        if earlier {
            self.timer.notify();
        }
        actions.perform(self, write_now);
        answer
    }

    pub(super) fn look<R>(&self, look: impl FnOnce(&State) -> R) -> R {
        look(&lock(&self.state))
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

    /// Ends the session on this side, because the runtime cannot be reached.
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

    /// Reports passed deadlines to the machine, until the session has ended.
    pub(super) async fn keep_time(self: Arc<Self>, io: Arc<dyn Io>) {
        while self.ended().is_none() {
            let due = self.clock.instant(self.look(State::armed));
            let passed = async {
                io.sleep_until(due).await;
                true
            };
            let nearer = async {
                self.timer.notified().await;
                false
            };
            if or(passed, nearer).await {
                self.run(State::expire);
            }
        }
    }

    /// Returns why the session has ended, or `None` if it has not.
    pub(super) fn ended(&self) -> Option<SessionEnd> {
        self.end.value()
    }

    /// Returns the error of a request whose answer can no longer arrive.
    pub(super) fn gone(&self) -> ClientError {
        self.ended().map_or(ClientError::Refused(ClientRefused::Closed), ClientError::Ended)
    }
}

impl Host for Hub {
    fn connect(&self) {
        self.wanted.notify();
    }

    fn announce(&self, event: SessionEvent) {
        // There may be no listeners.
        drop(self.events.try_broadcast(event));
    }

    fn welcomed(&self, welcome: Arc<Welcome>) {
        self.welcome.set(Some(welcome));
    }

    fn finish(&self, end: SessionEnd) {
        self.end.set(Some(end));
        self.wanted.notify();
        self.timer.notify();
    }
}
