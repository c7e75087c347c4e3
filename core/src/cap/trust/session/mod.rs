//! The worker's side of a trust session.
//!
//! ```text
//!  connect  disconnect  replied  handle_timeout
//!        \        |        |        /
//!   exchange.rs  request.rs  verify.rs   requests that are made, answers that are checked
//!                   |
//!               TrustState               private; changes by its transitions only
//!                   |
//!              poll_output
//! ```

mod exchange;
pub(crate) mod output;
mod request;
pub(crate) mod state;
mod verify;
mod wall;

use alloc::collections::VecDeque;
use alloc::sync::Arc;

use self::output::{TrustOutput, TrustRequest};
use self::request::{Exchange, capability};
use self::state::TrustState;
use self::verify::Session;
use super::settings::{TrustMode, TrustSettings};
use crate::cap::signature::host::Verifier;
use crate::cap::wire::codec::write::MapOrder;
use crate::cap::wire::handshake::Handshake;
use crate::cap::wire::subject::ComponentId;
use crate::clock::Clock;
use crate::random::Random;
use crate::secret::Secret;
use crate::time::Time;

/// The worker's side of a trust session: it asks for a challenge, answers it, and renews the token that it gets before it
/// expires. A [`Worker`](crate::cap::Worker) has one; it is public for hosts that are workers of their own.
///
/// The scheduler's answers are checked in full in both modes. A token outlives a lost connection, but proves nothing on
/// the next one: the session is renewed there, or a new one is had.
#[derive(Clone, Debug)]
pub struct TrustSession {
    mode: TrustMode,
    settings: Arc<TrustSettings>,
    verifier: Arc<dyn Verifier>,
    map_order: MapOrder,
    worker: ComponentId,
    capability: Handshake,
    random: Random,
    clock: Clock,
    state: TrustState,
    /// What is under way.
    exchange: Option<Exchange>,
    /// Attempts of the present exchange that have failed.
    failures: u32,
    /// The request that was sent last.
    last: TrustRequest,
    session: Option<Session>,
    /// Whether jobs may be taken, as far as the last exchange is concerned.
    is_open: bool,
    /// The time when a reply is late, a pause ends, or the session is renewed.
    due: Option<Time>,
    outputs: VecDeque<TrustOutput>,
}

impl TrustSession {
    /// Returns a session whose bus is away. The capability is what the worker says about itself; its id, role, versions and
    /// software are filled in.
    pub fn new(
        mode: TrustMode,
        settings: Arc<TrustSettings>,
        verifier: Arc<dyn Verifier>,
        worker: ComponentId,
        capability: Handshake,
        seed: [u8; 32],
        now: Time,
    ) -> TrustSession {
        TrustSession {
            mode,
            capability: self::capability(capability, &worker, settings.sdk_version()),
            settings,
            verifier,
            map_order: MapOrder::default(),
            worker,
            random: Random::new(seed),
            clock: Clock::new(now),
            state: TrustState::Idle,
            exchange: None,
            failures: 0,
            last: TrustRequest(0),
            session: None,
            is_open: false,
            due: None,
            outputs: VecDeque::new(),
        }
    }

    /// Returns the next output, if there is one.
    pub fn poll_output(&mut self) -> Option<TrustOutput> {
        self.outputs.pop_front()
    }

    /// Returns when [`TrustSession::handle_timeout`] is to be called.
    pub fn poll_timeout(&self) -> Option<Time> {
        let expires_at = self.session.as_ref().map(|session| session.expiry.over());
        [self.due, expires_at].into_iter().flatten().min()
    }

    /// Returns where the session stands.
    pub fn state(&self) -> TrustState {
        self.state
    }

    /// Returns the token, if there is one that is valid.
    pub fn token(&self, now: Time) -> Option<&Secret> {
        self.session.as_ref().filter(|session| !session.expiry.is_over(now)).map(|session| &session.token)
    }

    /// Returns whether jobs may be taken: the last exchange on this connection has not failed and, in the mode `Enforce`,
    /// there is a token that is valid. In the mode `Warn` an exchange has not failed if the scheduler could not be reached.
    pub fn admits(&self, now: Time) -> bool {
        self.is_open && (self.mode == TrustMode::Warn || self.token(now).is_some())
    }

    /// Whether jobs may be taken, as far as the last exchange is concerned; the token may have expired since.
    pub(crate) fn is_open(&self) -> bool {
        self.is_open
    }

    /// Returns whether packets may be sent: in the mode `Enforce` every packet carries a token.
    pub fn may_send(&self, now: Time) -> bool {
        self.mode == TrustMode::Warn || self.admits(now)
    }

    /// Advances the time, which never steps back.
    fn advance(&mut self, now: Time) {
        self.clock.advance(now);
    }
}
