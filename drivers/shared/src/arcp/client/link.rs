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

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> ConnectError {
        ConnectError::Ended(text.to_owned())
    }

    fn last(link: &LinkState) -> String {
        link.last().map(ToString::to_string).unwrap_or_default()
    }

    #[test]
    fn only_the_present_connection_counts() {
        let (mut link, pipe) = (LinkState::default(), Arc::new(Pipe::default()));
        let first = link.attach(Arc::clone(&pipe));
        assert!(link.is_current(first) && link.pipe().is_some());
        assert!(!link.ended(error("early")), "it was not upgraded");
        assert!(!link.is_current(first) && link.pipe().is_none());
        assert_eq!(last(&link), "early");
        let second = link.attach(Arc::clone(&pipe));
        assert!(link.is_current(second) && !link.is_current(first));
        link.opened();
        assert!(link.ended(error("late")), "it was upgraded");
        assert_eq!(last(&link), "late");
        let third = link.attach(Arc::clone(&pipe));
        link.opened();
        assert!(link.detach().is_some_and(|detached| Arc::ptr_eq(&detached, &pipe)));
        assert!(!link.is_current(third) && link.detach().is_none());
        link.attach(pipe);
        assert!(!link.ended(error("another")), "the one before was upgraded");
    }

    #[test]
    fn what_is_wanted_is_told_once() {
        let mut link = LinkState::default();
        assert_eq!((link.take_wanted(), link.take_wanted()), (Some(0), None), "a client begins with a connection");
        assert!(!link.is_token_wanted() && !link.take_progress() && !link.was_welcomed());
        link.want(3, true);
        link.want(4, false);
        assert_eq!((link.take_wanted(), link.take_wanted()), (Some(4), None));
        assert!(link.is_token_wanted(), "until there is one");
        link.renewed();
        assert!(!link.is_token_wanted());
        link.progress();
        assert!(link.take_progress() && !link.take_progress());
    }

    /// The window begins with the loss, and not with a later attempt that fails.
    #[test]
    fn the_resume_window_has_passed_when_the_session_was_lost_for_longer() {
        const WINDOW: Duration = Duration::from_secs(10);
        let (mut link, lost) = (LinkState::default(), Time(1_000_000));
        link.lost(lost, None);
        assert_eq!(link.window_passed(lost.plus_secs(1_000)), None, "no runtime has promised anything");
        link.welcomed(Some(WINDOW));
        assert_eq!(link.window_passed(lost.plus_secs(1_000)), None, "the session is live");
        link.lost(lost, Some(error("refused")));
        link.lost(lost.plus_secs(5), None);
        assert_eq!(last(&link), "refused");
        assert_eq!(link.window_passed(lost.plus(WINDOW)), None);
        assert_eq!(link.window_passed(lost.plus(WINDOW).plus_micros(1)), Some(WINDOW));
        link.failed(error("unreachable"));
        assert_eq!(last(&link), "unreachable");
        link.welcomed(None);
        link.lost(lost, None);
        assert_eq!(link.window_passed(lost.plus_secs(1_000)), None, "this runtime has promised nothing");
    }
}
