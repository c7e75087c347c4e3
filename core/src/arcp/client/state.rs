//! The life of a client.
//!
//! ```text
//! Idle --open--> Greeting --welcome--> Live --close--> Closing
//!  |  \             |  |  ^             |  |             |
//!  |   lose     lose|  |  |open         |  |refuse       |done, lose
//!  |      \         v  |  |             |  |             v
//!  |       +------> Lost--+ <--lose-----+  +---------> Closed
//!  |                 | ^ |                               ^
//!  |                 | +-+ lose                          |
//!  +------close------+---close, Greeting: close, refuse--+
//! ```
//!
//! A session survives `Lost`: the next greeting resumes it. `Closed` has no exit.

/// Where a client is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// No transport was opened yet.
    Idle,
    /// The hello is out.
    Greeting,
    /// Welcomed.
    Live,
    /// No transport; the next one resumes the session, if there is one.
    Lost,
    /// `session.close` is out or waits for credit.
    Closing,
    /// The end.
    Closed,
}

/// What happens to a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// A transport is up.
    Open,
    /// `session.welcome`
    Welcome,
    /// The runtime refuses the session for good.
    Refuse,
    /// The transport is gone, or could not be had.
    Lose,
    /// The application wants to end.
    Close,
    /// `session.closed`, or its deadline.
    Done,
}

impl State {
    /// The state after a step; `None` where the step is not for this state and is ignored.
    pub(super) const fn next(self, step: Step) -> Option<State> {
        match (self, step) {
            (State::Idle | State::Lost, Step::Open) => Some(State::Greeting),
            (State::Greeting, Step::Welcome) => Some(State::Live),
            (State::Idle | State::Greeting | State::Live | State::Lost, Step::Lose) => Some(State::Lost),
            (State::Live, Step::Close) => Some(State::Closing),
            (State::Idle | State::Greeting | State::Lost, Step::Close)
            | (State::Greeting | State::Live | State::Closing, Step::Refuse)
            | (State::Closing, Step::Lose | Step::Done) => Some(State::Closed),
            _ => None,
        }
    }

    /// Whether a transport is up.
    pub(super) const fn connected(self) -> bool {
        matches!(self, State::Greeting | State::Live | State::Closing)
    }
}

#[cfg(test)]
mod tests {
    use super::{State, Step};
    use alloc::format;
    use alloc::string::String;
    use core::fmt::Write as _;

    #[test]
    fn every_state_and_step() {
        let steps = [Step::Open, Step::Welcome, Step::Refuse, Step::Lose, Step::Close, Step::Done];
        let mut table = String::from("        ");
        for step in steps {
            write!(table, " {:8}", format!("{step:?}")).expect("a String takes everything");
        }
        for state in [State::Idle, State::Greeting, State::Live, State::Lost, State::Closing, State::Closed] {
            write!(table, "\n{:8}", format!("{state:?}")).expect("a String takes everything");
            for step in steps {
                let next = state.next(step).map_or_else(|| String::from("-"), |next| format!("{next:?}"));
                write!(table, " {next:8}").expect("a String takes everything");
            }
        }
        let table: String = table.lines().map(|line| format!("{}\n", line.trim_end())).collect();
        insta::assert_snapshot!(table, @r"
                 Open     Welcome  Refuse   Lose     Close    Done
        Idle     Greeting -        -        Lost     Closed   -
        Greeting -        Live     Closed   Lost     Closed   -
        Live     -        -        Closed   Lost     Closing  -
        Lost     Greeting -        -        Lost     Closed   -
        Closing  -        -        Closed   Closed   -        Closed
        Closed   -        -        -        -        -        -
        ");
    }
}
