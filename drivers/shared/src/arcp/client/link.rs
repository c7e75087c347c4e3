//! The state of the connection to the runtime.

use std::sync::Arc;
use std::time::Duration;

use nuncio_core::time::Time;

use super::error::ConnectError;
use crate::io::pipe::Pipe;

/// The connection of a client: the present one, and whether another is wanted.
pub(super) struct LinkState {
    /// Identifies the present connection. Reports of former ones are ignored.
    epoch: u64,
    /// Whether the present connection is upgraded and the machine was told.
    opened: bool,
    pipe: Option<Arc<Pipe>>,
    /// The number of failed attempts, if the machine waits for a connection.
    wanted: Option<u32>,
    token: Token,
    /// Whether a welcome was received.
    welcomed: bool,
    /// Whether the session has received an event or an answer since the last attempt to connect.
    progress: bool,
    /// The session's resume window, as the runtime announced it (§6.3).
    window: Option<Duration>,
    lost_at: Option<Time>,
    /// How the last connection or attempt ended.
    last: Option<ConnectError>,
}

/// The bearer token of the next connection.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Token {
    /// The machine has it.
    Given,
    /// Its source is asked for it first.
    Wanted,
}

impl Default for LinkState {
    fn default() -> LinkState {
        LinkState {
            epoch: 0,
            opened: false,
            pipe: None,
            wanted: Some(0),
            token: Token::Given,
            welcomed: false,
            progress: false,
            window: None,
            lost_at: None,
            last: None,
        }
    }
}

impl LinkState {
    /// Notes that the machine wants a connection, after this number of failed attempts, and whether with a newer token.
    pub(super) fn want(&mut self, failed: u32, renew: bool) {
        self.wanted = Some(failed);
        if renew {
            self.token = Token::Wanted;
        }
    }

    /// Whether the bearer token is asked for before the next connection.
    pub(super) fn is_token_wanted(&self) -> bool {
        self.token == Token::Wanted
    }

    /// Notes that the machine was given the token that was asked for.
    pub(super) fn renewed(&mut self) {
        self.token = Token::Given;
    }

    /// Removes and returns the number of failed attempts, if a connection is wanted.
    pub(super) fn take_wanted(&mut self) -> Option<u32> {
        self.wanted.take()
    }

    /// Starts a connection that is to be upgraded, and returns its epoch. Reports of the former one are ignored from
    /// now on.
    pub(super) fn attach(&mut self, pipe: Arc<Pipe>) -> u64 {
        self.epoch += 1;
        self.opened = false;
        self.pipe = Some(pipe);
        self.epoch
    }

    /// Abandons the connection. Its reports are ignored from now on.
    pub(super) fn detach(&mut self) -> Option<Arc<Pipe>> {
        self.epoch += 1;
        self.opened = false;
        self.pipe.take()
    }

    pub(super) fn is_current(&self, epoch: u64) -> bool {
        self.epoch == epoch
    }

    pub(super) fn pipe(&self) -> Option<&Arc<Pipe>> {
        self.pipe.as_ref()
    }

    /// Notes that the present connection has been upgraded.
    pub(super) fn opened(&mut self) {
        self.opened = true;
    }

    /// Abandons a connection that has ended, and keeps the reason. Returns whether it had been upgraded.
    pub(super) fn ended(&mut self, error: ConnectError) -> bool {
        let opened = self.opened;
        self.detach();
        self.last = Some(error);
        opened
    }

    /// Notes why an attempt to connect failed.
    pub(super) fn failed(&mut self, error: ConnectError) {
        self.last = Some(error);
    }

    /// Notes that the session is live. `window` is how long the runtime keeps it after a loss.
    pub(super) fn welcomed(&mut self, window: Option<Duration>) {
        self.welcomed = true;
        self.lost_at = None;
        self.window = window;
    }

    /// Notes that the session has received an event or an answer.
    pub(super) fn progress(&mut self) {
        self.progress = true;
    }

    /// Returns whether the session has received an event or an answer since this was last asked.
    pub(super) fn take_progress(&mut self) -> bool {
        std::mem::take(&mut self.progress)
    }

    /// Notes that the session has lost its connection, or that the runtime has refused one.
    pub(super) fn lost(&mut self, now: Time, refused: Option<ConnectError>) {
        self.lost_at.get_or_insert(now);
        if refused.is_some() {
            self.last = refused;
        }
    }

    pub(super) fn was_welcomed(&self) -> bool {
        self.welcomed
    }

    /// Returns how the last connection or attempt ended.
    pub(super) fn last(&self) -> Option<&ConnectError> {
        self.last.as_ref()
    }

    /// Returns the resume window, if it has passed since the connection was lost.
    pub(super) fn window_passed(&self, now: Time) -> Option<Duration> {
        let lost_for = Duration::from_micros(now.since(self.lost_at?));
        self.window.filter(|window| lost_for > *window)
    }
}
