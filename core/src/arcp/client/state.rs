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
        let mut table = String::new();
        let mut line = |first: &str, cells: [String; 6]| {
            let [open, welcome, refuse, lose, close, done] = cells;
            let line = format!("{first:8} {open:8} {welcome:8} {refuse:8} {lose:8} {close:8} {done}");
            writeln!(table, "{line}").expect("a String takes everything");
        };
        line("", steps.map(|step| format!("{step:?}")));
        for state in [State::Idle, State::Greeting, State::Live, State::Lost, State::Closing, State::Closed] {
            let next = |step| state.next(step).map_or_else(|| String::from("-"), |next| format!("{next:?}"));
            line(&format!("{state:?}"), steps.map(next));
        }
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
