//! The machine of one application behind one lock.
//!
//! ```text
//! state.rs      what the lock guards: the machine, who waits for which call, what is to be done
//! tasks.rs      what is done on the driver's thread: requests, tokens, answers, hooks, time
//! ```

mod state;
pub(super) mod tasks;

use std::sync::{Arc, Mutex};

use futures_channel::oneshot;
use nuncio_core::caracal::{CallId, Client, ClientConfig, ClientEvent, ClientRefused, SessionId};
use nuncio_core::time::Time;
use tracing::warn;

use self::state::State;
use super::http::HttpClient;
use super::http::origin::Endpoint;
use super::lifecycle::Hooks;
use super::token::Tokens;
use crate::io::clock::Clock;
use crate::io::sync::{CancellationToken, Signal, lock};
use crate::io::{Driver, Sanitized};

/// The state that the handles and tasks of one application share.
pub(crate) struct Hub<D: Driver> {
    state: Mutex<State>,
    clock: Clock,
    pub(super) thread: Arc<D::Thread>,
    pub(super) http: HttpClient<D>,
    coordinator: Endpoint,
    pub(super) tokens: Arc<Tokens<D>>,
    pub(super) hooks: Hooks,
    /// Notified when there may be something to do.
    wanted: Signal,
    /// Notified when the next deadline has moved to an earlier time.
    timer: Signal,
    stopped: CancellationToken,
}

/// What a [`Hub`] is made of.
pub(super) struct HubParts<D: Driver> {
    pub(super) config: ClientConfig,
    pub(super) seed: [u8; 32],
    pub(super) clock: Clock,
    pub(super) thread: Arc<D::Thread>,
    pub(super) http: HttpClient<D>,
    pub(super) coordinator: Endpoint,
    pub(super) tokens: Arc<Tokens<D>>,
    pub(super) hooks: Hooks,
}

impl<D: Driver> Hub<D> {
    fn new(parts: HubParts<D>) -> Hub<D> {
        let HubParts { config, seed, clock, thread, http, coordinator, tokens, hooks } = parts;
        Hub {
            state: Mutex::new(State::new(Client::new(config, seed, clock.now()))),
            clock,
            thread,
            http,
            coordinator,
            tokens,
            hooks,
            wanted: Signal::default(),
            timer: Signal::default(),
            stopped: CancellationToken::new(),
        }
    }

    /// Runs one input and takes the machine's outputs in, on which the hub's task acts.
    fn run<T>(&self, input: impl FnOnce(&mut State, Time) -> T) -> T {
        let mut state = lock(&self.state);
        let reading = self.clock.follow(state.wall());
        let (now, step) = state.read_clock(reading);
        let answer = input(&mut state, now);
        state.dispatch();
        let is_earlier = state.is_earlier();
        drop(state);
        if let Some(step) = step {
            step.log();
        }
        self.wanted.notify();
        if is_earlier {
            self.timer.notify();
        }
        answer
    }

    /// Gives the machine a command, whose event is awaited.
    pub(super) fn ask(
        &self,
        command: impl FnOnce(&mut Client, Time) -> Result<CallId, ClientRefused>,
    ) -> Result<oneshot::Receiver<ClientEvent>, ClientRefused> {
        self.run(|state, now| {
            let call = command(state.client(), now)?;
            Ok(state.wait(call))
        })
    }

    /// Terminates a session for which no handle is left. Its lifetime ends it if this fails.
    pub(super) fn abandon(&self, session: &SessionId) {
        if let Err(refused) = self.run(|state, now| state.client().terminate(now, session.clone()).map(drop)) {
            warn!(session = %Sanitized(&session), error = %Sanitized(&refused), "a session is not terminated; it ends with its lifetime");
        }
    }

    /// Lets the machine finish its terminations and what is under way, and then ends the tasks.
    pub(super) fn close(&self) {
        self.run(|state, now| state.client().close(now));
    }

    /// Waits until a hub that is being closed has ended.
    pub(super) async fn closed(&self) {
        self.stopped.cancelled().await;
    }

    /// Returns why the coordinator was not reached last.
    pub(super) fn unreachable(&self) -> Option<String> {
        lock(&self.state).unreachable().map(ToOwned::to_owned)
    }
}
