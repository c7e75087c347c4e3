//! The state of a client.
//!
//! ```text
//!            open              welcome          close            finish, lose
//!    Idle -----------> Greeting -----> Live ----------> Closing -----+
//!     |                 |    ^          |                  |         |
//!     | lose       lose |    | open     | lose             | refuse  |
//!     |                 v    |          |                  v         v
//!     +---------------> Lost <----------+                  Closed <--+
//!
//!    Lost            --lose-->   Lost      another attempt to connect has failed
//!    Greeting, Live  --refuse--> Closed
//!    Lost            --give_up--> Closed
//!    Idle, Greeting, Lost --close--> Closed
//! ```
//!
//! A session survives `Lost`: the next greeting resumes it. No transition leaves `Closed`.

use crate::state::transitions;

/// The state of a client, and the number of attempts since its last welcome.
#[derive(Clone, Debug)]
pub(super) struct State {
    phase: Phase,
    /// Failed attempts to reach the runtime since the last welcome.
    attempt: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// No transport was opened yet.
    Idle,
    /// The hello was sent.
    Greeting,
    /// The runtime has welcomed the client.
    Live,
    /// There is no transport. The next one resumes the session, if there is one.
    Lost,
    /// The application has closed the client, and `session.close` was sent or waits for credit.
    Closing,
    /// The client is closed.
    Closed,
}

transitions!(Phase {
    /// A transport was opened.
    open: Idle | Lost => Greeting;
    /// The runtime sent `session.welcome`.
    welcome: Greeting => Live;
    /// The runtime refused the session for good, or does not speak ARCP.
    refuse: Greeting | Live | Closing => Closed;
    /// The runtime has refused the token, and there is no newer one.
    give_up: Lost => Closed;
    /// The transport was lost, or could not be opened.
    lose: Idle | Greeting | Live | Lost => Lost, Closing => Closed;
    /// The application closed the client.
    close: Live => Closing, Idle | Greeting | Lost => Closed;
    /// The runtime sent `session.closed`, or did not in time.
    finish: Closing => Closed;
});

/// What a client does after its transport was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AfterLoss {
    /// It asks for another transport.
    Reconnect {
        /// Failed attempts since the last welcome.
        attempt: u32,
        /// Whether a transport was up before.
        was_connected: bool,
    },
    /// It is closed, because it was closing before.
    Close,
}

impl State {
    pub(super) fn new() -> State {
        State { phase: Phase::Idle, attempt: 0 }
    }

    /// Records that a transport was opened. Returns whether a hello is to be sent.
    pub(super) fn open(&mut self) -> bool {
        self.phase.open()
    }

    /// Records a `session.welcome`. Returns whether it was expected.
    pub(super) fn welcome(&mut self) -> bool {
        let welcomed = self.phase.welcome();
        if welcomed {
            self.attempt = 0;
        }
        welcomed
    }

    /// Records that the runtime refused the session for good. Returns whether that closes the client.
    pub(super) fn refuse(&mut self) -> bool {
        self.phase.refuse()
    }

    /// Records that there is no newer token in place of one that was refused. Returns whether that closes the client.
    pub(super) fn give_up(&mut self) -> bool {
        self.phase.give_up()
    }

    /// Records that the transport was lost, or could not be opened. Returns what follows, or `None` if the client is
    /// closed.
    pub(super) fn lose(&mut self) -> Option<AfterLoss> {
        let was_connected = self.is_connected();
        let was_live = self.is_live();
        if !self.phase.lose() {
            return None;
        }
        if self.phase == Phase::Closed {
            return Some(AfterLoss::Close);
        }
        if !was_live {
            self.attempt = self.attempt.saturating_add(1);
        }
        Some(AfterLoss::Reconnect { attempt: self.attempt, was_connected })
    }

    /// Records that the application closed the client, which is closing now if it was live, and closed otherwise.
    /// Returns false if it was one of these already.
    pub(super) fn close(&mut self) -> bool {
        self.phase.close()
    }

    /// Records that the runtime sent `session.closed`, or did not in time. Returns whether that closes the client.
    pub(super) fn finish(&mut self) -> bool {
        self.phase.finish()
    }

    /// Returns the number of failed attempts to reach the runtime since the last welcome.
    pub(super) fn attempt(&self) -> u32 {
        self.attempt
    }

    /// Returns whether a transport is up.
    pub(super) fn is_connected(&self) -> bool {
        matches!(self.phase, Phase::Greeting | Phase::Live | Phase::Closing)
    }

    /// Returns whether an attempt to connect can be under way.
    pub(super) fn is_connecting(&self) -> bool {
        matches!(self.phase, Phase::Idle | Phase::Lost)
    }

    pub(super) fn is_greeting(&self) -> bool {
        self.phase == Phase::Greeting
    }

    pub(super) fn is_live(&self) -> bool {
        self.phase == Phase::Live
    }

    pub(super) fn is_closing(&self) -> bool {
        self.phase == Phase::Closing
    }

    /// Returns whether commands are refused.
    pub(super) fn is_ending(&self) -> bool {
        matches!(self.phase, Phase::Closing | Phase::Closed)
    }
}

#[cfg(test)]
mod tests {
    use super::{AfterLoss, Phase, State};
    use crate::state::table;

    #[test]
    fn every_state_and_transition() {
        use Phase::{Closed, Closing, Greeting, Idle, Live, Lost};
        insta::assert_snapshot!(table(&[Idle, Greeting, Live, Lost, Closing, Closed]));
    }

    #[test]
    fn attempts_count_from_the_last_welcome() {
        let mut state = State::new();
        let reconnect = |attempt, was_connected| Some(AfterLoss::Reconnect { attempt, was_connected });
        assert_eq!(state.lose(), reconnect(1, false));
        assert!(state.open());
        assert_eq!(state.lose(), reconnect(2, true));
        assert!(state.open() && state.welcome());
        assert_eq!(state.lose(), reconnect(0, true));
    }
}
