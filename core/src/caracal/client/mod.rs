//! The client of a coordinator: the sessions and delegations of one application.
//!
//! ```text
//!                 commands.rs                                answer.rs, failure.rs
//!   application --------------> Calls <-------------------------------------------------+
//!        ^                        | flush.rs, with the token of Tokens                  |
//!        |                        v                                                     |
//!        +---- events ---- outputs ---- requests ----> driver ----> coordinator ----> response
//!                             ^
//!                             | heartbeats, ends (timeout.rs)
//!                          Sessions
//! ```
//!
//! | Component  | File         | State                                                         |
//! |------------|--------------|---------------------------------------------------------------|
//! | `Calls`    | `calls/`     | what is asked for, and how far its attempts are               |
//! | `Sessions` | `sessions/`  | lifetimes of sessions, and leases of services                 |
//! | `Tokens`   | `tokens.rs`  | the token, and the question for the next one                  |
//! | `Timers`   | `timers.rs`  | all deadlines                                                 |
//!
//! Three modules are independent of the machine: the context, which says who acts for whom (`context.rs`); the headers
//! that the program has set on a call (`inject.rs`); and the destination of a call (`routing/`).

pub(crate) mod answer;
mod calls;
pub(crate) mod commands;
pub(crate) mod config;
pub(crate) mod context;
pub(crate) mod event;
mod failure;
mod flush;
pub(crate) mod inject;
mod retry;
pub(crate) mod routing;
mod sessions;
mod timeout;
mod timers;
mod tokens;
mod wall;

use alloc::collections::VecDeque;
use core::fmt;

use crate::clock::Clock;
use crate::random::Random;
use crate::time::Time;
use calls::Calls;
use config::ClientConfig;
use event::{ClientEvent, ClientOutput, ClientTimer};
use sessions::Sessions;
use timers::Timers;
use tokens::Tokens;

/// The calls of one application to its coordinator.
///
/// ```
/// use nuncio_core::caracal::{
///     ApplicationId, BearerToken, Client, ClientConfig, ClientEvent, ClientOutput, Response, Spawn, ZoneId,
/// };
/// use nuncio_core::time::Time;
///
/// let now = Time(1_779_000_000_000_000);
/// let mut client = Client::new(ClientConfig::new(ZoneId::new("z1")?), [7; 32], now);
/// let call = client.spawn(now, Spawn::new(ApplicationId::new("app-a")?))?;
///
/// let Some(ClientOutput::TokenNeeded { rejected: false }) = client.poll_output() else { panic!() };
/// client.token(now, BearerToken::new("token")?, None);
/// let Some(ClientOutput::Request { id, request }) = client.poll_output() else { panic!() };
/// assert_eq!(request.path(), "/zones/z1/agents");
///
/// client.handle_response(now, id, &Response { status: 201, retry_after: None, body: br#"{"id":"s-1"}"# });
/// let Some(ClientOutput::Event(ClientEvent::Spawned { call: answered, session, .. })) = client.poll_output() else {
///     panic!()
/// };
/// assert_eq!((answered, session.as_str()), (call, "s-1"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Client {
    config: ClientConfig,
    random: Random,
    clock: Clock,
    closing: Closing,
    tokens: Tokens,
    calls: Calls,
    sessions: Sessions,
    timers: Timers,
    outputs: VecDeque<ClientOutput>,
}

/// How far the end of a client is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Closing {
    /// The client takes commands.
    Open,
    /// The client finishes its open calls.
    Finishing,
    /// The last event was emitted.
    Closed,
}

impl Client {
    /// Creates a client. The same seed and the same inputs give byte-identical outputs.
    pub fn new(config: ClientConfig, seed: [u8; 32], now: Time) -> Client {
        Client {
            config,
            random: Random::new(seed),
            clock: Clock::new(now),
            closing: Closing::Open,
            tokens: Tokens::new(),
            calls: Calls::default(),
            sessions: Sessions::default(),
            timers: Timers::default(),
            outputs: VecDeque::new(),
        }
    }

    /// Returns the settings that the client was created with.
    pub const fn config(&self) -> &ClientConfig {
        &self.config
    }

    /// Returns the next output. Outputs must be acted on in this order.
    pub fn poll_output(&mut self) -> Option<ClientOutput> {
        self.outputs.pop_front()
    }

    /// Returns the next deadline and its reason.
    pub fn poll_timeout(&self) -> Option<(Time, ClientTimer)> {
        self.timers.next()
    }

    /// Returns the number of bytes of all open calls and sessions, for tests that assert their bound. Outputs that were
    /// not polled are not counted.
    pub fn bytes_held(&self) -> usize {
        self.calls.bytes_held().saturating_add(self.sessions.bytes_held())
    }

    /// Takes the present time of an input. Time never steps back.
    fn advance(&mut self, now: Time) {
        self.clock.advance(now);
    }

    fn emit(&mut self, event: ClientEvent) {
        self.outputs.push_back(ClientOutput::Event(event));
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("config", &self.config).field("closing", &self.closing).finish_non_exhaustive()
    }
}
